// daemon: one conversation with fprintd: claim its reader, do one thing, release it. Believes
// nobody but who owned the name when it began: any program on the bus can send it a signal.
#include "runtime/daemon/fprintd_talk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace pmos::daemon {
namespace {

using namespace std::chrono_literals;

constexpr const char* kService = "net.reactivated.Fprint";
constexpr const char* kManagerPath = "/net/reactivated/Fprint/Manager";
constexpr const char* kManager = "net.reactivated.Fprint.Manager";
constexpr const char* kDevice = "net.reactivated.Fprint.Device";
constexpr const char* kBus = "org.freedesktop.DBus";

// For a finger; for an answer, where fprintd may have to be started first; and for an end in order.
constexpr auto kFingerDeadline = 30s, kCallDeadline = 25s, kEndDeadline = 5s;

struct Meaning {
    std::string_view name;  // behind the last dot
    Code code;
    const char *what, *fix;
};
constexpr Meaning kMeanings[] = {
    {"NoSuchDevice", Code::not_found, "this phone has no fingerprint reader",
     "see: journalctl -u fprintd"},
    {"NoEnrolledPrints", Code::not_found, "no finger is enrolled for it",
     "pmosctl auth enroll MODE fingerprint"},
    {"AlreadyInUse", Code::busy, "the fingerprint reader is in use", "try again when it is free"},
    {"PermissionDenied", Code::denied, "fprintd does not let pmosd use the reader",
     "is polkit running?"},
    {"ServiceUnknown", Code::unsupported, "fprintd is not there", "install fprintd"},
    {"NameHasNoOwner", Code::failed, "fprintd went away", "try again"},
    {"NoReply", Code::timed_out, "fprintd does not answer", "see: journalctl -u fprintd"},
    {"Timeout", Code::timed_out, "fprintd does not answer", "see: journalctl -u fprintd"}};

Error meaning_of(const sd_bus_error& error) {
    const std::string_view full(error.name != nullptr ? error.name : "");
    const auto name = full.substr(full.rfind('.') + 1);
    Error out;
    out.why = printable(error.message != nullptr ? error.message : "");
    const auto* known = std::ranges::find(kMeanings, name, &Meaning::name);
    if (known != std::end(kMeanings)) {
        out.code = known->code;
        out.what = known->what;
        out.fix = known->fix;
        if (known->code == Code::not_found) out.why.clear();
    } else {
        out.what = fmt::format("fprintd refused: {}", printable(name));
        out.fix = "see: journalctl -u fprintd";
    }
    return out;
}

// What a scan did not give, and the person can do about it; "": nothing.
std::string_view retry_words(std::string_view result) {
    if (result == "retry-scan") return "once more";
    if (result == "swipe-too-short") return "too short: swipe slower";
    if (result == "finger-not-centered") return "put the finger on the middle of the reader";
    if (result == "remove-and-retry") return "lift the finger and put it there again";
    return "";
}

}  // namespace

FprintdTalk::FprintdTalk(EventLoop& loop, sd_bus* bus, Wanted wanted, FingerReader::Tell tell,
                         Answer<Told> answer)
    : loop_(loop),
      bus_(bus),
      wanted_(std::move(wanted)),
      tell_(std::move(tell)),
      answer_(std::move(answer)) {}

void FprintdTalk::begin(std::function<void()> ended) {
    ended_ = std::move(ended);
    wait(kFingerDeadline);
    sd_bus_message* raw = nullptr;
    if (sd_bus_message_new_method_call(bus_, &raw, kService, kManagerPath, kManager,
                                       "GetDefaultDevice") < 0)
        return finish(fail(Code::failed, "cannot make a request to fprintd"));
    step(Message(raw), [this](sd_bus_message* reply) { got_device(reply); });
}

// Whoever answered is who is talked with from here on, and nobody who has the name later.
void FprintdTalk::got_device(sd_bus_message* reply) {
    const char *device = nullptr, *owner = sd_bus_message_get_sender(reply);
    if (owner == nullptr || sd_bus_message_read(reply, "o", &device) < 0)
        return finish(fail(Code::failed, "cannot read fprintd's answer"));
    owner_ = owner;
    device_ = device;
    sd_bus_slot* slot = nullptr;
    const auto match =
        fmt::format("type='signal',sender='{}',interface='{}',member='NameOwnerChanged',arg0='{}'",
                    kBus, kBus, owner_);
    if (sd_bus_add_match_async(bus_, &slot, match.c_str(), on_owner, nullptr, this) < 0)
        return finish(fail(Code::failed, "cannot listen to the bus"));
    gone_.reset(slot);
    if (wanted_.task == Task::list)
        return call(make("ListEnrolledFingers", wanted_.user.c_str()),
                    [this](Result<sd_bus_message*> fingers) { listed(std::move(fingers)); });
    call(make("Claim", wanted_.user.c_str()), [this](Result<sd_bus_message*> claimed) {
        // One that is answered too late may be granted all the same.
        claimed_ = claimed || claimed.error().code == Code::timed_out;
        if (finished_) return stop_scan();
        if (!claimed) return finish(fail(std::move(claimed.error())));
        act();
    });
}

