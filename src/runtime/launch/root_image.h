// launch: a mode's root image, mounted once and cloned for every start. Never writes to the image.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"
#include "runtime/launch/verified_image.h"

namespace pmos::launch {

// The image behind a read-only loop device, or behind dm-verity on one, that goes by itself with
// its last user, mounted under a directory of the caller's private mount namespace: a detached
// mount itself cannot be cloned before Linux 6.15.
class RootImage {
  public:
    // attach_dir is made, and goes again with the mount; it must lie in a mount namespace of the
    // caller's own.
    static Result<RootImage> open(const std::string& path, const std::string& filesystem,
                                  const std::string& attach_dir);
    // In two steps, for who wants to look at the files before the kernel reads them. device_name is
    // what device-mapper calls a verified one.
    static Result<ImageFiles> open_files(const policy::RootImage& root);
    static Result<RootImage> open(ImageFiles files, const policy::RootImage& root,
                                  const std::string& attach_dir, const std::string& device_name);
    RootImage(RootImage&& other) noexcept;
    RootImage& operator=(RootImage&& other) noexcept;
    ~RootImage();

    // A fresh detached mount of the root, for one launch (slot_root_tree).
    Result<UniqueFd> clone_tree() const;
    BorrowedFd tree() const noexcept { return root_.borrow(); }
    // What is mounted.
    const ImageFiles& files() const noexcept { return files_; }
    // Unmounts; modes that run keep their own clones.
    void close() noexcept;

  private:
    RootImage(std::string attach_dir, UniqueFd root, ImageFiles files)
        : attach_dir_(std::move(attach_dir)), root_(std::move(root)), files_(std::move(files)) {}

    std::string attach_dir_;
    UniqueFd root_;
    ImageFiles files_;
};

}  // namespace pmos::launch
