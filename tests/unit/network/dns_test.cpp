// tests: messages of the DNS as they come, cut, twisted and too long; and the line between a
// resolver and pmos-net.
#include <catch2/catch.hpp>

#include "policy/destination.h"
#include "runtime/network/dns_line.h"
#include "runtime/network/dns_message.h"
#include "runtime/network/name_sets.h"

using namespace pmos;
using namespace pmos::network;

namespace {

using Octets = DnsBytes;

Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Octets name(std::string_view dotted) {
    Octets out;
    while (!dotted.empty()) {
        const auto label = dotted.substr(0, dotted.find('.'));
        out.push_back(static_cast<std::uint8_t>(label.size()));
        out.insert(out.end(), label.begin(), label.end());
        dotted.remove_prefix(std::min(label.size() + 1, dotted.size()));
    }
    out.push_back(0);
    return out;
}

Octets head(std::uint8_t flags, std::uint8_t questions, std::uint8_t answers,
            std::uint8_t additions = 0) {
    return {0x12, 0x34, flags, 0, 0, questions, 0, answers, 0, 0, 0, additions};
}
const Octets kA{0, 1, 0, 1}, kAaaa{0, 28, 0, 1};
const Octets kOpt{0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0};
Octets asks(std::string_view what) { return head(1, 1, 0) + name(what) + kA; }

std::optional<DnsQuestion> question(const Octets& message) {
    DnsRefused refused;
    return read_question(message, refused);
}
std::optional<DnsCode> code_of(const Octets& message) {
    DnsRefused refused;
    CHECK_FALSE(read_question(message, refused));
    return refused.code;
}

// With what follows the name, of 60 seconds.
Octets record(const Octets& owner, std::uint8_t type, const Octets& data) {
    return owner + Octets{0, type, 0, 1, 0, 0, 0, 60, 0, static_cast<std::uint8_t>(data.size())} +
           data;
}

}  // namespace

TEST_CASE("a question is what it asks, in lower case") {
    const auto plain = question(asks("Example.ORG"));
    REQUIRE(plain);
    CHECK(plain->id == 0x1234);
    CHECK(plain->name == "example.org");
    CHECK(plain->type == 1);
    CHECK(plain->text == name("Example.ORG") + kA);
    CHECK(plain->room == kDnsPlainSize);
    CHECK_FALSE(plain->extended);
    const auto extended = question(head(1, 1, 0, 1) + name("a.b") + kAaaa + kOpt);
    REQUIRE(extended);
    CHECK(extended->extended);
    CHECK(extended->room == 4096);
    CHECK(question(head(1, 1, 0) + name("") + kA)->name.empty());
}

TEST_CASE("what is no question is refused, or not answered") {
    CHECK_FALSE(code_of({}));
    CHECK_FALSE(code_of(Octets(11, 0)));
    CHECK_FALSE(code_of(head(0x80, 1, 0) + name("a.b") + kA));                        // an answer
    CHECK(code_of(head(0x28, 1, 0) + name("a.b") + kA) == DnsCode::not_implemented);  // an update
    CHECK(code_of(head(1, 0, 0)) == DnsCode::format_error);
    CHECK(code_of(head(1, 2, 0) + name("a.b") + kA) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + name("a.b")) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + Octets{63, 'a'}) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + Octets{0xc0, 12} + kA) == DnsCode::format_error);  // to itself
    CHECK(code_of(head(1, 1, 0) + Octets{0xc0, 0} + kA) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + Octets{3, 'a', '.', 'b', 0} + kA) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + Octets{3, 'a', '\\', 'b', 0} + kA) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + Octets{3, 'a', 0, 'b', 0} + kA) == DnsCode::format_error);
    std::string deep;
    for (int i = 0; i < 150; ++i) deep += "a.";
    CHECK(code_of(asks(deep + "a")) == DnsCode::format_error);
    CHECK(code_of(head(1, 1, 0) + name("a.b") + Octets{0, 1, 0, 3}) == DnsCode::not_implemented);
    CHECK(code_of(head(1, 1, 0) + name("a.b") + Octets{0, 252, 0, 1}) == DnsCode::not_implemented);
    CHECK(code_of(head(1, 1, 0) + name("a.b") + Octets{0, 255, 0, 1}) == DnsCode::not_implemented);
}

TEST_CASE("an answer's addresses, aliases and lifetime") {
    const Octets pointer{0xc0, 12};
    auto data = head(0x81, 1, 3) + name("www.example.org") + kA +
                record(pointer, 5, name("cdn.Tracker.net")) +
                record(name("cdn.tracker.net"), 1, {192, 0, 2, 7}) +
                record(name("cdn.tracker.net"), 1, {192, 0, 2, 8});
    const auto answer = read_answer(data);
    REQUIRE(answer);
    CHECK(answer->aliases == std::vector<std::string>{"cdn.tracker.net"});
    REQUIRE(answer->addresses.size() == 2);
    CHECK(policy::to_text(answer->addresses[1]) == "192.0.2.8");
    CHECK(answer->lifetime == 60);
    for (std::size_t size = 0; size < data.size(); ++size)
        CHECK_FALSE(read_answer(DnsView(data).first(size)));
    // An alias that is longer than its record, and an address of a wrong length.
    CHECK_FALSE(read_answer(head(0x81, 1, 1) + name("a.b") + kA + record(pointer, 5, {0xc0})));
    const auto odd =
        read_answer(head(0x81, 1, 1) + name("a.b") + kA + record(pointer, 1, {192, 0, 2}));
    REQUIRE(odd);
    CHECK(odd->addresses.empty());
    CHECK(read_answer(head(0x81, 1, 0) + name("a.b") + kA)->lifetime == 0);
}

