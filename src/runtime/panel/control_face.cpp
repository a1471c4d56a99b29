// panel: pmosd's side: it says what there is, and does what a person asks for. Root's alone.
#include "runtime/panel/control_face.h"

#include <algorithm>
#include <cerrno>

#include "policy/names.h"
#include "runtime/event/bus_call.h"
#include "runtime/panel/words.h"
#include "runtime/peer/bus_driver.h"

namespace pmos::panel {
namespace {

// A mode that is started for it makes its volume ready first.
constexpr std::uint64_t kSwitchLimit = 60'000'000, kUnlockLimit = 120'000'000;

int read_mode(sd_bus_message* m, ModeRow& mode) {
    const char *name = nullptr, *title = nullptr;
    int shown = 0, input = 0, foreground = 0, locked = 0, made = 0, listens = 0, calls = 0;
    int scrambles = 0, leases = 0;
    std::uint8_t life = 0, tunnel = 0;
    int r = sd_bus_message_read(m, "ssutbbb", &name, &title, &mode.color, &mode.run, &shown, &input,
                                &leases);
    if (r >= 0) r = event::read_strings(m, mode.protocols);
    if (r >= 0)
        r = sd_bus_message_read(m, "bybbbbbyt", &foreground, &life, &locked, &made, &listens,
                                &calls, &scrambles, &tunnel, &mode.wait_until);
    if (r < 0) return r;
    mode.name = name;
    mode.title = title;
    mode.shown = shown != 0;
    mode.input = input != 0;
    mode.leases = leases != 0;
    mode.foreground = foreground != 0;
    mode.life = static_cast<Life>(life);
    mode.locked = locked != 0;
    mode.made = made != 0;
    mode.listens = listens != 0;
    mode.calls = calls != 0;
    mode.scrambles = scrambles != 0;
    mode.tunnel = static_cast<Tunnel>(tunnel);
    // It becomes a directory's name.
    return life > static_cast<std::uint8_t>(Life::broken) ||
                   tunnel > static_cast<std::uint8_t>(Tunnel::lost) ||
                   !policy::is_mode_name(mode.name)
               ? -EINVAL
               : 0;
}

int read_look(sd_bus_message* m, Look& look) {
    const char* language = nullptr;
    int contrast = 0;
    int r = sd_bus_message_enter_container(m, 'r', kLookFields);
    if (r > 0) r = sd_bus_message_read(m, kLookFields, &language, &look.text_percent, &contrast);
    if (r < 0) return r;
    look.language = language;
    look.high_contrast = contrast != 0;
    if (look.text_percent < 50 || look.text_percent > 300) return -EINVAL;
    return sd_bus_message_exit_container(m);
}

int read_table(sd_bus_message* m, Table& table) {
    int r = sd_bus_message_enter_container(m, 'a', kModeSignature);
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', kModeFields)) > 0) {
        ModeRow mode;
        r = read_mode(m, mode);
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r < 0) return r;
        table.modes.push_back(std::move(mode));
    }
    if (r >= 0) r = sd_bus_message_exit_container(m);
    if (r >= 0) r = read_look(m, table.look);
    // Two in front would be drawn over each other.
    if (std::ranges::count(table.modes, true, &ModeRow::foreground) > 1) return -EINVAL;
    return r;
}

int on_set_table(sd_bus_message* m, void* self, sd_bus_error*) {
    return static_cast<ControlFace*>(self)->set_table(m);
}
int on_list(sd_bus_message* m, void* self, sd_bus_error*) {
    return static_cast<ControlFace*>(self)->list(m);
}
int on_state(sd_bus_message* m, void* self, sd_bus_error*) {
    return static_cast<ControlFace*>(self)->state(m);
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("SetTable", "a(ssutbbbasbybbbbbyt)(sub)", "", on_set_table, 0),
    // Where the person is, keys and touches that no mode got, frames so far, how long the last of
    // them took (µs), when the last was shown and when the first since the screen is somebody
    // else's (CLOCK_MONOTONIC, µs).
    SD_BUS_METHOD("State", "", "sttautt", on_state, 0),
    // What can be touched now: x, y, width, height in logical pixels, what it does, for which mode,
    // its words. Of a pad's keys only those that type nothing: their order is the panel's secret.
    SD_BUS_METHOD("List", "", "a(iiiisss)", on_list, 0), SD_BUS_VTABLE_END};

Doer::Refused refused_of(const Error& error) {
    switch (error.code) {
        case Code::wrong_secret:
            return {true, ""};
        case Code::throttled:
            return {false, tr("Too many wrong ones. Wait.")};
        case Code::unreachable:
        case Code::timed_out:
            return {false, tr("The phone does not answer. Try again.")};
        case Code::not_provisioned:
            return {false, tr("Not set up yet")};
        default:
            return {false, error.what};
    }
}

}  // namespace

