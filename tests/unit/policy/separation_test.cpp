// tests: what flows between modes, and what a filter may let in of which only a part is known.
#include "policy/separation.h"

#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <random>

#include "policy/channels.h"
#include "policy/kernel_objects.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

PolicySet set_of(const std::vector<std::string>& extras, const std::string& site = "") {
    std::vector<SourceFile> files;
    unsigned id = 200000;
    std::string name = "alpha";
    for (const auto& extra : extras) {
        files.push_back({name + ".json", profile_text(name, id, extra)});
        id += 65536;
        ++name.front();  // blpha, clpha: names need no sense
    }
    const SourceFile owner{"site.json", site};
    return read_policy(files, site.empty() ? nullptr : &owner, {});
}

Separation separation(const std::vector<std::string>& extras) {
    return separate(set_of(extras).modes, whole_phone(), nullptr);
}

// "alpha->blpha tree open", those of host programs left out.
std::vector<std::string> lines(const Separation& s) {
    std::vector<std::string> out;
    for (const auto& f : s.flows)
        out.push_back(s.modes[f.from.mode].mode + "->" + s.modes[f.to.mode].mode + " " +
                      s.access(f.from).resource +
                      (f.control == Control::open         ? " open"
                       : f.control == Control::arbitrated ? " arbitrated"
                                                          : " consented"));
    return out;
}

std::string bind(const std::string& source, const std::string& options = "[]") {
    return R"(, "mounts": [{"type": "bind", "source": ")" + source +
           R"(", "target": "/in", "options": )" + options + "}]";
}

std::string with_calls(const std::string& mode, unsigned id, const std::string& allow,
                       const std::string& rules = "[]", const std::string& more = "") {
    return R"({"pmos": 1, "mode": ")" + mode + R"(", "root": {"image": ")" + mode +
           R"(.erofs"}, "identity": {"uidRange": {"start": )" + std::to_string(id) +
           R"(, "count": 65536}}, "process": {"args": ["/bin/true"])" + more +
           R"(}, "seccomp": {"allow": )" + allow + R"(, "rules": )" + rules +
           R"(}, "network": "none")";
}

Separation two(const std::string& a, const std::string& b) {
    const std::vector<SourceFile> files{{"a.json", a + "}"}, {"b.json", b + "}"}};
    return separate(read_policy(files, nullptr, {}).modes, whole_phone(), nullptr);
}

}  // namespace

TEST_CASE("nothing that nobody controls flows between the shipped modes") {
    const auto set = shipped_policy();
    const auto s = separate(set.modes, whole_phone(), set.modes.front().demands.get());
    REQUIRE(s.modes.size() == 2);
    CHECK_FALSE(s.has_open());
    CHECK(s.indirect.empty());
    CHECK(flow_findings(s).empty());
    // Both have the same hook, which is the host's, and the phone's loudspeaker, microphone, screen
    // and keys.
    auto seen = lines(s);
    std::ranges::sort(seen);
    const std::string hook = "/usr/share/pmos/hooks/volume-check";
    std::vector<std::string> wanted;
    for (const char* way : {"personal->secure ", "secure->personal "})
        for (const auto& what : {hook, std::string("audio-capture"), std::string("audio-playback"),
                                 std::string("display"), std::string("input")})
            wanted.push_back(way + what + " arbitrated");
    // Personal lets its notifications be read, secure lets them be counted.
    for (const char* told :
         {"personal->secure count", "personal->secure text", "secure->personal count"})
        wanted.push_back(std::string(told) + " arbitrated");
    std::ranges::sort(wanted);
    CHECK(seen == wanted);
}

