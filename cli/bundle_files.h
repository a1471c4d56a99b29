// cli: bundles and keys on disk. Talks to nobody, needs no root, parses nothing itself.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/policy_files.h"
#include "policy/bundle_key.h"

namespace pmos::cli {

struct PackRequest {
    std::string directory;  // of profiles
    std::string root;       // of a phone's file system: images and hooks are looked for below it
    std::string images, hooks;  // "": their places below root
};

// What a checked directory and the files that its profiles name come to; without name and version.
Result<policy::Bundle> gather(const PackRequest& request, const CheckedPolicy& checked);

// At most what a bundle may have; no link, no FIFO.
Result<std::string> read_bundle_file(const std::string& path);

// Complete under its name or not there. replace: what is there gives way; else it is an error.
Result<> write_file(const std::string& path, std::span<const std::byte> bytes, unsigned mode,
                    bool replace);

// Public keys: the files named, or every *.pub of the directory.
Result<std::vector<policy::PublicKey>> read_trusted(const std::vector<std::string>& files,
                                                    const std::string& directory);

}  // namespace pmos::cli
