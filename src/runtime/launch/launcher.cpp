// launch: one request from its plan to its reply, as one array of steps. No heap; whatever a
// request opened is closed before the next one is read.
#include "runtime/launch/launcher.h"

#include <errno.h>

#include "runtime/launch/serve.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::launch {
namespace {

constexpr unsigned only(Verb verb) noexcept { return 1U << static_cast<unsigned>(verb); }

// Entering a mode that runs needs no new world, its devices no process either.
constexpr unsigned kStart = only(Verb::start), kDevices = only(Verb::devices);
constexpr unsigned kClones = kStart | only(Verb::enter);

struct LauncherStep {
    Step step;
    int (*run)(Launch&) noexcept;
    unsigned verbs;
};

constexpr LauncherStep kSteps[] = {
    {Step::map_plan, map_plan, kClones | kDevices},
    {Step::build_dev, build_dev, kStart},
    {Step::open_volumes, open_volumes, kStart},
    {Step::open_binds, open_binds, kStart},
    {Step::join_net_ns, join_net_ns, kStart},
    {Step::enter_time_ns, enter_time_ns, kStart},
    {Step::visit_mode, visit_mode, kDevices},
    {Step::change_dev, change_dev, kDevices},
    {Step::clone, clone_child, kClones},
};
constexpr LauncherStep kStepsBehindClone[] = {
    {Step::write_id_maps, write_id_maps, kStart},
    {Step::adjust_child, adjust_child, kClones},
};

template <std::size_t kCount>
ChildFailure run_steps(Launch& launch, const LauncherStep (&steps)[kCount]) noexcept {
    for (const LauncherStep& s : steps) {
        if ((only(launch.request.verb) & s.verbs) == 0) continue;
        launch.op = -1;
        const int err = fails_here(launch, s.step) ? -EIO : s.run(launch);
        if (err < 0) return {s.step, -err, launch.op};
    }
    return {};
}

ChildFailure carry_out(Launch& launch) noexcept {
    ChildFailure outcome = run_steps(launch, kSteps);
    // Never serve another request from inside a mode's namespaces.
    if (leave_namespaces(launch) < 0) sys::sys_exit(70);
    if (outcome.step != Step::none) return outcome;
    outcome = run_steps(launch, kStepsBehindClone);
    if (outcome.step == Step::none && launch.pid > 0) outcome = await_child(launch);
    if (outcome.sys_errno == 0 && fails_here(launch, Step::reply)) outcome = {Step::reply, EIO, -1};
    if (outcome.step != Step::none) kill_child(launch);
    return outcome;
}

void clean_up(const Launch& launch) noexcept {
    sys::sys_close_range(kFirstRequestFd, ~0U, 0);
    if (launch.plan_data != nullptr) sys::raw(SYS_munmap, launch.plan_data, launch.plan_size);
}

}  // namespace

int serve_one(const Self& self) noexcept {
    Strings strings;
    Launch launch;
    launch.self = &self;
    launch.argv = strings.argv;
    launch.envp = strings.envp;
    int refusal = 0;
    if (const int err = receive_request(launch, refusal); err < 0) return err;
    if (refusal == 0 && fails_here(launch, Step::read_request)) refusal = -EIO;
    const ChildFailure outcome =
        refusal < 0 ? ChildFailure{Step::read_request, -refusal, -1} : carry_out(launch);
    const int sent = send_reply(launch, outcome);
    // Nobody has the child's pidfd then: it must not live on unknown.
    if (sent < 0) kill_child(launch);
    clean_up(launch);
    return sent;
}

}  // namespace pmos::launch
