// cli: the questions of policy tests, put to the kernel of this phone. Brings modes to the
// foreground and puts back the one that was there; starts, stops and locks none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/bus_client.h"
#include "cli/policy_tests.h"

namespace pmos::cli {

enum class DeviceVerdict : std::uint8_t {
    agrees,
    disagrees,  // the evaluator says one thing and the kernel another
    not_tried,  // it cannot be tried, or not as this phone is; why is in `says`
    not_up,     // it could be, if a mode that is stopped, locked or recorded were running
    left_out,   // the same, of a mode that nobody asked for, which was to be in the foreground
};
inline constexpr std::string_view kDeviceVerdictNames =
    "agrees|disagrees|not-tried|not-up|left-out";

struct DeviceResult {
    DeviceVerdict verdict{};
    std::string says;    // the kernel's answers: "errno 13 execute"
    std::string mode{};  // not_up, left_out: which is not up
};

struct Judged {
    policy::TestCase test;
    std::optional<DeviceResult> device;
};

// Asks about every one that the evaluator could answer. `asked`: the modes that it is about; empty:
// all.
Result<> try_on_device(BusClient& bus, const PolicyTests& tests,
                       const std::vector<std::string>& asked, std::vector<Judged>& results);

// How an answer of pmos-try to an attempt on this question reads; empty: it says nothing of it
// (a file that is not there).
std::optional<policy::Ruling> ruling_of(const policy::Question& question,
                                        const policy::Answer& expected, const std::string& answer);
// One line for pmos-try; empty for questions of another kind (syscalls, devices, flows).
std::string attempt_for(const policy::Question& question);

}  // namespace pmos::cli
