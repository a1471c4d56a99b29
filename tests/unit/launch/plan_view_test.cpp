// tests: the reader of plan images accepts what policy encodes and refuses everything else.
#include "runtime/launch/plan_view.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <ostream>
#include <random>
#include <vector>

#include "policy/launch_plan.h"

using namespace pmos;
using launch::PlanFault;
using launch::PlanView;
namespace image = policy::image;

namespace pmos::launch {
std::ostream& operator<<(std::ostream& out, PlanFault fault) {
    return out << "PlanFault " << static_cast<int>(fault);
}
}  // namespace pmos::launch

namespace {

policy::MountOp mount(image::MountKind kind, const char* source, const char* target) {
    policy::MountOp op;
    op.kind = kind;
    op.source = source;
    op.target = target;
    op.options = {{"size", "1m"}, {"flag", ""}};
    return op;
}

policy::LaunchPlan sound_plan() {
    policy::LaunchPlan plan;
    plan.mode = "secure";
    plan.hostname = "secure";
    plan.uid_map = plan.gid_map = {{0, 300000, 65536}};
    plan.namespaces = 0x7e020000;  // all but time
    plan.mounts = {mount(image::MountKind::root, "", "/"),
                   mount(image::MountKind::dev, "tmpfs", "/dev"),
                   mount(image::MountKind::bind, "/srv", "/srv/here")};
    plan.mounts[0].options.clear();
    policy::DeviceNode null;
    null.path = "dri/null";
    null.major = 1;
    null.minor = 3;
    null.mode = 0666;
    plan.device_nodes = {null};
    plan.process.args = {"/bin/sh", ""};
    plan.process.env = {"PATH=/bin", "EMPTY="};
    plan.process.cwd = "/home/user";
    plan.process.rlimits = {{7, 10, 20}};
    plan.seccomp = {6, 0, 0, 0, 0, 0, 0, 0};
    plan.landlock_handled = 0xf;
    plan.landlock = {{"/", 0x4}};
    return plan;
}

PlanFault check(const std::vector<std::byte>& bytes) { return PlanView::check(bytes); }
PlanFault check(const policy::LaunchPlan& plan) { return check(policy::encode(plan)); }

PlanFault check_header(const std::function<void(image::Header&)>& change) {
    std::vector<std::byte> bytes = policy::encode(sound_plan());
    image::Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    change(header);
    std::memcpy(bytes.data(), &header, sizeof header);
    return check(bytes);
}

PlanFault check_plan(const std::function<void(policy::LaunchPlan&)>& change) {
    policy::LaunchPlan plan = sound_plan();
    change(plan);
    return check(plan);
}

// The fuzzer's seeds, by the names of their files: a sound image and what is one step from it.
std::map<std::string, std::vector<std::byte>> seeds() {
    const std::vector<std::byte> sound = policy::encode(sound_plan());
    const auto with = [&](const std::function<void(image::Header&)>& change) {
        std::vector<std::byte> bytes = sound;
        image::Header header;
        std::memcpy(&header, bytes.data(), sizeof header);
        change(header);
        std::memcpy(bytes.data(), &header, sizeof header);
        return bytes;
    };
    std::map<std::string, std::vector<std::byte>> out{
        {"empty", {}},
        {"sound", sound},
        {"of-a-container", with([](auto& h) { h.container = image::container_is; })},
        {"args-at-the-end", with([](auto& h) { h.args.offset = h.size; })},
        {"cwd-size-wraps", with([](auto& h) { h.cwd.size = UINT32_MAX; })},
        {"json-without-nul", sound},
        {"mounts-count-huge", with([](auto& h) { h.mounts.count = 0x7fffffff; })},
        {"no-args", with([](auto& h) { h.args = {}; })},
        {"short-by-one", {sound.begin(), sound.end() - 1}}};
    image::Header header;
    std::memcpy(&header, sound.data(), sizeof header);
    out["json-without-nul"][header.json.offset + header.json.size] = std::byte{'x'};
    return out;
}

std::vector<std::byte> read_seed(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    return {begin, begin + text.size()};
}

}  // namespace

TEST_CASE("the fuzzer's seeds are of this build's format") {
    const char* update = std::getenv("PMOS_UPDATE_GOLDEN");
    for (const auto& [name, bytes] : seeds()) {
        const std::string path = PMOS_SOURCE_ROOT "/tests/fuzz/corpus/plan_view/" + name;
        if (update != nullptr && std::string_view(update) == "1")
            std::ofstream(path, std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()),
                       static_cast<std::streamsize>(bytes.size()));
        INFO(path << " (PMOS_UPDATE_GOLDEN=1 rewrites it)");
        CHECK(read_seed(path) == bytes);
        const bool good = name == "sound" || name == "of-a-container";
        CHECK((check(bytes) == PlanFault::none) == good);
    }
}

