// tests: what a cgroup counts, in the shape that runc gives it.
#include "runtime/oci/cgroup_stats.h"

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/oci/cgroup.h"

using namespace pmos::oci;
using nlohmann::json;

namespace {

json stats_of(const std::map<std::string, std::string>& files,
              std::vector<std::string> huge_pages = {}) {
    const auto text = cgroup_stats({[&](const std::string& name) {
                                        const auto found = files.find(name);
                                        return found == files.end() ? "" : found->second;
                                    },
                                    std::move(huge_pages)});
    CHECK(text.find('\n') == text.npos);
    return json::parse(text);
}

constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("every controller's numbers are where runc puts them") {
    const auto stats =
        stats_of({{"cpu.stat",
                   "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 9\nnr_throttled "
                   "3\nthrottled_usec 77\n"},
                  {"cpu.pressure",
                   "some avg10=0.12 avg60=0.00 avg300=1.00 total=42\nfull avg10=0.00 avg60=0.00 "
                   "avg300=0.00 total=7\n"},
                  {"memory.current", "4096\n"},
                  {"memory.max", "8192\n"},
                  {"memory.peak", "6000\n"},
                  {"memory.swap.current", "100\n"},
                  {"memory.swap.max", "1000\n"},
                  {"memory.stat", "anon 1\nfile 2048\n"},
                  {"memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 2\n"},
                  {"pids.current", "3\n"},
                  {"pids.max", "64\n"},
                  {"io.stat",
                   "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n7:0 rbytes=9 "
                   "wbytes=0 rios=1 wios=0\n"},
                  {"hugetlb.2MB.current", "2097152\n"},
                  {"hugetlb.2MB.events", "max 4\n"}},
                 {"2MB"});
    CHECK(stats["cpu"]["usage"] ==
          json({{"total", 1500000}, {"kernel", 500000}, {"user", 1000000}}));
    CHECK(stats["cpu"]["throttling"] ==
          json({{"periods", 9}, {"throttledPeriods", 3}, {"throttledTime", 77000}}));
    CHECK(stats["cpu"]["psi"]["some"]["avg10"] == 0.12);
    CHECK(stats["cpu"]["psi"]["some"]["total"] == 42);
    CHECK(stats["cpu"]["psi"]["full"]["total"] == 7);
    CHECK(stats["memory"]["usage"] ==
          json({{"limit", 8192}, {"usage", 4096}, {"max", 6000}, {"failcnt", 5}}));
    CHECK(stats["memory"]["swap"] == json({{"limit", 9192}, {"usage", 4196}, {"failcnt", 0}}));
    CHECK(stats["memory"]["cache"] == 2048);
    CHECK(stats["memory"]["raw"] == json({{"anon", 1}, {"file", 2048}}));
    CHECK(stats["memory"]["event_count"]["oom_kill"] == 2);
    CHECK(stats["pids"] == json({{"current", 3}, {"limit", 64}}));
    const auto& bytes = stats["blkio"]["ioServiceBytesRecursive"];
    REQUIRE(bytes.size() == 4);
    CHECK(bytes[0] == json({{"major", 8}, {"minor", 16}, {"op", "Read"}, {"value", 1}}));
    CHECK(bytes[3] == json({{"major", 7}, {"op", "Write"}}));
    CHECK(stats["blkio"]["ioServicedRecursive"][1]["value"] == 4);
    CHECK(stats["hugetlb"]["2MB"] == json({{"usage", 2097152}, {"failcnt", 4}}));
    CHECK(stats["intel_rdt"] == json::object());
    CHECK(stats["network_interfaces"].is_null());
    CHECK(stats["cpuset"].is_object());
}

TEST_CASE("no controller, and no limit") {
    const auto none = stats_of({{"cgroup.procs", "1\n2\n"}, {"cpu.stat", "usage_usec 1\n"}});
    CHECK(none["pids"] == json({{"current", 2}}));
    CHECK(none["memory"]["usage"] == json({{"limit", 0}, {"failcnt", 0}}));
    CHECK_FALSE(none["memory"].contains("raw"));
    CHECK(none["blkio"] == json::object());
    CHECK(none["hugetlb"] == json::object());
    const auto free = stats_of({{"memory.max", "max\n"},
                                {"memory.swap.max", "max\n"},
                                {"pids.max", "max\n"},
                                {"io.stat", "8:0\n"},
                                {"cpu.pressure", "some avg10=nan total=\n"}});
    CHECK(free["memory"]["usage"]["limit"] == kMax);
    CHECK(free["memory"]["swap"]["limit"] == kMax);
    CHECK(free["pids"] == json::object());
    CHECK(free["blkio"] == json::object());
    CHECK(free["cpu"]["psi"]["some"]["avg10"] == 0);
}

TEST_CASE("how often the kernel killed for memory") {
    CHECK(ContainerCgroup::memory_kills("low 0\nhigh 2\nmax 9\noom 4\noom_kill 3\n") == 3);
    CHECK(ContainerCgroup::memory_kills("") == 0);
}
