// tests: networks: what profiles say, what is in the plan, who may connect, and what is refused.
#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/connection.h"
#include "policy/destination.h"
#include "policy/profile.h"
#include "policy/question.h"
#include "policy/separation.h"
#include "policy/x25519.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

const std::string kKey = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
const std::string kOther = "B7sPvuD6AFrKzdqqEO8jxxoPQRHWcUfJYlk9tJ5pI3k=";
const std::string kVolume =
    R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB", "unlock": ["pin"]}])";

std::string peer(const std::string& allowed = R"("0.0.0.0/0", "::/0")",
                 const std::string& key = kKey,
                 const std::string& endpoint = "vpn.example.org:51820") {
    return R"({"publicKey": ")" + key + R"(", "endpoint": ")" + endpoint + R"(", "allowedIPs": [)" +
           allowed + R"(], "persistentKeepalive": 25})";
}

std::string tunnel(const std::string& addresses, const std::string& peers,
                   const std::string& rules = "") {
    return R"({"tunnel": {"name": "work", "addresses": [)" + addresses + R"(], "peers": [)" +
           peers + "]}" + rules + "}";
}

std::string tunnel(const std::string& rules = "") {
    return tunnel(R"("10.8.0.2/32", "fd00:8::2/128")", peer(), rules);
}

ModePolicy one(const std::string& network, const std::string& extra = kVolume) {
    return read_one(network_text("alpha", 200000, network, extra));
}

LaunchPlan plan_of(const std::string& network, const std::string& extra = kVolume) {
    const auto mode = one(network, extra);
    INFO(texts(mode.diagnostics));
    REQUIRE(mode.profile);
    const auto compiled = compile(*mode.profile, fixed_facts());
    INFO(texts(compiled.diagnostics));
    REQUIRE(compiled.plan);
    return *compiled.plan;
}

ConnectionVerdict out(const NetworkPlan& plan, const std::string& address, std::uint16_t port,
                      Protocol protocol = Protocol::tcp) {
    return judge_outbound(plan, {*parse_address(address), protocol, port});
}

std::string egress(const std::string& lists) {
    return R"({"direct": true, "egress": {)" + lists + "}}";
}

}  // namespace

TEST_CASE("a tunnel is in the plan as the profile has it, and comes back from its image") {
    const auto plan = plan_of(tunnel(
        R"(, "egress": {"allow": ["10.0.0.0/8", "tcp/443 to 203.0.113.0/24", "udp/5000-5010 to ::/0",
        "icmp to 10.0.0.1"], "deny": ["tcp to 10.1.0.0/16"]}, "inbound": ["tcp/22 from 10.8.0.0/24"])"));
    const auto check = [](const NetworkPlan& network) {
        CHECK(network.zone == Zone::tunnel);
        CHECK(network.tunnel.name == "work");
        CHECK(network.tunnel.mtu == 1420);
        REQUIRE(network.tunnel.addresses.size() == 2);
        CHECK(to_text(network.tunnel.addresses[1]) == "fd00:8::2");
        REQUIRE(network.tunnel.peers.size() == 1);
        const auto& p = network.tunnel.peers[0];
        CHECK(key_text(p.public_key) == kKey);
        CHECK(p.host == "vpn.example.org");
        CHECK(p.port == 51820);
        CHECK(p.keepalive == 25);
        CHECK(p.allowed_ips.size() == 2);
        CHECK(network.restricted);
        REQUIRE(network.allow.size() == 4);
        CHECK(network.allow[0].protocol == Protocol::any);
        CHECK(network.allow[1].port_first == 443);
        CHECK(network.allow[1].port_last == 443);
        CHECK(network.allow[2].port_last == 5010);
        CHECK(network.allow[2].prefix.v6);
        CHECK(network.allow[3].protocol == Protocol::icmp);
        CHECK(network.allow[3].pointer == "network/egress/allow/3");
        REQUIRE(network.deny.size() == 1);
        CHECK(network.deny[0].port_last == 65535);
        REQUIRE(network.inbound.size() == 1);
        CHECK(network.inbound[0].pointer == "network/inbound/0");
    };
    check(plan.network);
    const auto again = decode(encode(plan));
    REQUIRE(again);
    check(again->network);
    CHECK(again->network == plan.network);
    auto other = plan;
    other.network.allow[1].port_last = 444;
    CHECK(digest(other) != digest(plan));
}

