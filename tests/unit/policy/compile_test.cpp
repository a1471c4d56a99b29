// tests: plans against the facts of other phones, and the image that the launcher reads.
#include <linux/mount.h>
#include <sched.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "policy/hash.h"
#include "policy/profile.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

std::shared_ptr<const Profile> load(const std::string& text) {
    const std::vector<SourceFile> files{{"a.json", text}};
    const auto set = read_policy(files, nullptr, {});
    std::string faults;
    for (const auto& d : set.modes[0].diagnostics) faults += to_text(d) + "\n";
    INFO(faults);
    REQUIRE(set.modes[0].profile != nullptr);
    return set.modes[0].profile;
}

std::shared_ptr<const Profile> shipped(const std::string& mode) {
    return find_mode(shipped_policy(), mode).profile;
}

std::shared_ptr<const Profile> with(const std::string& extra) {
    return load(profile_text("alpha", 200000, extra));
}

const MountOp* find_mount(const LaunchPlan& plan, const std::string& target) {
    const auto it = std::ranges::find(plan.mounts, target, &MountOp::target);
    return it == plan.mounts.end() ? nullptr : &*it;
}

// Follows the offsets of an image as a reader that trusts nothing would.
class Image {
  public:
    explicit Image(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {
        REQUIRE(bytes_.size() >= sizeof(image::Header));
        std::memcpy(&header, bytes_.data(), sizeof header);
    }
    std::string text(image::Text t) const {
        if (t.size == 0) return "";
        REQUIRE(t.offset >= sizeof(image::Header));
        REQUIRE(std::size_t{t.offset} + t.size < bytes_.size());
        CHECK(bytes_[t.offset + t.size] == std::byte{0});
        return {reinterpret_cast<const char*>(bytes_.data()) + t.offset, t.size};
    }
    template <class T>
    std::vector<T> table(image::Table<T> t) const {
        std::vector<T> rows(t.count);
        CHECK(t.offset % 8 == 0);
        REQUIRE(std::size_t{t.offset} + t.count * sizeof(T) <= bytes_.size());
        if (t.count != 0) std::memcpy(rows.data(), bytes_.data() + t.offset, t.count * sizeof(T));
        return rows;
    }

    image::Header header;

  private:
    std::vector<std::byte> bytes_;
};

}  // namespace

TEST_CASE("a phone that lacks what a profile needs refuses the start by key") {
    struct Row {
        void (*take)(HostFacts&);
        std::string pointer;
    };
    const Row rows[] = {
        {[](HostFacts& f) { f.filesystems = {"ext4"}; }, "/root/image"},
        {[](HostFacts& f) { f.filesystems = {"erofs"}; }, "/volumes"},
        {[](HostFacts& f) { f.device_mapper_targets.clear(); }, "/volumes"},
        {[](HostFacts& f) { f.cgroup_v2 = false; }, "/resources"},
        {[](HostFacts& f) { f.time_namespace = false; }, "/timeOffsets"},
        {[](HostFacts& f) { f.arch = "riscv64"; }, "/seccomp"},
    };
    const auto profile = shipped("secure");
    for (const auto& row : rows) {
        auto facts = fixed_facts();
        row.take(facts);
        const auto compiled = compile(*profile, facts);
        CHECK_FALSE(compiled.plan.has_value());
        const auto& d = find_rule(compiled.diagnostics, "unsupported");
        CHECK(d.at.pointer == row.pointer);
        CHECK(d.at.line > 0);
    }
}

TEST_CASE("limits: refused without their controller unless optional") {
    const auto strict = with(", \"resources\": {\"pids\": {\"max\": 10}}");
    const auto lax =
        with(", \"resources\": {\"pids\": {\"max\": {\"value\": 10, \"optional\": true}}}");
    auto facts = fixed_facts();
    facts.cgroup_controllers = {"memory"};
    const auto refused = compile(*strict, facts);
    CHECK_FALSE(refused.plan.has_value());
    CHECK(find_rule(refused.diagnostics, "unsupported").at.pointer == "/resources/pids/max");
    const auto skipped = compile(*lax, facts);
    REQUIRE(skipped.plan.has_value());
    CHECK(find_rule(skipped.diagnostics, "limit-skipped").severity == Severity::warning);
    const auto it = std::ranges::find(skipped.plan->cgroup, "pids.max", &CgroupLimit::file);
    REQUIRE(it != skipped.plan->cgroup.end());
    CHECK(it->optional);
    CHECK(it->value == "10");
    CHECK(compile(*strict, fixed_facts()).plan.has_value());
}

