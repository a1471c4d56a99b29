// tests: what an OCI config cannot say: each fault at its place, and all of them at once.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/oci_config.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

struct Bad {
    std::string members, pointer, message;
};

const std::string kTop = R"({"ociVersion": "1.2.0", "root": {"path": "rootfs"})";
const std::string kProcess = R"("process": {"cwd": "/", "args": ["sh"])";
const std::string kNamespaces =
    R"("namespaces": [{"type": "mount"}, {"type": "ipc"}, {"type": "pid"}])";

std::string in_config(const std::string& members) { return kTop + ", " + members + "}"; }
std::string in_process(const std::string& members) {
    return in_config(kProcess + ", " + members + "}");
}
std::string in_linux(const std::string& members) {
    return in_config("\"linux\": {" + kNamespaces + ", " + members + "}");
}
std::string in_resources(const std::string& members) {
    return in_linux("\"resources\": {" + members + "}");
}
std::string in_seccomp(const std::string& members) {
    return in_linux(R"("seccomp": {"defaultAction": "SCMP_ACT_ALLOW", )" + members + "}");
}

std::vector<Diagnostic> faults_of(const std::string& text) {
    std::vector<Diagnostic> faults;
    const auto config = oci::read_config("config.json", text, faults);
    CHECK(config.has_value() == faults.empty());
    return faults;
}

// Exactly one, for each of them.
void check_all(std::string (*place)(const std::string&), std::string_view base,
               const std::vector<Bad>& table) {
    for (const auto& [members, pointer, message] : table) {
        const auto text = place(members);
        const auto faults = faults_of(text);
        INFO(text << "\n" << texts(faults));
        REQUIRE(faults.size() == 1);
        CHECK(faults.front().at.pointer == std::string(base) + pointer);
        CHECK_THAT(faults.front().message, Catch::Contains(message));
        CHECK(faults.front().severity == Severity::error);
        CHECK(faults.front().at.line > 0);
    }
}

std::vector<Bad> refused(std::initializer_list<std::pair<std::string, std::string>> members) {
    std::vector<Bad> out;
    for (const auto& [key, value] : members)
        out.push_back(
            {fmt::format("\"{}\": {}", key, value), "/" + key, "this build cannot enforce"});
    return out;
}

}  // namespace

TEST_CASE("what the specification knows and pmos does not do is refused by name") {
    check_all(in_config, "",
              refused({{"vm", "{}"},
                       {"windows", "{}"},
                       {"solaris", "{}"},
                       {"zos", "{}"},
                       {"freebsd", "{}"}}));
    check_all(in_process, "/process",
              refused({{"selinuxLabel", "\"a:b:c\""}, {"commandLine", "\"cmd.exe\""}}));
    check_all(in_linux, "/linux",
              refused({{"intelRdt", "{}"},
                       {"mountLabel", "\"a:b:c\""},
                       {"netDevices", R"({"eth0": {}})"},
                       {"memoryPolicy", R"({"mode": "MPOL_DEFAULT"})"}}));
    check_all(in_resources, "/linux/resources", refused({{"network", R"({"classID": 1})"}}));
    check_all([](const std::string& m) { return in_resources("\"memory\": {" + m + "}"); },
              "/linux/resources/memory",
              refused({{"kernel", "1"},
                       {"kernelTCP", "1"},
                       {"swappiness", "0"},
                       {"disableOOMKiller", "true"},
                       {"checkBeforeUpdate", "true"},
                       {"useHierarchy", "false"}}));
    check_all([](const std::string& m) { return in_resources("\"cpu\": {" + m + "}"); },
              "/linux/resources/cpu", refused({{"realtimeRuntime", "1"}, {"realtimePeriod", "1"}}));
    check_all([](const std::string& m) { return in_resources("\"blockIO\": {" + m + "}"); },
              "/linux/resources/blockIO", refused({{"leafWeight", "10"}}));
    const auto refused_deep = [](const std::string& text, const std::string& pointer) {
        const auto faults = faults_of(text);
        INFO(texts(faults));
        REQUIRE(faults.size() == 1);
        CHECK(faults.front().at.pointer == pointer);
        CHECK(faults.front().rule == Rule::not_enforced);
    };
    refused_deep(in_process(R"("user": {"uid": 0, "gid": 0, "username": "me"})"),
                 "/process/user/username");
    refused_deep(in_linux(R"("personality": {"domain": "LINUX32", "flags": ["X"]})"),
                 "/linux/personality/flags");
    refused_deep(in_resources(R"("blockIO": {"weightDevice": [
                     {"major": 8, "minor": 0, "weight": 10, "leafWeight": 10}]})"),
                 "/linux/resources/blockIO/weightDevice/0/leafWeight");
}

