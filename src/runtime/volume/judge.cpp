// volume: every secret that a person enters is judged here: counted as wrong before it is tried.
// Never tries one while a delay runs.
#include "runtime/volume/judge.h"

#include <fmt/format.h>

#include "base/text.h"
#include "runtime/volume/attempts.h"
#include "runtime/volume/repeats.h"

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

// What an attempt became, with the record as it was before it.
class Judgement {
  public:
    Judgement(AttemptRecord& record, Attempts before, const Request& request)
        : record_(record),
          before_(std::move(before)),
          repeats_(std::string(text(request.repeats))) {}

    std::string right() {
        auto cleared = record_.write(before_.cleared());
        if (auto forgotten = repeats_.forget(); cleared) cleared = std::move(forgotten);
        if (!cleared) return "wrong PINs stay counted: " + cleared.error().message();
        if (record_.alone().empty()) return "";
        return "wrong PINs are counted in one copy only: " + record_.alone();
    }

    Error wrong(Error error, const SecretBuffer& secret, const std::optional<KeyslotCost>& cost,
                const BootMoment& now) {
        const auto again = cost ? repeats_.again(secret.bytes(), *cost) : Result<bool>(false);
        if (!again || !*again) return refused(std::move(error), remaining(record_.attempts(), now));
        error.why = "it was wrong before, and is not counted again";
        return not_counted(std::move(error));
    }

    // It says nothing of the secret: memory for the derivation, the device below.
    Error not_counted(Error error) {
        if (auto back = record_.write(before_); !back)
            error.undo_failures.push_back(std::move(back.error()));
        return error;
    }

  private:
    AttemptRecord& record_;
    Attempts before_;
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
                    : "see the kernel log for the storage's faults";
    return fail(std::move(error));
}

}  // namespace

Result<std::string> judge(const Request& request, const SecretBuffer& secret,
                          const std::optional<KeyslotCost>& cost,
                          const std::function<Result<void>()>& try_it) {
    if (request.key == KeyKind::device_key) {
        PMOS_TRY(try_it());
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
    Judgement judgement(record, record.attempts(), request);
    PMOS_TRY(count(record, now, text(request.attempts)));
    auto tried = try_it();
    if (tried) return judgement.right();
    if (tried.error().code == Code::wrong_secret)
        return fail(judgement.wrong(std::move(tried.error()), secret, cost, now));
    return fail(judgement.not_counted(std::move(tried.error())));
}

Result<void> begin_count(const Request& request) {
    if (request.key == KeyKind::device_key) return {};
    PMOS_ASSIGN(auto directory, AttemptDirectory::lock(std::string(text(request.attempts))));
    AttemptRecord record(directory);
    PMOS_TRY(record.write(record.attempts().cleared()));
    return Repeats(std::string(text(request.repeats))).forget();
}

}  // namespace pmos::volume
