// panel: who has the screen and the person.
#include "runtime/panel/panel.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "runtime/panel/words.h"

namespace pmos::panel {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostSecret = 512;

std::chrono::seconds boot_time() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec);
}

// Of all orders each is as likely.
std::string scrambled() {
    std::string order = "1234567890";
    for (std::size_t i = order.size() - 1; i > 0; --i) {
        std::uint32_t random = 0;
        const auto most = static_cast<std::uint32_t>(i + 1);
        do {
            if (::getrandom(&random, sizeof random, 0) != sizeof random) return "1234567890";
        } while (random >= UINT32_MAX / most * most);
        std::swap(order[i], order[random % most]);
    }
    return order;
}

// How an emergency call goes, as pmos-modem tells it.
std::string call_words(const CallState& call) {
    if (call.phase == "active") return tr("Connected");
    if (call.phase == "ended") return tr("The call has ended");
    return call.under_way() ? tr("Calling") : "";
}

std::string unanswered() { return tr("The phone does not answer. Try again."); }

}  // namespace

Panel::Panel(event::EventLoop& loop, Screen& screen, Displays& displays, Doer& doer)
    : loop_(loop),
      screen_(screen),
      displays_(displays),
      doer_(doer),
      strip_(screen.strip()),
      page_(screen.pages()),
      pointer_(screen.pointer()) {}

const ModeRow* Panel::row(const std::string& mode) const {
    const auto it = std::ranges::find(table_.modes, mode, &ModeRow::name);
    return it == table_.modes.end() ? nullptr : &*it;
}

ModeDisplay* Panel::front() const { return front_.empty() ? nullptr : displays_.find(front_); }

std::string Panel::where() const {
    if (asked_ && asked_->mode.empty()) return "emergency";
    return asked_ ? "pad " + asked_->mode : covered() ? "chooser" : "mode " + front_;
}

void Panel::set_table(Table table) {
    if (table.look.language != table_.look.language) speak(table.look.language);
    table_ = std::move(table);
    displays_.go_by(table_);
    const auto it = std::ranges::find(table_.modes, true, &ModeRow::foreground);
    const std::string now = it == table_.modes.end() ? "" : it->name;
    // Who comes to the front is what the person asked for, here or elsewhere.
    const bool came = now != front_ && !now.empty();
    if (came && asked_ && asked_->mode == now) {
        forget_secret();
        asked_.reset();
    }
    if (came && !asked_) open_ = false;
    if (now.empty()) open_ = true;
    front_ = now;
    if (asked_ && !asked_->mode.empty() && row(asked_->mode) == nullptr) close();
    refresh();
}

// The modes go on, and so does what is drawn of them; who comes next says what there is.
void Panel::lost_pmosd() {
    if (asked_ && asked_->busy) answered(asked_->mode, Doer::Refused{false, unanswered()});
}

void Panel::resized() { refresh(); }

// Begins anew whenever somebody else gets what the person does.
void Panel::next_turn() { ++turn_; }

void Panel::refresh() {
    const Size size = screen_.size();
    displays_.place(below_strip(table_.look, size));
    const std::string shown = covered() ? "" : front_;
    if (std::exchange(shown_, shown) != shown) {
        next_turn();
        screen_.mark();
    }
    displays_.show(shown);
    draw();
}

void Panel::draw() {
    const Size size = screen_.size();
    if (size.width <= 0) return;
    const int scale = screen_.scale();
    strip_.show(strip_page(table_, size, covered()), 0, 0, scale);
    if (!covered()) {
        page_.clear();
        clock_.reset();
        return;
    }
    const View view{table_, size, boot_time(), asked_ ? &*asked_ : nullptr, message_};
    page_.show(asked_ ? pad_page(view) : chooser_page(view), 0, strip_height(table_.look), scale);
    const bool waits = std::ranges::any_of(table_.modes, [&](const ModeRow& mode) {
        return mode.wait_until > static_cast<std::uint64_t>(view.now.count());
    });
    if (waits)
        clock_ = loop_.after(1s, [this] { draw(); });
    else
        clock_.reset();
}

void Panel::attention() {
    forget_secret();
    asked_.reset();
    message_.clear();
    open_ = true;
    next_turn();
    refresh();
}

// To the mode in front, where there is one; else to the chooser.
void Panel::close() {
    forget_secret();
    const bool was_pad = asked_.has_value();
    asked_.reset();
    message_.clear();
    if (!was_pad || (row(front_) != nullptr && !row(front_)->locked)) open_ = false;
    next_turn();
    refresh();
}

void Panel::open_pad(const std::string& mode) {
    auto made = SecretBuffer::make(kMostSecret);
    if (!made) return tell(tr("No memory for a secret. Close something and try again."));
    secret_.emplace(std::move(*made));
    secret_size_ = 0;
    ++attempt_;  // what is judged still is of no concern any more
    asked_.emplace();
    asked_->mode = mode;
    if (row(mode)->scrambles) asked_->order = scrambled();
    open_ = true;
    message_.clear();
    next_turn();
    refresh();
}

void Panel::open_emergency() {
    forget_secret();
    asked_.emplace();
    asked_->calling = call_.under_way();
    asked_->number = asked_->calling ? call_.number : "";
    asked_->message = asked_->calling ? call_words(call_) : "";
    open_ = true;
    next_turn();
    refresh();
}

void Panel::call_changed(const CallState& call) {
    call_ = call;
    if (!asked_ || !asked_->mode.empty()) return;
    asked_->calling = call.under_way();
    asked_->busy = false;
    asked_->message = call_words(call);
    draw();
}

