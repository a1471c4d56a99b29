// oci: a bundle on the disk as a checked configuration. Launches nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/oci_config.h"
#include "policy/oci_plan.h"
#include "runtime/oci/filter_file.h"

namespace pmos::oci {

// A configuration, as it was read.
struct Source {
    std::string file, bytes;
    policy::oci::Config config;
    // Of its filter, where an earlier start has compiled one of the same bytes: the config is
    // without it then.
    std::optional<Filter> filter;
    bool whole = false;  // with places, for whoever has to tell of one
};
// needs_rules: of the filter, where somebody judges them.
Result<Source> read_source(std::string file, std::string bytes, bool needs_rules);
// With all of it, and all there is to tell of it.
Result<> read_whole(Source& source);
// The filter, whichever way; the source has one.
Result<Filter> filter_of(const Source& source);

struct Bundle {
    std::string directory;  // absolute
    Source source;

    std::string root() const;  // absolute
};

// Where the bundle is, and its configuration's file and bytes; that is still to be read.
Result<Bundle> open_bundle(const std::string& directory, const std::string& file);
// Of a container that was made, for its hooks: its configuration as it was then, without its
// filter.
Result<policy::oci::Config> parse_config(const std::string& bytes);
Result<std::string> read_text(const std::string& path);

// What the machine's owner demands, by the file `site` ("": nothing): it can refuse what a bundle
// grants, and grant nothing.
Result<> check_site(const std::string& site, const policy::oci::Config& config,
                    std::vector<policy::Diagnostic>& diagnostics);
// What policy::oci::compile has to know of this machine and of who asks.
policy::oci::HostSide look_at_host(const std::string& bundle);
// All errors of `diagnostics`, one in a line; for the words of an error.
std::unexpected<Error> refusal(std::string what,
                               const std::vector<policy::Diagnostic>& diagnostics);

}  // namespace pmos::oci
