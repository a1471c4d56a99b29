// notify: pmos-notify's main: options, the faces, the loop.
#include <fmt/format.h>
#include <getopt.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <array>
#include <csignal>

#include "runtime/notify/faces.h"

namespace pmos::notify {
namespace {

constexpr const char* kUsage =
    "usage: pmos-notify [OPTION...]\n"
    "Takes the notifications of each mode, and shows others what the policy lets them see.\n"
    "\n"
    "  --run DIR      sockets (default /run/pmos/notify)\n"
    "  --version, --help\n";

void say_error(const Error& error) { sd_journal_print(LOG_ERR, "%s", error.message().c_str()); }

Result<> serve(const std::string& run) {
    ::signal(SIGPIPE, SIG_IGN);
    PMOS_ASSIGN(const auto loop, event::EventLoop::make());
    const auto leave = [&] { loop->quit(0); };
    const auto on_term = loop->on_signal(SIGTERM, leave);
    const auto on_int = loop->on_signal(SIGINT, leave);
    Broker broker(*loop);
    PMOS_ASSIGN(const auto faces, Faces::make(*loop, broker, run, say_error));
    sd_event_set_watchdog(loop->get(), 1);
    sd_notify(0, "READY=1");
    return loop->run();
}

int usage_error(const std::string& text) {
    fmt::print(stderr, "pmos-notify: {}\n{}", text, kUsage);
    return 2;
}

}  // namespace
}  // namespace pmos::notify

int main(int argc, char** argv) {
    using namespace pmos::notify;
    std::string run = kRunDir;
    const std::array long_options{option{"run", 1, nullptr, 'r'},
                                  option{"version", 0, nullptr, 'v'},
                                  option{"help", 0, nullptr, 'h'}, option{nullptr, 0, nullptr, 0}};
    for (int key; (key = ::getopt_long(argc, argv, "", long_options.data(), nullptr)) != -1;) {
        if (key == 'r') run = ::optarg;
        if (key == 'v') return fmt::print("pmos-notify {}\n", PMOS_VERSION), 0;
        if (key == 'h') return fmt::print("{}", kUsage), 0;
        if (key == '?') return usage_error("see the options below");
    }
    if (::optind != argc)
        return usage_error(fmt::format("unexpected argument '{}'", argv[::optind]));
    const auto served = serve(run);
    if (served) return 0;
    say_error(served.error());
    fmt::print(stderr, "pmos-notify: {}\n", served.error().message());
    return 1;
}
