// sys: how much memory is to be had now. Raw system calls, noexcept; no heap.
#pragma once

#include <fcntl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <string_view>

namespace pmos::sys {

// MemAvailable of proc(5), in bytes: without swapping, and with what caches would give back.
inline std::uint64_t sys_available_memory() noexcept {
    char buffer[1024];
    const int fd = ::open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : ::read(fd, buffer, sizeof buffer);
    if (fd >= 0) ::close(fd);
    constexpr std::string_view kKey = "MemAvailable:";
    std::string_view text(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
    if (const auto at = text.find(kKey); at != text.npos) {
        text.remove_prefix(at + kKey.size());
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        std::uint64_t kib = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), kib).ec == std::errc())
            return kib << 10U;
    }
    struct sysinfo info {};
    return ::sysinfo(&info) == 0 ? static_cast<std::uint64_t>(info.freeram) * info.mem_unit : 0;
}

}  // namespace pmos::sys
