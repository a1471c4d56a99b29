// cli: profiles of a revision of git, by git itself. Never touches the work tree or the index, runs
// no shell.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/policy_files.h"

namespace pmos::cli {

// "REV" (its ./profiles, else profiles at the top) or "REV:PATH", as gitrevisions(7) has it. Where
// PATH is one profile, the files beside it are there too, for its blocks.
struct GitFiles {
    FileSet files;
    std::string one;  // the profile that PATH names, from the directory; "" a directory
};
Result<GitFiles> git_files(const std::string& revision);

}  // namespace pmos::cli
