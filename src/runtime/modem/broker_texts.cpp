// modem: the messages of the modes.
#include <algorithm>
#include <memory>
#include <utility>

#include "runtime/modem/broker.h"

namespace pmos::modem {
namespace {

constexpr std::size_t kMostUnsent = 32;
constexpr std::size_t kLongestText = 1600;  // about ten parts; more no network takes

void copy(OwnText& to, const RadioText& from) {
    to.number = from.number;
    to.text = from.text;
    to.timestamp = from.timestamp;
    to.state = from.state;
    to.incoming = from.incoming;
}

std::unexpected<Error> gone() { return fail(Code::not_found, "there is no such message"); }

}  // namespace

Result<OwnText*> Broker::find_text(const std::string& mode, unsigned text) {
    View* view = own(mode);
    if (view == nullptr) return gone();
    const auto it = view->texts.find(text);
    if (it == view->texts.end()) return gone();
    return &it->second;
}

void Broker::text_changed(const std::string& path) { judge_text(path); }

// What comes in belongs to whom it was given once, be the rules others by now.
void Broker::judge_text(const std::string& path) {
    const auto found = radio_.texts().find(path);
    if (found == radio_.texts().end()) return;
    const RadioText& now = found->second;
    if (Place place; place_of_text(path, place)) {
        auto& own = views_.at(place.mode).texts.at(place.number);
        copy(own, now);
        return listener_->text_changed(place.mode, place.number);
    }
    const auto line = radio_.lines().find(now.line);
    if (!table_known_ || !now.incoming || now.state != TextState::received ||
        line == radio_.lines().end())
        return;
    const auto digest = digest_of(line->second.id, now);
    auto owner = owners_.find(digest);
    const bool is_new = owner.empty();
    if (is_new && owners_.unread()) return;
    if (is_new) {
        owner = owner_of(table_, Service::sms, now.number, line->second.names);
        if (owner.empty()) return;
        keep(owners_.keep(digest, owner));
    }
    View* view = own(owner);
    if (view == nullptr || !view->rights.sms) return;
    const unsigned number = view->next_text++;
    OwnText text;
    text.line = now.line;
    text.path = path;
    copy(text, now);
    view->texts.emplace(number, std::move(text));
    listener_->text_added(owner, number);
    if (is_new) listener_->text_came(owner);
}

void Broker::keep(const Result<>& kept) {
    if (!kept) listener_->owner_not_kept(kept.error());
}

void Broker::text_gone(const std::string& path) {
    Place place;
    if (!place_of_text(path, place)) return;
    views_.at(place.mode).texts.erase(place.number);
    listener_->text_removed(place.mode, place.number);
}

Result<unsigned> Broker::make_text(const std::string& mode, const std::string& line,
                                   const std::string& number, const std::string& text) {
    PMOS_ASSIGN(View * view, may(mode, Service::sms));
    if (!view->lines.contains(line)) return fail(Code::not_found, "there is no such modem");
    if (!is_dialable(plain_number(number)))
        return fail(Code::usage, "this is no number that a message can go to");
    if (text.empty() || text.size() > kLongestText)
        return fail(Code::usage, "a message has from 1 to 1600 bytes");
    if (std::ranges::count_if(view->texts, [](const auto& one) { return !one.second.incoming; }) >=
        static_cast<std::ptrdiff_t>(kMostUnsent))
        return fail(Code::no_space, "this mode has made too many messages",
                    "delete those that are sent");
    const unsigned own = view->next_text++;
    OwnText made;
    made.line = line;
    made.number = plain_number(number);
    made.text = text;
    view->texts.emplace(own, std::move(made));
    listener_->text_added(mode, own);
    return own;
}

// It goes to ModemManager when it is sent, and not before: what is never sent is nothing there.
void Broker::send_text(const std::string& mode, unsigned text, Done done) {
    auto right = may(mode, Service::sms);
    if (!right) return done(fail(std::move(right.error())));
    auto own = find_text(mode, text);
    if (!own) return done(fail(std::move(own.error())));
    OwnText& one = **own;
    if (one.incoming || one.sending || one.state != TextState::unknown)
        return done(fail(Code::usage, "this message cannot be sent, or was already"));
    if (!radio_.lines().contains(one.line))
        return done(fail(Code::unreachable, "the modem is not there"));
    one.sending = true;
    const auto ended = [this, mode, text, line = one.line,
                        kept = std::make_shared<Done>(std::move(done))](Result<> result) {
        if (auto still = find_text(mode, text)) {
            OwnText& it = **still;
            it.sending = false;
            it.state = result ? TextState::sent : TextState::unknown;
            // ModemManager's copy is of no more use, and counts for all to see.
            if (const auto path = std::exchange(it.path, ""); !path.empty())
                radio_.delete_text(line, path, [](const Result<>&) {});
            listener_->text_changed(mode, text);
        }
        (*kept)(std::move(result));
    };
    radio_.create_text(one.line, one.number, one.text,
                       [this, mode, text, ended](Result<std::string> path) {
                           if (!path) return ended(fail(std::move(path.error())));
                           auto still = find_text(mode, text);
                           if (!still) return ended(gone());
                           (*still)->path = *path;
                           radio_.send_text(*path, ended);
                       });
}

void Broker::delete_text(const std::string& mode, unsigned text, Done done) {
    auto right = may(mode, Service::sms);
    if (!right) return done(fail(std::move(right.error())));
    auto own = find_text(mode, text);
    if (!own) return done(fail(std::move(own.error())));
    const OwnText one = **own;
    if (!one.incoming) {
        if (one.sending) return done(fail(Code::busy, "the message is being sent"));
        (*right)->texts.erase(text);
        listener_->text_removed(mode, text);
        return done({});
    }
    const auto line = radio_.lines().find(one.line);
    const auto stored = radio_.texts().find(one.path);
    if (line == radio_.lines().end() || stored == radio_.texts().end())
        return done(fail(Code::unreachable, "the modem is not there"));
    const auto digest = digest_of(line->second.id, stored->second);
    radio_.delete_text(one.line, one.path,
                       [this, digest, done = std::move(done)](Result<> result) mutable {
                           if (result) keep(owners_.forget(digest));
                           done(std::move(result));
                       });
}

}  // namespace pmos::modem
