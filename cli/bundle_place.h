// cli: where a bundle lies: a file, or a tag of an OCI layout. Parses no JSON itself, talks to
// nobody, and believes nothing that a layout says of a bundle.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "policy/oci_layout.h"

namespace pmos::cli {

// FILE, DIR, DIR:TAG or oci:DIR[:TAG]. A directory that is there is a layout without being told.
struct BundlePlace {
    bool layout = false;
    std::string path;
    std::string tag;  // "": the only one; written, the bundle's version
};
Result<BundlePlace> parse_place(const std::string& text);

// By its tag, also where it is the only one: what is written there then replaces it.
Result<BundlePlace> settle_place(BundlePlace place);

// At most what a bundle may have; from a layout the bytes are those that its digests name.
Result<std::string> read_bundle_at(const BundlePlace& place);
// The same as an open file that only this process can have changed.
Result<UniqueFd> open_bundle_at(const BundlePlace& place);

struct Written {
    std::string place;   // "oci:DIR:TAG", or the file
    std::string digest;  // of the manifest; "" of a file
};
// A file is there whole or as it was; a layout keeps its other tags, and its index changes last.
// Waits for another that writes there.
Result<Written> write_bundle_at(const BundlePlace& place, const std::string& bytes,
                                const policy::oci::Shown& shown);

}  // namespace pmos::cli
