// policy: questions about system calls, capabilities, devices and networks. Asks no host.
#include "policy/question.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/explain.h"
#include "policy/language.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

Node text_node(const std::string& text) {
    Node node;
    node.kind = Node::Kind::string;
    node.text = text;
    return node;
}

// The node of a key, made with what is above it where it is not there.
Node& make_key(Node& root, std::string_view path, Node::Kind kind) {
    Node* node = &root;
    for (std::string_view rest = path; !rest.empty();) {
        const auto slash = rest.find('/');
        const std::string key(rest.substr(0, slash));
        rest = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
        const auto it = std::ranges::find(node->members, key, &Member::key);
        if (it == node->members.end()) {
            Node fresh;
            fresh.kind = rest.empty() ? kind : Node::Kind::object;
            node->members.push_back({key, {}, std::move(fresh)});
            node = &node->members.back().value;
        } else {
            node = &it->value;
        }
    }
    return *node;
}

std::uint32_t outcome(const Subject& s, const Arch& arch, std::uint32_t nr,
                      const std::array<std::uint64_t, 6>& args = {}) {
    SyscallData data;
    data.nr = nr;
    data.arch = arch.audit;
    std::ranges::copy(args, data.args);
    return evaluate(from_bytes(s.plan.seccomp), data);
}

std::string test_words(const ArgTest& t) {
    constexpr std::string_view kOps[] = {"!=", "<", "<=", "==", ">=", ">"};
    if (t.op == Compare::masked_eq)
        return fmt::format("argument {} & {:#x} == {:#x}", t.index, t.value, t.value_two & t.value);
    return fmt::format("argument {} {} {:#x}", t.index, kOps[static_cast<std::size_t>(t.op)],
                       t.value);
}

// A value that passes the test.
std::uint64_t passing(const ArgTest& t) {
    switch (t.op) {
        case Compare::masked_eq:
            return t.value_two & t.value;
        case Compare::ne:
        case Compare::gt:
            return t.value + 1;
        case Compare::lt:
            return t.value - 1;
        default:
            return t.value;
    }
}

std::vector<SyscallRule> rules_for(const Profile& profile, const std::string& name) {
    std::vector<SyscallRule> out;
    for (const auto& rules : {profile.seccomp_rules, guard_rules()})
        for (const auto& rule : rules)
            if (has_word(rule.names, name)) {
                out.push_back(rule);
                if (rule.args.empty()) return out;
            }
    return out;
}

// Each case that a rule tells apart, with what the filter itself says of such a call.
std::vector<CallCase> cases(const Subject& s, const Arch& arch, std::uint32_t nr,
                            const std::vector<SyscallRule>& rules) {
    std::vector<CallCase> out;
    for (const auto& rule : rules) {
        if (rule.args.empty()) break;
        CallCase one;
        for (const auto& t : rule.args) one.args.at(t.index) = passing(t);
        one.words = tests_text(rule.args);
        out.push_back(std::move(one));
    }
    // What no rule speaks of: bits that no flag and no family uses.
    CallCase other;
    other.args.fill(std::uint64_t{0x40} | 0x50000000ULL << 32U);
    other.words = "otherwise";
    out.push_back(std::move(other));
    for (auto& one : out) one.verdict = outcome(s, arch, nr, one.args);
    return out;
}

// The entry of the allow list that lets a call in.
std::size_t entry_with(const Profile& profile, const std::string& name) {
    for (std::size_t i = 0; i < profile.seccomp_allow.size(); ++i)
        if (expand_syscalls(std::span(&profile.seccomp_allow[i], 1)).contains(name)) return i;
    return profile.seccomp_allow.size();
}

Answer allowed_call(const Subject& s, const std::string& name) {
    const auto entry = entry_with(s.profile, name);
    for (std::size_t i = 0; i < s.profile.seccomp_rules.size(); ++i)
        if (has_word(s.profile.seccomp_rules[i].names, name))
            return {Ruling::allowed,
                    "seccomp-rule",
                    "a rule of the profile allows it",
                    s.profile.where(fmt::format("seccomp/rules/{}", i)),
                    {},
                    "",
                    {}};
    if (entry == s.profile.seccomp_allow.size())
        return {Ruling::allowed,
                "seccomp-required",
                "pmos-init and every libc need it",
                s.profile.where("seccomp/allow"),
                {},
                "",
                {}};
    return {Ruling::allowed,
            "seccomp-allowed",
            fmt::format("'{}' allows it", s.profile.seccomp_allow[entry]),
            s.profile.where(fmt::format("seccomp/allow/{}", entry)),
            {},
            "",
            {}};
}

void weigh(const Subject& s, Answer& answer, const std::function<void(Node&)>& edit) {
    answer.also = consequences(s, edit);
    answer.weighed = true;
}

// {"names": [name], "action": "allow"}, before every other rule.
void allow_by_rule(Node& tree, const std::string& name) {
    Node rule, names;
    names.kind = Node::Kind::array;
    names.items.push_back(text_node(name));
    rule.kind = Node::Kind::object;
    rule.members.push_back({"names", {}, std::move(names)});
    rule.members.push_back({"action", {}, text_node("allow")});
    auto& rules = make_key(tree, "seccomp/rules", Node::Kind::array).items;
    rules.insert(rules.begin(), std::move(rule));
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

}  // namespace

