// audio: a mode's own PipeWire: the socket that its programs find, and what serves it.
#include "runtime/audio/instance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

namespace pmos::audio {
namespace {

using namespace std::chrono_literals;

constexpr int kListener = 3;  // sd_listen_fds(3)
constexpr auto kPause = 200ms;
constexpr unsigned kMostDoublings = 7;  // 25 s
constexpr auto kLasted = 30s;           // what ran so long was no failure of its start

}  // namespace

Result<std::unique_ptr<Instance>> Instance::make(event::EventLoop& loop, Hardware& hardware,
                                                 const Programs& programs, std::string dir,
                                                 const ModeSound& mode,
                                                 std::function<void()> changed) {
    std::unique_ptr<Instance> made(new Instance(loop, hardware, programs, std::move(dir), mode));
    PMOS_TRY(made->begin(changed));
    made->set(mode);
    return made;
}

Result<> Instance::begin(const std::function<void()>& changed) {
    for (const auto direction : kDirections) {
        PMOS_ASSIGN(ends_[static_cast<std::size_t>(direction)],
                    End::make(loop_, hardware_, name_, direction, changed));
    }
    PMOS_TRY(listen());
    wait_for_one();
    return {};
}

Instance::~Instance() {
    stop();
    if (listener_) static_cast<void>(take_back());
}

void Instance::set(const ModeSound& mode) {
    end(Direction::playback).set(mode.playback, mode.moves);
    end(Direction::capture).set(mode.capture, mode.moves);
}

// PipeWire locks its socket with a file beside it, so the directory is its own while it may run.
// What it leaves there goes.
Result<> Instance::take_back() {
    if (::mkdir(dir_.c_str(), 0755) != 0 && errno != EEXIST)
        return fail(errno_error(errno, "cannot make '" + dir_ + "'"));
    place_.reset(::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!place_ && errno == EACCES && ::lchown(dir_.c_str(), 0, 0) == 0 &&
        ::chmod(dir_.c_str(), 0755) == 0)
        place_.reset(::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!place_ || ::fchown(place_.get(), 0, 0) != 0 || ::fchmod(place_.get(), 0755) != 0)
        return fail(errno_error(errno, "cannot take '" + dir_ + "'"));
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(dir_, error))
        std::filesystem::remove_all(entry.path(), error);
    return {};
}

Result<> Instance::listen() {
    PMOS_TRY(take_back());
    const UniqueFd back(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!back || ::fchdir(place_.get()) != 0)
        return fail(errno_error(errno, "cannot enter '" + dir_ + "'"));
    auto bound = bind_here();
    if (::fchdir(back.get()) != 0) return fail(errno_error(errno, "cannot leave '" + dir_ + "'"));
    PMOS_TRY(std::move(bound));
    if (::fchown(place_.get(), id_, id_) != 0)
        return fail(errno_error(errno, "cannot give '" + dir_ + "' to the mode"));
    return {};
}

// By a path from where it is: as the mode, PipeWire could not follow one from the root, and it
// takes a socket that it is given by the path that this was bound to. For all of the mode's ids:
// the directory is the door.
Result<> Instance::bind_here() {
    const std::string path = std::string("./") + kModeSocket;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener_) return fail(errno_error(errno, "cannot make a socket"));
    const mode_t before = ::umask(0111);
    const int bound =
        ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int why = errno;
    ::umask(before);
    if (bound != 0) return fail(errno_error(why, "cannot bind a socket in '" + dir_ + "'"));
    if (::listen(listener_.get(), 128) != 0)
        return fail(errno_error(errno, "cannot listen in '" + dir_ + "'"));
    return {};
}

void Instance::wait_for_one() {
    somebody_ = loop_.on_io(listener_.borrow(), EPOLLIN, [this](std::uint32_t) {
        somebody_.reset();
        start();
    });
}

void Instance::start() {
    hardware_.want();
    started_ = std::chrono::steady_clock::now();
    if (const auto started = start_all(); !started) {
        sd_journal_print(LOG_ERR, "%s has no sound: %s", name_.c_str(),
                         started.error().message().c_str());
        end_for_now();
    }
}

Result<> Instance::start_all() {
    PMOS_TRY(start_child(programs_.pipewire, {"-c", programs_.data + "/mode.conf"},
                         {BorrowedFd(), BorrowedFd(), BorrowedFd(), listener_.borrow()}, true));
    PMOS_TRY(start_child(programs_.wireplumber, {"-c", "mode.conf"}, {}, false));
    std::vector<std::string> args;
    // Of theirs none is the journal: names that a mode chooses would outlast it there.
    std::vector<BorrowedFd> descriptors(3);
    // The microphone first: where there is a loudspeaker alone, WirePlumber takes that for one.
    for (const auto direction : {Direction::capture, Direction::playback}) {
        const auto at = descriptors.size();
        const End& one = end(direction);
        args.push_back(fmt::format("{}={},{},{}", direction_name(direction), at, at + 1, at + 2));
        descriptors.insert(descriptors.end(), {one.ring(), one.line(), one.told()});
    }
    return start_child(programs_.port, std::move(args), std::move(descriptors), false);
}

Result<> Instance::start_child(std::string program, std::vector<std::string> args,
                               std::vector<BorrowedFd> descriptors, bool listens) {
    event::SpawnRequest request;
    request.path = programs_.start;
    request.args = {std::to_string(::getpid()), std::to_string(id_), dir_,
                    listens ? std::to_string(kListener) : "-", std::move(program)};
    request.args.insert(request.args.end(), args.begin(), args.end());
    request.env = {
        "PIPEWIRE_RUNTIME_DIR=.", "XDG_RUNTIME_DIR=.", "XDG_CONFIG_HOME=" + programs_.data,
        "HOME=/nonexistent",      "LC_ALL=C.UTF-8",    "PATH=/usr/bin:/bin"};
    request.descriptors = std::move(descriptors);
    PMOS_ASSIGN(auto process, event::spawn(request));
    Child child{std::move(process), {}};
    child.ended =
        loop_.on_io(child.process.pidfd.borrow(), EPOLLIN, [this](std::uint32_t) { on_ended(); });
    children_.push_back(std::move(child));
    return {};
}

// None is of use without the others, and what PipeWire knew is gone with it.
void Instance::on_ended() {
    if (std::chrono::steady_clock::now() - started_ > kLasted) failures_ = 0;
    end_for_now();
}

// The next program that comes finds another, the later the more often it has failed.
void Instance::end_for_now() {
    stop();
    again_ = loop_.after(kPause * (1U << std::min(failures_++, kMostDoublings)),
                         [this] { wait_for_one(); });
}

void Instance::stop() {
    for (auto& child : children_) {
        child.ended.reset();
        static_cast<void>(event::send_signal(child.process.pidfd.borrow(), SIGKILL));
    }
    for (auto& child : children_) {
        siginfo_t info{};
        ::waitid(P_PIDFD, static_cast<id_t>(child.process.pidfd.get()), &info, WEXITED);
    }
    children_.clear();
    for (const auto& end : ends_)
        if (end) end->port_gone();
}

}  // namespace pmos::audio