TEST_CASE("faults of the whole") {
    check_all(
        in_config, "",
        {
            {R"("hostname": 7)", "/hostname", "must be string, not integer"},
            {R"("hostname": "a")", "/hostname", "would be the whole machine's"},
            {R"("domainname": "a")", "/domainname", "would be the whole machine's"},
            {R"("linux": {"namespaces": [{"type": "uts"}]}, "hostname": ")" + std::string(65, 'a') +
                 "\"",
             "/hostname", "too long"},
            {R"("linux": [])", "/linux", "must be object, not array"},
            {R"("annotations": {"a": 1})", "/annotations/a", "must be string"},
            {R"("annotations": {"": "a"})", "/annotations/", "has no name"},
            {R"("mounts": {})", "/mounts", "must be array"},
            {R"("mounts": [null])", "/mounts/0", "must be object, not null"},
            {R"("mounts": [{"type": "proc"}])", "/mounts/0", "'destination' is missing"},
            {R"("mounts": [{"destination": ""}])", "/mounts/0/destination", "not an absolute path"},
            {R"("mounts": [{"destination": "/a/../.."}])", "/mounts/0/destination",
             "leaves the container"},
            {R"("mounts": [{"destination": "../a"}])", "/mounts/0/destination",
             "leaves the container"},
            {R"("mounts": [{"destination": "/)" + std::string(4096, 'a') + R"("}])",
             "/mounts/0/destination", "too long"},
            {R"("mounts": [{"destination": "/a", "options": ["ro", 1]}])", "/mounts/0/options/1",
             "must be string"},
            {R"("mounts": [{"destination": "/a", "options": ["ridmap"]}])", "/mounts/0",
             "nothing says how to map"},
            {R"("mounts": [{"destination": "/a", "uidMappings":
                [{"containerID": 0, "hostID": 0, "size": 1}]}])",
             "/mounts/0", "'gidMappings' is missing"},
            {R"("hooks": {"prestart": [{"path": "bin/x"}]})", "/hooks/prestart/0/path",
             "not an absolute path"},
            {R"("hooks": {"poststop": [{}]})", "/hooks/poststop/0", "'path' is missing"},
            {R"("hooks": {"poststart": [{"path": "/x", "timeout": 0}]})",
             "/hooks/poststart/0/timeout", "out of range: 0"},
            {R"("hooks": {"createRuntime": [{"path": "/x", "env": ["A"]}]})",
             "/hooks/createRuntime/0/env/0", "not a variable with a value"},
        });
}

