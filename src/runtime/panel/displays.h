// panel: all modes' displays: which client is whose, and who sees which of Wayland's globals.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/panel/leases.h"
#include "runtime/panel/mode_display.h"

namespace pmos::panel {

class Displays {
  public:
    // run: the directory of the sockets. broken: what could not be made.
    static Result<std::unique_ptr<Displays>> make(Screen& screen, std::string run,
                                                  std::function<void(const Error&)> broken);
    ~Displays();
    Displays(const Displays&) = delete;
    Displays& operator=(const Displays&) = delete;

    // A mode that was started anew gets a new one: nobody of the last run is on it.
    void go_by(const Table& table);
    void place(Box area);
    // Who is drawn, hears a person and has outputs lent, and nobody else; "": nobody.
    void show(const std::string& mode);
    ModeDisplay* find(const std::string& mode) const;
    // Of the mode that is in front, where outputs are lent to it; else "".
    std::string may_lease(const wl_client* client) const;

  private:
    Displays(Screen& screen, std::string run, std::function<void(const Error&)> broken)
        : screen_(screen), run_(std::move(run)), broken_(std::move(broken)) {}
    Result<> offer();
    Result<std::unique_ptr<ModeDisplay>> make_display(const ModeRow& row) const;
    ModeDisplay* owner(const wl_client* client) const;

    Screen& screen_;
    std::unique_ptr<Leases> leases_;
    std::string run_;
    std::function<void(const Error&)> broken_;
    Box area_;
    std::vector<std::unique_ptr<ModeDisplay>> all_;
    Listener new_window_, new_decoration_;
};

}  // namespace pmos::panel
