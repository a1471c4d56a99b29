// launch: a mode's root image, mounted once and cloned for every start. Never writes to the image.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::launch {

// The image behind a read-only loop device that goes by itself with its last user, mounted under
// a directory of the caller's private mount namespace: a detached mount itself cannot be cloned
// before Linux 6.15.
class RootImage {
  public:
    // attach_dir is made, and goes again with the mount; it must lie in a mount namespace of the
    // caller's own.
    static Result<RootImage> open(const std::string& path, const std::string& filesystem,
                                  const std::string& attach_dir);
    // In two steps, for who wants to look at the file before the kernel reads it.
    static Result<UniqueFd> open_image(const std::string& path);
    static Result<RootImage> open(UniqueFd image, const std::string& path,
                                  const std::string& filesystem, const std::string& attach_dir);
    RootImage(RootImage&& other) noexcept;
    RootImage& operator=(RootImage&& other) noexcept;
    ~RootImage();

    // A fresh detached mount of the root, for one launch (slot_root_tree).
    Result<UniqueFd> clone_tree() const;
    BorrowedFd tree() const noexcept { return root_.borrow(); }
    // The file that is mounted.
    BorrowedFd image() const noexcept { return image_.borrow(); }
    // Unmounts; modes that run keep their own clones.
    void close() noexcept;

  private:
    RootImage(std::string attach_dir, UniqueFd root, UniqueFd image)
        : attach_dir_(std::move(attach_dir)), root_(std::move(root)), image_(std::move(image)) {}

    std::string attach_dir_;
    UniqueFd root_, image_;
};

}  // namespace pmos::launch