TEST_CASE("faults of a file") {
    const auto one = [](const std::string& text, std::string_view message) {
        const auto faults = faults_of(text);
        INFO(texts(faults));
        REQUIRE(faults.size() == 1);
        CHECK_THAT(faults.front().message, Catch::Contains(std::string(message)));
    };
    one("", "the file ends too early");
    one("[]", "the file must be an object, not array");
    one(R"({"root": {"path": "r"}})", "'ociVersion' is missing");
    one(R"({"ociVersion": null, "root": {"path": "r"}})", "'ociVersion' is missing");
    one(R"({"ociVersion": "1.0.0"})", "'root' is missing");
    one(R"({"ociVersion": "1.0.0", "root": {}})", "'path' is missing");
    one(R"({"ociVersion": "1.0.0", "root": {"path": ""}})", "'path' is missing");
    one(R"({"ociVersion": "1.0.0", "root": {"path": "a\u0000b"}})", "NUL");
    one(kTop + R"(, "root": {"path": "r"}})", "'root' is given twice");
    one(kTop + "}" + std::string(kMaxFileSize, ' '), "larger than 1024 KiB");
    std::vector<Diagnostic> faults;
    CHECK_FALSE(oci::read_process("p.json", R"({"args": [], "cwd": "a"})", faults).has_value());
    CHECK(faults.size() == 2);
    faults.clear();
    CHECK_FALSE(oci::read_resources("r.json", R"({"pids": {"limit": "x"}})", faults).has_value());
    CHECK(faults.front().at.pointer == "/pids/limit");
}

TEST_CASE("all faults are told at once, in the order of the file, and not without end") {
    const auto faults = faults_of(R"({
 "linux": {"namespaces": [{"type": "nett"}], "rootfsPropagation": "shard"},
 "process": {"cwd": "x", "args": [], "noNewPrivileges": "yes"},
 "ociVersion": "1.2.0"
})");
    std::vector<std::string> places;
    for (const auto& d : faults)
        places.push_back(fmt::format("{}:{} {}", d.at.line, d.at.column, d.message));
    CHECK(places == std::vector<std::string>{
                        "1:1 'root' is missing",
                        "2:36 unknown type of namespace 'nett'",
                        "2:67 unknown propagation 'shard'",
                        "3:21 'x' is not an absolute path",
                        "3:34 there is no program to run",
                        "3:57 '/process/noNewPrivileges' must be boolean, not string",
                    });
    CHECK(faults[2].fix == "did you mean 'shared'?");
    std::string many;
    for (int i = 0; i < 1000; ++i) many += fmt::format("{}{{\"destination\": 1}}", i ? "," : "");
    CHECK(faults_of(in_config("\"mounts\": [" + many + "]")).size() == kMaxFindings);
}

