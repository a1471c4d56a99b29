// tests: the duress secret as a real LUKS2 header in a file keeps it.
#include "runtime/volume/duress.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "luks_file.h"
#include "runtime/volume/guess.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

const PbkdfCost kOther{"pbkdf2", 0, 0, true};

struct Volume {
    std::string path = "/tmp/pmos-duress-test-XXXXXX";
    Request request;

    explicit Volume(const PbkdfCost& cost = kCheap) {
        const int fd = ::mkstemp(path.data());
        REQUIRE(fd >= 0);
        REQUIRE(::ftruncate(fd, 32 << 20) == 0);
        ::close(fd);
        std::string("aes-xts-plain64").copy(request.cipher, 63);
        std::string("argon2id").copy(request.pbkdf, 15);
        auto crypt = CryptDevice::of_device(path);
        REQUIRE(crypt);
        REQUIRE(crypt->format(request));
        REQUIRE(crypt->add_keyslot(cost, bytes("right")));
    }
    ~Volume() { std::filesystem::remove(path); }

    CryptDevice open() const {
        auto crypt = CryptDevice::of_device(path);
        REQUIRE(crypt);
        REQUIRE(crypt->load());
        return std::move(*crypt);
    }
    std::string token() const {
        const auto tokens = open().tokens();
        return tokens.empty() ? "" : tokens.front().json;
    }
};

}  // namespace

TEST_CASE(
    "the mark is read back, and no other token, nor one that costs too much, is taken for it") {
    DuressMark mark;
    mark.salt.fill('\xfe');
    mark.hash.fill('\x01');
    mark.cost = {"argon2id", 4, 262144, 4};
    const std::string token = mark.token();
    const auto again = DuressMark::parse(token);
    REQUIRE(again);
    CHECK(again->salt == mark.salt);
    CHECK(again->hash == mark.hash);
    CHECK(again->cost.type == "argon2id");
    CHECK(again->cost.memory_kib == 262144);
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string changed = token;
        changed.replace(changed.find(from), from.size(), to);
        return DuressMark::parse(changed).has_value();
    };
    CHECK_FALSE(with("pmos-duress", "pmos-change"));
    CHECK_FALSE(with("262144", "4194305"));
    CHECK_FALSE(with("262144", "26x144"));
    CHECK_FALSE(with("262144", ""));
    CHECK_FALSE(with("argon2id", "pbkdf2"));
    CHECK_FALSE(with("\"4\"", "\"0\""));
    CHECK_FALSE(with("fefe", "fe"));
    CHECK_FALSE(with("fefe", "feXe"));
    CHECK_FALSE(DuressMark::parse(""));
}

TEST_CASE("a header with a duress secret looks like one without, and only the secret tells") {
    const Volume volume;
    auto crypt = volume.open();
    REQUIRE(ensure_duress_mark(crypt));
    const std::string decoy = volume.token();
    REQUIRE(DuressMark::parse(decoy));
    CHECK(check_not_duress(crypt, bytes("panic")));
    REQUIRE(ensure_duress_mark(crypt));
    CHECK(volume.token() == decoy);

    REQUIRE(set_duress(crypt, bytes("panic")));
    CHECK(crypt.tokens().size() == 1);
    CHECK(volume.token().size() == decoy.size());
    CHECK(volume.token() != decoy);
    CHECK(volume.token().find("panic") == std::string::npos);
    const auto refused = check_not_duress(crypt, bytes("panic"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::usage);
    CHECK(check_not_duress(crypt, bytes("panic2")));
    REQUIRE(volume.open().unseal(bytes("right")));

    const std::string set = volume.token();
    REQUIRE(ensure_duress_mark(crypt));
    CHECK(volume.token() == set);
    REQUIRE(set_duress(crypt, {}));
    CHECK(crypt.tokens().size() == 1);
    CHECK(check_not_duress(crypt, bytes("panic")));
}

TEST_CASE("the mark's cost is that of its making as long as it is dear enough") {
    const KeyslotCost cheap{"argon2id", 4, 32, 1}, twice{"argon2id", 8, 32, 1};
    CHECK(is_as_dear(cheap, cheap));
    CHECK(is_as_dear(cheap, twice));
    CHECK_FALSE(is_as_dear(cheap, {"argon2id", 9, 32, 1}));
    const Volume volume;
    auto crypt = volume.open();
    const auto now = guess_cost(crypt);
    REQUIRE(now);
    DuressMark made;
    made.cost = *now;
    made.cost.iterations *= 3;
    REQUIRE(crypt.write_token(made.token()));
    REQUIRE(set_duress(crypt, bytes("panic")));
    CHECK(duress_mark(crypt)->cost.iterations == made.cost.iterations);
    CHECK_FALSE(check_not_duress(crypt, bytes("panic")));
    made.cost.iterations = 1;
    made.cost.memory_kib = 8 * made.cost.lanes;
    REQUIRE(crypt.replace_token(0, made.token()));
    REQUIRE(set_duress(crypt, {}));
    CHECK(duress_mark(crypt)->cost.memory_kib == now->memory_kib);
}

TEST_CASE("a volume whose key derivation is not Argon2 has no duress secret") {
    const Volume volume(kOther);
    auto crypt = volume.open();
    REQUIRE(ensure_duress_mark(crypt));
    CHECK(crypt.tokens().empty());
    const auto refused = set_duress(crypt, bytes("panic"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::unsupported);
}

TEST_CASE("a keyslot of a random passphrase does not make the mark cheap to guess at") {
    const Volume volume(kOther);
    auto crypt = volume.open();
    const auto key = crypt.unseal(bytes("right"));
    REQUIRE(key);
    REQUIRE(crypt.write_token(R"({"type":"systemd-recovery","keyslots":[]})"));
    REQUIRE(crypt.add_keyslot(1, kCheap, key->key.bytes(), bytes("random")));
    REQUIRE(crypt.bind_token(0, 1));
    CHECK_FALSE(guess_cost(crypt));
    CHECK_FALSE(set_duress(crypt, bytes("panic")));
}
