// daemon: brings a mode up and prepares it ahead. Decides nothing: the plan has.
#include "runtime/daemon/mode_start.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>

#include "runtime/daemon/audio_link.h"
#include "runtime/daemon/denials.h"
#include "runtime/daemon/device_gate.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/launcher.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/mode_stop.h"
#include "runtime/daemon/modem_link.h"
#include "runtime/daemon/network_link.h"
#include "runtime/daemon/notify_link.h"
#include "runtime/daemon/panel_link.h"
#include "runtime/daemon/policy_source.h"
#include "runtime/daemon/prepared.h"
#include "runtime/daemon/process_stat.h"
#include "runtime/daemon/throttle.h"
#include "runtime/daemon/tunnel_key.h"
#include "runtime/daemon/volumes.h"
#include "runtime/device/filter.h"

namespace pmos::daemon {
namespace {

class Start : public std::enable_shared_from_this<Start> {
  public:
    Start(const Context& ctx, Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording,
          OnExit on_exit)
        : ctx_(ctx),
          mode_(mode),
          on_exit_(std::move(on_exit)),
          asked_for_(mode.plan),
          profile_(mode.profile),
          policy_(ctx.pinned.bundle()),
          recorded_(recording != nullptr),
          plan_(recorded_ ? std::move(recording) : mode.plan),
          digest_(recorded_ ? policy::digest(*plan_) : mode.digest) {}

    std::vector<SequenceStep> steps() {
        const auto self = shared_from_this();
        return with(self, {
                              {"pre_start_hooks", &Start::pre_start_hooks, nullptr},
                              {"volumes", &Start::volumes, &Start::undo_volumes},
                              {"volume_check", &Start::volume_check, nullptr},
                              {"prepare", &Start::prepare, &Start::undo_prepare},
                              {"files", &Start::files, &Start::undo_files},
                              {"cgroup", &Start::cgroup, &Start::undo_cgroup},
                              {"device_filter", &Start::device_filter, nullptr},
                              {"network", &Start::network, &Start::undo_network},
                              {"launch", &Start::launch, &Start::undo_launch},
                              {"record", &Start::record, nullptr},
                              {"post_start_hooks", &Start::post_start_hooks, nullptr},
                          });
    }

    // What failed may be no fault of the plan that counts now.
    bool overtaken() const { return !recorded_ && mode_.plan != asked_for_; }

  private:
    using Method = void (Start::*)(Done);
    struct Row {
        const char* name;
        Method run, undo;
    };
    static std::vector<SequenceStep> with(const std::shared_ptr<Start>& self,
                                          std::initializer_list<Row> rows) {
        std::vector<SequenceStep> steps;
        for (const Row& row : rows) {
            SequenceStep step{row.name,
                              [self, run = row.run](Done done) { (*self.*run)(std::move(done)); }};
            if (row.undo != nullptr)
                step.undo = [self, undo = row.undo](Done done) { (*self.*undo)(std::move(done)); };
            steps.push_back(std::move(step));
        }
        return steps;
    }

    void pre_start_hooks(Done done) {
        run_hooks(ctx_, mode_, policy::HookPoint::pre_start, std::move(done));
    }

    // Everything before the launch waits, and a reload may come while it does: one try starts the
    // plan that it has begun with, or nothing.
    Result<> same_plan() const {
        if (mode_.plan == asked_for_) return {};
        return fail(Code::cancelled, "the profile of '" + mode_.name + "' changed while it started",
                    "", "start it again");
    }

    void volumes(Done done) {
        if (auto same = same_plan(); !same) return done(std::move(same));
        was_locked_ = mode_.locked;
        open_volumes(ctx_, mode_, {}, std::move(done));
    }
    void undo_volumes(Done done) {
        if (!was_locked_) return done({});
        close_volumes(ctx_, mode_, std::move(done));
    }

