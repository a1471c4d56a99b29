// audio: pmos-audio's main: options, the control face, the loop.
#include <fmt/format.h>
#include <getopt.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <array>
#include <csignal>

#include "runtime/audio/broker.h"
#include "runtime/audio/control_face.h"

namespace pmos::audio {
namespace {

struct Options {
    std::string run = kRunDir, remote = "/run/pmos-phone-audio/pipewire-0";
    std::string libexec = PMOS_LIBEXECDIR, data = PMOS_DATADIR "/audio";
};

constexpr const char* kUsage =
    "usage: pmos-audio [OPTION...]\n"
    "Gives each mode a sound server of its own, and makes and cuts its ways to the phone's "
    "devices.\n"
    "\n"
    "  --run DIR        sockets (default /run/pmos/audio)\n"
    "  --remote SOCKET  the PipeWire that has the phone's devices\n"
    "                   (default /run/pmos-phone-audio/pipewire-0)\n"
    "  --libexec DIR    where pmos-audio-start and pmos-audio-port are\n"
    "  --data DIR       what a mode's PipeWire and session manager go by\n"
    "  --version, --help\n";

void say_error(const Error& error) { sd_journal_print(LOG_ERR, "%s", error.message().c_str()); }

Result<> serve(const Options& options) {
    ::signal(SIGPIPE, SIG_IGN);
    PMOS_ASSIGN(const auto loop, event::EventLoop::make());
    // Blocked before there is another thread that would get them.
    const auto leave = [&] { loop->quit(0); };
    const auto on_term = loop->on_signal(SIGTERM, leave);
    const auto on_int = loop->on_signal(SIGINT, leave);
    PMOS_ASSIGN(const auto hardware, Hardware::make(*loop, options.remote));
    Programs programs;
    programs.start = options.libexec + "/pmos-audio-start";
    programs.port = options.libexec + "/pmos-audio-port";
    programs.data = options.data;
    Broker broker(*loop, *hardware, std::move(programs), options.run);
    PMOS_ASSIGN(const auto control, ControlFace::make(*loop, broker, options.run + "/control"));
    sd_event_set_watchdog(loop->get(), 1);
    sd_notify(0, "READY=1");
    const auto ran = loop->run();
    broker.on_change([] {});
    return ran;
}

int usage_error(const std::string& text) {
    fmt::print(stderr, "pmos-audio: {}\n{}", text, kUsage);
    return 2;
}

}  // namespace
}  // namespace pmos::audio

int main(int argc, char** argv) {
    using namespace pmos::audio;
    Options options;
    const std::array long_options{
        option{"run", 1, nullptr, 'r'},     option{"remote", 1, nullptr, 'm'},
        option{"libexec", 1, nullptr, 'l'}, option{"data", 1, nullptr, 'd'},
        option{"version", 0, nullptr, 'v'}, option{"help", 0, nullptr, 'h'},
        option{nullptr, 0, nullptr, 0}};
    for (int key; (key = ::getopt_long(argc, argv, "", long_options.data(), nullptr)) != -1;) {
        if (key == 'r') options.run = ::optarg;
        if (key == 'm') options.remote = ::optarg;
        if (key == 'l') options.libexec = ::optarg;
        if (key == 'd') options.data = ::optarg;
        if (key == 'v') return fmt::print("pmos-audio {}\n", PMOS_VERSION), 0;
        if (key == 'h') return fmt::print("{}", kUsage), 0;
        if (key == '?') return usage_error("see the options below");
    }
    if (::optind != argc)
        return usage_error(fmt::format("unexpected argument '{}'", argv[::optind]));
    const auto served = serve(options);
    if (served) return 0;
    say_error(served.error());
    fmt::print(stderr, "pmos-audio: {}\n", served.error().message());
    return 1;
}
