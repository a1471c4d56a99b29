// policy: questions about capabilities, devices and networks. Asks no host.
#include <arpa/inet.h>
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

Result<std::pair<sa_family_t, bool>> parse_address(const std::string& host) {
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, host.c_str(), &v4) == 1)
        return std::pair<sa_family_t, bool>{AF_INET, ntohl(v4.s_addr) >> 24U == 127};
    if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1)
        return std::pair<sa_family_t, bool>{AF_INET6, IN6_IS_ADDR_LOOPBACK(&v6) != 0};
    return fail(Code::usage, fmt::format("'{}' is not an address", shown(host)),
                "names are not looked up", "write 10.0.0.1:443 or [fd00::1]:443");
}

// This very call, with zeros for the other arguments.
bool lets(const Subject& s, const std::string& call, std::vector<std::uint64_t> args) {
    const auto tried = call_cases(s, {Topic::syscall, call, "", std::move(args), true});
    return !tried.empty() && tried.front().verdict == verdict_allow().ret;
}

// No build has them yet; what they mean is known.
Answer uplink(const Subject& s, const Location& at) {
    if (s.plan.network == "tunnel") {
        const Node* name = s.profile.source.at_path("network/tunnel");
        const auto tunnel = name == nullptr ? "" : shown(name->text);
        return {
            Ruling::depends,
            "network",
            "there is the tunnel and no other way",
            at,
            {fmt::format("through the tunnel '{}': allowed", tunnel), "by any other way: refused"},
            "",
            {}};
    }
    Answer answer{Ruling::allowed, "network", "the mode has the phone's uplink", at, {}, "", {}};
    if (s.profile.source.at_path("network/egress") == nullptr) return answer;
    answer.ruling = Ruling::depends;
    answer.why = "the mode has the phone's uplink, under rules that no build reads yet";
    answer.conditions = {"where network/egress admits it: allowed", "elsewhere: refused"};
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
    if ((granted == right && meant) || has_word(have, right))
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

Result<Answer> ask_connect(const Subject& s, const std::string& destination) {
    const auto colon = destination.rfind(':');
    std::string host = destination.substr(0, colon);
    std::uint32_t port = 0;
    if (colon != std::string::npos)
        for (const char c : destination.substr(colon + 1))
            port = c >= '0' && c <= '9' && port < 65536
                       ? port * 10 + static_cast<std::uint32_t>(c - '0')
                       : 65536;
    if (port == 0 || port > 65535)
        return fail(Code::usage, fmt::format("'{}' has no port", shown(destination)), "",
                    "write 10.0.0.1:443 or [fd00::1]:443");
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    PMOS_ASSIGN(const auto address, parse_address(host));
    const auto [family, loopback] = address;
    if (!lets(s, "socket", {family, 1}) || !lets(s, "connect", {})) {
        Answer answer{Ruling::refused,
                      "seccomp-not-allowed",
                      "no socket can be made or connected",
                      s.profile.where("seccomp/allow"),
                      {},
                      "add \"@network-io\" to seccomp/allow",
                      {},
                      false};
        weigh(s, answer, [](Node& tree) {
            make_key(tree, "seccomp/allow", Node::Kind::array)
                .items.push_back(text_node("@network-io"));
        });
        return answer;
    }
    const auto at = s.profile.where("network");
    if (!loopback && (s.plan.network == "direct" || s.plan.network == "tunnel"))
        return uplink(s, at);
    if (s.plan.network == "loopback" && loopback)
        return Answer{Ruling::allowed,
                      "network",
                      "the mode has a loopback interface of its own",
                      at,
                      {},
                      "",
                      {}};
    const std::string wanted = loopback ? "loopback" : "direct";
    Answer answer{Ruling::refused,
                  "network",
                  fmt::format("the network is '{}': there is no route", s.plan.network),
                  at,
                  {},
                  fmt::format("write \"network\": \"{}\"", wanted),
                  {}};
    answer.also = consequences(
        s, [&](Node& tree) { make_key(tree, "network", Node::Kind::string) = text_node(wanted); });
    return answer;
}

}  // namespace pmos::policy
