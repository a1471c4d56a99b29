// daemon: takes a mode down, or finds that it went down by itself.
#include "runtime/daemon/mode_stop.h"

#include <sys/epoll.h>

#include <csignal>

#include "runtime/daemon/cgroup_wait.h"
#include "runtime/daemon/device_gate.h"
#include "runtime/daemon/hook_runner.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/daemon/network_link.h"
#include "runtime/daemon/process.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kKillDeadline = 10s;  // a task in D state; then it is reported, not waited for

// Answers when PID 1 has ended or the time is over, which is no error here.
void wait_exit(const Context& ctx, Mode& mode, std::chrono::milliseconds timeout, Done done) {
    struct Waiting {
        Done done;
        EventSource timer;
    };
    auto waiting = std::make_shared<Waiting>();
    waiting->done = std::move(done);
    const auto answer = [waiting, &mode] {
        if (mode.running) mode.running->exited.reset();
        waiting->timer.reset();
        if (auto call = std::exchange(waiting->done, nullptr)) call({});
    };
    // Takes the place of the watch for an unexpected exit; one descriptor has one source.
    mode.running->exited.reset();
    mode.running->exited = ctx.loop.on_io(mode.running->pidfd.borrow(), EPOLLIN,
                                          [answer](std::uint32_t) { answer(); });
    waiting->timer = ctx.loop.after(timeout, answer);
    if (!mode.running->exited || !waiting->timer) answer();
}

// Exit code of the plan's process, as pmos-init recorded it; else how PID 1 itself ended.
int exit_of_last_run(const Context& ctx, Mode& mode) {
    const auto reaped = reap(mode.running->pidfd.borrow());
    if (const auto recorded = read_exit_record(ctx.paths, mode.name)) return exit_code(*recorded);
    return reaped ? exit_code(*reaped) : 128 + SIGKILL;
}

// And the network that they had, once nothing can use it any more.
void remove_processes(const Context& ctx, Mode& mode, Done done) {
    remove_cgroup(ctx, mode, [&ctx, &mode, done = std::move(done)](Result<> removed) mutable {
        ctx.network.disconnect(mode.name, [removed = std::move(removed),
                                           done = std::move(done)](Result<> disconnected) mutable {
            done(removed ? std::move(disconnected) : std::move(removed));
        });
    });
}

// Everything after PID 1 is gone. Goes on after an error and answers the first.
void clean_up(const Context& ctx, Mode& mode, Done done) {
    mode.last_exit = exit_of_last_run(ctx, mode);
    bound_log(ctx.paths, mode.name);
    const auto plan = mode.running->plan;  // of the run that ended, not of the next
    mode.running.reset();
    mode.devices_open = mode.foreground;  // of one that starts again at once
    ctx.observer.mode_changed(mode);      // what brokers had for it is of nobody now
    remove_processes(ctx, mode,
                     [&ctx, &mode, plan, done = std::move(done)](Result<> removed) mutable {
                         Result<> files = remove_run_files(ctx.paths, mode.name);
                         run_hooks(ctx, mode, plan.get(), policy::HookPoint::post_stop,
                                   [removed = std::move(removed), files = std::move(files),
                                    done = std::move(done)](Result<> hooks) mutable {
                                       if (!removed) return done(std::move(removed));
                                       if (!files) return done(std::move(files));
                                       done(std::move(hooks));
                                   });
                     });
}

void finish(const Context& ctx, Mode& mode, State state, std::string reason, Done done) {
    clean_up(ctx, mode,
             [&ctx, &mode, state, reason = std::move(reason),
              done = std::move(done)](Result<> result) mutable {
                 mode.state = result ? state : State::failed;
                 mode.reason = result ? std::move(reason) : result.error().message();
                 ctx.observer.mode_changed(mode);
                 done(std::move(result));
             });
}

}  // namespace

void kill_mode(const Context& ctx, Mode& mode, Done done) {
    static_cast<void>(mode.cgroup->kill());
    wait_exit(ctx, mode, kKillDeadline, [&mode, done = std::move(done)](Result<>) mutable {
        static_cast<void>(reap(mode.running->pidfd.borrow()));
        mode.running.reset();
        done({});
    });
}

void stop_mode(const Context& ctx, Mode& mode, std::uint32_t timeout_ms, Done done) {
    if (!mode.alive()) {
        if (mode.state == State::failed) {
            mode.state = State::stopped;
            mode.reason.clear();
            ctx.observer.mode_changed(mode);
        }
        return done({});
    }
    mode.state = State::stopping;
    ctx.observer.mode_changed(mode);
    if (mode.cgroup) static_cast<void>(mode.cgroup->thaw());
    static_cast<void>(send_signal(mode.running->pidfd.borrow(), SIGTERM));
    const auto timeout = timeout_ms != 0 ? timeout_ms : mode.running->session().stop_timeout_ms;
    wait_exit(ctx, mode, std::chrono::milliseconds(timeout),
              [&ctx, &mode, done = std::move(done)](Result<>) mutable {
                  if (mode.cgroup) static_cast<void>(mode.cgroup->kill());
                  wait_exit(ctx, mode, kKillDeadline,
                            [&ctx, &mode, done = std::move(done)](Result<>) mutable {
                                finish(ctx, mode, State::stopped, "", std::move(done));
                            });
              });
}

void collect_mode(const Context& ctx, Mode& mode, Done done) {
    // The run that ended may have been stopped, and another started, while this call waited.
    if (!mode.alive() || !has_ended(mode.running->pidfd.borrow())) return done({});
    mode.state = State::stopping;
    ctx.observer.mode_changed(mode);
    clean_up(ctx, mode, [&ctx, &mode, done = std::move(done)](Result<> result) mutable {
        const bool good = result && mode.last_exit == 0;
        mode.state = good ? State::stopped : State::failed;
        if (!result)
            mode.reason = result.error().message();
        else if (!good)
            mode.reason = "its process ended with exit status " + std::to_string(mode.last_exit);
        ctx.observer.mode_changed(mode);
        done(std::move(result));
    });
}

void remove_cgroup(const Context& ctx, Mode& mode, Done done) {
    if (!mode.cgroup) return done({});
    static_cast<void>(mode.cgroup->kill());
    wait_cgroup(
        ctx.loop, *mode.cgroup, [](const host::Cgroup& cgroup) { return !cgroup.populated(); },
        kKillDeadline,
        [&ctx, &mode, done = std::move(done)](Result<> empty) mutable {
            if (!empty) {
                empty.error().what = "processes of mode '" + mode.name + "' do not end";
                return done(std::move(empty));
            }
            ctx.gate.forget(mode);
            auto removed = mode.cgroup->remove();
            if (removed) mode.cgroup.reset();
            done(std::move(removed));
        });
}

}  // namespace pmos::daemon
