// daemon: hears from the kernel that a block of a verified image is not the one that was meant.
// Reads no image, and stops nothing: who read the block got an I/O error.
#include "runtime/daemon/image_watch.h"

#include <linux/netlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <fstream>

#include "runtime/launch/verified_image.h"

namespace pmos::daemon {
namespace {

constexpr std::uint32_t kFromKernel = 1;  // the group that udev hears, too

// "0,123": what kind of block, and which (drivers/md/dm-verity-target.c).
bool read_block(std::string_view text, CorruptBlock& out) {
    if (text.size() < 3 || (text[0] != '0' && text[0] != '1') || text[1] != ',') return false;
    out.in_tree = text[0] == '1';
    const auto [end, error] =
        std::from_chars(text.data() + 2, text.data() + text.size(), out.block);
    return error == std::errc{} && end == text.data() + text.size();
}

// What device-mapper calls it; "" when it is gone.
std::string name_of(const std::string& device) {
    std::ifstream stream("/sys/block/" + device + "/dm/name");
    std::string name;
    std::getline(stream, name);
    return name;
}

}  // namespace

std::optional<CorruptBlock> corrupt_block_in(std::string_view uevent) {
    CorruptBlock found;
    bool is_one = false;
    while (!uevent.empty()) {
        const auto word = uevent.substr(0, uevent.find('\0'));
        uevent.remove_prefix(std::min(uevent.size(), word.size() + 1));
        const auto equals = word.find('=');
        if (equals == std::string_view::npos) continue;
        const auto key = word.substr(0, equals), value = word.substr(equals + 1);
        if (key == "DM_VERITY_ERR_BLOCK_NR") is_one = read_block(value, found);
        if (key == "DEVNAME") found.device = value;
        if (key == "DISKSEQ") found.sequence = value;
    }
    if (!is_one || !found.device.starts_with("dm-") || found.device.find('/') != std::string::npos)
        return std::nullopt;
    return found;
}

Result<std::unique_ptr<ImageWatch>> ImageWatch::make(EventLoop& loop, Heard corrupt) {
    std::unique_ptr<ImageWatch> watch(new ImageWatch(std::move(corrupt)));
    watch->socket_.reset(
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = kFromKernel;
    if (!watch->socket_ || ::bind(watch->socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                                  sizeof address) != 0)
        return fail(errno_error(errno, "cannot hear of damaged images"));
    watch->readable_ = loop.on_io(watch->socket_.borrow(), EPOLLIN,
                                  [self = watch.get()](std::uint32_t) { self->read(); });
    if (!watch->readable_) return fail(Code::no_space, "cannot hear of damaged images");
    return watch;
}

void ImageWatch::read() {
    char buffer[8192];
    for (;;) {
        sockaddr_nl from{};
        socklen_t size = sizeof from;
        const ssize_t n = ::recvfrom(socket_.get(), buffer, sizeof buffer, 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
        // Some that were too many are lost; the kernel's log has them.
        if (n < 0 && (errno == ENOBUFS || errno == EINTR)) continue;
        if (n <= 0) return;
        if (size != sizeof from || from.nl_pid != 0) continue;  // not the kernel
        if (const auto found = corrupt_block_in({buffer, static_cast<std::size_t>(n)}))
            tell(*found);
    }
}

void ImageWatch::tell(const CorruptBlock& block) {
    constexpr std::size_t kMost = 1024;  // the kernel tells at most 100 of one device
    if (told_.size() >= kMost) told_.clear();
    const auto name = name_of(block.device);
    const auto mode = launch::mode_of_device(name);
    if (!mode.empty() && told_.insert(block).second) corrupt_(std::string(mode), block);
}

}  // namespace pmos::daemon
