// daemon: what goes to the panel and comes from it; the owner of screen and input in a switch.
#include "runtime/daemon/panel_link.h"

#include <fcntl.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "runtime/daemon/process.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

// A panel that still draws what it must not by then is ended: nobody waits for a switch that long.
constexpr auto kAnswerLimit = 3s;

int append(sd_bus_message* m, const panel::ModeRow& row) {
    int r = sd_bus_message_open_container(m, 'r', panel::kModeFields);
    if (r >= 0)
        r = sd_bus_message_append(m, "ssutbbb", row.name.c_str(), row.title.c_str(), row.color,
                                  row.run, int{row.shown}, int{row.input}, int{row.leases});
    if (r >= 0) r = event::append_strings(m, row.protocols);
    if (r >= 0)
        r = sd_bus_message_append(m, "bybbbbbyt", int{row.foreground}, static_cast<int>(row.life),
                                  int{row.locked}, int{row.made}, int{row.listens}, int{row.calls},
                                  int{row.scrambles}, static_cast<int>(row.tunnel), row.wait_until);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int append(sd_bus_message* m, const panel::Table& table) {
    int r = sd_bus_message_open_container(m, 'a', panel::kModeSignature);
    for (const auto& row : table.modes)
        if (r >= 0) r = append(m, row);
    if (r >= 0) r = sd_bus_message_close_container(m);
    const auto& look = table.look;
    return r < 0 ? r
                 : sd_bus_message_append(m, panel::kLookSignature, look.language.c_str(),
                                         look.text_percent, int{look.high_contrast});
}

PanelLink& link_of(void* self) { return *static_cast<PanelLink*>(self); }

int read_mode(sd_bus_message* m, std::string& mode) {
    const char* name = nullptr;
    const int r = sd_bus_message_read(m, "s", &name);
    if (r >= 0) mode = name;
    return r;
}

Done answer_to(sd_bus_message* m) {
    return [call = event::share(m)](Result<> result) {
        if (result)
            sd_bus_reply_method_return(call.get(), nullptr);
        else
            event::reply_error(call.get(), result.error());
    };
}

int on_switch(sd_bus_message* m, void* self, sd_bus_error*) {
    std::string mode;
    if (const int r = read_mode(m, mode); r < 0) return r;
    link_of(self).asks().switch_to(mode, answer_to(m));
    return 1;
}

int on_lock(sd_bus_message* m, void* self, sd_bus_error*) {
    std::string mode;
    if (const int r = read_mode(m, mode); r < 0) return r;
    link_of(self).asks().lock(mode, answer_to(m));
    return 1;
}

int on_unlock(sd_bus_message* m, void* self, sd_bus_error*) {
    std::string mode;
    UniqueFd secret;
    int r = read_mode(m, mode), fd = -1;
    if (r >= 0) r = sd_bus_message_read(m, "h", &fd);
    if (r < 0) return r;
    secret.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!secret) return -errno;
    link_of(self).asks().unlock(mode, std::move(secret), answer_to(m));
    return 1;
}

const sd_bus_vtable kPerson[] = {
    SD_BUS_VTABLE_START(0), SD_BUS_METHOD("Switch", "s", "", on_switch, 0),
    SD_BUS_METHOD("Lock", "s", "", on_lock, 0), SD_BUS_METHOD("Unlock", "sh", "", on_unlock, 0),
    SD_BUS_VTABLE_END};

}  // namespace

Result<> make_panel_place(const Paths& paths, const std::string& mode) {
    PMOS_TRY(make_broker_directory(paths.panel(), 0700));
    PMOS_TRY(make_broker_directory(paths.panel_modes(), 0755));
    return make_broker_directory(paths.panel_modes() + "/" + mode, 0755);
}

void PanelLink::begin() {
    BrokerLink::Heard heard{[this] { connected_now(); }, [this] { lost(); },
                            [](std::string_view, sd_bus_message*) {}};
    heard.prepare = [this](sd_bus* bus) {
        return sd_bus_add_object_vtable(bus, nullptr, panel::kPath, panel::kPersonInterface,
                                        kPerson, this);
    };
    link_.emplace(loop_,
                  BrokerLink::Broker{"pmos-panel", dir_, panel::kPath, panel::kControlInterface},
                  std::move(heard));
    look_soon();
}

std::string PanelLink::why_not() const {
    if (!connected()) return link_ ? link_->why_not() : "it was not looked for yet";
    return answered_ == turn_ ? "" : "pmos-panel has not answered yet";
}

void PanelLink::look_soon() {
    if (!soon_) soon_ = loop_.next_turn([this] { look(); });
}

void PanelLink::set_front(Mode* front) {
    front_ = front;
    look_soon();
}

void PanelLink::look() {
    soon_.reset();
    if (!connected()) return;  // who comes is told it all, and a switch does not wait for it
    auto table = describe_(front_);
    if (table == told_) return;
    told_ = std::move(table);
    send();
}

// Not by what was known before: modes that are shown over a death of pmosd must not lose their
// windows to a table that knows none.
void PanelLink::connected_now() {
    told_ = describe_(front_);
    send();
    if (std::exchange(was_there_, true)) another_();
}

void PanelLink::send() {
    ++turn_;
    if (!connected()) return;
    link_->call(
        "SetTable", [this](sd_bus_message* m) { return append(m, told_); }, kAnswerLimit,
        [this, turn = turn_](Result<sd_bus_message*> reply) { answered(turn, std::move(reply)); });
}

void PanelLink::answered(std::uint64_t turn, Result<sd_bus_message*> reply) {
    if (!reply) {
        cut_off(reply.error().message());
        return link_->lose(reply.error().message());
    }
    link_->settled();
    answered_ = turn;
    while (!waiting_.empty() && waiting_.front().turn <= turn) {
        auto done = std::move(waiting_.front().done);
        waiting_.pop_front();
        done({});
    }
}

// One that does not do as it is told, or cannot be told, is ended, and draws nothing any more.
// systemd starts another.
void PanelLink::cut_off(std::string_view why) const {
    if (!link_ || !link_->process() || has_ended(link_->process())) return;
    static_cast<void>(send_signal(link_->process(), SIGKILL));
    ended_(why);
}

void PanelLink::lost() {
    if (!waiting_.empty()) cut_off("it was lost while it had a mode to hide");
    for (auto& one : std::exchange(waiting_, {}))
        loop_.soon([done = std::move(one.done)]() mutable { done({}); });
}

void PanelLink::revoke(Mode& mode, Done done) {
    if (front_ == &mode) front_ = nullptr;
    look();
    if (!connected()) cut_off("it cannot be told to hide a mode");
    if (!connected() || answered_ == turn_) return done({});
    waiting_.push_back({turn_, std::move(done)});
}

// The frame in which it comes is drawn while it thaws: nobody waits for it.
void PanelLink::grant(Mode& mode, Done done) {
    front_ = &mode;
    look();
    done({});
}

}  // namespace pmos::daemon
