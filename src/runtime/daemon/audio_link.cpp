// daemon: what goes to the sound's broker and comes from it; the owner of sound in a switch.
#include "runtime/daemon/audio_link.h"

#include <csignal>
#include <utility>

#include "runtime/daemon/audio_table.h"
#include "runtime/daemon/process.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

// A broker that has not cut the sound by then is ended: nobody waits for a switch that long.
constexpr auto kAnswerLimit = 3s;

int append(sd_bus_message* m, const audio::Table& table) {
    int r = sd_bus_message_open_container(m, 'a', audio::kModeSignature);
    for (const auto& mode : table.modes)
        if (r >= 0)
            r = sd_bus_message_append(m, audio::kModeSignature, mode.name.c_str(), mode.id,
                                      static_cast<int>(mode.playback),
                                      static_cast<int>(mode.capture), int{mode.moves});
    return r < 0 ? r : sd_bus_message_close_container(m);
}

}  // namespace

// The mode's in the end: pmos-audio gives it to the mode's sound server, and knows as which id.
Result<> make_audio_place(const Paths& paths, const std::string& mode) {
    PMOS_TRY(make_broker_directory(paths.audio(), 0700));
    PMOS_TRY(make_broker_directory(paths.audio_modes(), 0700));
    return make_broker_directory(paths.audio_modes() + "/" + mode, 0755);
}

void AudioLink::begin() {
    link_.emplace(loop_,
                  BrokerLink::Broker{"pmos-audio", dir_, audio::kPath, audio::kControlInterface},
                  BrokerLink::Heard{[this] { connected_now(); }, [this] { lost(); },
                                    [this](std::string_view member, sd_bus_message* message) {
                                        if (member == "UsersChanged") take_users(message);
                                    }});
    look_soon();
}

std::string AudioLink::why_not() const {
    if (!connected()) return link_ ? link_->why_not() : "it was not looked for yet";
    return answered_ == turn_ ? users_.no_hardware : "pmos-audio has not answered yet";
}

void AudioLink::look_soon() {
    if (!soon_) soon_ = loop_.next_turn([this] { look(); });
}

void AudioLink::set_front(Mode* front) {
    front_ = front;
    look_soon();
}

void AudioLink::look() {
    soon_.reset();
    auto table = audio_table(modes_, front_);
    if (table == told_) return;
    told_ = std::move(table);
    send();
}

// Not by what was known before: modes that go on with their sound over a death of pmosd must not
// lose it to a table that knows none.
void AudioLink::connected_now() {
    told_ = audio_table(modes_, front_);
    send();
}

void AudioLink::send() {
    ++turn_;
    if (!connected()) return;
    link_->call(
        "SetTable", [this](sd_bus_message* m) { return append(m, told_); }, kAnswerLimit,
        [this, turn = turn_](Result<sd_bus_message*> reply) { answered(turn, std::move(reply)); });
}

void AudioLink::answered(std::uint64_t turn, Result<sd_bus_message*> reply) {
    if (!reply) {
        cut_off(reply.error().message());
        return link_->lose(reply.error().message());
    }
    link_->settled();
    answered_ = turn;
    take_users(*reply);
    while (!waiting_.empty() && waiting_.front().turn <= turn) {
        auto done = std::move(waiting_.front().done);
        waiting_.pop_front();
        done({});
    }
}

// One that does not do as it is told, or cannot be told, is ended: its children go with it, and so
// does all sound. systemd starts another.
void AudioLink::cut_off(std::string_view why) const {
    if (!link_ || !link_->process() || has_ended(link_->process())) return;
    static_cast<void>(send_signal(link_->process(), SIGKILL));
    ended_(why);
}

void AudioLink::lost() {
    hear({});
    if (!waiting_.empty()) cut_off("it was lost while it had sound to cut");
    for (auto& one : std::exchange(waiting_, {}))
        loop_.soon([done = std::move(one.done)]() mutable { done({}); });
}

void AudioLink::revoke(Mode& mode, Done done) {
    if (front_ == &mode) front_ = nullptr;
    look();
    if (!connected()) cut_off("it cannot be told to cut sound");
    if (!connected() || answered_ == turn_) return done({});
    waiting_.push_back({turn_, std::move(done)});
}

void AudioLink::grant(Mode& mode, Done done) {
    front_ = &mode;
    look();
    done({});
}

void AudioLink::take_users(sd_bus_message* message) {
    audio::Users users;
    const char* no_hardware = nullptr;
    if (event::read_strings(message, users.recording) < 0 ||
        event::read_strings(message, users.playing) < 0 ||
        sd_bus_message_read(message, "s", &no_hardware) < 0)
        return;
    users.no_hardware = no_hardware;
    hear(std::move(users));
}

void AudioLink::hear(audio::Users users) {
    if (users == users_) return;
    users_ = std::move(users);
    heard_(users_);
}

}  // namespace pmos::daemon
