"""Who listens inside the tunnel: what a packet is, and what is to be heard in it."""

import array

from handset_uplink import INSIDE, PEER, is_refusal, udp_of

SIP, RTP = 5060, range(10000, 10021)


def kind_of(packet):
    """Of what was seen inside the tunnel."""
    if is_refusal(packet):  # of who has hung up
        return "ICMP"
    udp = udp_of(packet)
    if not udp or {udp[0], udp[2]} != {INSIDE, PEER}:
        return "something else"
    _, source, _, to, data = udp
    if SIP in (source, to):
        return "SIP"
    if source not in RTP or to not in RTP or len(data) < 13:
        return "something else"
    if data[0] >> 6 == 2:
        return "RTCP" if 200 <= data[1] <= 204 else "RTP"
    return "DTLS" if 20 <= data[0] <= 63 else "something else"


def linear(octet):
    """A sample of PCMU (G.711)."""
    octet = ~octet & 255
    value = (((octet & 15) << 3) + 132 << ((octet & 112) >> 4)) - 132
    return -value if octet & 128 else value


PCMU = [linear(octet) for octet in range(256)]


def listened_to(packets, source):
    """What somebody inside the tunnel makes of that end's voice, who takes it for plain PCMU: the 20 ms of
    each packet, and not the ten bytes by which SRTP signs them."""
    voice = array.array("h")
    for packet in packets:
        if kind_of(packet) == "RTP" and udp_of(packet)[0] == source:
            voice.extend(PCMU[octet] for octet in udp_of(packet)[4][12:12 + 160])
    return voice
