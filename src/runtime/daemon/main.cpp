// daemon: pmosd's main: options, start-up, the loop, the end. No state of a mode.
#include <fcntl.h>
#include <fmt/format.h>
#include <getopt.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>

#include "runtime/daemon/bus.h"
#include "runtime/daemon/fd_store.h"
#include "runtime/daemon/journal.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/daemon/supervisor.h"

namespace pmos::daemon {
namespace {

struct Options {
    Paths paths;
    Bus::System system = Bus::System::automatic;
    int ready_fd = -1;
    unsigned confirm_after = 30;
    bool autostart = true;
};

constexpr const char* kUsage =
    "usage: pmosd [OPTION...]\n"
    "The supervisor of the phone's modes. Started by init; pmosctl talks to it.\n"
    "\n"
    "  --profiles DIR     profiles and site.json (default /usr/share/pmos/profiles)\n"
    "  --images DIR       mode images (default /usr/share/pmos/images)\n"
    "  --hooks DIR        hooks (default /usr/share/pmos/hooks)\n"
    "  --run DIR          state of this boot (default /run/pmos)\n"
    "  --state DIR        volumes and keys (default /var/lib/pmos)\n"
    "  --libexec DIR      pmos-launch and the other helpers (default /usr/libexec/pmos)\n"
    "  --handset FILE     devices of this phone (default /etc/pmos/handset.json)\n"
    "  --trust DIR        keys of who may sign the policy (default /etc/pmos/trust); while it\n"
    "                     holds one, the policy is a bundle and --profiles is not read\n"
    "  --floor WHERE      the version below which no policy is used is kept in the TPM too if "
    "there\n"
    "                     is one (auto, the default), not without one (tpm), or not in it (file)\n"
    "  --confirm-after S  seconds that a mode must run under a new bundle (default 30)\n"
    "  --cgroup DIR       where the modes' cgroups are made (default: pmos-modes.service's,\n"
    "                     or /sys/fs/cgroup/pmos under another init)\n"
    "  --bus MODE         auto, required or off: the system bus (default auto)\n"
    "  --ready-fd N       write a newline to descriptor N when ready (another init's Type=notify)\n"
    "  --no-autostart     start no mode at start-up\n"
    "  --version, --help\n";

int usage_error(const std::string& text) {
    fmt::print(stderr, "pmosd: {}\n{}", text, kUsage);
    return 2;
}

// -1: go on; else the exit status.
int parse_options(int argc, char** argv, Options& options) {
    enum Key {
        profiles = 1,
        images,
        hooks,
        run,
        state,
        libexec,
        handset,
        cgroup,
        trust,
        confirm_after,
        floor,
        bus,
        ready_fd,
        no_autostart,
        version,
        help
    };
    static constexpr std::array kOptions{option{"profiles", 1, nullptr, profiles},
                                         option{"images", 1, nullptr, images},
                                         option{"hooks", 1, nullptr, hooks},
                                         option{"run", 1, nullptr, run},
                                         option{"state", 1, nullptr, state},
                                         option{"libexec", 1, nullptr, libexec},
                                         option{"handset", 1, nullptr, handset},
                                         option{"cgroup", 1, nullptr, cgroup},
                                         option{"trust", 1, nullptr, trust},
                                         option{"confirm-after", 1, nullptr, confirm_after},
                                         option{"floor", 1, nullptr, floor},
                                         option{"bus", 1, nullptr, bus},
                                         option{"ready-fd", 1, nullptr, ready_fd},
                                         option{"no-autostart", 0, nullptr, no_autostart},
                                         option{"version", 0, nullptr, version},
                                         option{"help", 0, nullptr, help},
                                         option{nullptr, 0, nullptr, 0}};
    Paths& paths = options.paths;
    const std::array<std::string*, 10> texts{
        nullptr,      &paths.profiles, &paths.images,  &paths.hooks,  &paths.run,
        &paths.state, &paths.libexec,  &paths.handset, &paths.cgroup, &paths.trust};
    for (int key; (key = ::getopt_long(argc, argv, "", kOptions.data(), nullptr)) != -1;) {
        const std::string_view value = ::optarg != nullptr ? ::optarg : "";
        if (key >= profiles && key <= trust) {
            *texts[static_cast<std::size_t>(key)] = value;
        } else if (key == bus) {
            if (value != "auto" && value != "required" && value != "off")
                return usage_error(
                    fmt::format("--bus takes auto, required or off, not '{}'", value));
            options.system = value == "off"        ? Bus::System::off
                             : value == "required" ? Bus::System::required
                                                   : Bus::System::automatic;
        } else if (key == confirm_after) {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), options.confirm_after);
            if (error != std::errc() || *end != '\0' || options.confirm_after > 3600)
                return usage_error(
                    fmt::format("--confirm-after takes seconds up to 3600, not '{}'", value));
        } else if (key == floor) {
            if (value != "auto" && value != "tpm" && value != "file")
                return usage_error(fmt::format("--floor takes auto, tpm or file, not '{}'", value));
            paths.floor = value;
        } else if (key == ready_fd) {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), options.ready_fd);
            if (error != std::errc() || *end != '\0' || options.ready_fd < 3)
                return usage_error(
                    fmt::format("--ready-fd takes a descriptor above 2, not '{}'", value));
        } else if (key == no_autostart) {
            options.autostart = false;
        } else if (key == version) {
            fmt::print("pmosd {}\n", PMOS_VERSION);
            return 0;
        } else if (key == help) {
            fmt::print("{}", kUsage);
            return 0;
        } else {
            return usage_error("see the options below");
        }
    }
    if (::optind != argc)
        return usage_error(fmt::format("unexpected argument '{}'", argv[::optind]));
    return -1;
}

