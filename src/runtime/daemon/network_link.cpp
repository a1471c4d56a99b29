// daemon: what goes to the network's broker and comes from it. See network_link.h.
#include "runtime/daemon/network_link.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "base/text.h"
#include "runtime/daemon/mode.h"
#include "runtime/daemon/process.h"
#include "runtime/network/protocol.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

// How long a start waits for a broker that is not there.
constexpr auto kPatience = 5s;
// One that has not answered by then is ended; systemd starts another. What is in the kernel stays.
constexpr auto kAnswerLimit = 15s;

UniqueFd copy_of(BorrowedFd fd) { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)); }

int append_connect(sd_bus_message* m, const std::string& mode, int net_ns, int plan, int key) {
    int r = sd_bus_message_append(m, "shh", mode.c_str(), net_ns, plan);
    if (r >= 0) r = sd_bus_message_open_container(m, 'a', "h");
    if (r >= 0 && key >= 0) r = sd_bus_message_append(m, "h", key);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

}  // namespace

// The number is the mode's as long as its process has not ended, and was so when it was looked up.
Result<UniqueFd> net_ns_of(const Running& running) {
    const std::string path = fmt::format("/proc/{}/ns/net", running.pid);
    UniqueFd ns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!ns) return fail(errno_error(errno, "cannot open '" + path + "'"));
    if (has_ended(running.pidfd.borrow())) return fail(Code::not_running, "the mode has ended");
    return ns;
}

void NetworkLink::begin() {
    link_.emplace(loop_,
                  BrokerLink::Broker{"pmos-net", dir_, network::kPath, network::kControlInterface},
                  BrokerLink::Heard{[this] { connected_now(); }, [this] { lost_broker(); },
                                    [this](std::string_view member, sd_bus_message* message) {
                                        if (member == network::kLost) hear_lost(message);
                                        if (member == network::kRefused) hear_refused(message);
                                        if (member == network::kSpent) hear_spent(message);
                                    }});
}

std::string NetworkLink::why_not() const {
    if (!connected()) return link_ ? link_->why_not() : "it was not looked for yet";
    return ready_ ? "" : "pmos-net has not answered yet";
}

std::unexpected<Error> NetworkLink::nobody(const std::string& mode) const {
    return fail(Code::not_found,
                "mode '" + mode + "' has a network, and nobody is there who makes it", why_not(),
                "systemctl enable --now pmos-net");
}

void NetworkLink::connect(const std::string& mode, Wanted wanted, Done done) {
    Wire wire;
    wire.net_ns = copy_of(wanted.net_ns);
    wire.plan = copy_of(wanted.plan);
    wire.key = std::move(wanted.key);
    wire.runs = wanted.runs;
    if (!wire.net_ns || !wire.plan) return done(fail(errno_error(errno, "cannot hand a plan on")));
    wire.start = std::move(done);
    Wire& kept = wires_[mode] = std::move(wire);
    if (ready_) return ask(mode, kept);
    kept.patience = loop_.after(kPatience, [this, mode] { give_up(mode, nobody(mode).error()); });
}

void NetworkLink::adopt(const std::string& mode, UniqueFd net_ns, UniqueFd plan) {
    Wire& wire = wires_[mode];
    wire.stage = Stage::connected;
    wire.runs = true;
    wire.net_ns = std::move(net_ns);
    wire.plan = std::move(plan);
}

// First of all, and without a descriptor: sd-bus would wait for the other end's greeting before it
// takes one.
void NetworkLink::connected_now() {
    std::vector<std::string> names;
    for (const auto& [mode, wire] : wires_)
        if (wire.stage == Stage::connected) names.push_back(mode);
    link_->call(
        network::kKeep, [&](sd_bus_message* m) { return event::append_strings(m, names); },
        kAnswerLimit,
        [this, turn = keep_ = ++turn_](Result<sd_bus_message*> reply) {
            if (turn == keep_) kept(std::move(reply));
        });
}

void NetworkLink::kept(Result<sd_bus_message*> reply) {
    if (!reply) return end_broker(reply.error().message());
    link_->settled();
    ready_ = true;
    std::vector<std::string> names;
    for (const auto& [mode, wire] : wires_)
        if (wire.stage != Stage::lost) names.push_back(mode);
    for (const auto& mode : names)
        if (const auto it = wires_.find(mode); ready_ && it != wires_.end()) ask(mode, it->second);
    while (ready_ && !shutting_.empty()) {
        auto one = std::move(shutting_.front());
        shutting_.pop_front();
        leave(one.mode, std::move(one.net_ns), std::move(one.done));
    }
}

void NetworkLink::ask(const std::string& mode, Wire& wire) {
    wire.patience.reset();
    wire.stage = Stage::asked;
    wire.turn = ++turn_;
    const auto append = [&](sd_bus_message* m) {
        return append_connect(m, mode, wire.net_ns.get(), wire.plan.get(), wire.key.get());
    };
    link_->call(network::kConnect, append, kAnswerLimit,
                [this, mode, turn = wire.turn](Result<sd_bus_message*> reply) {
                    if (!reply) return answered(mode, turn, fail(std::move(reply.error())));
                    answered(mode, turn, {});
                });
    // Where it could not be said the broker was let go, and the wire with it.
    if (const auto still = wires_.find(mode); still != wires_.end()) still->second.key.reset();
}

