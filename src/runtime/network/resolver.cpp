// network: a mode's resolver as pmos-net has it. See resolver.h.
#include "runtime/network/resolver.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "policy/destination.h"
#include "policy/plan_network.h"
#include "runtime/network/rules.h"
#include "runtime/network/wire.h"

namespace pmos::network {
namespace {

using namespace std::chrono_literals;
using policy::IpPrefix;

// A program connects a moment after it was answered, and some remember an answer for a minute.
constexpr std::uint32_t kGrace = 60, kLongest = 3600;  // seconds
// Of them many fit into the sets while the kernel still has those that were forgotten.
constexpr std::size_t kMostKnown = 4096;
// What a mode asks for is work of pmos-net's, which all modes share.
constexpr std::size_t kReportsAtOnce = 64;
constexpr auto kTurn = 250ms;
constexpr int kWaiting = 16;

std::uint64_t now_in_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec);
}

Result<UniqueFd> file_of(const std::string& text) {
    UniqueFd fd(::memfd_create("pmos-network", MFD_CLOEXEC));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return fail(errno_error(errno, "cannot hand the plan to the resolver"));
    return fd;
}

// At 127.0.0.1, where a program looks that is told of none: resolv.conf(5). In the namespace that
// the process is in.
Result<UniqueFd> bound(int type) {
    UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(policy::kDnsPort);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    // Of datagrams it would let two have the one place.
    const bool reused = type != SOCK_STREAM ||
                        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (!fd || !reused ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0 ||
        (type == SOCK_STREAM && ::listen(fd.get(), kWaiting) != 0))
        return fail(errno_error(errno, "cannot listen at 127.0.0.1:53 of the mode"));
    return fd;
}

NameSets::Place place_of(const IpPrefix& address,
                         const std::map<const policy::FlowRule*, std::uint64_t>& until,
                         std::uint64_t now) {
    NameSets::Place place{address, {}};
    for (const auto& [line, end] : until)
        if (end > now) place.lines[line] = static_cast<std::uint32_t>(end - now);
    return place;
}

}  // namespace

Resolver::Resolver(event::EventLoop& loop, const Phone& phone, std::string program,
                   std::string mode, BorrowedFd netns, const policy::NetworkPlan& plan,
                   Refused refused)
    : loop_(loop),
      phone_(phone),
      program_(std::move(program)),
      mode_(std::move(mode)),
      netns_(netns),
      plan_(plan),
      rules_(plan_),
      sets_(plan_),
      refused_(std::move(refused)) {}

Resolver::~Resolver() {
    on_end_.reset();
    if (!process_.pidfd) return;
    static_cast<void>(event::send_signal(process_.pidfd.borrow(), SIGKILL));
    // Of a process that is dead in a moment; it leaves nothing but its number.
    siginfo_t ended{};
    ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process_.pidfd.get()), &ended,
             WEXITED);
}

Result<> Resolver::start() {
    if (phone_.resolver_user == 0)
        return fail(Code::not_found, "the modes' resolvers have no user of their own",
                    "there is no user 'pmos-dns'", "systemd-sysusers, then restart pmos-net");
    PMOS_ASSIGN(room_, Room::open(phone_.home, netns_));
    PMOS_ASSIGN(datagrams_, phone_.home.inside(netns_, [] { return bound(SOCK_DGRAM); }));
    PMOS_ASSIGN(listener_, phone_.home.inside(netns_, [] { return bound(SOCK_STREAM); }));
    return spawn();
}

Result<> Resolver::spawn() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
        return fail(errno_error(errno, "cannot make a line to the resolver"));
    line_ = UniqueFd(ends[0]);
    const UniqueFd theirs(ends[1]);
    PMOS_ASSIGN(const auto plan, file_of(policy::network_text(plan_)));
    event::SpawnRequest request;
    request.path = program_;
    request.args = {std::to_string(::getpid()), std::to_string(phone_.resolver_user),
                    std::to_string(phone_.resolver_group), phone_.trust};
    request.descriptors = {{},
                           {},
                           BorrowedFd(STDERR_FILENO),
                           netns_,
                           plan.borrow(),
                           theirs.borrow(),
                           datagrams_.borrow(),
                           listener_.borrow()};
    PMOS_ASSIGN(process_, event::spawn(request));
    on_line_ = loop_.on_io(line_.borrow(), EPOLLIN, [this](std::uint32_t) { hear(); });
    on_end_ = loop_.on_io(process_.pidfd.borrow(), EPOLLIN, [this](std::uint32_t) { ended(); });
    return {};
}

void Resolver::ended() {
    const auto status = event::reap(process_.pidfd.borrow());
    sd_journal_print(LOG_WARNING, "the resolver of the mode '%s' has ended (%d); another comes",
                     mode_.c_str(), status ? event::exit_code(*status) : -1);
    process_ = {};
    on_line_.reset();
    on_end_.reset();
    line_.reset();
    const auto delay = 1s * (1 << std::min<std::size_t>(deaths_++, 5));
    again_ = loop_.after(delay, [this] { spawn_again(); });
}

void Resolver::spawn_again() {
    const auto spawned = spawn();
    if (spawned) return;
    sd_journal_print(LOG_ERR, "the mode '%s' has no resolver: %s", mode_.c_str(),
                     spawned.error().message().c_str());
    again_ = loop_.after(1min, [this] { spawn_again(); });
}

