// cli: makes a mode's image: a directory, an archive or the layers of an OCI image becomes an erofs
// that dm-verity can vouch for. Needs no rights of its own; talks to nobody.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pmos::cli {

struct ImageRequest {
    std::string source;  // of build: a directory, a tar or an erofs; of import: DIR[:TAG]
    std::string output;
    std::string hash_image;  // "": the hashes are appended
    std::string unpacker;    // pmos-unpack
    bool all_root = false;
    std::uint64_t limit = 0;  // bytes that one archive may become
};

struct MadeImage {
    std::string root_hash;
    std::uint64_t size = 0;             // of the file, hashes and all
    std::vector<std::string> left_out;  // entries of an archive that no mode could use
};

// The same contents give the same bytes, whenever and wherever they are made (by one mkfs.erofs).
// The output is there whole, or as it was.
Result<MadeImage> build_image(const ImageRequest& request);
Result<MadeImage> import_image(const ImageRequest& request);

}  // namespace pmos::cli
