// policy: diff: the keys that no other part speaks of, by their values: a key that is new in the
// language shows before anybody has words for it. Asks no host.
#include <fmt/format.h>

#include <map>

#include "policy/diff_parts.h"
#include "policy/language.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kCompared[] = {
    // What says nothing, or is settled before: blocks are merged, modes are matched by name.
    "$schema", "pmos", "mode", "extends/[]",
    // diff_storage.cpp, diff_paths.cpp
    "root/image", "root/verity/rootHash", "root/verity/hashImage", "root/fallback/image",
    "root/fallback/verity/rootHash", "root/fallback/verity/hashImage", "root/readyAfter",
    "volumes/[]/name", "volumes/[]/target", "volumes/[]/size", "volumes/[]/source/file",
    "volumes/[]/source/device", "volumes/[]/options/[]", "volumes/[]/luks/cipher",
    "volumes/[]/luks/keySize", "volumes/[]/luks/sectorSize", "volumes/[]/luks/integrity",
    "volumes/[]/luks/discards", "volumes/[]/luks/header", "volumes/[]/luks/pbkdf/type",
    "volumes/[]/luks/pbkdf/memoryMax", "volumes/[]/luks/pbkdf/timeMs", "volumes/[]/unlock/[]",
    "volumes/[]/tpm2/pcrs/[]", "volumes/[]/tpm2/throttle", "volumes/[]/escrow", "volumes/[]/onLock",
    "mounts/[]/type", "mounts/[]/source", "mounts/[]/target", "mounts/[]/options/[]",
    "mounts/[]/size", "procSubset",
    // diff_process.cpp
    "identity/uidRange/start", "identity/uidRange/count", "process/args/[]", "process/env/[]",
    "process/cwd", "process/user/uid", "process/user/gid", "process/user/additionalGids/[]",
    "process/user/umask", "process/capabilities/[]", "process/rlimits/*", "process/rlimits/*/soft",
    "process/rlimits/*/hard", "process/hostname", "process/oomScoreAdj",
    // diff_calls.cpp
    "seccomp/allow/[]", "seccomp/flags/[]", "seccomp/rules/[]/names/[]", "seccomp/rules/[]/action",
    "seccomp/rules/[]/errno", "seccomp/rules/[]/args/[]/index", "seccomp/rules/[]/args/[]/value",
    "seccomp/rules/[]/args/[]/valueTwo", "seccomp/rules/[]/args/[]/op", "denials/arguments",
    "denials/capabilities", "denials/landlock",
    // diff_hardware.cpp
    "devices/gpu", "devices/display", "devices/input", "devices/audio", "devices/audio/playback",
    "devices/audio/capture", "devices/camera", "devices/modem", "devices/modem/[]", "devices/gnss",
    "devices/sensors", "devices/usb", "devices/bluetooth", "devices/vibrator", "devices/torch",
    // diff_network.cpp
    "network", "network/direct", "network/tunnel/name", "network/tunnel/addresses/[]",
    "network/tunnel/mtu", "network/tunnel/peers/[]/publicKey", "network/tunnel/peers/[]/endpoint",
    "network/tunnel/peers/[]/allowedIPs/[]", "network/tunnel/peers/[]/persistentKeepalive",
    "network/tunnel/peers/[]/presharedKey", "network/dns/[]", "network/egress/allow/[]",
    "network/egress/deny/[]", "network/inbound/[]", "network/limits/send", "network/limits/receive",
    "network/limits/volume",
    // diff_life.cpp
    "namespaces/[]", "timeOffsets/monotonic", "timeOffsets/boottime", "lsm/apparmor",
    "lsm/required", "landlock/required", "landlock/execute/[]", "resources/*/*",
    "resources/*/*/value", "resources/*/*/optional", "session/autostart", "session/background",
    "session/throttle/cpu/weight", "session/throttle/io/weight", "session/throttle/memory/high",
    "session/onLock", "session/lockAfter", "session/lockAt/[]", "session/evictAfter",
    "session/unlockRecent/methods/[]", "session/unlockRecent/within", "session/eraseAfterFailures",
    "session/stopTimeout", "session/notifications", "session/idleInhibit", "hooks/*/[]",
    "hooks/*/[]/path", "hooks/*/[]/args/[]", "hooks/*/[]/timeout"};

