// volume: the secret that destroys what it pretends to open, as the header keeps it. Destroys
// nothing itself; never logs.
#include "runtime/volume/duress.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "runtime/volume/factor.h"
#include "runtime/volume/guess.h"
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kType = R"("type":"pmos-duress")";
// What libcryptsetup takes for a keyslot, and no more: a header can be written by anybody.
constexpr std::uint32_t kMostMemoryKib = 4U << 20, kMostIterations = 1U << 16, kMostLanes = 4;

std::string hex(const HashBytes& bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

// The text behind "name":" in a token of ours, which has no white space.
std::string_view text_of(std::string_view json, std::string_view name) {
    const std::string key = fmt::format(R"("{}":")", name);
    const auto at = json.find(key);
    if (at == json.npos) return {};
    json.remove_prefix(at + key.size());
    return json.substr(0, json.find('"'));
}

template <class Number>
bool read_number(std::string_view text, int base, Number& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
    return error == std::errc() && !text.empty() && end == text.data() + text.size();
}

bool read_hex(std::string_view text, HashBytes& out) {
    if (text.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        unsigned char byte = 0;
        if (!read_number(text.substr(2 * i, 2), 16, byte)) return false;
        out.at(i) = static_cast<char>(byte);
    }
    return true;
}

bool is_sane(const KeyslotCost& c) {
    return (c.type == "argon2id" || c.type == "argon2i") && c.iterations >= 1 &&
           c.iterations <= kMostIterations && c.lanes >= 1 && c.lanes <= kMostLanes &&
           c.memory_kib >= 8 * c.lanes && c.memory_kib <= kMostMemoryKib;
}

std::optional<CryptDevice::Token> find_token(const CryptDevice& crypt) {
    for (auto& token : crypt.tokens())
        if (token.json.find(kType) != std::string::npos) return std::move(token);
    return std::nullopt;
}

// A TPM takes its time for what costs a storage nothing: tens of milliseconds for each index that
// it gives up, and for each key of a conversation, some of them a few times as long.
constexpr std::chrono::seconds kDestroyedElsewhere{2};

bool is_destroyed_elsewhere(const Factor& factor) {
    const Method* method = method_of(factor);
    return method != nullptr && method->destroy != nullptr;
}

}  // namespace

std::string DuressMark::token() const {
    return fmt::format(R"({{"type":"pmos-duress","keyslots":[],"salt":"{}","hash":"{}",)"
                       R"("kdf":"{}","iterations":"{}","memory":"{}","lanes":"{}"}})",
                       hex(salt), hex(hash), cost.type, cost.iterations, cost.memory_kib,
                       cost.lanes);
}

std::optional<DuressMark> DuressMark::parse(std::string_view token) {
    if (token.find(kType) == token.npos) return std::nullopt;
    DuressMark mark;
    mark.cost.type = text_of(token, "kdf");
    const bool whole = read_hex(text_of(token, "salt"), mark.salt) &&
                       read_hex(text_of(token, "hash"), mark.hash) &&
                       read_number(text_of(token, "iterations"), 10, mark.cost.iterations) &&
                       read_number(text_of(token, "memory"), 10, mark.cost.memory_kib) &&
                       read_number(text_of(token, "lanes"), 10, mark.cost.lanes);
    if (!whole || !is_sane(mark.cost)) return std::nullopt;
    return mark;
}

std::optional<DuressMark> duress_mark(const CryptDevice& crypt) {
    const auto token = find_token(crypt);
    return token ? DuressMark::parse(token->json) : std::nullopt;
}

Result<void> set_duress(CryptDevice& crypt, std::span<const std::byte> secret) {
    const auto cost = guess_cost(crypt);
    if (!cost)
        return fail(Code::unsupported, "the volume cannot have a duress PIN",
                    "its key derivation is not Argon2", "provision it with argon2id");
    DuressMark mark;
    // Another cost than at its making would tell that it was written since.
    const auto before = find_token(crypt);
    const auto old = before ? DuressMark::parse(before->json) : std::nullopt;
    mark.cost = old && is_as_dear(old->cost, *cost) ? old->cost : *cost;
    PMOS_ASSIGN(mark.salt, random_salt());
    PMOS_ASSIGN(mark.hash, random_salt());
    if (!secret.empty()) {
        PMOS_ASSIGN(const SecretHash hash, hash_secret(secret, mark.salt, mark.cost));
        mark.hash = hash.duress;
    }
    if (before) return crypt.replace_token(before->number, mark.token());
    PMOS_TRY(crypt.write_token(mark.token()));
    return {};
}

Result<void> ensure_duress_mark(CryptDevice& crypt) {
    if (!guess_cost(crypt) || duress_mark(crypt)) return {};
    return set_duress(crypt, {});
}

Result<void> check_not_duress(const CryptDevice& crypt, std::span<const std::byte> secret) {
    const auto mark = duress_mark(crypt);
    if (!mark) return {};
    PMOS_ASSIGN(const SecretHash hash, hash_secret(secret, mark->salt, mark->cost));
    if (hash.duress != mark->hash) return {};
    return fail(Code::usage, "this secret cannot be the new one", "", "choose another one");
}

Guard guard_of(const Request& request, const CryptDevice& crypt) {
    Guard guard;
    guard.cost = guess_cost(crypt);
    if (const auto mark = duress_mark(crypt)) {
        guard.cost = mark->cost;
        guard.salt = mark->salt;
        guard.duress = mark->hash;
    }
    guard.erase_after = request.erase_after;
    if (std::ranges::any_of(factors_of(crypt, ""), is_destroyed_elsewhere))
        guard.answer_after = kDestroyedElsewhere;
    return guard;
}

}  // namespace pmos::volume
