// volume: libcryptsetup as values and Results. The only file that knows its types; never logs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "runtime/volume/request.h"

struct crypt_device;

namespace pmos::volume {

struct PbkdfCost {
    std::string type;
    std::uint64_t memory = 0;   // bytes, the most it may take
    std::uint32_t time_ms = 0;  // aimed at by measuring
    bool minimal = false;       // the key is random: no cost, no measuring
};

// What one guess at a keyslot takes.
struct KeyslotCost {
    std::string type;
    std::uint32_t iterations = 0, memory_kib = 0, lanes = 0;
};

enum class Mapping : std::uint8_t { absent, active, suspended };

class CryptDevice {
  public:
    // Once, early: libcryptsetup prints to stderr where it has no context to report to.
    static void keep_quiet();

    static Result<CryptDevice> of_device(const std::string& path);
    // An active mapping, whatever made it.
    static Result<CryptDevice> of_mapping(const std::string& dm_name);

    CryptDevice(CryptDevice&& other) noexcept;
    CryptDevice& operator=(CryptDevice&& other) noexcept;
    ~CryptDevice();

    // LUKS2 only. A damaged copy of the header is mended from the good one by libcryptsetup
    // (only where the device is writable and carries no foreign signature).
    Result<void> load();
    Result<void> format(const Request& request);
    Result<void> add_keyslot(const PbkdfCost& cost, std::span<const std::byte> secret);
    // With the volume key that format() left in this context.
    Result<void> map_fresh(const std::string& dm_name);
    // Code::wrong_secret when no keyslot opens.
    Result<void> map(const std::string& dm_name, std::span<const std::byte> secret);
    Result<void> check_secret(std::span<const std::byte> secret);
    Result<void> write_token(const std::string& json);

    bool has_keyslot() const;
    // Of the keyslot with Argon2 that is the dearest to guess; empty: there is none.
    std::optional<KeyslotCost> dearest_argon2() const;
    bool has_complete_token(const Request& request) const;
    std::string uuid() const;
    std::string device() const;  // below the mapping: "/dev/loop0"

  private:
    struct Context;
    explicit CryptDevice(std::unique_ptr<Context> context);
    Error error(int negative_errno, std::string what, std::string fix = "") const;
    Result<void> activate(const char* dm_name, std::span<const std::byte> secret);

    std::unique_ptr<Context> context_;
};

Mapping mapping_state(const std::string& dm_name);
// Nothing to do is a success. Tries again while udev or a late close holds it.
Result<void> unmap(const std::string& dm_name);

}  // namespace pmos::volume
