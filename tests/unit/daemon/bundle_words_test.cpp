// tests: what doctor is told of a bundle, whatever it has come to.
#include "runtime/daemon/bundle_words.h"

#include <catch2/catch.hpp>

using namespace pmos;
using namespace pmos::daemon;

TEST_CASE("a floor that the TPM does not keep is told beside whatever else there is") {
    bundle::Report report;
    report.name = "acme";
    report.version = 7;
    report.file = "a";
    const auto severities = [&] {
        std::string out;
        for (const auto& finding : policy_findings(report)) {
            CHECK(finding.subject == "policy");
            out += finding.severity + " ";
        }
        return out;
    };
    const auto told = [&] {
        const auto all = policy_findings(report);
        return all.back().message == "the TPM does not keep the floor: it refuses";
    };
    REQUIRE(report.usable());
    CHECK(severities() == "ok ");
    report.floor_fault = "it refuses";
    CHECK(severities() == "ok warning ");
    CHECK(told());
    report.fallen = "no mode came up";
    CHECK(severities() == "warning warning ");
    CHECK(told());
    report.trial = true;
    CHECK(severities() == "note warning ");
    CHECK(told());
    report.file.clear();
    REQUIRE_FALSE(report.usable());
    CHECK(severities() == "error warning ");
    CHECK(told());
}
