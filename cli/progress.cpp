// cli: how far a long call is, on standard error: a bar on a terminal, a line per step elsewhere.
#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "cli/output.h"
#include "cli/terminal.h"

namespace pmos::cli {
namespace {

constexpr std::size_t kBarWidth = 30;
// Permille: of less, nothing is told for the rest.
constexpr std::uint32_t kEnough = 20;

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n <= 0) return;  // progress is a courtesy: never a reason to fail
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

}  // namespace

std::optional<std::uint64_t> Pace::left(std::uint32_t permille, const std::string& step,
                                        Moment now) {
    if (step != step_) {
        step_ = step;
        from_ = permille;
        since_ = now;
    }
    const auto gone = std::chrono::duration<double>(now - since_).count();
    if (permille < from_ + kEnough || permille >= 1000 || gone < 1) return std::nullopt;
    return static_cast<std::uint64_t>(gone * (1000 - permille) / (permille - from_) + 0.5);
}

std::string progress_bar(std::uint32_t permille, const std::string& step, std::size_t columns,
                         std::optional<std::uint64_t> left_s) {
    const std::uint32_t part = std::min<std::uint32_t>(permille, 1000);
    const std::size_t filled = kBarWidth * part / 1000;
    std::string line = fmt::format("[{:#<{}}{:.<{}}] {:3}% {}", "", filled, "", kBarWidth - filled,
                                   part / 10, printable(step));
    if (left_s) line += fmt::format(", {} left", duration(*left_s));
    if (line.size() >= columns) line.resize(columns > 0 ? columns - 1 : 0);
    return line;
}

ProgressView::ProgressView(int fd) : fd_(fd), terminal_(::isatty(fd) != 0) {}

void ProgressView::update(const std::string& operation, std::uint32_t permille,
                          const std::string& step) {
    if (terminal_) {
        const auto size = window_size(BorrowedFd(fd_));
        const auto left = pace_.left(permille, step, std::chrono::steady_clock::now());
        write_all(fd_, "\r\x1b[K" + progress_bar(permille, step, size.columns, left));
        shown_ = true;
    } else if (step != last_step_) {
        write_all(fd_, fmt::format("{}: {} ({}%)\n", printable(operation), printable(step),
                                   std::min<std::uint32_t>(permille, 1000) / 10));
        last_step_ = step;
    }
}

void ProgressView::finish() {
    if (shown_) write_all(fd_, "\r\x1b[K");
    shown_ = false;
}

}  // namespace pmos::cli
