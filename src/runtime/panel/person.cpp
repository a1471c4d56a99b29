// panel: where what a person does goes. A key, a button or a finger belongs to who had the screen
// when it went down, and to nobody else until it is up again.
#include <linux/input-event-codes.h>
#include <strings.h>

#include <algorithm>

#include "runtime/panel/panel.h"

namespace pmos::panel {
namespace {

// The lower edge, in parts of the height: a finger that begins there is the panel's.
constexpr int kEdgePart = 40, kSwipePart = 12;

bool is_control(std::uint32_t code) { return code == KEY_LEFTCTRL || code == KEY_RIGHTCTRL; }
bool is_alt(std::uint32_t code) { return code == KEY_LEFTALT || code == KEY_RIGHTALT; }

// No mode ever gets these.
bool is_panels(std::uint32_t code) {
    return code == KEY_POWER || code == KEY_HOMEPAGE || code == KEY_SYSRQ;
}

}  // namespace

bool Panel::in_strip(double y) const { return y < strip_height(table_.look); }

const Piece* Panel::piece_at(double x, double y) const {
    if (in_strip(y)) return strip_.page() != nullptr ? strip_.page()->at(x, y) : nullptr;
    if (page_.page() == nullptr) return nullptr;
    return page_.page()->at(x, y - strip_height(table_.look));
}

// The page may be another one when it is done.
void Panel::touched(const Piece* piece) {
    if (piece == nullptr) return;
    Action action = piece->action;
    act(action);
    explicit_bzero(action.text.data(), action.text.size());  // it may be of a secret
}

void Panel::key(std::uint32_t ms, std::uint32_t code, bool pressed, const char* typed) {
    if (!pressed) {
        const auto it = keys_.find(code);
        if (it == keys_.end()) return;
        const bool same = it->second == turn_;
        keys_.erase(it);
        if (same && !covered() && !is_panels(code)) front()->key(ms, code, false);
        return;
    }
    const auto down = [&](bool (*is)(std::uint32_t)) {
        return std::ranges::any_of(keys_, [is](const auto& held) { return is(held.first); });
    };
    const bool chord = code == KEY_DELETE && down(is_control) && down(is_alt);
    if (chord || is_panels(code)) {
        ++kept_;
        attention();
        keys_[code] = turn_;
        return;
    }
    keys_[code] = turn_;
    if (!covered()) return front()->key(ms, code, true);
    ++kept_;
    if (code == KEY_BACKSPACE) return erase();
    if (code == KEY_ENTER || code == KEY_KPENTER) return enter();
    if (code == KEY_ESC) return act({Verb::back, "", ""});
    type(typed);
}

void Panel::pointer(std::uint32_t ms, double x, double y) {
    x_ = x;
    y_ = y;
    pointer_.show({{12, 12}, 0xffffff, {{.box = {2, 2, 8, 8}, .filled = true}}},
                  static_cast<int>(x) - 6, static_cast<int>(y) - 6, screen_.scale());
    if (covered()) return;
    // What was pressed for another is not drawn across this one.
    for (const auto& [code, turn] : buttons_)
        if (turn != turn_) return;
    if (in_strip(y))
        front()->pointer_leave();
    else
        front()->pointer_at(ms, x, y);
}

void Panel::button(std::uint32_t ms, std::uint32_t code, bool pressed) {
    if (!pressed) {
        const auto it = buttons_.find(code);
        if (it == buttons_.end()) return;
        const bool same = it->second == turn_;
        buttons_.erase(it);
        if (same && !covered()) front()->button(ms, code, false);
        return;
    }
    if (covered() || in_strip(y_)) {
        // Not the front mode's, whoever has the screen when it is let go.
        buttons_[code] = 0;
        ++kept_;
        touched(piece_at(x_, y_));
        return;
    }
    buttons_[code] = turn_;
    front()->button(ms, code, true);
}

void Panel::axis(const wlr_event_pointer_axis& event) {
    if (!covered() && !in_strip(y_)) front()->axis(event);
}

void Panel::pointer_frame() {
    if (!covered()) front()->pointer_frame();
}

void Panel::touch_down(std::uint32_t ms, int id, double x, double y) {
    const int height = screen_.size().height;
    const bool edge = y >= height - height / kEdgePart;
    fingers_[id] = {turn_, edge && !covered(), y};
    if (edge || covered() || in_strip(y)) ++kept_;
    if (edge && !covered()) return;
    if (covered() || in_strip(y)) {
        fingers_[id].turn = 0;
        touched(piece_at(x, y));
        return;
    }
    front()->touch_down(ms, id, x, y);
}

void Panel::touch_move(std::uint32_t ms, int id, double x, double y) {
    const auto it = fingers_.find(id);
    if (it == fingers_.end()) return;
    if (it->second.edge) {
        if (it->second.from_y - y < screen_.size().height / static_cast<double>(kSwipePart)) return;
        it->second = {};
        return attention();
    }
    if (it->second.turn == turn_ && !covered()) front()->touch_move(ms, id, x, y);
}

void Panel::touch_up(std::uint32_t ms, int id) {
    const auto it = fingers_.find(id);
    if (it == fingers_.end()) return;
    const Finger finger = it->second;
    fingers_.erase(it);
    if (!finger.edge && finger.turn == turn_ && !covered()) front()->touch_up(ms, id);
}

}  // namespace pmos::panel
