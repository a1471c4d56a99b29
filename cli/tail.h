// cli: reads a growing file by position, so that others who share the descriptor are not moved.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::cli {

class Tail {
  public:
    explicit Tail(BorrowedFd file) : file_(file) {}
    // Goes to the beginning of the last n lines.
    Result<> seek_last_lines(std::uint64_t n);
    // What comes next, "" at the end for now. A file that was cut begins anew.
    Result<std::string> next();

  private:
    Result<std::uint64_t> size() const;
    Result<std::string> read_at(std::uint64_t position, std::size_t count) const;

    BorrowedFd file_;
    std::uint64_t position_ = 0;
};

}  // namespace pmos::cli
