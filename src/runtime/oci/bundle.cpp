// oci: a bundle on the disk as a checked configuration. See bundle.h.
#include "runtime/oci/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "base/fd.h"
#include "base/regular_file.h"
#include "policy/oci_profile.h"
#include "policy/site_policy.h"
#include "runtime/host/small_file.h"
#include "runtime/oci/cgroup_place.h"

namespace pmos::oci {
namespace {

std::int32_t number_in(const std::string& path, std::int32_t otherwise) {
    const auto text = host::read_small_file(path);
    std::int32_t value = otherwise;
    if (text) std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

// All ids are mapped: device nodes may be made.
bool in_first_user_namespace() {
    const auto map = host::read_small_file("/proc/self/uid_map");
    const auto words = map ? host::split_words(*map) : std::vector<std::string>();
    return words.size() == 3 && words[2] == "4294967295";
}

}  // namespace

std::string Bundle::root() const {
    return config.root_path.starts_with('/') ? config.root_path
                                             : directory + "/" + config.root_path;
}

std::unexpected<Error> refusal(std::string what,
                               const std::vector<policy::Diagnostic>& diagnostics) {
    std::string why;
    for (const auto& d : diagnostics)
        if (d.severity == policy::Severity::error)
            why +=
                fmt::format("{}{} ({})", why.empty() ? "" : "\n", policy::to_text(d), d.at.pointer);
    return fail(Code::usage, std::move(what), std::move(why));
}

Result<std::string> read_text(const std::string& path) {
    return read_regular_file(path, policy::kMaxFileSize + 1);
}

Result<policy::oci::Config> parse_config(const std::string& file, const std::string& bytes) {
    std::vector<policy::Diagnostic> diagnostics;
    auto config = policy::oci::read_config(file, bytes, diagnostics);
    if (!config) return refusal("the configuration is refused", diagnostics);
    return std::move(*config);
}

Result<Bundle> read_bundle(const std::string& directory, const std::string& file) {
    Bundle made;
    char real[PATH_MAX];
    if (::realpath(directory.empty() ? "." : directory.c_str(), real) == nullptr)
        return fail(errno_error(errno, "cannot find the bundle '" + directory + "'"));
    made.directory = real;
    const std::string path = file.starts_with('/') ? file : made.directory + "/" + file;
    PMOS_ASSIGN(made.bytes, read_text(path));
    PMOS_ASSIGN(made.config, parse_config(path, made.bytes));
    return made;
}

Result<> check_site(const std::string& site, const policy::oci::Config& config,
                    std::vector<policy::Diagnostic>& diagnostics) {
    if (site.empty()) return {};
    PMOS_ASSIGN(auto bytes, read_text(site));
    std::vector<policy::Diagnostic> faults;
    const auto tree = policy::read_site_policy({site, std::move(bytes)}, faults);
    if (!tree) return refusal("the site policy is broken", faults);
    policy::oci::check_site(*tree, config, diagnostics);
    return {};
}

policy::oci::HostSide look_at_host(const std::string& bundle) {
    policy::oci::HostSide host;
    host.bundle = bundle;
    if (const auto tree = find_cgroup_tree()) host.cgroup_mount = tree->mount;
    host.unprivileged = ::geteuid() != 0 || !in_first_user_namespace();
    host.oom_score_adj = number_in("/proc/self/oom_score_adj", 0);
    host.last_capability =
        static_cast<std::uint32_t>(number_in("/proc/sys/kernel/cap_last_cap", 40));
    host.apparmor = host::read_small_file("/sys/module/apparmor/parameters/enabled") == "Y\n";
    return host;
}

}  // namespace pmos::oci
