// launch child: HOME where a bundle says none, as other runtimes have it: by the container's own
// /etc/passwd (passwd(5)), else "/". Runs after clone3: no heap, no locks.
#include <errno.h>

#include <cstring>

#include "runtime/launch/child/child.h"
#include "runtime/sys/file.h"

namespace pmos::launch {
namespace {

constexpr std::size_t kMostRead = 1U << 20;
constexpr int kUid = 2, kHome = 5;  // fields, from 0

// One line after the other, a byte at a time.
class Finder {
  public:
    Finder(std::uint32_t uid, char* out, std::size_t room) noexcept
        : uid_(uid), out_(out), room_(room) {}

    // True: it is found, and stands in `out`.
    bool take(char c) noexcept {
        if (c == '\n') {
            if (field_ >= kHome && digits_ > 0 && number_ == uid_ && size_ > 0 && size_ < room_) {
                out_[size_] = 0;
                return true;
            }
            field_ = digits_ = 0;
            number_ = size_ = 0;
        } else if (c == ':') {
            ++field_;
        } else if (field_ == kUid) {
            const bool sound = c >= '0' && c <= '9' && digits_ >= 0 && digits_ < kMostDigits;
            digits_ = sound ? digits_ + 1 : -1;
            if (sound) number_ = number_ * 10 + static_cast<std::uint64_t>(c - '0');
        } else if (field_ == kHome && size_ < room_) {
            out_[size_++] = c;
        }
        return false;
    }

  private:
    static constexpr int kMostDigits = 10;
    std::uint32_t uid_;
    char* out_;
    std::size_t room_, size_ = 0;
    int field_ = 0, digits_ = 0;  // digits_: of the number; -1: it is none
    std::uint64_t number_ = 0;
};

bool find_home(std::uint32_t uid, char* out, std::size_t room) noexcept {
    const int fd =
        sys::sys_openat2(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0,
                         RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (fd < 0) return false;
    struct stat file {};
    Finder finder(uid, out, room);
    bool found = false;
    if (sys::sys_fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        char buffer[4096];
        long size = 0;
        for (std::size_t read = 0; !found && read < kMostRead;
             read += static_cast<std::size_t>(size)) {
            size = sys::sys_read(fd, buffer, sizeof buffer);
            if (size <= 0) break;
            for (long i = 0; i < size && !found; ++i) found = finder.take(buffer[i]);
        }
        // The last line may have no end.
        if (!found && size == 0) found = finder.take('\n');
    }
    sys::sys_close(fd);
    return found;
}

}  // namespace

int set_home(Child& child) noexcept {
    if ((child.header().container & image::container_finds_home) == 0) return 0;
    constexpr char kName[] = "HOME=";
    constexpr std::size_t kSize = sizeof kName - 1;
    std::memcpy(child.home, kName, sizeof kName);
    char* const value = child.home + kSize;
    // A name of its own is no place.
    if (!find_home(child.header().uid, value, sizeof child.home - kSize) || *value != '/')
        std::memcpy(value, "/", 2);
    const char** end = child.launch.envp;
    while (*end != nullptr) ++end;
    *end++ = child.home;
    *end = nullptr;
    return 0;
}

}  // namespace pmos::launch
