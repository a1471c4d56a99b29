// modem: pmos-modem's main: options, the faces, the loop. Holds nothing of a mode.
#include <fmt/format.h>
#include <getopt.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <map>

#include "runtime/modem/broker.h"
#include "runtime/modem/control_face.h"
#include "runtime/modem/host_face.h"
#include "runtime/modem/mm_radio.h"
#include "runtime/modem/mode_face.h"

namespace pmos::modem {
namespace {

struct Options {
    std::string run = kRunDir, state = "/var/lib/pmos/modem", bus;
};

constexpr const char* kUsage =
    "usage: pmos-modem [OPTION...]\n"
    "Gives each mode its own view of the phone's modems, and makes emergency calls.\n"
    "\n"
    "  --run DIR      sockets (default /run/pmos/modem)\n"
    "  --state DIR    whose the messages are (default /var/lib/pmos/modem)\n"
    "  --bus ADDRESS  where ModemManager is (default: the system bus)\n"
    "  --version, --help\n";

void say_error(const Error& error) { sd_journal_print(LOG_ERR, "%s", error.message().c_str()); }

// All faces, told by the broker what happened.
class Faces : public Broker::Listener {
  public:
    Faces(event::EventLoop& loop, Broker& broker, std::string run)
        : loop_(loop), broker_(broker), run_(std::move(run)) {}

    Result<> begin() {
        PMOS_ASSIGN(control_, ControlFace::make(loop_, broker_, run_ + "/control"));
        PMOS_ASSIGN(host_, HostFace::make(loop_, broker_, run_ + "/host"));
        return {};
    }

    void modes_changed() override {
        std::erase_if(modes_,
                      [this](const auto& one) { return broker_.view(one.first) == nullptr; });
        for (const auto& [mode, view] : broker_.views()) {
            if (modes_.contains(mode)) continue;
            if (auto made = make_face(mode))
                modes_.emplace(mode, std::move(*made));
            else
                say_error(made.error());
        }
        control_->look_at_calls();
    }
    void lines_changed(const std::string& mode) override {
        if (auto* face = of(mode)) face->lines_changed();
    }
    void call_added(const std::string& mode, unsigned call) override {
        if (auto* face = of(mode)) face->call_added(call);
        control_->look_at_calls();
    }
    void call_changed(const std::string& mode, unsigned call, CallState before) override {
        if (auto* face = of(mode)) face->call_changed(call, before);
        control_->look_at_calls();
    }
    void call_removed(const std::string& mode, unsigned call) override {
        if (auto* face = of(mode)) face->call_removed(call);
        control_->look_at_calls();
    }
    void text_added(const std::string& mode, unsigned text) override {
        if (auto* face = of(mode)) face->text_added(text);
    }
    void text_changed(const std::string& mode, unsigned text) override {
        if (auto* face = of(mode)) face->text_changed(text);
    }
    void text_removed(const std::string& mode, unsigned text) override {
        if (auto* face = of(mode)) face->text_removed(text);
    }
    void bearer_added(const std::string& mode, unsigned bearer) override {
        if (auto* face = of(mode)) face->bearer_added(bearer);
    }
    void bearer_changed(const std::string& mode, unsigned bearer) override {
        if (auto* face = of(mode)) face->bearer_changed(bearer);
    }
    void bearer_removed(const std::string& mode, unsigned bearer) override {
        if (auto* face = of(mode)) face->bearer_removed(bearer);
    }
    void call_came(const std::string& mode) override { control_->call_came(mode); }
    void text_came(const std::string& mode) override { control_->text_came(mode); }
    void owner_not_kept(const Error& why) override { say_error(why); }
    void emergency_changed() override {
        const auto& emergency = broker_.emergency();
        if (emergency.phase() != Emergency::Phase::none && emergency.words() != said_) {
            said_ = emergency.words();
            sd_journal_print(LOG_NOTICE, "emergency call: %s", said_.c_str());
        }
        host_->emergency_changed();
        control_->look_at_calls();
    }

  private:
    ModeFace* of(const std::string& mode) {
        const auto it = modes_.find(mode);
        return it == modes_.end() ? nullptr : it->second.get();
    }
    Result<std::unique_ptr<ModeFace>> make_face(const std::string& mode) {
        const std::string all = run_ + "/" + kModesDir, dir = all + "/" + mode;
        for (const auto& each : {all, dir})
            if (::mkdir(each.c_str(), 0755) != 0 && errno != EEXIST)
                return fail(errno_error(errno, "cannot make '" + each + "'"));
        return ModeFace::make(loop_, broker_, mode, dir);
    }

    event::EventLoop& loop_;
    Broker& broker_;
    std::string run_, said_;
    std::unique_ptr<ControlFace> control_;
    std::unique_ptr<HostFace> host_;
    std::map<std::string, std::unique_ptr<ModeFace>> modes_;
};

Result<> serve(const Options& options) {
    ::signal(SIGPIPE, SIG_IGN);
    PMOS_ASSIGN(const auto loop, event::EventLoop::make());
    MmRadio radio(*loop, options.bus);
    auto owners = Owners::open(options.state);
    if (owners.unread()) say_error(*owners.unread());
    Broker broker(*loop, radio, std::move(owners), options.run + "/emergency");
    Faces faces(*loop, broker, options.run);
    PMOS_TRY(faces.begin());
    broker.listen(faces);
    const auto leave = [&] { loop->quit(0); };
    const auto on_term = loop->on_signal(SIGTERM, leave);
    const auto on_int = loop->on_signal(SIGINT, leave);
    radio.begin(broker);
    broker.resume_emergency();
    sd_event_set_watchdog(loop->get(), 1);
    sd_notify(0, "READY=1");
    return loop->run();
}

int usage_error(const std::string& text) {
    fmt::print(stderr, "pmos-modem: {}\n{}", text, kUsage);
    return 2;
}

}  // namespace
}  // namespace pmos::modem

int main(int argc, char** argv) {
    using namespace pmos::modem;
    Options options;
    const std::array long_options{
        option{"run", 1, nullptr, 'r'},  option{"state", 1, nullptr, 's'},
        option{"bus", 1, nullptr, 'b'},  option{"version", 0, nullptr, 'v'},
        option{"help", 0, nullptr, 'h'}, option{nullptr, 0, nullptr, 0}};
    for (int key; (key = ::getopt_long(argc, argv, "", long_options.data(), nullptr)) != -1;) {
        if (key == 'r') options.run = ::optarg;
        if (key == 's') options.state = ::optarg;
        if (key == 'b') options.bus = ::optarg;
        if (key == 'v') return fmt::print("pmos-modem {}\n", PMOS_VERSION), 0;
        if (key == 'h') return fmt::print("{}", kUsage), 0;
        if (key == '?') return usage_error("see the options below");
    }
    if (::optind != argc)
        return usage_error(fmt::format("unexpected argument '{}'", argv[::optind]));
    const auto served = serve(options);
    if (served) return 0;
    say_error(served.error());
    fmt::print(stderr, "pmos-modem: {}\n", served.error().message());
    return 1;
}
