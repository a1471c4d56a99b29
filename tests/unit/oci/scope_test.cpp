// tests: a container's scope in systemd's words.
#include "runtime/oci/scope.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace pmos;
using namespace pmos::oci;
using Words = std::vector<std::string>;

namespace {

policy::CgroupLimit limit(std::string file, std::string value) {
    return {std::move(file), std::move(value), "", false, "/linux/resources/x"};
}
Words properties(std::string file, std::string value) {
    const auto out = scope_properties({limit(std::move(file), std::move(value))});
    return out ? *out : Words{"error"};
}
std::string place(std::string_view path, bool of_user = false) {
    const auto scope = scope_of(path, "web", of_user);
    return scope ? scope->slice + " " + scope->name : "error";
}

}  // namespace

TEST_CASE("cgroupsPath names slice, prefix and name of a scope") {
    CHECK(place("machine.slice:libpod:1234") == "machine.slice libpod-1234.scope");
    CHECK(place(":docker:1234") == "system.slice docker-1234.scope");
    CHECK(place(":docker:1234", true) == "user.slice docker-1234.scope");
    CHECK(place("a-b.slice::x") == "a-b.slice x.scope");
    CHECK(place("") == "system.slice pmos-web.scope");
    CHECK(place("", true) == "user.slice pmos-web.scope");
    CHECK(scope_of("", "a+b", false)->name == "pmos-a\\x2bb.scope");
    CHECK(place("/pmos/web") == "error");
    CHECK(place("a.slice:b") == "error");
    CHECK(place("a.slice:b:c:d") == "error");
    CHECK(place("system:b:c") == "error");
    CHECK(place("../x.slice:b:c") == "error");
    CHECK(scope_of("a.slice:b:c.slice", "web", false).error().code == Code::unsupported);
    CHECK(scope_of("", std::string(300, 'a'), false).error().code == Code::usage);
}

TEST_CASE("limits are properties where systemd has one") {
    CHECK(properties("memory.max", "1073741824") == Words{"MemoryMax=1073741824"});
    CHECK(properties("memory.max", "1G") == Words{"MemoryMax=1073741824"});
    CHECK(properties("memory.max", "max") == Words{"MemoryMax=infinity"});
    CHECK(properties("memory.swap.max", "0") == Words{"MemorySwapMax=0"});
    CHECK(properties("memory.low", "4096") == Words{"MemoryLow=4096"});
    CHECK(properties("pids.max", "64") == Words{"TasksMax=64"});
    CHECK(properties("cpu.weight", "39") == Words{"CPUWeight=39"});
    CHECK(properties("io.weight", "default 200") == Words{"IOWeight=200"});
    CHECK(properties("io.weight", "8:0 200").empty());
    CHECK(properties("cpuset.cpus", "0-3,7") == Words{"AllowedCPUs=0-3,7"});
    CHECK(properties("cpuset.mems", "0") == Words{"AllowedMemoryNodes=0"});
    CHECK(properties("hugetlb.2MB.max", "0").empty());
    CHECK(properties("memory.oom.group", "1").empty());
    // systemd would set what it was not told of to "max" again: an error, not silence.
    CHECK(properties("memory.max", "much") == Words{"error"});
    CHECK(properties("memory.max", "") == Words{"error"});
    CHECK(properties("memory.max", "20E") == Words{"error"});
    CHECK(properties("cpuset.cpus", "3-1") == Words{"error"});
    CHECK(properties("cpuset.cpus", "0-99999999") == Words{"error"});
    CHECK(scope_properties({limit("pids.max", "-1")}).error().what.find("/linux/resources/x") !=
          std::string::npos);
}

TEST_CASE("a quota is per second, in whole per cent of a processor, rounded up") {
    CHECK(properties("cpu.max", "50000 100000") ==
          Words{"CPUQuotaPerSecUSec=500000", "CPUQuotaPeriodUSec=100000"});
    CHECK(properties("cpu.max", "15001 100000") ==
          Words{"CPUQuotaPerSecUSec=160000", "CPUQuotaPeriodUSec=100000"});
    CHECK(properties("cpu.max", "max 100000") ==
          Words{"CPUQuotaPerSecUSec=infinity", "CPUQuotaPeriodUSec=100000"});
    CHECK(properties("cpu.max", "200000") == Words{"CPUQuotaPerSecUSec=2000000"});
    CHECK(properties("cpu.max", "1 0") == Words{"error"});
    CHECK(properties("cpu.max", "99999999999999999 1") == Words{"error"});
    CHECK(properties("cpu.max", "") == Words{"error"});
}

TEST_CASE("properties are read back as what goes over the bus") {
    const auto memory = parse_scope_property("MemoryMax=4096");
    REQUIRE(memory);
    CHECK(memory->name == "MemoryMax");
    CHECK_FALSE(memory->is_set);
    CHECK(memory->number == 4096);
    CHECK(parse_scope_property("TasksMax=infinity")->number ==
          std::numeric_limits<std::uint64_t>::max());
    CHECK(parse_scope_property("CPUQuotaPerSecUSec=10000")->number == 10000);
    CHECK(parse_scope_property("AllowedCPUs=0-2,9")->bits == std::vector<std::uint8_t>{7, 2});
    CHECK(parse_scope_property("AllowedCPUs=")->bits.empty());
    for (const auto* bad : {"MemoryMax", "MemoryMax=", "MemoryMax=1G", "MemoryMax=-1", "=1", "",
                            "ExecStart=1", "AllowedCPUs=x", "User=0"})
        CHECK_FALSE(parse_scope_property(bad));
}

TEST_CASE("the helper's command line") {
    const Words start{"--user", "start",     "user.slice", "pmos-web.scope",
                      "4711",   "container", "TasksMax=3"};
    const auto command = parse_scope_command(start);
    REQUIRE(command);
    CHECK(command->of_user);
    CHECK(command->verb == ScopeCommand::Verb::start);
    CHECK(command->scope.slice == "user.slice");
    CHECK(command->scope.name == "pmos-web.scope");
    CHECK(command->pid == 4711);
    CHECK(command->description == "container");
    REQUIRE(command->properties.size() == 1);
    CHECK(command->properties[0].number == 3);
    const auto set = parse_scope_command(Words{"set", "a.scope", "TasksMax=1", "CPUWeight=2"});
    REQUIRE(set);
    CHECK_FALSE(set->of_user);
    CHECK(set->properties.size() == 2);
    CHECK(parse_scope_command(Words{"stop", "a.scope"})->verb == ScopeCommand::Verb::stop);
    for (const auto& bad :
         {Words{}, Words{"--user"}, Words{"start", "a.slice", "a.scope", "1"},
          Words{"start", "a.slice", "a.scope", "0", "x"},
          Words{"start", "a.slice", "a.scope", "1x", "x"},
          Words{"start", "a.slice", "a.scope", "4294967296", "x"},
          Words{"start", "", "a.scope", "1", "x"}, Words{"start", "a", "a.scope", "1", "x"},
          Words{"start", "a.slice", "a.service", "1", "x"},
          Words{"start", "a.slice", "a.scope", "1", "x", "User=0"}, Words{"set", "a.scope"},
          Words{"stop", "a.scope", "b.scope"}, Words{"stop", "dbus.service"},
          Words{"stop", "../a.scope"}, Words{"restart", "a.scope"}})
        CHECK(parse_scope_command(bad).error().code == Code::usage);
}
