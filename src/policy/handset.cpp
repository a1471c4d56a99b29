// policy: what handset.json says: which devices of a phone are of which class. Looks at none.
#include "policy/handset.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

#include "policy/cdi.h"
#include "policy/json_duplicates.h"
#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile_reader.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kOnlyRight = "use";

struct BuiltIn {
    std::string_view device_class, right, subsystem, name, property{}, pattern{};
};
constexpr std::array kBuiltIn{
    BuiltIn{"gpu", "render", "drm", "renderD*"},
    BuiltIn{"gpu", "display", "drm", "card[0-9]*"},
    BuiltIn{"audio", "playback", "sound", "pcm*p"},
    BuiltIn{"audio", "capture", "sound", "pcm*c"},
    BuiltIn{"audio", "control", "sound", "controlC*"},
    // A camera's other nodes carry metadata, and an encoder's are no camera.
    BuiltIn{"camera", kOnlyRight, "video4linux", "video*", "ID_V4L_CAPABILITIES", "*:capture:*"},
    BuiltIn{"gnss", kOnlyRight, "gnss", "gnss*"},
    BuiltIn{"sensors", kOnlyRight, "iio", "iio:device*"},
};

DeviceMatch to_match(const BuiltIn& rule) {
    DeviceMatch match{.device_class = std::string(rule.device_class),
                      .right = std::string(rule.right),
                      .subsystem = std::string(rule.subsystem),
                      .name = std::string(rule.name)};
    if (!rule.property.empty()) match.properties.emplace_back(rule.property, rule.pattern);
    return match;
}

std::vector<std::string_view> rights_of(std::string_view device_class) {
    if (device_class == "modem") return {"port"};
    if (device_class == "gpu") return {"render", "display"};
    if (device_class == "audio") return {"playback", "capture", "control"};
    return {kOnlyRight};
}

// A name, and no pattern: libudev would take one.
bool is_subsystem(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    });
}

bool is_within(const Diagnostic& d, std::string_view pointer) {
    return d.at.pointer == pointer || d.at.pointer.starts_with(fmt::format("{}/", pointer));
}

// Of items without a fault of shape, which has been told.
class Reader {
  public:
    Reader(std::vector<DeviceMatch>& matches, std::vector<Diagnostic>& out)
        : matches_(matches), out_(out) {}

    void read(const DeviceClass& device_class, const Node& items) {
        for (const auto& item : items.items) {
            const auto faulty = [&](const Diagnostic& d) { return is_within(d, item.at.pointer); };
            if (out_.size() >= kMaxFindings) return;
            if (std::ranges::none_of(out_, faulty)) read_item(device_class, item);
        }
    }

  private:
    void read_item(const DeviceClass& device_class, const Node& item);
    void read_path(const Node& item, DeviceMatch& match);
    void read_cdi_name(const Node& name, DeviceMatch& match);
    void has_no_meaning(const Member& other, std::string_view beside);
    void read_udev(const Node& item, DeviceMatch& match);
    void read_right(const DeviceClass& device_class, const Node& item, DeviceMatch& match);
    void fault(Rule rule, const Location& at, std::string message, std::string fix) {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix)));
    }

    std::vector<DeviceMatch>& matches_;
    std::vector<Diagnostic>& out_;
};

void Reader::read_item(const DeviceClass& device_class, const Node& item) {
    DeviceMatch match;
    match.device_class = device_class.name;
    match.at = item.at;
    read_right(device_class, item, match);
    const Node* path = item.is(Node::Kind::string) ? &item : item.find("path");
    const Node* cdi = item.find("cdi");
    if (path != nullptr)
        read_path(*path, match);
    else if (cdi != nullptr)
        read_cdi_name(*cdi, match);
    else
        read_udev(item, match);
    if (const Member* other = path != nullptr ? item.member("cdi") : nullptr)
        has_no_meaning(*other, "path");
    for (const char* key : {"subsystem", "name", "driver", "properties"})
        if (const Member* other = match.by_udev() ? nullptr : item.member(key))
            has_no_meaning(*other, path != nullptr ? "path" : "cdi");
    matches_.push_back(std::move(match));
}

void Reader::has_no_meaning(const Member& other, std::string_view beside) {
    fault(Rule::contradiction, other.key_at,
          fmt::format("'{}' has no meaning beside '{}'", other.key, beside), "keep one of the two");
}

void Reader::read_cdi_name(const Node& name, DeviceMatch& match) {
    if (!parse_cdi_name(name.text))
        fault(Rule::bad_value, name.at,
              fmt::format("'{}' is no name of a CDI device", shown(name.text)),
              "write \"vendor.com/class=device\", as its specification names it");
    match.cdi = name.text;
}

void Reader::read_path(const Node& path, DeviceMatch& match) {
    if (!path.text.starts_with("/dev/"))
        fault(Rule::bad_value, path.at, fmt::format("'{}' is not below /dev", shown(path.text)),
              "name the node, such as \"/dev/wwan0at0\", or a link to it that udev makes");
    match.path = path.text;
}

