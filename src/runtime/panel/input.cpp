// panel: what a person does with the phone's keys, touch and pointers, as values.
#include "runtime/panel/input.h"

#include <algorithm>
#include <array>

namespace pmos::panel {

Input::Input(Screen& screen, Person& person) : screen_(screen), person_(person) {
    if (xkb_context* const context = xkb_context_new(XKB_CONTEXT_NO_FLAGS)) {
        keymap_ = xkb_keymap_new_from_names(context, nullptr, XKB_KEYMAP_COMPILE_NO_FLAGS);
        xkb_context_unref(context);
    }
}

Input::~Input() {
    devices_.clear();
    xkb_keymap_unref(keymap_);
}

void Input::add(wlr_input_device* device) {
    const auto self = devices_.emplace(devices_.end());
    self->device = device;
    self->gone.listen(device->events.destroy, [this, self](void*) { devices_.erase(self); });
    if (device->type == WLR_INPUT_DEVICE_KEYBOARD) add_keyboard(*self);
    if (device->type == WLR_INPUT_DEVICE_POINTER) add_pointer(*self);
    if (device->type == WLR_INPUT_DEVICE_TOUCH) add_touch(*self);
}

void Input::add_keyboard(Device& device) {
    wlr_keyboard* const keyboard = device.device->keyboard;
    wlr_keyboard_set_keymap(keyboard, keymap_);
    device.one.listen(keyboard->events.key, [this, keyboard](void* data) {
        const auto& event = *static_cast<wlr_event_keyboard_key*>(data);
        const bool pressed = event.state == WL_KEYBOARD_KEY_STATE_PRESSED;
        std::array<char, 16> typed{};
        if (pressed && keyboard->xkb_state != nullptr)
            xkb_state_key_get_utf8(keyboard->xkb_state, event.keycode + 8, typed.data(),
                                   typed.size());
        person_.key(event.time_msec, event.keycode, pressed, typed.data());
        // It may be of a secret.
        explicit_bzero(typed.data(), typed.size());
    });
}

void Input::move_to(std::uint32_t ms, double x, double y) {
    const auto [width, height] = screen_.size();
    x_ = std::clamp(x, 0.0, std::max(0.0, width - 1.0));
    y_ = std::clamp(y, 0.0, std::max(0.0, height - 1.0));
    person_.pointer(ms, x_, y_);
}

void Input::add_pointer(Device& device) {
    wlr_pointer* const pointer = device.device->pointer;
    device.one.listen(pointer->events.motion, [this](void* data) {
        const auto& event = *static_cast<wlr_event_pointer_motion*>(data);
        move_to(event.time_msec, x_ + event.delta_x, y_ + event.delta_y);
    });
    device.two.listen(pointer->events.motion_absolute, [this](void* data) {
        const auto& event = *static_cast<wlr_event_pointer_motion_absolute*>(data);
        move_to(event.time_msec, event.x * screen_.size().width, event.y * screen_.size().height);
    });
    device.three.listen(pointer->events.button, [this](void* data) {
        const auto& event = *static_cast<wlr_event_pointer_button*>(data);
        person_.button(event.time_msec, event.button, event.state == WLR_BUTTON_PRESSED);
    });
    device.four.listen(pointer->events.axis, [this](void* data) {
        person_.axis(*static_cast<wlr_event_pointer_axis*>(data));
    });
    device.five.listen(pointer->events.frame, [this](void*) { person_.pointer_frame(); });
}

void Input::add_touch(Device& device) {
    wlr_touch* const touch = device.device->touch;
    device.one.listen(touch->events.down, [this](void* data) {
        const auto& event = *static_cast<wlr_event_touch_down*>(data);
        person_.touch_down(event.time_msec, event.touch_id, event.x * screen_.size().width,
                           event.y * screen_.size().height);
    });
    device.two.listen(touch->events.motion, [this](void* data) {
        const auto& event = *static_cast<wlr_event_touch_motion*>(data);
        person_.touch_move(event.time_msec, event.touch_id, event.x * screen_.size().width,
                           event.y * screen_.size().height);
    });
    device.three.listen(touch->events.up, [this](void* data) {
        const auto& event = *static_cast<wlr_event_touch_up*>(data);
        person_.touch_up(event.time_msec, event.touch_id);
    });
    device.four.listen(touch->events.cancel, [this](void* data) {
        const auto& event = *static_cast<wlr_event_touch_cancel*>(data);
        person_.touch_up(event.time_msec, event.touch_id);
    });
}

}  // namespace pmos::panel
