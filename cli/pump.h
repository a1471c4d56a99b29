// cli: carries bytes between descriptors in a poll(2) loop. Knows nothing of modes or the bus.
#pragma once

#include <poll.h>

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::cli {

// One direction. `to` may be blocking: what is written at once fits into a pipe that poll(2)
// called writable.
class Channel {
  public:
    // at_end is written after the last byte.
    Channel(BorrowedFd from, BorrowedFd to, std::string_view at_end = "")
        : from_(from), to_(to), at_end_(at_end) {}
    // An end that is closed when this direction is done, so that its reader sees the end too.
    void own(UniqueFd fd) { owned_ = std::move(fd); }
    // A reader that left is the end (a command need not read its input) instead of an error.
    void tolerate_lost_reader() { lost_reader_is_end_ = true; }

    bool wants_read() const { return !eof_ && used_ < buffer_.size(); }
    bool wants_write() const { return begin_ < used_; }
    bool drained() const { return eof_ && !wants_write(); }
    std::size_t carried() const { return carried_; }
    const std::optional<Error>& error() const { return error_; }

    BorrowedFd from() const { return from_; }
    BorrowedFd to() const { return to_; }
    void readable();
    void writable();
    void stop_reading() { eof_ = true; }

  private:
    void finish_input();
    void close_when_done();

    BorrowedFd from_, to_;
    std::string_view at_end_;
    UniqueFd owned_;
    bool lost_reader_is_end_ = false, eof_ = false;
    std::vector<char> buffer_ = std::vector<char>(32768);
    std::size_t begin_ = 0, used_ = 0, carried_ = 0;
    std::optional<Error> error_;
};

// poll(2) over channels and descriptors of the caller's. Returns the revents of `extra`, in order;
// readable and writable channels have been served.
Result<std::vector<short>> poll_once(std::vector<Channel>& channels, std::vector<pollfd> extra,
                                     int timeout_ms);

Result<> set_nonblocking(BorrowedFd fd);

}  // namespace pmos::cli
