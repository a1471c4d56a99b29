// volume: what a header's metadata says of a re-encryption, and the metadata as it is when that has
// ended. Text and values: reads no device.
#include "runtime/volume/rewritten.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "policy/json_reader.h"
#include "policy/json_writer.h"

namespace pmos::volume {
namespace {

using policy::Member;
using policy::Node;

constexpr std::string_view kData = "0";  // the segment, where there is one only
constexpr std::string_view kRequirement = "online-reencrypt";

std::optional<Node> read(const std::string& metadata) {
    std::vector<policy::Diagnostic> faults;
    return policy::read_json("metadata", metadata, faults);
}

Node* child(Node* node, std::string_view key) {
    if (node == nullptr) return nullptr;
    const auto it = std::ranges::find(node->members, key, &Member::key);
    return it == node->members.end() ? nullptr : &it->value;
}

const std::vector<Member>& members(const Node& root, std::string_view key) {
    static const std::vector<Member> none;
    const Node* node = root.find(key);
    return node == nullptr ? none : node->members;
}

bool lists(const Node& object, std::string_view array, std::string_view text) {
    const Node* node = object.find(array);
    return node != nullptr && std::ranges::any_of(node->items, [&](const Node& item) {
               return item.is(Node::Kind::string) && item.text == text;
           });
}

bool is_backup(const Node& segment) {
    const Node* flags = segment.find("flags");
    return flags != nullptr && std::ranges::any_of(flags->items, [](const Node& flag) {
               return flag.text.starts_with("backup-");
           });
}

bool has_text(const Node& object, std::string_view key, std::string_view text) {
    const Node* node = object.find(key);
    return node != nullptr && node->is(Node::Kind::string) && node->text == text;
}

bool notes_work(const Node& keyslot) { return has_text(keyslot, "type", "reencrypt"); }

// The one segment with that flag, "" where there is none.
std::string segment_with(const Node& root, std::string_view flag) {
    std::string found;
    for (const auto& [key, at, segment] : members(root, "segments"))
        if (lists(segment, "flags", flag)) found = key;
    return found;
}

// The one digest of a segment's key.
const Node* digest_of(const Node& root, std::string_view segment) {
    const Node* found = nullptr;
    for (const auto& [key, at, digest] : members(root, "digests")) {
        if (!lists(digest, "segments", segment)) continue;
        if (found != nullptr) return nullptr;
        found = &digest;
    }
    return found;
}

bool opens(const Node& root, const Node& digest) {
    return std::ranges::any_of(members(root, "keyslots"), [&](const Member& keyslot) {
        return lists(digest, "keyslots", keyslot.key) && has_text(keyslot.value, "type", "luks2");
    });
}

// Of a volume that gets another key, and nothing else: not one that is being encrypted for the
// first time, or no more.
bool rotates(const Node& root) {
    return std::ranges::any_of(members(root, "keyslots"), [](const Member& keyslot) {
        return notes_work(keyslot.value) && has_text(keyslot.value, "mode", "reencrypt");
    });
}

Rewritten rewritten_of(const Node& root) {
    const auto regular = std::ranges::count_if(members(root, "segments"),
                                               [](const Member& m) { return !is_backup(m.value); });
    if (!rotates(root) || !segment_with(root, "backup-moved-segment").empty())
        return Rewritten::unclear;
    const Node* before = digest_of(root, segment_with(root, "backup-previous"));
    const Node* after = digest_of(root, segment_with(root, "backup-final"));
    if (before == nullptr || after == nullptr || before == after || !opens(root, *after))
        return Rewritten::unclear;
    if (regular == 2) return Rewritten::part;
    if (regular != 1) return Rewritten::unclear;
    const Node* now = digest_of(root, kData);
    if (now == after) return Rewritten::all;
    return now == before ? Rewritten::nothing : Rewritten::unclear;
}

std::optional<Area> area_of(const Node& keyslot) {
    const Node* offset = keyslot.at_path("area/offset");
    const Node* size = keyslot.at_path("area/size");
    Area area;
    const auto number = [](const Node* node, std::uint64_t& value) {
        if (node == nullptr) return false;
        const char* end = node->text.data() + node->text.size();
        const auto [stop, error] = std::from_chars(node->text.data(), end, value);
        return error == std::errc() && stop == end;
    };
    if (!number(offset, area.offset) || !number(size, area.length)) return std::nullopt;
    return area;
}

void drop(Node* array, const std::vector<std::string>& texts) {
    if (array == nullptr) return;
    std::erase_if(array->items,
                  [&](const Node& item) { return std::ranges::count(texts, item.text) != 0; });
}

bool is_unused(const Member& digest) {
    const Node* keyslots = digest.value.find("keyslots");
    const Node* segments = digest.value.find("segments");
    return (keyslots == nullptr || keyslots->items.empty()) &&
           (segments == nullptr || segments->items.empty());
}

void drop_requirement(Node& root) {
    Node* config = child(&root, "config");
    Node* requirements = child(config, "requirements");
    Node* mandatory = child(requirements, "mandatory");
    if (mandatory == nullptr) return;
    std::erase_if(mandatory->items,
                  [](const Node& item) { return item.text.starts_with(kRequirement); });
    if (!mandatory->items.empty()) return;
    std::erase_if(requirements->members, [](const Member& m) { return m.key == "mandatory"; });
    if (requirements->members.empty())
        std::erase_if(config->members, [](const Member& m) { return m.key == "requirements"; });
}

}  // namespace

Rewritten rewritten_of(const std::string& metadata) {
    const auto root = read(metadata);
    return root ? rewritten_of(*root) : Rewritten::unclear;
}

Result<Ended> end_reencryption(const std::string& metadata) {
    auto root = read(metadata);
    if (!root || rewritten_of(*root) != Rewritten::all)
        return fail(Code::failed, "the volume's header is not one of a re-encryption at its end");
    const Node* before = digest_of(*root, segment_with(*root, "backup-previous"));
    Ended ended;
    std::vector<std::string> keyslots, segments;
    for (const auto& [key, at, keyslot] : members(*root, "keyslots")) {
        if (!lists(*before, "keyslots", key) && !notes_work(keyslot)) continue;
        const auto area = area_of(keyslot);
        if (!area)
            return fail(Code::failed, "the volume's header cannot be read", "keyslot " + key);
        keyslots.push_back(key);
        ended.unused.push_back(*area);
    }
    for (const auto& [key, at, segment] : members(*root, "segments"))
        if (is_backup(segment)) segments.push_back(key);
    const auto gone = [](const auto& keys) {
        return [&keys](const Member& m) { return std::ranges::count(keys, m.key) != 0; };
    };
    std::erase_if(child(&*root, "keyslots")->members, gone(keyslots));
    std::erase_if(child(&*root, "segments")->members, gone(segments));
    for (const char* speaking : {"digests", "tokens"}) {
        Node* all = child(&*root, speaking);
        if (all == nullptr) continue;
        for (auto& member : all->members) {
            drop(child(&member.value, "keyslots"), keyslots);
            drop(child(&member.value, "segments"), segments);
        }
    }
    std::erase_if(child(&*root, "digests")->members, is_unused);
    drop_requirement(*root);
    policy::JsonWriter out;
    policy::write_node(out.compact(true), *root);
    ended.metadata = out.take();
    ended.metadata.pop_back();  // the newline: nothing follows the JSON in a header
    return ended;
}

}  // namespace pmos::volume