TEST_CASE("faults of the process") {
    const std::string long_text(128 * 1024, 'a');
    check_all(
        in_process, "/process",
        {
            {R"("terminal": 1)", "/terminal", "must be boolean"},
            {R"("consoleSize": {"height": 1})", "/consoleSize", "'width' is missing"},
            {R"("consoleSize": {"height": 1, "width": 65536})", "/consoleSize/width",
             "out of range"},
            {R"("user": {"uid": 0})", "/user", "'gid' is missing"},
            {R"("user": {"uid": -1, "gid": 0})", "/user/uid", "out of range: -1"},
            {R"("user": {"uid": 4294967296, "gid": 0})", "/user/uid", "out of range"},
            {R"("user": {"uid": 1.5, "gid": 0})", "/user/uid", "must be integer, not number"},
            {R"("user": {"uid": 0, "gid": 0, "umask": 512})", "/user/umask", "out of range"},
            {R"("user": {"uid": 0, "gid": 0, "additionalGids": [1, -1]})", "/user/additionalGids/1",
             "out of range"},
            {R"("env": ["A"])", "/env/0", "not a variable with a value"},
            {R"("env": ["A=b", "=b"])", "/env/1", "not a variable with a value"},
            {R"("env": ["A=)" + long_text + "\"]", "/env/0", "too long for a program"},
            {R"("capabilities": {"bounding": ["CAP_SYS_ADMN"]})", "/capabilities/bounding/0",
             "unknown capability 'CAP_SYS_ADMN'"},
            {R"("capabilities": {"effective": ["CAP_KILL"]})", "/capabilities/effective/0",
             "in 'effective' and not in 'permitted'"},
            {R"("capabilities": {"permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]})",
             "/capabilities/ambient/0", "in 'ambient' and not in 'inheritable'"},
            {R"("capabilities": [])", "/capabilities", "must be object"},
            {R"("rlimits": [{"type": "RLIMIT_NOFILES", "soft": 0, "hard": 0}])", "/rlimits/0/type",
             "unknown resource limit"},
            {R"("rlimits": [{"type": "nofile", "soft": 0, "hard": 0}])", "/rlimits/0/type",
             "unknown resource limit"},
            {R"("rlimits": [{"type": "RLIMIT_CPU", "soft": 0, "hard": 0},
                            {"type": "RLIMIT_CPU", "soft": 0, "hard": 0}])",
             "/rlimits/1/type", "'RLIMIT_CPU' is given twice"},
            {R"("rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}])", "/rlimits/0/soft",
             "above the hard one"},
            {R"("rlimits": [{"type": "RLIMIT_CPU", "soft": 2}])", "/rlimits/0",
             "'hard' is missing"},
            {R"("oomScoreAdj": 1001)", "/oomScoreAdj", "out of range"},
            {R"("oomScoreAdj": -1001)", "/oomScoreAdj", "out of range"},
            {R"("scheduler": {})", "/scheduler", "'policy' is missing"},
            {R"("scheduler": {"policy": "SCHED_ISO"})", "/scheduler/policy",
             "unknown scheduling policy"},
            {R"("scheduler": {"policy": "SCHED_RR", "priority": 1, "nice": 1})", "/scheduler/nice",
             "has no meaning"},
            {R"("scheduler": {"policy": "SCHED_OTHER", "nice": 20})", "/scheduler/nice",
             "out of range"},
            {R"("scheduler": {"policy": "SCHED_OTHER", "priority": 1})", "/scheduler/priority",
             "has no meaning"},
            {R"("scheduler": {"policy": "SCHED_FIFO"})", "/scheduler", "'priority' is missing"},
            {R"("scheduler": {"policy": "SCHED_IDLE", "period": 1})", "/scheduler/period",
             "has no meaning"},
            {R"("scheduler": {"policy": "SCHED_DEADLINE", "runtime": 2, "deadline": 1})",
             "/scheduler", "each within the next"},
            {R"("scheduler": {"policy": "SCHED_IDLE", "flags": ["SCHED_FLAG_X"]})",
             "/scheduler/flags/0", "unknown scheduling flag"},
            {R"("ioPriority": {"class": "IOPRIO_CLASS_RT"})", "/ioPriority",
             "'priority' is missing"},
            {R"("ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 8})", "/ioPriority/priority",
             "out of range"},
            {R"("ioPriority": {"class": "RT", "priority": 1})", "/ioPriority/class",
             "unknown I/O class"},
            {R"("execCPUAffinity": {"final": "0-"})", "/execCPUAffinity/final",
             "not a list of numbers"},
            {R"("execCPUAffinity": {"initial": "1-2-3"})", "/execCPUAffinity/initial",
             "not a list of numbers"},
        });
    const auto in_whole = [](const std::string& m) {
        return in_config("\"process\": {" + m + "}");
    };
    check_all(in_whole, "/process",
              {
                  {R"("args": ["sh"])", "", "'cwd' is missing"},
                  {R"("cwd": "a", "args": ["sh"])", "/cwd", "not an absolute path"},
                  {R"("cwd": "/")", "", "'args' is missing"},
                  {R"("cwd": "/", "args": [])", "/args", "there is no program"},
                  {R"("cwd": "/", "args": ["", "a"])", "/args", "there is no program"},
                  {R"("cwd": "/", "args": ["sh", ")" + long_text + "\"]", "/args/1",
                   "too long for a program"},
              });
}

