// cli: what is shown anew whenever something about the modes changes. Changes nothing itself.
#include "cli/live_view.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "cli/output.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

constexpr int kPeriodMs = 1000;
constexpr const char* kHomeAndClear = "\033[H\033[J";

// Until something has come, or the time is over.
Result<void> wait(BusClient& bus, const bool& changed) {
    PMOS_TRY(bus.dispatch());
    if (changed) return {};
    PMOS_ASSIGN(const auto wanted, bus.wait_for());
    pollfd fd{wanted.fd, wanted.events, 0};
    const int longest = wanted.timeout_ms < 0 ? kPeriodMs : std::min(wanted.timeout_ms, kPeriodMs);
    if (::poll(&fd, 1, longest) < 0 && errno != EINTR)
        return fail(errno_error(errno, "cannot wait for what changes"));
    return bus.dispatch();
}

Result<int> redraw(const Globals& globals, BusClient& bus, bool& changed,
                   const std::function<Result<void>(BusClient&)>& draw) {
    const bool terminal = ::isatty(STDOUT_FILENO) != 0 && !globals.json;
    while (std::ferror(stdout) == 0) {
        if (terminal) put(kHomeAndClear);
        changed = false;
        PMOS_TRY(draw(bus));
        std::fflush(stdout);
        PMOS_TRY(wait(bus, changed));
    }
    return 0;
}

}  // namespace

Result<int> live_view(const Globals& globals, const std::function<Result<void>(BusClient&)>& draw) {
    PMOS_ASSIGN(auto bus, globals.connect());
    bool changed = false;
    const auto note = [&changed](const Message&) { changed = true; };
    const std::string tree = std::string(bus::kManagerPath) + "/*";
    PMOS_TRY(bus.listen(bus::kManagerPath, bus::kManagerInterface, "Event", note));
    PMOS_TRY(bus.listen(tree, "org.freedesktop.DBus.Properties", "PropertiesChanged", note));
    return redraw(globals, bus, changed, draw);
}

Result<int> live_view_of(const Globals& globals, BusClient& bus,
                         const std::function<Result<void>(BusClient&)>& draw) {
    bool changed = false;
    return redraw(globals, bus, changed, draw);
}

std::shared_ptr<bool> add_watch_option(CommandLine& line) {
    auto watch = std::make_shared<bool>(false);
    line.add_flag("-w,--watch", *watch, "show it again whenever it changes");
    return watch;
}

}  // namespace pmos::cli