TEST_CASE("a view reads back what policy encoded") {
    const policy::LaunchPlan plan = sound_plan();
    const std::vector<std::byte> bytes = policy::encode(plan);
    REQUIRE(check(bytes) == PlanFault::none);
    const PlanView view(bytes.data());
    const image::Header& h = view.header();
    CHECK(view.text(h.mode) == std::string("secure"));
    CHECK(view.text(h.cwd) == std::string("/home/user"));
    const auto args = view.table(h.args);
    REQUIRE(args.size() == 2);
    CHECK(view.text(args[0]) == std::string("/bin/sh"));
    CHECK(view.text(args[1]) == std::string());
    const auto mounts = view.table(h.mounts);
    REQUIRE(mounts.size() == 3);
    CHECK(view.text(mounts[2].source) == std::string("/srv"));
    const auto options = view.table(mounts[2].options);
    REQUIRE(options.size() == 2);
    CHECK(view.text(options[0].value) == std::string("1m"));
    CHECK(view.table(h.rlimits)[0].hard == 20);
}

TEST_CASE("a broken header is refused") {
    CHECK(check_header([](auto& h) { h.magic[0] = 'x'; }) == PlanFault::magic);
    CHECK(check_header([](auto& h) { ++h.version; }) == PlanFault::version);
    CHECK(check_header([](auto& h) { --h.size; }) == PlanFault::size);
    CHECK(check_header([](auto& h) { h.args.offset += 4; }) == PlanFault::table);
    CHECK(check_header([](auto& h) { h.args.offset = h.size; }) == PlanFault::table);
    CHECK(check_header([](auto& h) { h.args.offset = 0; }) == PlanFault::table);
    CHECK(check_header([](auto& h) { h.seccomp.count = UINT32_MAX; }) == PlanFault::table);
    CHECK(check_header([](auto& h) { h.mode.offset = UINT32_MAX; }) == PlanFault::text);
    CHECK(check_header([](auto& h) { h.mode.size = UINT32_MAX; }) == PlanFault::text);
    CHECK(check_header([](auto& h) { ++h.mode.size; }) == PlanFault::text);
    CHECK(check_header([](auto& h) { --h.mode.size; }) == PlanFault::text);
    CHECK(check_header([](auto& h) { h.mode = {}; }) == PlanFault::mode_name);
    CHECK(check_header([](auto& h) { h.namespaces = 0; }) == PlanFault::namespaces);
    CHECK(check_header([](auto& h) { h.namespaces |= 1; }) == PlanFault::namespaces);
}

TEST_CASE("every shortened image is refused") {
    const std::vector<std::byte> bytes = policy::encode(sound_plan());
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK(PlanView::check({bytes.data(), size}) == PlanFault::size);
}

TEST_CASE("no damaged byte makes the reader look outside the image") {
    // The sanitizers of the debug build are the judge; a verdict of either kind is right.
    const std::vector<std::byte> sound = policy::encode(sound_plan());
    std::mt19937 random(20240607);
    int refused = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::byte> bytes = sound;
        for (int hits = 0; hits < 3; ++hits)
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        refused += check(bytes) != PlanFault::none;
    }
    CHECK(refused > 5000);
}

TEST_CASE("what a plan may not ask for is refused") {
    using P = policy::LaunchPlan;
    CHECK(check_plan([](P& p) { p.uid_map.clear(); }) == PlanFault::id_map);
    CHECK(check_plan([](P& p) { p.uid_map = {{0, 0, 1}}; }) == PlanFault::id_map);
    CHECK(check_plan([](P& p) { p.gid_map = {{0, 100000, 0}}; }) == PlanFault::id_map);
    CHECK(check_plan([](P& p) { p.gid_map = {{0, 0xfffffff0, 65536}}; }) == PlanFault::id_map);
    CHECK(check_plan([](P& p) { p.mounts.erase(p.mounts.begin()); }) == PlanFault::mount);
    CHECK(check_plan([](P& p) { p.mounts.push_back(p.mounts[0]); }) == PlanFault::mount);
    CHECK(check_plan([](P& p) { p.mounts.push_back(p.mounts[1]); }) == PlanFault::mount);
    CHECK(check_plan([](P& p) { p.mounts[1].attributes = 1ULL << 40; }) == PlanFault::mount);
    CHECK(check_plan([](P& p) { p.mounts[1].kind = image::MountKind{99}; }) == PlanFault::mount);
    for (const char* path : {"", "dev", "/dev/", "//dev", "/dev/../etc", "/./dev", "/dev/.."}) {
        INFO(path);
        CHECK(check_plan([&](P& p) { p.mounts[1].target = path; }) == PlanFault::path);
        CHECK(check_plan([&](P& p) { p.mounts[2].source = path; }) == PlanFault::path);
        CHECK(check_plan([&](P& p) { p.process.cwd = path; }) == PlanFault::path);
        CHECK(check_plan([&](P& p) { p.landlock[0].path = path; }) == PlanFault::path);
    }
    CHECK(check_plan([](P& p) { p.mounts[2].target = "/"; }) == PlanFault::path);
    for (const char* path : {"", "/null", "../null", "a//b", "a/."}) {
        INFO(path);
        CHECK(check_plan([&](P& p) { p.device_nodes[0].path = path; }) == PlanFault::path);
    }
    CHECK(check_plan([](P& p) { p.device_nodes[0].link = "x"; }) == PlanFault::node);
    CHECK(check_plan([](P& p) { p.device_nodes[0].mode = 0100666; }) == PlanFault::node);
    CHECK(check_plan([](P& p) { p.process.args.clear(); }) == PlanFault::process);
    CHECK(check_plan([](P& p) { p.process.args[0] = ""; }) == PlanFault::process);
    CHECK(check_plan([](P& p) { p.process.env = {"NOVALUE"}; }) == PlanFault::process);
    CHECK(check_plan([](P& p) { p.process.env = {"=value"}; }) == PlanFault::process);
    CHECK(check_plan([](P& p) { p.process.rlimits = {{16, 0, 0}}; }) == PlanFault::rlimit);
    CHECK(check_plan([](P& p) { p.process.rlimits = {{7, 2, 1}}; }) == PlanFault::rlimit);
    CHECK(check_plan([](P& p) { p.process.capabilities.effective = 1; }) ==
          PlanFault::capabilities);
    CHECK(check_plan([](P& p) { p.process.capabilities.ambient = 1; }) == PlanFault::capabilities);
    CHECK(check_plan([](P& p) { p.seccomp.clear(); }) == PlanFault::seccomp);
    CHECK(check_plan([](P& p) { p.seccomp_flags = 8; }) == PlanFault::seccomp);  // NEW_LISTENER
    CHECK(check_plan([](P& p) { p.seccomp_answer = p.seccomp; }) == PlanFault::seccomp);
    CHECK(check_plan([](P& p) {
              p.seccomp_flags = 8;
              p.seccomp_answer = p.seccomp;
          }) == PlanFault::none);
    CHECK(check_plan([](P& p) { p.landlock[0].access = 0x10; }) == PlanFault::landlock);
    CHECK(check_plan([](P& p) { p.hostname.assign(65, 'h'); }) == PlanFault::mode_name);
    CHECK(check_plan([](P& p) { p.process.env.assign(513, "A=b"); }) == PlanFault::table);
}