TEST_CASE("each client has its own number, its own letters, and no more than it can take") {
    const auto asked = question(head(1, 1, 0, 1) + name("EXAMPLE.org") + kA + kOpt);
    REQUIRE(asked);
    auto found = Octets{0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0} + name("example.org") + kA +
                 record({0xc0, 12}, 1, {192, 0, 2, 7});
    const auto answer = answer_for(*asked, found, asked->room);
    CHECK(answer.size() == found.size() + 11);
    CHECK(answer[0] == 0x12);
    CHECK(answer[1] == 0x34);
    CHECK((answer[2] & 0x82U) == 0x80);
    CHECK(answer[11] == 1);
    CHECK(std::equal(asked->text.begin(), asked->text.end(), answer.begin() + 12));
    CHECK(read_answer(answer)->addresses == read_answer(found)->addresses);
    for (int i = 0; i < 40; ++i) found = found + record({0xc0, 12}, 16, Octets(100, 7));
    found[7] = 41;
    const auto plain = question(asks("example.org"));
    const auto cut = answer_for(*plain, found, plain->room);
    CHECK(cut.size() == 12 + plain->text.size());
    CHECK((cut[2] & 2U) != 0);
    CHECK(cut[7] == 0);
    CHECK(answer_for(*plain, found, kDnsStreamSize).size() == found.size());
    // What a resolver says of itself stays with it.
    auto with_opt = found + kOpt;
    with_opt[11] = 1;
    CHECK(answer_for(*plain, with_opt, kDnsStreamSize) ==
          answer_for(*plain, found, kDnsStreamSize));
    CHECK(answer_for(*asked, with_opt, kDnsStreamSize) ==
          answer_for(*asked, found, kDnsStreamSize));
    // An answer to something else is none.
    CHECK((answer_for(*plain, head(0x81, 1, 0) + name("b.c") + kA, 512)[3] & 0xfU) == 2);
}

TEST_CASE("no answer says why") {
    const auto asked = question(head(1, 1, 0, 1) + name("a.b") + kA + kOpt);
    const auto blocked = no_answer(*asked, DnsCode::no_name, true);
    CHECK((blocked[3] & 0xfU) == 3);
    CHECK(Octets(blocked.end() - 6, blocked.end()) == Octets{0, 15, 0, 2, 0, 15});
    const auto nothing = no_answer(head(1, 2, 0), DnsCode::format_error);
    CHECK(nothing.size() == 12);
    CHECK(nothing[5] == 0);
}

TEST_CASE("the line to a resolver") {
    DnsReport report{7,
                     300,
                     "example.org",
                     {*policy::parse_address("192.0.2.7"), *policy::parse_address("2001:db8::7")}};
    const auto bytes = report_bytes(report);
    CHECK(read_report(bytes) == report);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        if ((bytes.size() - size) % 17 != 0) CHECK_FALSE(read_report(std::span(bytes).first(size)));
    auto other = bytes;
    other[9 + report.name.size()] = 5;
    CHECK_FALSE(read_report(other));
    report.addresses.assign(kMostFound + 1, report.addresses.front());
    CHECK(report_bytes(report).size() <= kMostReport);
    CHECK(read_report(report_bytes(report))->addresses.size() == kMostFound);
    CHECK(read_settled(settled_bytes({7, true}))->reached);
    CHECK_FALSE(read_settled(std::vector<std::uint8_t>{0, 0, 0, 7}));
}

TEST_CASE("the names of one service have one set, and an address is in those of its lines alone") {
    policy::NetworkPlan plan;
    plan.restricted = true;
    for (const char* text : {"tcp/443 to a.example.org", "tcp/443 to *.example.net",
                             "udp/443 to b.example.org", "10.0.0.0/8"})
        plan.allow.push_back(*policy::parse_destination(text));
    const NameSets sets(plan);
    CHECK(sets.rules("accept") ==
          "    ip daddr @named-0-4 meta l4proto tcp th dport 443 accept\n"
          "    ip6 daddr @named-0-6 meta l4proto tcp th dport 443 accept\n"
          "    ip daddr @named-1-4 meta l4proto udp th dport 443 accept\n"
          "    ip6 daddr @named-1-6 meta l4proto udp th dport 443 accept\n");
    const std::vector<NameSets::Place> places{
        {*policy::parse_address("192.0.2.7"),
         {{&plan.allow[1], 90}, {&plan.allow[0], 30}, {nullptr, 99}}}};
    CHECK(sets.additions("inet", "pmos", places) ==
          "add element inet pmos named-0-4 { 192.0.2.7 }\n"
          "delete element inet pmos named-0-4 { 192.0.2.7 }\n"
          "add element inet pmos named-0-4 { 192.0.2.7 timeout 90s }\n");
    CHECK(sets.additions("inet", "pmos", {}).empty());
}
