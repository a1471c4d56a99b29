// policy: a merged, well-shaped tree to a typed Profile. Knows no host.
#include "policy/profile.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile_reader.h"

namespace pmos::policy {

std::string text_or(const Node* node, std::string otherwise) {
    return node == nullptr ? std::move(otherwise) : node->text;
}

std::int64_t integer_or(const Node* node, std::int64_t otherwise) {
    if (node == nullptr) return otherwise;
    const auto value = static_cast<std::int64_t>(node->magnitude);
    return node->negative ? -value : value;
}

std::uint32_t u32_or(const Node* node, std::uint32_t otherwise) {
    return node == nullptr ? otherwise : static_cast<std::uint32_t>(node->magnitude);
}

bool bool_or(const Node* node, bool otherwise) {
    return node == nullptr ? otherwise : node->boolean;
}

std::uint64_t size_or(const Node* node, std::uint64_t otherwise) {
    if (node == nullptr) return otherwise;
    if (node->is(Node::Kind::integer)) return node->magnitude;
    return parse_size(node->text).value_or(otherwise);
}

std::uint32_t duration_or(const Node* node, std::uint32_t otherwise) {
    if (node == nullptr) return otherwise;
    const auto ms = parse_duration(node->text).value_or(otherwise);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(ms, UINT32_MAX));
}

OnLock lock_strength(const Node* node) {
    const auto words = split_list(kOnLockNames);
    const auto it =
        node == nullptr ? words.end() : std::ranges::find(words, std::string_view(node->text));
    return it == words.end() ? OnLock::evict : static_cast<OnLock>(it - words.begin());
}

std::vector<std::string> texts(const Node* node) {
    std::vector<std::string> out;
    if (node != nullptr)
        for (const auto& item : node->items) out.push_back(item.text);
    return out;
}

Profile ProfileReader::read() {
    p_.mode = text_or(get("mode"), "");
    p_.hostname = text_or(get("process/hostname"), p_.mode);
    p_.image = image("root/");
    p_.fallback = image("root/fallback/");
    p_.ready_after_ms = duration_or(get("root/readyAfter"), 0);
    p_.id_start = u32_or(get("identity/uidRange/start"), 0);
    p_.id_count = u32_or(get("identity/uidRange/count"), 0);
    if (std::uint64_t{p_.id_start} + p_.id_count > UINT32_MAX)
        fault(Rule::out_of_range, p_.where("identity/uidRange"),
              "the id range ends beyond 2^32 - 2");
    if (const Node* list = get("volumes"))
        for (const auto& item : list->items) volume(item);
    process();
    namespaces();
    if (const Node* list = get("mounts"))
        for (const auto& item : list->items) mount(item);
    check_targets();
    p_.seccomp_allow = texts(get("seccomp/allow"));
    p_.seccomp_log = !texts(get("seccomp/flags")).empty();
    p_.tell_arguments = bool_or(get("denials/arguments"), false);
    p_.tell_capabilities = bool_or(get("denials/capabilities"), false);
    p_.tell_landlock = bool_or(get("denials/landlock"), false);
    if (const Node* list = get("seccomp/rules"))
        for (const auto& item : list->items) seccomp_rule(item);
    devices();
    modem();
    audio();
    display();
    resources();
    session();
    network();
    hooks();
    p_.proc_pid_only = text_or(get("procSubset"), "all") == "pid";
    p_.apparmor = text_or(get("lsm/apparmor"), "");
    p_.apparmor_required = bool_or(get("lsm/required"), false);
    p_.landlock_required = bool_or(get("landlock/required"), false);
    p_.landlock_execute = texts(get("landlock/execute"));
    return std::move(p_);
}

ImageSpec ProfileReader::image(const std::string& at) const {
    return {text_or(get(at + "image"), ""), text_or(get(at + "verity/rootHash"), ""),
            text_or(get(at + "verity/hashImage"), "")};
}

