// tests: bundles in OCI layouts, as a person and skopeo handle them, and layouts that lie.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <nlohmann/json.hpp>

#include "place.h"
#include "policy/oci_layout.h"

using namespace pmos::cli::test;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;
namespace oci = pmos::policy::oci;
using Json = nlohmann::ordered_json;

namespace {

const std::string kProfile = R"({"pmos": 1, "mode": "good", "root": {"image": "good.erofs"},
"identity": {"uidRange": {"start": 200000, "count": 65536}}, "network": "none",
"process": {"args": ["/bin/true"]}, "seccomp": {"allow": ["@system-service"]},
"resources": {"memory": {"max": "1GiB"}, "pids": {"max": 64}}})";

// A desk with profiles, a key and a layout of acme@3, signed.
struct Shelf : Place {
    Shelf() {
        fs::create_directories(dir / "p");
        fs::create_directories(dir / "images");
        write("p/good.json", kProfile);
        write("images/good.erofs", "an image");
        REQUIRE(run({"policy", "keygen", path("k")}).status == 0);
        REQUIRE(pack("oci:" + path("l")).status == 0);
        REQUIRE(run({"policy", "sign", path("l"), "--key", path("k.key")}).status == 0);
    }
    Outcome pack(const std::string& to, const std::string& version = "3") const {
        return run({"policy", "pack", path("p"), "-o", to, "--name", "acme", "--version", version,
                    "--images", path("images")});
    }
    Outcome verify(const std::string& what) const {
        return run({"policy", "verify", what, "--key", path("k.pub")});
    }
    Json index() const { return Json::parse(read("l/index.json")); }
    std::string blob(const std::string& digest) const {
        return "l/blobs/sha256/" + digest.substr(digest.find(':') + 1);
    }
    Json manifest() const { return Json::parse(read(blob(index()["manifests"][0]["digest"]))); }
    // The layout with another manifest, whose digest is right.
    void replace_manifest(const Json& json) const {
        const auto text = json.dump();
        const auto d = oci::describe(oci::kManifestType, text);
        write(blob(d.digest), text);
        auto changed = index();
        changed["manifests"][0]["digest"] = d.digest;
        changed["manifests"][0]["size"] = d.size;
        write("l/index.json", changed.dump());
    }
    void refused(const std::string& words) const {
        const auto r = verify(path("l"));
        CHECK(r.status != 0);
        CHECK_THAT(r.err, Contains(words));
    }
};

int shell(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str());
}

}  // namespace

TEST_CASE("a bundle goes into a layout and out of it, and stays what it was") {
    const Shelf shelf;
    const auto& l = shelf.path("l");
    for (const std::string& place : {l, l + ":3", "oci:" + l, "oci:" + l + ":3"}) {
        const auto r = shelf.verify(place);
        INFO(r.err);
        CHECK(r.status == 0);
        CHECK_THAT(r.out, Contains("acme@3 for any, signed by"));
    }
    REQUIRE(shelf.run({"policy", "copy", l, shelf.path("file")}).status == 0);
    CHECK(shelf.verify(shelf.path("file")).status == 0);
    const auto layer = shelf.manifest()["layers"][0]["digest"];
    CHECK(shelf.read("file") == shelf.read(shelf.blob(layer)));
    // By the tag that is asked for, beside what is there.
    const auto r =
        shelf.run({"policy", "copy", shelf.path("file"), "oci:" + l + ":stable", "--json"});
    REQUIRE(r.status == 0);
    CHECK(Json::parse(r.out)["file"] == "oci:" + l + ":stable");
    CHECK(Json::parse(r.out)["manifest"] == shelf.index()["manifests"][1]["digest"]);
    CHECK(shelf.verify(l + ":stable").status == 0);
    CHECK(shelf.verify(l + ":3").status == 0);
    CHECK_THAT(shelf.verify(l).err, Contains("it has 2: '3', 'stable'"));
    CHECK_THAT(shelf.verify(l + ":4").err, Contains("holds no '4'"));
}

