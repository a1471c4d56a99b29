// network: which addresses a mode's wire has, by its number. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/network/links.h"
#include "runtime/network/prefix.h"

namespace pmos::network {

// What pmos's links are called on the phone, and the one in a mode.
inline constexpr const char* kLinkPrefix = "pmos-";
inline constexpr const char* kModeLink = "pmos0";

inline constexpr unsigned kParts = 1U << 15U;  // of four addresses each in 198.18.0.0/15

// Both ends of a wire, of either family; each address with the length of the part.
struct Part {
    unsigned number = 0;
    IpPrefix phone4, mode4, phone6, mode6;
    std::string link() const;  // on the phone
};
Part part_of(unsigned number);
// Of a link's name; nullopt: it is none of ours.
std::optional<unsigned> part_number(std::string_view link);

// The first, from number `from` on and around, whose number is not taken and that nothing on the
// phone meets; nullopt: none. What is as wide as a route to everywhere meets nothing.
std::optional<Part> free_part(std::span<const unsigned> taken, std::span<const IpPrefix> used,
                              unsigned from);

// Every wire is a world of its own, with two in it.
inline constexpr Mac kPhoneMac{0x02, 0x70, 0x6d, 0x6f, 0x73, 0x01};
inline constexpr Mac kModeMac{0x02, 0x70, 0x6d, 0x6f, 0x73, 0x02};

}  // namespace pmos::network