void ProfileReader::namespaces() {
    std::uint64_t all = 0;
    for (const auto& entry : namespace_names()) all |= entry.value;
    p_.namespaces = all;
    const Node* offsets = get("timeOffsets");
    if (offsets != nullptr) {
        p_.monotonic_offset = integer_or(offsets->find("monotonic"), 0);
        p_.boottime_offset = integer_or(offsets->find("boottime"), 0);
    }
    p_.time_named = offsets != nullptr;
    const Node* list = get("namespaces");
    if (list == nullptr) return;
    p_.namespaces = 0;
    for (const auto& item : list->items)
        p_.namespaces |= value_of(namespace_names(), item.text).value_or(0);
    p_.time_named = p_.time_named || (p_.namespaces & CLONE_NEWTIME) != 0;
    for (const auto& entry : namespace_names())
        if ((p_.namespaces & entry.value) == 0 && entry.value != CLONE_NEWTIME)
            fault(Rule::missing_namespace, list->at,
                  fmt::format("without a {} namespace modes are not separate", entry.name),
                  fmt::format("add \"{}\", or leave 'namespaces' out", entry.name));
    if (offsets != nullptr && (p_.namespaces & CLONE_NEWTIME) == 0)
        fault(Rule::contradiction, offsets->at, "time offsets need a time namespace",
              "add \"time\" to 'namespaces'", {list->at});
}

void ProfileReader::devices() {
    const Node* node = get("devices");
    if (node == nullptr) return;
    for (const auto& member : node->members)
        p_.devices[member.key] =
            member.value.is(Node::Kind::string) ? member.value.text : std::string("broker");
}

void ProfileReader::modem() {
    const auto services = texts(get("devices/modem"));
    p_.modem.rights.sms = has_word(services, "sms");
    p_.modem.rights.voice = has_word(services, "voice");
    p_.modem.rights.emergency = has_word(services, "emergency");
    p_.modem.rights.data = has_word(services, "data");
    p_.modem.access_points = texts(get("modem/accessPoints"));
    p_.modem.numbers = texts(get("modem/numbers"));
    p_.modem.lines = texts(get("modem/lines"));
    p_.modem.rest = bool_or(get("modem/rest"), false);
    if (p_.modem.rights.data && p_.modem.access_points.empty())
        fault(Rule::contradiction, p_.where("devices/modem"),
              "the mode may connect, and there is nothing that it may connect to",
              "name it: \"modem\": { \"accessPoints\": [\"intern.example\"] }");
    if (p_.modem.rest && !p_.modem.rights.receives())
        fault(Rule::contradiction, p_.where("modem/rest"),
              "the mode may have neither calls nor messages",
              "give it a right: \"devices\": { \"modem\": [\"sms\", \"voice\"] }");
}

void ProfileReader::audio() {
    const auto part = [&](const char* name) {
        const auto right = text_or(get(fmt::format("devices/audio/{}", name)), "none");
        return right == "background"   ? Presence::background
               : right == "foreground" ? Presence::foreground
                                       : Presence::none;
    };
    const bool error = text_or(get("audio/whenTaken"), "silence") == "error";
    p_.audio = {part("playback"), part("capture"), error ? WhenTaken::error : WhenTaken::silence};
    const Node* own = p_.source.find("audio");
    const Node* taken = own == nullptr ? nullptr : own->find("whenTaken");
    if (taken != nullptr && p_.audio.playback != Presence::foreground &&
        p_.audio.capture != Presence::foreground)
        fault(Rule::contradiction, taken->at, "nothing of the mode's sound is ever taken from it",
              "leave 'whenTaken' out, or write \"foreground\" in devices/audio",
              {p_.where("devices/audio")});
    if (!p_.audio.any()) {
        p_.devices.erase("audio");
        return;
    }
    add_env("PIPEWIRE_RUNTIME_DIR=", kAudioPlace);
}

