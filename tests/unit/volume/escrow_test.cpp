// tests: what is sealed to a public key opens by its private one, and by no other.
#include "runtime/volume/escrow.h"

#include <sodium.h>

#include <array>
#include <catch2/catch.hpp>

#include "luks_file.h"
#include "runtime/volume/method.h"
#include "runtime/volume/recovery.h"
#include "secret_text.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

struct KeyPair {
    std::array<unsigned char, crypto_box_PUBLICKEYBYTES> open{};
    std::array<unsigned char, crypto_box_SECRETKEYBYTES> secret{};

    KeyPair() {
        REQUIRE(::sodium_init() >= 0);
        ::crypto_box_keypair(open.data(), secret.data());
    }
    std::string text() const {
        std::string out(sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL), '\0');
        ::sodium_bin2base64(out.data(), out.size(), open.data(), open.size(),
                            sodium_base64_VARIANT_ORIGINAL);
        out.pop_back();
        return out;
    }
    std::string unseal(const std::string& sealed) const {
        std::vector<unsigned char> box(sealed.size());
        std::size_t size = 0;
        REQUIRE(::sodium_base642bin(box.data(), box.size(), sealed.data(), sealed.size(), nullptr,
                                    &size, nullptr, sodium_base64_VARIANT_ORIGINAL) == 0);
        REQUIRE(size >= crypto_box_SEALBYTES);
        std::string plain(size - crypto_box_SEALBYTES, '\0');
        if (::crypto_box_seal_open(reinterpret_cast<unsigned char*>(plain.data()), box.data(), size,
                                   open.data(), secret.data()) != 0)
            return "(does not open)";
        return plain;
    }
};

}  // namespace

TEST_CASE("what is sealed opens by the private key, and by no other") {
    const KeyPair holder, other;
    const auto sealed = seal(secret_of("a secret").bytes(), holder.text());
    REQUIRE(sealed);
    CHECK(holder.unseal(*sealed) == "a secret");
    CHECK(other.unseal(*sealed) == "(does not open)");
    const auto again = seal(secret_of("a secret").bytes(), holder.text());
    REQUIRE(again);
    CHECK(*again != *sealed);
}

TEST_CASE("an escrow's token holds the sealed passphrase of its keyslot, and whose it is") {
    const KeyPair holder;
    LuksFile volume;
    holder.text().copy(volume.request.escrow, sizeof volume.request.escrow - 1);
    const auto made = kEscrow.enroll(volume.request, volume.open(), nullptr);
    REQUIRE(made);
    const auto token = TokenText::parse(made->token);
    REQUIRE(token);
    CHECK(token->type() == "pmos-escrow");
    CHECK(token->keyslots().empty());
    CHECK(token->text("key") == *fingerprint_of(holder.text()));
    CHECK(token->text("key").size() == 64);
    CHECK(token->text("since").size() == 20);
    const std::string secret = holder.unseal(token->text("sealed"));
    CHECK(secret == text_of(made->passphrase));
    CHECK(normal_recovery_key(secret_of(secret)));
}

TEST_CASE("no key, no seal") {
    for (const char* bad : {"", "x", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTm",
                            "====", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=x"}) {
        CHECK_FALSE(fingerprint_of(bad));
        CHECK_FALSE(seal(secret_of("x").bytes(), bad));
    }
    // Whoever knows nothing could open it.
    CHECK_FALSE(seal(secret_of("x").bytes(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}
