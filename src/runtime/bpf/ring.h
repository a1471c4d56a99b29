// bpf: a BPF ring buffer (Linux 5.8), read without copying in between. Knows no record's meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::bpf {

class Ring {
  public:
    static Result<Ring> make();
    Ring(Ring&& other) noexcept;
    Ring& operator=(Ring&&) = delete;
    ~Ring();

    // Readable when there is something to take; what a program names the map by.
    BorrowedFd fd() const noexcept { return map_.borrow(); }
    // Each record of `size` bytes that lies there now; others are skipped.
    void take(std::size_t size, const std::function<void(const std::byte*)>& record);

  private:
    explicit Ring(UniqueFd map) : map_(std::move(map)) {}
    Result<> map_pages();

    UniqueFd map_;
    std::byte* consumer_ = nullptr;        // one page, ours to write
    const std::byte* producer_ = nullptr;  // one page, then the data twice in a row
};

}  // namespace pmos::bpf
