// bench: a profile to what the yardstick and the peers need of the same mode: the plan's image, its
// filters as files, and as JSON what is to be said in another runtime's words. Starts nothing.
//   make-plan PROFILES-DIR PROFILE IMAGES-DIR CGROUP-DIR OUT-DIR
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>

#include "policy/policy_set.h"
#include "policy/profile.h"
#include "policy/syscalls.h"
#include "runtime/host/facts.h"

namespace {

using namespace pmos;

Result<std::string> read_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(Code::not_found, "cannot read '" + path + "'");
    return std::string(std::istreambuf_iterator<char>(in), {});
}

template <class Bytes>
Result<> write_bytes(const std::string& path, const Bytes& bytes) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) return fail(Code::failed, "cannot write '" + path + "'");
    return {};
}

void print(const std::vector<policy::Diagnostic>& diagnostics) {
    for (const auto& d : diagnostics)
        if (d.severity == policy::Severity::error) fmt::print(stderr, "{}\n", policy::to_text(d));
}

Result<std::shared_ptr<const policy::Profile>> read_profile(const std::string& dir,
                                                            const std::string& file) {
    policy::SourceFile source{file, ""};
    PMOS_ASSIGN(source.bytes, read_text(file));
    const auto set =
        policy::read_policy(std::span(&source, 1), nullptr,
                            [&](const std::string& block) { return read_text(dir + "/" + block); });
    print(set.diagnostics);
    for (const auto& mode : set.modes) print(mode.diagnostics);
    if (set.modes.size() != 1 || set.modes[0].profile == nullptr)
        return fail(Code::disabled, "the profile '" + file + "' does not load");
    return set.modes[0].profile;
}

std::string syscalls_json(const policy::Profile& profile) {
    std::vector<std::string> entries = profile.seccomp_allow;
    entries.emplace_back(policy::required_syscalls());
    std::string list;
    for (const auto& name : policy::expand_syscalls(entries))
        list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", name);
    return "[" + list + "]";
}

Result<> make_plan(const std::array<std::string, 5>& args) {
    const auto& [profiles, file, images, cgroup, out] = args;
    PMOS_ASSIGN(const auto profile, read_profile(profiles, file));
    host::HostPaths paths;
    paths.cgroup_root = cgroup;
    PMOS_ASSIGN(auto facts, host::read_host_facts(paths));
    facts.images_dir = images;
    const auto compiled = policy::compile(*profile, facts);
    print(compiled.diagnostics);
    if (!compiled.plan) return fail(Code::unsupported, "this kernel cannot run the profile");
    const auto& plan = *compiled.plan;
    PMOS_TRY(write_bytes(out + "/plan.image", policy::encode(plan)));
    PMOS_TRY(write_bytes(out + "/devices.bpf", plan.device_filter));
    PMOS_TRY(write_bytes(out + "/seccomp.bpf", plan.seccomp));
    PMOS_TRY(write_bytes(out + "/syscalls.json", syscalls_json(*profile)));
    return write_bytes(out + "/plan.json", policy::to_json(plan));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fputs("usage: make-plan PROFILES-DIR PROFILE IMAGES-DIR CGROUP-DIR OUT-DIR\n", stderr);
        return 2;
    }
    const auto made = make_plan({argv[1], argv[2], argv[3], argv[4], argv[5]});
    if (!made) fmt::print(stderr, "make-plan: {}\n", made.error().message());
    return made ? 0 : 1;
}