TEST_CASE("a directory that two modes see is a way between them, read-only too") {
    const auto ro = separation({bind("/srv/music"), bind("/srv/music")});
    CHECK(lines(ro) ==
          std::vector<std::string>{"alpha->blpha /srv/music open", "blpha->alpha /srv/music open"});
    CHECK(ro.access(ro.flows.front().from).rights == (right_read | right_signal));
    CHECK(flow_findings(ro).size() == 2);
    CHECK(lines(separation({bind("/srv/music"), bind("/srv/musical")})).empty());
    CHECK(lines(separation({bind("/srv"), bind("/srv/a/b")})).size() == 2);
    CHECK(lines(separation({bind("/srv/a"), bind("/srv/b")})).empty());
}

TEST_CASE("a share that disables its modes is shown all the same, with the right to write") {
    const auto s = separation({bind("/srv", R"(["rw"])"), bind("/srv/a")});
    REQUIRE(lines(s).size() == 2);
    const auto& f = s.flows.front();
    CHECK((s.access(f.from).rights & right_write) != 0);
    CHECK(s.access(f.from).at.pointer == "/mounts/0");
    CHECK(flow_findings(s).empty());  // writable-share has said it
}

TEST_CASE("objects that no namespace covers join those whose filters open them") {
    const std::string plain = R"(["@default"])";
    const auto keys = two(with_calls("alpha", 200000, R"(["@default", "add_key"])"),
                          with_calls("beta", 300000, R"(["@default", "keyctl"])"));
    CHECK(lines(keys).size() == 2);
    CHECK(flow_findings(keys).size() == 2);
    CHECK(lines(two(with_calls("alpha", 200000, R"(["@default", "keyctl"])"),
                    with_calls("beta", 300000, plain)))
              .empty());
    // Whoever reads the log hears everybody.
    CHECK(lines(two(with_calls("alpha", 200000, R"(["@default", "syslog"])"),
                    with_calls("beta", 300000, plain))) ==
          std::vector<std::string>{"beta->alpha kernel-log open"});
    // What the kernel asks a capability of the initial user namespace for, no mode has.
    const std::string clock = R"(["@default", "clock_settime", "init_module", "swapon"])";
    CHECK(
        lines(two(with_calls("alpha", 200000, clock), with_calls("beta", 300000, clock))).empty());
}

TEST_CASE("a family of sockets that a rule lets past the guard is a flow") {
    const auto by_rule = [](int family) {
        return R"([{"names": ["socket"], "action": "allow", "args": [{"index": 0, "value": )" +
               std::to_string(family) + R"(, "op": "SCMP_CMP_EQ"}]}])";
    };
    const auto s = two(with_calls("alpha", 200000, R"(["@default"])", by_rule(AF_VSOCK)),
                       with_calls("beta", 300000, R"(["@default"])", by_rule(AF_VSOCK)));
    CHECK(lines(s) == std::vector<std::string>{"alpha->beta vsock open", "beta->alpha vsock open"});
    CHECK(lines(two(with_calls("alpha", 200000, R"(["@default"])", by_rule(AF_INET)),
                    with_calls("beta", 300000, R"(["@default"])", by_rule(AF_VSOCK))))
              .empty());
}

TEST_CASE("with CAP_SYS_ADMIN and the calls of mounting, mounts bind nobody") {
    const std::string cap = R"(, "capabilities": ["CAP_SYS_ADMIN"])";
    const auto rights = [](const Separation& s) { return s.access(s.flows.front().from).rights; };
    const std::string share = bind("/srv/x");
    const auto able =
        two(with_calls("alpha", 200000, R"(["@default", "mount_setattr"])", "[]", cap) + share,
            with_calls("beta", 300000, R"(["@default"])") + share);
    CHECK((rights(able) & right_write) != 0);
    CHECK(std::ranges::any_of(able.counters(0),
                              [](const Access* a) { return a->resource == "/proc/interrupts"; }));
    const auto unable = two(with_calls("alpha", 200000, R"(["@default"])", "[]", cap) + share,
                            with_calls("beta", 300000, R"(["@default"])") + share);
    CHECK((rights(unable) & right_write) == 0);
    CHECK(std::ranges::none_of(unable.counters(0),
                               [](const Access* a) { return a->resource == "/proc/interrupts"; }));
}

