// policy: what the sections of the language's table share. Only the table's own files include it.
#pragma once

#include "policy/language.h"
#include "policy/launch_plan.h"

namespace pmos::policy {

inline constexpr std::uint8_t kStr = type_string, kInt = type_integer, kBool = type_boolean,
                              kArr = type_array, kObj = type_object;
inline constexpr std::uint8_t kSize = kStr | kInt, kLimit = kStr | kInt | kObj;

inline constexpr std::string_view kUnlockMethods =
    "pin|passphrase|device-key|tpm2|tpm2+pin|fido2|fingerprint|recovery-key";

// The rows below "devices", for the site policy's.
inline constexpr std::string_view kDeviceClasses =
    "gpu|display|input|audio|camera|modem|gnss|sensors|usb|bluetooth|vibrator|torch";

inline constexpr std::int64_t kMaxId = 4294967294;

// Every file of the language begins with these two.
inline constexpr KeySpec kSchemaRow{
    .path = "$schema", .types = kStr, .doc = "The JSON Schema, for editors."};
inline constexpr KeySpec kVersionRow{.path = "pmos",
                                     .types = kInt,
                                     .doc = "Version of the language: 1.",
                                     .min = 1,
                                     .max = 1,
                                     .required = true,
                                     .example = "1"};

using KeySpecs = std::span<const KeySpec>;
KeySpecs storage_keys();
KeySpecs process_keys();
KeySpecs mount_keys();
KeySpecs seccomp_keys();
KeySpecs denial_keys();
KeySpecs device_keys();
KeySpecs audio_keys();
KeySpecs display_keys();
KeySpecs modem_keys();
KeySpecs network_keys();
KeySpecs resource_keys();
KeySpecs session_keys();
KeySpecs hook_keys();
KeySpecs lsm_keys();

}  // namespace pmos::policy