TEST_CASE("a throttled mode has other limits in the background, and something to come back to") {
    using Limits = std::map<std::string, std::string>;
    const auto values = [](const std::vector<CgroupLimit>& limits) {
        Limits found;
        for (const auto& limit : limits) found[limit.file] = limit.value;
        return found;
    };
    const auto bare = compile(*with(R"(, "session": {"background": "throttle"})"), fixed_facts());
    REQUIRE(bare.plan);
    CHECK(values(bare.plan->background_cgroup) ==
          Limits{{"cpu.weight", "10"}, {"io.weight", "10"}});
    CHECK(values(bare.plan->cgroup)["cpu.weight"] == "100");
    CHECK(values(bare.plan->cgroup)["io.weight"] == "100");

    const auto profile = with(R"(, "resources": {"cpu": {"weight": 500}}, "session": {
        "background": "throttle", "throttle": {"cpu": {"weight": 1}, "memory": {"high": "64MiB"}}})");
    const auto said = compile(*profile, fixed_facts());
    REQUIRE(said.plan);
    CHECK(values(said.plan->background_cgroup) ==
          Limits{{"cpu.weight", "1"}, {"io.weight", "10"}, {"memory.high", "67108864"}});
    CHECK(values(said.plan->cgroup)["cpu.weight"] == "500");
    CHECK(values(said.plan->cgroup)["memory.high"] == "max");
    const auto again = decode(encode(*said.plan));
    REQUIRE(again);
    CHECK(values(again->background_cgroup) == values(said.plan->background_cgroup));

    // What is named is wanted; what nobody named is left out where the kernel cannot.
    auto facts = fixed_facts();
    facts.cgroup_controllers = {"cpu", "pids"};
    CHECK_FALSE(compile(*profile, facts).plan.has_value());
    CHECK(compile(*with(R"(, "session": {"background": "throttle"})"), facts).plan.has_value());

    const auto idle = read_one(
        profile_text("alpha", 200000, R"(, "session": {"throttle": {"cpu": {"weight": 1}}})"));
    CHECK(find_rule(idle.diagnostics, "contradiction").at.pointer == "/session/throttle");
}

TEST_CASE("root hashes and the fallback are in the plan, and need dm-verity") {
    const std::string a(64, 'a'), b(64, 'b');
    auto text = profile_text("alpha", 200000);
    text.replace(text.find("\"alpha.erofs\""), 13,
                 "\"new\", \"verity\": {\"rootHash\": \"" + a +
                     "\", \"hashImage\": \"new.hash\"}, \"readyAfter\": \"3s\",\n\"fallback\": "
                     "{\"image\": \"old\", \"verity\": {\"rootHash\": \"" +
                     b + "\"}}");
    auto facts = fixed_facts();
    facts.device_mapper_targets = {"crypt", "verity"};
    const auto plan = compile(*load(text), facts).plan;
    REQUIRE(plan.has_value());
    CHECK(plan->root ==
          RootImage{facts.images_dir + "/new", "erofs", a, facts.images_dir + "/new.hash"});
    CHECK(plan->fallback == RootImage{facts.images_dir + "/old", "erofs", b, ""});
    CHECK(plan->ready_after_ms == 3000);
    const auto again = decode(encode(*plan));
    REQUIRE(again.has_value());
    CHECK(again->root == plan->root);
    CHECK(again->fallback == plan->fallback);
    CHECK(again->ready_after_ms == 3000);

    facts.device_mapper_targets = {"crypt"};
    const auto refused = compile(*load(text), facts);
    CHECK_FALSE(refused.plan.has_value());
    CHECK(find_rule(refused.diagnostics, "unsupported").at.pointer == "/root/verity");
}