void Panel::dial() {
    if (asked_->number.empty() || asked_->calling) return;
    asked_->busy = true;
    asked_->message.clear();
    draw();
    doer_.call(asked_->number, [this, alive = std::weak_ptr(alive_)](auto refused) {
        if (!alive.expired()) answered("", std::move(refused));
    });
}

void Panel::forget_secret() {
    secret_.reset();
    secret_size_ = 0;
    if (asked_) asked_->typed = 0;
}

void Panel::tell(const std::string& words) {
    message_ = words;
    refresh();
}

void Panel::choose(const std::string& mode) {
    const ModeRow* const to = row(mode);
    if (to == nullptr) return;
    if (to->locked && to->made) return open_pad(mode);
    if (mode == front_) return close();
    doer_.switch_to(mode, [this, mode, alive = std::weak_ptr(alive_)](auto refused) {
        if (!alive.expired() && refused) tell(refused->words);
    });
}

void Panel::act(const Action& action) {
    switch (action.verb) {
        case Verb::nothing:
            return;
        case Verb::attention:
            return covered() && !asked_ ? close() : attention();
        case Verb::choose:
            return choose(action.mode);
        case Verb::lock:
            return doer_.lock(action.mode, [this, alive = std::weak_ptr(alive_)](auto refused) {
                if (!alive.expired() && refused) tell(refused->words);
            });
        case Verb::back:
            return attention();
        case Verb::digit:
            return type(action.text.c_str());
        case Verb::erase:
            return erase();
        case Verb::enter:
            return enter();
        case Verb::emergency:
            return open_emergency();
        case Verb::hang_up:
            return doer_.hang_up([this, alive = std::weak_ptr(alive_)](auto refused) {
                if (!alive.expired() && !refused) call_changed({"ended", "", ""});
            });
        case Verb::page:
            if (!asked_) return;
            if (action.text == "pad")
                asked_->pad = asked_->pad == Pad::digits ? Pad::letters : Pad::digits;
            else
                asked_->keys = (asked_->keys + 1) % 3;
            return draw();
    }
}

void Panel::type(const char* text) {
    constexpr std::size_t kMostNumber = 20;
    if (asked_ && asked_->mode.empty()) {
        if (std::isdigit(static_cast<unsigned char>(text[0])) == 0 || asked_->calling ||
            asked_->number.size() >= kMostNumber)
            return;
        asked_->number += text;
        asked_->message.clear();
        return draw();
    }
    if (!asked_ || !secret_ || asked_->busy) return;
    const std::size_t length = std::strlen(text);
    if (length == 0 || static_cast<unsigned char>(text[0]) < ' ' || text[0] == 0x7f ||
        secret_size_ + length > kMostSecret)
        return;
    std::memcpy(secret_->storage().data() + secret_size_, text, length);
    secret_size_ += length;
    ++asked_->typed;
    asked_->message.clear();
    draw();
}

// A character, whatever its length in bytes.
void Panel::erase() {
    if (asked_ && asked_->mode.empty() && !asked_->calling) {
        if (!asked_->number.empty()) asked_->number.pop_back();
        return draw();
    }
    if (!asked_ || !secret_ || asked_->busy || secret_size_ == 0) return;
    auto bytes = secret_->storage();
    while (secret_size_ > 0) {
        const auto last = static_cast<unsigned char>(bytes[--secret_size_]);
        bytes[secret_size_] = std::byte{0};
        if ((last & 0xc0U) != 0x80U) break;
    }
    --asked_->typed;
    draw();
}

// By a pipe, which holds more than a secret is long: nobody waits for who reads it.
void Panel::enter() {
    if (asked_ && asked_->mode.empty()) return dial();
    if (!asked_ || !secret_ || asked_->busy || secret_size_ == 0) return;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return tell(std::strerror(errno));
    UniqueFd write_end(ends[1]);
    UniqueFd read_end(ends[0]);
    const auto written = ::write(write_end.get(), secret_->storage().data(), secret_size_);
    const bool whole = written == static_cast<ssize_t>(secret_size_);
    write_end.reset();  // that is its end
    forget_secret();
    if (!whole) return tell(std::strerror(EIO));
    asked_->busy = true;
    asked_->message.clear();
    draw();
    doer_.unlock(asked_->mode, std::move(read_end),
                 [this, attempt = ++attempt_, mode = asked_->mode,
                  alive = std::weak_ptr(alive_)](auto refused) {
                     if (!alive.expired() && attempt == attempt_)
                         answered(mode, std::move(refused));
                 });
}

void Panel::answered(const std::string& mode, std::optional<Doer::Refused> refused) {
    if (!asked_ || asked_->mode != mode) return;
    asked_->busy = false;
    if (mode.empty()) {
        if (refused) asked_->message = refused->words;
        return draw();
    }
    if (refused) {
        if (auto made = SecretBuffer::make(kMostSecret)) secret_.emplace(std::move(*made));
        asked_->message = refused->secret ? tr("That was not right") : refused->words;
        return draw();
    }
    forget_secret();
    asked_.reset();
    open_ = true;
    next_turn();
    doer_.switch_to(mode, [this, mode, alive = std::weak_ptr(alive_)](auto failed) {
        if (alive.expired()) return;
        if (failed) return tell(failed->words);
        if (mode == front_ && !asked_) close();  // it was in front, behind its lock
    });
    refresh();
}

}  // namespace pmos::panel
