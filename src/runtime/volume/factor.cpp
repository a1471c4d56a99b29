// volume: the ways into a volume, as its header tells them. Tries none, opens none.
#include "runtime/volume/factor.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <set>

#include "policy/json_reader.h"
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

using policy::Node;

std::optional<int> number_in(std::string_view text) {
    int value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

std::vector<int> numbers_in(const Node& list) {
    std::vector<int> numbers;
    for (const Node& item : list.items)
        if (item.is(Node::Kind::integer) && !item.negative && item.magnitude <= INT_MAX)
            numbers.push_back(static_cast<int>(item.magnitude));
    return numbers;
}

// It marks what the volume is, not how it opens: written beside whatever keyslot there is.
bool is_mark(const std::string& type) { return type == "pmos"; }

std::string method_of(const TokenText& token) {
    // systemd has one type for both.
    if (token.type() == kTpmAlone.token) return token.flag("tpm2-pin") ? "tpm2+pin" : "tpm2";
    const Method* method = method_of_token(token.type());
    return method != nullptr ? std::string(method->name) : token.type();
}

}  // namespace

Result<TokenText> TokenText::parse(const std::string& json) {
    std::vector<policy::Diagnostic> faults;
    const auto root = policy::read_json("token", json, faults);
    const Node* type = root ? root->find("type") : nullptr;
    const Node* keyslots = root ? root->find("keyslots") : nullptr;
    if (type == nullptr || !type->is(Node::Kind::string) || keyslots == nullptr)
        return fail(Code::failed, "a token in the volume's header cannot be read");
    TokenText token;
    token.type_ = type->text;
    for (const Node& item : keyslots->items)
        if (const auto slot = number_in(item.text)) token.keyslots_.push_back(*slot);
    for (const auto& member : root->members) {
        if (member.value.is(Node::Kind::string))
            token.members_.emplace_back(member.key, member.value.text);
        if (member.value.is(Node::Kind::boolean))
            token.members_.emplace_back(member.key, member.value.boolean ? "true" : "false");
        if (member.value.is(Node::Kind::array))
            token.lists_.emplace_back(member.key, numbers_in(member.value));
    }
    return token;
}

std::string TokenText::text(std::string_view member) const {
    const auto it = std::ranges::find(members_, member,
                                      [](const auto& m) { return std::string_view(m.first); });
    return it == members_.end() ? "" : it->second;
}

std::vector<int> TokenText::numbers(std::string_view member) const {
    const auto it =
        std::ranges::find(lists_, member, [](const auto& l) { return std::string_view(l.first); });
    return it == lists_.end() ? std::vector<int>() : it->second;
}

bool TokenText::flag(std::string_view member) const { return text(member) == "true"; }

std::vector<Factor> factors_of(const CryptDevice& crypt, std::string_view bare) {
    std::vector<Factor> found;
    std::set<int> spoken_of;
    for (const auto& token : crypt.tokens()) {
        const auto said = TokenText::parse(token.json);
        if (!said || is_mark(said->type())) continue;
        for (const int slot : said->keyslots()) {
            if (!crypt.is_keyslot(slot)) continue;
            spoken_of.insert(slot);
            found.push_back({method_of(*said), slot, token.number, said->type(), token.json});
        }
    }
    for (const int slot : crypt.keyslots())
        if (!spoken_of.contains(slot)) found.push_back({std::string(bare), slot, -1, "", ""});
    std::ranges::stable_sort(found, {}, &Factor::keyslot);
    return found;
}

}  // namespace pmos::volume
