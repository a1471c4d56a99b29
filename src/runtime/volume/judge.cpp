// volume: every secret that a person enters is judged here: counted as wrong before it is tried.
// Never tries one while a delay runs.
#include "runtime/volume/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/text.h"
#include "runtime/volume/attempts.h"

namespace pmos::volume {
namespace {

std::unexpected<Error> throttled(const AttemptRecord& record,
                                 std::optional<std::chrono::seconds> wait) {
    const std::string when =
        wait ? "try again in " + in_words(*wait) : "no other is accepted, ever";
    if (record.damaged())
        return fail(Code::throttled, "no PIN is accepted",
                    "the record of wrong ones cannot be read: " + when,
                    "see docs/integrating.md, Wrong PINs");
    return fail(Code::throttled, "too many wrong PINs",
                fmt::format("{} in a row; this one was not tried", record.attempts().failures),
                when);
}

Error refused(Error error, std::optional<std::chrono::seconds> wait) {
    if (!wait)
        error.fix = "no other is accepted, ever";
    else if (wait->count() > 0)
        error.fix = fmt::format("try again in {}; the volume is unchanged", in_words(*wait));
    return error;
}

// By the header's salt, and else by the one of those that are kept.
Result<SecretHash> hash_of(const Guard& guard, const Repeats& repeats, const SecretBuffer& secret) {
    if (!guard.cost) return fail(Code::unsupported, "no wrong secret is known again");
    PMOS_ASSIGN(const auto salt, guard.salt ? Result<HashBytes>(*guard.salt) : repeats.salt());
    return hash_secret(secret.bytes(), salt, *guard.cost);
}

// What an attempt became, with the record as it was before it.
class Judgement {
  public:
    Judgement(AttemptRecord& record, const Request& request, const Guard& guard)
        : record_(record),
          before_(record.attempts()),
          guard_(guard),
          repeats_(std::string(text(request.repeats))) {}

    std::string right() {
        auto cleared = record_.write(before_.cleared());
        if (auto forgotten = repeats_.forget(); cleared) cleared = std::move(forgotten);
        if (!cleared) return "wrong PINs stay counted: " + cleared.error().message();
        if (record_.alone().empty()) return "";
        return "wrong PINs are counted in one copy only: " + record_.alone();
    }

    Error wrong(Error error, const SecretBuffer& secret, Keyslots wrong_at, const BootMoment& now) {
        const auto hash = hash_of(guard_, repeats_, secret);
        const auto derived = Clock::now();
        const bool duress = strikes(hash);
        const bool again = hash && repeats_.again(*hash, wrong_at).value_or(false);
        if (!duress && !again && is_one_too_many()) guard_.destroy();
        if (again && error.why.empty()) error.why = "it was wrong before, and is not counted again";
        error = again ? not_counted(std::move(error))
                      : refused(std::move(error), remaining(record_.attempts(), now));
        wait_since(derived);
        return error;
    }

    // It says nothing of the secret: memory for the derivation, the device below, a TPM that is not
    // there or accepts none any more. The duress secret is one all the same.
    Error untried(Error error, const SecretBuffer& secret) {
        const auto hash = hash_of(guard_, repeats_, secret);
        const auto derived = Clock::now();
        strikes(hash);
        error = not_counted(std::move(error));
        if (hash) wait_since(derived);
        return error;
    }

  private:
    using Clock = std::chrono::steady_clock;

    Error not_counted(Error error) {
        if (auto back = record_.write(before_); !back)
            error.undo_failures.push_back(std::move(back.error()));
        return error;
    }

    // True: it is the duress secret, and has destroyed.
    bool strikes(const Result<SecretHash>& hash) const {
        const bool duress = hash && guard_.duress == hash->duress;
        if (duress) guard_.destroy();
        return duress;
    }

    bool is_one_too_many() const {
        return guard_.erase_after != 0 && record_.attempts().failures >= guard_.erase_after;
    }

    void wait_since(Clock::time_point derived) const {
        const auto step = std::max(guard_.answer_after, std::chrono::milliseconds(1));
        auto answer = derived;
        while (answer <= Clock::now()) answer += step;
        std::this_thread::sleep_until(answer);
    }

    AttemptRecord& record_;
    Attempts before_;
    const Guard& guard_;
    Repeats repeats_;
};

Result<void> count(AttemptRecord& record, const BootMoment& now, std::string_view directory) {
    auto counted = record.write(record.attempts().failed(now));
    if (counted) return {};
    Error error = std::move(counted.error());
    error.why = error.message();
    error.what = "the PIN was not tried, because it cannot be counted first";
    error.fix = error.code == Code::no_space
                    ? fmt::format("free some space on the file system of '{}'", directory)
                    : kIsItSound;
    return fail(std::move(error));
}

}  // namespace

Result<std::string> judge(const Request& request, const SecretBuffer& secret, const Guard& guard,
                          const std::function<Result<void>(Keyslots&)>& try_it) {
    Keyslots wrong_at = 0;
    if (is_unasked(request, secret.bytes())) {
        PMOS_TRY(try_it(wrong_at));
        return std::string();
    }
    PMOS_ASSIGN(auto directory, AttemptDirectory::lock(std::string(text(request.attempts))));
    AttemptRecord record(directory);
    PMOS_ASSIGN(const auto now, boot_moment());
    const auto wait = remaining(record.attempts(), now);
    if (!wait || wait->count() > 0 || record.damaged()) return throttled(record, wait);
    if (secret.bytes().size() < kMinSecret)
        return fail(Code::wrong_secret, "PIN refused", "it is too short: not tried, not counted",
                    fmt::format("secrets have {} characters or more", kMinSecret));
    Judgement judgement(record, request, guard);
    PMOS_TRY(count(record, now, text(request.attempts)));
    auto tried = try_it(wrong_at);
    if (tried) return judgement.right();
    if (tried.error().code == Code::wrong_secret)
        return fail(judgement.wrong(std::move(tried.error()), secret, wrong_at, now));
    return fail(judgement.untried(std::move(tried.error()), secret));
}

Result<Keyslots> wrong_before(const Request& request, const Guard& guard,
                              const SecretBuffer& secret) {
    const Repeats repeats{std::string(text(request.repeats))};
    if (!guard.cost || !repeats.has_any()) return Keyslots{0};
    PMOS_ASSIGN(const auto hash, hash_of(guard, repeats, secret));
    return repeats.knows(hash).value_or(0);
}

Result<void> begin_count(const Request& request) {
    if (request.key == KeyKind::device_key) return {};
    PMOS_ASSIGN(auto directory, AttemptDirectory::lock(std::string(text(request.attempts))));
    AttemptRecord record(directory);
    PMOS_TRY(record.write(record.attempts().cleared()));
    return Repeats(std::string(text(request.repeats))).forget();
}

}  // namespace pmos::volume
