// cli: where a bundle lies: a file, or a tag of an OCI layout. Parses no JSON itself, talks to
// nobody, and believes nothing that a layout says of a bundle.
#include "cli/bundle_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <span>

#include "cli/bundle_files.h"
#include "cli/oci_files.h"
#include "policy/bundle.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;
namespace oci = policy::oci;

constexpr std::string_view kScheme = "oci:";

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

Result<> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) == 0) return {};
    struct stat st {};
    if (errno == EEXIST && ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
    return fail(errno_error(errno, fmt::format("cannot make the directory '{}'", path)));
}

Result<> write_blob(const std::string& layout, const oci::Descriptor& descriptor,
                    std::string_view bytes) {
    PMOS_ASSIGN(const auto name, oci::blob_path(descriptor));
    return write_file(layout + "/" + name, bytes_of(bytes), 0644, true);
}

BundlePlace in_layout(TaggedPath path) {
    return {true, std::move(path.directory), std::move(path.tag)};
}

// Held while the index is read, changed and written: of two writers neither loses the other's tag.
Result<UniqueFd> lock_layout(const std::string& layout) {
    UniqueFd fd(::open(layout.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int locked = fd ? 0 : -1;
    while (fd && (locked = ::flock(fd.get(), LOCK_EX)) != 0 && errno == EINTR) {
    }
    if (locked != 0) return fail(errno_error(errno, fmt::format("cannot lock '{}'", layout)));
    return fd;
}

// Empty: there is no layout yet.
Result<std::optional<std::string>> read_index_if_any(const std::string& layout) {
    std::error_code error;
    if (!fs::exists(layout, error) || fs::is_empty(layout, error)) return std::nullopt;
    PMOS_ASSIGN(auto index, read_index_text(layout));
    return index;
}

}  // namespace

Result<BundlePlace> parse_place(const std::string& text) {
    BundlePlace place{false, text, ""};
    if (text.starts_with(kScheme)) {
        place = in_layout(split_tag(text.substr(kScheme.size())));
    } else if (auto parts = in_layout(split_tag(text)); is_directory(parts.path)) {
        std::error_code ignored;
        if (!fs::exists(text, ignored) || parts.tag.empty()) place = std::move(parts);
    }
    if (place.path.empty()) return fail(Code::usage, "no place is named", "", "oci:DIR:TAG");
    if (!place.tag.empty() && !oci::is_tag(place.tag))
        return fail(Code::usage, fmt::format("'{}' is no tag", place.tag),
                    "letters, digits, '_', '.' and '-', at most 128");
    return place;
}

Result<BundlePlace> settle_place(BundlePlace place) {
    if (!place.layout || !place.tag.empty()) return place;
    PMOS_ASSIGN(const auto manifests, read_layout(place.path));
    PMOS_ASSIGN(const auto chosen, oci::choose(place.path, manifests, ""));
    place.tag = chosen.tag();
    if (!oci::is_tag(place.tag))
        return fail(Code::usage, fmt::format("the bundle in '{}' cannot be replaced", place.path),
                    "it has no tag to write it under", "-o oci:DIR:TAG");
    return place;
}

Result<std::string> read_bundle_at(const BundlePlace& place) {
    if (!place.layout) return read_bundle_file(place.path);
    PMOS_ASSIGN(const auto manifests, read_layout(place.path));
    PMOS_ASSIGN(const auto chosen, oci::choose(place.path, manifests, place.tag));
    PMOS_ASSIGN(const auto manifest, read_blob(place.path, chosen, policy::kMaxFileSize));
    PMOS_ASSIGN(const auto bundle, oci::read_manifest(chosen.digest, manifest));
    return read_blob(place.path, bundle, policy::kMaxBundle);
}

Result<UniqueFd> open_bundle_at(const BundlePlace& place) {
    if (!place.layout) {
        UniqueFd fd(::open(place.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", place.path)));
        return fd;
    }
    PMOS_ASSIGN(const auto bytes, read_bundle_at(place));
    const std::string what = "cannot hand the bundle on";
    UniqueFd fd(::memfd_create("pmos-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) return fail(errno_error(errno, what));
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t n = ::write(fd.get(), bytes.data() + at, bytes.size() - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(errno_error(n < 0 ? errno : ENOSPC, what));
        at += static_cast<std::size_t>(n);
    }
    constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0 || ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return fail(errno_error(errno, what));
    return fd;
}

Result<Written> write_bundle_at(const BundlePlace& place, const std::string& bytes,
                                const oci::Shown& shown) {
    if (!place.layout) {
        PMOS_TRY(write_file(place.path, bytes_of(bytes), 0644, true));
        return Written{place.path, ""};
    }
    const std::string& layout = place.path;
    const std::string tag = place.tag.empty() ? fmt::format("{}", shown.version) : place.tag;
    PMOS_TRY(make_directory(layout));
    PMOS_ASSIGN(const auto lock, lock_layout(layout));
    const auto bundle = oci::describe(oci::kBundleType, bytes);
    const std::string text = oci::write_manifest(bundle, shown);
    auto manifest = oci::describe(oci::kManifestType, text);
    manifest.artifact_type = oci::kBundleType;
    manifest.annotations = {oci::tagged(tag)};
    PMOS_ASSIGN(const auto there, read_index_if_any(layout));
    PMOS_ASSIGN(const auto index, oci::add_to_index(index_of(layout), there, manifest));
    for (const char* directory : {"/blobs", "/blobs/sha256"})
        PMOS_TRY(make_directory(layout + directory));
    PMOS_TRY(write_blob(layout, bundle, bytes));
    PMOS_TRY(write_blob(layout, oci::describe("", oci::kNoConfig), oci::kNoConfig));
    PMOS_TRY(write_blob(layout, manifest, text));
    if (!there)
        PMOS_TRY(
            write_file(layout + "/" + oci::kMarker, bytes_of(oci::write_marker()), 0644, true));
    PMOS_TRY(write_file(index_of(layout), bytes_of(index), 0644, true));
    return Written{fmt::format("oci:{}:{}", layout, tag), manifest.digest};
}

}  // namespace pmos::cli
