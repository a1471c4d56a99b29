// tests: what changes where networks differ: who may be reached, who may come in, and how much.
#include <catch2/catch.hpp>

#include "policy/diff.h"
#include "policy/names.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

// "serious gain: words", one a line, of networks alone.
std::string lines(const std::string& a, const std::string& b) {
    const auto read = [](const std::string& text) {
        const std::vector<SourceFile> files{{"a.json", text}};
        auto set = read_policy(files, nullptr, {});
        INFO(texts(set.modes[0].diagnostics));
        REQUIRE(set.modes[0].profile);
        return set;
    };
    const auto from = read(a), to = read(b);
    std::string out;
    for (const auto& c : diff(diff_side(from), diff_side(to)))
        if (c.kind == ChangeKind::network)
            out += std::string(word_at(kDangerNames, c.danger)) + " " +
                   std::string(word_at(kTurnNames, c.turn)) + ": " + c.words + "\n";
    return out;
}

std::string direct(const std::string& egress) {
    return network_text("a", 200000, R"({"direct": true, "egress": {)" + egress + "}}");
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("egress that is widened or narrowed is told by destination", "[diff]") {
    const auto one = direct(R"("allow": ["10.0.0.0/8"])");
    const auto two = direct(R"("allow": ["10.0.0.0/8", "tcp/443 to 192.0.2.0/24"])");
    CHECK(lines(one, two) == "moderate gain: a may connect to 'tcp/443 to 192.0.2.0/24'\n");
    CHECK(lines(two, one) == "none loss: a may no longer connect to 'tcp/443 to 192.0.2.0/24'\n");
    CHECK(lines(one, direct(R"("allow": ["10.0.0.0/8", "::/0"])")) ==
          "serious gain: a may connect to '::/0'\n");
    CHECK(lines(one, direct(R"("allow": ["10.0.0.0/8", "10.1.0.0/16"])")) ==
          "slight change: a's network/egress/allow names '10.1.0.0/16', which '10.0.0.0/8' "
          "covers\n");
    CHECK(lines(one, direct(R"("allow": ["10.0.0.0/8"], "deny": ["tcp/25 to 10.0.0.0/8"])")) ==
          "none loss: a may no longer connect to 'tcp/25 to 10.0.0.0/8'\n");
    CHECK(lines(one, network_text("a", 200000, "\"direct\"")) ==
          "serious gain: a may connect anywhere its network leads\n");
    CHECK(lines(network_text("a", 200000, "\"direct\""), one) ==
          "none loss: a may connect only to: 10.0.0.0/8\n");
    CHECK(lines(network_text("a", 200000, "\"loopback\""), one) ==
          "serious gain: a has the phone's uplink instead of a loopback of its own, and may "
          "connect to 1 destinations\n");
    std::string many = R"("allow": ["10.0.0.0/8")";
    for (int i = 0; i < 100; ++i) many += ", \"192.0.2." + std::to_string(i) + "\"";
    CHECK_THAT(lines(one, direct(many + "]")),
               Catch::Contains("and 92 more\n") && Catch::StartsWith("moderate gain: "));
}

TEST_CASE("limits and preshared keys are told", "[diff]") {
    const auto limited = [](const std::string& limits) {
        return network_text("a", 200000, R"({"direct": true)" + limits + "}");
    };
    const auto none = limited(""), some = limited(R"(, "limits": {"send": "1MiB"})"),
               more = limited(R"(, "limits": {"send": 2097152, "volume": "1GiB"})");
    CHECK(lines(none, some) == "none loss: a may send 1MiB a second instead of without a limit\n");
    CHECK(lines(some, none) ==
          "slight gain: a may send without a limit instead of 1MiB a second\n");
    CHECK(lines(some, more) ==
          "slight gain: a may send 2MiB a second instead of 1MiB a second\n"
          "none loss: a may send and receive 1GiB a day instead of without a limit\n");
    const auto bare = tunnel_text("a", 200000, "work");
    const auto keyed = changed(bare, "\"endpoint\"", "\"presharedKey\": true, \"endpoint\"");
    CHECK(lines(bare, keyed) == "slight change: a's tunnel needs a preshared key\n");
    CHECK(lines(keyed, bare) ==
          "serious change: a's tunnel is encrypted without a preshared key\n");
}

TEST_CASE("a tunnel's ends and doors are told", "[diff]") {
    const auto tunnel = tunnel_text("a", 200000, "work");
    CHECK(lines(tunnel, tunnel).empty());
    CHECK(lines(tunnel, changed(tunnel, "\"work\"", "\"home\"")) ==
          "serious change: a's tunnel is 'home' instead of 'work'\n");
    CHECK(lines(tunnel, changed(tunnel, "10.8.0.2/32", "10.8.0.3/32")) ==
          "moderate change: a is 10.8.0.3 in its tunnel instead of 10.8.0.2\n");
    CHECK(lines(tunnel, changed(tunnel, "vpn.example.org:51820", "192.0.2.1:51820")) ==
          "moderate change: a reaches its tunnel's peer at 192.0.2.1:51820 instead of "
          "vpn.example.org:51820\n");
    const auto narrow = changed(tunnel, "0.0.0.0/0", "10.0.0.0/8");
    CHECK(lines(tunnel, narrow) ==
          "none loss: through a's tunnel lies 10.0.0.0/8 instead of 0.0.0.0/0\n");
    CHECK(lines(narrow, tunnel) ==
          "moderate gain: through a's tunnel lies 0.0.0.0/0 instead of 10.0.0.0/8\n");
    const auto other = tunnel_text("a", 200000, "home");
    const auto peer = lines(tunnel, changed(other, "\"home\"", "\"work\""));
    CHECK_THAT(peer, Catch::Contains("serious gain: a's tunnel leads to the peer aGhoaGho"));
    CHECK_THAT(peer, Catch::Contains("none loss: a's tunnel no longer leads to the peer"));
    const auto door = [&](const std::string& rule) {
        return tunnel_text("a", 200000, "work", R"(, "inbound": [")" + rule + "\"]");
    };
    CHECK(lines(tunnel, door("tcp/22 from 10.8.0.0/24")) ==
          "moderate gain: a admits connections: 'tcp/22 from 10.8.0.0/24'\n");
    CHECK(lines(tunnel, door("10.8.0.0/24")) ==
          "serious gain: a admits connections: '10.8.0.0/24'\n");
    CHECK(lines(door("10.8.0.0/24"), tunnel) ==
          "none loss: a no longer admits connections: '10.8.0.0/24'\n");
}

TEST_CASE("limits and preshared keys are in the plan, and come back") {
    const auto read = [](const std::string& limits) {
        return read_one(changed(tunnel_text("a", 200000, "work", ", \"limits\": " + limits),
                                "\"endpoint\"", "\"presharedKey\": true, \"endpoint\""));
    };
    const auto mode = read(R"({"send": "1MiB", "receive": 8192, "volume": "1GiB"})");
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile);
    const auto compiled = compile(*mode.profile, fixed_facts());
    REQUIRE(compiled.plan);
    const auto again = decode(encode(*compiled.plan));
    REQUIRE(again);
    for (const auto* plan : {&*compiled.plan, &*again}) {
        CHECK(plan->network.limits == NetworkLimits{1 << 20, 8192, std::uint64_t{1} << 30});
        CHECK(plan->network.tunnel.peers[0].preshared);
    }
    CHECK_THAT(texts(read(R"({"send": "1KiB", "volume": 10})").diagnostics),
               Catch::Contains("'/network/limits/send' is out of range") &&
                   Catch::Contains("'/network/limits/volume' is out of range"));
}
