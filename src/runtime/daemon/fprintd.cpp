// daemon: the fingerprint reader, by fprintd (net.reactivated.Fprint) on the system bus. Decides
// nothing; believes nobody but the owner of that name.
#include "runtime/daemon/fprintd.h"

#include "runtime/daemon/fprintd_talk.h"

namespace pmos::daemon {
namespace {

using Task = FprintdTalk::Task;
using Told = FprintdTalk::Told;

Answer<Told> only_done(Done done) {
    return [done = std::move(done)](Result<Told> told) mutable {
        if (!told) return done(fail(std::move(told.error())));
        done({});
    };
}

// Not at once: who calls it off need not be ready for the answer.
FingerReader::Cancel cancel_of(EventLoop& loop, const std::shared_ptr<FprintdTalk>& talk) {
    return [&loop, weak = std::weak_ptr(talk)] {
        loop.soon([weak] {
            if (const auto alive = weak.lock()) alive->cancel();
        });
    };
}

}  // namespace

Fprintd::~Fprintd() {
    for (auto& removal : std::exchange(waiting_, {})) removal.done(FprintdTalk::bus_gone());
    for (const auto& talk : std::exchange(talks_, {})) talk->abandon();
}

std::shared_ptr<FprintdTalk> Fprintd::begin(std::shared_ptr<FprintdTalk> talk) {
    talks_.push_back(talk);
    talk->begin([this, weak = std::weak_ptr(talk)] {
        if (const auto alive = weak.lock()) ended(alive);
    });
    return talk;
}

void Fprintd::ended(const std::shared_ptr<FprintdTalk>& talk) {
    talks_.remove(talk);
    loop_.soon([talk] {});  // not from within its own callback
    if (!talks_.empty() || waiting_.empty()) return;
    auto removal = std::move(waiting_.front());
    waiting_.pop_front();
    begin(std::move(removal));
}

FingerReader::Cancel Fprintd::verify(const std::string& user, Tell tell, Answer<bool> answer) {
    return cancel_of(loop_,
                     begin(std::make_shared<FprintdTalk>(
                         loop_, bus_, FprintdTalk::Wanted{.task = Task::verify, .user = user},
                         std::move(tell), [answer = std::move(answer)](Result<Told> told) mutable {
                             if (!told) return answer(fail(std::move(told.error())));
                             answer(told->same);
                         })));
}

FingerReader::Cancel Fprintd::enroll(const std::string& user, const std::string& finger, bool anew,
                                     Tell tell, Done done) {
    return cancel_of(
        loop_,
        begin(std::make_shared<FprintdTalk>(
            loop_, bus_,
            FprintdTalk::Wanted{.task = Task::enroll, .user = user, .finger = finger, .anew = anew},
            std::move(tell), only_done(std::move(done)))));
}

void Fprintd::list(const std::string& user, Answer<std::vector<std::string>> answer) {
    begin(std::make_shared<FprintdTalk>(
        loop_, bus_, FprintdTalk::Wanted{.task = Task::list, .user = user}, nullptr,
        [answer = std::move(answer)](Result<Told> told) mutable {
            if (!told) return answer(fail(std::move(told.error())));
            answer(std::move(told->fingers));
        }));
}

void Fprintd::begin(Removal removal) {
    begin(std::make_shared<FprintdTalk>(
        loop_, bus_, FprintdTalk::Wanted{.task = Task::remove, .user = removal.user}, nullptr,
        only_done(std::move(removal.done))));
}

void Fprintd::remove(const std::string& user, Done done) {
    Removal removal{user, std::move(done)};
    if (talks_.empty()) return begin(std::move(removal));
    waiting_.push_back(std::move(removal));
}

}  // namespace pmos::daemon
