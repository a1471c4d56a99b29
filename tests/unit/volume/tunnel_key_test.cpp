// tests: the key of a mode's tunnel: by the vectors of RFC 7748, and in a directory like the
// private part.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/volume/tunnel_key_file.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

// RFC 7748, 6.1: Alice's, in base64.
constexpr std::string_view kPrivate = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
constexpr std::string_view kPublic = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

SecretBuffer line_of(std::string_view text) {
    auto line = SecretBuffer::make(256);
    REQUIRE(line);
    const auto bytes = std::as_bytes(std::span(text));
    std::ranges::copy(bytes, line->storage().begin());
    line->set_size(bytes.size());
    return std::move(*line);
}

struct Part {
    Part() {
        REQUIRE(::mkdtemp(path.data()) != nullptr);
        fd.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(fd);
    }
    ~Part() { std::filesystem::remove_all(path); }
    std::vector<std::string> names() const {
        std::vector<std::string> out;
        for (const auto& entry : std::filesystem::directory_iterator(path))
            out.push_back(entry.path().filename());
        return out;
    }
    std::string path = "/tmp/pmos-tunnel-key-XXXXXX";
    UniqueFd fd;
};

bool same(const SecretBuffer& a, const SecretBuffer& b) {
    return std::ranges::equal(a.bytes(), b.bytes());
}

}  // namespace

TEST_CASE("a key has the public one that X25519 says", "[tunnel]") {
    const auto key = parse_tunnel_key(line_of(kPrivate));
    REQUIRE(key);
    const auto own = public_key_of(*key);
    REQUIRE(own);
    CHECK(*own == kPublic);
}

TEST_CASE("what is no key is none", "[tunnel]") {
    const std::string key(kPrivate);
    for (const auto& text :
         {std::string(), key.substr(0, 43), key + "=", key.substr(0, 40), "!" + key.substr(1),
          key.substr(0, 20) + "\n" + key.substr(20), key + key, std::string(44, '='),
          std::string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g")}) {  // 33 bytes
        CAPTURE(text);
        const auto parsed = parse_tunnel_key(line_of(text));
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().code == Code::usage);
        CHECK(parsed.error().message().find("dwdt") == std::string::npos);
    }
}

TEST_CASE("a new key is clamped, and another one each time", "[tunnel]") {
    const auto one = make_tunnel_key(), other = make_tunnel_key();
    REQUIRE((one && other));
    for (const auto* key : {&*one, &*other}) {
        const auto bytes = key->bytes();
        REQUIRE(bytes.size() == 32);
        CHECK((bytes[0] & std::byte{7}) == std::byte{0});
        CHECK((bytes[31] & std::byte{0xC0}) == std::byte{0x40});
    }
    CHECK_FALSE(same(*one, *other));
}

TEST_CASE("a key is kept for its owner alone, and replaced only when that is meant", "[tunnel]") {
    const Part part;
    const auto one = make_tunnel_key(), other = make_tunnel_key();
    REQUIRE((one && other));
    const auto none = load_tunnel_key(part.fd.borrow());
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::not_found);
    REQUIRE(store_tunnel_key(part.fd.borrow(), *one, false));
    struct stat st {};
    REQUIRE(::fstatat(part.fd.get(), "tunnel-key", &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK((st.st_mode & 07777) == 0600);
    const auto refused = store_tunnel_key(part.fd.borrow(), *other, false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::already_exists);
    auto kept = load_tunnel_key(part.fd.borrow());
    REQUIRE(kept);
    CHECK(same(*kept, *one));
    REQUIRE(store_tunnel_key(part.fd.borrow(), *other, true));
    kept = load_tunnel_key(part.fd.borrow());
    REQUIRE(kept);
    CHECK(same(*kept, *other));
    CHECK(part.names() == std::vector<std::string>{"tunnel-key"});
}

TEST_CASE("what a killed worker left is in nobody's way, and a cut file is no key", "[tunnel]") {
    const Part part;
    std::ofstream(part.path + "/tunnel-key.new") << "half";
    const auto key = make_tunnel_key();
    REQUIRE(key);
    REQUIRE(store_tunnel_key(part.fd.borrow(), *key, false));
    CHECK(part.names() == std::vector<std::string>{"tunnel-key"});
    for (const off_t size : {31, 33}) {
        REQUIRE(::truncate((part.path + "/tunnel-key").c_str(), size) == 0);
        const auto cut = load_tunnel_key(part.fd.borrow());
        REQUIRE_FALSE(cut);
        CHECK(cut.error().code == Code::failed);
    }
}

TEST_CASE("a peer's preshared key is a file of its own, and as it was given", "[tunnel]") {
    const Part part;
    // Nothing of it is clamped: every bit is the other end's too.
    const auto key = parse_preshared_key(line_of("//////////////////////////////////////////8="));
    REQUIRE(key);
    CHECK(std::ranges::all_of(key->bytes(), [](auto byte) { return byte == std::byte{0xff}; }));
    const auto refused = parse_preshared_key(line_of(std::string(kPrivate.substr(1))));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().fix.find("wg genpsk") != std::string::npos);
    const auto none_of_it = parse_preshared_key(line_of(std::string(43, 'A') + "="));
    REQUIRE_FALSE(none_of_it);
    CHECK(none_of_it.error().why == "zeros are WireGuard's word for none");
    const auto one = preshared_key_file({1}), other = preshared_key_file({2});
    REQUIRE(store_tunnel_key(part.fd.borrow(), *key, false, one));
    CHECK(part.names() == std::vector<std::string>{one.name});
    CHECK(one.name.starts_with("preshared-key-0100"));
    const auto loaded = load_tunnel_key(part.fd.borrow(), one);
    REQUIRE(loaded);
    CHECK(same(*loaded, *key));
    const auto none = load_tunnel_key(part.fd.borrow(), other);
    REQUIRE_FALSE(none);
    CHECK(none.error().what.find("preshared key of the peer AgAAAA") != std::string::npos);
    CHECK(load_tunnel_key(part.fd.borrow()).error().code == Code::not_found);
    CHECK(store_tunnel_key(part.fd.borrow(), *key, false, one).error().code ==
          Code::already_exists);
}
