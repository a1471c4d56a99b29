// daemon: where the policy comes from: a signed bundle as soon as somebody is trusted to sign, a
// directory before that. The one home of this decision; judges no profile.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "policy/policy_set.h"
#include "runtime/bundle/protocol.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/policy_files.h"
#include "runtime/daemon/process.h"

namespace pmos::daemon {

// Images and hooks as they were when a bundle's digests were found right.
class PinnedFiles {
  public:
    // sha256 names the bundle; "": the policy is none, and nothing is pinned.
    void take(std::string sha256, const std::vector<bundle::VerifiedPin>& pins);
    // The bundle that the pins are of.
    const std::string& bundle() const noexcept { return bundle_; }
    // What was changed since is not used, nor what the bundle does not pin. Of what is open: its
    // path may name another file by now.
    Result<> check(const std::string& path, BorrowedFd opened) const;
    bool has(const std::string& path) const { return pins_.contains(path); }

  private:
    std::string bundle_;
    std::map<std::string, bundle::Identity> pins_;
};

struct BundleJob {
    const char* verb = "";
    std::string why = {};     // of reject
    std::string sha256 = {};  // of go-over, confirm and reject: which is meant
    std::string in_use = {};  // of current
    UniqueFd file = {};       // of stage
};

class PolicySource {
  public:
    PolicySource(EventLoop& loop, const Paths& paths) : loop_(loop), paths_(paths) {}

    // A key is there or a bundle is installed, or it cannot be told that neither is: who takes the
    // keys away does not open the unsigned directory.
    bool signed_only() const;
    // An image of a gigabyte takes a slow phone seconds to read.
    static constexpr std::chrono::minutes kPatience{10};
    // For what reads no image: much less than the service manager gives to a stop.
    static constexpr std::chrono::seconds kEndPatience{20};

    // A bundle in memory. There are few places for such, and each is taken until the bundle is
    // with the worker, or has been given up.
    struct Copy {
        UniqueFd file;
        std::shared_ptr<void> place;
    };
    // A caller's file, copied into memory: its storage may never answer, so nothing waits for it
    // but the answer, and that not for long.
    void copy(UniqueFd file, Answer<Copy> answer);
    // One at a time.
    void ask(BundleJob job, const std::string& model, Answer<bundle::Report> answer);
    // Ends the worker that was asked, as if it had crashed, and asks none any more.
    void close();
    // Waits: only before the loop runs, and after it.
    Result<bundle::Report> ask_now(BundleJob job, const std::string& model,
                                   std::chrono::milliseconds patience) const;
    struct Loaded {
        policy::PolicySet set;
        std::vector<PolicyFile> files;  // what it was read from
    };
    // Of the bundle that was reported, if its file is still that one.
    static Result<Loaded> load(const bundle::Report& report);

  private:
    RunRequest request(BundleJob job, const std::string& model,
                       std::chrono::milliseconds patience) const;

    EventLoop& loop_;
    const Paths& paths_;
    std::shared_ptr<int> copies_ = std::make_shared<int>(0);
    HelperHandle worker_;
    bool closed_ = false;
};

}  // namespace pmos::daemon
