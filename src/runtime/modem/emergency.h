// modem: an emergency call, from the wish to the end. Never gives up while somebody wants it; says
// what it waits for.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "runtime/event/loop.h"
#include "runtime/modem/radio.h"
#include "runtime/modem/wish.h"

namespace pmos::modem {

class Broker;

class Emergency {
  public:
    enum class Phase : std::uint8_t { none, waiting, dialling, calling, active, ended };

    // wish: where a call that is not dialled yet outlives this process; "": nowhere.
    Emergency(event::EventLoop& loop, Radio& radio, Broker& broker, std::string wish)
        : loop_(loop), radio_(radio), broker_(broker), wish_(std::move(wish)) {}

    Phase phase() const noexcept { return phase_; }
    bool under_way() const noexcept { return phase_ != Phase::none && phase_ != Phase::ended; }
    const std::string& number() const noexcept { return number_; }
    // What it waits for, or how it ended.
    const std::string& words() const noexcept { return words_; }
    // Of this mode's call; mode "": the host's.
    bool is_of(const std::string& mode, unsigned call) const {
        return under_way() && mode_ == mode && call_ == call;
    }

    void begin(std::string mode, unsigned call, std::string number);
    // What a pmos-modem that died meanwhile was asked for goes on, as the host's.
    void resume();
    // An outgoing call to such a number that nobody here has dialled: it is the host's to end.
    void found(const std::string& path);
    // Whoever wants it does not any more. What is dialled is hung up.
    void end(std::string words);
    // The lines have changed, or the calls.
    void look();
    void call_changed(const std::string& path);
    void call_gone(const std::string& path);
    const std::string& path() const noexcept { return path_; }

  private:
    void step();
    void tell(Phase phase, std::string words);
    void again();
    std::string choose();
    bool clear(const std::string& line);
    void enable(const std::string& line);
    void dial(const std::string& line);
    void failed(const std::string& line, const Error& error);

    event::EventLoop& loop_;
    Radio& radio_;
    Broker& broker_;
    Phase phase_ = Phase::none;
    std::string mode_, number_, words_, path_;
    unsigned call_ = 0;
    std::uint64_t turn_ = 0;  // of what is asked; an answer to an earlier one counts no more
    bool asked_ = false;
    std::vector<std::string> refused_;  // lines that could not, in this round
    std::chrono::steady_clock::time_point clearing_{}, not_before_{};
    bool resumed_ = false;  // and no line was seen since
    Wish wish_;
    event::EventSource later_;
};

std::string_view phase_name(Emergency::Phase phase) noexcept;

}  // namespace pmos::modem
