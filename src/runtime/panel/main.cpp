// panel: pmos-panel's main: options, the screen, the faces, the loop.
#include <fmt/format.h>
#include <getopt.h>
#include <sys/prctl.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <array>
#include <charconv>
#include <csignal>
#include <string_view>

#include "runtime/panel/console.h"
#include "runtime/panel/control_face.h"
#include "runtime/panel/words.h"

namespace pmos::panel {
namespace {

constexpr const char* kUsage =
    "usage: pmos-panel [OPTION...]\n"
    "Draws the phone's screen: the front mode's windows, the strip above them, the lock.\n"
    "\n"
    "  --run DIR        sockets (default /run/pmos/panel)\n"
    "  --modem SOCKET   of pmos-modem, for emergency calls (default /run/pmos/modem/host)\n"
    "  --headless WxH   no display device: a screen of that size that nobody sees\n"
    "  --version, --help\n";

void say_error(const Error& error) { sd_journal_print(LOG_ERR, "%s", error.message().c_str()); }

// What wlroots says can have words of a client in it: only that something failed is kept.
void on_wlr_log(wlr_log_importance importance, const char* format, va_list args) {
    if (importance == WLR_ERROR) sd_journal_printv(LOG_WARNING, format, args);
}

struct Options {
    std::string run = kRunDir, modem = "/run/pmos/modem/host";
    Screen::Options screen;
};

bool read_size(std::string_view text, Size& size) {
    const auto cross = text.find('x');
    if (cross == std::string_view::npos) return false;
    const auto number = [](std::string_view part, int& value) {
        const auto end = part.data() + part.size();
        const auto [at, error] = std::from_chars(part.data(), end, value);
        return error == std::errc() && at == end && value > 0 && value <= 8192;
    };
    return number(text.substr(0, cross), size.width) && number(text.substr(cross + 1), size.height);
}

Result<> serve(const Options& options) {
    ::signal(SIGPIPE, SIG_IGN);
    // It has a secret for as long as that is typed: no core of it, and nobody reads its memory.
    ::prctl(PR_SET_DUMPABLE, 0);
    if (options.screen.headless.width == 0) PMOS_TRY(silence_console());
    wlr_log_init(WLR_ERROR, on_wlr_log);
    speak("");
    PMOS_ASSIGN(const auto loop, event::EventLoop::make());
    const auto leave = [&] { loop->quit(0); };
    const auto on_term = loop->on_signal(SIGTERM, leave);
    const auto on_int = loop->on_signal(SIGINT, leave);
    PMOS_ASSIGN(const auto screen, Screen::make(*loop, options.screen));
    PMOS_ASSIGN(const auto displays, Displays::make(*screen, options.run, say_error));
    ControlFace control(*loop, options.modem);
    Panel panel(*loop, *screen, *displays, control);
    Input input(*screen, panel);
    PMOS_TRY(screen->begin([&] { panel.resized(); },
                           [&](wlr_input_device* device) { input.add(device); }));
    panel.resized();
    PMOS_TRY(control.begin(panel, *screen, options.run + "/control"));
    sd_event_set_watchdog(loop->get(), 1);
    sd_notify(0, "READY=1");
    return loop->run();
}

int usage_error(const std::string& text) {
    fmt::print(stderr, "pmos-panel: {}\n{}", text, kUsage);
    return 2;
}

}  // namespace
}  // namespace pmos::panel

int main(int argc, char** argv) {
    using namespace pmos::panel;
    Options options;
    const std::array long_options{
        option{"run", 1, nullptr, 'r'},      option{"modem", 1, nullptr, 'm'},
        option{"headless", 1, nullptr, 's'}, option{"version", 0, nullptr, 'v'},
        option{"help", 0, nullptr, 'h'},     option{nullptr, 0, nullptr, 0}};
    for (int key; (key = ::getopt_long(argc, argv, "", long_options.data(), nullptr)) != -1;) {
        if (key == 'r') options.run = ::optarg;
        if (key == 'm') options.modem = ::optarg;
        if (key == 's' && !read_size(::optarg, options.screen.headless))
            return usage_error(fmt::format("'{}' is no size, such as 360x720", ::optarg));
        if (key == 'v') return fmt::print("pmos-panel {}\n", PMOS_VERSION), 0;
        if (key == 'h') return fmt::print("{}", kUsage), 0;
        if (key == '?') return usage_error("see the options below");
    }
    if (::optind != argc)
        return usage_error(fmt::format("unexpected argument '{}'", argv[::optind]));
    const auto served = serve(options);
    if (served) return 0;
    say_error(served.error());
    fmt::print(stderr, "pmos-panel: {}\n", served.error().message());
    return 1;
}