void NetworkLink::answered(const std::string& mode, std::uint64_t turn, Result<> result) {
    const auto found = wires_.find(mode);
    if (found == wires_.end() || found->second.turn != turn) return;
    Wire& wire = found->second;
    if (!result && result.error().code == Code::timed_out)
        return end_broker("pmos-net does not answer");
    if (!result) return give_up(mode, std::move(result.error()));
    wire.stage = Stage::connected;
    wire.runs = true;
    if (auto done = std::exchange(wire.start, nullptr)) done({});
}

// Of a start nothing is left; what runs has lost it.
void NetworkLink::give_up(const std::string& mode, Error error) {
    auto done = std::exchange(wires_[mode].start, nullptr);
    if (wires_[mode].runs)
        lose(mode, error.message());
    else
        wires_.erase(mode);
    if (done) done(fail(std::move(error)));
}

// It runs on, without: its programs are told by nothing but that.
void NetworkLink::lose(const std::string& mode, const std::string& why) {
    Wire& wire = wires_[mode];
    wire.patience.reset();
    wire.turn = 0;
    if (std::exchange(wire.stage, Stage::lost) == Stage::lost) return;
    wire.runs = true;
    wire.why = why;
    told_lost_(mode, why);
}

bool NetworkLink::stands(const std::string& mode) const {
    const auto found = wires_.find(mode);
    return found != wires_.end() && found->second.stage == Stage::connected;
}

bool NetworkLink::is_lost(const std::string& mode) const {
    const auto found = wires_.find(mode);
    return found != wires_.end() && found->second.stage == Stage::lost;
}

void NetworkLink::hear_lost(sd_bus_message* message) {
    const char *mode = nullptr, *why = nullptr;
    if (sd_bus_message_read(message, "ss", &mode, &why) < 0) return;
    const auto found = wires_.find(mode);
    if (found == wires_.end() || found->second.stage == Stage::lost) return;
    const std::string said = printable(why);
    if (found->second.start)
        return give_up(found->first, fail(Code::failed, "the network was cut off", said).error());
    lose(found->first, said);
}

void NetworkLink::disconnect(const std::string& mode, Done done) {
    if (wires_.erase(mode) == 0 || !ready_) return done({});
    leave(mode, {}, std::move(done));
}

void NetworkLink::shut(const std::string& mode, UniqueFd net_ns, Done done) {
    wires_.erase(mode);
    if (ready_) return leave(mode, std::move(net_ns), std::move(done));
    auto& one = shutting_.emplace_back(mode, std::move(net_ns), std::move(done), EventSource());
    one.patience = loop_.after(kPatience, [this, mode] {
        const auto it = std::ranges::find(shutting_, mode, &Shutting::mode);
        auto late = std::move(it->done);
        shutting_.erase(it);
        late(nobody(mode));
    });
}

void NetworkLink::leave(const std::string& mode, UniqueFd net_ns, Done done) {
    const auto turn = ++turn_;
    leaving_.push_back({turn, std::move(done), static_cast<bool>(net_ns)});
    const auto append = [&](sd_bus_message* m) {
        int r = sd_bus_message_append(m, "s", mode.c_str());
        if (r >= 0) r = sd_bus_message_open_container(m, 'a', "h");
        if (r >= 0 && net_ns) r = sd_bus_message_append(m, "h", net_ns.get());
        return r < 0 ? r : sd_bus_message_close_container(m);
    };
    link_->call(network::kDisconnect, append, kAnswerLimit,
                [this, turn](Result<sd_bus_message*> reply) {
                    if (!reply && reply.error().code == Code::timed_out)
                        return end_broker("pmos-net does not answer");
                    const auto it = std::ranges::find(leaving_, turn, &Leaving::turn);
                    if (it == leaving_.end()) return;
                    auto leave = std::move(it->done);
                    leaving_.erase(it);
                    if (!reply) return leave(fail(std::move(reply.error())));
                    leave({});
                });
}

// It cannot be told that it is not trusted any more, so it is ended.
void NetworkLink::end_broker(std::string why) {
    if (!connected()) return;
    if (link_->process() && !has_ended(link_->process()))
        static_cast<void>(send_signal(link_->process(), SIGKILL));
    link_->lose(std::move(why));
}

// What was under way may have been done or not: of a start it is given up, and the next broker
// removes what there is; what runs is told to that one again.
void NetworkLink::lost_broker() {
    ready_ = false;
    keep_ = 0;
    std::vector<std::string> starts;
    for (auto& [mode, wire] : wires_) {
        if (wire.stage != Stage::asked) continue;
        wire.turn = 0;
        if (!wire.runs) {
            starts.push_back(mode);
            continue;
        }
        wire.stage = Stage::connected;
        if (wire.start)
            loop_.soon([done = std::exchange(wire.start, nullptr)]() mutable { done({}); });
    }
    for (const auto& mode : starts)
        loop_.soon([done = std::move(wires_.extract(mode).mapped().start),
                    error = nobody(mode).error()]() mutable { done(fail(std::move(error))); });
    for (auto& one : std::exchange(leaving_, {}))
        loop_.soon([done = std::move(one.done), runs = one.runs]() mutable {
            if (runs) return done(fail(Code::not_found, "pmos-net has gone meanwhile"));
            done({});
        });
    for (auto& one : std::exchange(asking_, {}))
        loop_.soon([take = std::move(one.take)]() mutable {
            take(fail(Code::not_found, "pmos-net has gone"));
        });
}

}  // namespace pmos::daemon
