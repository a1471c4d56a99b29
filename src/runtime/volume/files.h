// volume: files that are whole under their name or not there at all. Never writes content.
#pragma once

#include <string>
#include <vector>

#include "base/directory.h"
#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

// "PATH.tmp-XXXXXX" beside PATH, 0600, locked (flock(2)) as long as its maker lives: a temporary
// file without a lock is what a killed worker left.
class TemporaryFile {
  public:
    static Result<TemporaryFile> make(const std::string& final_path);

    BorrowedFd fd() const { return fd_.borrow(); }
    const std::string& path() const { return path_; }
    // Renames it to its final name, which must not exist, and syncs the directory.
    Result<void> keep();
    // Removes it; a fault of that is attached to cause.
    Error discard(Error cause);
    Result<void> remove();

  private:
    TemporaryFile(UniqueFd fd, std::string path, std::string final_path)
        : fd_(std::move(fd)), path_(std::move(path)), final_path_(std::move(final_path)) {}

    UniqueFd fd_;
    std::string path_, final_path_;
};

// Of this process alone, and gone with it; its path.
Result<UniqueFd> make_memory_file();
std::string path_of(const UniqueFd& memory_file);

// Removes what killed workers left beside final_path. False: one is at work there.
Result<bool> remove_leftovers(const std::string& final_path);
// Whether a worker is at work on a temporary file of final_path.
bool is_being_made(const std::string& final_path);

}  // namespace pmos::volume
