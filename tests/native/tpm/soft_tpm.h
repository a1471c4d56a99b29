// tests: a software TPM of one's own, by swtpm: started, killed and started again on one state.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "runtime/tpm/tpm.h"

namespace pmos::test {

class SoftTpm {
  public:
    SoftTpm();
    ~SoftTpm();
    SoftTpm(const SoftTpm&) = delete;
    SoftTpm& operator=(const SoftTpm&) = delete;

    void start();
    void pull_plug();  // SIGKILL: nothing is said farewell to
    // Answers that the next commands get instead of the TPM's; TSS2_RC_SUCCESS: the TPM's own. A
    // code of the TCTI's layer is what the way to the TPM says.
    std::deque<TSS2_RC> refusals;
    // All that has passed between the two.
    std::string heard;
    Result<tpm::Tpm> open(std::chrono::milliseconds longest = tpm::kLongestAnswer);
    void halt() const;  // takes commands, answers none
    void go_on() const;
    // A tool of tpm2-tools, by a shell; its exit status.
    int tool(const std::string& command) const;
    const std::string& directory() const { return directory_; }
    // How systemd names it.
    std::string name() const { return "swtpm:path=" + socket_; }

  private:
    std::string directory_, socket_;
    int pid_ = -1;
};

}  // namespace pmos::test
