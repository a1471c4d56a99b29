// policy: what the options of an OCI mount mean. mount(8) has the words, mount_setattr(2) the bits.
#include <linux/mount.h>

#include <algorithm>
#include <array>

#include "policy/oci_plan.h"

namespace pmos::policy::oci {
namespace {

// MS_* of mount(2): <sys/mount.h> cannot join <linux/mount.h>.
constexpr std::uint32_t kRec = 1U << 14, kUnbindable = 1U << 17, kPrivate = 1U << 18,
                        kSlave = 1U << 19, kShared = 1U << 20;

struct Attribute {
    std::string_view word, deep_word;  // deep: of all that is mounted below as well
    std::uint64_t bit;
    bool sets;
};
constexpr std::array kAttributes{
    Attribute{"ro", "rro", MOUNT_ATTR_RDONLY, true},
    Attribute{"rw", "rrw", MOUNT_ATTR_RDONLY, false},
    Attribute{"nosuid", "rnosuid", MOUNT_ATTR_NOSUID, true},
    Attribute{"suid", "rsuid", MOUNT_ATTR_NOSUID, false},
    Attribute{"nodev", "rnodev", MOUNT_ATTR_NODEV, true},
    Attribute{"dev", "rdev", MOUNT_ATTR_NODEV, false},
    Attribute{"noexec", "rnoexec", MOUNT_ATTR_NOEXEC, true},
    Attribute{"exec", "rexec", MOUNT_ATTR_NOEXEC, false},
    Attribute{"nodiratime", "rnodiratime", MOUNT_ATTR_NODIRATIME, true},
    Attribute{"diratime", "rdiratime", MOUNT_ATTR_NODIRATIME, false},
    Attribute{"nosymfollow", "rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, true},
    Attribute{"symfollow", "rsymfollow", MOUNT_ATTR_NOSYMFOLLOW, false},
    Attribute{"noatime", "rnoatime", MOUNT_ATTR_NOATIME, true},
    Attribute{"strictatime", "rstrictatime", MOUNT_ATTR_STRICTATIME, true},
};
// These choose one of what MOUNT_ATTR__ATIME has room for: the kernel's own choice.
constexpr std::array<std::string_view, 4> kRelative{"atime", "relatime", "norelatime",
                                                    "nostrictatime"};
struct Propagated {
    std::string_view word;
    std::uint32_t flags;
};
constexpr std::array kPropagations{
    Propagated{"private", kPrivate},       Propagated{"rprivate", kPrivate | kRec},
    Propagated{"shared", kShared},         Propagated{"rshared", kShared | kRec},
    Propagated{"slave", kSlave},           Propagated{"rslave", kSlave | kRec},
    Propagated{"unbindable", kUnbindable}, Propagated{"runbindable", kUnbindable | kRec},
};
// Say nothing that is not so already.
constexpr std::array<std::string_view, 5> kEmpty{"defaults", "async", "nomand", "loud",
                                                 "norelatime"};
// mount(8)'s; the new mount API has them as parameters of the file system.
constexpr std::array<std::string_view, 5> kSuperblock{"sync", "dirsync", "lazytime", "mand",
                                                      "silent"};
constexpr std::array<std::string_view, 2> kRefused{"remount", "iversion"};

void set(std::uint64_t& set_bits, std::uint64_t& cleared, const Attribute& a) {
    (a.sets ? set_bits : cleared) |= a.bit;
    (a.sets ? cleared : set_bits) &= ~a.bit;
}

bool take(MountOptions& out, std::string_view word) {
    if (word == "bind" || word == "rbind") {
        out.bind = true;
        out.recursive = word == "rbind";
        return true;
    }
    if (word == "tmpcopyup") return out.copy_up = true;
    if (word == "idmap" || word == "ridmap") {
        out.maps_deep = word == "ridmap";
        return out.maps = true;
    }
    for (const Attribute& a : kAttributes) {
        if (word == a.word) return set(out.attributes, out.cleared, a), true;
        if (word == a.deep_word) return set(out.deep_attributes, out.deep_cleared, a), true;
    }
    for (const Propagated& p : kPropagations)
        if (word == p.word) return out.propagation = p.flags, true;
    return std::ranges::count(kRelative, word) + std::ranges::count(kEmpty, word) > 0;
}

}  // namespace

MountOptions read_options(const std::vector<std::string>& options) {
    MountOptions out;
    for (const auto& option : options) {
        if (take(out, option)) continue;
        if (std::ranges::count(kRefused, option) != 0) {
            if (out.refused.empty()) out.refused = option;
            continue;
        }
        const auto equals = option.find('=');
        out.data.emplace_back(option.substr(0, equals),
                              equals == std::string::npos ? "" : option.substr(equals + 1));
    }
    return out;
}

std::vector<std::string_view> known_options() {
    std::vector<std::string_view> out{"bind", "rbind", "tmpcopyup", "idmap", "ridmap"};
    for (const auto& a : kAttributes) {
        out.push_back(a.word);
        out.push_back(a.deep_word);
    }
    for (const auto& p : kPropagations) out.push_back(p.word);
    out.insert(out.end(), kRelative.begin(), kRelative.end());
    out.insert(out.end(), kEmpty.begin(), kEmpty.end());
    out.insert(out.end(), kSuperblock.begin(), kSuperblock.end());
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
}

}  // namespace pmos::policy::oci
