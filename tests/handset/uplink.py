"""For tests of the phone's network, where this is the module `handset_uplink`: an uplink of the test's
own, a veth to a namespace in which its internet is and the other end of a mode's tunnel, and all that
goes by at a link."""

import ctypes
import socket
import struct
import sys
import threading
import time

from handset import run

PHONE, FAR, PORT = "203.0.113.1", "203.0.113.2", 51820
INSIDE, PEER = "10.8.0.2", "10.8.0.1"  # of the tunnel
NS = "beyond"
CLONE_NEWNET = 0x40000000
WIREGUARD = (1, 2, 3, 4)  # the types of its messages


def ip(*words, netns=None):
    done = run("ip", *(("-n", netns) if netns else ()), *words)
    if done.returncode != 0:
        sys.exit(f"ip {' '.join(words)}: {done.stderr}")
    return done.stdout


def beyond(*command, **options):
    return run("ip", "netns", "exec", NS, *command, **options)


def make_uplink(phone=(PHONE,), far=(FAR,), silent=False):
    """up0 on the phone, far0 beyond, and the phone's ways to the internet. On a silent one is IPv4 alone, and
    neither end asks who has an address: what is seen on it is somebody's packet."""
    ip("netns", "add", NS)
    if silent:
        for where in (run, beyond):
            for name in ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"):
                where("sysctl", "-qw", f"{name}=1")
    ip("link", "add", "up0", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "far0",
       "address", "02:00:00:00:00:02", "netns", NS)
    ip("link", "set", "lo", "up", netns=NS)
    for link, addresses, netns in (("up0", phone, None), ("far0", far, NS)):
        ip("link", "set", link, "arp", "off" if silent else "on", "up", netns=netns)
        for address in addresses:
            ip("address", "add", *((f"{address}/64", "nodad") if ":" in address else (f"{address}/24",)), "dev", link, netns=netns)
    if silent:
        for address in phone:
            ip("neighbour", "add", address, "lladdr", "02:00:00:00:00:01", "dev", "far0", "nud", "permanent", netns=NS)
    lead_out(far, silent)


def lead_out(far=(FAR,), silent=False):
    """By the first address of each family. All of it goes with a link that is down."""
    if silent:
        for address in far:
            ip("neighbour", "replace", address, "lladdr", "02:00:00:00:00:02", "dev", "up0", "nud", "permanent")
    for family, sign in (("-4", "."), ("-6", ":")):
        if gateway := next((address for address in far if sign in address), None):
            ip(family, "route", "replace", "default", "via", gateway, "dev", "up0")


def make_tunnel_end():
    """wg0, beyond. Returns its public key."""
    ip("link", "add", "wg0", "type", "wireguard", netns=NS)
    ip("address", "add", f"{PEER}/24", "dev", "wg0", netns=NS)
    key = run("wg", "genkey").stdout
    beyond("wg", "set", "wg0", "listen-port", str(PORT), "private-key", "/dev/stdin", input=key)
    ip("link", "set", "wg0", "up", netns=NS)
    return run("wg", "pubkey", input=key).stdout.strip()


class Capture:
    """All packets at a link, of both directions, from the head of IP on."""

    def __init__(self, link, netns=None):
        self.packets, self.lock, ready = [], threading.Lock(), threading.Event()

        def listen():
            if netns:  # of this thread alone
                with open(f"/run/netns/{netns}", "rb") as there:
                    if ctypes.CDLL(None).setns(there.fileno(), CLONE_NEWNET) != 0:
                        sys.exit("setns")
            with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as s:
                s.bind((link, 0))
                ready.set()
                while True:
                    try:
                        packet = s.recv(65535)
                    except OSError:  # ENETDOWN: the link is down for now
                        time.sleep(0.01)
                        continue
                    with self.lock:
                        self.packets.append(packet)

        threading.Thread(target=listen, daemon=True).start()
        if not ready.wait(20):
            sys.exit(f"no capture at {link}")

    def take(self):
        """Those since it was asked last."""
        time.sleep(0.5)
        with self.lock:
            taken, self.packets = self.packets, []
        return taken


def is_refusal(packet):
    """That a port is closed, of who has gone: ICMP, with the packet that it is about after eight bytes."""
    head = (packet[0] & 15) * 4
    return packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_ICMP and packet[head:head + 2] == b"\x03\x03"


def udp_of(packet):
    """(source, its port, destination, its port, what is in it), or None."""
    head = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP or len(packet) < head + 8:
        return None
    source, to = struct.unpack("!HH", packet[head:head + 4])
    return socket.inet_ntoa(packet[12:16]), source, socket.inet_ntoa(packet[16:20]), to, packet[head + 8:]


def is_tunnel(packet):
    """A message of WireGuard's to or from the tunnel's other end; or what a kernel answers to one that came
    late, for a tunnel that is no more."""
    if is_refusal(packet):
        packet = packet[(packet[0] & 15) * 4 + 8:]
    udp = udp_of(packet)
    return bool(udp) and (udp[2:4] == (FAR, PORT) or udp[0:2] == (FAR, PORT)) and len(udp[4]) >= 4 and \
        udp[4][0] in WIREGUARD and udp[4][1:4] == bytes(3)
