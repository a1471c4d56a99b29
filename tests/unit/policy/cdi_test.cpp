// tests: specifications of the Container Device Interface.
#include "policy/cdi.h"

#include <catch2/catch.hpp>

using namespace pmos::policy;

namespace {

constexpr const char* kSpec = R"({
  "cdiVersion": "0.5.0", "kind": "vendor.com/gpu",
  "annotations": {"later": ["more"]},
  "containerEdits": {"deviceNodes": [{"path": "/dev/vendor-control"}]},
  "devices": [
    {"name": "0", "containerEdits": {"deviceNodes": [
       {"path": "/dev/inner0", "hostPath": "/dev/vendor0", "type": "c", "permissions": "rw"}]}},
    {"name": "all", "containerEdits": {"deviceNodes": [{"path": "/dev/vendor0"},
       {"path": "/dev/vendor1"}], "mounts": [{"hostPath": "/lib/v", "containerPath": "/lib/v"}]}}]
})";

std::vector<std::string> faults(const std::string& text) {
    std::vector<Diagnostic> found;
    CHECK_FALSE(read_cdi("cdi.json", text, found));
    std::vector<std::string> words;
    for (const auto& d : found) words.push_back(d.at.pointer + ": " + d.message);
    return words;
}

}  // namespace

TEST_CASE("a CDI device is its nodes, and those of the whole specification") {
    std::vector<Diagnostic> found;
    const auto spec = read_cdi("cdi.json", kSpec, found);
    REQUIRE(spec);
    CHECK(found.empty());
    CHECK(spec->kind == "vendor.com/gpu");
    using Nodes = std::vector<std::string>;
    CHECK(spec->devices.at("0") == Nodes{"/dev/vendor-control", "/dev/vendor0"});
    CHECK(spec->devices.at("all") == Nodes{"/dev/vendor-control", "/dev/vendor0", "/dev/vendor1"});
}

TEST_CASE("a CDI specification with a fault gives nothing, and says where") {
    using Words = std::vector<std::string>;
    CHECK(faults(R"({"devices": []})") == Words{": it has no text 'kind'"});
    CHECK(faults(R"({"kind": "gpu", "devices": []})") ==
          Words{"/kind: 'gpu' is no kind of device"});
    CHECK(faults(R"({"kind": "a.b/gpu"})") == Words{": it has no list 'devices'"});
    CHECK(faults(R"({"kind": "a.b/gpu", "devices": [{"name": "0"}, {"name": "0"}]})") ==
          Words{"/devices/1/name: '0' is there twice"});
    CHECK(faults(R"({"kind": "a.b/gpu", "devices": [{"name": "0", "containerEdits":
        {"deviceNodes": [{"path": "/etc/shadow"}]}}]})") ==
          Words{"/devices/0/containerEdits/deviceNodes/0/path: '/etc/shadow' is not below /dev"});
    CHECK_FALSE(faults("{").empty());
    CHECK_FALSE(faults("[]").empty());
}

TEST_CASE("names of CDI devices") {
    const auto name = parse_cdi_name("vendor.com/gpu=GPU-1:2");
    REQUIRE(name);
    CHECK(name->kind == "vendor.com/gpu");
    CHECK(name->device == "GPU-1:2");
    for (const char* bad : {"", "gpu=0", "vendor.com/gpu", "vendor.com/gpu=", "/gpu=0", "v/g=../x",
                            "-v/gpu=0", "v/gpu=0-"})
        CHECK_FALSE(parse_cdi_name(bad));
}