// More than so many wait in the socket, and the mode with them.
void Resolver::hear() {
    const auto now = std::chrono::steady_clock::now();
    if (now - turn_began_ > kTurn) {
        turn_began_ = now;
        heard_ = 0;
    }
    if (++heard_ >= kReportsAtOnce) {
        heard_ = 0;
        on_line_.reset();
        turn_ = loop_.after(kTurn, [this] {
            if (line_)
                on_line_ = loop_.on_io(line_.borrow(), EPOLLIN, [this](std::uint32_t) { hear(); });
        });
    }
    std::array<std::uint8_t, kMostReport + 1> buffer;
    const auto got = ::recv(line_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) return;
    // Its end is heard of elsewhere.
    if (got == 0) return on_line_.reset();
    deaths_ = 0;
    const auto report =
        read_report(std::span<const std::uint8_t>(buffer).first(static_cast<std::size_t>(got)));
    if (report) return settle(*report);
    sd_journal_print(LOG_ERR, "the resolver of the mode '%s' says what it never says",
                     mode_.c_str());
    static_cast<void>(event::send_signal(process_.pidfd.borrow(), SIGKILL));
}

void Resolver::settle(const DnsReport& report) {
    if (report.number == 0) {
        const auto verdict = rules_.judge(report.name);
        if (!verdict.allowed) refused_(report.name, verdict);
        return;
    }
    const auto opened = open(report);
    if (!opened)
        sd_journal_print(LOG_ERR, "'%s' is not reached by the mode '%s': %s", report.name.c_str(),
                         mode_.c_str(), opened.error().message().c_str());
    const auto bytes = settled_bytes({report.number, opened.has_value()});
    const auto sent = ::send(line_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // Of one that would wait for this for ever another is better.
    if (sent != static_cast<ssize_t>(bytes.size()))
        static_cast<void>(event::send_signal(process_.pidfd.borrow(), SIGKILL));
}

// Somewhere that a packet can go to; and not, past the phone's uplink, in the net that it is in.
bool Resolver::may_be(const IpPrefix& address) const {
    const auto within = [&](const auto& list) {
        return std::ranges::any_of(list,
                                   [&](const auto& p) { return policy::contains(p, address); });
    };
    return !policy::is_loopback(address) && !within(policy::kNotHosts) &&
           (plan_.zone != policy::Zone::direct || !within(policy::kPrivateAddresses));
}

Result<> Resolver::open(const DnsReport& report) {
    if (!rules_.judge(report.name).allowed)
        return fail(Code::usage, "'" + report.name + "' is refused");
    const auto now = now_in_seconds();
    const auto until = now + std::min(report.lifetime, kLongest) + kGrace;
    const auto lines = plan_.restricted ? rules_.allowing(report.name)
                                        : std::vector<const policy::FlowRule*>{nullptr};
    if (known_.size() + report.addresses.size() > kMostKnown) forget_old(now);
    std::vector<NameSets::Place> places;
    std::map<IpPrefix, Known> opened;
    for (const auto& address : report.addresses) {
        if (!may_be(address)) continue;
        const auto at = known_.find(address);
        Known known = at == known_.end() ? Known{} : at->second;
        // What is open for long enough stays as it is: a change of rules takes milliseconds.
        if (std::ranges::all_of(lines, [&](const auto* line) {
                const auto one = known.until.find(line);
                return one != known.until.end() && one->second + kGrace / 2 >= until;
            }))
            continue;
        known.name = report.name;
        for (const auto* line : lines) known.until[line] = std::max(known.until[line], until);
        std::erase_if(known.until, [&](const auto& one) { return one.second <= now; });
        places.push_back(place_of(address, known.until, now));
        opened[address] = std::move(known);
    }
    PMOS_TRY(load(places));
    for (auto& [address, known] : opened) known_[address] = std::move(known);
    return {};
}

Result<> Resolver::load(std::span<const NameSets::Place> places) const {
    const auto run = [&](const Nft& nft, std::string_view family, std::string_view table) {
        const auto commands = sets_.additions(family, table, places);
        return commands.empty() ? Result<>() : nft.run(commands, "cannot open the way to a name");
    };
    PMOS_TRY(run(room_->nft, kModeFamily, kModeTable));
    if (plan_.zone != policy::Zone::direct) return {};
    return run(phone_.nft, kWireFamily, wire_table(mode_));
}

Result<> Resolver::open_again() {
    const auto now = now_in_seconds();
    forget_old(now);
    std::vector<NameSets::Place> places;
    for (const auto& [address, known] : known_)
        places.push_back(place_of(address, known.until, now));
    return load(places);
}

// Where nothing is over there are too many, and any half of them goes: they are asked for again.
void Resolver::forget_old(std::uint64_t now) {
    for (auto& [address, known] : known_)
        std::erase_if(known.until, [&](const auto& one) { return one.second <= now; });
    std::erase_if(known_, [](const auto& one) { return one.second.until.empty(); });
    if (known_.size() < kMostKnown - kMostFound) return;
    bool other = false;
    std::erase_if(known_, [&](const auto&) { return other = !other; });
}

std::string Resolver::name_of(const IpPrefix& address) const {
    const auto at = known_.find(address);
    return at == known_.end() ? "" : at->second.name;
}

}  // namespace pmos::network
