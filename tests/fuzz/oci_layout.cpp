// fuzz: any bytes as each JSON file of an OCI layout. An index that is accepted takes a manifest
// more, keeps all that it had, and reads as before.
#include "policy/oci_layout.h"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace pmos::policy::oci;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

template <class Value>
bool sound(const pmos::Result<Value>& result) {
    if (!result) require(!result.error().what.empty());
    return result.has_value();
}

bool same(const Descriptor& a, const Descriptor& b) {
    return a.media_type == b.media_type && a.digest == b.digest && a.size == b.size &&
           a.artifact_type == b.artifact_type && a.annotations == b.annotations;
}

void take_index(std::string_view bytes) {
    const auto before = read_index("fuzz", bytes);
    if (!sound(before)) return;
    sound(choose("fuzz", *before, ""));
    for (const auto& manifest : *before)
        if (const auto path = blob_path(manifest); sound(path))
            require(path->starts_with("blobs/sha256/") && path->size() == 13 + 64);
    Descriptor fresh = describe(kManifestType, "{}");
    fresh.annotations = {tagged("fuzz")};
    const auto written = add_to_index("fuzz", bytes, fresh);
    if (!sound(written)) return;
    const auto after = read_index("written", *written);
    require(after.has_value() && same(after->back(), fresh));
    std::size_t next = 0;
    for (const auto& manifest : *before)
        if (manifest.tag() != "fuzz") require(same(after->at(next++), manifest));
    require(next + 1 == after->size());
    const auto again = add_to_index("written", *written, fresh);
    require(again.has_value() && *again == *written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    sound(check_marker("fuzz", bytes));
    take_index(bytes);
    if (const auto bundle = read_manifest("fuzz", bytes); sound(bundle)) {
        require(bundle->media_type == kBundleType);
        sound(blob_path(*bundle));
    }
    return 0;
}