FprintdTalk::Message FprintdTalk::make(const char* member, const char* text) const {
    sd_bus_message* raw = nullptr;
    if (sd_bus_message_new_method_call(bus_, &raw, owner_.c_str(), device_.c_str(), kDevice,
                                       member) < 0)
        return nullptr;
    Message message(raw);
    if (text != nullptr && sd_bus_message_append(raw, "s", text) < 0) return nullptr;
    return message;
}

// One at a time: the next one is made when the one before has been answered.
void FprintdTalk::call(Message message, Then then) {
    sd_bus_slot* slot = nullptr;
    const auto most = std::chrono::microseconds(kCallDeadline).count();
    if (!message || sd_bus_call_async(bus_, &slot, message.get(), on_reply, this,
                                      static_cast<std::uint64_t>(most)) < 0)
        return then(fail(Code::failed, "cannot send a request to fprintd"));
    then_ = std::move(then);
    reply_.reset(slot);
}

// One on the way: without it there is nothing to go on with, nor when nobody wants it any more.
void FprintdTalk::step(Message message, std::function<void(sd_bus_message*)> then) {
    call(std::move(message), [this, then = std::move(then)](Result<sd_bus_message*> reply) {
        if (finished_) return stop_scan();
        if (!reply) return finish(fail(std::move(reply.error())));
        then(*reply);
    });
}

int FprintdTalk::on_reply(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const auto self = static_cast<FprintdTalk*>(userdata)->shared_from_this();
    auto then = std::exchange(self->then_, nullptr);
    if (!then) return 0;
    const sd_bus_error* error = sd_bus_message_get_error(message);
    if (error != nullptr)
        then(fail(meaning_of(*error)));
    else
        then(message);
    return 0;
}

int FprintdTalk::on_owner(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const auto self = static_cast<FprintdTalk*>(userdata)->shared_from_this();
    const char* sender = sd_bus_message_get_sender(message);
    if (sender == nullptr || std::string_view(sender) != kBus) return 0;
    // Nothing is left there to be stopped or released.
    self->claimed_ = self->scanning_ = false;
    self->then_ = nullptr;
    if (self->finished_) {
        self->end();
        return 0;
    }
    self->finish(fail(Code::failed, "fprintd went away", "", "try again"));
    return 0;
}

void FprintdTalk::act() {
    if (wanted_.task == Task::remove) return empty([this] { finish(Told{}); });
    if (wanted_.task == Task::verify) return scan();
    if (wanted_.anew) return empty([this] { ask_stages(); });
    ask_stages();
}

void FprintdTalk::listed(Result<sd_bus_message*> reply) {
    Told told;
    if (!reply && reply.error().code == Code::not_found) return finish(std::move(told));
    if (!reply) return finish(fail(std::move(reply.error())));
    const char* finger = nullptr;
    int r = sd_bus_message_enter_container(*reply, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(*reply, "s", &finger)) > 0)
        told.fingers.emplace_back(finger);
    if (r < 0) return finish(fail(Code::failed, "cannot read fprintd's answer"));
    finish(std::move(told));
}

void FprintdTalk::empty(std::function<void()> then) {
    call(make("DeleteEnrolledFingers2"),
         [this, then = std::move(then)](Result<sd_bus_message*> reply) {
             const bool none = !reply && reply.error().code == Code::not_found;
             if (finished_) return stop_scan();
             if (!reply && !none) return finish(fail(std::move(reply.error())));
             then();
         });
}

// Its signals are those of this scan: nobody else can scan while we have claimed the reader.
void FprintdTalk::hear_status() {
    sd_bus_slot* slot = nullptr;
    const char* signal = wanted_.task == Task::verify ? "VerifyStatus" : "EnrollStatus";
    if (sd_bus_match_signal_async(bus_, &slot, owner_.c_str(), device_.c_str(), kDevice, signal,
                                  on_status, nullptr, this) >= 0)
        status_.reset(slot);
}

void FprintdTalk::scan() {
    hear_status();
    if (!status_) return finish(fail(Code::failed, "cannot listen to fprintd"));
    const bool verifies = wanted_.task == Task::verify;
    scanning_ = true;
    wait(kFingerDeadline);
    step(verifies ? make("VerifyStart", "any") : make("EnrollStart", wanted_.finger.c_str()),
         [this](sd_bus_message*) { tell_(0, "put your finger on the reader"); });
}