// Under systemd modes live in a delegated unit of their own, so that they outlive pmosd's.
std::string default_cgroup() {
    const std::string unit = "/sys/fs/cgroup/system.slice/pmos-modes.service";
    return ::access(unit.c_str(), F_OK) == 0 ? unit : "/sys/fs/cgroup/pmos";
}

// The modes' root trees hang in a mount namespace of our own: nobody else sees or pins them.
// Whatever the host mounts later still arrives (slave), nothing goes back but the modes' logs.
Result<> confine(const Paths& paths) {
    if (::geteuid() != 0) return fail(Code::denied, "pmosd must run as root");
    if (::prctl(PR_SET_DUMPABLE, 0) != 0)
        return fail(errno_error(errno, "cannot become undumpable"));
    if (::chdir("/") != 0) return fail(errno_error(errno, "cannot enter /"));  // hooks inherit it
    // As the modes have it that come of it (policy/profile_process.cpp says why not 0).
    const rlimit no_core{1, 1};
    if (::setrlimit(RLIMIT_CORE, &no_core) != 0)
        return fail(errno_error(errno, "cannot turn core dumps off",
                                "start it with a hard limit for them (LimitCORE=) of 1 or more"));
    PMOS_ASSIGN(UniqueFd logs, open_logs(paths));
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
        return fail(errno_error(errno, "cannot make a mount namespace"));
    return attach_logs(paths, std::move(logs));
}

// The bus and the journal behind the supervisor's observer.
class Herald : public Observer {
  public:
    explicit Herald(Bus& bus) : bus_(bus) {}
    void mode_changed(const Mode& mode) override { bus_.mode_changed(mode); }
    void foreground_changed() override { bus_.foreground_changed(); }
    void progress(const Mode& mode, std::string_view operation, std::uint32_t permille,
                  std::string_view step) override {
        bus_.progress(mode, operation, permille, step);
    }
    void event(std::string_view kind, std::string_view mode, const Details& details,
               Audience audience) override {
        if (audience != Audience::bus)
            journal_event(kind, mode,
                          audience == Audience::everyone ? details : outline_of(details));
        bus_.event(kind, mode, details);
    }

  private:
    Bus& bus_;
};

void tell_ready(int fd) {
    sd_notify(0, "READY=1\nSTATUS=Supervising modes");
    if (fd < 0) return;
    static_cast<void>(!::write(fd, "\n", 1));
    ::close(fd);
}

Result<> serve(const Options& options, std::vector<KeptDescriptor> kept) {
    PMOS_ASSIGN(const auto loop, EventLoop::make());
    Bus bus(*loop, options.paths);
    Herald herald(bus);
    Supervisor supervisor(*loop, options.paths, herald, options.confirm_after);
    ::signal(SIGPIPE, SIG_IGN);
    bool leaving = false;
    const auto leave = [&] {
        if (std::exchange(leaving, true)) return;
        sd_notify(0, "STOPPING=1");
        supervisor.shut_down([&](Result<> result) {
            if (!result) journal_error(result.error());
            loop->quit(0);
        });
    };
    const auto on_term = loop->on_signal(SIGTERM, leave);
    const auto on_int = loop->on_signal(SIGINT, leave);
    const auto on_hup = loop->on_signal(SIGHUP, [&] {
        supervisor.reload([](Result<std::vector<std::string>> changed) {
            if (!changed) journal_error(changed.error());
        });
    });
    PMOS_TRY(supervisor.begin(std::move(kept)));
    PMOS_TRY(bus.begin(supervisor, options.system));
    sd_event_set_watchdog(loop->get(), 1);
    tell_ready(options.ready_fd);
    journal_note(
        fmt::format("pmosd {} supervises {} modes", PMOS_VERSION, supervisor.modes().size()));
    if (options.autostart) supervisor.autostart();
    const auto ended = loop->run();
    bus.close();
    if (leaving) supervisor.end_policy();
    return ended;
}

}  // namespace
}  // namespace pmos::daemon

int main(int argc, char** argv) {
    using namespace pmos::daemon;
    Options options;
    if (const int status = parse_options(argc, argv, options); status >= 0) return status;
    if (options.paths.cgroup.empty()) options.paths.cgroup = default_cgroup();
    auto kept = take_kept_descriptors();
    auto result = confine(options.paths);
    if (result) result = serve(options, std::move(kept));
    if (result) return 0;
    journal_error(result.error());
    return 1;
}
