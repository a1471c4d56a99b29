"""The uplink of a phone that moves, of both families, and all that was ever on it."""

import socket

from handset import run
from handset_uplink import INSIDE, NS, PHONE, Capture, beyond, ip, is_tunnel, lead_out, make_uplink

SECOND = "203.0.113.9"
PHONE6, FAR6 = "2001:db8:7::1", "2001:db8:7::2"
NOWHERE = "2001:db8:ffff::/64"  # meddled.py has an address there
# What a kernel says for itself on a link that has IPv6: who its neighbours and routers are, which groups it hears.
OWN6 = {133, 134, 135, 136, 143}


def settle_ipv6():
    """As static as the other family. All of it goes with a link that is down."""
    ip("-6", "address", "replace", f"{PHONE6}/64", "dev", "up0", "nodad")
    ip("-6", "neighbour", "replace", FAR6, "lladdr", "02:00:00:00:00:02", "dev", "up0", "nud", "permanent")
    ip("-6", "route", "replace", "default", "via", FAR6, "dev", "up0")
    ip("-6", "route", "replace", "unreachable", NOWHERE)


def is_kernels_own(packet):
    """Such a packet is never forwarded: what came through the phone has a hop limit less than this."""
    if len(packet) < 48 or packet[0] >> 4 != 6:
        return False
    first, hops, rest = packet[6], packet[7], packet[40:]
    if first == socket.IPPROTO_HOPOPTS:  # in which the reports of groups are
        first, rest = rest[0], rest[(rest[1] + 1) * 8:]
    if first != socket.IPPROTO_ICMPV6 or len(rest) < 8 or rest[0] not in OWN6:
        return False
    return hops == (1 if rest[0] == 143 else 255)


def make_movable_uplink():
    make_uplink(silent=True)
    ip("neighbour", "add", SECOND, "lladdr", "02:00:00:00:00:01", "dev", "far0", "nud", "permanent", netns=NS)
    run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.up0.disable_ipv6=0")
    settle_ipv6()


def settle_uplink(address=PHONE):
    ip("address", "flush", "dev", "up0")
    ip("address", "add", f"{address}/24", "dev", "up0")
    ip("link", "set", "up0", "up")
    lead_out(silent=True)
    settle_ipv6()


def trust_key(old, new):
    """Of the mode."""
    beyond("wg", "set", "wg0", "peer", old, "remove", "peer", new, "allowed-ips", f"{INSIDE}/32")


class Uplink(Capture):
    def __init__(self):
        super().__init__("up0")
        self.tunnel, self.others = 0, []

    def seen(self):
        """How many packets of the tunnel until now, and what else."""
        for packet in self.take():
            if is_tunnel(packet):
                self.tunnel += 1
            elif not is_kernels_own(packet):
                self.others.append(packet[:64].hex())
        return self.tunnel, self.others