std::string_view ruling_name(Ruling ruling) {
    constexpr std::string_view kNames[] = {"allowed", "refused", "depends"};
    return kNames[static_cast<std::size_t>(ruling)];
}

HostFacts whole_phone() {
    HostFacts facts;
    facts.landlock_abi = 3;
    facts.apparmor = facts.cgroup_v2 = facts.time_namespace = true;
    facts.cgroup_controllers = {"cpu", "io", "memory", "pids"};
    facts.filesystems = {"ext4", "erofs"};
    facts.device_mapper_targets = {"crypt", "verity"};
    facts.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128},
                     {"gpu", "full", "dri/card0", false, 226, 0},
                     {"modem", "port", "ttyS0", false, 4, 64}};
    return facts;
}

namespace {

Result<std::uint32_t> number_of(const Arch& arch, const std::string& name) {
    const auto nr = syscall_number(arch, name);
    if (nr && *nr <= arch.newest) return *nr;
    const auto near = nearest_syscall(name);
    return fail(Code::usage, fmt::format("no system call '{}' on {}", shown(name), arch.name), "",
                near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

Answer answer_for(const Subject& s, const std::string& name, std::uint32_t nr,
                  std::span<const CallCase> tried) {
    const auto is_allowed = [](const CallCase& c) { return c.verdict == verdict_allow().ret; };
    if (std::ranges::all_of(tried, is_allowed)) return allowed_call(s, name);
    const auto found = explain_refused_syscall(s.profile, *find_arch(s.facts.arch), nr);
    const auto ruling = std::ranges::any_of(tried, is_allowed) ? Ruling::depends : Ruling::refused;
    return {ruling, found.rule, found.why, found.at, {}, found.fix, {}};
}

}  // namespace

std::vector<CallCase> call_cases(const Subject& s, const Question& question) {
    const Arch& arch = *find_arch(s.facts.arch);
    const auto nr = syscall_number(arch, question.what);
    if (!nr || *nr > arch.newest) return {};
    if (!question.with_args) return cases(s, arch, *nr, rules_for(s.profile, question.what));
    CallCase one;
    std::ranges::copy(
        std::span(question.args).first(std::min(question.args.size(), one.args.size())),
        one.args.begin());
    one.verdict = outcome(s, arch, *nr, one.args);
    one.words = "with these arguments";
    return {one};
}

std::string tests_text(const std::vector<ArgTest>& tests) {
    std::vector<std::string> words;
    for (const auto& t : tests) words.push_back(test_words(t));
    return fmt::format("{}", fmt::join(words, " and "));
}

Result<Answer> ask_call(const Subject& s, const std::string& name,
                        std::span<const std::uint64_t> args) {
    PMOS_ASSIGN(const auto nr, number_of(*find_arch(s.facts.arch), name));
    return answer_for(s, name, nr,
                      call_cases(s, {Topic::syscall, name, "", {args.begin(), args.end()}, true}));
}

Result<Answer> ask_syscall(const Subject& s, const std::string& name) {
    const Arch& arch = *find_arch(s.facts.arch);
    PMOS_ASSIGN(const auto nr, number_of(arch, name));
    const auto rules = rules_for(s.profile, name);
    const auto tried = cases(s, arch, nr, rules);
    Answer answer = answer_for(s, name, nr, tried);
    if (rules.size() > 1 || (rules.size() == 1 && !rules.front().args.empty()))
        for (const auto& one : tried)
            answer.conditions.push_back(
                fmt::format("{}: {}", one.words, verdict_text(one.verdict)));
    if (answer.rule == "seccomp-not-allowed")
        weigh(s, answer, [&](Node& tree) {
            make_key(tree, "seccomp/allow", Node::Kind::array).items.push_back(text_node(name));
        });
    if (answer.rule == "seccomp-guard")
        weigh(s, answer, [&](Node& tree) { allow_by_rule(tree, name); });
    return answer;
}

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
    // Any right: the one that there is, else the first that there could be.
    const std::string right = !wanted.empty()     ? wanted
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
    if (granted == right && meant)
        return Answer{Ruling::allowed,
                      "device-class",
                      fmt::format("'{}' is granted", right),
                      s.profile.where(key),
                      {},
                      "",
                      {}};
    Answer answer{Ruling::refused,
                  "device-class",
                  fmt::format("the class has '{}'", granted),
                  s.profile.where(key),
                  {},
                  "",
                  {}};
    answer.change = service ? fmt::format("write \"{}\": [\"{}\"] in devices", device_class, right)
                            : fmt::format("write \"{}\": \"{}\" in devices", device_class, right);
    weigh(s, answer, [&](Node& tree) {
        Node& value = make_key(tree, key, Node::Kind::string);
        value = text_node(right);
        if (!service) return;
        value.items.push_back(text_node(right));
        value.kind = Node::Kind::array;
    });
    return answer;
}

namespace {

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
    const Arch& arch = *find_arch(s.facts.arch);
    const bool calls = outcome(s, arch, *syscall_number(arch, "socket"), {family, 1, 0, 0, 0, 0}) ==
                           verdict_allow().ret &&
                       outcome(s, arch, *syscall_number(arch, "connect")) == verdict_allow().ret;
    if (!calls) {
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
