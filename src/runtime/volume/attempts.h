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
    // By a new file in its place: it is the old one or the new one, whatever happens.
    virtual Result<void> replace(std::size_t copy, std::string_view bytes) = 0;
    // On the storage when it returns, too; one that is not there is no error.
    virtual Result<void> remove(std::size_t copy) = 0;
};

// At any moment one of the two copies is whole: the old state or the new one.
class AttemptRecord {
  public:
    // Copies that are not there yet are a mode without a failure; when neither of those that are
    // there can be read, it is Attempts::unreadable().
    explicit AttemptRecord(AttemptDisk& disk);

    const Attempts& attempts() const { return attempts_; }
    // Neither copy can be read.
    bool damaged() const { return damaged_; }
    // Why the count stands in one copy only; "" where it does not. As it was read, or written.
    const std::string& alone() const { return alone_; }
    // Written in one copy it is written, once the other cannot be taken for a newer one.
    Result<void> write(const Attempts& next);

  private:
    Result<void> put(std::size_t copy, std::string_view bytes);
    Result<void> settle_for_one(std::size_t lost, const Error& cause);

    AttemptDisk* disk_;
    Attempts attempts_;
    std::size_t newest_ = 1;
    bool damaged_ = false;
    std::string alone_;
};

class AttemptDirectory : public AttemptDisk {
  public:
    // To write: makes the directory, and is the only one to hold it (Code::busy).
    static Result<AttemptDirectory> lock(const std::string& path);
    // To read only, whoever holds it.
    explicit AttemptDirectory(std::string path) : path_(std::move(path)) {}

    Result<std::string> read(std::size_t copy) override;
    Result<void> write(std::size_t copy, std::string_view bytes) override;
    Result<void> replace(std::size_t copy, std::string_view bytes) override;
    Result<void> remove(std::size_t copy) override;

  private:
    std::string path_;
    UniqueFd fd_;
};

struct Standing {
    std::uint32_t failures = 0;
    bool damaged = false;                      // one copy or both; with both there is no count
    std::optional<std::chrono::seconds> wait;  // as of remaining()
};
// For who shows it; changes nothing.
Standing look_at_attempts(const std::string& path);

Result<BootMoment> boot_moment();

}  // namespace pmos::volume
