// panel: one mode's Wayland display: its socket, its clients, its windows, its seat. Nothing of it
// is another mode's.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/panel/client_guard.h"
#include "runtime/panel/listener.h"
#include "runtime/panel/page.h"
#include "runtime/panel/protocol.h"
#include "runtime/panel/screen.h"

namespace pmos::panel {

class ModeDisplay {
  public:
    // dir: of the mode alone; its socket is made there.
    static Result<std::unique_ptr<ModeDisplay>> make(Screen& screen, const ModeRow& row,
                                                     const std::string& dir);
    ~ModeDisplay();
    ModeDisplay(const ModeDisplay&) = delete;
    ModeDisplay& operator=(const ModeDisplay&) = delete;

    const std::string& name() const noexcept { return row_.name; }
    std::uint64_t run() const noexcept { return row_.run; }
    std::size_t clients() const noexcept { return clients_.size(); }
    bool owns(const wl_client* client) const;
    // Whether its clients may see it.
    bool offers(const wl_global* global) const;

    void adopt(wlr_xdg_surface* window);
    void adopt_popup(wlr_xdg_surface* popup);
    // Where its windows are, below the strip.
    void place(Box area);
    // Whether it is drawn, and gets what a person does. One that is not has no key down any more.
    void show(bool shown);
    bool shown() const noexcept { return shown_; }
    bool leases() const noexcept { return row_.leases; }

    void key(std::uint32_t time_ms, std::uint32_t code, bool pressed);
    void pointer_at(std::uint32_t time_ms, double x, double y);
    void pointer_leave();
    void button(std::uint32_t time_ms, std::uint32_t code, bool pressed);
    void axis(const wlr_event_pointer_axis& event);
    void pointer_frame();
    void touch_down(std::uint32_t time_ms, int id, double x, double y);
    void touch_move(std::uint32_t time_ms, int id, double x, double y);
    void touch_up(std::uint32_t time_ms, int id);

  private:
    struct Window {
        wlr_xdg_surface* surface;
        wlr_scene_node* node;
        bool mapped = false;  // wlroots says so itself only after it has told
        Listener map, unmap, gone, maximize, fullscreen;
    };
    // The keyboard that the mode knows: only what was typed for it is down on it.
    struct Keyboard {
        wlr_input_device device{};
        wlr_keyboard keys{};
        bool made = false;
        Listener pressed, modifiers;
    };
    ModeDisplay(Screen& screen, ModeRow row) : screen_(screen), row_(std::move(row)) {}
    Result<> listen(const std::string& path);
    Result<> make_seat();
    void accept();
    void drop(wl_client* client);
    void fit(Window& window) const;
    void focus();
    void release_all();
    wlr_surface* surface_at(double x, double y, double& inner_x, double& inner_y) const;

    Screen& screen_;
    ModeRow row_;
    std::string path_;
    UniqueFd listener_;
    wl_event_source* incoming_ = nullptr;
    Share share_;
    std::list<ClientGuard> clients_;
    wlr_scene_tree* tree_ = nullptr;
    Box area_;
    std::list<Window> windows_;  // the first is on top
    wlr_seat* seat_ = nullptr;
    Keyboard keyboard_;
    Listener wants_selection_, wants_primary_;
    bool shown_ = false;
    std::uint32_t last_ms_ = 0;
};

}  // namespace pmos::panel
