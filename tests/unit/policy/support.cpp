// tests: what the policy tests share.
#include "support.h"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "policy/x25519.h"

namespace pmos::policy::test {

std::string source_path(const std::string& relative) {
    return std::string(PMOS_SOURCE_ROOT) + "/" + relative;
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

void check_golden(const std::string& relative, const std::string& actual) {
    const auto path = source_path(relative);
    const char* update = std::getenv("PMOS_UPDATE_GOLDEN");
    if (update != nullptr && std::string_view(update) == "1") {
        std::ofstream(path, std::ios::binary) << actual;
        WARN("rewrote " << relative);
    }
    INFO("golden file " << relative << " (PMOS_UPDATE_GOLDEN=1 rewrites it)");
    CHECK(read_file(path) == actual);
}

Result<std::string> read_shipped_block(const std::string& path) {
    auto bytes = read_file(source_path("profiles/" + path));
    if (bytes.empty()) return fail(Code::not_found, "no such file");
    return bytes;
}

PolicySet shipped_policy() {
    std::vector<SourceFile> files;
    for (const std::string name : {"personal.json", "secure.json"})
        files.push_back({name, read_file(source_path("profiles/" + name))});
    const SourceFile site{"site.json", read_file(source_path("profiles/site.json"))};
    return read_policy(files, &site, read_shipped_block);
}

const ModePolicy& find_mode(const PolicySet& set, const std::string& name) {
    const auto it = std::ranges::find(set.modes, name, &ModePolicy::mode);
    REQUIRE(it != set.modes.end());
    return *it;
}

Result<std::string> Files::operator()(const std::string& path) const {
    const auto it = blocks.find(path);
    if (it == blocks.end()) return fail(Code::not_found, "no such file");
    return it->second;
}

ModePolicy read_one(const std::string& text, const Files& files, const std::string& site) {
    const std::vector<SourceFile> profiles{{"a.json", text}};
    const SourceFile site_file{"site.json", site};
    auto set = read_policy(profiles, site.empty() ? nullptr : &site_file, files);
    REQUIRE(set.modes.size() == 1);
    return set.modes[0];
}

std::string texts(const std::vector<Diagnostic>& diagnostics) {
    std::string text;
    for (const auto& d : diagnostics) text += to_text(d) + "\n";
    return text;
}

HostFacts fixed_facts() {
    HostFacts facts;
    facts.arch = "x86_64";
    facts.landlock_abi = 2;
    facts.apparmor = true;
    facts.cgroup_v2 = true;
    facts.time_namespace = true;
    facts.cgroup_controllers = {"cpu", "io", "memory", "pids"};
    facts.filesystems = {"ext4", "erofs"};
    facts.device_mapper_targets = {"crypt", "verity", "integrity"};
    facts.memory_bytes = 1ULL << 30;
    facts.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128},
                     {"gpu", "full", "dri/card0", false, 226, 0},
                     {"modem", "port", "ttyS2", false, 4, 66}};
    return facts;
}

std::string profile_text(const std::string& mode, unsigned id_start, const std::string& extra) {
    return "{\n\"pmos\": 1,\n\"mode\": \"" + mode + "\",\n\"root\": {\"image\": \"" + mode +
           ".erofs\"},\n\"identity\": {\"uidRange\": {\"start\": " + std::to_string(id_start) +
           ", \"count\": 65536}},\n\"process\": {\"args\": [\"/bin/true\"]},\n" +
           "\"seccomp\": {\"allow\": [\"@default\"]},\n\"network\": \"none\"" + extra + "\n}\n";
}

std::string network_text(const std::string& mode, unsigned id_start, const std::string& network,
                         const std::string& extra) {
    auto text = profile_text(mode, id_start, extra);
    const std::string none = "\"network\": \"none\"", calls = "\"@default\"";
    text.replace(text.find(none), none.size(), "\"network\": " + network);
    return text.replace(text.find(calls), calls.size(), calls + ", \"@network-io\"");
}

std::string tunnel_text(const std::string& mode, unsigned id_start, const std::string& name,
                        const std::string& rules, unsigned host) {
    PublicKey key{};
    key.fill(static_cast<std::uint8_t>(name[0]));
    return network_text(
        mode, id_start,
        fmt::format(R"({{"tunnel": {{"name": "{}", "addresses": ["10.8.0.{}/32"], "peers": [)"
                    R"({{"publicKey": "{}", "endpoint": "vpn.example.org:51820", )"
                    R"("allowedIPs": ["0.0.0.0/0"]}}]}}{}}})",
                    name, host, key_text(key), rules),
        R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB", "unlock": ["pin"]}])");
}

std::vector<std::string> rules_of(const std::vector<Diagnostic>& diagnostics) {
    std::vector<std::string> rules;
    for (const auto& d : diagnostics) rules.emplace_back(rule_id(d.rule));
    return rules;
}

bool has_rule(const std::vector<Diagnostic>& diagnostics, const std::string& rule) {
    return std::ranges::any_of(diagnostics, [&](const auto& d) { return rule_id(d.rule) == rule; });
}

const Diagnostic& find_rule(const std::vector<Diagnostic>& diagnostics, const std::string& rule) {
    INFO("looking for rule " << rule);
    const auto it =
        std::ranges::find(diagnostics, rule, [](const auto& d) { return rule_id(d.rule); });
    REQUIRE(it != diagnostics.end());
    return *it;
}

}  // namespace pmos::policy::test
