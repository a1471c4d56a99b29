// cli: how far a long call is, on standard error: a bar on a terminal, a line per step elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace pmos::cli {

// How long it will still take, from how it went since the step that goes on began: steps differ.
class Pace {
  public:
    using Moment = std::chrono::steady_clock::time_point;
    // Seconds; empty as long as too little was seen.
    std::optional<std::uint64_t> left(std::uint32_t permille, const std::string& step, Moment now);

  private:
    std::string step_;
    std::uint32_t from_ = 0;
    Moment since_;
};

class ProgressView {
  public:
    explicit ProgressView(int fd);
    ~ProgressView() { finish(); }
    ProgressView(const ProgressView&) = delete;
    ProgressView& operator=(const ProgressView&) = delete;

    void update(const std::string& operation, std::uint32_t permille, const std::string& step);
    // Takes the bar away; what is printed next begins on a clean line.
    void finish();

  private:
    int fd_;
    bool terminal_;
    bool shown_ = false;
    std::string last_step_;
    Pace pace_;
};

// "[######........]  42% step", with "3m 07s left" where that is known; cut to columns.
std::string progress_bar(std::uint32_t permille, const std::string& step, std::size_t columns,
                         std::optional<std::uint64_t> left_s = std::nullopt);

}  // namespace pmos::cli