TEST_CASE("words and objects of the other zones") {
    CHECK(plan_of("\"none\"").network.zone == Zone::none);
    CHECK(plan_of("\"loopback\"").network.zone == Zone::loopback);
    CHECK(plan_of("\"direct\"").network == plan_of(R"({"direct": true})").network);
    const auto plan = plan_of(egress(R"("allow": [])"));
    CHECK(plan.network.restricted);
    CHECK(plan.network.allow.empty());
    CHECK(decode(encode(plan))->network == plan.network);
    CHECK_FALSE(plan_of(egress(R"("deny": ["10.0.0.0/8"])")).network.restricted);
}

TEST_CASE("destinations: one spelling, and back") {
    for (const char* text :
         {"10.0.0.0/8", "10.0.0.1", "::/0", "0.0.0.0/0", "tcp to 10.0.0.0/8", "icmp to fd00::1",
          "tcp/443 to 203.0.113.0/24", "udp/5000-5010 to ::/0", "tcp/1-65535 to 10.0.0.1"}) {
        const auto rule = parse_destination(text);
        INFO(text);
        REQUIRE(rule);
        CHECK(destination_text(*rule) == text);
    }
    CHECK(source_text(parse_source("tcp/22 from 10.8.0.0/24").value()) ==
          "tcp/22 from 10.8.0.0/24");
    CHECK(to_text(parse_prefix("10.8.0.2/24", true).value()) == "10.8.0.2/24");
    CHECK(endpoint_text("2001:db8::1", 51820) == "[2001:db8::1]:51820");
    CHECK(parse_endpoint("[2001:db8::1]:51820").value().host == "2001:db8::1");
}

TEST_CASE("what is no destination is refused, with a way out") {
    const struct {
        std::string text, what, fix;
    } rows[] = {
        {"", "not an address", "10.0.0.0/8"},
        {"10.0.0.1/8", "bits behind its length", "did you mean '10.0.0.0/8'?"},
        {"fd00::1/64", "bits behind its length", "did you mean 'fd00::/64'?"},
        {"10.0.0.0/33", "no length", "/32"},
        {"10.0.0.0/08", "no length", "/32"},
        {"10.0.0.0/", "no length", "/32"},
        {"::/129", "no length", "/128"},
        {"10.0.0.256", "not an address", ""},
        {"010.0.0.1", "not an address", ""},
        {"fe80::1%eth0", "not an address", ""},
        {"::ffff:10.0.0.1", "in disguise", "10.0.0.1"},
        {"localhost", "not an address", ""},
        {"tcp/443", "not whom", "tcp/443 to"},
        {"tcp/443 from 10.0.0.1", "it is 'to' here", ""},
        {"sctp/1 to 10.0.0.1", "not a protocol", "tcp, udp or icmp"},
        {"any to 10.0.0.1", "not a protocol", "tcp, udp or icmp"},
        {"icmp/8 to 10.0.0.1", "icmp has no ports", ""},
        {"tcp/0 to 10.0.0.1", "not a port", "65535"},
        {"tcp/65536 to 10.0.0.1", "not a port", "65535"},
        {"tcp/0443 to 10.0.0.1", "not a port", ""},
        {"tcp/9-8 to 10.0.0.1", "not a port", ""},
        {"tcp/1- to 10.0.0.1", "not a port", ""},
        {"tcp/ to 10.0.0.1", "not a port", ""},
        {" to 10.0.0.1", "not a protocol", ""},
        {"tcp/443 to  10.0.0.1", "not an address", ""},
        {std::string("10.0.0.1\0", 9), "not an address", ""},
    };
    for (const auto& row : rows) {
        const auto rule = parse_destination(row.text);
        INFO(row.text);
        REQUIRE_FALSE(rule);
        CHECK_THAT(rule.error().what, Catch::Contains(row.what));
        CHECK_THAT(rule.error().fix, Catch::Contains(row.fix));
    }
    for (const char* text : {"vpn.example.org", "vpn.example.org:0", "vpn.example.org:65536",
                             "[10.0.0.1]:1", "2001:db8::1:51820", "[vpn.example.org]:1", "-a.org:1",
                             "a..org:1", "a.org.:1", "10.0.0.256:1", ":51820", "[]:1"}) {
        INFO(text);
        CHECK_FALSE(parse_endpoint(text));
    }
}

