// launch: a mode's root image, mounted once and cloned for every start. Never writes to the image.
#include "runtime/launch/root_image.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/sys/file.h"
#include "runtime/sys/loop.h"
#include "runtime/sys/mount.h"

namespace pmos::launch {
namespace {

constexpr std::uint32_t kBlockSize = 4096;

Result<UniqueFd> mount_device(const std::string& device, const std::string& filesystem,
                              const std::string& image) {
    const auto refused = [&](int err) {
        return fail(errno_error(-err, "cannot mount '" + image + "' as " + filesystem,
                                "is it an image made by mkfs." + filesystem));
    };
    const UniqueFd context(sys::sys_fsopen(filesystem.c_str(), FSOPEN_CLOEXEC));
    if (!context)
        return fail(Code::unsupported, "this kernel has no file system '" + filesystem + "'", "",
                    "load its module, or build it in");
    int err = sys::sys_fsconfig(context.get(), FSCONFIG_SET_STRING, "source", device.c_str(), 0);
    if (err == 0) err = sys::sys_fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0);
    if (err == 0) err = sys::sys_fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (err < 0) return refused(err);
    UniqueFd tree(sys::sys_fsmount(context.get(), FSMOUNT_CLOEXEC,
                                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
    if (!tree) return refused(tree.get());
    return tree;
}

Result<UniqueFd> mount_image(BorrowedFd image, const std::string& path,
                             const std::string& filesystem, const std::string& attach_dir) {
    // The device's descriptor must outlive the mount call: autoclear follows the last opener.
    sys::LoopPath device;
    const UniqueFd loop(sys::sys_attach_loop(
        {image.get(), path, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR, kBlockSize}, device));
    if (!loop)
        return fail(errno_error(-loop.get(), "cannot attach '" + path + "' to a loop device",
                                "is the kernel module 'loop' there, and a device free?"));
    PMOS_ASSIGN(UniqueFd tree, mount_device(device.text, filesystem, path));
    const int err =
        sys::sys_move_mount(tree.get(), "", AT_FDCWD, attach_dir.c_str(), MOVE_MOUNT_F_EMPTY_PATH);
    if (err < 0) return fail(errno_error(-err, "cannot mount on '" + attach_dir + "'"));
    return tree;
}

}  // namespace

Result<UniqueFd> RootImage::open_image(const std::string& path) {
    UniqueFd image(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!image) return fail(errno_error(errno, "cannot open the root image '" + path + "'"));
    return image;
}

Result<RootImage> RootImage::open(const std::string& path, const std::string& filesystem,
                                  const std::string& attach_dir) {
    PMOS_ASSIGN(auto image, open_image(path));
    return open(std::move(image), path, filesystem, attach_dir);
}

Result<RootImage> RootImage::open(UniqueFd image, const std::string& path,
                                  const std::string& filesystem, const std::string& attach_dir) {
    if (::mkdir(attach_dir.c_str(), 0700) < 0 && errno != EEXIST)
        return fail(errno_error(errno, "cannot make '" + attach_dir + "'"));
    auto tree = mount_image(image.borrow(), path, filesystem, attach_dir);
    if (!tree) {
        ::rmdir(attach_dir.c_str());
        return fail(std::move(tree.error()));
    }
    return RootImage(attach_dir, std::move(*tree), std::move(image));
}

RootImage::RootImage(RootImage&& other) noexcept
    : attach_dir_(std::move(other.attach_dir_)),
      root_(std::move(other.root_)),
      image_(std::move(other.image_)) {}

RootImage& RootImage::operator=(RootImage&& other) noexcept {
    if (this != &other) {
        close();
        attach_dir_ = std::move(other.attach_dir_);
        root_ = std::move(other.root_);
        image_ = std::move(other.image_);
    }
    return *this;
}

RootImage::~RootImage() { close(); }

Result<UniqueFd> RootImage::clone_tree() const {
    UniqueFd tree(
        sys::sys_open_tree(root_.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    if (!tree) return fail(errno_error(-tree.get(), "cannot clone the root mount"));
    return tree;
}

void RootImage::close() noexcept {
    if (!root_) return;
    root_.reset();
    image_.reset();
    sys::sys_umount2(attach_dir_.c_str(), sys::kUmountDetach);
    ::rmdir(attach_dir_.c_str());
}

}  // namespace pmos::launch