    void volume_check(Done done) {
        run_hooks(ctx_, mode_, policy::HookPoint::volume_check, std::move(done));
    }

    // Taken out of the mode until the launcher has answered: a reload may drop what is in there.
    void prepare(Done done) {
        auto ready = same_plan();
        if (ready) ready = settle_prepared(ctx_, mode_);
        if (ready && !mode_.prepared.root)
            ready = fail(Code::locked, "mode '" + mode_.name + "' was locked while it started");
        if (ready && recorded_) ready = seal_recording();
        if (ready) {
            prepared_ = std::exchange(mode_.prepared, {});
            root_ = mode_.root();
        }
        done(std::move(ready));
    }
    // Never among what is prepared for the next start.
    Result<> seal_recording() {
        PMOS_ASSIGN(recording_image_, launch::seal_plan(policy::encode(*plan_)));
        return {};
    }
    void undo_prepare(Done done) {
        give_back();
        done({});
    }
    void give_back() {
        Prepared ready = std::exchange(prepared_, {});
        if (ready.plan && mode_.plan == asked_for_ && !mode_.locked)
            mode_.prepared = std::move(ready);
    }

    void files(Done done) {
        if (plan_->modem.any())
            if (auto made = make_modem_place(ctx_.paths, mode_.name); !made)
                return done(std::move(made));
        if (plan_->audio.any())
            if (auto made = make_audio_place(ctx_.paths, mode_.name); !made)
                return done(std::move(made));
        if (plan_->display.shown)
            if (auto made = make_panel_place(ctx_.paths, mode_.name); !made)
                return done(std::move(made));
        if (plan_->session.has_session_bus())
            if (auto made = make_notify_place(ctx_.paths, mode_.name); !made)
                return done(std::move(made));
        auto opened = open_mode_files(ctx_.paths, mode_.name);
        if (!opened) return done(fail(std::move(opened.error())));
        files_ = std::move(*opened);
        done({});
    }
    void undo_files(Done done) { done(remove_run_files(ctx_.paths, mode_.name)); }

    void cgroup(Done done) {
        auto made = host::Cgroup::create(ctx_.paths.cgroup, mode_.name);
        if (!made) return done(fail(std::move(made.error())));
        mode_.cgroup = std::move(*made);
        if (auto applied = mode_.cgroup->apply(limits_of(*plan_, mode_.devices_open)); !applied) {
            Error error = std::move(applied.error());
            if (auto removed = mode_.cgroup->remove(); !removed)
                error.undo_failures.push_back(std::move(removed.error()));
            mode_.cgroup.reset();
            return done(fail(std::move(error)));
        } else {
            tell_limits_left_out(std::move(*applied));
        }
        done({});
    }
    // A property of the plan and this kernel: the same list at every start would be noise.
    void tell_limits_left_out(std::vector<std::string> limits) {
        if (limits == mode_.limits_left_out) return;
        for (const auto& limit : limits)
            ctx_.observer.event("limit-left-out", mode_.name, {{"limit", limit}});
        mode_.limits_left_out = std::move(limits);
    }
    void undo_cgroup(Done done) { remove_cgroup(ctx_, mode_, std::move(done)); }

    // Goes with the cgroup: the kernel detaches it when the cgroup is removed. What starts for a
    // switch finds its devices open from its first instruction on.
    void device_filter(Done done) {
        opened_ = mode_.devices_open;
        done(device::attach_filter(mode_.cgroup->fd(), prepared_.filters->of(opened_)));
    }

