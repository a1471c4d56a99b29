// bundle: the few operations on files that the slots are made of, so that a test can cut the power
// between any two of them. Knows no format.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::bundle {

// One directory; names have no slash.
class Disk {
  public:
    virtual ~Disk() = default;
    // Code::not_found: there is no such file.
    virtual Result<std::string> read(const std::string& name, std::size_t limit) = 0;
    // Makes or truncates it, writes it and has it on the storage before it returns. One that fails
    // leaves no file of that name.
    virtual Result<> write(const std::string& name, std::string_view bytes) = 0;
    virtual Result<> rename(const std::string& from, const std::string& to) = 0;
    // Names, as they are now, are on the storage when it returns.
    virtual Result<> sync() = 0;
};

// The new content is there whole, or the old one still is; on the storage when it returns.
Result<> replace(Disk& disk, const std::string& name, std::string_view bytes);

class DirectoryDisk : public Disk {
  public:
    // Makes the directory (0700) where it is not there; one user of it at a time.
    static Result<DirectoryDisk> open(const std::string& path);
    Result<std::string> read(const std::string& name, std::size_t limit) override;
    Result<> write(const std::string& name, std::string_view bytes) override;
    Result<> rename(const std::string& from, const std::string& to) override;
    Result<> sync() override;

  private:
    Result<> fill(const std::string& name, std::string_view bytes);
    DirectoryDisk(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
    std::string path_;
    UniqueFd fd_;
    bool name_lasts_ = false;
};

}  // namespace pmos::bundle
