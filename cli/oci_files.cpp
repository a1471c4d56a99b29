// cli: what an OCI image layout holds, by the digests that name it. Parses no JSON itself, and
// believes nothing that a layout says.
#include "cli/oci_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file_hash.h"
#include "base/regular_file.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

namespace oci = policy::oci;

Result<std::string> read_below(const std::string& layout, const std::string& name,
                               std::size_t limit) {
    auto bytes = read_regular_file_below(layout, name, limit);
    if (!bytes && bytes.error().code == Code::not_found)
        bytes.error().what =
            fmt::format("'{}' is not a whole OCI layout: {}", layout, bytes.error().what);
    return bytes;
}

}  // namespace

bool is_directory(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(path, ignored);
}

TaggedPath split_tag(const std::string& text) {
    const auto colon = text.rfind(':');
    if (is_directory(text) || colon == text.npos || text.find('/', colon) != text.npos)
        return {text, ""};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string index_of(const std::string& layout) { return layout + "/" + oci::kIndex; }

Result<std::string> read_index_text(const std::string& layout) {
    PMOS_ASSIGN(const auto marker, read_below(layout, oci::kMarker, policy::kMaxFileSize));
    PMOS_TRY(oci::check_marker(layout + "/" + oci::kMarker, marker));
    return read_below(layout, oci::kIndex, policy::kMaxFileSize);
}

Result<std::vector<oci::Descriptor>> read_layout(const std::string& layout) {
    PMOS_ASSIGN(const auto index, read_index_text(layout));
    return oci::read_index(index_of(layout), index);
}

Result<std::string> read_blob(const std::string& layout, const oci::Descriptor& descriptor,
                              std::size_t limit) {
    PMOS_ASSIGN(const auto name, oci::blob_path(descriptor));
    if (descriptor.size > limit)
        return fail(Code::usage, fmt::format("'{}/{}' is not read", layout, name),
                    fmt::format("{} bytes are more than it may have", descriptor.size));
    PMOS_ASSIGN(auto bytes, read_below(layout, name, limit));
    PMOS_TRY(oci::check_blob(layout + "/" + name, descriptor, bytes));
    return bytes;
}

Result<UniqueFd> open_blob(const std::string& layout, const oci::Descriptor& descriptor) {
    PMOS_ASSIGN(const auto name, oci::blob_path(descriptor));
    const std::string path = layout + "/" + name;
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", path)));
    PMOS_ASSIGN(const auto hash, hash_file(fd.borrow(), path));
    if (hash.size != descriptor.size || !descriptor.digest.ends_with(hash.sha256))
        return fail(Code::failed, fmt::format("'{}' is not what the layout names", path),
                    hash.size != descriptor.size
                        ? fmt::format("it has {} bytes, not {}", hash.size, descriptor.size)
                        : "its digest is another one");
    if (::lseek(fd.get(), 0, SEEK_SET) != 0)
        return fail(errno_error(errno, fmt::format("cannot read '{}'", path)));
    return fd;
}

}  // namespace pmos::cli