TEST_CASE("what this build cannot enforce refuses the start by name") {
    for (const auto& [extra, pointer] :
         {std::pair<std::string, std::string>{", \"devices\": {\"torch\": \"foreground\"}",
                                              "/devices/torch"},
          {", \"devices\": {\"gpu\": \"full\"}", "/devices/gpu"},
          {", \"resources\": {\"io\": {\"max\": \"x\"}}", "/resources/io/max"}}) {
        const auto profile = with(extra);
        const auto compiled = compile(*profile, fixed_facts());
        INFO(extra);
        CHECK_FALSE(compiled.plan.has_value());
        const auto& d = find_rule(compiled.diagnostics, "not-enforced");
        CHECK(d.severity == Severity::error);
        CHECK(d.at.pointer == pointer);
        CHECK(d.at.line > 0);
    }
    // "none" is enforced everywhere: nothing is opened.
    CHECK(
        compile(*with(", \"devices\": {\"camera\": \"none\", \"audio\": \"none\"}"), fixed_facts())
            .plan.has_value());
}

TEST_CASE("no device for a right: denied, with a warning") {
    auto facts = fixed_facts();
    facts.devices.clear();
    const auto compiled = compile(*shipped("personal"), facts);
    REQUIRE(compiled.plan.has_value());
    CHECK(find_rule(compiled.diagnostics, "no-such-device").at.pointer == "/devices/gpu");
    for (const auto& node : compiled.plan->device_nodes) CHECK(node.device_class.empty());
}

TEST_CASE("device nodes: directories before what is in them") {
    const auto compiled = compile(*shipped("personal"), fixed_facts());
    REQUIRE(compiled.plan.has_value());
    const auto& nodes = compiled.plan->device_nodes;
    const auto dri = std::ranges::find(nodes, "dri", &DeviceNode::path);
    const auto render = std::ranges::find(nodes, "dri/renderD128", &DeviceNode::path);
    REQUIRE(dri != nodes.end());
    REQUIRE(render != nodes.end());
    CHECK(dri < render);
    CHECK(dri->type == image::NodeType::directory);
    CHECK(render->major == 226);
    CHECK(render->device_class == "gpu");
    CHECK(std::ranges::find(nodes, "dri/card0", &DeviceNode::path) == nodes.end());
    CHECK(std::ranges::find(nodes, "ttyS2", &DeviceNode::path) == nodes.end());
}

TEST_CASE("mounts: order, attributes, the profile's own in place of the usual") {
    const auto profile = with(
        ", \"volumes\": [{\"name\": \"d\", \"target\": \"/data\", \"size\": \"64MiB\", \"unlock\": "
        "[\"pin\"], \"options\": [\"exec\", \"noatime\"]}], \"mounts\": [{\"type\": \"tmpfs\", "
        "\"target\": \"/tmp\", \"size\": \"1MiB\"}, {\"type\": \"bind\", \"source\": \"/srv/x\", "
        "\"target\": \"/mnt\"}]");
    const auto compiled = compile(*profile, fixed_facts());
    REQUIRE(compiled.plan.has_value());
    const auto& plan = *compiled.plan;
    CHECK(plan.mounts.front().kind == image::MountKind::root);
    CHECK((plan.mounts.front().attributes & MOUNT_ATTR_RDONLY) != 0);
    CHECK(std::ranges::count(plan.mounts, "/tmp", &MountOp::target) == 1);
    const auto* tmp = find_mount(plan, "/tmp");
    REQUIRE(tmp != nullptr);
    CHECK(tmp->options[1] == std::pair<std::string, std::string>{"size", "1048576"});
    const auto* data = find_mount(plan, "/data");
    REQUIRE(data != nullptr);
    CHECK(data->attributes == (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME));
    CHECK(data->idmapped);
    CHECK(data->source == "/dev/mapper/pmos-alpha-d");
    const auto* bind = find_mount(plan, "/mnt");
    REQUIRE(bind != nullptr);
    CHECK((bind->attributes & MOUNT_ATTR_RDONLY) != 0);
    CHECK((bind->attributes & MOUNT_ATTR_NOEXEC) != 0);
    CHECK(plan.volumes[0].source == "/var/lib/pmos/volumes/alpha-d.luks");
    for (const auto* path :
         {"/proc/kcore", "/proc/keys", "/proc/sysrq-trigger", "/proc/timer_list"}) {
        const auto* mask = find_mount(plan, path);
        REQUIRE(mask != nullptr);
        CHECK(mask->kind == image::MountKind::mask);
        CHECK(mask > find_mount(plan, "/proc"));
    }
    for (const auto& op : plan.mounts)
        if (op.kind != image::MountKind::mask) CHECK((op.attributes & MOUNT_ATTR_NOSUID) != 0);
}

