// panel: one mode's seat: what a person does while the mode is in front, and nothing else.
#include <linux/input-event-codes.h>

#include <algorithm>

#include "runtime/panel/mode_display.h"

namespace pmos::panel {
namespace {

const wlr_keyboard_impl kKeyboard{.destroy = [](wlr_keyboard*) {}, .led_update = nullptr};
// Part of the display that it is for, which frees it.
const wlr_input_device_impl kDevice{.destroy = [](wlr_input_device*) {}};

}  // namespace

Result<> ModeDisplay::make_seat() {
    seat_ = wlr_seat_create(screen_.display(), "seat0");
    if (seat_ == nullptr) return fail(Code::no_space, "cannot make a seat");
    if (!row_.input) return {};
    xkb_context* const context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
    xkb_keymap* const keymap =
        context == nullptr
            ? nullptr
            : xkb_keymap_new_from_names(context, nullptr, XKB_KEYMAP_COMPILE_NO_FLAGS);
    xkb_context_unref(context);
    if (keymap == nullptr)
        return fail(Code::not_found, "cannot make a keymap", "", "install xkb-data");
    wlr_input_device_init(&keyboard_.device, WLR_INPUT_DEVICE_KEYBOARD, &kDevice, "pmos", 0, 0);
    wlr_keyboard_init(&keyboard_.keys, &kKeyboard);
    keyboard_.device.keyboard = &keyboard_.keys;
    keyboard_.made = true;
    const bool set = wlr_keyboard_set_keymap(&keyboard_.keys, keymap);
    xkb_keymap_unref(keymap);
    if (!set) return fail(Code::failed, "cannot use the keymap");
    wlr_keyboard_set_repeat_info(&keyboard_.keys, 25, 600);
    keyboard_.pressed.listen(keyboard_.keys.events.key, [this](void* data) {
        const auto& event = *static_cast<wlr_event_keyboard_key*>(data);
        wlr_seat_keyboard_notify_key(seat_, event.time_msec, event.keycode, event.state);
    });
    keyboard_.modifiers.listen(keyboard_.keys.events.modifiers, [this](void*) {
        wlr_seat_keyboard_notify_modifiers(seat_, &keyboard_.keys.modifiers);
    });
    wlr_seat_set_keyboard(seat_, &keyboard_.device);
    wlr_seat_set_capabilities(
        seat_, WL_SEAT_CAPABILITY_KEYBOARD | WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_TOUCH);
    // Among the mode's own clients.
    wants_selection_.listen(seat_->events.request_set_selection, [this](void* data) {
        const auto& event = *static_cast<wlr_seat_request_set_selection_event*>(data);
        wlr_seat_set_selection(seat_, event.source, event.serial);
    });
    wants_primary_.listen(seat_->events.request_set_primary_selection, [this](void* data) {
        const auto& event = *static_cast<wlr_seat_request_set_primary_selection_event*>(data);
        wlr_seat_set_primary_selection(seat_, event.source, event.serial);
    });
    return {};
}

// The topmost window that is there, while the mode is shown; else nobody.
void ModeDisplay::focus() {
    if (seat_ == nullptr || !row_.input) return;
    const auto top =
        std::ranges::find_if(windows_, [](const Window& window) { return window.mapped; });
    for (auto& window : windows_)
        if (window.mapped)
            wlr_xdg_toplevel_set_activated(window.surface, shown_ && &window == &*top);
    if (!shown_ || top == windows_.end()) return wlr_seat_keyboard_notify_clear_focus(seat_);
    wlr_seat_keyboard_notify_enter(seat_, top->surface->surface, keyboard_.keys.keycodes,
                                   keyboard_.keys.num_keycodes, &keyboard_.keys.modifiers);
}

// Nothing stays down behind another mode, and nothing that is held counts when it comes back.
void ModeDisplay::release_all() {
    if (seat_ == nullptr || !row_.input) return;
    while (keyboard_.keys.num_keycodes > 0)
        key(last_ms_, keyboard_.keys.keycodes[keyboard_.keys.num_keycodes - 1], false);
    wlr_keyboard_notify_modifiers(&keyboard_.keys, 0, 0, 0, 0);
    wlr_seat_keyboard_end_grab(seat_);
    wlr_seat_pointer_end_grab(seat_);
    while (!wl_list_empty(&seat_->touch_state.touch_points)) {
        wlr_touch_point* point = wl_container_of(seat_->touch_state.touch_points.next, point, link);
        wlr_seat_touch_notify_up(seat_, last_ms_, point->touch_id);
    }
    while (seat_->pointer_state.button_count > 0) {
        const auto before = seat_->pointer_state.button_count;
        wlr_seat_pointer_notify_button(seat_, last_ms_, seat_->pointer_state.buttons[0],
                                       WLR_BUTTON_RELEASED);
        if (seat_->pointer_state.button_count >= before) break;
    }
    pointer_leave();
}

void ModeDisplay::key(std::uint32_t time_ms, std::uint32_t code, bool pressed) {
    if (!row_.input) return;
    last_ms_ = time_ms;
    wlr_event_keyboard_key event{
        time_ms, code, true,
        pressed ? WL_KEYBOARD_KEY_STATE_PRESSED : WL_KEYBOARD_KEY_STATE_RELEASED};
    wlr_keyboard_notify_key(&keyboard_.keys, &event);
}

void ModeDisplay::pointer_at(std::uint32_t time_ms, double x, double y) {
    if (!row_.input) return;
    last_ms_ = time_ms;
    double inner_x = 0, inner_y = 0;
    if (auto* const surface = surface_at(x, y, inner_x, inner_y)) {
        wlr_seat_pointer_notify_enter(seat_, surface, inner_x, inner_y);
        wlr_seat_pointer_notify_motion(seat_, time_ms, inner_x, inner_y);
    } else {
        pointer_leave();
    }
}

void ModeDisplay::pointer_leave() { wlr_seat_pointer_notify_clear_focus(seat_); }

void ModeDisplay::button(std::uint32_t time_ms, std::uint32_t code, bool pressed) {
    if (!row_.input) return;
    last_ms_ = time_ms;
    wlr_seat_pointer_notify_button(seat_, time_ms, code,
                                   pressed ? WLR_BUTTON_PRESSED : WLR_BUTTON_RELEASED);
}

void ModeDisplay::axis(const wlr_event_pointer_axis& event) {
    if (row_.input)
        wlr_seat_pointer_notify_axis(seat_, event.time_msec, event.orientation, event.delta,
                                     event.delta_discrete, event.source);
}

void ModeDisplay::pointer_frame() {
    if (row_.input) wlr_seat_pointer_notify_frame(seat_);
}

void ModeDisplay::touch_down(std::uint32_t time_ms, int id, double x, double y) {
    if (!row_.input) return;
    last_ms_ = time_ms;
    double inner_x = 0, inner_y = 0;
    if (auto* const surface = surface_at(x, y, inner_x, inner_y))
        wlr_seat_touch_notify_down(seat_, surface, time_ms, id, inner_x, inner_y);
}

// Relative to what was touched first, also where the finger has left it.
void ModeDisplay::touch_move(std::uint32_t time_ms, int id, double x, double y) {
    if (!row_.input) return;
    last_ms_ = time_ms;
    const auto* const point = wlr_seat_touch_get_point(seat_, id);
    double inner_x = 0, inner_y = 0;
    if (point != nullptr && surface_at(x, y, inner_x, inner_y) == point->surface)
        wlr_seat_touch_notify_motion(seat_, time_ms, id, inner_x, inner_y);
}

void ModeDisplay::touch_up(std::uint32_t time_ms, int id) {
    if (!row_.input) return;
    last_ms_ = time_ms;
    if (wlr_seat_touch_get_point(seat_, id) != nullptr)
        wlr_seat_touch_notify_up(seat_, time_ms, id);
}

}  // namespace pmos::panel
