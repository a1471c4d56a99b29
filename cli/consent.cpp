// cli: asks a person whether to do what cannot be taken back.
#include "cli/consent.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace pmos::cli {

Result<> ask_consent(bool yes, const std::string& question) {
    if (yes) return {};
    if (::isatty(STDIN_FILENO) == 0)
        return fail(Code::usage, question, "standard input is not a terminal",
                    "say --yes if that is meant");
    std::fputs((question + "; type 'yes' to go on: ").c_str(), stderr);
    std::array<char, 64> line{};
    if (std::fgets(line.data(), line.size(), stdin) != nullptr &&
        std::string_view(line.data()) == "yes\n")
        return {};
    return fail(Code::cancelled, "not done", "there was no 'yes'");
}

}  // namespace pmos::cli