// How many touches it takes; without an answer it goes on all the same.
void FprintdTalk::ask_stages() {
    sd_bus_message* raw = nullptr;
    Message ask;
    if (sd_bus_message_new_method_call(bus_, &raw, owner_.c_str(), device_.c_str(),
                                       "org.freedesktop.DBus.Properties", "Get") >= 0)
        ask.reset(raw);
    if (ask && sd_bus_message_append(raw, "ss", kDevice, "num-enroll-stages") < 0) ask.reset();
    call(std::move(ask), [this](Result<sd_bus_message*> reply) {
        if (finished_) return stop_scan();
        int number = 0;
        if (reply && sd_bus_message_read(*reply, "v", "i", &number) >= 0 && number > 0)
            stages_ = static_cast<unsigned>(number);
        scan();
    });
}

int FprintdTalk::on_status(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const auto self = static_cast<FprintdTalk*>(userdata)->shared_from_this();
    const char *sender = sd_bus_message_get_sender(message), *result = nullptr;
    int done = 0;
    // sd-bus lets through what anybody sends to us alone, whatever the match says of its sender.
    if (sender == nullptr || self->owner_ != sender || self->finished_ || !self->scanning_)
        return 0;
    if (sd_bus_message_read(message, "sb", &result, &done) >= 0) self->status(result, done != 0);
    return 0;
}

std::uint32_t FprintdTalk::permille() const {
    return stages_ == 0 ? 0 : std::min(passed_ * 1000 / stages_, 1000U);
}

void FprintdTalk::status(std::string_view result, bool done) {
    const std::string_view prefix = wanted_.task == Task::verify ? "verify-" : "enroll-";
    if (!result.starts_with(prefix)) return;
    const auto word = result.substr(prefix.size());
    if (!done)
        if (const auto words = retry_words(word); !words.empty()) return tell_(permille(), words);
    if (wanted_.task == Task::verify)
        verify_status(word, done);
    else
        enroll_status(word, done);
}

void FprintdTalk::verify_status(std::string_view result, bool done) {
    if (!done) return;
    if (result == "match") return finish(Told{.same = true});
    if (result == "no-match") return finish(Told{.same = false});
    finish(fail(Code::failed, "the fingerprint reader failed", printable(result), "try again"));
}

void FprintdTalk::enroll_status(std::string_view result, bool done) {
    if (result == "stage-passed") {
        wait(kFingerDeadline);
        ++passed_;
        return tell_(permille(), stages_ == 0 ? fmt::format("touch {}", passed_)
                                              : fmt::format("touch {} of {}", passed_, stages_));
    }
    if (result == "completed") return finish(Told{});
    if (!done) return;
    if (result == "duplicate")
        return finish(fail(Code::already_exists, "this finger is enrolled already",
                           "maybe for another mode", "take another finger"));
    if (result == "data-full")
        return finish(fail(Code::no_space, "the fingerprint reader's own memory is full", "",
                           "remove fingers of others from it: fprintd-delete USER"));
    finish(fail(Code::failed, "the finger was not enrolled", printable(result), "try again"));
}

void FprintdTalk::wait(std::chrono::milliseconds most) {
    deadline_ = loop_.after(most, [this, most] {
        const auto why = fmt::format(
            "within {} s", std::chrono::duration_cast<std::chrono::seconds>(most).count());
        if (scanning_)
            finish(fail(Code::timed_out, "nobody put a finger on the reader", why, "try again"));
        else
            finish(fail(Code::timed_out, "fprintd does not answer", why,
                        "see: journalctl -u fprintd"));
    });
}

void FprintdTalk::cancel() {
    finish(fail(Code::cancelled, "the fingerprint reader was let go", "it was called off"));
}

std::unexpected<Error> FprintdTalk::bus_gone() {
    return fail(Code::failed, "the system bus went away", "", "try again when it is back");
}

void FprintdTalk::abandon() {
    const auto self = shared_from_this();
    reply_.reset();
    status_.reset();
    gone_.reset();
    if (!finished_) told_ = bus_gone();
    finished_ = true;
    end();
}

// Only the first end counts. The answer waits until the reader is free again.
void FprintdTalk::finish(Result<Told> told) {
    if (finished_) return;
    const auto self = shared_from_this();
    finished_ = true;
    told_ = std::move(told);
    // A reader that takes long to be released keeps nobody waiting; it is released all the same.
    deadline_ = loop_.after(kEndDeadline, [this] { answer(); });
    // Its answer is waited for, and then goes on here.
    if (then_) return;
    stop_scan();
}

void FprintdTalk::stop_scan() {
    if (!std::exchange(scanning_, false)) return release();
    call(make(wanted_.task == Task::verify ? "VerifyStop" : "EnrollStop"),
         [this](Result<sd_bus_message*>) { release(); });
}

void FprintdTalk::release() {
    if (!std::exchange(claimed_, false)) return end();
    call(make("Release"), [this](Result<sd_bus_message*>) { end(); });
}

void FprintdTalk::answer() {
    if (auto answer = std::exchange(answer_, nullptr)) answer(std::move(told_));
}

void FprintdTalk::end() {
    deadline_.reset();
    reply_.reset();
    status_.reset();
    gone_.reset();
    answer();
    if (auto ended = std::exchange(ended_, nullptr)) ended();
}

}  // namespace pmos::daemon