// The row's own pattern for a key below an object: itself, or "*".
std::string pattern_of(const std::string& parent, std::string_view key) {
    const std::string own = parent.empty() ? std::string(key) : fmt::format("{}/{}", parent, key);
    if (find_key(profile_language(), own) != nullptr) return own;
    // The limits share two rows: resources/*/*/value.
    if (is_limit(parent)) return fmt::format("resources/*/*/{}", key);
    return parent.empty() ? own : parent + "/*";
}

bool is_compared(std::string_view pattern) {
    if (std::ranges::find(kCompared, pattern) != std::end(kCompared)) return true;
    return is_limit(pattern) && pattern != "resources/io/max";
}

std::string value_words(const Node* node, Format format) {
    if (node == nullptr) return "nothing";
    if (node->is(Node::Kind::boolean)) return node->boolean ? "true" : "false";
    if (node->is(Node::Kind::integer))
        return fmt::format("{}{}", node->negative ? "-" : "", node->magnitude);
    if (format == Format::size)
        if (const auto bytes = parse_size(node->text)) return std::to_string(*bytes);
    if (format == Format::duration)
        if (const auto ms = parse_duration(node->text)) return fmt::format("{} ms", *ms);
    return "'" + shown(node->text) + "'";
}

class RestDiff {
  public:
    explicit RestDiff(Teller& t) : t_(t) {}

    void walk(const Node* a, const Node* b, const std::string& pattern) {
        const auto is = [&](Node::Kind kind) {
            return (a != nullptr && a->is(kind)) || (b != nullptr && b->is(kind));
        };
        if (is(Node::Kind::object)) return object(a, b, pattern);
        if (is(Node::Kind::array)) return array(a, b, pattern);
        leaf(a, b, pattern);
    }

  private:
    void object(const Node* a, const Node* b, const std::string& pattern) {
        // In place of an object may stand a word.
        for (const auto* node : {a, b})
            if (node != nullptr && !node->is(Node::Kind::object))
                leaf(node == a ? a : nullptr, node == b ? b : nullptr, pattern);
        std::vector<std::string> keys;
        for (const auto* node : {a, b})
            if (node != nullptr)
                for (const auto& member : node->members)
                    if (!has_word(keys, member.key)) keys.push_back(member.key);
        for (const auto& key : keys)
            walk(a == nullptr ? nullptr : a->find(key), b == nullptr ? nullptr : b->find(key),
                 pattern_of(pattern, key));
    }

    // Of objects that have a name or a target, those that both sides have; the rest is told whole.
    void array(const Node* a, const Node* b, const std::string& pattern) {
        const std::string below = pattern + "/[]";
        static const Node kNone;
        const Node &x = a == nullptr ? kNone : *a, &y = b == nullptr ? kNone : *b;
        const auto name = [](const Node& item) {
            for (const std::string_view key : {"name", "target"})
                if (const Node* value = item.find(key)) return value->text;
            return std::string();
        };
        for (std::size_t i = 0; i < std::max(x.items.size(), y.items.size()); ++i) {
            const Node* from = i < x.items.size() ? &x.items[i] : nullptr;
            const Node* to = i < y.items.size() ? &y.items[i] : nullptr;
            if (from == nullptr || name(*from).empty()) {
                walk(from, to, below);
                continue;
            }
            for (const auto& item : y.items)
                if (name(item) == name(*from)) walk(from, &item, below);
        }
    }

    void leaf(const Node* a, const Node* b, const std::string& pattern) {
        if (is_compared(pattern)) return;
        const KeySpec* spec = find_key(profile_language(), pattern);
        const Format format = spec == nullptr ? Format::free : spec->format;
        const auto was = value_words(a, format), is = value_words(b, format);
        if (was == is) return;
        const Node& there = b != nullptr ? *b : *a;
        const auto key = there.at.pointer.empty() ? pattern : there.at.pointer.substr(1);
        t_.say(ChangeKind::other, Turn::change, Danger::slight, pattern,
               fmt::format("{}'s '{}' is {} instead of {}", t_.m, key, is, was),
               a != nullptr ? a->at : t_.a.where(key), b != nullptr ? b->at : t_.b.where(key));
    }

    Teller& t_;
};

}  // namespace

std::span<const std::string_view> compared_keys() { return kCompared; }

void compare_rest(Teller& t) { RestDiff(t).walk(&t.a.whole, &t.b.whole, ""); }

}  // namespace pmos::policy
