// fuzz: any bytes as a profile, as a block and as the site policy. Whatever they are: no crash,
// every fault has a place in a file that was read, and a plan that comes out encodes.
#include "policy/profile.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/policy_set.h"

using namespace pmos::policy;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

HostFacts full_facts() {
    HostFacts facts;
    facts.landlock_abi = 3;
    facts.apparmor = facts.cgroup_v2 = facts.time_namespace = true;
    facts.cgroup_controllers = {"cpu", "io", "memory", "pids"};
    facts.filesystems = {"ext4", "erofs"};
    facts.device_mapper_targets = {"crypt"};
    facts.devices = {{"gpu", "render", "dri/renderD128", false, 226, 128}};
    return facts;
}

void check(const std::vector<Diagnostic>& diagnostics, const std::string& bytes) {
    for (const auto& d : diagnostics) {
        require(!rule_id(d.rule).empty() && !d.message.empty() && !d.at.file.empty());
        require(!to_text(d).empty());
        source_excerpt(bytes, d.at);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    const std::vector<SourceFile> files{
        {"fuzz.json", bytes},
        {"user.json", R"({"pmos": 1, "mode": "user", "extends": ["block.json"]})"}};
    const SourceFile site{"site.json", bytes};
    const auto read_block = [&](const std::string&) -> pmos::Result<std::string> { return bytes; };
    for (const SourceFile* demands : {static_cast<const SourceFile*>(nullptr), &site}) {
        const auto set = read_policy(files, demands, read_block);
        require(set.modes.size() == files.size());
        check(set.diagnostics, bytes);
        for (const auto& mode : set.modes) {
            check(mode.diagnostics, bytes);
            require((mode.profile == nullptr) == has_errors(mode.diagnostics));
            if (!mode.profile) continue;
            const auto compiled = compile(*mode.profile, full_facts());
            check(compiled.diagnostics, bytes);
            require(compiled.plan.has_value() != has_errors(compiled.diagnostics));
            if (compiled.plan) require(encode(*compiled.plan).size() <= image::kMaxSize);
        }
    }
    return 0;
}
