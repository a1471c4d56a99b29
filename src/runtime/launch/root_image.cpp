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

Result<UniqueFd> mount_device(const std::string& device, const policy::RootImage& root) {
    const auto refused = [&](int err) {
        return fail(errno_error(
            -err, "cannot mount '" + root.path + "' as " + root.filesystem,
            root.root_hash.empty()
                ? "is it an image made by mkfs." + root.filesystem
                : "see: pmosctl image verify " + root.path + " --root-hash " + root.root_hash));
    };
    const UniqueFd context(sys::sys_fsopen(root.filesystem.c_str(), FSOPEN_CLOEXEC));
    if (!context)
        return fail(Code::unsupported, "this kernel has no file system '" + root.filesystem + "'",
                    "", "load its module, or build it in");
    int err = sys::sys_fsconfig(context.get(), FSCONFIG_SET_STRING, "source", device.c_str(), 0);
    if (err == 0) err = sys::sys_fsconfig(context.get(), FSCONFIG_SET_FLAG, "ro", nullptr, 0);
    if (err == 0) err = sys::sys_fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (err < 0) return refused(err);
    UniqueFd tree(sys::sys_fsmount(context.get(), FSMOUNT_CLOEXEC,
                                   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
    if (!tree) return refused(tree.get());
    return tree;
}

Result<ImageDevice> map_plain(const ImageFiles& files, const std::string& path) {
    sys::LoopPath device;
    UniqueFd loop(sys::sys_attach_loop(
        {files.image.get(), path, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR, kBlockSize}, device));
    if (!loop)
        return fail(errno_error(-loop.get(), "cannot attach '" + path + "' to a loop device",
                                "is the kernel module 'loop' there, and a device free?"));
    return ImageDevice{std::move(loop), device.text};
}

Result<UniqueFd> mount_image(const ImageFiles& files, const policy::RootImage& root,
                             const std::string& attach_dir, const std::string& device_name) {
    // The device's descriptor must outlive the mount call: autoclear follows the last opener.
    PMOS_ASSIGN(const ImageDevice device, root.root_hash.empty()
                                              ? map_plain(files, root.path)
                                              : map_verified(files, root, device_name));
    PMOS_ASSIGN(UniqueFd tree, mount_device(device.path, root));
    const int err =
        sys::sys_move_mount(tree.get(), "", AT_FDCWD, attach_dir.c_str(), MOVE_MOUNT_F_EMPTY_PATH);
    if (err < 0) return fail(errno_error(-err, "cannot mount on '" + attach_dir + "'"));
    return tree;
}

}  // namespace

Result<ImageFiles> RootImage::open_files(const policy::RootImage& root) {
    ImageFiles files;
    files.image.reset(::open(root.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!files.image)
        return fail(errno_error(errno, "cannot open the root image '" + root.path + "'"));
    if (root.tree.empty()) return files;
    files.tree.reset(::open(root.tree.c_str(), O_RDONLY | O_CLOEXEC));
    if (!files.tree)
        return fail(errno_error(errno, "cannot open the root image's hashes '" + root.tree + "'"));
    return files;
}

Result<RootImage> RootImage::open(const std::string& path, const std::string& filesystem,
                                  const std::string& attach_dir) {
    const policy::RootImage root{path, filesystem, "", ""};
    PMOS_ASSIGN(auto files, open_files(root));
    return open(std::move(files), root, attach_dir, "");
}

Result<RootImage> RootImage::open(ImageFiles files, const policy::RootImage& root,
                                  const std::string& attach_dir, const std::string& device_name) {
    if (::mkdir(attach_dir.c_str(), 0700) < 0 && errno != EEXIST)
        return fail(errno_error(errno, "cannot make '" + attach_dir + "'"));
    auto tree = mount_image(files, root, attach_dir, device_name);
    if (!tree) {
        ::rmdir(attach_dir.c_str());
        return fail(std::move(tree.error()));
    }
    return RootImage(attach_dir, std::move(*tree), std::move(files));
}

RootImage::RootImage(RootImage&& other) noexcept
    : attach_dir_(std::move(other.attach_dir_)),
      root_(std::move(other.root_)),
      files_(std::move(other.files_)) {}

RootImage& RootImage::operator=(RootImage&& other) noexcept {
    if (this != &other) {
        close();
        attach_dir_ = std::move(other.attach_dir_);
        root_ = std::move(other.root_);
        files_ = std::move(other.files_);
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
    files_ = {};
    sys::sys_umount2(attach_dir_.c_str(), sys::kUmountDetach);
    ::rmdir(attach_dir_.c_str());
}

}  // namespace pmos::launch
