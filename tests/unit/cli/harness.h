// tests: a fake pmosd of one's own, and pmosctl run against it with pipes or on a terminal.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"

namespace pmos::cli::test {

struct Outcome {
    int status = -1;  // exit code, or 128 + signal
    std::string out, err;
};

using Args = std::vector<std::string>;

// One fake service; ends with the object.
class Service {
  public:
    Service();
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    const std::string& socket() const { return socket_; }
    const std::string& log() const { return log_; }
    // The methods that were called on it so far, in order.
    std::vector<std::string> calls() const;
    // pmosctl with standard input from a pipe that holds `input`.
    Outcome run(Args args, const std::string& input = "") const;

  private:
    std::string dir_, socket_, log_;
    UniqueFd stdin_;
    pid_t pid_ = -1;
};

// pmosctl with all three descriptors on a new terminal.
class Terminal {
  public:
    Terminal(const Service& service, Args args);
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    // Reads until text has appeared (true), or the program ended or a minute passed.
    bool wait_for(const std::string& text);
    void type(const std::string& text) const;
    void resize(unsigned short rows, unsigned short columns) const;
    void signal(int number) const;
    bool echoes() const;     // ECHO is set
    bool canonical() const;  // ICANON is set
    int finish();            // reads the rest; exit status, or 128 + signal
    const std::string& seen() const { return seen_; }

  private:
    bool read_some(int timeout_ms);
    bool has_ended() const;

    UniqueFd master_, slave_;  // the slave stays open: settings can be looked at afterwards
    pid_t pid_ = -1;
    std::string seen_;
};

// A program with these descriptors; its status as above.
pid_t spawn(const Args& args, int in, int out, int err);
int wait_status(pid_t pid);
std::string read_all(int fd);
std::string pmosctl();
// A descriptor with the secret in it, under a number that a pmosctl inherits while it is kept.
std::string inheritable(const std::string& secret, UniqueFd& keep);

}  // namespace pmos::cli::test