void ProfileReader::display() {
    DisplayRights& d = p_.display;
    const std::string right = text_or(get("devices/display"), "none");
    d.leases = right == "lease";
    d.shown = d.leases || right == "foreground";
    d.input = text_or(get("devices/input"), "none") == "foreground";
    if (d.input && !d.shown)
        fault(Rule::contradiction, p_.where("devices/input"),
              "input comes by the display, and the mode has none",
              "add \"display\": \"foreground\" to 'devices', or leave 'input' out");
    const Node* own = p_.source.find("display");
    if (!d.shown) {
        if (own != nullptr)
            fault(Rule::contradiction, own->at, "the mode is not shown on the panel",
                  "write \"display\": \"foreground\" in 'devices', or leave this out");
        return;
    }
    d.title = text_or(get("display/title"), p_.mode);
    d.scrambles = bool_or(get("display/scramblePad"), false);
    if (text_or(get("display/whenLost"), "keep") == "restart") d.when_lost = DisplayLost::restart;
    const std::string color = text_or(get("display/color"), "#455a64");
    std::from_chars(color.data() + 1, color.data() + color.size(), d.color, 16);
    const Node* protocols = get("display/protocols");
    d.protocols = protocols != nullptr
                      ? texts(protocols)
                      : std::vector<std::string>{"wl_data_device_manager", "wp_viewporter",
                                                 "wp_presentation", "zxdg_decoration_manager_v1"};
    if (has_word(d.protocols, "zwp_linux_dmabuf_v1") &&
        text_or(get("devices/gpu"), "none") == "none")
        fault(Rule::contradiction, p_.where("display/protocols"),
              "'zwp_linux_dmabuf_v1' hands buffers of a GPU on, and the mode has none",
              "write \"gpu\": \"render\" in 'devices', or leave the protocol out");
    add_env("WAYLAND_DISPLAY=", fmt::format("{}/wayland-0", kPanelPlace));
}

// Where its programs look for something, unless the profile knows better.
void ProfileReader::add_env(std::string_view name, std::string_view value) {
    auto& env = p_.process.env;
    if (std::ranges::none_of(env, [&](const auto& entry) { return entry.starts_with(name); }))
        env.push_back(fmt::format("{}{}", name, value));
}

void ProfileReader::limit(std::vector<LimitSpec>& limits, std::string_view path, std::string file,
                          std::string controller) {
    const Node* node = get(path);
    if (node == nullptr) return;
    const Node* value = node->is(Node::Kind::object) ? node->find("value") : node;
    if (value == nullptr) return;
    const KeySpec* spec = find_key(profile_language(), path);
    LimitSpec limit{std::move(file), "", std::move(controller),
                    bool_or(node->find("optional"), false), node->at};
    const bool text = value->is(Node::Kind::string);
    const auto size = text ? parse_size(value->text) : std::optional(value->magnitude);
    if (spec->format == Format::size_or_max && (size || (text && value->text == "max"))) {
        limit.value = size ? std::to_string(*size) : "max";
    } else if (spec->format == Format::cpu_max && text) {
        limit.value = value->text;
    } else if (spec->format == Format::free && !text && !value->negative &&
               size >= static_cast<std::uint64_t>(spec->min) &&
               size <= static_cast<std::uint64_t>(spec->max)) {
        limit.value = std::to_string(*size);
    } else {
        return fault(Rule::bad_value, value->at, fmt::format("'{}' cannot have this value", path),
                     spec->example.empty() ? "" : fmt::format("for example {}", spec->example));
    }
    limits.push_back(std::move(limit));
}

void ProfileReader::resources() {
    auto& limits = p_.limits;
    limit(limits, "resources/memory/max", "memory.max", "memory");
    limit(limits, "resources/memory/high", "memory.high", "memory");
    limit(limits, "resources/memory/swapMax", "memory.swap.max", "memory");
    limit(limits, "resources/pids/max", "pids.max", "pids");
    limit(limits, "resources/cpu/max", "cpu.max", "cpu");
    limit(limits, "resources/cpu/weight", "cpu.weight", "cpu");
    limit(limits, "resources/io/weight", "io.weight", "io");
}

void ProfileReader::throttle() {
    const Node* node = get("session/throttle");
    if (p_.session.background != Background::throttle) {
        if (node != nullptr)
            fault(Rule::contradiction, node->at, "the mode is not throttled in the background",
                  "write \"background\": \"throttle\", or leave 'throttle' out");
        return;
    }
    auto& limits = p_.background_limits;
    limit(limits, "session/throttle/cpu/weight", "cpu.weight", "cpu");
    limit(limits, "session/throttle/io/weight", "io.weight", "io");
    limit(limits, "session/throttle/memory/high", "memory.high", "memory");
    for (const char* controller : {"cpu", "io"})
        if (std::ranges::find(limits, controller, &LimitSpec::controller) == limits.end())
            limits.push_back({std::string(controller) + ".weight", "10", controller, true,
                              p_.where("session/background")});
}