TEST_CASE("keys have one spelling") {
    CHECK(key_text(parse_key(kKey).value()) == kKey);
    CHECK_FALSE(parse_key(kKey.substr(1)));
    auto slack = kKey;
    slack[42] = 'p';  // bits that are no part of the key
    CHECK_FALSE(parse_key(slack));
    slack[42] = '*';
    CHECK_FALSE(parse_key(slack));
}

TEST_CASE("faults of a network stand at their places") {
    const std::string v4 = R"("10.8.0.2/32")", both = R"("10.8.0.2/32", "fd00:8::2/128")";
    const std::string peers = "/network/tunnel/peers";
    const struct {
        std::string network, rule, pointer, fix;
        std::string extra = kVolume;
    } rows[] = {
        {R"({"tunnel": "work"})", "wrong-type", "/network/tunnel", ""},
        {R"({"direct": false})", "bad-value", "/network/direct", "none"},
        {R"({"egress": {"allow": []}})", "contradiction", "/network", "loopback"},
        {R"({"direct": true, "inbound": ["10.0.0.0/8"]})", "bad-value", "/network/inbound/0",
         "name tcp or udp"},
        {R"({"direct": true, "inbound": ["tcp/80 from 10.0.0.0/8", "udp from ::/0"]})", "bad-value",
         "/network/inbound/1", "tcp/8080"},
        {tunnel(v4, peer(R"("0.0.0.0/0")")).insert(1, R"("direct": true, )"), "contradiction",
         "/network", "one of"},
        {egress(R"("allow": ["10.0.0.1/8"])"), "bad-value", "/network/egress/allow/0",
         "10.0.0.0/8"},
        {egress(R"("deny": ["10.0.0.1", "tcp/443 to example.org"])"), "contradiction",
         "/network/egress/deny/1", "address"},
        {tunnel(R"(, "inbound": ["tcp/22 to 10.0.0.1"])"), "bad-value", "/network/inbound/0",
         "from"},
        {tunnel("", peer()), "bad-value", "/network/tunnel/addresses", "10.8.0.2/32"},
        {tunnel(R"("127.0.0.1")", peer(R"("0.0.0.0/0")")), "bad-value",
         "/network/tunnel/addresses/0", "peer"},
        {tunnel(R"("10.8.0.2/32", "10.8.0.2/24")", peer(R"("0.0.0.0/0")")), "contradiction",
         "/network/tunnel/addresses/1", "remove"},
        {tunnel(v4, ""), "bad-value", peers, "at least one"},
        {tunnel(both, peer(R"("0.0.0.0/0")")), "contradiction", "/network/tunnel/addresses/1",
         "::/0"},
        {tunnel(v4, peer()), "contradiction", peers + "/0/allowedIPs/1", "add one"},
        {tunnel(v4, peer(R"("10.0.0.1/8")")), "bad-value", peers + "/0/allowedIPs/0", "10.0.0.0/8"},
        {tunnel(v4, peer(R"("10.0.0.0/8", "10.0.0.0/8")")), "contradiction",
         peers + "/0/allowedIPs/1", "remove one"},
        {tunnel(v4, peer(R"("10.0.0.0/8")") + "," + peer(R"("10.1.0.0/16")", kOther)),
         "contradiction", peers + "/1/allowedIPs/0", "alone"},
        {tunnel(v4, peer(R"("10.0.0.0/8")") + "," + peer(R"("192.0.2.0/24")")), "contradiction",
         peers + "/1/publicKey", "one"},
        {tunnel(v4, peer("")), "bad-value", peers + "/0/allowedIPs", "0.0.0.0/0"},
        {tunnel(v4, peer(R"("0.0.0.0/0")", std::string(43, 'A') + "=")), "bad-value",
         peers + "/0/publicKey", "wg pubkey"},
        {tunnel(v4, peer(R"("0.0.0.0/0")", "short=")), "bad-value", peers + "/0/publicKey",
         "wg pubkey"},
        {tunnel(v4, peer(R"("0.0.0.0/0")", kKey, "2001:db8::1:51820")), "bad-value",
         peers + "/0/endpoint", "[2001:db8::1]"},
        {tunnel(), "contradiction", "/network/tunnel", "private part", ""},
        {tunnel(), "contradiction", "/network/tunnel", "private part",
         R"(, "volumes": [{"name": "d", "target": "/d", "size": "64MiB", "unlock": ["tpm2"]}])"},
    };
    for (const auto& row : rows) {
        const auto mode = one(row.network, row.extra);
        INFO(row.network << "\n" << texts(mode.diagnostics));
        CHECK_FALSE(mode.profile);
        const auto& d = find_rule(mode.diagnostics, row.rule);
        CHECK(d.severity == Severity::error);
        CHECK(d.at.pointer == row.pointer);
        CHECK(d.at.line > 0);
        CHECK_THAT(d.fix, Catch::Contains(row.fix));
    }
    for (const auto& [mtu, good] :
         {std::pair{"1279", false}, {"1280", true}, {"65535", true}, {"65536", false}}) {
        auto text = tunnel();
        text.insert(text.find("\"addresses\""), std::string("\"mtu\": ") + mtu + ", ");
        const auto mode = one(text);
        INFO(mtu << "\n" << texts(mode.diagnostics));
        CHECK((mode.profile != nullptr) == good);
    }
}

