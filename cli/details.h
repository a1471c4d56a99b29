// cli: names and values that pmosd tells, in its order. Never prints.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/bus_client.h"

namespace pmos::cli {

struct Details {
    std::vector<std::pair<std::string, std::string>> entries;

    // "" when it was not told.
    std::string operator[](std::string_view name) const;
    std::uint64_t number(std::string_view name) const;
};

// a{ss}, and an array of them.
Result<Details> read_details(const Message& message);
Result<std::vector<Details>> read_all_details(const Message& message);

}  // namespace pmos::cli