TEST_CASE("what a container need not have a mode must") {
    using P = policy::LaunchPlan;
    const auto contained = [](const std::function<void(P&)>& change) {
        return check_plan([&](P& p) {
            p.container.emplace();
            change(p);
        });
    };
    const std::pair<PlanFault, std::function<void(P&)>> lacks[] = {
        {PlanFault::seccomp, [](P& p) { p.seccomp.clear(); }},
        {PlanFault::id_map,
         [](P& p) {
             p.uid_map = {{0, 0, 1}};
         }},
        {PlanFault::seccomp, [](P& p) { p.seccomp_flags = 4; }},
        {PlanFault::table, [](P& p) { p.process.env.assign(5000, "A=b"); }},
        {PlanFault::mount, [](P& p) { p.mounts[2].flags = image::mount_recursive; }},
        {PlanFault::mount, [](P& p) { p.mounts[2].propagation = 1U << 19; }},
        {PlanFault::mount, [](P& p) { p.mounts[2].cleared = 1; }},
        {PlanFault::namespaces, [](P& p) { p.namespaces &= ~std::uint64_t{0x20000000}; }},  // pid
    };
    for (const auto& [fault, change] : lacks) {
        CHECK(check_plan(change) == fault);
        CHECK(contained(change) == PlanFault::none);
    }
    CHECK(contained([](P& p) {
              p.namespaces &= ~std::uint64_t{0x10000000};  // user
              p.uid_map.clear();
              p.gid_map.clear();
          }) == PlanFault::none);
    CHECK(contained([](P& p) { p.uid_map.clear(); }) == PlanFault::id_map);
    CHECK(contained([](P& p) { p.container->flags = 0x80; }) == PlanFault::container);
    CHECK(contained([](P& p) { p.container->joined = 1; }) == PlanFault::container);
    CHECK(contained([](P& p) { p.container->sysctl = {{"../x", "1"}}; }) == PlanFault::path);
    CHECK(contained([](P& p) {
              p.container->hooks = {{false, "x", {}, {}, 0}};
          }) == PlanFault::path);
    CHECK(contained([](P& p) { p.mounts[2].flags = 0x80; }) == PlanFault::mount);
    CHECK(contained([](P& p) { p.mounts[2].propagation = 1; }) == PlanFault::mount);
    CHECK(check_header([](auto& h) { h.personality = 8; }) == PlanFault::container);
    CHECK(check_header([](auto& h) { h.joined = 0x20000000; }) == PlanFault::container);
}

TEST_CASE("ids are mapped as user_namespaces(7) does") {
    const image::IdMap map[] = {{0, 300000, 1000, 0}, {2000, 500000, 1, 0}};
    std::uint32_t outside = 0;
    CHECK(launch::map_id(map, 999, outside));
    CHECK(outside == 300999);
    CHECK(launch::map_id(map, 2000, outside));
    CHECK(outside == 500000);
    CHECK_FALSE(launch::map_id(map, 1000, outside));
    CHECK_FALSE(launch::map_id(map, UINT32_MAX, outside));
}
