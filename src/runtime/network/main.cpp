// network: pmos-net's main: options, the control face, the loop.
#include <fmt/format.h>
#include <getopt.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <array>
#include <csignal>

#include "runtime/network/control_face.h"
#include "runtime/network/protocol.h"

namespace pmos::network {
namespace {

struct Options {
    std::string run = kRunDir, libexec = PMOS_LIBEXECDIR;
};

constexpr const char* kUsage =
    "usage: pmos-net [OPTION...]\n"
    "Gives each mode its network: a wire to the phone's uplink or a tunnel, and rules.\n"
    "\n"
    "  --run DIR        the control socket (default /run/pmos/network)\n"
    "  --libexec DIR    where pmos-net-key, pmos-net-lookup and pmos-net-dns are\n"
    "  --version, --help\n";

Result<> serve(const Options& options) {
    ::signal(SIGPIPE, SIG_IGN);
    PMOS_ASSIGN(const auto loop, event::EventLoop::make());
    const auto leave = [&] { loop->quit(0); };
    const auto on_term = loop->on_signal(SIGTERM, leave);
    const auto on_int = loop->on_signal(SIGINT, leave);
    PMOS_ASSIGN(const auto keeper, Keeper::make(*loop,
                                                {options.libexec + "/pmos-net-key",
                                                 options.libexec + "/pmos-net-lookup",
                                                 options.libexec + "/pmos-net-dns"},
                                                options.run));
    PMOS_ASSIGN(const auto control, ControlFace::make(*loop, *keeper, options.run + "/control"));
    sd_event_set_watchdog(loop->get(), 1);
    sd_notify(0, "READY=1");
    // What stands is left standing: modes run on, and the next of these takes it over.
    return loop->run();
}

int usage_error(const std::string& text) {
    fmt::print(stderr, "pmos-net: {}\n{}", text, kUsage);
    return 2;
}

}  // namespace
}  // namespace pmos::network

int main(int argc, char** argv) {
    using namespace pmos::network;
    Options options;
    const std::array long_options{option{"run", 1, nullptr, 'r'},
                                  option{"libexec", 1, nullptr, 'l'},
                                  option{"version", 0, nullptr, 'v'},
                                  option{"help", 0, nullptr, 'h'}, option{nullptr, 0, nullptr, 0}};
    for (int key; (key = ::getopt_long(argc, argv, "", long_options.data(), nullptr)) != -1;) {
        if (key == 'r') options.run = ::optarg;
        if (key == 'l') options.libexec = ::optarg;
        if (key == 'v') return fmt::print("pmos-net {}\n", PMOS_VERSION), 0;
        if (key == 'h') return fmt::print("{}", kUsage), 0;
        if (key == '?') return usage_error("see the options below");
    }
    if (::optind != argc)
        return usage_error(fmt::format("unexpected argument '{}'", argv[::optind]));
    const auto served = serve(options);
    if (served) return 0;
    sd_journal_print(LOG_ERR, "%s", served.error().message().c_str());
    fmt::print(stderr, "pmos-net: {}\n", served.error().message());
    return 1;
}
