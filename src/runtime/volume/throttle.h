// volume: how long no secret of a mode is judged after wrong ones, and the record that says how
// many there were. Values and their text: opens no file, reads no clock, sees no secret.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pmos::volume {

// After so many wrong secrets in a row: Android's table. Empty: never again.
std::optional<std::chrono::seconds> delay_after(std::uint32_t failures);
inline constexpr std::uint32_t kLastFailure = 20;

// A moment on the boot clock, which cannot be set and goes on while the phone sleeps.
struct BootMoment {
    std::string boot_id;
    std::chrono::microseconds since_boot{};
};

struct Attempts {
    std::uint64_t writes = 0;  // of two copies the one with more is the newer
    std::uint32_t failures = 0;
    BootMoment last;  // of the last failure

    // What is taken for a record that cannot be read: the longest delay there is.
    static Attempts unreadable();
    // One more wrong one, or none any more.
    Attempts failed(const BootMoment& now) const;
    Attempts cleared() const;
};

// Of the delay that runs at `now`, rounded up; 0: a secret is judged. Empty: never again. What was
// waited in an earlier boot does not count: nothing says for how long the phone was off.
std::optional<std::chrono::seconds> remaining(const Attempts& attempts, const BootMoment& now);

// "4 min 10 s"
std::string in_words(std::chrono::seconds wait);

// One copy, always of this size, so that it is written over in place also when the disk is full.
inline constexpr std::size_t kRecordBytes = 512;
std::string write_record(const Attempts& attempts);
// Empty: torn, damaged or of another version.
std::optional<Attempts> read_record(std::string_view text);

}  // namespace pmos::volume