TEST_CASE("signing without -o signs the tag that was read") {
    const Shelf shelf;
    const auto o = shelf.path("o");
    REQUIRE(shelf.pack("oci:" + o + ":stable", "7").status == 0);
    const Args sign{"policy", "sign", o, "--key", shelf.path("k.key")};
    const auto r = shelf.run(sign);
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("oci:" + o + ":stable: acme@7, signed by key"));
    for (const auto& place : {o, o + ":stable"}) CHECK(shelf.verify(place).status == 0);
    // What has no tag could only be joined by a second one.
    auto json = Json::parse(shelf.read("o/index.json"));
    json["manifests"][0].erase("annotations");
    shelf.write("o/index.json", json.dump());
    CHECK_THAT(shelf.run(sign).err, Contains("has no tag"));
    CHECK(shelf.read("o/index.json") == json.dump());
    CHECK(shelf.verify(o).status == 0);
}

TEST_CASE("two who write into a layout wait for each other") {
    using namespace std::chrono_literals;
    const Shelf shelf;
    const auto l = shelf.path("l");
    const pmos::UniqueFd other(::open(l.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(::flock(other.get(), LOCK_EX) == 0);
    auto packed =
        std::async(std::launch::async, [&] { return shelf.pack("oci:" + l + ":b").status; });
    const auto seen = packed.wait_for(2s);
    CHECK(seen == std::future_status::timeout);
    // What the other has written by then stays.
    auto json = shelf.index();
    json["manifests"].push_back(json["manifests"][0]);
    json["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] = "a";
    shelf.write("l/index.json", json.dump());
    REQUIRE(::flock(other.get(), LOCK_UN) == 0);
    const int status = packed.get();
    CHECK(status == 0);
    CHECK(shelf.index()["manifests"].size() == 3);
    for (const char* tag : {":3", ":a"}) CHECK(shelf.verify(l + tag).status == 0);
}

TEST_CASE("a layout is what image-spec 1.1 says, and the same each time") {
    const Shelf shelf;
    CHECK(Json::parse(shelf.read("l/oci-layout"))["imageLayoutVersion"] == "1.0.0");
    const auto index = shelf.index(), manifest = shelf.manifest();
    CHECK(index["schemaVersion"] == 2);
    const auto& entry = index["manifests"][0];
    CHECK(entry["artifactType"] == "application/vnd.pmos.policy.bundle.v1");
    CHECK(entry["annotations"]["org.opencontainers.image.ref.name"] == "3");
    CHECK(entry["size"] == fs::file_size(shelf.dir / shelf.blob(entry["digest"])));
    CHECK(manifest["artifactType"] == "application/vnd.pmos.policy.bundle.v1");
    CHECK(manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json");
    CHECK(shelf.read(shelf.blob(manifest["config"]["digest"])) == "{}");
    CHECK(manifest["layers"].size() == 1);
    CHECK(manifest["layers"][0]["annotations"]["org.opencontainers.image.title"] ==
          "acme-3.bundle");
    CHECK(manifest["annotations"]["org.opencontainers.image.version"] == "3");
    REQUIRE(shelf.pack("oci:" + shelf.path("one")).status == 0);
    REQUIRE(shelf.pack("oci:" + shelf.path("two")).status == 0);
    CHECK(shell("diff -r " + shelf.path("one") + " " + shelf.path("two")) == 0);
}

TEST_CASE("skopeo copies it and changes nothing") {
    const Shelf shelf;
    INFO("skopeo (Debian's package of that name) is needed");
    REQUIRE(shell("skopeo --version") == 0);
    const auto from = "oci:" + shelf.path("l") + ":3", to = "oci:" + shelf.path("far") + ":x";
    CHECK(shell("skopeo inspect --raw " + from) == 0);
    REQUIRE(shell("skopeo copy --preserve-digests " + from + " " + to) == 0);
    CHECK(Json::parse(shelf.read("far/index.json"))["manifests"][0]["digest"] ==
          shelf.index()["manifests"][0]["digest"]);
    CHECK(shelf.verify(shelf.path("far")).status == 0);
    // Into a layout that skopeo has made, too.
    REQUIRE(shelf.run({"policy", "copy", shelf.path("l"), to + "2"}).status == 0);
    CHECK(shelf.verify(shelf.path("far") + ":x2").status == 0);
    CHECK(shelf.verify(shelf.path("far") + ":x").status == 0);
    CHECK(shell("skopeo copy " + to + "2 oci:" + shelf.path("farther")) == 0);
    CHECK(shelf.verify(shelf.path("farther")).status == 0);
}

TEST_CASE("every byte of a layout that matters is checked") {
    const Shelf shelf;
    const auto index = shelf.index(), manifest = shelf.manifest();
    const auto layer = shelf.blob(manifest["layers"][0]["digest"]);
    const auto bundle = shelf.read(layer);
    const auto again = [&] {
        shelf.write(layer, bundle);
        shelf.replace_manifest(manifest);
    };
    auto changed = bundle;
    changed[200] = static_cast<char>(changed[200] ^ 1);
    shelf.write(layer, changed);
    shelf.refused("its digest is another one");
    shelf.write(layer, bundle + "x");
    shelf.refused("bytes, not");
    fs::remove(shelf.dir / layer);
    shelf.refused("not a whole OCI layout");
    fs::create_symlink(shelf.path("k.key"), shelf.dir / layer);
    shelf.refused("symbolic link");
    fs::remove(shelf.dir / layer);
    REQUIRE(::mkfifo(shelf.path(layer).c_str(), 0600) == 0);
    shelf.refused("not a regular file");
    fs::remove(shelf.dir / layer);
    again();
    CHECK(shelf.verify(shelf.path("l")).status == 0);

    const auto with = [&](const std::string& pointer, const Json& value, const std::string& words) {
        auto json = manifest;
        json[Json::json_pointer(pointer)] = value;
        shelf.replace_manifest(json);
        shelf.refused(words);
    };
    const std::string up = "sha256:../../../k.key";
    with("/layers/0/digest", up, "names no contents");
    with("/layers/0/digest", "sha512:" + std::string(128, 'a'), "names no contents");
    with("/layers/0/digest", "sha256:" + std::string(64, 'A'), "names no contents");
    with("/layers/0/digest", std::string(64, 'a'), "names no contents");
    with("/layers/0/digest", 1, "is not of type string");
    with("/layers/0/size", 1ULL << 40U, "more than it may have");
    with("/layers/0/size", -1, "negative");
    with("/layers/0/size", "big", "is not of type integer");
    with("/layers/0/mediaType", "application/gzip", "its layer is 'application/gzip'");
    with("/layers/1", manifest["layers"][0], "one layer, not 2");
    with("/layers", Json::array(), "one layer, not 0");
    with("/schemaVersion", 1, "schemaVersion is not 2");
    with("/mediaType", "application/vnd.oci.image.index.v1+json", "it is 'application");

    const auto with_index = [&](const std::string& text, const std::string& words) {
        shelf.write("l/index.json", text);
        shelf.refused(words);
    };
    auto json = index;
    json["manifests"][0]["digest"] = up;
    with_index(json.dump(), "names no contents");
    json = index;
    json["manifests"][0]["mediaType"] = "application/vnd.oci.image.index.v1+json";
    with_index(json.dump(), "holds no bundle there");
    json = index;
    json["manifests"][0]["size"] = 3;
    with_index(json.dump(), "bytes, not 3");
    with_index(R"({"schemaVersion": 2, "manifests": []})", "is empty");
    with_index(R"({"schemaVersion": 2, "schemaVersion": 2, "manifests": []})", "not an OCI layout");
    with_index(R"({"schemaVersion": 2, "manifests": [1]})", "it is not an object");
    with_index("[]", "it is not an object");
    with_index("", "not an OCI layout");
    with_index(std::string(100000, '['), "not an OCI layout");
    REQUIRE(::truncate(shelf.path("l/index.json").c_str(), 100 << 20) == 0);
    shelf.refused("larger than");
    shelf.write("l/index.json", index.dump());
    shelf.write("l/oci-layout", R"({"imageLayoutVersion": "2.0.0"})");
    shelf.refused("of version '2.0.0' is not known");
    fs::remove(shelf.dir / "l/oci-layout");
    shelf.refused("not a whole OCI layout");
    // The whole of it behind a link that leads out.
    shelf.write("l/oci-layout", R"({"imageLayoutVersion": "1.0.0"})");
    CHECK(shelf.verify(shelf.path("l")).status == 0);
    fs::rename(shelf.dir / "l/blobs", shelf.dir / "elsewhere");
    fs::create_directory_symlink(shelf.dir / "elsewhere", shelf.dir / "l/blobs");
    shelf.refused("symbolic link");
    CHECK(shelf.pack("oci:" + shelf.path("l")).status != 0);
}

TEST_CASE("a tag more leaves all that others wrote into a layout") {
    const Shelf shelf;
    auto json = shelf.index();
    json["artifactType"] = "application/vnd.acme.shelf";
    json["subject"] = {{"mediaType", oci::kManifestType},
                       {"digest", "sha256:" + std::string(64, 'a')},
                       {"size", 7}};
    json["annotations"] = {{"org.acme.note", "a \"quoted\" \u00fc\n"}};
    json["org.acme.unknown"] = {nullptr, true,          -1, 18446744073709551615ULL, 1.5e-7,
                                "x",     Json::object()};
    auto& first = json["manifests"][0];
    first["platform"] = {{"os", "linux"}, {"architecture", "arm64"}};
    first["urls"] = {"https://example.org/a"};
    first["annotations"]["org.acme.more"] = "kept";
    shelf.write("l/index.json", json.dump());
    const std::string marker = R"({"imageLayoutVersion": "1.0.0", "org.acme.unknown": 1})";
    shelf.write("l/oci-layout", marker);
    REQUIRE(shelf.verify(shelf.path("l")).status == 0);
    const auto r = shelf.pack("oci:" + shelf.path("l") + ":4", "4");
    INFO(r.err);
    REQUIRE(r.status == 0);
    auto after = shelf.index();
    REQUIRE(after["manifests"].size() == 2);
    CHECK(after["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] == "4");
    const auto of_four = after["manifests"][1]["digest"];
    after["manifests"].erase(1);
    CHECK(after == json);
    CHECK(shelf.read("l/oci-layout") == marker);
    // The same tag again takes the place of that one only.
    REQUIRE(shelf.pack("oci:" + shelf.path("l") + ":4", "5").status == 0);
    after = shelf.index();
    REQUIRE(after["manifests"].size() == 2);
    CHECK(after["manifests"][1]["digest"] != of_four);
    after["manifests"].erase(1);
    CHECK(after == json);
}

TEST_CASE("what is not ours is not written over") {
    const Shelf shelf;
    fs::create_directory(shelf.dir / "home");
    shelf.write("home/letter", "dear");
    CHECK_THAT(shelf.pack("oci:" + shelf.path("home")).err, Contains("not a whole OCI layout"));
    CHECK(shelf.read("home/letter") == "dear");
    shelf.write("l/index.json", "");
    CHECK_THAT(shelf.pack("oci:" + shelf.path("l") + ":4", "4").err, Contains("not an OCI layout"));
    CHECK_THAT(shelf.pack("oci:" + shelf.path("l") + ":a b").err, Contains("is no tag"));
    CHECK_THAT(shelf.pack("oci:").err, Contains("no place is named"));
    // A colon in a file's name is a colon.
    fs::create_directory(shelf.dir / "d:1");
    REQUIRE(shelf.pack(shelf.path("a:b")).status == 0);
    CHECK(fs::is_regular_file(shelf.dir / "a:b"));
    REQUIRE(shelf.pack("oci:" + shelf.path("d:1")).status == 0);
    CHECK(fs::exists(shelf.dir / "d:1/index.json"));
}
