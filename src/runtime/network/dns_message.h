// network: what pmos has to know of a message of the DNS (RFC 1035): what is asked, where answers
// point to, and the few bytes in which one client's answer differs from another's. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/network_plan.h"

namespace pmos::network {

using DnsBytes = std::vector<std::uint8_t>;
using DnsView = std::span<const std::uint8_t>;

enum class DnsCode : std::uint8_t {  // RFC 6895
    no_error = 0,
    format_error = 1,
    server_failure = 2,
    no_name = 3,
    not_implemented = 4,
};

inline constexpr std::size_t kDnsHeader = 12;      // bytes
inline constexpr std::size_t kDnsPlainSize = 512;  // of an answer by UDP to who says nothing else
inline constexpr std::size_t kDnsMostSize = 4096;  // whatever is said
inline constexpr std::size_t kDnsStreamSize = 65535;

struct DnsQuestion {
    std::uint16_t id = 0, type = 0, flags = 0;
    std::string name;                  // lower case, without a dot at the end; of the root ""
    DnsBytes text;                     // the section as it came, upper and lower case as well
    std::size_t room = kDnsPlainSize;  // bytes that a datagram may have
    bool extended = false;             // EDNS, RFC 6891
};

// An ordinary question in class IN; or, where there is somebody to tell, why not.
struct DnsRefused {
    std::optional<DnsCode> code;  // none: it is no question of anybody
};
std::optional<DnsQuestion> read_question(DnsView message, DnsRefused& refused);

// Of an answer: the addresses, and all names by which it goes from one to the next.
struct DnsAnswer {
    std::vector<policy::IpPrefix> addresses;
    std::vector<std::string> aliases;  // lower case; what they point to
    std::uint32_t lifetime = 0;        // seconds, the least of all
};
// nullopt: it cannot be read.
std::optional<DnsAnswer> read_answer(DnsView message);

// What came, as this client's: its number, its question, cut where it has more than `most` bytes.
DnsBytes answer_for(const DnsQuestion& question, DnsView message, std::size_t most);
// Without a record. blocked: says that policy is why (RFC 8914, 15).
DnsBytes no_answer(const DnsQuestion& question, DnsCode code, bool blocked = false);
DnsBytes no_answer(DnsView message, DnsCode code);  // to what is no question

}  // namespace pmos::network
