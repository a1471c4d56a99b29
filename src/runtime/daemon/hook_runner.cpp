// daemon: runs the hooks of a plan (hooks/README.md is the contract). Never runs a mode's code.
#include "runtime/daemon/hook_runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <memory>

#include "base/text.h"
#include "runtime/daemon/policy_source.h"
#include "runtime/daemon/process.h"

namespace pmos::daemon {
namespace {

// The state a hook reads from its standard input; the fields of OCI's State where they fit.
std::string state_json(const Mode& mode, const policy::LaunchPlan& plan, policy::HookPoint point) {
    std::string volumes;
    for (const auto& v : plan.volumes)
        volumes += fmt::format("{}{{\"name\":{},\"device\":{},\"filesystem\":{}}}",
                               volumes.empty() ? "" : ",", json_quote(v.name),
                               json_quote("/dev/mapper/" + v.dm_name), json_quote(v.filesystem));
    return fmt::format(
        "{{\"pmosHook\":1,\"point\":{},\"id\":{},\"status\":{},\"pid\":{},\"volumes\":[{}]}}\n",
        json_quote(policy::hook_point_name(point)), json_quote(mode.name),
        json_quote(state_name(mode.state)), mode.running ? mode.running->pid : 0, volumes);
}

// 0 where it cannot be told: then the hook will say so.
std::uint64_t device_bytes(const std::string& device) {
    std::uint64_t bytes = 0;
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    return fd && ::ioctl(fd.get(), BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
}

std::uint64_t volume_bytes(const policy::LaunchPlan& plan) {
    std::uint64_t sum = 0;
    for (const auto& v : plan.volumes) sum += device_bytes("/dev/mapper/" + v.dm_name);
    return sum;
}

class HookRun : public std::enable_shared_from_this<HookRun> {
  public:
    HookRun(const Context& ctx, std::string input, std::vector<policy::Hook> hooks,
            std::string mode, policy::HookPoint point, std::uint64_t volume_bytes, bool pinned,
            Done done)
        : ctx_(ctx),
          input_(std::move(input)),
          hooks_(std::move(hooks)),
          mode_(std::move(mode)),
          point_(point),
          volume_bytes_(volume_bytes),
          pinned_(pinned),
          done_(std::move(done)) {}

    void next() {
        if (at_ == hooks_.size()) return done_({});
        const auto& hook = hooks_[at_];
        RunRequest request;
        request.spawn.path = hook.path;
        if (!ctx_.pinned.bundle().empty() && (pinned_ || ctx_.pinned.has(hook.path))) {
            auto program = open_pinned(hook.path);
            if (!program) return done_(fail(std::move(program.error())));
            request.program = std::move(*program);
        }
        request.spawn.args = hook.args;
        request.spawn.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                             "PMOS_MODE=" + mode_,
                             fmt::format("PMOS_HOOK={}", policy::hook_point_name(point_))};
        request.input = input_;
        limit_ = hook_limit(hook, volume_bytes_);
        request.timeout = limit_;
        run_helper(ctx_.loop, std::move(request),
                   [self = shared_from_this()](Result<RunResult> result) {
                       self->ended(std::move(result));
                   });
    }

  private:
    // What is looked at is what runs, whatever its path names by then.
    Result<UniqueFd> open_pinned(const std::string& path) const {
        UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!file) return fail(errno_error(errno, fmt::format("cannot open the hook '{}'", path)));
        PMOS_TRY(ctx_.pinned.check(path, file.borrow()));
        return file;
    }

    void ended(Result<RunResult> result) {
        const auto& hook = hooks_[at_];
        const std::string what =
            fmt::format("the {} hook '{}' failed", policy::hook_point_name(point_), hook.path);
        if (!result) {
            result.error().what = what + ": " + result.error().what;
            return done_(fail(std::move(result.error())));
        }
        if (result->timed_out)
            return done_(fail(Code::timed_out, what,
                              fmt::format("not done after {} ms", limit_.count()),
                              "raise its timeout in the profile, or mend the hook"));
        if (result->code != 0) {
            std::string why = fmt::format("exit status {}", result->code);
            if (!result->error_text.empty()) why += ": " + result->error_text;
            return done_(fail(Code::failed, what, std::move(why)));
        }
        ++at_;
        next();
    }

    const Context& ctx_;
    std::string input_;
    std::vector<policy::Hook> hooks_;
    std::string mode_;
    policy::HookPoint point_;
    std::uint64_t volume_bytes_;
    bool pinned_;  // each must be
    Done done_;
    std::chrono::milliseconds limit_{};
    std::size_t at_ = 0;
};

}  // namespace

// A check that is cut off in a repair does more harm than a hook that hangs. A whole one reads the
// inode tables and bitmaps, a sixtieth of the file system: a second for 64 MiB of it is enough
// where 1 MiB takes as long to read, decipher and check. The half minute is for a phone that is
// busy booting, where a process of no work at all can take seconds.
std::chrono::milliseconds hook_limit(const policy::Hook& hook, std::uint64_t volume_bytes) {
    constexpr std::uint64_t kBytesPerSecond = 64ULL << 20;
    const auto limit = std::chrono::milliseconds(hook.timeout_ms);
    if (hook.point != policy::HookPoint::volume_check) return limit;
    return limit + std::chrono::seconds(30 + volume_bytes / kBytesPerSecond);
}

void run_hooks(const Context& ctx, const Mode& mode, policy::HookPoint point, Done done) {
    const auto& plan = mode.running ? mode.running->plan : mode.plan;
    run_hooks(ctx, mode, plan.get(), point, std::move(done));
}

void run_hooks(const Context& ctx, const Mode& mode, const policy::LaunchPlan* plan,
               policy::HookPoint point, Done done) {
    std::vector<policy::Hook> hooks;
    if (plan != nullptr)
        for (const auto& h : plan->hooks)
            if (h.point == point) hooks.push_back(h);
    if (hooks.empty()) return done({});
    const std::uint64_t bytes = point == policy::HookPoint::volume_check ? volume_bytes(*plan) : 0;
    // What runs on under an earlier policy ends by the hooks of that one.
    const bool pinned = plan == mode.plan.get();
    std::make_shared<HookRun>(ctx, state_json(mode, *plan, point), std::move(hooks), mode.name,
                              point, bytes, pinned, std::move(done))
        ->next();
}

}  // namespace pmos::daemon
