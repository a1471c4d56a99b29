// cli: a secret's way from a person to pmosd's descriptor. It is held in a SecretBuffer and a
// pipe, never in an argument, an environment variable or a std::string.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "cli/command_line.h"

namespace pmos::cli {

inline constexpr std::size_t kMaxSecret = 1024;

// What a verb's caller says of it.
struct SecretOptions {
    int pin_fd = -1;
    bool ask = false;  // though the mode opens without one
};
// --pin-fd and --ask; what: of the former.
void add_secret_options(CommandLine& line, SecretOptions& options, const std::string& what);

struct SecretSource {
    int pin_fd = -1;       // --pin-fd, or -1: the terminal
    bool wanted = true;    // false: the mode opens without one; an empty pipe is passed
    bool confirm = false;  // asked for twice, both must be the same
    std::string prompt;    // "PIN for secure"
};

// The end to send: whoever reads it gets the secret and then end of file.
Result<UniqueFd> obtain_secret(const SecretSource& source);

}  // namespace pmos::cli
