// policy: the JSON of an OCI image layout that carries bundles (image-spec 1.1). Bytes in, values
// out: reads no file. Nothing here is believed: a layout only says which blob to look at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pmos::policy::oci {

inline constexpr std::string_view kBundleType = "application/vnd.pmos.policy.bundle.v1";
inline constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";

inline constexpr const char* kMarker = "oci-layout";
inline constexpr const char* kIndex = "index.json";
// What a bundle has instead of an image's configuration.
inline constexpr std::string_view kNoConfig = "{}";

struct Descriptor {
    std::string media_type, digest, artifact_type;
    std::uint64_t size = 0;
    std::vector<std::pair<std::string, std::string>> annotations;

    std::string_view tag() const;  // "": none
};

std::pair<std::string, std::string> tagged(std::string tag);

// Of some contents: digest and size.
Descriptor describe(std::string_view media_type, std::string_view bytes);
// Where its contents lie in the layout. Only SHA-256, as 64 hex digits: no other path comes out.
Result<std::string> blob_path(const Descriptor& descriptor);
// The contents are those that it names.
Result<> check_blob(std::string_view file, const Descriptor& descriptor, std::string_view bytes);
bool is_tag(std::string_view text);

std::string write_marker();
Result<> check_marker(std::string_view file, std::string_view bytes);

// An index with one manifest more, in place of those of its tag. What else `bytes` says stays as it
// is, known here or not; empty: there is none yet.
Result<std::string> add_to_index(std::string_view file, std::optional<std::string_view> bytes,
                                 const Descriptor& manifest);
Result<std::vector<Descriptor>> read_index(std::string_view file, std::string_view bytes);
// The one of that tag; "": the only one.
Result<Descriptor> choose(std::string_view file, const std::vector<Descriptor>& manifests,
                          std::string_view tag);

// What people and tools are shown of a bundle. pmos reads it from the bundle itself.
struct Shown {
    std::string name, made_for;
    std::uint64_t version = 0;
};
std::string write_manifest(const Descriptor& bundle, const Shown& shown);
// The layers of an image's manifest, lowest first: tar archives, plain or compressed by gzip or
// zstd.
Result<std::vector<Descriptor>> read_image(std::string_view file, std::string_view bytes);
// The bundle of a manifest: its one layer.
Result<Descriptor> read_manifest(std::string_view file, std::string_view bytes);

}  // namespace pmos::policy::oci
