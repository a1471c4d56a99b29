// tests: a header that is kept while another one is written over it, with files for devices.
#include "runtime/volume/undo_header.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/volume/crypt.h"
#include "runtime/volume/request.h"

using namespace pmos;
using namespace pmos::volume;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kHeader = 16 << 20;

struct World {
    std::string dir = "/tmp/pmos-undo-test-XXXXXX";
    std::string device;
    Request request;

    World() {
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
        device = make("device");
        (dir + "/headers/secure/data").copy(request.undo, sizeof request.undo - 1);
    }
    ~World() { fs::remove_all(dir); }

    std::string place() const { return std::string(text(request.undo)); }
    std::string make(const std::string& name) const {
        const std::string path = dir + "/" + name;
        std::ofstream(path) << "";
        fs::resize_file(path, 32 << 20);
        Request format;
        std::string("aes-xts-plain64").copy(format.cipher, 63);
        std::string("argon2id").copy(format.pbkdf, 15);
        auto crypt = CryptDevice::of_device(path);
        REQUIRE(crypt);
        REQUIRE(crypt->format(format));
        return path;
    }
    std::string uuid() const {
        auto crypt = CryptDevice::of_device(device);
        return crypt && crypt->load() ? crypt->uuid() : "";
    }
    void spoil() const {
        std::fstream stream(device, std::ios::in | std::ios::out | std::ios::binary);
        stream << std::string(64 << 10, 'x');
    }
};

}  // namespace

TEST_CASE("a header that was half written over is put back, and its copy goes") {
    const World world;
    const std::string uuid = world.uuid();
    REQUIRE_FALSE(uuid.empty());
    REQUIRE(keep_header(world.request, world.device, kHeader));
    CHECK(fs::file_size(world.place()) == kHeader);
    CHECK((fs::status(world.place()).permissions() & fs::perms(0777)) == fs::perms(0600));
    world.spoil();
    REQUIRE(world.uuid().empty());
    REQUIRE(put_header_back(world.request, world.device));
    CHECK(world.uuid() == uuid);
    CHECK_FALSE(fs::exists(world.place()));
}

TEST_CASE("the header of another volume is not put over this one") {
    World world;
    REQUIRE(keep_header(world.request, world.device, kHeader));
    const std::string other = world.make("other");
    world.device = other;
    const std::string uuid = world.uuid();
    REQUIRE(put_header_back(world.request, other));
    CHECK(world.uuid() == uuid);
    CHECK(fs::exists(world.place()));
}

TEST_CASE("what a killed worker had begun to keep is removed, and puts nothing back") {
    const World world;
    const std::string uuid = world.uuid();
    fs::create_directories(world.dir + "/headers/secure");
    std::ofstream(world.place() + ".tmp-abcdef") << "half a header";
    REQUIRE(put_header_back(world.request));
    CHECK(fs::is_empty(world.dir + "/headers/secure"));
    CHECK(world.uuid() == uuid);
}

TEST_CASE("a copy is forgotten, also where there is none, and a later one takes its place") {
    const World world;
    REQUIRE(forget_header(world.request));
    REQUIRE(keep_header(world.request, world.device, kHeader));
    REQUIRE(keep_header(world.request, world.device, 1 << 20));
    CHECK(fs::file_size(world.place()) == 1 << 20);
    REQUIRE(forget_header(world.request));
    CHECK(fs::is_empty(world.dir + "/headers/secure"));
}

TEST_CASE("a device that is shorter than its header is not half kept") {
    const World world;
    fs::resize_file(world.device, 1 << 20);
    CHECK_FALSE(keep_header(world.request, world.device, kHeader));
    CHECK(fs::is_empty(world.dir + "/headers/secure"));
}