TEST_CASE("who may be reached: denied, then allowed, then wherever the network leads") {
    const auto plan = plan_of(egress(R"("allow": ["10.0.0.0/8", "udp/53 to 192.0.2.1",
        "icmp to 192.0.2.0/24"], "deny": ["tcp/22-23 to 10.1.0.0/16"])"))
                          .network;
    const auto check = [&](const std::string& address, std::uint16_t port, Protocol protocol,
                           bool allowed, const std::string& pointer) {
        const auto verdict = out(plan, address, port, protocol);
        INFO(address << " " << port);
        CHECK(verdict.allowed == allowed);
        CHECK(verdict.pointer == pointer);
    };
    check("10.1.2.3", 443, Protocol::tcp, true, "network/egress/allow/0");
    check("10.1.2.3", 22, Protocol::tcp, false, "network/egress/deny/0");
    check("10.1.2.3", 24, Protocol::tcp, true, "network/egress/allow/0");
    check("10.1.2.3", 22, Protocol::udp, true, "network/egress/allow/0");
    check("192.0.2.1", 53, Protocol::udp, true, "network/egress/allow/1");
    check("192.0.2.1", 53, Protocol::tcp, false, "network/egress/allow");
    check("192.0.2.7", 0, Protocol::icmp, true, "network/egress/allow/2");
    check("2001:db8::1", 443, Protocol::tcp, false, "network/egress/allow");
    check("127.0.0.1", 443, Protocol::tcp, true, "network");
    CHECK(out(plan_of("\"direct\"").network, "192.0.2.1", 1).reason == ConnectionReason::uplink);
    for (const auto& to : {"224.0.0.251", "255.255.255.255", "169.254.1.1", "ff02::fb", "fe80::1"})
        CHECK(out(plan_of("\"direct\"").network, to, 1).reason == ConnectionReason::not_a_host);
    CHECK(out(plan_of("\"none\"").network, "127.0.0.1", 1).reason ==
          ConnectionReason::no_interface);
    CHECK(out(plan_of("\"loopback\"").network, "::1", 1).allowed);
    CHECK_FALSE(out(plan_of("\"loopback\"").network, "10.0.0.1", 1).allowed);
}