TEST_CASE("faults of linux") {
    check_all(in_linux, "/linux",
              {
                  {R"("uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])", "/uidMappings",
                   "without a user namespace"},
                  {R"("timeOffsets": {"monotonic": {"secs": 1}})", "/timeOffsets",
                   "without a new time namespace"},
                  {R"("sysctl": {"net.ipv4.ip_forward": "1"})", "/sysctl/net.ipv4.ip_forward",
                   "would be set for the whole machine"},
                  {R"("sysctl": {"kernel.domainname": "a"})", "/sysctl/kernel.domainname",
                   "would be set for the whole machine"},
                  {R"("sysctl": {"kernel.core_pattern": "a"})", "/sysctl/kernel.core_pattern",
                   "is not a setting of a container"},
                  {R"("sysctl": {"kernel/core_pattern": "a"})", "/sysctl/kernel~1core_pattern",
                   "is not a setting of a container"},
                  {R"("sysctl": {"net/../kernel/core_pattern": "a"})",
                   "/sysctl/net~1..~1kernel~1core_pattern", "is not a setting of a container"},
                  {R"("sysctl": {"net.//.kernel": "a"})", "/sysctl/net.~1~1.kernel",
                   "is not a setting of a container"},
                  {R"("sysctl": {"kernel.sem": 1})", "/sysctl/kernel.sem", "must be string"},
                  {R"("sysctl": {"kernel.sem": "1", "kernel/sem": "1"})", "/sysctl/kernel~1sem",
                   "is given twice"},
                  {R"("devices": [{"type": "x", "path": "/a"}])", "/devices/0/type",
                   "unknown type of device"},
                  {R"("devices": [{"type": "c", "path": "/a", "major": 1}])", "/devices/0",
                   "'minor' is missing"},
                  {R"("devices": [{"type": "c", "path": "/a", "major": 4096, "minor": 0}])",
                   "/devices/0/major", "out of range"},
                  {R"("devices": [{"type": "p", "path": "a"}])", "/devices/0/path",
                   "not an absolute path"},
                  {R"("devices": [{"type": "p", "path": "/../a"}])", "/devices/0/path",
                   "leaves the container"},
                  {R"("devices": [{"type": "p", "path": "/a"}, {"type": "p", "path": "//a/"}])",
                   "/devices/1", "is given twice"},
                  {R"("devices": [{"type": "p", "path": "/a", "fileMode": 65536}])",
                   "/devices/0/fileMode", "out of range"},
                  {R"("cgroupsPath": "/a/../../b")", "/cgroupsPath", "not the path of a cgroup"},
                  {R"("cgroupsPath": "a\nb")", "/cgroupsPath", "not the path of a cgroup"},
                  {R"("rootfsPropagation": "none")", "/rootfsPropagation", "unknown propagation"},
                  {R"("maskedPaths": ["proc/kcore"])", "/maskedPaths/0", "not an absolute path"},
                  {R"("readonlyPaths": ["/../a"])", "/readonlyPaths/0", "leaves the container"},
                  {R"("personality": {"domain": "BSD"})", "/personality/domain", "unknown domain"},
                  {R"("personality": {})", "/personality", "'domain' is missing"},
              });
}

