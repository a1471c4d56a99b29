// launch: the one reader of plan images. Checks every offset once, then hands out spans into the
// image; never copies, never allocates, usable after clone3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "policy/plan_image.h"

namespace pmos::launch {

namespace image = policy::image;

// Bounds that fixed arrays in the launcher rely on.
inline constexpr std::uint32_t kMaxIdMaps = 32;
inline constexpr std::uint32_t kMaxMounts = 256;
inline constexpr std::uint32_t kMaxNodes = 256;
inline constexpr std::uint32_t kMaxStrings = 512;  // arguments, and environment entries
inline constexpr std::uint32_t kMaxGroups = 64;
inline constexpr std::uint32_t kMaxRlimits = 16;
inline constexpr std::uint32_t kMaxInstructions = 4096;  // BPF_MAXINSNS
inline constexpr std::uint32_t kMaxLandlockRules = 512;
inline constexpr std::uint32_t kMaxContainerStrings = 1U << 16, kMaxContainerNodes = 1U << 12;
inline constexpr std::uint32_t kMaxHooks = 64;
inline constexpr std::uint32_t kMaxPath = 4096;
inline constexpr std::uint32_t kMaxHostname = 64;

// Why an image is refused; none: it is sound.
enum class PlanFault : std::uint8_t {
    none,
    size,          // too small, too large, or not what the header says
    magic,         // not a plan image
    version,       // of another build
    table,         // outside the image, misaligned or over its bound
    text,          // outside the image, unterminated, or with a NUL inside
    path,          // not absolute (nodes: not relative), or with empty, "." or ".." components
    mode_name,     // empty, or the host name too long
    namespaces,    // unknown bits, or not at least user, mount and pid
    id_map,        // none, empty or wrapping, or one that maps the host's root
    mount,         // unknown kind or attribute, not exactly one root, more than one dev
    node,          // unknown type, permission bits, a symlink without target
    process,       // no argument, an environment entry without "="
    rlimit,        // unknown resource, soft above hard
    capabilities,  // effective not in permitted not in bounding, ambient not in inheritable
    seccomp,       // no filter, an unknown flag, or questions without an answer
    container,     // what a mode has none of, or unknown
    landlock,      // rules without handled rights, or rights that are not handled
};

class PlanView {
  public:
    // The data must be 8-byte aligned (a mapping is) and must outlive every view of it.
    static PlanFault check(std::span<const std::byte> data) noexcept;
    // Only for data that check() found sound.
    explicit PlanView(const std::byte* data) noexcept : data_(data) {}

    const image::Header& header() const noexcept {
        return *reinterpret_cast<const image::Header*>(data_);
    }
    template <class T>
    std::span<const T> table(image::Table<T> table) const noexcept {
        return {reinterpret_cast<const T*>(data_ + table.offset), table.count};
    }
    // NUL-terminated; "" for the empty text.
    const char* text(image::Text text) const noexcept {
        return text.size == 0 ? "" : reinterpret_cast<const char*>(data_ + text.offset);
    }

  private:
    const std::byte* data_;
};

// The id outside that an id inside the mode stands for; false where it is not mapped.
bool map_id(std::span<const image::IdMap> map, std::uint32_t inside,
            std::uint32_t& outside) noexcept;

}  // namespace pmos::launch