TEST_CASE("what tells of the whole machine can be taken away from a mode") {
    const auto files = [](const Separation& s, std::size_t mode) {
        const auto all = s.counters(mode);
        return std::ranges::count_if(all, [](const Access* a) { return a->resource[0] == '/'; });
    };
    const auto s = separation({"", R"(, "procSubset": "pid")"});
    CHECK(files(s, 0) > 0);
    // What belongs to the directory and to processes stays.
    CHECK(files(s, 1) == 3);
    for (const Access* a : s.counters(0))
        for (const char* telling : {"diskstats", "locks", "fs", "interrupts", "partitions"})
            CHECK(a->resource != std::string("/proc/") + telling);
}

TEST_CASE("devices and networks flow by who arbitrates them") {
    CHECK(lines(separation(
              {R"(, "devices": {"gpu": "render"})", R"(, "devices": {"gpu": "render"})"})) ==
          std::vector<std::string>{"alpha->blpha gpu arbitrated", "blpha->alpha gpu arbitrated"});
    const std::string sms = R"(, "devices": {"modem": ["sms", "voice"]})";
    const auto services = separation({sms, R"(, "devices": {"modem": ["sms"]})"});
    CHECK(lines(services) == std::vector<std::string>{"alpha->blpha modem-sms arbitrated",
                                                      "blpha->alpha modem-sms arbitrated"});
    CHECK(services.access(services.flows.front().from).enforced);
}

TEST_CASE("a way over a third mode is shown where there is no straight one") {
    const auto s =
        separation({bind("/srv/a"),
                    R"(, "mounts": [{"type": "bind", "source": "/srv/a", "target": "/a"},)"
                    R"({"type": "bind", "source": "/srv/b", "target": "/b"}])",
                    bind("/srv/b")});
    REQUIRE(s.indirect.size() == 2);
    CHECK(s.indirect.front() == std::vector<std::uint32_t>{0, 1, 2});
}

TEST_CASE("the owner can refuse every flow, or accept one") {
    const std::string demand = R"({"pmos": 1, "require": [{"separate": true}])";
    const std::vector<std::string> extras{bind("/srv/music"), bind("/srv/music")};
    const auto refused = set_of(extras, demand + "}");
    for (const auto& mode : refused.modes) {
        CHECK(mode.profile == nullptr);
        CHECK(mode.disputed != nullptr);
        const auto& d = find_rule(mode.diagnostics, "site-policy");
        CHECK(d.at.pointer == "/mounts/0");
        REQUIRE(d.related.size() == 2);
        CHECK(d.related.front().file == "site.json");
    }
    const std::string one = R"({"from": "alpha", "to": "blpha", "through": "/srv/music"})";
    const std::string back = R"({"from": "blpha", "to": "alpha", "through": "/srv/music"})";
    CHECK(set_of(extras, demand + R"(, "accept": [)" + one + "]}").modes.front().profile ==
          nullptr);
    const auto accepted = set_of(extras, demand + R"(, "accept": [)" + one + "," + back + "]}");
    for (const auto& mode : accepted.modes) CHECK(mode.profile != nullptr);
    const auto s = separate(accepted.modes, whole_phone(), accepted.modes.front().demands.get());
    CHECK_FALSE(s.has_open());
    REQUIRE(s.flows.size() == 2);
    CHECK(s.flows.front().control == Control::consented);
    CHECK(s.flows.front().consent.file == "site.json");
    CHECK(flow_findings(s).empty());
}

