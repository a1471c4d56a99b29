// volume: what the files that call libcryptsetup share, and no other includes. Never logs.
#pragma once

#include <libcryptsetup.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/volume/crypt.h"

namespace pmos::volume {

struct CryptDevice::Context {
    crypt_device* cd = nullptr;
    std::string said;  // libcryptsetup's last error, the best "why" there is
    std::function<void(std::string_view)> overhear;  // what it says of its steps

    ~Context() { ::crypt_free(cd); }

    static void listen(int level, const char* message, void* self) {
        if (self == nullptr) return;
        const auto& overhear = static_cast<Context*>(self)->overhear;
        if (level == CRYPT_LOG_DEBUG && overhear) overhear(message);
        if (level != CRYPT_LOG_ERROR) return;
        auto& said = static_cast<Context*>(self)->said;
        said = message;
        while (!said.empty() && (said.back() == '\n' || said.back() == '.')) said.pop_back();
        if (said.size() > 1 && said[1] >= 'a' && said[1] <= 'z' && said[0] >= 'A' && said[0] <= 'Z')
            said[0] = static_cast<char>(said[0] - 'A' + 'a');
    }
};

inline const char* chars(std::span<const std::byte> secret) {
    return reinterpret_cast<const char*>(secret.data());
}

// Where libcryptsetup's plug-ins for tokens are; nullptr: nowhere.
const char* plugin_directory();

// Points into cost, which must outlive it.
crypt_pbkdf_type pbkdf_parameters(const PbkdfCost& cost);

// The key derivation's memory is what is missing.
Error no_memory(Error error);

}  // namespace pmos::volume