TEST_CASE("through a tunnel, what its peers have; and who may come in by it") {
    const auto plan =
        plan_of(tunnel(R"("10.8.0.2/32")",
                       peer(R"("10.0.0.0/8")") + "," + peer(R"("192.0.2.0/24")", kOther),
                       R"(, "inbound": ["tcp/22 from 10.8.0.0/24"])"))
            .network;
    CHECK(out(plan, "10.1.2.3", 1).reason == ConnectionReason::tunnel);
    CHECK(out(plan, "203.0.113.1", 1).reason == ConnectionReason::no_route);
    CHECK(out(plan, "10.8.0.2", 1).reason == ConnectionReason::loopback);
    CHECK(key_text(route(plan.tunnel, *parse_address("192.0.2.9"))->public_key) == kOther);
    const auto in = [&](const std::string& address, std::uint16_t port) {
        return judge_inbound(plan, {*parse_address(address), Protocol::tcp, port});
    };
    CHECK(in("10.8.0.9", 22).pointer == "network/inbound/0");
    CHECK(in("10.8.0.9", 23).reason == ConnectionReason::not_allowed);
    CHECK(in("10.9.0.9", 22).reason == ConnectionReason::not_allowed);
    CHECK(in("203.0.113.1", 22).reason == ConnectionReason::no_route);
}

TEST_CASE("a question about a connection is answered by the line that decides") {
    const auto mode = one(egress(R"("allow": ["tcp/443 to 192.0.2.0/24"], "deny": ["192.0.2.7"])"));
    REQUIRE(mode.profile);
    const auto facts = fixed_facts();
    const auto plan = intended_plan(*mode.profile, facts);
    const Subject subject{*mode.profile, plan, facts, nullptr};
    const auto ask = [&](const std::string& to, const std::string& how = "") {
        return ask_connect(subject, to, how).value();
    };
    CHECK(ask("192.0.2.1:443").at.pointer == "/network/egress/allow/0");
    CHECK(ask("192.0.2.1", "443/tcp").ruling == Ruling::allowed);
    CHECK(ask("192.0.2.1", "tcp/443").ruling == Ruling::allowed);
    const auto denied = ask("192.0.2.7:443");
    CHECK(denied.ruling == Ruling::refused);
    CHECK(denied.at.pointer == "/network/egress/deny/0");
    CHECK(denied.weighed);
    const auto udp = ask("192.0.2.1:443/udp");
    CHECK(udp.ruling == Ruling::refused);
    CHECK(udp.at.pointer == "/network/egress/allow");
    CHECK_THAT(udp.change, Catch::Contains("udp/443 to 192.0.2.1"));
    CHECK(udp.also.empty());
    CHECK(ask("192.0.2.1", "icmp").ruling == Ruling::refused);
    const auto name = ask("example.org:443");
    CHECK(name.ruling == Ruling::refused);
    CHECK_THAT(name.why, Catch::Contains("resolver"));
    CHECK_FALSE(asked_connection("example.org:443"));
    CHECK(asked_connection("[fd00::1]:53/udp").value().protocol == Protocol::udp);
}

TEST_CASE("ten thousand rules fit, and are judged in a moment") {
    std::string rules;
    for (int i = 0; i < 10000; ++i)
        rules += (i == 0 ? "\"" : ", \"") + std::string("tcp/443 to 10.") +
                 std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24\"";
    const auto plan = plan_of(egress(R"("deny": [)" + rules + "]"));
    CHECK(plan.network.deny.size() == 10000);
    CHECK(encode(plan).size() < image::kMaxSize / 2);
    const auto again = decode(encode(plan));
    REQUIRE(again);
    CHECK(again->network == plan.network);
    CHECK(out(plan.network, "10.39.249.1", 443).pointer == "network/egress/deny/9999");
    const auto one_more = one(egress(R"("deny": [)" + rules + R"(, "10.0.0.1"])"));
    CHECK(find_rule(one_more.diagnostics, "too-large").at.pointer == "/network/egress/deny");
}

