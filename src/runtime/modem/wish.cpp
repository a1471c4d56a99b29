// modem: the emergency call that somebody waits for, where the next pmos-modem finds it.
#include "runtime/modem/wish.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "base/fd.h"
#include "base/regular_file.h"

namespace pmos::modem {
namespace {

constexpr std::int64_t kGoodFor = 60;  // s
constexpr std::size_t kMost = 128;     // bytes

std::int64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec;
}

}  // namespace

// Whoever dies meanwhile leaves the one before. A full /run is no reason not to dial.
void Wish::keep(const std::string& number) const {
    if (file_.empty()) return;
    const std::string next = file_ + ".new", text = fmt::format("{} {}", now(), number);
    const UniqueFd fd(
        ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()))
        static_cast<void>(::rename(next.c_str(), file_.c_str()));
}

void Wish::drop() const {
    if (!file_.empty()) ::unlink(file_.c_str());
}

std::string Wish::left() const {
    if (file_.empty()) return "";
    const auto text = read_regular_file(file_, kMost);
    if (!text) return "";
    std::int64_t since = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, since);
    if (error != std::errc() || stop == end || *stop != ' ' || now() - since > kGoodFor) return "";
    return {stop + 1, end};
}

}  // namespace pmos::modem
