// launch: a root image behind dm-verity: every block that is read of it is the one that the root
// hash was made of, or an I/O error. Knows no mode and keeps nothing.
#include "runtime/launch/verified_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <vector>

#include "base/verity.h"
#include "policy/hash.h"
#include "runtime/sys/device_mapper.h"
#include "runtime/sys/loop.h"

namespace pmos::launch {
namespace {

constexpr std::string_view kPrefix = "pmos-", kSuffix = ".root";

// What the kernel would find out at its first read, and could only call an I/O error.
Result<> check_top(const ImageFiles& files, const verity::Image& found,
                   const policy::RootImage& root) {
    PMOS_ASSIGN(const auto top, verity::read_top(files.image.borrow(), files.tree.borrow(), found));
    auto bytes = found.superblock.salt;
    bytes.insert(bytes.end(), top.begin(), top.end());
    const auto hash = policy::sha256_hex(bytes);
    if (hash == root.root_hash) return {};
    return fail(Code::failed, fmt::format("the image '{}' is not the one that is meant", root.path),
                fmt::format("its root hash is {}, and not {}", hash, root.root_hash),
                "install the image that the profile was written for, or sign a profile for this");
}

struct Loop {
    UniqueFd fd;
    std::string number;  // "7:0", as a table names it
};

Result<Loop> attach(BorrowedFd file, const std::string& path) {
    sys::LoopPath device;
    Loop loop;
    loop.fd.reset(sys::sys_attach_loop({file.get(), path, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
                                        static_cast<std::uint32_t>(verity::kBlock)},
                                       device));
    struct stat st {};
    const int err = loop.fd ? sys::sys_fstat(loop.fd.get(), &st) : loop.fd.get();
    if (err < 0)
        return fail(errno_error(-err, fmt::format("cannot attach '{}' to a loop device", path),
                                "is the kernel module 'loop' there, and a device free?"));
    loop.number = fmt::format("{}:{}", gnu_dev_major(st.st_rdev), gnu_dev_minor(st.st_rdev));
    return loop;
}

// Documentation/admin-guide/device-mapper/verity.rst.
std::string table(const verity::Image& found, const std::string& data, const std::string& tree,
                  const std::string& root_hash) {
    const auto& superblock = found.superblock;
    return fmt::format("1 {} {} {} {} {} {} sha256 {} {}", data, tree, verity::kBlock,
                       verity::kBlock, superblock.data_blocks,
                       found.tree_offset / verity::kBlock + 1, root_hash,
                       superblock.salt.empty() ? "-" : verity::to_hex(superblock.salt));
}

struct Made {
    std::string name;
    std::uint64_t number = 0;
};

// A device of that name may live on: in a mode that still runs, or in one whose end is under way.
Result<Made> make_device(BorrowedFd control, const std::string& name, const verity::Image& found) {
    constexpr int kMost = 16;
    Made made;
    int err = -EBUSY;
    for (int i = 1; i <= kMost && err == -EBUSY; ++i) {
        made.name = i == 1 ? name : fmt::format("{}.{}", name, i);
        const auto uuid =
            fmt::format("CRYPT-VERITY-{}-{}", verity::to_hex(found.superblock.uuid), made.name);
        err = sys::sys_dm_create(control.get(), made.name, uuid, made.number);
    }
    if (err < 0) return fail(errno_error(-err, fmt::format("cannot make the device '{}'", name)));
    return made;
}

Result<ImageDevice> start(BorrowedFd control, const Made& made, const sys::DmTarget& target) {
    const auto refused = [&](int err, std::string_view what) {
        return fail(errno_error(-err, fmt::format("cannot {} the device '{}'", what, made.name),
                                "is the kernel module 'dm-verity' there?"));
    };
    if (const int err = sys::sys_dm_load(control.get(), made.name, target, DM_READONLY_FLAG);
        err < 0)
        return refused(err, "set up");
    if (const int err = sys::sys_dm_resume(control.get(), made.name); err < 0)
        return refused(err, "start");
    ImageDevice device;
    device.path = fmt::format("/dev/dm-{}", gnu_dev_minor(made.number));
    device.fd.reset(sys::sys_openat(AT_FDCWD, device.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!device.fd) return refused(device.fd.get(), "open");
    return device;
}

}  // namespace

Result<ImageDevice> map_verified(const ImageFiles& files, const policy::RootImage& root,
                                 const std::string& name) {
    PMOS_ASSIGN(const auto found, verity::find(files.image.borrow(), files.tree.borrow()));
    PMOS_TRY(check_top(files, found, root));
    PMOS_ASSIGN(const Loop data, attach(files.image.borrow(), root.path));
    Loop apart;
    if (files.tree) {
        PMOS_ASSIGN(apart, attach(files.tree.borrow(), root.tree));
    }
    const UniqueFd control(sys::sys_open_device_mapper());
    if (!control)
        return fail(errno_error(-control.get(), "cannot ask device-mapper",
                                "is the kernel module 'dm-mod' there?"));
    const auto parameters =
        table(found, data.number, files.tree ? apart.number : data.number, root.root_hash);
    PMOS_ASSIGN(const Made made, make_device(control.borrow(), name, found));
    auto device =
        start(control.borrow(), made,
              {"verity", found.superblock.data_blocks * (verity::kBlock / 512), parameters});
    // Also when it could not be started: then nobody uses it, and it goes now.
    const int err = sys::sys_dm_remove_deferred(control.get(), made.name);
    if (err < 0) {
        Error undo = errno_error(-err, fmt::format("cannot let go of the device '{}'", made.name));
        if (device) return fail(std::move(undo));
        device.error().undo_failures.push_back(std::move(undo));
    }
    return device;
}

std::string verified_device_name(std::string_view mode) {
    return fmt::format("{}{}{}", kPrefix, mode, kSuffix);
}

std::string_view mode_of_device(std::string_view device_name) {
    const auto end = device_name.find(kSuffix);
    if (!device_name.starts_with(kPrefix) || end == std::string_view::npos) return {};
    const auto rest = device_name.substr(end + kSuffix.size());
    if (!rest.empty() && rest[0] != '.') return {};
    return device_name.substr(kPrefix.size(), end - kPrefix.size());
}

void remove_unused_devices() {
    const UniqueFd control(sys::sys_open_device_mapper());
    if (!control) return;
    std::vector<std::string> names;
    std::vector<std::byte> buffer(1U << 16U);
    static_cast<void>(sys::sys_dm_list(control.get(), buffer, [&](std::string_view name) {
        if (!mode_of_device(name).empty()) names.emplace_back(name);
    }));
    for (const auto& name : names)
        static_cast<void>(sys::sys_dm_remove_deferred(control.get(), name));
}

}  // namespace pmos::launch