TEST_CASE("a rule that another one decides, and a door that is open to all, are told") {
    const auto covered = one(egress(R"("allow": ["10.0.0.0/8", "tcp/443 to 10.1.0.0/16",
        "10.0.0.0/8", "192.0.2.0/24", "udp/1-9 to 198.51.100.0/24", "udp/2 to 198.51.100.0/24"],
        "deny": ["192.0.0.0/16"])"));
    INFO(texts(covered.diagnostics));
    std::vector<std::string> at;
    for (const auto& d : covered.diagnostics)
        if (rule_id(d.rule) == "covered-rule") at.push_back(d.at.pointer);
    CHECK(at == std::vector<std::string>{"/network/egress/allow/3", "/network/egress/allow/1",
                                         "/network/egress/allow/2", "/network/egress/allow/5"});
    const auto inbound = [&](const std::string& rule) {
        const auto mode = one(tunnel(R"(, "inbound": [")" + rule + "\"]"));
        INFO(texts(mode.diagnostics));
        REQUIRE(mode.profile);
        return has_rule(mode.diagnostics, "open-inbound");
    };
    CHECK(inbound("0.0.0.0/0"));
    CHECK(inbound("tcp from ::/0"));
    CHECK_FALSE(inbound("icmp from 0.0.0.0/0"));
    CHECK_FALSE(inbound("tcp/22 from 0.0.0.0/0"));
    CHECK_FALSE(inbound("10.8.0.0/24"));
}

namespace {

std::string named(const std::string& lists, const std::string& dns = R"("9.9.9.9")") {
    return R"({"direct": true, "dns": [)" + dns + R"(], "egress": {)" + lists + "}}";
}

ConnectionVerdict by_name(const NetworkPlan& plan, const std::string& name, std::uint16_t port,
                          Protocol protocol = Protocol::tcp) {
    return judge_name(plan, name, {{}, protocol, port});
}

}  // namespace

TEST_CASE("resolvers and names: one spelling, and back through the image") {
    for (const char* text : {"9.9.9.9", "9.9.9.9:5353", "[2620:fe::fe]:53", "9.9.9.9#dns.quad9.net",
                             "[2620:fe::fe]:8853#dns.quad9.net"}) {
        const auto server = parse_dns_server(text);
        REQUIRE(server);
        CHECK(parse_dns_server(to_text(*server)).value() == *server);
    }
    CHECK(to_text(*parse_dns_server("9.9.9.9:853#dns.quad9.net")) == "9.9.9.9#dns.quad9.net");
    for (const char* text :
         {"", "dns.quad9.net", "9.9.9.9#", "9.9.9.9#1", "9.9.9.9:0", "127.0.0.53", "0.0.0.0",
          "::", "::1", "::ffff:9.9.9.9", "9.9.9.9:53:53", "dns.quad9.net:53"})
        CHECK_FALSE(parse_dns_server(text));
    for (const char* text : {"tcp/443 to example.org", "*.example.org", "udp to *", "*",
                             "icmp to a.b-c.example.org"}) {
        const auto rule = parse_destination(text);
        REQUIRE(rule);
        CHECK(destination_text(*rule) == text);
    }
    CHECK(parse_destination("EXAMPLE.org")->name == "example.org");
    for (const char* text : {"fe80", "localhost", "*.", "**.example.org", "a.*.org", "*example.org",
                             "example.org.", "10.0.0.0.1", "tcp/443 to a_b.org", "-a.org"})
        CHECK_FALSE(parse_destination(text));
    CHECK_FALSE(parse_source("tcp/22 from example.org"));
    const auto plan = plan_of(named(R"("allow": ["tcp/443 to *.example.org", "10.0.0.0/8"],
        "deny": ["tracker.net"])",
                                    R"("9.9.9.9", "[2620:fe::fe]:5353")"));
    REQUIRE(plan.network.dns.size() == 2);
    CHECK(plan.network.dns[1].address.v6);
    CHECK(plan.network.allow[0].name == "*.example.org");
    CHECK(decode(encode(plan))->network == plan.network);
}

TEST_CASE("an address that no line allows may be that of a name which one does") {
    const auto mode = one(named(R"("allow": ["tcp/443 to chat.example.org", "192.0.2.0/24"])"));
    REQUIRE(mode.profile);
    const auto facts = fixed_facts();
    const auto plan = intended_plan(*mode.profile, facts);
    const Subject subject{*mode.profile, plan, facts, nullptr};
    const auto why = [&](const std::string& to) {
        const auto answer = ask_connect(subject, to, "").value();
        CHECK(answer.ruling == Ruling::refused);
        return answer.why;
    };
    CHECK(why("203.0.113.7:443").find("as by 'tcp/443 to chat.example.org'") != std::string::npos);
    CHECK(why("203.0.113.7:80").find("chat.example.org") == std::string::npos);
}

