// tests: addresses, prefixes and the text of rules, without a kernel; and that the kernel takes ten
// thousand of them.
#include "runtime/network/rules.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "world.h"

using namespace pmos;
using namespace pmos::network;
using policy::Protocol;

namespace {

std::string texts(const std::vector<std::string>& prefixes, bool v6) {
    std::vector<IpPrefix> parsed;
    for (const auto& text : prefixes) parsed.push_back(prefix(text));
    std::string out;
    for (const auto& range : ranges_of(parsed, v6))
        out += fmt::format("{}-{} ", address_text(range.first), address_text(range.last));
    return out;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("prefixes become ranges that do not touch") {
    CHECK(texts({"10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8", "1.2.3.4/32"}, false) ==
          "1.2.3.4-1.2.3.4 10.0.0.0-11.255.255.255 ");
    CHECK(texts({"0.0.0.0/1", "128.0.0.0/1", "255.255.255.255/32"}, false) ==
          "0.0.0.0-255.255.255.255 ");
    CHECK(texts({"fd00::/8", "fe00::/8", "::/128", "10.0.0.0/8"}, true) ==
          "::-:: fd00::-feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ");
    CHECK(texts({"10.0.0.0/8"}, true) == "");
    // The bits behind a prefix say nothing.
    CHECK(texts({"10.1.2.3/8"}, false) == "10.0.0.0-10.255.255.255 ");
    CHECK(meet(prefix("10.0.0.0/8"), prefix("10.2.3.4/32")));
    CHECK_FALSE(meet(prefix("10.0.0.0/8"), prefix("11.0.0.0/8")));
    CHECK_FALSE(meet(prefix("0.0.0.0/0"), prefix("::/0")));
}

TEST_CASE("a part is another where something of the phone meets it") {
    const std::vector<unsigned> taken{0, 1};
    CHECK(free_part(taken, {}, 0)->number == 2);
    CHECK(free_part(taken, {}, 7)->number == 7);
    CHECK(free_part(std::vector<unsigned>{0, kParts - 1}, {}, kParts - 1)->number == 1);
    const std::vector<IpPrefix> used{prefix("0.0.0.0/1"), prefix("128.0.0.0/1"), prefix("8000::/1"),
                                     prefix("198.18.0.0/28"), prefix("fd70:6d6f:7300:4::/64")};
    CHECK(free_part(taken, used, 0)->number == 5);
    const std::vector<IpPrefix> all{prefix("198.16.0.0/12")};
    CHECK_FALSE(free_part(taken, all, 9));
    const auto last = part_of(kParts - 1);
    CHECK(address_text(last.mode4) == "198.19.255.254");
    CHECK(address_text(last.mode6) == "fd70:6d6f:7300:7fff::2");
    CHECK(part_number("pmos-32767") == kParts - 1);
    for (const auto& other : {"pmos-32768", "pmos-", "pmos-x", "pmos-1x", "wlan0"})
        CHECK_FALSE(part_number(other));
}

TEST_CASE("rules are one for each service, whatever the number of destinations") {
    auto plan = restricted({});
    for (int i = 0; i < 1000; ++i)
        plan.allow.push_back(
            flow(fmt::format("10.{}.{}.0/25", i / 250, i % 250), Protocol::tcp, 443, 443));
    plan.allow.push_back(flow("0.0.0.0/0", Protocol::any, 53, 53));
    plan.allow.push_back(flow("::/0", Protocol::icmp));
    plan.deny = {flow("10.0.0.0/8", Protocol::udp)};
    const auto text = mode_rules(plan).body;
    CHECK(has(text, "    meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53 accept\n"));
    CHECK(has(text, "    ip daddr @allowed-0 meta l4proto tcp th dport 443 accept\n"));
    CHECK(has(text, "    meta nfproto ipv6 meta l4proto ipv6-icmp accept\n"));
    CHECK(has(text, "    ip daddr @denied-0 meta l4proto udp goto refuse\n"));
    CHECK_FALSE(has(text, "allowed-1"));
    CHECK(text.find("jump denied") < text.find("jump allowed"));
    CHECK_FALSE(has(mode_rules(direct()).body, "allowed"));
    // What is refused is told of, within limits; on a kernel that cannot it is refused silently.
    CHECK(has(text, "limit rate 64/second burst 64 packets log group 1 snaplen 128\n"));
    const auto silent = mode_rules(plan, false).body;
    CHECK_FALSE(has(silent, "log group"));
    CHECK(has(silent, "reject with icmpx type admin-prohibited"));
    CHECK_FALSE(has(wire_rules("anna", part_of(3), plan).body, "log group"));
}

TEST_CASE("who may come in is named, at a wire for the phone too") {
    auto plan = direct();
    CHECK_FALSE(has(wire_rules("anna", part_of(3), plan).body, "dnat"));
    CHECK_FALSE(has(mode_rules(plan).body, "saddr"));
    plan.inbound = {flow("10.0.0.0/8", Protocol::tcp, 22, 22)};
    CHECK(has(mode_rules(plan).body, "ip saddr @inbound-0 meta l4proto tcp th dport 22 accept\n"));
    const auto text = wire_rules("anna", part_of(3), plan).body;
    CHECK(has(text, "ip saddr @callers-0 meta l4proto tcp th dport 22 goto hand-over\n"));
    CHECK(has(text, "dnat ip to 198.18.0.14\n"));
    CHECK(has(text, "iifname { \"lo\", \"pmos-*\" } accept\n    fib daddr type local"));
}

TEST_CASE("what is limited ends in the chains that count it, and what is refused does not") {
    auto plan = restricted({flow("10.0.0.0/8", Protocol::tcp, 443, 443)});
    plan.dns = {{prefix("192.0.2.53"), 53, ""}};
    plan.zone = policy::Zone::tunnel;
    plan.inbound = {flow("10.0.0.0/8", Protocol::udp, 5000, 5000)};
    CHECK_FALSE(has(mode_rules(plan).body, "quota"));
    CHECK_FALSE(has(mode_rules(plan).body, "goto send"));
    plan.limits = {20000, 30000, 5 << 20};
    const auto text = mode_rules(plan, false, 0, {"2026-11-30", 77}).body;
    CHECK(has(text, "  quota volume-2026-11-30 {\n    over 5242880 bytes used 77 bytes\n"));
    CHECK(has(text,
              "  chain send {\n    limit rate over 20000 bytes/second burst 131072 bytes drop\n"
              "    quota name \"volume-2026-11-30\" drop\n    accept\n  }\n"));
    CHECK(
        has(text,
            "  chain receive {\n    limit rate over 30000 bytes/second burst 131072 bytes drop\n"));
    CHECK(has(text, "    ct state established,related goto send\n"));
    CHECK(has(text, "    ct state established,related goto receive\n"));
    CHECK(has(text, "    ip daddr @allowed-0 meta l4proto tcp th dport 443 goto send\n"));
    CHECK(has(text, "    ip saddr @inbound-0 meta l4proto udp th dport 5000 goto receive\n"));
    CHECK(has(text, "ip daddr 192.0.2.53 meta l4proto { tcp, udp } th dport 53 goto send\n"));
    // Of the loopback, and of the two chains themselves.
    std::size_t accepts = 0;
    for (auto at = text.find("accept\n"); at != text.npos; at = text.find("accept\n", at + 1))
        ++accepts;
    CHECK(accepts == 4);
    // More is used than there is, by a day that had more.
    CHECK(has(mode_rules(plan, false, 0, {"2026-11-30", 6 << 20}).body,
              "over 5242880 bytes used 5242880"));
    CHECK_FALSE(has(wire_rules("anna", part_of(3), plan).body, "quota"));
}

TEST_CASE("a day is of UTC, and looked for within an hour") {
    using namespace std::chrono;
    const auto late = sys_days(year(2026) / 11 / 30) + hours(23) + minutes(59);
    CHECK(day_of(late) == "2026-11-30");
    CHECK(day_of(late + minutes(1)) == "2026-12-01");
    CHECK(next_look(late) == seconds(60));
    CHECK(next_look(late - hours(5)) == hours(1));
}

TEST_CASE("the kernel takes rules, and takes them again, with ten thousand destinations") {
    const World world;
    auto plan = restricted({flow("0.0.0.0/0", Protocol::tcp, 1, 65535), flow("::/0"),
                            flow("255.255.255.255/32"), flow("::/128", Protocol::icmp)});
    for (int i = 0; i < 10000; ++i) {
        plan.allow.push_back(flow(fmt::format("10.{}.{}.2/31", i / 250, i % 250)));
        plan.allow.push_back(flow(fmt::format("2001:db8:2:{:x}::/65", i)));
        plan.deny.push_back(
            flow(fmt::format("11.{}.{}.2/31", i / 250, i % 250), Protocol::any, 53, 53));
    }
    plan.zone = policy::Zone::tunnel;
    plan.inbound = plan.deny;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 2; ++i) {
        REQUIRE(world.phone.nft.replace({mode_rules(plan)}, "cannot load"));
        REQUIRE(world.phone.nft.replace({wire_rules("anna", part_of(3), plan)}, "cannot load"));
    }
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
    CHECK(world.tables() == "inet pmos\ninet pmos-anna\n");
    const auto refused = world.phone.nft.run("add rule inet none none accept", "cannot load");
    REQUIRE_FALSE(refused);
    CHECK(has(refused.error().message(), "cannot load: No such file or directory"));
}