TEST_CASE("Landlock: only rights of the ABI, writing only where a mount is writable") {
    for (std::uint32_t abi = 0; abi <= 7; ++abi) {
        auto facts = fixed_facts();
        facts.landlock_abi = abi;
        const auto compiled = compile(*shipped("secure"), facts);
        REQUIRE(compiled.plan.has_value());
        const auto& plan = *compiled.plan;
        if (abi == 0) {
            CHECK(plan.landlock_handled == 0);
            CHECK(plan.landlock.empty());
            continue;
        }
        constexpr std::uint64_t kWrite = 1U << 1U, kExecute = 1U << 0U,
                                kNodes = 1U << 6U | 1U << 11U;
        for (const auto& rule : plan.landlock) {
            INFO("abi " << abi << " path " << rule.path);
            CHECK((rule.access & ~plan.landlock_handled) == 0);
            CHECK((rule.access & kNodes) == 0);
            const bool writable = rule.path != "/" && rule.path != "/usr";
            CHECK(((rule.access & kWrite) != 0) == writable);
            CHECK(((rule.access & kExecute) != 0) == (rule.path == "/usr"));
        }
    }
    auto facts = fixed_facts();
    facts.landlock_abi = 0;
    CHECK(find_rule(compile(*with(", \"landlock\": {\"required\": true}"), facts).diagnostics,
                    "unsupported")
              .at.pointer == "/landlock/required");
    facts.apparmor = false;
    CHECK(find_rule(compile(*with(", \"lsm\": {\"required\": true}"), facts).diagnostics,
                    "unsupported")
              .at.pointer == "/lsm/required");
    CHECK(compile(*shipped("secure"), facts).plan->apparmor.empty());
}

TEST_CASE("the time namespace: dropped with a warning only where nobody asked for it") {
    auto facts = fixed_facts();
    facts.time_namespace = false;
    const auto compiled = compile(*with(""), facts);
    REQUIRE(compiled.plan.has_value());
    CHECK(has_rule(compiled.diagnostics, "no-time-namespace"));
    CHECK((compiled.plan->namespaces & CLONE_NEWTIME) == 0);
    CHECK((compile(*with(""), fixed_facts()).plan->namespaces & CLONE_NEWTIME) != 0);
}

TEST_CASE("the image holds the plan, and the same plan gives the same bytes") {
    const auto compiled = compile(*shipped("secure"), fixed_facts());
    REQUIRE(compiled.plan.has_value());
    const auto& plan = *compiled.plan;
    const auto bytes = encode(plan);
    CHECK(bytes == encode(plan));
    CHECK(digest(plan) == sha256_hex(bytes));
    const Image image(bytes);
    const auto& h = image.header;
    CHECK(std::memcmp(h.magic, image::kMagic, sizeof h.magic) == 0);
    CHECK(h.version == image::kVersion);
    CHECK(h.size == bytes.size());
    CHECK(image.text(h.mode) == "secure");
    CHECK(image.text(h.hostname) == "secure");
    CHECK(image.text(h.cwd) == "/");
    CHECK(image.text(h.apparmor) == "pmos-mode");
    CHECK(image.text(h.json) == to_json(plan));
    CHECK(h.boottime_offset == 86400);
    const auto maps = image.table(h.uid_map);
    REQUIRE(maps.size() == 1);
    CHECK(maps[0].outside == 300000);
    const auto mounts = image.table(h.mounts);
    REQUIRE(mounts.size() == plan.mounts.size());
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        CHECK(image.text(mounts[i].target) == plan.mounts[i].target);
        CHECK(image.text(mounts[i].source) == plan.mounts[i].source);
        const auto options = image.table(mounts[i].options);
        REQUIRE(options.size() == plan.mounts[i].options.size());
        for (std::size_t j = 0; j < options.size(); ++j)
            CHECK(image.text(options[j].value) == plan.mounts[i].options[j].second);
    }
    const auto nodes = image.table(h.device_nodes);
    REQUIRE(nodes.size() == plan.device_nodes.size());
    CHECK(image.text(nodes.back().path) == plan.device_nodes.back().path);
    std::vector<std::string> args, env;
    for (const auto& t : image.table(h.args)) args.push_back(image.text(t));
    for (const auto& t : image.table(h.env)) env.push_back(image.text(t));
    CHECK(args == plan.process.args);
    CHECK(env == plan.process.env);
    const auto filter = image.table(h.seccomp);
    REQUIRE(filter.size() * 8 == plan.seccomp.size());
    CHECK(std::memcmp(filter.data(), plan.seccomp.data(), plan.seccomp.size()) == 0);
    CHECK(image.table(h.landlock).size() == plan.landlock.size());
    CHECK(h.cap_bounding == 0);
    CHECK(h.umask == 077);
}

