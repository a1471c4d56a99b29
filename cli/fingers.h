// cli: fingerprints, which let a mode go on that was locked by freeze: what the verbs of auth do
// with them. The secrets themselves stay in secret_input.cpp.
#pragma once

#include <string>
#include <vector>

#include "cli/bus_client.h"
#include "cli/secret_input.h"
#include "cli/verbs.h"

namespace pmos::cli {

inline constexpr const char* kFingerprint = "fingerprint";  // as profiles name the method

Result<std::vector<std::string>> list_fingers(BusClient& bus, const std::string& mode);
Result<int> enroll_finger(const Globals& globals, const std::string& mode,
                          const std::string& finger, const SecretOptions& options);
Result<int> remove_fingers(const Globals& globals, const std::string& mode,
                           const SecretOptions& options);
Result<int> test_finger(const Globals& globals, const std::string& mode);

}  // namespace pmos::cli
