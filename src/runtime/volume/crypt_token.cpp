// volume: the passphrase behind a token of another's, by the plug-in that he made for
// libcryptsetup. Knows nothing of what is in such a token; never logs.
#include <dlfcn.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "runtime/volume/crypt_context.h"

namespace pmos::volume {
namespace {

// libcryptsetup.h has the names and types of what a plug-in exports.
struct Plugin {
    crypt_token_open_pin_func open_pin = nullptr;
    crypt_token_buffer_free_func buffer_free = nullptr;
};

Result<Plugin> plugin_for(std::string_view type) {
    const char* const directory = plugin_directory();
    const auto path =
        fmt::format("{}/libcryptsetup-token-{}.so", directory != nullptr ? directory : "", type);
    // Stays loaded: it has libraries with it that do not expect to go.
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const auto find = [&](const char* name) {
        return library == nullptr ? nullptr : ::dlvsym(library, name, CRYPT_TOKEN_ABI_VERSION1);
    };
    Plugin plugin;
    plugin.open_pin = reinterpret_cast<crypt_token_open_pin_func>(find(CRYPT_TOKEN_ABI_OPEN_PIN));
    plugin.buffer_free =
        reinterpret_cast<crypt_token_buffer_free_func>(find(CRYPT_TOKEN_ABI_BUFFER_FREE));
    if (plugin.open_pin != nullptr && plugin.buffer_free != nullptr) return plugin;
    const char* const why = ::dlerror();
    return fail(Code::unsupported, fmt::format("a token '{}' cannot be used", type),
                why != nullptr ? why : "", "install the plug-in; Debian's package systemd has it");
}

// As systemd 252 has them, beside libcryptsetup's own.
Error said_by_plugin(int negative_errno, std::string_view type) {
    switch (-negative_errno) {
        // The last one says that the TPM refused, whatever for: also a secret that was wrong.
        case ENOANO:
        case EPERM:
        case ENOTRECOVERABLE:
            return refused_secret();
        case ENOLCK: {
            Error e = errno_error(ENOLCK, "the token was not tried");
            e.code = Code::busy;
            e.why = "the TPM is locked after wrong secrets, not only those of pmos";
            return e;
        }
        case EAGAIN: {
            Error e = errno_error(EAGAIN, "the token was not tried");
            e.code = Code::not_found;
            e.why = "the device that the token needs is not there";
            return e;
        }
        default:
            return errno_error(-negative_errno, fmt::format("a token '{}' does not open", type));
    }
}

}  // namespace

const char* plugin_directory() {
    static const char* const kDirectory = ::crypt_token_external_path();
    return kDirectory;
}

Result<SecretBuffer> CryptDevice::passphrase_behind(int token, std::string_view type,
                                                    std::span<const std::byte> pin,
                                                    void* parameter) const {
    const char* is = nullptr;
    if (::crypt_token_status(context_->cd, token, &is) < CRYPT_TOKEN_INTERNAL || is != type)
        return fail(Code::usage, fmt::format("token {} is no '{}'", token, type));
    PMOS_ASSIGN(const Plugin plugin, plugin_for(type));
    char* found = nullptr;
    std::size_t size = 0;
    const int r = plugin.open_pin(context_->cd, token, pin.empty() ? nullptr : chars(pin),
                                  pin.size(), &found, &size, parameter);
    if (r < 0) return fail(said_by_plugin(r, type));
    const auto wipe = [&](char* buffer) { plugin.buffer_free(buffer, size); };
    const std::unique_ptr<char, decltype(wipe)> owned(found, wipe);
    PMOS_ASSIGN(auto passphrase, SecretBuffer::make(size));
    std::ranges::copy(std::as_bytes(std::span(found, size)), passphrase.storage().begin());
    passphrase.set_size(size);
    return passphrase;
}

}  // namespace pmos::volume
