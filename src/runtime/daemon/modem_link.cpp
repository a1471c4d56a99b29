// daemon: what goes to the modem's broker and comes from it. A new one is told all of it again.
#include "runtime/daemon/modem_link.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kAnswerLimit = 10s;
constexpr auto kStaysAway = 30s;  // systemd starts it again at once
constexpr auto kReads = 5s;       // until a new one knows what ModemManager has

int append(sd_bus_message* m, const modem::ModeRights& mode) {
    int r = sd_bus_message_open_container(m, 'r', modem::kModeFields);
    if (r >= 0)
        r = sd_bus_message_append(m, "suubbbbbb", mode.name.c_str(), mode.id_start, mode.id_count,
                                  int{mode.sms}, int{mode.voice}, int{mode.emergency},
                                  int{mode.data}, int{mode.foreground}, int{mode.running});
    if (r >= 0) r = event::append_strings(m, mode.numbers);
    if (r >= 0) r = event::append_strings(m, mode.lines);
    if (r >= 0) r = event::append_strings(m, mode.access_points);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int append(sd_bus_message* m, const modem::Table& table) {
    int r = sd_bus_message_open_container(m, 'a', modem::kModeSignature);
    for (const auto& mode : table.modes)
        if (r >= 0) r = append(m, mode);
    if (r >= 0) r = sd_bus_message_close_container(m);
    if (r >= 0) r = sd_bus_message_append(m, "s", table.fallback.c_str());
    return r < 0 ? r : event::append_strings(m, table.emergency);
}

}  // namespace

// What a mode finds there is the broker's, and nothing else is below it.
Result<> make_modem_place(const Paths& paths, const std::string& mode) {
    PMOS_TRY(make_broker_directory(paths.modem(), 0700));
    PMOS_TRY(make_broker_directory(paths.modem_modes(), 0755));
    return make_broker_directory(paths.modem_modes() + "/" + mode, 0755);
}

ModemLink::ModemLink(EventLoop& loop, std::string dir, Heard heard)
    : loop_(loop),
      heard_(std::move(heard)),
      given_up_(loop_.after(kStaysAway, [this] { hear_calls(); })),
      link_(loop, {"pmos-modem", std::move(dir), modem::kPath, modem::kControlInterface},
            {[this] { connected(); }, [this] { lost(); },
             [this](std::string_view member, sd_bus_message* m) { signal(member, m); }}) {}

void ModemLink::connected() {
    fresh_ = true;
    send();
}

std::string ModemLink::why_not() const {
    if (!link_.connected()) return link_.why_not();
    return goes_by_it_ ? "" : "pmos-modem has not answered yet";
}

void ModemLink::tell(modem::Table table) {
    if (table == wanted_) return;
    wanted_ = std::move(table);
    send();
}

// One behind the other: the last one counts.
void ModemLink::send() {
    goes_by_it_ = false;
    link_.call(
        "SetTable", [this](sd_bus_message* m) { return append(m, wanted_); }, kAnswerLimit,
        [this, told = wanted_](Result<sd_bus_message*> reply) {
            answered(told, std::move(reply));
        });
}

void ModemLink::answered(const modem::Table& told, Result<sd_bus_message*> reply) {
    if (!reply) return link_.lose(reply.error().message());
    link_.settled();
    if (std::exchange(fresh_, false)) {
        given_up_.reset();
        if (lost_) given_up_ = loop_.after(kReads, [this] { hear_calls(); });
    }
    if (told == wanted_) goes_by_it_ = true;
    take_calls(*reply);
}

void ModemLink::take_calls(sd_bus_message* message) {
    std::vector<std::string> modes;
    if (event::read_strings(message, modes) < 0) return;
    latest_ = modes;
    if (!given_up_) return hear_calls();
    // Calls outlive the broker: none is over because a new one does not know it yet.
    for (const auto& mode : passed_on_)
        if (std::ranges::find(modes, mode) == modes.end()) modes.push_back(mode);
    passed_on_ = std::move(modes);
    heard_.on_call(passed_on_);
}

void ModemLink::hear_calls() {
    given_up_.reset();
    passed_on_ = latest_;
    heard_.on_call(passed_on_);
}

void ModemLink::lost() {
    goes_by_it_ = false;
    lost_ = true;
    latest_.clear();
    // Not put off by one that comes and goes.
    if (!given_up_) given_up_ = loop_.after(kStaysAway, [this] { hear_calls(); });
}

void ModemLink::signal(std::string_view member, sd_bus_message* message) {
    if (member == "CallsChanged") return take_calls(message);
    const char* mode = nullptr;
    if (sd_bus_message_read(message, "s", &mode) < 0) return;
    if (member == "CallCame") heard_.call_came(mode);
    if (member == "MessageCame") heard_.message_came(mode);
}

}  // namespace pmos::daemon
