// bundle: what one pmos-bundle process is asked and what it answers, as lines of text on its
// standard output. Holds nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::bundle {

// A bundle that does not come up is tried so often; then the last good one is used again.
inline constexpr std::uint32_t kMaxTries = 3;

// A file as it was when its digest was found right: if none of this has changed since, neither has
// its content, for a write moves the change time.
struct Identity {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;

    bool operator==(const Identity&) const = default;
};
Result<Identity> identity_of(const std::string& path);
// Of what is open, whatever its path names by now.
Result<Identity> identity_of(BorrowedFd fd, const std::string& path);

struct VerifiedPin {
    std::string path;  // absolute
    Identity identity;
};

// Which bundle is to be used, and what is known of it.
struct Report {
    std::string file, sha256;  // the slot's file; "" : none can be used
    std::string name, made_for, key;
    std::uint64_t version = 0, floor = 0;
    bool trial = false;       // not confirmed yet
    std::uint32_t tries = 0;  // starts of pmosd with the trial
    std::string floor_kept;   // "file" or "file and TPM"
    std::string floor_fault;  // why a TPM that is there does not keep it
    std::string why, fix;     // no bundle can be used: why not, and what to do
    std::string fallen;       // why the last trial was given up, until another is installed
    std::string unsaved;      // why what is reported could not be written down; "": it was
    std::vector<VerifiedPin> pins;

    bool usable() const noexcept { return !file.empty(); }
};

std::string encode(const Report& report);
std::string encode(const Error& error);
// The report, or the error that the worker had.
Result<Report> decode(std::string_view answer);

}  // namespace pmos::bundle
