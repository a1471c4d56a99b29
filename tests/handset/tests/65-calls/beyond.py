"""The far end of the phone's uplink, a namespace: the tunnel's other end is there, and so is the second
phone."""

import sys

from handset import run

PHONE, FAR, PORT = "203.0.113.1", "203.0.113.2", 51820
INSIDE, PEER = "10.8.0.2", "10.8.0.1"
NS = "beyond"


def ip(*words, netns=None):
    done = run("ip", *(("-n", netns) if netns else ()), *words)
    if done.returncode != 0:
        sys.exit(f"ip {' '.join(words)}: {done.stderr}")


def beyond(*command, **options):
    return run("ip", "netns", "exec", NS, *command, **options)


def make_beyond():
    """Neither end of the wire asks who has an address, so that all that is seen on it is somebody's."""
    for name in ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"):
        run("sysctl", "-qw", f"{name}=1")
    ip("netns", "add", NS)
    beyond("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
    ip("link", "add", "up0", "address", "02:00:00:00:00:01", "arp", "off", "type", "veth", "peer", "name", "far0",
       "address", "02:00:00:00:00:02", "netns", NS)
    for link, address, other, number, netns in (("up0", PHONE, FAR, 2, None), ("far0", FAR, PHONE, 1, NS)):
        ip("link", "set", link, "arp", "off", "up", netns=netns)
        ip("address", "add", f"{address}/24", "dev", link, netns=netns)
        ip("neighbour", "add", other, "lladdr", f"02:00:00:00:00:0{number}", "dev", link, "nud", "permanent", netns=netns)
    ip("link", "set", "lo", "up", netns=NS)
    ip("link", "add", "wg0", "type", "wireguard", netns=NS)
    ip("address", "add", f"{PEER}/24", "dev", "wg0", netns=NS)
    key = run("wg", "genkey").stdout
    beyond("wg", "set", "wg0", "listen-port", str(PORT), "private-key", "/dev/stdin", input=key)
    ip("link", "set", "wg0", "up", netns=NS)
    return run("wg", "pubkey", input=key).stdout.strip()