TEST_CASE("which names are looked up, and what is reached by them") {
    const auto plan = plan_of(named(R"("allow": ["tcp/443 to chat.example.org",
        "tcp/8000-8010 to *.example.org", "udp/443 to *.example.org"],
        "deny": ["ads.example.org", "*.bad.example.org"])"))
                          .network;
    CHECK(by_name(plan, "chat.example.org", 443).pointer == "network/egress/allow/0");
    CHECK(by_name(plan, "CHAT.Example.Org", 8005).pointer == "network/egress/allow/1");
    CHECK(by_name(plan, "chat.example.org", 80).reason == ConnectionReason::not_allowed);
    CHECK(by_name(plan, "x.y.example.org", 443, Protocol::udp).allowed);
    CHECK(by_name(plan, "example.org", 443).reason == ConnectionReason::not_allowed);
    CHECK(by_name(plan, "badexample.org", 8005).reason == ConnectionReason::not_allowed);
    CHECK(by_name(plan, "ads.example.org", 8005).pointer == "network/egress/deny/0");
    CHECK(by_name(plan, "x.ads.example.org", 8005).reason == ConnectionReason::denied);
    CHECK(by_name(plan, "bad.example.org", 8005).allowed);
    CHECK(by_name(plan, "x.bad.example.org", 8005).reason == ConnectionReason::denied);
    CHECK(by_name(plan, "x.example.org", 53).reason == ConnectionReason::other_resolver);
    // By its address alone nothing of it is reached.
    CHECK(out(plan, "203.0.113.7", 443).reason == ConnectionReason::not_allowed);
    const NameRules rules(plan);
    CHECK(rules.allowing("chat.example.org").size() == 3);
    CHECK(rules.judge("").reason == ConnectionReason::not_allowed);

    const auto open = plan_of(named(R"("deny": ["tracker.net"])")).network;
    CHECK(by_name(open, "example.org", 443).reason == ConnectionReason::uplink);
    CHECK(by_name(open, "a.tracker.net", 443).reason == ConnectionReason::denied);
    CHECK(out(open, "203.0.113.7", 443).allowed);
    for (const std::uint16_t port : {kDnsPort, kDnsTlsPort}) {
        CHECK(out(open, "203.0.113.7", port).reason == ConnectionReason::other_resolver);
        CHECK(out(open, "9.9.9.9", port, Protocol::udp).pointer == "network/dns");
    }
    CHECK(out(plan_of("\"direct\"").network, "9.9.9.9", 53, Protocol::udp).allowed);
    CHECK(by_name(plan_of("\"direct\"").network, "example.org", 443).reason ==
          ConnectionReason::no_resolver);
    CHECK(by_name(plan_of(named(R"("allow": ["tcp/443 to *"])")).network, "a.b", 443).allowed);
}

TEST_CASE("names without a resolver, and resolvers that would tell") {
    const auto faults = [](const std::string& network) { return texts(one(network).diagnostics); };
    CHECK(faults(egress(R"("allow": ["tcp/443 to example.org"])")).contains("nobody looks up"));
    CHECK(faults(named(R"("deny": ["tcp/443 to example.org"])"))
              .contains("looked up for every protocol, or for none"));
    CHECK(one(named("", R"("9.9.9.9#dns.quad9.net")")).profile);
    CHECK(faults(named("", R"("9.9.9.9#dns.quad9.net", "1.1.1.1")"))
              .contains("and another in the clear"));
    CHECK(faults(named("", "")).contains("nobody to ask"));
    CHECK(faults(R"({"tunnel": {"name": "work", "addresses": ["10.8.0.2/32"], "peers": [)" +
                 peer(R"("10.0.0.0/8")") + R"(]}, "dns": ["9.9.9.9"]})")
              .contains("no peer of the tunnel has '9.9.9.9'"));
}
