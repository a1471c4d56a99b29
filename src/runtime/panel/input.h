// panel: what a person does with the phone's keys, touch and pointers, from whatever device, as
// values. Decides nothing.
#pragma once

#include <cstdint>
#include <list>
#include <variant>

#include "runtime/panel/listener.h"
#include "runtime/panel/screen.h"

namespace pmos::panel {

class Person {
  public:
    virtual ~Person() = default;
    // code: of linux/input-event-codes.h; typed: what it writes in UTF-8, "" where it writes
    // nothing.
    virtual void key(std::uint32_t ms, std::uint32_t code, bool pressed, const char* typed) = 0;
    virtual void pointer(std::uint32_t ms, double x, double y) = 0;
    virtual void button(std::uint32_t ms, std::uint32_t code, bool pressed) = 0;
    virtual void axis(const wlr_event_pointer_axis& event) = 0;
    virtual void pointer_frame() = 0;
    virtual void touch_down(std::uint32_t ms, int id, double x, double y) = 0;
    virtual void touch_move(std::uint32_t ms, int id, double x, double y) = 0;
    virtual void touch_up(std::uint32_t ms, int id) = 0;
};

class Input {
  public:
    Input(Screen& screen, Person& person);
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    ~Input();
    void add(wlr_input_device* device);

  private:
    struct Device {
        wlr_input_device* device;
        Listener gone, one, two, three, four, five;
    };
    void add_keyboard(Device& device);
    void add_pointer(Device& device);
    void add_touch(Device& device);
    void move_to(std::uint32_t ms, double x, double y);

    Screen& screen_;
    Person& person_;
    xkb_keymap* keymap_ = nullptr;
    std::list<Device> devices_;
    double x_ = 0, y_ = 0;
};

}  // namespace pmos::panel
