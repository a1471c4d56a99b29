// tests: where a container's cgroup is to be.
#include "runtime/oci/cgroup_place.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace pmos;
using namespace pmos::oci;

namespace {

std::string place(std::string_view path, std::string own = "/user.slice/shell.scope") {
    const auto found = cgroup_place({"/sys/fs/cgroup", std::move(own), false}, path, "web");
    return found ? *found : "error";
}

}  // namespace

TEST_CASE("a cgroup's path, absolute, relative and none") {
    CHECK(place("") == "/pmos/web");
    CHECK(place("/machine/web") == "/machine/web");
    CHECK(place("//machine/./web/") == "/machine/web");
    CHECK(place("web") == "/user.slice/web");
    CHECK(place("a/b") == "/user.slice/a/b");
    CHECK(place("web", "/") == "/web");
    CHECK(place("web", "/init.scope") == "/web");
    CHECK(place("web", "") == "/web");
    for (const auto* bad : {"/", ".", "/..", "../x", "/a/../b", "/a\nb"})
        CHECK(place(bad) == "error");
}

TEST_CASE("a host without cgroup v2 has no tree") {
    char directory[] = "/tmp/pmos-oci-place-XXXXXX";
    REQUIRE(::mkdtemp(directory) != nullptr);
    CHECK_FALSE(find_cgroup_tree(directory));
    CHECK_FALSE(find_cgroup_tree(std::string(directory) + "/none"));
    // What is not delegated is not taken for a place.
    const CgroupTree tree{directory, "/shell", false};
    CHECK(delegated_place(tree, false).empty());
    std::filesystem::create_directory(tree.mount + "/shell");
    std::ofstream(tree.mount + "/shell/cgroup.procs");
    CHECK(delegated_place(tree, false) == "/shell");
    CHECK(delegated_place(tree, true).empty());
    std::ofstream(tree.mount + "/cgroup.procs");
    CHECK(delegated_place(tree, true) == "/");
    CHECK(delegated_place({directory, "", false}, false).empty());
    std::filesystem::remove_all(directory);
}

TEST_CASE("the own cgroup is the one of v2, where it is below the mount") {
    char file[] = "/tmp/pmos-oci-own-XXXXXX";
    const int fd = ::mkstemp(file);
    REQUIRE(fd >= 0);
    const auto own = [&](const char* text) {
        std::ofstream(file) << text;
        const auto tree = find_cgroup_tree("/sys/fs/cgroup", file);
        return tree ? tree->own : "no tree";
    };
    if (find_cgroup_tree()) {
        CHECK(own("9:name=systemd:/x\n4:memory:/y\n0::/a/b\n") == "/a/b");
        CHECK(own("0::/\n") == "/");
        CHECK(own("0::/../x\n").empty());
        CHECK(own("0::/x (deleted)\n").empty());
        CHECK(own("4:memory:/y\n").empty());
    }
    ::close(fd);
    std::filesystem::remove(file);
}
