// policy: questions about capabilities and devices. Asks no host.
#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/profile_reader.h"
#include "policy/question_change.h"

namespace pmos::policy {
namespace {

// A part of a class that has one of its own, such as the microphone.
Answer ask_device_part(const Subject& s, const std::string& device_class, const std::string& part) {
    const std::string key = fmt::format("devices/{}/{}", device_class, part);
    const Node* value = s.profile.source.at_path(key);
    const std::string granted = value == nullptr ? "none" : value->text;
    const auto at = s.profile.where(key);
    if (granted != "none")
        return {Ruling::allowed,
                "device-class",
                fmt::format("'{}' is granted", granted),
                at,
                {},
                "",
                {}};
    Answer answer{
        Ruling::refused,
        "device-class",
        fmt::format("'{}' of {} has 'none'", part, device_class),
        at,
        {},
        fmt::format("write \"{}\": {{\"{}\": \"foreground\"}} in devices", device_class, part),
        {}};
    weigh(s, answer, [&](Node& tree) {
        Node& whole = make_key(tree, "devices/" + device_class, Node::Kind::object);
        if (!whole.is(Node::Kind::object)) {
            whole = Node();
            whole.kind = Node::Kind::object;
        }
        make_key(tree, key, Node::Kind::string) = text_node("foreground");
    });
    return answer;
}

}  // namespace

Result<Answer> ask_capability(const Subject& s, const std::string& name) {
    const auto bit = value_of(capability_names(), name);
    if (!bit) {
        const auto near = nearest_name(name, capability_names());
        return fail(Code::usage, fmt::format("no capability '{}'", shown(name)), "",
                    near.empty() ? "" : fmt::format("did you mean '{}'?", near));
    }
    const auto at = s.profile.where("process/capabilities");
    if ((s.plan.process.capabilities.bounding >> *bit & 1U) != 0)
        return Answer{
            Ruling::allowed, "capability", "the profile grants it", at, {}, "", {}, false};
    Answer answer{Ruling::refused,
                  "capability",
                  "no key grants it",
                  at,
                  {},
                  fmt::format("add \"{}\" to process/capabilities", name),
                  {}};
    weigh(s, answer, [&](Node& tree) {
        make_key(tree, "process/capabilities", Node::Kind::array).items.push_back(text_node(name));
    });
    return answer;
}

Result<Answer> ask_device(const Subject& s, const std::string& device_class,
                          const std::string& wanted) {
    const KeySpec* spec = find_key(profile_language(), "devices/" + device_class);
    const auto classes = child_keys(profile_language(), "devices");
    if (spec == nullptr || device_class.contains('/'))
        return fail(Code::usage, fmt::format("no device class '{}'", shown(device_class)), "",
                    fmt::format("one of: {}", fmt::join(classes, ", ")));
    auto rights = split_list(spec->values);
    std::erase(rights, "none");
    const std::string key = "devices/" + device_class;
    const auto has = s.profile.devices.find(device_class);
    const auto granted = has == s.profile.devices.end() ? "none" : has->second;
    const Node* list = s.profile.source.at_path(key);
    const auto have = texts(list);  // of a class whose rights are services
    // A class in parts, of which no particular one is meant: one that there is, or the first.
    const auto parts = child_keys(profile_language(), key);
    if (wanted.empty() && rights.empty() && !parts.empty() && list != nullptr) {
        const auto part = std::ranges::find_if(
            list->members, [](const auto& member) { return member.value.text != "none"; });
        if (part != list->members.end()) return ask_device_part(s, device_class, part->key);
    }
    if (wanted.empty() && rights.empty() && !parts.empty())
        return ask_device_part(s, device_class, std::string(parts.front()));
    // Any right: the one that there is, else the first that there could be.
    const std::string right = !wanted.empty()     ? wanted
                              : !have.empty()     ? have.front()
                              : granted != "none" ? granted
                                                  : std::string(rights.front());
    if (find_key(profile_language(), key + "/" + right) != nullptr)
        return ask_device_part(s, device_class, right);
    const KeySpec* item = find_key(profile_language(), "devices/" + device_class + "/[]");
    const auto services =
        item == nullptr ? std::vector<std::string_view>{} : split_list(item->values);
    const bool service = std::ranges::find(services, right) != services.end();
    if (!service && std::ranges::find(rights, right) == rights.end()) {
        rights.insert(rights.end(), services.begin(), services.end());
        for (const auto part : parts)
            if (part != "[]") rights.push_back(part);
        return fail(Code::usage, fmt::format("{} has no right '{}'", device_class, shown(right)),
                    "", fmt::format("one of: {}", fmt::join(rights, ", ")));
    }
    const bool node = std::ranges::any_of(
        s.plan.device_nodes, [&](const DeviceNode& n) { return n.device_class == device_class; });
    // What this build cannot enforce has no node, and means a grant all the same.
    const auto enforced = split_list(spec->enforced);
    const bool meant =
        spec->enforced == "*" || std::ranges::find(enforced, granted) != enforced.end()
            ? node
            : granted != "none";
    // With any service of the modem.
    const bool comes_along = right == "emergency" && !have.empty();
    if ((granted == right && meant) || has_word(have, right) || comes_along)
        return Answer{Ruling::allowed,
                      "device-class",
                      fmt::format("'{}' is granted", right),
                      s.profile.where(key),
                      {},
                      "",
                      {}};
    Answer answer{Ruling::refused,
                  "device-class",
                  fmt::format("the class has '{}'",
                              have.empty() ? granted : fmt::format("{}", fmt::join(have, ", "))),
                  s.profile.where(key),
                  {},
                  "",
                  {}};
    std::string write = service ? "[" : "";
    for (const auto& other : have)
        if (service) write += fmt::format("\"{}\", ", other);
    write += fmt::format("\"{}\"{}", right, service ? "]" : "");
    answer.change = fmt::format("write \"{}\": {} in devices", device_class, write);
    weigh(s, answer, [&](Node& tree) {
        Node& value = make_key(tree, key, Node::Kind::string);
        if (!service || !value.is(Node::Kind::array)) value = text_node(right);
        if (!service) return;
        value.items.push_back(text_node(right));
        value.kind = Node::Kind::array;
    });
    return answer;
}

}  // namespace pmos::policy
