// daemon: where the policy comes from: a signed bundle as soon as somebody is trusted to sign, a
// directory before that. The one home of this decision; judges no profile.
#pragma once

#include <map>
#include <string>

#include "policy/policy_set.h"
#include "runtime/bundle/protocol.h"
#include "runtime/daemon/context.h"
#include "runtime/daemon/policy_files.h"
#include "runtime/daemon/process.h"

namespace pmos::daemon {

// Images and hooks as they were when a bundle's digests were found right. Empty: none is pinned.
class PinnedFiles {
  public:
    void take(const std::vector<bundle::VerifiedPin>& pins);
    // What was changed since is not used.
    Result<> check(const std::string& path) const;

  private:
    std::map<std::string, bundle::Identity> pins_;
};

struct BundleJob {
    const char* verb = "";
    std::string why = {};  // of reject
    UniqueFd file = {};    // of install
};

class PolicySource {
  public:
    PolicySource(EventLoop& loop, const Paths& paths) : loop_(loop), paths_(paths) {}

    // A key is there, or it cannot be told that none is.
    bool signed_only() const;
    void ask(BundleJob job, const std::string& model, Answer<bundle::Report> answer) const;
    // Waits: only before the loop runs, and after it.
    Result<bundle::Report> ask_now(BundleJob job, const std::string& model) const;
    // The profiles of the bundle that was reported, if its file is still that one.
    static Result<policy::PolicySet> load(const bundle::Report& report);
    static Result<std::vector<PolicyFile>> files(const bundle::Report& report);

  private:
    RunRequest request(BundleJob job, const std::string& model) const;

    EventLoop& loop_;
    const Paths& paths_;
};

}  // namespace pmos::daemon
