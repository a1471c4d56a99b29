// panel: pmosd's side: it says what there is, and does what a person asks for. Root's alone.
#pragma once

#include <memory>
#include <string>

#include "runtime/panel/panel.h"
#include "runtime/peer/face.h"

namespace pmos::panel {

class ControlFace final : public Doer {
  public:
    // modem: the address of pmos-modem's host face.
    ControlFace(event::EventLoop& loop, std::string modem)
        : loop_(loop), emergency_(loop, std::move(modem)) {}
    ControlFace(const ControlFace&) = delete;
    ControlFace& operator=(const ControlFace&) = delete;

    // Who sees the socket may speak at once.
    Result<> begin(Panel& panel, const Screen& screen, const std::string& path);

    void switch_to(const std::string& mode, Answer answer) override;
    void lock(const std::string& mode, Answer answer) override;
    void unlock(const std::string& mode, UniqueFd secret, Answer answer) override;

    void call(const std::string& number, Answer answer) override;
    void hang_up(Answer answer) override;

    // For the vtable.
    int set_table(sd_bus_message* message);
    int state(sd_bus_message* message);
    int list(sd_bus_message* message);

  private:
    void ask(const char* member, const std::string& mode, const UniqueFd& secret,
             std::uint64_t limit_us, Answer answer);

    event::EventLoop& loop_;
    Emergency emergency_;
    Panel* panel_ = nullptr;
    const Screen* screen_ = nullptr;
    sd_bus* pmosd_ = nullptr;  // who said last what there is, while it is connected
    std::unique_ptr<peer::Face> face_;
};

}  // namespace pmos::panel