void ProfileReader::session() {
    p_.session.autostart = bool_or(get("session/autostart"), false);
    const auto lives = split_list(kBackgroundNames);
    const auto life = std::ranges::find(lives, text_or(get("session/background"), "freeze"));
    if (life != lives.end()) p_.session.background = static_cast<Background>(life - lives.begin());
    throttle();
    p_.session.on_lock = lock_strength(get("session/onLock"));
    p_.session.stop_timeout_ms = duration_or(get("session/stopTimeout"), 0);
    p_.session.lock_after_ms = duration_or(get("session/lockAfter"), 0);
    p_.session.evict_after_ms = duration_or(get("session/evictAfter"), 0);
    p_.session.erase_after_failures = u32_or(get("session/eraseAfterFailures"), 0);
    unlock_recent();
    session_bus();
    const auto moments = split_list(kLockAtNames);
    for (const auto& word : texts(get("session/lockAt")))
        p_.session.lock_at.push_back(static_cast<LockAt>(
            std::ranges::find(moments, std::string_view(word)) - moments.begin()));
}

void ProfileReader::session_bus() {
    const auto words = split_list(kNotificationsNames);
    const auto word = std::ranges::find(words, text_or(get("session/notifications"), "off"));
    if (word != words.end())
        p_.session.notifications = static_cast<Notifications>(word - words.begin());
    p_.session.idle_inhibit = text_or(get("session/idleInhibit"), "never") == "foreground";
    if (p_.session.has_session_bus())
        add_env("DBUS_SESSION_BUS_ADDRESS=", fmt::format("unix:path={}/bus", kNotifyPlace));
}

void ProfileReader::unlock_recent() {
    const Node* node = get("session/unlockRecent");
    if (node == nullptr) return;
    constexpr std::uint32_t kMost = 72 * 3600 * 1000;
    const auto place = [&](std::string_view key) {
        const Node* found = node->find(key);
        return found == nullptr ? node->at : found->at;
    };
    const auto ms = duration_or(node->find("within"), 0);
    if (ms == 0 || ms > kMost)
        fault(Rule::out_of_range, place("within"), "'within' is more than nothing and at most 72h",
              "write \"4h\", or leave 'unlockRecent' out");
    const auto methods = texts(node->find("methods"));
    if (methods.empty())
        fault(Rule::bad_value, place("methods"), "nothing is enough after a recent unlock",
              "write \"fingerprint\", or leave 'unlockRecent' out");
    if (has_word(methods, "fingerprint")) p_.session.fingerprint_within_ms = ms;
}

void ProfileReader::hooks() {
    const Node* node = get("hooks");
    if (node == nullptr) return;
    const KeySpec* row = find_key(profile_language(), "hooks/*/[]/timeout");
    const auto otherwise = parse_duration(row->fallback.substr(1, row->fallback.size() - 2));
    const auto names = split_list(kHookPointNames);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Node* list = node->find(names[i]);
        if (list == nullptr) continue;
        const auto point = static_cast<HookPoint>(i);
        for (const auto& item : list->items) {
            const bool text = item.is(Node::Kind::string);
            p_.hooks.push_back({point, text ? item.text : text_or(item.find("path"), ""),
                                texts(item.find("args")),
                                duration_or(item.find("timeout"),
                                            static_cast<std::uint32_t>(otherwise.value_or(0)))});
        }
    }
}

bool foreground_only(std::string_view device_class, std::string_view right) {
    return right == "foreground" || device_class == "gpu";
}

Location Profile::where(std::string_view path) const {
    while (!path.empty()) {
        if (const Node* node = source.at_path(path)) return node->at;
        const auto slash = path.rfind('/');
        path = slash == std::string_view::npos ? "" : path.substr(0, slash);
    }
    return source.at;
}

Profile read_profile(const Node& root, std::string file, std::vector<Diagnostic>& diagnostics) {
    return ProfileReader(root, std::move(file), diagnostics).read();
}

}  // namespace pmos::policy
