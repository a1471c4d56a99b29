// tests: networks of two modes that cannot be side by side.
#include <catch2/catch.hpp>

#include "policy/separation.h"
#include "support.h"

using namespace pmos::policy;
using namespace pmos::policy::test;

TEST_CASE("a port of the phone's leads to one mode") {
    const auto set_of = [](const std::string& mine, const std::string& other) {
        const auto text = [](const std::string& rule) {
            return R"({"direct": true, "inbound": [")" + rule + "\"]}";
        };
        const std::vector<SourceFile> files{{"a.json", network_text("alpha", 200000, text(mine))},
                                            {"b.json", network_text("beta", 400000, text(other))}};
        return read_policy(files, nullptr, {});
    };
    const auto claimed = [&](const std::string& mine, const std::string& other) {
        const auto set = set_of(mine, other);
        return has_rule(set.modes[0].diagnostics, "claimed-twice") &&
               has_rule(set.modes[1].diagnostics, "claimed-twice");
    };
    CHECK(claimed("tcp/80 from 10.0.0.0/8", "tcp/80-90 from 10.1.0.0/16"));
    CHECK(claimed("udp/5000-5010 from ::/0", "udp/5010 from ::/0"));
    CHECK_FALSE(claimed("tcp/80 from 10.0.0.0/8", "udp/80 from 10.0.0.0/8"));
    CHECK_FALSE(claimed("tcp/80 from 10.0.0.0/8", "tcp/81 from 10.0.0.0/8"));
    CHECK_FALSE(claimed("tcp/80 from 10.0.0.0/8", "tcp/80 from 192.168.0.0/16"));
}

TEST_CASE("one address at one peer is one mode's") {
    const auto set_of = [](const std::string& name, unsigned host) {
        const std::vector<SourceFile> files{
            {"a.json", tunnel_text("alpha", 200000, "work")},
            {"b.json", tunnel_text("beta", 400000, name, "", host)}};
        return read_policy(files, nullptr, {});
    };
    const auto same = set_of("work", 2);
    CHECK(find_rule(same.modes[0].diagnostics, "shared-address").at.pointer ==
          "/network/tunnel/addresses/0");
    CHECK(has_rule(same.modes[1].diagnostics, "shared-address"));
    // Two addresses: a segment that both are in, by the tunnel's name and by its peer.
    const auto apart = set_of("world", 3);
    CHECK_FALSE(has_rule(apart.modes[0].diagnostics, "shared-address"));
    const auto flows = [](const PolicySet& set) {
        std::vector<std::string> through;
        for (const auto& flow : set.separation->flows)
            if (const auto& access = set.separation->access(flow.from);
                access.kind == Resource::network && flow.from.mode == 0)
                through.push_back(access.resource.substr(0, access.resource.find(' ')));
        return through;
    };
    CHECK(flows(apart) == std::vector<std::string>{"peer"});
    CHECK(flows(set_of("work", 3)) == std::vector<std::string>{"peer", "tunnel"});
    CHECK(flows(set_of("home", 3)).empty());
}
