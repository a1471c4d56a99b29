// policy: `extends`. Merges a profile with the blocks it builds on. Reads files by its caller.
#pragma once

#include <optional>

#include "policy/json_reader.h"
#include "policy/policy_set.h"

namespace pmos::policy {

// The merged tree: objects merge by key, everything else of the later file replaces. Every node
// keeps its own place. Shapes are checked file by file, so the tree may still hold what
// `diagnostics` complain of. Empty when a file could not be read.
std::optional<Node> resolve(const SourceFile& file, const ReadBlock& read_block,
                            std::vector<Diagnostic>& diagnostics);

}  // namespace pmos::policy
