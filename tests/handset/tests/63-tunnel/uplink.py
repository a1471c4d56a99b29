"""The uplink of a phone that moves, and all that was ever on it."""

from handset_uplink import INSIDE, NS, PHONE, Capture, beyond, ip, is_tunnel, lead_out, make_uplink

SECOND = "203.0.113.9"


def make_movable_uplink():
    make_uplink(silent=True)
    ip("neighbour", "add", SECOND, "lladdr", "02:00:00:00:00:01", "dev", "far0", "nud", "permanent", netns=NS)


def settle_uplink(address=PHONE):
    ip("address", "flush", "dev", "up0")
    ip("address", "add", f"{address}/24", "dev", "up0")
    ip("link", "set", "up0", "up")
    lead_out(silent=True)


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
            else:
                self.others.append(packet[:64].hex())
        return self.tunnel, self.others