TEST_CASE("io_uring and odd types of sockets go no way around the gates") {
    const std::string uring = R"(["@default", "@io-uring"])";
    const auto s = two(with_calls("alpha", 200000, uring), with_calls("beta", 300000, uring));
    CHECK(std::ranges::count(lines(s), "alpha->beta vsock open") == 1);
    CHECK(std::ranges::count(lines(s), "alpha->beta kernel-events open") == 1);
    const std::string odd =
        R"([{"names": ["socket"], "action": "allow", "args": [
            {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 524291, "op": "SCMP_CMP_EQ"},
            {"index": 2, "value": 15, "op": "SCMP_CMP_EQ"}]}])";
    const auto heard = two(with_calls("alpha", 200000, R"(["@default"])", odd),
                           with_calls("beta", 300000, R"(["@default"])"));
    CHECK(lines(heard) == std::vector<std::string>{"beta->alpha kernel-events open"});
}

TEST_CASE("clones of a tree, and user namespaces of one's own, show what masks hide") {
    const auto shows = [](const Separation& s) {
        return std::ranges::any_of(
            s.counters(0), [](const Access* a) { return a->resource == "/proc/interrupts"; });
    };
    const std::string plain = with_calls("beta", 300000, R"(["@default"])");
    const std::string cap = R"(, "capabilities": ["CAP_SYS_ADMIN"])";
    CHECK(
        shows(two(with_calls("alpha", 200000, R"(["@default", "open_tree"])", "[]", cap), plain)));
    const std::string rule = R"([{"names": ["unshare"], "action": "allow"}])";
    CHECK(shows(two(with_calls("alpha", 200000, R"(["@default", "fsmount"])", rule), plain)));
    CHECK_FALSE(shows(two(with_calls("alpha", 200000, R"(["@default"])", rule), plain)));
    CHECK_FALSE(shows(two(with_calls("alpha", 200000, R"(["@default", "fsmount"])"), plain)));
}

TEST_CASE("one end that nobody arbitrates is enough") {
    const std::string freeze = R"(, "devices": {"camera": "background"})";
    const std::string run = freeze + R"(, "session": {"background": "run"})";
    for (const auto& line : lines(separation({freeze, run}))) CHECK(line.ends_with("camera open"));
}

TEST_CASE("volumes and images that lie in a tree are part of it") {
    const std::string vault =
        R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB", "unlock": ["pin"],)"
        R"( "source": {"file": "/srv/vaults/a.luks"}}])";
    const auto s = separation({vault, bind("/srv/vaults")});
    CHECK(lines(s).size() == 2);
    CHECK(flow_findings(s).size() == 2);
    // The file that a volume has without saying so, said by another.
    const auto twice = set_of(
        {R"(, "volumes": [{"name": "data", "target": "/d", "size": "64MiB", "unlock": ["pin"]}])",
         R"(, "volumes": [{"name": "x", "target": "/d", "size": "64MiB", "unlock": ["pin"],)"
         R"( "source": {"file": "/var/lib/pmos/volumes/alpha-data.luks"}}])"});
    CHECK(has_rule(twice.modes.front().diagnostics, "shared-volume"));
    CHECK(has_rule(set_of({bind("/usr/share/pmos/images", R"(["rw"])")}).modes.front().diagnostics,
                   "forbidden-source"));
}

TEST_CASE("flows that were accepted one by one are shown where they lead together") {
    const std::string middle =
        R"(, "mounts": [{"type": "bind", "source": "/srv/a", "target": "/a"},)"
        R"({"type": "bind", "source": "/srv/b", "target": "/b"}])";
    const auto flow = [](const std::string& from, const std::string& to, const std::string& what) {
        return R"({"from": ")" + from + R"(", "to": ")" + to + R"(", "through": ")" + what +
               R"("})";
    };
    const auto set =
        set_of({bind("/srv/a"), middle, bind("/srv/b")},
               R"({"pmos": 1, "require": [], "accept": [)" + flow("alpha", "blpha", "/srv/a") +
                   "," + flow("blpha", "clpha", "/srv/b") + "]}");
    const auto s = separate(set.modes, whole_phone(), set.modes.front().demands.get());
    CHECK(std::ranges::count(s.indirect, std::vector<std::uint32_t>{0, 1, 2}) == 1);
}

