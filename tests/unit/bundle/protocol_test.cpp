// tests: what pmos-bundle answers is read back, and half an answer is none.
#include "runtime/bundle/protocol.h"

#include <catch2/catch.hpp>

using namespace pmos;
using namespace pmos::bundle;

TEST_CASE("a report is read back") {
    Report report;
    report.file = "/var/lib/pmos/policy/a.bundle";
    report.sha256 = std::string(64, 'a');
    report.name = "acme";
    report.made_for = "any";
    report.version = 7;
    report.floor = 6;
    report.trial = true;
    report.tries = 2;
    report.floor_kept = "file";
    report.floor_fault = "the TPM refuses";
    report.fallen = "because\nof = this";
    report.pins = {{"/images/a b.erofs", {1, 2, 3, -4, 5}}};
    const auto text = encode(report);
    const auto back = decode(text);
    REQUIRE(back);
    CHECK(back->file == report.file);
    CHECK(back->version == 7);
    CHECK(back->floor_kept == "file");
    CHECK(back->floor_fault == "the TPM refuses");
    CHECK(back->trial);
    CHECK(back->pins.at(0).path == "/images/a b.erofs");
    CHECK(back->pins.at(0).identity == report.pins[0].identity);
    CHECK(back->fallen == "because\\x0aof = this");
    for (std::size_t size = 0; size < text.size() - 1; ++size)
        CHECK_FALSE(decode(text.substr(0, size)));
    CHECK_FALSE(decode("unknown=1\n" + text));
}

TEST_CASE("an error crosses with its code and its hint") {
    Error error;
    error.code = Code::denied;
    error.what = "no";
    error.why = "because";
    error.fix = "do this";
    const auto back = decode(encode(error));
    REQUIRE_FALSE(back);
    CHECK(back.error().code == Code::denied);
    CHECK(back.error().message() == "no: because");
    CHECK(back.error().fix == "do this");
}
