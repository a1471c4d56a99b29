// fuzz: any bytes as the head of a packet. What is read of it is judged, and has a text of one line
// that a profile reads as a rule which matches it.
#include "runtime/network/packet.h"

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "policy/destination.h"

using namespace pmos;
using namespace pmos::network;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void take(const Packet& packet, bool inbound) {
    const auto text = packet_text(packet, inbound);
    require(!text.empty() && text.size() < 80 && printable(text) == text);
    const auto connection = connection_of(packet, inbound);
    require(connection.address.length == (connection.address.v6 ? 128 : 32));
    policy::NetworkPlan network;
    network.zone = policy::Zone::direct;
    network.restricted = true;
    require(!policy::judge_outbound(network, connection).allowed ||
            policy::is_loopback(connection.address));
    // A profile could say so, of what it has words for.
    if (connection.protocol == policy::Protocol::any) return;
    const auto rule = inbound ? policy::parse_source(text) : policy::parse_destination(text);
    if (rule) require(policy::matches(*rule, connection));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto packet = read_packet(Bytes(data, size));
    if (!packet) return 0;
    require(size >= (packet->to.v6 ? 40U : 20U) && packet->to.v6 == packet->from.v6);
    for (const bool inbound : {false, true}) take(*packet, inbound);
    return 0;
}