TEST_CASE("the demand for separation is not lost among a hundred other findings") {
    std::string rules;
    for (int i = 0; i < 60; ++i)
        rules += std::string(i == 0 ? "" : ",") + R"({"names": ["keyctl"], "action": "allow"})";
    const std::vector<SourceFile> files{
        {"a.json", with_calls("alpha", 200000, R"(["@default"])", "[" + rules + "]") + "}"},
        {"b.json", with_calls("beta", 300000, R"(["@default", "keyctl"])") + "}"}};
    const SourceFile site{"site.json",
                          R"({"pmos": 1, "require": [{"modes": ["alpha"], "separate": true}]})"};
    const auto set = read_policy(files, &site, {});
    CHECK(set.modes.front().profile == nullptr);
    CHECK(has_rule(set.modes.front().diagnostics, "site-policy"));
}

TEST_CASE("what may be let in is never less than what is let in") {
    const auto& arch = *find_arch("x86_64");
    std::mt19937_64 random(7);
    const std::uint64_t words[] = {0, 1, 2, 10, 16, 17, 40, 0x5412, 0x10000000, 0xffffffff};
    for (const auto& mode : shipped_policy().modes) {
        const auto plan = compile(*mode.profile, whole_phone()).plan;
        REQUIRE(plan);
        const auto program = from_bytes(plan->seccomp);
        for (int i = 0; i < 3000; ++i) {
            SyscallData data;
            data.nr = static_cast<std::uint32_t>(random() % (arch.newest + 1));
            data.arch = arch.audit;
            for (auto& arg : data.args) arg = words[random() % std::size(words)];
            PartialData part;
            part.set(data_nr, data.nr);
            part.set(data_arch, data.arch);
            if (random() % 2 == 0)
                part.set(data_args, static_cast<std::uint32_t>(data.args[0] & 0xffffffffU));
            if (evaluate(program, data) == SECCOMP_RET_ALLOW) CHECK(may_allow(program, part));
        }
        const Filter filter{program, arch};
        CHECK(filter.admits({"socket", {PartialWord::is(AF_UNIX)}}));
        CHECK_FALSE(filter.admits({"socket", {PartialWord::is(AF_VSOCK)}}));
        CHECK_FALSE(filter.admits({"keyctl"}));
        CHECK(filter.admits({"ioctl"}));
        CHECK_FALSE(filter.admits({"no_such_call"}));
        // A bit of a word is enough to know that a mask will catch it.
        CHECK_FALSE(filter.admits({"clone", {PartialWord::with(CLONE_NEWUSER)}}));
        CHECK(filter.admits({"clone", {PartialWord::is(SIGCHLD)}}));
    }
}

TEST_CASE("flows through one thing under one control make one channel") {
    const std::string site = R"({"pmos": 1, "require": [], "accept":
        [{"from": "alpha", "to": "blpha", "through": "/srv/x"}]})";
    const auto set = set_of({bind("/srv/x"), bind("/srv"), bind("/srv/x")}, site);
    const auto s = separate(set.modes, whole_phone(), set.modes.front().demands.get());
    std::vector<Channel> found;
    for (auto& c : channels(s))
        if (c.kind == Resource::tree) found.push_back(std::move(c));
    REQUIRE(found.size() == 2);
    // Five of the six directions are open; what lies in both directories is what both reach.
    CHECK(found[0].control == Control::open);
    CHECK(found[0].resource == "/srv/x");
    CHECK(found[0].senders == std::set<std::uint32_t>{0, 1, 2});
    CHECK(found[0].receivers == std::set<std::uint32_t>{0, 1, 2});
    CHECK(found[0].ends.size() == 3);
    CHECK(found[0].consents.empty());
    CHECK(found[0].enforced);
    CHECK(found[1].control == Control::consented);
    CHECK(found[1].senders == std::set<std::uint32_t>{0});
    CHECK(found[1].receivers == std::set<std::uint32_t>{1});
    REQUIRE(found[1].consents.size() == 1);
    CHECK(found[1].consents[0].file == "site.json");
}
