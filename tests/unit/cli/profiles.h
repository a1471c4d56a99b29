// tests: a directory of profiles of one's own, and a sound profile to put there.
#pragma once

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace pmos::cli::test {

struct Directory {
    Directory() {
        char name[] = "/tmp/pmos-check-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }
    ~Directory() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path / name) << text;
        return (path / name).string();
    }
    std::string read(const std::string& name) const {
        std::ostringstream out;
        out << std::ifstream(path / name).rdbuf();
        return out.str();
    }
    std::filesystem::path path;
};

inline const std::string kGood = R"({"pmos": 1, "mode": "good", "root": {"image": "good.erofs"},
"identity": {"uidRange": {"start": 200000, "count": 65536}},
"process": {"args": ["/bin/true"]}, "seccomp": {"allow": ["@system-service"]},
"resources": {"memory": {"max": "1GiB"}, "pids": {"max": 64}}, "network": "none"})";

}  // namespace pmos::cli::test