TEST_CASE("whatever changes in a plan changes its digest") {
    const auto compiled = compile(*shipped("secure"), fixed_facts());
    REQUIRE(compiled.plan.has_value());
    void (*const changes[])(LaunchPlan&) = {
        [](LaunchPlan& p) { p.cgroup[0].value = "1"; },
        [](LaunchPlan& p) { p.hooks[0].timeout_ms = 1; },
        [](LaunchPlan& p) { p.volumes[0].key_source = KeySource::device_key; },
        [](LaunchPlan& p) { p.device_filter[0] ^= 1; },
        [](LaunchPlan& p) { p.seccomp[4] ^= 1; },
        [](LaunchPlan& p) { p.session.stop_timeout_ms = 1; },
        [](LaunchPlan& p) { p.root.path += "x"; },
        [](LaunchPlan& p) { p.process.capabilities.ambient = 1; },
        [](LaunchPlan& p) { p.network.zone = Zone::loopback; },
    };
    const auto before = digest(*compiled.plan);
    CHECK(before.size() == 64);
    for (const auto change : changes) {
        auto plan = *compiled.plan;
        change(plan);
        CHECK(digest(plan) != before);
    }
}

TEST_CASE("SHA-256 is SHA-256") {
    CHECK(sha256_hex(std::as_bytes(std::span("abc", 3))) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("capabilities that are granted survive the exec, none otherwise") {
    auto text = profile_text("alpha", 200000);
    text.replace(text.find("[\"/bin/true\"]"), 13,
                 "[\"/bin/true\"], \"capabilities\": [\"CAP_CHOWN\", \"CAP_KILL\"]");
    const auto compiled = compile(*load(text), fixed_facts());
    REQUIRE(compiled.plan.has_value());
    const auto& sets = compiled.plan->process.capabilities;
    CHECK(sets.bounding == (1U << 0U | 1U << 5U));
    CHECK(sets.ambient == sets.bounding);
    CHECK(sets.inheritable == sets.bounding);
}

TEST_CASE("the plan of a recording asks where the ordinary one refuses") {
    std::string text = profile_text("alpha", 200000);
    const std::string list = R"("allow": ["@default"])";
    text.replace(text.find(list), list.size(), R"("allow": ["@basic-io"], "rules": [
        {"names": ["sysinfo"], "action": "errno"}, {"names": ["sync"], "action": "kill"}])");
    const auto profile = load(text);
    const auto ordinary = compile(*profile, fixed_facts());
    const auto recording = compile(*profile, fixed_facts(), {.record = true, .never = {"statfs"}});
    REQUIRE(ordinary.plan.has_value());
    REQUIRE(recording.plan.has_value());
    CHECK(digest(*ordinary.plan) != digest(*recording.plan));
    CHECK(ordinary.plan->seccomp_answer.empty());

    const Arch& arch = *find_arch("x86_64");
    const auto verdict = [&](const std::vector<std::uint8_t>& filter, std::string_view name) {
        SyscallData data;
        data.nr = *syscall_number(arch, name);
        data.arch = arch.audit;
        return verdict_text(evaluate(from_bytes(filter), data));
    };
    struct Row {
        std::string_view name, ordinary, asks, answer;
    };
    for (const Row& row : {Row{"read", "allow", "allow", "allow"},
                           {"exit_group", "allow", "allow", "allow"},
                           {"openat", "errno 1", "ask", "allow"},
                           {"memfd_create", "errno 1", "ask", "allow"},
                           {"ptrace", "errno 1", "ask", "errno 1"},   // defeats the walls
                           {"setns", "errno 1", "ask", "errno 1"},    // guarded
                           {"statfs", "errno 1", "ask", "errno 1"},   // the owner's
                           {"sysinfo", "errno 1", "ask", "errno 1"},  // the profile's own rule
                           {"sync", "kill", "kill", "kill"},          // as well
                           {"clone3", "errno 38", "errno 38", "errno 38"}}) {
        INFO(row.name);
        CHECK(verdict(ordinary.plan->seccomp, row.name) == row.ordinary);
        CHECK(verdict(recording.plan->seccomp, row.name) == row.asks);
        CHECK(verdict(recording.plan->seccomp_answer, row.name) == row.answer);
    }
    SyscallData foreign;
    foreign.arch = 0x40000003;
    CHECK(verdict_text(evaluate(from_bytes(recording.plan->seccomp), foreign)) == "kill");
    SyscallData unknown;
    unknown.arch = arch.audit;
    unknown.nr = arch.newest + 1;
    CHECK(verdict_text(evaluate(from_bytes(recording.plan->seccomp), unknown)) == "errno 38");

    const auto copy = decode(encode(*recording.plan));
    REQUIRE(copy.has_value());
    CHECK(copy->seccomp_answer == recording.plan->seccomp_answer);
}

TEST_CASE(
    "where a profile wants arguments told, the filter asks for those refusals and no others") {
    std::string text = profile_text("alpha", 200000);
    const std::string list = R"("allow": ["@default"])";
    text.replace(text.find(list), list.size(), R"("allow": ["@system-service"], "rules": [
        {"names": ["sysinfo"], "action": "errno"},
        {"names": ["tgkill"], "action": "kill", "args": [
            {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]},
        {"names": ["kill"], "action": "errno", "errno": "EACCES", "args": [
            {"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}]}])");
    const auto ordinary = compile(*load(text), fixed_facts());
    text.replace(text.find('{'), 1, R"({ "denials": {"arguments": true}, )");
    const auto profile = load(text);
    const auto telling = compile(*profile, fixed_facts(), {.ask = true});
    REQUIRE(ordinary.plan.has_value());
    REQUIRE(telling.plan.has_value());
    CHECK(telling.plan->seccomp_flags == 8);  // SECCOMP_FILTER_FLAG_NEW_LISTENER
    // Who listens answers what the filter would have said, and a question is about that filter.
    CHECK(telling.plan->seccomp_answer == ordinary.plan->seccomp);
    CHECK(intended_plan(*profile, fixed_facts()).seccomp == ordinary.plan->seccomp);
    CHECK(compile(*profile, fixed_facts()).plan->seccomp == ordinary.plan->seccomp);

    const Arch& arch = *find_arch("x86_64");
    const auto verdict = [&](std::string_view name, std::uint64_t zero, std::uint64_t one,
                             std::uint64_t two) {
        SyscallData data;
        data.nr = *syscall_number(arch, name);
        data.arch = arch.audit;
        data.args[0] = zero;
        data.args[1] = one;
        data.args[2] = two;
        return verdict_text(evaluate(from_bytes(telling.plan->seccomp), data));
    };
    CHECK(verdict("kill", 1, 9, 0) == "ask");
    CHECK(verdict("kill", 1, 15, 0) == "allow");
    CHECK(verdict("tgkill", 1, 1, 9) == "kill");
    CHECK(verdict("socket", 17, 3, 0) == "ask");  // AF_PACKET
    CHECK(verdict("socket", 1, 1, 0) == "allow");
    CHECK(verdict("clone", 0x10000000, 0, 0) == "ask");
    CHECK(verdict("sysinfo", 0, 0, 0) == "errno 1");  // whatever its arguments
    CHECK(verdict("ptrace", 0, 0, 0) == "errno 1");
    CHECK(verdict("setns", 0, 0, 0) == "errno 1");
    CHECK(verdict("clone3", 0, 0, 0) == "errno 38");
}

TEST_CASE("refusals that only BPF can see are wanted where they can be seen, else warned of") {
    std::string text = profile_text("alpha", 200000);
    text.replace(text.find('{'), 1, R"({ "denials": {"capabilities": true, "landlock": true}, )");
    auto facts = fixed_facts();
    const auto without = compile(*load(text), facts);
    REQUIRE(without.plan.has_value());
    CHECK(without.plan->tell == 0);
    CHECK(find_rule(without.diagnostics, "denials-not-told").severity == Severity::warning);
    facts.capability_denials = true;
    CHECK(compile(*load(text), facts).plan->tell == image::tell_capabilities);
    facts.landlock_denials = true;
    const auto all = compile(*load(text), facts);
    CHECK(all.plan->tell == (image::tell_capabilities | image::tell_landlock));
    const auto copy = decode(encode(*all.plan));
    REQUIRE(copy.has_value());
    CHECK(copy->tell == all.plan->tell);
    CHECK(digest(*all.plan) != digest(*without.plan));
}
