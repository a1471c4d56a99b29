// cli: what an OCI image layout holds, by the digests that name it. Parses no JSON itself, and
// believes nothing that a layout says.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/oci_layout.h"

namespace pmos::cli {

struct TaggedPath {
    std::string directory, tag;
};
// "DIR:TAG" at its last colon; the whole is a directory's name when there is one of that name.
TaggedPath split_tag(const std::string& text);

bool is_directory(const std::string& path);

std::string index_of(const std::string& layout);  // its path
Result<std::string> read_index_text(const std::string& layout);
Result<std::vector<policy::oci::Descriptor>> read_layout(const std::string& layout);

// The bytes that the descriptor names, or an error.
Result<std::string> read_blob(const std::string& layout, const policy::oci::Descriptor& descriptor,
                              std::size_t limit);
// The same as an open file, for what is large; it was read once, and stands at its beginning.
Result<UniqueFd> open_blob(const std::string& layout, const policy::oci::Descriptor& descriptor);

}  // namespace pmos::cli
