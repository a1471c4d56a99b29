// cli: a secret's way from a worker's pipe to a person. It is held in a SecretBuffer, never in a
// std::string, and never goes to standard output.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/secret.h"

namespace pmos::cli {

// Where it goes: --out-fd, or the terminal.
class SecretSink {
  public:
    // Before anything is done: a secret that nobody sees is worse than none.
    static Result<SecretSink> open(int out_fd);
    // what: "the recovery key of secure"; left out where a program reads.
    Result<> show(const SecretBuffer& secret, const std::string& what) const;

  private:
    SecretSink(UniqueFd terminal, int fd) : terminal_(std::move(terminal)), fd_(fd) {}
    UniqueFd terminal_;
    int fd_;
};

struct SecretPipe {
    UniqueFd reader, writer;
};
Result<SecretPipe> make_secret_pipe();

}  // namespace pmos::cli
