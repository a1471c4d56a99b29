"""The far end of the tunnel, in a namespace of its own, and every frame on the phone's uplink to it."""

import socket
import struct
import sys
import threading
import time

from handset import run

PHONE, SECOND, FAR, PORT = "203.0.113.1", "203.0.113.9", "203.0.113.2", 51820
INSIDE, PEER_INSIDE = "10.8.0.2", "10.8.0.1"
NS = "beyond"

ECHO = (f"import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        f"s.bind(('{PEER_INSIDE}', 8080))\ns.listen(16)\nprint('ready', flush=True)\n"
        "while True:\n c = s.accept()[0]\n c.settimeout(5)\n try:\n  c.sendall(c.recv(100))\n except OSError:\n  pass\n c.close()\n")


def ip(*words, netns=None):
    done = run("ip", *(("-n", netns) if netns else ()), *words)
    if done.returncode != 0:
        sys.exit(f"ip {' '.join(words)}: {done.stderr}")
    return done.stdout


def beyond(*command, **options):
    return run("ip", "netns", "exec", NS, *command, **options)


def make_beyond():
    """Neither end asks who has an address: what is on the wire is somebody's packet."""
    for name in ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"):
        run("sysctl", "-qw", f"{name}=1")
    ip("netns", "add", NS)
    ip("link", "add", "up0", "address", "02:00:00:00:00:01", "arp", "off", "type", "veth", "peer", "name", "far0",
       "address", "02:00:00:00:00:02", "netns", NS)
    beyond("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    ip("link", "set", "far0", "arp", "off", netns=NS)
    for address in (PHONE, SECOND):
        ip("neighbour", "add", address, "lladdr", "02:00:00:00:00:01", "dev", "far0", "nud", "permanent", netns=NS)
    ip("address", "add", f"{FAR}/24", "dev", "far0", netns=NS)
    for link in ("lo", "far0"):
        ip("link", "set", link, "up", netns=NS)
    settle_uplink(PHONE)
    key = run("wg", "genkey").stdout
    public = run("wg", "pubkey", input=key).stdout.strip()
    ip("link", "add", "wg0", "type", "wireguard", netns=NS)
    ip("address", "add", f"{PEER_INSIDE}/24", "dev", "wg0", netns=NS)
    beyond("wg", "set", "wg0", "listen-port", str(PORT), "private-key", "/dev/stdin", input=key)
    ip("link", "set", "wg0", "up", netns=NS)
    return public


def trust_key(old, new):
    """Of the mode."""
    beyond("wg", "set", "wg0", "peer", old, "remove", "peer", new, "allowed-ips", f"{INSIDE}/32")


def settle_uplink(address):
    ip("address", "flush", "dev", "up0")
    ip("address", "add", f"{address}/24", "dev", "up0")
    ip("link", "set", "up0", "up")
    ip("neighbour", "replace", FAR, "lladdr", "02:00:00:00:00:02", "dev", "up0", "nud", "permanent")
    ip("route", "replace", "default", "via", FAR, "dev", "up0")


class Uplink:
    """Every frame on up0, of either direction, as the kernel hands it to a socket of AF_PACKET."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("up0", 0))
        self.tunnel, self.others, self.lock = 0, [], threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    @staticmethod
    def is_tunnel(frame):
        """UDP to or from the peer's port, and a message of WireGuard's."""
        if frame[12:14] != b"\x08\x00":
            return False
        head = 14 + (frame[14] & 15) * 4
        # What the far end says late to a port that is closed by now is answered by the phone's kernel.
        if frame[23] == 1 and frame[head:head + 2] == b"\x03\x03":
            frame = frame[:14] + frame[head + 8:]
            head = 14 + (frame[14] & 15) * 4
        if frame[23] != 17:
            return False
        source, to = struct.unpack("!HH", frame[head:head + 4])
        far = socket.inet_aton(FAR)
        outwards = frame[30:34] == far and to == PORT
        inwards = frame[26:30] == far and source == PORT
        kind = frame[head + 8:head + 12]
        return (outwards or inwards) and kind[0:1] in (b"\x01", b"\x02", b"\x03", b"\x04") and kind[1:] == bytes(3)

    def listen(self):
        while True:
            try:
                frame = self.socket.recv(65535)
            except OSError:
                time.sleep(0.01)  # ENETDOWN, of a flap
                continue
            with self.lock:
                if self.is_tunnel(frame):
                    self.tunnel += 1
                else:
                    self.others.append(frame[:80].hex())

    def seen(self):
        time.sleep(0.5)
        with self.lock:
            return self.tunnel, list(self.others)
