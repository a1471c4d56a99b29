// tests: a LUKS2 header in a file that costs nothing to open. Needs no device mapper.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/volume/crypt.h"
#include "runtime/volume/request.h"

namespace pmos::volume {

inline std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}

inline const PbkdfCost kCheap{"argon2id", 1 << 20, 0, true};

// It opens by "old secret".
struct LuksFile {
    std::string path;
    Request request;

    explicit LuksFile(std::string pattern = "/tmp/pmos-keyslot-test-XXXXXX")
        : path(std::move(pattern)) {
        const int fd = ::mkstemp(path.data());
        REQUIRE(fd >= 0);
        REQUIRE(::ftruncate(fd, 32 << 20) == 0);
        ::close(fd);
        std::string("secure").copy(request.mode, 63);
        std::string("data").copy(request.name, 63);
        std::string("pmos-secure-data").copy(request.dm_name, 127);
        std::string("aes-xts-plain64").copy(request.cipher, 63);
        std::string("argon2id").copy(request.pbkdf, 15);
        auto crypt = CryptDevice::of_device(path);
        REQUIRE(crypt);
        REQUIRE(crypt->format(request));
        REQUIRE(crypt->add_keyslot(kCheap, bytes("old secret")));
        REQUIRE(crypt->write_token(complete_token(request)));
    }
    ~LuksFile() { std::filesystem::remove(path); }
    LuksFile(const LuksFile&) = delete;
    LuksFile& operator=(const LuksFile&) = delete;

    // As another process would see it.
    CryptDevice open() const {
        auto crypt = CryptDevice::of_device(path);
        REQUIRE(crypt);
        REQUIRE(crypt->load());
        return std::move(*crypt);
    }
    bool opens(std::string_view secret, int keyslot = kAnyKeyslot) const {
        return open().unseal(bytes(secret), keyslot).has_value();
    }
    std::size_t tokens() const { return open().tokens().size(); }
};

}  // namespace pmos::volume
