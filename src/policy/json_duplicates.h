// policy: read_json() for a file of which something is wanted whatever is wrong elsewhere in it.
#pragma once

#include "policy/json_reader.h"

namespace pmos::policy {

// A second member of a name, which is told as an error, leaves a tree: the first one counts.
std::optional<Node> read_json_with_duplicates(std::string_view file, std::string_view bytes,
                                              std::vector<Diagnostic>& diagnostics);

}  // namespace pmos::policy
