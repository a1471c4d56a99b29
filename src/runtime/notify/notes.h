// notify: the notifications of one mode. Bounded; knows no bus and no other mode.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pmos::notify {

using Clock = std::chrono::steady_clock;

enum class Urgency : std::uint8_t { low, normal, critical };

// Why it is not there any more, as the specification numbers it.
enum class Reason : std::uint32_t { expired = 1, dismissed, closed, undefined };

// What a program says, with nothing in it but text. Wiped at its end.
struct Note {
    Note() = default;
    Note(Note&&) = default;
    Note& operator=(Note&&) = default;
    ~Note() { wipe(); }
    void wipe() noexcept;

    std::uint32_t id = 0;
    std::string program, summary, body;
    Urgency urgency = Urgency::normal;
    bool resident = false;                                     // an action does not close it
    std::vector<std::pair<std::string, std::string>> actions;  // key, words
    Clock::time_point due = Clock::time_point::max();
};

class Notes {
  public:
    static constexpr std::size_t kMost = 64;
    // What a program may say at once, and again after.
    static constexpr unsigned kBurst = 60;
    static constexpr std::chrono::milliseconds kEach{100};

    struct Gone {
        std::uint32_t id = 0;
        Reason reason{};
    };
    // replaces: the id of one that it takes the place of, and has; 0: a new one. Where there are
    // too many the oldest goes.
    Result<std::uint32_t> add(Note note, std::uint32_t replaces, Clock::time_point now,
                              std::vector<Gone>& gone);
    bool remove(std::uint32_t id);
    std::vector<Gone> expire(Clock::time_point now);
    // All of them.
    std::vector<Gone> clear();

    const Note* find(std::uint32_t id) const;
    const std::list<Note>& all() const noexcept { return notes_; }
    std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(notes_.size()); }
    // Another one after each change.
    std::uint64_t revision() const noexcept { return revision_; }
    // When the next one expires.
    std::optional<Clock::time_point> next_due() const;

  private:
    bool may_speak(Clock::time_point now);

    std::list<Note> notes_;  // the oldest first
    std::uint32_t last_id_ = 0;
    std::uint64_t revision_ = 0;
    unsigned left_ = kBurst;
    Clock::time_point refilled_{};
};

}  // namespace pmos::notify
