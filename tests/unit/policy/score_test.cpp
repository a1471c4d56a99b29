// tests: the score: what opens a mode raises its row, and the shipped modes stay low.
#include "policy/score.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/question.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

Score score_of(const std::string& text) {
    const std::vector<SourceFile> files{{"a.json", text}};
    const auto set = read_policy(files, nullptr, {});
    REQUIRE(set.modes[0].profile != nullptr);
    const auto compiled = compile(*set.modes[0].profile, whole_phone());
    REQUIRE(compiled.plan.has_value());
    return score(*set.modes[0].profile, *compiled.plan);
}

unsigned points(const Score& score, std::string_view what) {
    const auto it = std::ranges::find(score.rows, what, &Exposure::what);
    REQUIRE(it != score.rows.end());
    return it->points;
}

std::string with(const std::string& from, const std::string& to) {
    auto text = profile_text("alpha", 200000);
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("score: everything that opens a mode raises its row and the sum") {
    const auto base = score_of(profile_text("alpha", 200000));
    const std::string allow = "[\"@default\"]", net = "\"network\": \"none\"";
    const std::string args = "[\"/bin/true\"]";
    struct Row {
        std::string what, from, to;
    };
    for (const auto& row :
         {Row{"system calls", allow, "[\"@system-service\"]"},
          Row{"system calls", allow, "[\"@default\", \"@mount\"]"},
          Row{"capabilities", args, args + ", \"capabilities\": [\"CAP_CHOWN\"]"},
          Row{"devices", net, net + ", \"devices\": {\"gpu\": \"render\"}"},
          Row{"network", net, "\"network\": \"loopback\""},
          Row{"the host's files", net,
              net + ", \"mounts\": [{\"type\": \"bind\", \"source\": \"/srv/x\", \"target\": "
                    "\"/x\"}]"},
          Row{"execution", net,
              net + ", \"mounts\": [{\"type\": \"tmpfs\", \"target\": \"/x\", \"options\": "
                    "[\"exec\"]}]"},
          Row{"AppArmor", net, net + ", \"lsm\": {\"apparmor\": \"unconfined\"}"},
          Row{"data", net,
              net + ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
                    "\"unlock\": [\"device-key\"]}]"},
          Row{"data", net,
              net + ", \"volumes\": [{\"name\": \"d\", \"target\": \"/d\", \"size\": \"64MiB\", "
                    "\"unlock\": [\"tpm2\", \"recovery-key\"]}]"},
          Row{"background", net, net + ", \"session\": {\"background\": \"run\"}"},
          Row{"hooks", net, net + ", \"hooks\": {\"lock\": [\"x\"]}"}}) {
        INFO(row.to);
        const auto found = score_of(with(row.from, row.to));
        CHECK(points(found, row.what) > points(base, row.what));
        CHECK(found.points > base.points);
        CHECK(found.most == base.most);
    }
    const auto limited = score_of(with(net, net + ", \"resources\": {\"pids\": {\"max\": 9}}"));
    CHECK(points(limited, "limits") < points(base, "limits"));
}

TEST_CASE("score: no row exceeds its most, and the shipped modes are low") {
    const auto set = shipped_policy();
    for (const auto& mode : set.modes) {
        const auto compiled = compile(*mode.profile, whole_phone());
        const auto found = score(*mode.profile, *compiled.plan);
        unsigned sum = 0, most = 0;
        for (const auto& row : found.rows) {
            INFO(row.what);
            CHECK(row.points <= row.most);
            CHECK(row.at.line > 0);
            sum += row.points;
            most += row.most;
        }
        CHECK(sum == found.points);
        CHECK(most == found.most);
        CHECK(found.of_ten() < 2.5);
    }
    const auto open =
        score_of(with("[\"/bin/true\"]", "[\"/bin/true\"], \"capabilities\": [\"CAP_SYS_ADMIN\"]"));
    CHECK(points(open, "capabilities") >= 9);
}