    // One in which a network was made, or tried, is no other start's.
    void network(Done done) {
        net_ns_ = std::move(prepared_.net_ns);
        if (!has_wire(plan_->network.zone)) return done({});
        if (plan_->network.zone != policy::Zone::tunnel) return connect({}, std::move(done));
        read_tunnel_key(
            ctx_, mode_, *plan_,
            [self = shared_from_this(), done = std::move(done)](Result<UniqueFd> key) mutable {
                if (!key) return done(fail(std::move(key.error())));
                self->connect(std::move(*key), std::move(done));
            });
    }
    void connect(UniqueFd key, Done done) {
        ctx_.network.connect(mode_.name, {net_ns_.borrow(), plan_image(), std::move(key)},
                             std::move(done));
    }
    void undo_network(Done done) {
        net_ns_.reset();
        ctx_.network.disconnect(mode_.name, std::move(done));
    }
    BorrowedFd plan_image() const {
        return recorded_ ? recording_image_.borrow() : prepared_.plan.borrow();
    }

    void launch(Done done) {
        // Waited since it was prepared, and may have been written to since.
        if (auto same = check_pinned(ctx_, root_, prepared_.root->files()); !same)
            return done(std::move(same));
        auto tree = prepared_.root->clone_tree();
        if (!tree) return done(fail(std::move(tree.error())));
        root_tree_ = std::move(*tree);
        LaunchJob job;
        job.request.verb = launch::Verb::start;
        job.descriptors.plan = plan_image();
        job.descriptors.cgroup = mode_.cgroup->fd();
        job.descriptors.root_tree = root_tree_.borrow();
        job.descriptors.net_ns = net_ns_.borrow();
        job.descriptors.id_ns = prepared_.id_ns.borrow();
        job.descriptors.status = files_.status.borrow();
        // No stdin: the mode's own /dev/null, for the phone's is one inode for all modes.
        job.descriptors.stdout_fd = files_.log.borrow();
        job.descriptors.stderr_fd = files_.log.borrow();
        job.plan = plan_.get();
        ctx_.launcher.ask(std::move(job), [self = shared_from_this(), done = std::move(done)](
                                              Result<launch::LaunchReply> reply) mutable {
            self->launched(std::move(reply), std::move(done));
        });
    }

    void launched(Result<launch::LaunchReply> reply, Done done) {
        root_tree_.reset();
        if (!reply) {
            // Whatever it is that the image lacks, if it is the image.
            mode_.image_fault = reply.error().code != Code::unreachable;
            return done(fail(std::move(reply.error())));
        }
        const auto filters = prepared_.filters;
        net_ns_.reset();  // one mode, one network namespace, one life
        give_back();
        Running running;
        running.plan = plan_;
        running.filters = filters;
        running.digest = digest_;
        running.profile = profile_;
        running.policy = policy_;
        running.pidfd = std::move(reply->pidfd);
        running.pid = reply->reply.pid;
        running.started_at = boot_time_usec();
        if (recorded_) running.recording = std::make_shared<Recording>();
        running.watch = ctx_.denials.watch(mode_, *mode_.cgroup, *plan_);
        mode_.running = std::move(running);
        Result<> watched;
        // A switch went by while it was launched.
        if (mode_.devices_open != opened_)
            watched = mode_.devices_open ? ctx_.gate.allow(mode_) : ctx_.gate.deny(mode_);
        if (watched && reply->listener)
            watched = listen(ctx_, mode_, std::move(reply->listener), Whose::mode);
        if (watched) watched = watch_exit(ctx_, mode_, on_exit_);
        if (watched) {
            // Its first programs look for what brokers have for it.
            ctx_.observer.mode_changed(mode_);
            return done({});
        }
        kill_mode(ctx_, mode_,
                  [watched = std::move(watched), done = std::move(done)](Result<>) mutable {
                      done(std::move(watched));
                  });
    }

    void undo_launch(Done done) { kill_mode(ctx_, mode_, std::move(done)); }

    void record(Done done) {
        const auto stat = process_stat(mode_.running->pid);
        if (!stat) return done(fail(Error(stat.error())));
        mode_.running->start_time = stat->start_time;
        // Without a record of it a new pmosd takes a recording for a launch cut short, and ends it.
        if (recorded_) return done({});
        done(write_state(ctx_.paths, mode_));
    }

