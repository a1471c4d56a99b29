// notify: a notification as the specification (1.2) sends it, and what of it is taken: text.
#include "runtime/notify/read_note.h"

#include <cerrno>
#include <chrono>
#include <string_view>

#include "runtime/notify/plain_text.h"

namespace pmos::notify {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostProgram = 64, kMostSummary = 256, kMostBody = 2048;
constexpr std::size_t kMostActions = 8, kMostKey = 64, kMostWords = 64;
constexpr auto kTransient = 10s;

struct Hints {
    bool transient = false;
};

int read_actions(sd_bus_message* m, Note& note) {
    int r = sd_bus_message_enter_container(m, 'a', "s");
    const char *key = nullptr, *words = nullptr;
    while (r >= 0 && (r = sd_bus_message_read(m, "s", &key)) > 0) {
        if ((r = sd_bus_message_read(m, "s", &words)) <= 0) return r < 0 ? r : -EINVAL;
        // A key is said again as it was said: it is not cut.
        if (note.actions.size() >= kMostActions || plain_text(key, kMostKey, Lines::one) != key)
            return -E2BIG;
        note.actions.emplace_back(key, plain_text(words, kMostWords, Lines::one));
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

// True where the variant that comes is a boolean that says so. Some programs send a number.
int read_flag(sd_bus_message* m, bool& flag) {
    const char* contents = nullptr;
    const int r = sd_bus_message_peek_type(m, nullptr, &contents);
    if (r < 0) return r;
    if (std::string_view(contents) != "b") return sd_bus_message_skip(m, "v");
    int value = 0;
    const int read = sd_bus_message_read(m, "v", "b", &value);
    flag = value != 0;
    return read;
}

int read_urgency(sd_bus_message* m, Urgency& urgency) {
    const char* contents = nullptr;
    const int r = sd_bus_message_peek_type(m, nullptr, &contents);
    if (r < 0) return r;
    if (std::string_view(contents) != "y") return sd_bus_message_skip(m, "v");
    std::uint8_t value = 0;
    const int read = sd_bus_message_read(m, "v", "y", &value);
    if (read >= 0 && value <= static_cast<std::uint8_t>(Urgency::critical))
        urgency = static_cast<Urgency>(value);
    return read;
}

int read_hints(sd_bus_message* m, Note& note, Hints& hints) {
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const char* key = nullptr;
        if ((r = sd_bus_message_read(m, "s", &key)) < 0) return r;
        const std::string_view name = key;
        if (name == "urgency")
            r = read_urgency(m, note.urgency);
        else if (name == "transient")
            r = read_flag(m, hints.transient);
        else if (name == "resident")
            r = read_flag(m, note.resident);
        else
            r = sd_bus_message_skip(m, "v");
        if (r >= 0) r = sd_bus_message_exit_container(m);
        if (r < 0) return r;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

// What is critical stays until somebody has seen it.
Clock::time_point due_of(const Note& note, const Hints& hints, std::int32_t wanted_ms,
                         Clock::time_point now) {
    if (note.urgency == Urgency::critical) return Clock::time_point::max();
    if (wanted_ms > 0) return now + std::chrono::milliseconds(wanted_ms);
    return wanted_ms < 0 && hints.transient ? now + kTransient : Clock::time_point::max();
}

}  // namespace

int read_note(sd_bus_message* m, Clock::time_point now, Note& note, std::uint32_t& replaces) {
    const char *program = nullptr, *icon = nullptr, *summary = nullptr, *body = nullptr;
    int r = sd_bus_message_read(m, "susss", &program, &replaces, &icon, &summary, &body);
    if (r < 0) return r;
    note.program = plain_text(program, kMostProgram, Lines::one);
    note.summary = plain_text(summary, kMostSummary, Lines::one);
    note.body = plain_text(body, kMostBody, Lines::several);
    Hints hints;
    r = read_actions(m, note);
    if (r >= 0) r = read_hints(m, note, hints);
    std::int32_t wanted_ms = 0;
    if (r >= 0) r = sd_bus_message_read(m, "i", &wanted_ms);
    note.due = due_of(note, hints, wanted_ms, now);
    return r;
}

}  // namespace pmos::notify
