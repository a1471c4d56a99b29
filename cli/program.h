// cli: another program, run to its end, and what it said. Runs no shell, keeps no terminal busy.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::cli {

struct Program {
    std::vector<std::string> args;  // the first is looked up in PATH
    std::vector<std::string> environment;
    BorrowedFd input;                  // empty: nothing
    std::size_t limit = 1U << 20;      // of what it may say
    std::chrono::seconds patience{0};  // 0: as long as it takes
    BorrowedFd interrupted{};          // readable: it is ended
};

struct Finished {
    int status = -1;  // exit code, or 128 + signal
    std::string out, err;
};

// Code::not_found where there is no such program; Code::cancelled where it was interrupted.
Result<Finished> run_program(const Program& program);

// Of the caller's environment but for these names, and with these instead.
std::vector<std::string> environment_with(std::vector<std::string> settings,
                                          const std::vector<std::string_view>& without);

}  // namespace pmos::cli