TEST_CASE("faults of namespaces and their ids") {
    const auto in_namespaces = [](const std::string& m) {
        return in_config("\"linux\": {\"namespaces\": [{\"type\": \"user\"}], " + m + "}");
    };
    const std::string good = R"([{"containerID": 0, "hostID": 0, "size": 1}])";
    const auto maps = [&](const std::string& items) {
        return "\"gidMappings\": " + good + ", \"uidMappings\": [" + items + "]";
    };
    check_all(
        in_namespaces, "/linux",
        {
            {"\"uidMappings\": " + good, "/namespaces/0", "has no 'gidMappings'"},
            {maps(R"({"containerID": 0, "hostID": 0, "size": 0})"), "/uidMappings/0/size",
             "out of range: 0"},
            {maps(R"({"containerID": 0, "hostID": 0})"), "/uidMappings/0", "'size' is missing"},
            {maps(R"({"containerID": 4294967295, "hostID": 0, "size": 1})"), "/uidMappings/0",
             "the ids from 'containerID' on go beyond"},
            {maps(R"({"containerID": 0, "hostID": 4294967000, "size": 296})"), "/uidMappings/0",
             "the ids from 'hostID' on go beyond"},
            {maps(R"({"containerID": 0, "hostID": 0, "size": 10},
                           {"containerID": 9, "hostID": 100, "size": 1})"),
             "/uidMappings/1", "overlap"},
            {maps(R"({"containerID": 5, "hostID": 5, "size": 10},
                           {"containerID": 100, "hostID": 0, "size": 6})"),
             "/uidMappings/1", "on the host"},
        });
    const auto in_list = [](const std::string& m) {
        return in_config("\"linux\": {\"namespaces\": [" + m + "]}");
    };
    check_all(in_list, "/linux/namespaces",
              {
                  {R"({"type": "nett"})", "/0/type", "unknown type of namespace"},
                  {R"({"type": "pid"}, {"type": "pid"})", "/1/type", "is given twice"},
                  {R"({"type": "pid", "path": "ns"})", "/0/path", "not an absolute path"},
                  {"{}", "/0", "'type' is missing"},
              });
    check_all(
        [](const std::string& m) { return in_config("\"linux\": {" + m + "}"); }, "/linux",
        {
            {R"("maskedPaths": ["/proc/kcore"])", "/maskedPaths", "would change the whole machine"},
            {R"("namespaces": [{"type": "time", "path": "/a"}],
                      "timeOffsets": {"boottime": {"secs": 1}})",
             "/timeOffsets", "without a new time namespace"},
            {R"("namespaces": [{"type": "time"}], "timeOffsets": {"realtime": {}})",
             "/timeOffsets/realtime", "unknown clock"},
            {R"("namespaces": [{"type": "time"}],
                      "timeOffsets": {"boottime": {"nanosecs": 1000000000}})",
             "/timeOffsets/boottime/nanosecs", "out of range"},
        });
}

TEST_CASE("faults of resources") {
    check_all(
        in_resources, "/linux/resources",
        {
            {R"("memory": {"limit": -2})", "/memory/limit", "out of range"},
            {R"("memory": {"swap": 1})", "/memory/swap", "without a 'limit'"},
            {R"("memory": {"swap": 1, "limit": 2})", "/memory/swap", "less than 'limit'"},
            {R"("cpu": {"cpus": "a"})", "/cpu/cpus", "not a list of numbers"},
            {R"("cpu": {"mems": "1,"})", "/cpu/mems", "not a list of numbers"},
            {R"("cpu": {"quota": 999})", "/cpu/quota", "out of range"},
            {R"("cpu": {"period": 1000001})", "/cpu/period", "out of range"},
            {R"("cpu": {"quota": 2000, "burst": 2001})", "/cpu/burst", "above 'quota'"},
            {R"("cpu": {"idle": 2})", "/cpu/idle", "out of range"},
            {R"("pids": {"limit": -2})", "/pids/limit", "out of range"},
            {R"("blockIO": {"weight": 1001})", "/blockIO/weight", "out of range"},
            {R"("blockIO": {"weightDevice": [{"major": 8, "minor": 0}]})",
             "/blockIO/weightDevice/0", "'weight' is missing"},
            {R"("blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]})",
             "/blockIO/throttleReadBpsDevice/0", "'rate' is missing"},
            {R"("hugepageLimits": [{"pageSize": "2M", "limit": 0}])", "/hugepageLimits/0/pageSize",
             "not a size of pages"},
            {R"("hugepageLimits": [{"pageSize": "../B", "limit": 0}])",
             "/hugepageLimits/0/pageSize", "not a size of pages"},
            {R"("rdma": {"a b": {"hcaHandles": 1}})", "/rdma/a b", "not the name of a device"},
            {R"("rdma": {"a": {}})", "/rdma/a", "'hcaHandles' is missing"},
            {R"("unified": {"cgroup.procs": "1"})", "/unified/cgroup.procs",
             "not a file of a controller"},
            {R"("unified": {"memory": "1"})", "/unified/memory", "not a file of a controller"},
            {R"("unified": {"memory./../x": "1"})", "/unified/memory.~1..~1x",
             "not a file of a controller"},
            {R"("unified": {"memory.max": ""})", "/unified/memory.max", "nothing to write"},
            {R"("unified": {"memory.max": 1})", "/unified/memory.max", "must be string"},
            {R"("devices": [{"access": "r"}])", "/devices/0", "'allow' is missing"},
            {R"("devices": [{"allow": true}])", "/devices/0", "'access' is missing"},
            {R"("devices": [{"allow": true, "access": "rx"}])", "/devices/0/access",
             "no access to a device"},
            {R"("devices": [{"allow": true, "access": "r", "type": "p"}])", "/devices/0/type",
             "unknown type of device"},
            {R"("devices": [{"allow": true, "access": "r", "major": -2}])", "/devices/0/major",
             "out of range"},
        });
}

