// volume: the record of a mode's wrong secrets on the storage, in two copies. Sees no secret.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/throttle.h"

namespace pmos::volume {

// Where the two copies are: what a test can cut the power of.
class AttemptDisk {
  public:
    virtual ~AttemptDisk() = default;
    // Code::not_found: there is no such copy.
    virtual Result<std::string> read(std::size_t copy) = 0;
    // A copy that is there is written over, and may be torn; one that is not is there whole or not
    // at all. On the storage when it returns.
    virtual Result<void> write(std::size_t copy, std::string_view bytes) = 0;
};

// At any moment one of the two copies is whole: the old state or the new one.
class AttemptRecord {
  public:
    // Copies that are not there yet are a mode without a failure; when neither of those that are
    // there can be read, it is Attempts::unreadable().
    explicit AttemptRecord(AttemptDisk& disk);

    const Attempts& attempts() const { return attempts_; }
    bool damaged() const { return damaged_; }
    Result<void> write(const Attempts& next);

  private:
    AttemptDisk* disk_;
    Attempts attempts_;
    std::size_t newest_ = 1;
    bool damaged_ = false;
};

class AttemptDirectory : public AttemptDisk {
  public:
    // To write: makes the directory, and is the only one to hold it (Code::busy).
    static Result<AttemptDirectory> lock(const std::string& path);
    // To read only, whoever holds it.
    explicit AttemptDirectory(std::string path) : path_(std::move(path)) {}

    Result<std::string> read(std::size_t copy) override;
    Result<void> write(std::size_t copy, std::string_view bytes) override;

  private:
    std::string path_;
    UniqueFd fd_;
};

struct Standing {
    std::uint32_t failures = 0;
    bool damaged = false;                      // the record cannot be read
    std::optional<std::chrono::seconds> wait;  // as of remaining()
};
// For who shows it; changes nothing.
Standing look_at_attempts(const std::string& path);

Result<BootMoment> boot_moment();

}  // namespace pmos::volume
