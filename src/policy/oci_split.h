// policy: the filter of an OCI file apart from the rest of it, without reading either. It is nine
// tenths of the file, and the same in most.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pmos::policy::oci {

struct SplitConfig {
    std::string_view filter;  // the value of linux/seccomp, an object
    std::string rest;         // the file with null in its place
};

// Empty where there is none, or any doubt which bytes it is: comments, a member twice. Nothing of
// it has been checked: the rest is read as JSON like any other, and of the filter these bytes are
// good where they were read before.
std::optional<SplitConfig> split_config(std::string_view bytes);

}  // namespace pmos::policy::oci
