// oci: a bundle on the disk as a checked configuration. Launches nothing.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/oci_config.h"
#include "policy/oci_plan.h"

namespace pmos::oci {

struct Bundle {
    std::string directory;  // absolute
    std::string bytes;      // of its configuration
    policy::oci::Config config;

    std::string root() const;  // absolute
};

Result<Bundle> read_bundle(const std::string& directory, const std::string& file);
// Of a container that was made: its configuration as it was then.
Result<policy::oci::Config> parse_config(const std::string& file, const std::string& bytes);
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
