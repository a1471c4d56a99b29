// daemon: hears from the kernel that a block of a verified image is not the one that was meant.
// Reads no image, and stops nothing: who read the block got an I/O error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "base/fd.h"
#include "runtime/daemon/loop.h"

namespace pmos::daemon {

struct CorruptBlock {
    std::string device;    // "dm-0"
    std::string sequence;  // of the device among all that there were since boot
    bool in_tree = false;  // of the hashes, and not of the image
    std::uint64_t block = 0;
    auto operator<=>(const CorruptBlock&) const = default;
};
// Of a message of the kernel's (kobject_uevent); empty when it is about something else.
std::optional<CorruptBlock> corrupt_block_in(std::string_view uevent);

class ImageWatch {
  public:
    // corrupt hears of each block once, with its mode, until the mode's root is mounted anew.
    using Heard = std::function<void(const std::string& mode, const CorruptBlock& block)>;
    static Result<std::unique_ptr<ImageWatch>> make(EventLoop& loop, Heard corrupt);
    ImageWatch(const ImageWatch&) = delete;
    ImageWatch& operator=(const ImageWatch&) = delete;

  private:
    explicit ImageWatch(Heard corrupt) : corrupt_(std::move(corrupt)) {}
    void read();
    void tell(const CorruptBlock& block);

    Heard corrupt_;
    UniqueFd socket_;
    EventSource readable_;
    std::set<CorruptBlock> told_;
};

}  // namespace pmos::daemon
