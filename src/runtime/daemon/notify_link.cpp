// daemon: what goes to the notifications' broker and comes from it.
#include "runtime/daemon/notify_link.h"

#include <csignal>
#include <utility>

#include "runtime/daemon/notify_table.h"
#include "runtime/daemon/process.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kAnswerLimit = 10s;

int append(sd_bus_message* m, const notify::Table& table) {
    int r = sd_bus_message_open_container(m, 'a', notify::kModeSignature);
    for (const auto& mode : table.modes)
        if (r >= 0)
            r = sd_bus_message_append(m, notify::kModeSignature, mode.name.c_str(), mode.run,
                                      mode.id_start, mode.id_count, int{mode.notifies},
                                      static_cast<int>(mode.telling), int{mode.keeps_awake},
                                      int{mode.foreground}, int{mode.locked});
    return r < 0 ? r : sd_bus_message_close_container(m);
}

}  // namespace

Result<> make_notify_place(const Paths& paths, const std::string& mode) {
    PMOS_TRY(make_broker_directory(paths.notify(), 0700));
    PMOS_TRY(make_broker_directory(paths.notify_modes(), 0755));
    return make_broker_directory(paths.notify_modes() + "/" + mode, 0755);
}

void NotifyLink::begin() {
    link_.emplace(loop_,
                  BrokerLink::Broker{"pmos-notify", dir_, notify::kPath, notify::kControlInterface},
                  BrokerLink::Heard{[this] {
                                        told_ = notify_table(modes_);
                                        send();
                                    },
                                    [this] { hear({}); },
                                    [this](std::string_view member, sd_bus_message* message) {
                                        if (member == "Changed") take(message);
                                    }});
    look_soon();
}

std::string NotifyLink::why_not() const {
    if (!connected()) return link_ ? link_->why_not() : "it was not looked for yet";
    return answered_ == turn_ ? "" : "pmos-notify has not answered yet";
}

void NotifyLink::look_soon() {
    if (!soon_) soon_ = loop_.next_turn([this] { look(); });
}

void NotifyLink::look() {
    soon_.reset();
    auto table = notify_table(modes_);
    if (table == told_) return;
    told_ = std::move(table);
    send();
}

void NotifyLink::send() {
    ++turn_;
    if (!connected()) return;
    link_->call(
        "SetTable", [this](sd_bus_message* m) { return append(m, told_); }, kAnswerLimit,
        [this, turn = turn_](Result<sd_bus_message*> reply) { answered(turn, std::move(reply)); });
}

void NotifyLink::answered(std::uint64_t turn, Result<sd_bus_message*> reply) {
    if (!reply) {
        // What it was told to forget it still has.
        if (reply.error().code == Code::timed_out && link_->process())
            static_cast<void>(send_signal(link_->process(), SIGKILL));
        return link_->lose(reply.error().message());
    }
    link_->settled();
    answered_ = turn;
    take(*reply);
}

void NotifyLink::take(sd_bus_message* message) {
    Uses uses;
    int r = sd_bus_message_enter_container(message, 'a', notify::kUseSignature);
    const char* name = nullptr;
    std::uint32_t count = 0;
    int awake = 0;
    while (r >= 0 &&
           (r = sd_bus_message_read(message, notify::kUseSignature, &name, &count, &awake)) > 0)
        uses.push_back({name, count, awake != 0});
    if (r >= 0) hear(std::move(uses));
}

void NotifyLink::hear(Uses uses) {
    if (uses == uses_) return;
    uses_ = std::move(uses);
    heard_(uses_);
}

}  // namespace pmos::daemon
