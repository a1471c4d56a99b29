// tests: a directory of one's own, and pmosctl run on what lies in it.
#pragma once

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "harness.h"

namespace pmos::cli::test {

struct Place {
    Place() {
        char name[] = "/tmp/pmos-place-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        dir = name;
    }
    ~Place() { std::filesystem::remove_all(dir); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    std::string path(const std::string& name) const { return (dir / name).string(); }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(dir / name, std::ios::binary) << text;
    }
    std::string read(const std::string& name) const {
        std::ifstream in(dir / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    Outcome run(Args args) const { return service.run(std::move(args)); }

    Service service;
    std::filesystem::path dir;
};

}  // namespace pmos::cli::test