TEST_CASE("faults of seccomp") {
    const std::string ask = R"("syscalls": [{"names": ["mknod"], "action": "SCMP_ACT_NOTIFY"}])";
    const auto rule = [](const std::string& members) {
        return R"("syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", )" + members + "}]";
    };
    check_all(
        in_seccomp, "/linux/seccomp",
        {
            {R"("defaultErrnoRet": 1)", "/defaultErrnoRet", "no meaning with this action"},
            {R"("architectures": ["x86_64"])", "/architectures/0", "unknown architecture"},
            {R"("flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"])", "/flags/0",
             "unknown seccomp flag"},
            {R"("flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])", "/flags",
             "without SCMP_ACT_NOTIFY"},
            {R"("listenerMetadata": "a")", "/listenerMetadata", "without 'listenerPath'"},
            {R"("listenerPath": "a")", "/listenerPath", "not an absolute path"},
            {ask, "/syscalls/0", "there is no 'listenerPath'"},
            {R"("syscalls": [{"action": "SCMP_ACT_ALLOW"}])", "/syscalls/0", "'names' is missing"},
            {R"("syscalls": [{"names": [], "action": "SCMP_ACT_ALLOW"}])", "/syscalls/0/names",
             "no system call"},
            {R"("syscalls": [{"names": [""], "action": "SCMP_ACT_ALLOW"}])", "/syscalls/0/names",
             "no system call"},
            {R"("syscalls": [{"names": ["a"], "action": "ALLOW", "errnoRet": 1}])",
             "/syscalls/0/action", "unknown seccomp action"},
            {R"("syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}])",
             "/syscalls/0/errnoRet", "no meaning with this action"},
            {rule(R"("errnoRet": 4096)"), "/syscalls/0/errnoRet", "out of range"},
            {rule(R"("args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}])"),
             "/syscalls/0/args/0/index", "out of range"},
            {rule(R"("args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}])"),
             "/syscalls/0/args/0/value", "out of range"},
            {rule(R"("args": [{"index": 0, "value": 0, "op": "=="}])"), "/syscalls/0/args/0/op",
             "unknown operator"},
            {rule(R"("args": [{"index": 0, "value": 0}])"), "/syscalls/0/args/0",
             "'op' is missing"},
            {rule(R"("args": [{"index": 1, "value": 0, "op": "SCMP_CMP_GE"},
                              {"index": 1, "value": 9, "op": "SCMP_CMP_LE"}])"),
             "/syscalls/0/args/1", "tested twice"},
        });
    check_all([](const std::string& m) { return in_linux("\"seccomp\": {" + m + "}"); },
              "/linux/seccomp",
              {
                  {"", "", "'defaultAction' is missing"},
                  {R"("defaultAction": "SCMP_ACT_NOTIFY")", "/defaultAction",
                   "cannot be SCMP_ACT_NOTIFY"},
              });
    const auto heard = in_seccomp(
        R"("listenerPath": "/run/agent", "listenerMetadata": "x",
           "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], )" +
        ask);
    INFO(texts(faults_of(heard)));
    CHECK(faults_of(heard).empty());
}
