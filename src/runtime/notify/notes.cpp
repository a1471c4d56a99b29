// notify: the notifications of one mode.
#include "runtime/notify/notes.h"

#include <algorithm>
#include <cstring>

namespace pmos::notify {
namespace {

void wipe_text(std::string& text) noexcept {
    ::explicit_bzero(text.data(), text.capacity());
    text.clear();
}

}  // namespace

void Note::wipe() noexcept {
    for (auto* text : {&program, &summary, &body}) wipe_text(*text);
    for (auto& [key, words] : actions) {
        wipe_text(key);
        wipe_text(words);
    }
}

bool Notes::may_speak(Clock::time_point now) {
    if (const auto more = (now - refilled_) / kEach; more > 0) {
        left_ = static_cast<unsigned>(std::min<std::int64_t>(left_ + more, kBurst));
        refilled_ = left_ == kBurst ? now : refilled_ + more * kEach;
    }
    if (left_ == 0) return false;
    --left_;
    return true;
}

Result<std::uint32_t> Notes::add(Note note, std::uint32_t replaces, Clock::time_point now,
                                 std::vector<Gone>& gone) {
    if (!may_speak(now)) return fail(Code::busy, "too many notifications at once");
    ++revision_;
    const auto same = std::ranges::find(notes_, replaces, &Note::id);
    if (replaces != 0 && same != notes_.end()) {
        note.id = replaces;
        same->wipe();
        *same = std::move(note);
        return replaces;
    }
    if (notes_.size() >= kMost) {
        gone.push_back({notes_.front().id, Reason::undefined});
        notes_.pop_front();
    }
    do note.id = replaces != 0 ? replaces : ++last_id_;
    while (note.id == 0 || find(note.id) != nullptr);
    notes_.push_back(std::move(note));
    return notes_.back().id;
}

bool Notes::remove(std::uint32_t id) {
    const auto count = std::erase_if(notes_, [id](const Note& note) { return note.id == id; });
    if (count != 0) ++revision_;
    return count != 0;
}

std::vector<Notes::Gone> Notes::expire(Clock::time_point now) {
    std::vector<Gone> gone;
    for (const auto& note : notes_)
        if (note.due <= now) gone.push_back({note.id, Reason::expired});
    for (const auto& one : gone) remove(one.id);
    return gone;
}

std::vector<Notes::Gone> Notes::clear() {
    std::vector<Gone> gone;
    for (const auto& note : notes_) gone.push_back({note.id, Reason::undefined});
    notes_.clear();
    if (!gone.empty()) ++revision_;
    return gone;
}

const Note* Notes::find(std::uint32_t id) const {
    const auto it = std::ranges::find(notes_, id, &Note::id);
    return it == notes_.end() ? nullptr : &*it;
}

std::optional<Clock::time_point> Notes::next_due() const {
    const auto it = std::ranges::min_element(notes_, {}, &Note::due);
    if (it == notes_.end() || it->due == Clock::time_point::max()) return std::nullopt;
    return it->due;
}

}  // namespace pmos::notify
