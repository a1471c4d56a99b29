// sys: numbers as text in a fixed buffer, for what goes into /proc and out of a mode. No heap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pmos::sys {

// A line under construction in a fixed buffer; what does not fit is dropped and full() says so.
template <std::size_t kSize>
class TextBuffer {
  public:
    void add(char c) noexcept {
        if (size_ + 1 < kSize) {
            data_[size_++] = c;
            data_[size_] = 0;
        } else {
            full_ = true;
        }
    }
    void add(const char* text) noexcept {
        while (*text != 0) add(*text++);
    }
    void add(std::int64_t number) noexcept {
        char digits[20];
        std::size_t count = 0;
        auto rest = static_cast<std::uint64_t>(number);
        if (number < 0) {
            add('-');
            rest = 0 - rest;
        }
        do {
            digits[count++] = static_cast<char>('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        while (count > 0) add(digits[--count]);
    }
    const char* text() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool full() const noexcept { return full_; }

  private:
    char data_[kSize]{};
    std::size_t size_ = 0;
    bool full_ = false;
};

}  // namespace pmos::sys
