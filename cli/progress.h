// cli: how far a long call is, on standard error: a bar on a terminal, a line per step elsewhere.
#pragma once

#include <cstdint>
#include <string>

namespace pmos::cli {

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
};

// "[######........]  42% step", cut to columns.
std::string progress_bar(std::uint32_t permille, const std::string& step, std::size_t columns);

}  // namespace pmos::cli
