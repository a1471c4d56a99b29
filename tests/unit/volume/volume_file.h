// tests: a LUKS2 volume in a file, with data, that is re-encrypted as the verb does it, and cut
// short. Needs no device mapper.
#pragma once

#include <gcrypt.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>

#include "killed.h"
#include "luks_file.h"
#include "runtime/volume/key_rotation.h"
#include "runtime/volume/mending.h"
#include "runtime/volume/undo_header.h"

namespace pmos::volume {

inline constexpr std::string_view kSecret = "old secret";
// Two pieces, of which the second is a short one.
inline constexpr std::size_t kHeader = 16 << 20, kData = (8 << 20) + (64 << 10);

inline std::string decrypted(const std::string& data, const SecretBuffer& key, std::size_t sector) {
    gcry_cipher_hd_t cipher = nullptr;
    REQUIRE(gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_XTS, 0) == 0);
    REQUIRE(gcry_cipher_setkey(cipher, key.bytes().data(), key.bytes().size()) == 0);
    std::string plain = data;
    bool good = true;
    for (std::size_t at = 0; at < plain.size(); at += sector) {
        std::array<unsigned char, 16> iv{};  // plain64
        for (std::size_t i = 0; i < 8; ++i)
            iv[i] = static_cast<unsigned char>((std::uint64_t{at} / 512) >> (8 * i));
        good = good && gcry_cipher_setiv(cipher, iv.data(), iv.size()) == 0 &&
               gcry_cipher_decrypt(cipher, plain.data() + at, sector, nullptr, 0) == 0;
    }
    gcry_cipher_close(cipher);
    REQUIRE(good);
    return plain;
}

// Its data is noise, and with any key something else. In memory: it is synced a thousand times.
struct VolumeFile : LuksFile {
    std::string dir = "/dev/shm/pmos-mending-test-XXXXXX";

    VolumeFile() : LuksFile("/dev/shm/pmos-mending-file-XXXXXX") {
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
        (dir + "/headers/secure/data").copy(request.undo, sizeof request.undo - 1);
        std::filesystem::resize_file(path, kHeader + kData);
        std::string noise(kData, '\0');
        std::mt19937_64 random(1);
        for (char& c : noise) c = static_cast<char>(random());
        std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekp(kHeader);
        stream << noise;
    }
    ~VolumeFile() { std::filesystem::remove_all(dir); }

    std::string header() const { return read(0, kHeader); }
    std::string raw() const { return read(kHeader, kData); }
    std::string read(std::size_t at, std::size_t size) const {
        std::ifstream stream(path, std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(at));
        std::string data(size, '\0');
        stream.read(data.data(), static_cast<std::streamsize>(size));
        REQUIRE(stream);
        return data;
    }
    // By the one key that it has.
    std::string plain() const {
        auto crypt = open();
        REQUIRE(crypt.reencryption() == CryptDevice::Reencryption::none);
        std::size_t sector = 512;
        for (const auto& [name, value] : crypt.describe())
            if (name == "sectorSize") sector = std::stoul(value);
        const auto unsealed = crypt.unseal(bytes(kSecret));
        REQUIRE(unsealed);
        return decrypted(raw(), unsealed->key, sector);
    }
    void copy_to(const VolumeFile& other) const {
        std::filesystem::copy_file(path, other.path,
                                   std::filesystem::copy_options::overwrite_existing);
    }
    CryptDevice::Reencryption state() const { return open().reencryption(); }

    // As the verb does it, up to where the data is written anew.
    Result<void> begin(CryptDevice& crypt) const {
        if (std::filesystem::exists(text(request.undo))) PMOS_TRY(put_header_back(request, path));
        PMOS_TRY(crypt.load());
        const bool goes_on = crypt.reencryption() != CryptDevice::Reencryption::none;
        PMOS_TRY(prepare_mending(request, crypt));
        PMOS_TRY(mend_piece(request, crypt, bytes(kSecret)));
        if (crypt.reencryption() == CryptDevice::Reencryption::clean)
            return crypt.take_up_reencryption("", bytes(kSecret));
        PMOS_ASSIGN(const int keyslot, crypt.check_secret(bytes(kSecret)));
        if (goes_on) return {};
        return begin_rotation(crypt, "", keyslot, kCheap, bytes(kSecret));
    }
    Result<void> reencrypt(const CryptDevice::Going& going) const {
        PMOS_ASSIGN(auto crypt, CryptDevice::of_device(path));
        PMOS_TRY(begin(crypt));
        PMOS_TRY(crypt.run_reencryption(going));
        return settle_rotation(crypt);
    }
    End reencrypt_killed_at(int write) const {
        return killed_at(write,
                         [&] { return reencrypt([](auto, auto) { return true; }).has_value(); });
    }
    // Killed when the last piece is written, before libcryptsetup says so.
    void stop_behind_last_piece() const {
        const pid_t pid = ::fork();
        if (pid == 0) {
            (void)reencrypt([](auto done, auto all) {
                if (done >= all) ::_exit(0);
                return true;
            });
            ::_exit(1);
        }
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        REQUIRE(status == 0);
    }
    // Killed within a piece.
    void stop_in_piece() const {
        const VolumeFile whole;
        copy_to(whole);
        for (int n = 20; state() != CryptDevice::Reencryption::crashed; n += 5) {
            whole.copy_to(*this);
            REQUIRE(reencrypt_killed_at(n) == End::killed);
        }
    }
};

}  // namespace pmos::volume
