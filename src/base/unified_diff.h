// base: two texts as a unified diff, as patch(1) reads it. Reads no file.
#pragma once

#include <string>
#include <string_view>

namespace pmos {

// "" where the texts are equal; `name` stands behind a/ and b/.
std::string unified_diff(std::string_view name, std::string_view before, std::string_view after);

}  // namespace pmos