    void post_start_hooks(Done done) {
        run_hooks(ctx_, mode_, policy::HookPoint::post_start, std::move(done));
    }

    const Context& ctx_;
    Mode& mode_;
    OnExit on_exit_;
    std::shared_ptr<const policy::LaunchPlan> asked_for_;
    std::shared_ptr<const policy::Profile> profile_;
    std::string policy_;
    bool recorded_;
    std::shared_ptr<const policy::LaunchPlan> plan_;
    std::string digest_;
    UniqueFd recording_image_;
    bool was_locked_ = false, opened_ = false;
    Prepared prepared_;
    policy::RootImage root_;  // that is prepared
    UniqueFd net_ns_;         // of this start
    ModeFiles files_;
    UniqueFd root_tree_;
};

// Somebody may reload without end.
constexpr int kTries = 3;

// What all tries of a start have in common.
struct Wanted {
    const Context& ctx;
    Mode& mode;
    std::shared_ptr<const policy::LaunchPlan> recording;
    MayStart may;
    OnExit on_exit;
    Done done;
    int tries = 0;

    Result<> allowed() const {
        PMOS_TRY(may());
        refresh_volume_state(mode);
        return may_start(mode);
    }
    void end(Result<> result) {
        mode.state = result ? State::running : State::failed;
        if (!result) mode.reason = result.error().message();
        ctx.observer.mode_changed(mode);
        done(std::move(result));
    }
};

void try_start(const std::shared_ptr<Wanted>& wanted) {
    ++wanted->tries;
    const auto start =
        std::make_shared<Start>(wanted->ctx, wanted->mode, wanted->recording, wanted->on_exit);
    auto ended = [wanted, start](Result<> result) {
        // What could not be undone is in the way of another try.
        if (result || !start->overtaken() || !result.error().undo_failures.empty() ||
            wanted->tries == kTries)
            return wanted->end(std::move(result));
        wanted->ctx.observer.event("start-again", wanted->mode.name,
                                   {{"why", result.error().message()}});
        if (auto ok = wanted->allowed(); !ok) return wanted->end(std::move(ok));
        try_start(wanted);
    };
    run_sequence(wanted->ctx.loop, "start", start->steps(), std::move(ended), nullptr,
                 [wanted](const char* step, std::uint32_t permille) {
                     wanted->ctx.observer.progress(wanted->mode, "start", permille, step);
                 });
}

}  // namespace

Result<> may_start(const Mode& mode) {
    if (!mode.plan) return mode.disabled_error();
    if (mode.locked && mode.needs_secret()) {
        if (!mode.provisioned)
            return fail(Code::not_provisioned, "mode '" + mode.name + "' has no volume yet", "",
                        "make it with: pmosctl provision " + mode.name);
        return mode.locked_error();
    }
    return {};
}

void start_mode(const Context& ctx, Mode& mode, std::shared_ptr<const policy::LaunchPlan> recording,
                MayStart may, OnExit on_exit, Done done) {
    const auto wanted = std::make_shared<Wanted>(ctx, mode, std::move(recording), std::move(may),
                                                 std::move(on_exit), std::move(done));
    if (auto ok = wanted->allowed(); !ok) return wanted->done(std::move(ok));
    mode.state = State::starting;
    mode.reason.clear();
    ctx.observer.mode_changed(mode);
    try_start(wanted);
}

Result<> watch_exit(const Context& ctx, Mode& mode, OnExit on_exit) {
    mode.running->exited = ctx.loop.on_io(mode.running->pidfd.borrow(), EPOLLIN,
                                          [&mode, on_exit = std::move(on_exit)](std::uint32_t) {
                                              mode.running->exited.reset();
                                              on_exit(mode);
                                          });
    if (!mode.running->exited) return fail(Code::no_space, "cannot watch the mode's PID 1");
    return {};
}

}  // namespace pmos::daemon
