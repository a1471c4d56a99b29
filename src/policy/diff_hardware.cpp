// policy: diff: devices by class, part and service. Asks no host.
#include <fmt/format.h>

#include <map>
#include <optional>

#include "policy/diff_parts.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using enum ChangeKind;

struct DeviceWords {
    std::string_view key, words;
    Danger weight{};
};
// What hears, sees or speaks for its owner weighs most.
constexpr DeviceWords kDevices[] = {
    {"gpu", "the GPU", Danger::moderate},
    {"display", "the screen", Danger::serious},
    {"input", "touch and keys", Danger::serious},
    {"audio", "sound", Danger::serious},
    {"audio/playback", "the loudspeaker", Danger::moderate},
    {"audio/capture", "the microphone", Danger::serious},
    {"camera", "the cameras", Danger::serious},
    {"modem", "the modem", Danger::serious},
    {"modem/data", "the modem's data connection", Danger::serious},
    {"modem/emergency", "emergency calls", Danger::slight},
    {"modem/sms", "text messages", Danger::serious},
    {"modem/voice", "calls", Danger::serious},
    {"gnss", "the position", Danger::serious},
    {"sensors", "the sensors", Danger::moderate},
    {"usb", "USB devices", Danger::serious},
    {"bluetooth", "Bluetooth", Danger::serious},
    {"vibrator", "the vibration motor", Danger::slight},
    {"torch", "the torch", Danger::slight},
};

DeviceWords words_of(const std::string& key) {
    const auto* it = std::ranges::find(kDevices, key, &DeviceWords::key);
    return it == std::end(kDevices) ? DeviceWords{key, key, Danger::serious} : *it;
}

struct RightWords {
    std::string_view right, words;
    int rank = 1;  // of one class, the more the wider
};
constexpr RightWords kRights[] = {
    {"none", "", 0},
    {"foreground", " in the foreground"},
    {"background", " in the background", 2},
    {"render", " (render nodes)"},
    {"full", " (the display controller too)", 2},
    {"lease", " and outputs of its own", 2},
    {"broker", " by the broker"},
};

RightWords right_of(const std::string& right) {
    const auto* it = std::ranges::find(kRights, right, &RightWords::right);
    return it == std::end(kRights) ? RightWords{right, " in another way"} : *it;
}

// "gpu" -> "render"; of a class in parts or services, each by itself: "modem/sms" -> "broker".
std::map<std::string, std::string> grants(const Half& half) {
    std::map<std::string, std::string> out;
    const Node* classes = half.whole.find("devices");
    if (classes == nullptr) return out;
    for (const auto& [key, key_at, node] : classes->members) {
        if (node.is(Node::Kind::string)) out[key] = node.text;
        for (const auto& item : node.items) out[key + "/" + item.text] = "broker";
        if (key == "modem" && !node.items.empty()) out["modem/emergency"] = "broker";
        for (const auto& member : node.members) out[key + "/" + member.key] = member.value.text;
    }
    std::erase_if(out, [](const auto& grant) { return grant.second == "none"; });
    return out;
}

Location device_place(const Half& half, const std::string& key) {
    const auto slash = key.find('/');
    const std::string whole = "devices/" + key.substr(0, slash);
    const Node* node = half.profile.source.at_path(whole);
    if (node != nullptr && slash != std::string::npos)
        for (const auto& item : node->items)
            if (item.text == key.substr(slash + 1)) return item.at;
    return half.where("devices/" + key);
}

void compare_device(Teller& t, const std::string& key, const std::string& was,
                    const std::string& is) {
    const auto from = right_of(was), to = right_of(is);
    const auto device = words_of(key);
    const Turn turn = turn_of(from.rank, to.rank);
    std::string words;
    if (from.rank == 0 || to.rank == 0)
        words = fmt::format("{} {} {}{}", t.m, pick(turn, "gains", "loses"), device.words,
                            from.rank == 0 ? to.words : from.words);
    else
        words = fmt::format("{} has {}{} instead of{}", t.m, device.words, to.words, from.words);
    t.say(ChangeKind::device, turn, device.weight, key, std::move(words), device_place(t.a, key),
          device_place(t.b, key));
}

}  // namespace

void compare_devices(Teller& t) {
    auto a = grants(t.a), b = grants(t.b);
    std::set<std::string> keys;
    for (const auto* side : {&a, &b})
        for (const auto& [key, right] : *side) keys.insert(key);
    const auto right = [](const auto& side, const std::string& key) {
        const auto it = side.find(key);
        return it == side.end() ? std::string("none") : it->second;
    };
    for (const auto& key : keys)
        if (right(a, key) != right(b, key)) compare_device(t, key, right(a, key), right(b, key));
}

}  // namespace pmos::policy
