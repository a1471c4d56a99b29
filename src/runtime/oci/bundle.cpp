// oci: a bundle on the disk as a checked configuration. See bundle.h.
#include "runtime/oci/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "base/fd.h"
#include "base/regular_file.h"
#include "policy/oci_profile.h"
#include "policy/oci_split.h"
#include "policy/site_policy.h"
#include "runtime/host/small_file.h"
#include "runtime/oci/cgroup_place.h"
#include "runtime/oci/filter_cache.h"
#include "runtime/oci/rights.h"

namespace pmos::oci {
namespace {

std::int32_t number_in(const std::string& path, std::int32_t otherwise) {
    const auto text = host::read_small_file(path);
    std::int32_t value = otherwise;
    if (text) std::from_chars(text->data(), text->data() + text->size(), value);
    return value;
}

}  // namespace

std::string Bundle::root() const {
    const auto& path = source.config.root_path;
    return path.starts_with('/') ? path : directory + "/" + path;
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

Result<> read_whole(Source& source) {
    std::vector<policy::Diagnostic> diagnostics;
    auto config = policy::oci::read_config(source.file, source.bytes, diagnostics);
    if (!config) return refusal("the configuration is refused", diagnostics);
    source.config = std::move(*config);
    source.filter.reset();
    source.whole = true;
    return {};
}

// What an earlier start has read and compiled was sound; whatever is not is read whole, and told.
Result<Source> read_source(std::string file, std::string bytes, bool needs_rules) {
    Source source{std::move(file), std::move(bytes), {}, {}, false};
    const auto split = needs_rules ? std::nullopt : policy::oci::split_config(source.bytes);
    if (split) source.filter = kept_filter(split->filter, kFilters);
    // Who is to be asked is known by the filter itself.
    const bool asks =
        source.filter && (source.filter->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
    // Of a file without a filter the rest is all of it.
    if (!needs_rules && !asks && (source.filter || !split)) {
        auto config = policy::oci::read_sound_config(split ? split->rest : source.bytes);
        if (config && !config->seccomp) {
            source.config = std::move(*config);
            return source;
        }
    }
    PMOS_TRY(read_whole(source));
    return source;
}

Result<Filter> filter_of(const Source& source) {
    if (source.filter) return *source.filter;
    const auto split = policy::oci::split_config(source.bytes);
    return cached_filter(*source.config.seccomp, split ? split->filter : "", kFilters);
}

Result<Bundle> open_bundle(const std::string& directory, const std::string& file) {
    Bundle made;
    char real[PATH_MAX];
    if (::realpath(directory.empty() ? "." : directory.c_str(), real) == nullptr)
        return fail(errno_error(errno, "cannot find the bundle '" + directory + "'"));
    made.directory = real;
    made.source.file = file.starts_with('/') ? file : made.directory + "/" + file;
    PMOS_ASSIGN(made.source.bytes, read_text(made.source.file));
    return made;
}

Result<policy::oci::Config> parse_config(const std::string& bytes) {
    const auto split = policy::oci::split_config(bytes);
    if (auto config = policy::oci::read_sound_config(split ? split->rest : bytes))
        return std::move(*config);
    Source source{"config.json", bytes, {}, {}, false};
    PMOS_TRY(read_whole(source));
    return std::move(source.config);
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
    host.unprivileged = !is_machines_root();
    host.oom_score_adj = number_in("/proc/self/oom_score_adj", 0);
    host.last_capability =
        static_cast<std::uint32_t>(number_in("/proc/sys/kernel/cap_last_cap", 40));
    host.apparmor = host::read_small_file("/sys/module/apparmor/parameters/enabled") == "Y\n";
    return host;
}

}  // namespace pmos::oci
