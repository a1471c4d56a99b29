// volume: the file or block device behind a volume, and what is on it. Only looks, never writes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/loop.h"

namespace pmos::volume {

// The source opened, checked to be what the request says. Code::not_found when it is not there.
Result<UniqueFd> open_source(const Request& request, bool read_only);

// The source as a block device: itself, or a loop device as long as this lives.
class SourceDevice {
  public:
    static Result<SourceDevice> attach(const Request& request, bool read_only);
    const std::string& path() const { return path_; }
    // Where the header is: path(), or the file that the request names.
    const std::string& header() const { return header_.empty() ? path_ : header_; }
    // Code::not_found: the header is apart, and not there.
    Result<CryptDevice> crypt() const;
    BorrowedFd file() const { return file_.borrow(); }

  private:
    UniqueFd file_;
    std::optional<LoopDevice> loop_;
    std::string name_, path_, header_;
};

enum class Content : std::uint8_t { absent, unfinished, complete };
struct Inspected {
    Content content = Content::absent;
    std::string why;   // of unfinished
    std::string uuid;  // of complete
};
// Reads through a read-only device, so that nothing is mended by looking.
Result<Inspected> inspect_source(const Request& request);

// The names of the mappings on top of it, whoever made them.
Result<std::vector<std::string>> mappings_on(const Request& request);

// Whether the active mapping dm_name stands on this very source.
Result<bool> is_mapping_of(const Request& request);
// Code::busy, with who, when the source is in use by anything but the request's own mapping.
Result<void> check_unused(const Request& request);

}  // namespace pmos::volume