Result<> ControlFace::begin(Panel& panel, const Screen& screen, const std::string& path) {
    panel_ = &panel;
    screen_ = &screen;
    emergency_.on_change([&panel](const CallState& call) { panel.call_changed(call); });
    peer::Face::Rules rules;
    rules.admits = peer::admits_root;
    rules.takes_descriptors = true;
    rules.prepare = [this](peer::Face::Peer& peer) {
        const int r = peer::add_bus_driver(peer, kService);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(peer.bus.get(), nullptr, kPath, kControlInterface,
                                                kVtable, this);
    };
    rules.gone = [this](const peer::Face::Peer& peer) {
        if (peer.bus.get() != pmosd_) return;
        pmosd_ = nullptr;
        panel_->lost_pmosd();
    };
    PMOS_ASSIGN(face_, peer::Face::make(loop_, path, std::move(rules)));
    return {};
}

int ControlFace::set_table(sd_bus_message* message) {
    Table table;
    if (const int r = read_table(message, table); r < 0) return r;
    pmosd_ = sd_bus_message_get_bus(message);
    panel_->set_table(std::move(table));
    return sd_bus_reply_method_return(message, nullptr);
}

int ControlFace::state(sd_bus_message* message) {
    sd_bus_message* made = nullptr;
    int r = sd_bus_message_new_method_return(message, &made);
    const event::MessagePtr reply(made);
    const auto& frames = screen_->frames();
    if (r >= 0)
        r = sd_bus_message_append(made, "stt", panel_->where().c_str(), panel_->kept(),
                                  frames.count);
    if (r >= 0)
        r = sd_bus_message_append_array(made, 'u', frames.took_us.data(),
                                        frames.took_us.size() * sizeof frames.took_us[0]);
    if (r >= 0) r = sd_bus_message_append(made, "tt", frames.last_at_us, frames.marked_at_us);
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(message), made, nullptr);
}

int ControlFace::list(sd_bus_message* message) {
    sd_bus_message* made = nullptr;
    int r = sd_bus_message_new_method_return(message, &made);
    const event::MessagePtr reply(made);
    if (r >= 0) r = sd_bus_message_open_container(made, 'a', "(iiiisss)");
    const Page* const page = panel_->shown_page();
    const int top = strip_height(panel_->table().look);
    for (const auto& piece : page != nullptr ? page->pieces : std::vector<Piece>{}) {
        if (piece.action.verb == Verb::nothing || piece.action.verb == Verb::digit) continue;
        if (r >= 0)
            r = sd_bus_message_append(made, "(iiiisss)", piece.box.x, piece.box.y + top,
                                      piece.box.width, piece.box.height,
                                      std::string(word_of(piece.action.verb)).c_str(),
                                      piece.action.mode.c_str(), piece.text.c_str());
    }
    if (r >= 0) r = sd_bus_message_close_container(made);
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(message), made, nullptr);
}

void ControlFace::switch_to(const std::string& mode, Answer answer) {
    ask("Switch", mode, {}, kSwitchLimit, std::move(answer));
}

void ControlFace::lock(const std::string& mode, Answer answer) {
    ask("Lock", mode, {}, kSwitchLimit, std::move(answer));
}

void ControlFace::unlock(const std::string& mode, UniqueFd secret, Answer answer) {
    ask("Unlock", mode, secret, kUnlockLimit, std::move(answer));
}

namespace {

event::Done told(Doer::Answer answer) {
    return [answer = std::move(answer)](Result<> result) {
        if (result) return answer(std::nullopt);
        answer(result.error().code == Code::denied
                   ? Doer::Refused{false, tr("Not an emergency number")}
                   : Doer::Refused{false, tr("No modem answers")});
    };
}

}  // namespace

void ControlFace::call(const std::string& number, Answer answer) {
    emergency_.call(number, told(std::move(answer)));
}

void ControlFace::hang_up(Answer answer) { emergency_.hang_up(told(std::move(answer))); }

void ControlFace::ask(const char* member, const std::string& mode, const UniqueFd& secret,
                      std::uint64_t limit_us, Answer answer) {
    sd_bus_message* made = nullptr;
    int r = pmosd_ == nullptr ? -ENOTCONN
                              : sd_bus_message_new_method_call(pmosd_, &made, nullptr, kPath,
                                                               kPersonInterface, member);
    const event::MessagePtr request(made);
    if (r >= 0) r = sd_bus_message_append(made, "s", mode.c_str());
    if (r >= 0 && secret) r = sd_bus_message_append(made, "h", secret.get());
    if (r < 0)
        return loop_.soon([answer = std::move(answer)] {
            answer(Doer::Refused{false, tr("The phone does not answer. Try again.")});
        });
    event::call_async(loop_, pmosd_, made, limit_us,
                      [answer = std::move(answer)](Result<sd_bus_message*> reply) {
                          if (!reply) return answer(refused_of(reply.error()));
                          answer(std::nullopt);
                      });
}

}  // namespace pmos::panel