void Reader::read_udev(const Node& item, DeviceMatch& match) {
    const Node* subsystem = item.find("subsystem");
    if (subsystem == nullptr)
        return fault(Rule::missing_key, item.at, "'subsystem' is missing",
                     "add \"subsystem\": as 'udevadm info NODE' shows it after U:, or \"path\"");
    if (!is_subsystem(subsystem->text))
        fault(Rule::bad_value, subsystem->at,
              fmt::format("'{}' is not the name of a subsystem", shown(subsystem->text)),
              "a name such as \"drm\", without * and ?");
    match.subsystem = subsystem->text;
    for (auto [key, pattern] : {std::pair{"name", &match.name}, {"driver", &match.driver}}) {
        const Node* node = item.find(key);
        if (node == nullptr) continue;
        if (node->text.empty())
            fault(Rule::bad_value, node->at, "an empty pattern matches nothing", "remove it");
        *pattern = node->text;
    }
    if (const Node* properties = item.find("properties"))
        for (const auto& member : properties->members)
            match.properties.emplace_back(member.key, member.value.text);
}

void Reader::read_right(const DeviceClass& device_class, const Node& item, DeviceMatch& match) {
    const auto& rights = device_class.rights;
    const Node* right = item.find("right");
    if (right == nullptr && rights.size() == 1) {
        match.right = rights.front();
    } else if (right == nullptr) {
        fault(Rule::missing_key, item.at,
              fmt::format("'{}' has several rights: which one opens it?", device_class.name),
              item.is(Node::Kind::string)
                  ? fmt::format("write {{\"path\": \"{}\", \"right\": \"{}\"}}", shown(item.text),
                                rights.front())
                  : fmt::format("add \"right\": one of {}", fmt::join(rights, ", ")));
    } else if (std::ranges::find(rights, right->text) == rights.end()) {
        const auto near = nearest(right->text, rights);
        fault(Rule::bad_value, right->at,
              fmt::format("'{}' has no right '{}'", device_class.name, shown(right->text)),
              near.empty() ? fmt::format("one of: {}", fmt::join(rights, ", "))
                           : fmt::format("did you mean '{}'?", near));
    } else {
        match.right = right->text;
    }
}

bool concerns(const Diagnostic& d, const DeviceClass& device_class) {
    return is_within(d, fmt::format("/devices/{}", device_class.name));
}

bool concerns_all(const Diagnostic& d) {
    return !is_within(d, "/model") && !is_within(d, "/panel") &&
           std::ranges::none_of(device_classes(),
                                [&](const DeviceClass& c) { return concerns(d, c); });
}

std::string model_of(const Node& tree, const std::vector<Diagnostic>& found) {
    const Node* model = tree.find("model");
    const auto faulty = [](const Diagnostic& d) { return is_within(d, "/model"); };
    return model == nullptr || std::ranges::any_of(found, faulty) ? "" : model->text;
}

// As it is without handset.json where anything of it has a fault.
PanelLook look_of(const Node& tree, const std::vector<Diagnostic>& found) {
    const Node* panel = tree.find("panel");
    const auto faulty = [](const Diagnostic& d) { return is_within(d, "/panel"); };
    if (panel == nullptr || std::ranges::any_of(found, faulty)) return {};
    return {text_or(panel->find("language"), ""), u32_or(panel->find("textPercent"), 100),
            bool_or(panel->find("highContrast"), false)};
}

// Empty where the class has a fault.
std::vector<DeviceMatch> matches_of(const DeviceClass& device_class, const Node* devices,
                                    std::vector<Diagnostic>& found) {
    std::vector<DeviceMatch> matches;
    if (const Node* items = devices == nullptr ? nullptr : devices->find(device_class.name))
        Reader(matches, found).read(device_class, *items);
    else
        for (const auto& rule : kBuiltIn)
            if (rule.device_class == device_class.name) matches.push_back(to_match(rule));
    const auto faulty = [&](const Diagnostic& d) { return concerns(d, device_class); };
    if (std::ranges::any_of(found, faulty)) return {};
    return matches;
}

}  // namespace

std::span<const DeviceClass> device_classes() {
    static const auto kClasses = [] {
        std::vector<DeviceClass> classes;
        for (const auto name : split_list(find_key(handset_language(), "devices")->keys))
            classes.push_back({name, rights_of(name)});
        return classes;
    }();
    return kClasses;
}

bool is_arbitrated(std::string_view device_class) {
    const auto own = fmt::format("devices/{}", device_class);
    return std::ranges::any_of(profile_language().keys, [&](const KeySpec& key) {
        return (key.path == own || key.path.starts_with(own + "/")) && !key.enforced.empty() &&
               key.enforced != "none";
    });
}

Handset built_in_handset() {
    Handset handset;
    std::ranges::transform(kBuiltIn, std::back_inserter(handset.matches), to_match);
    return handset;
}

Handset read_handset(std::string_view file, std::string_view bytes,
                     std::vector<Diagnostic>& diagnostics) {
    Handset handset;
    std::vector<Diagnostic> found;
    const auto tree = read_json_with_duplicates(file, bytes, found);
    if (tree) {
        check_shape(handset_language(), *tree, true, found);
        handset.model = model_of(*tree, found);
        handset.panel_look = look_of(*tree, found);
        for (const auto& device_class : device_classes())
            std::ranges::move(matches_of(device_class, tree->find("devices"), found),
                              std::back_inserter(handset.matches));
    }
    // Where they are too many, not all are told: any class may have one.
    if (found.size() >= kMaxFindings || std::ranges::any_of(found, concerns_all))
        handset.matches.clear();
    std::ranges::stable_sort(found, {},
                             [](const Diagnostic& d) { return std::pair(d.at.line, d.at.column); });
    std::ranges::move(found, std::back_inserter(diagnostics));
    return handset;
}

}  // namespace pmos::policy
