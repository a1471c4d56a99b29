#!/usr/bin/env python3
"""./dev bench net, the part on the phone: what the way of a mode's packets costs beside the same way
without pmos, what a network adds to a start, and whether a rule among 10,000 costs more than one among
ten. Rows of JSON on the last line.

The far end is a namespace with an echo. Four ways lead there: a wire of pmos (veth, rules and NAT), a
veth that is only routed, a tunnel of pmos, a WireGuard interface as wg(8) makes it. They take turns."""

import json
import os
import pathlib
import secrets
import statistics
import subprocess
import sys
import time

PROFILES = pathlib.Path("/usr/share/pmos/profiles")
SHIPPED = {mode: (PROFILES / f"{mode}.json").read_text() for mode in ("personal", "secure")}
NONE = {"personal": '"network": "loopback"', "secure": '"network": "none"'}
PIN = secrets.token_hex(6)
PHONE, FAR, FAR_INSIDE, MODE_INSIDE, PLAIN_INSIDE = "203.0.113.1", "203.0.113.2", "10.8.0.1", "10.8.0.2", "10.8.0.3"
PLAIN, PLAIN_PEER = "198.51.100.2", "198.51.100.1"
ROUNDS, STARTS = 15, 15
RULES = (10, 1000, 10000)

SERVER = r'''
import socket, threading
def serve(s):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    left = 0
    while data := s.recv(1 << 20):
        if left == 0 and data[:1] == b"b":
            left = (4 << 20) + 1
        if left:
            left -= len(data)
        if left == 0:
            s.sendall(b"x")
def datagrams():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 8080))
    while True:
        data, peer = s.recvfrom(100)
        s.sendto(data, peer)
server = socket.create_server(("0.0.0.0", 8080))
threading.Thread(target=datagrams, daemon=True).start()
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
'''
# Asked by a line; answers milliseconds: of 4 MiB, of a round trip, of the first datagram of a flow.
CLIENT = r'''
import socket, statistics, sys, time
address = sys.argv[1]
s = socket.create_connection((address, 8080), 30)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
block = b"b" + bytes(4 << 20)
def bulk():
    s.sendall(block)
    s.recv(1)
def trip():
    s.sendall(b"t")
    s.recv(1)
def flow():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as d:
        d.settimeout(10)
        d.connect((address, 8080))
        d.send(b"f")
        d.recv(1)
def took(work, times):
    all = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        all.append((time.perf_counter() - begin) * 1000)
    return statistics.median(all)
for line in sys.stdin:
    work, times = {"bulk": (bulk, 1), "trip": (trip, 30), "flow": (flow, 15)}[line.strip()]
    print(took(work, times), flush=True)
'''


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def by_pin(*words):
    read, write = os.pipe()
    os.write(write, PIN.encode())
    os.close(write)
    run("pmosctl", *words, "--pin-fd", str(read), pass_fds=[read])


def ip(*words, netns=None):
    run("ip", *(("-n", netns) if netns else ()), *words)


def within(netns, *command, **options):
    return run("ip", "netns", "exec", netns, *command, **options)


def veth(here, address, there, netns, other):
    ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", netns)
    ip("address", "add", f"{address}/24", "dev", here)
    ip("address", "add", f"{other}/24", "dev", there, netns=netns)
    ip("link", "set", here, "up")
    for link in ("lo", there):
        ip("link", "set", link, "up", netns=netns)


def wireguard(netns, inside, key):
    """Born on the phone, as a mode's is."""
    ip("link", "add", f"wg-{netns}", "type", "wireguard")
    ip("link", "set", f"wg-{netns}", "netns", netns)
    within(netns, "wg", "set", f"wg-{netns}", "private-key", "/dev/stdin", input=key)
    ip("address", "add", f"{inside}/24", "dev", f"wg-{netns}", netns=netns)
    ip("link", "set", f"wg-{netns}", "mtu", "1420", "up", netns=netns)


def make_ways():
    """The far end, and the two ways without pmos. The far end's public key."""
    for netns in ("far", "plain"):
        ip("netns", "add", netns)
    veth("up0", PHONE, "far0", "far", FAR)
    veth("plain0", PLAIN_PEER, "plain1", "plain", PLAIN)
    ip("route", "replace", "default", "via", FAR, "dev", "up0")
    ip("route", "add", "default", "via", PLAIN_PEER, netns="plain")
    ip("route", "add", "198.51.100.0/24", "via", PHONE, netns="far")
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    far, plain = (run("wg", "genkey") for _ in range(2))
    far_public, plain_public = (run("wg", "pubkey", input=key).strip() for key in (far, plain))
    ip("link", "add", "wg-far", "type", "wireguard", netns="far")
    within("far", "wg", "set", "wg-far", "listen-port", "51820", "private-key", "/dev/stdin", "peer", plain_public,
           "allowed-ips", f"{PLAIN_INSIDE}/32", input=far)
    ip("address", "add", f"{FAR_INSIDE}/24", "dev", "wg-far", netns="far")
    ip("link", "set", "wg-far", "mtu", "1420", "up", netns="far")
    wireguard("plain", PLAIN_INSIDE, plain)
    within("plain", "wg", "set", "wg-plain", "peer", far_public, "endpoint", f"{FAR}:51820", "allowed-ips",
           f"{FAR_INSIDE}/32")
    return far_public


def use(mode, network):
    text = SHIPPED[mode].replace('"background": "freeze"', '"background": "run"')
    if network is not None:
        text = text.replace(NONE[mode], f'"network": {json.dumps(network)}')
    (PROFILES / f"{mode}.json").write_text(text)
    run("pmosctl", "reload")


class Way:
    def __init__(self, address, *prefix):
        self.process = subprocess.Popen([*prefix, "python3", "-u", "-c", CLIENT, address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def takes(self, what):
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def in_mode(mode):
    return "pmosctl", "exec", mode, "--"


def in_turns(ways, what, rounds=ROUNDS):
    """The median of each."""
    taken = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way.takes(what))
    return {name: statistics.median(values) for name, values in taken.items()}


def row(name, ours, peer, goal=None):
    return {"name": name, "unit": "ms", "ours": round(ours, 4), "peer": round(peer, 4), "ratio": round(ours / peer, 4),
            "goal": goal}


def ways_row(public):
    use("personal", {"direct": True, "egress": {"allow": [f"tcp/8080 to {FAR}", f"udp/8080 to {FAR}"]}})
    run("pmosctl", "restart", "personal")
    own = run("pmosctl", "net", "key", "secure", "--new").strip()
    within("far", "wg", "set", "wg-far", "peer", own, "allowed-ips", f"{MODE_INSIDE}/32")
    use("secure", {"tunnel": {"name": "bench", "addresses": [f"{MODE_INSIDE}/32"], "peers": [
        {"publicKey": public, "endpoint": f"{FAR}:51820", "allowedIPs": [f"{FAR_INSIDE}/32"]}]}})
    run("pmosctl", "start", "secure")
    ways = {"wire": Way(FAR, *in_mode("personal")), "routed": Way(FAR, "ip", "netns", "exec", "plain"),
            "tunnel": Way(FAR_INSIDE, *in_mode("secure")), "wireguard": Way(FAR_INSIDE, "ip", "netns", "exec", "plain")}
    rows = []
    for what, name in (("bulk", "4-mib"), ("trip", "round-trip"), ("flow", "new-flow")):
        taken = in_turns(ways, what)
        rows.append(row(f"net-wire-{name}", taken["wire"], taken["routed"]))
        rows.append(row(f"net-tunnel-{name}", taken["tunnel"], taken["wireguard"]))
    for way in ways.values():
        way.end()
    return rows


def rules_rows():
    """A new flow, past so many destinations; beside a way that does not change."""
    rows, first = [], None
    plain = Way(FAR, "ip", "netns", "exec", "plain")
    for count in RULES:
        others = [f"udp/8080 to 10.{i >> 7 & 255}.{i & 127}.0/25" for i in range(count - 2)]
        use("personal", {"direct": True, "egress": {"allow": [*others, f"udp/8080 to {FAR}", f"tcp/8080 to {FAR}"]}})
        run("pmosctl", "restart", "personal")
        ways = {"wire": Way(FAR, *in_mode("personal")), "routed": plain}
        taken = in_turns(ways, "flow")
        ways["wire"].end()
        ratio = taken["wire"] / taken["routed"]
        first = first or ratio
        rows.append({"name": f"net-rules-{count}", "unit": "of a flow among 10", "ours": round(ratio, 4),
                     "peer": round(first, 4), "ratio": round(ratio / first, 4), "goal": None if count == RULES[0] else 1.2})
    plain.end()
    return rows


def start_takes(mode):
    run("pmosctl", "stop", mode)
    begin = time.monotonic()
    run("pmosctl", "start", mode)
    return (time.monotonic() - begin) * 1000


def start_row(mode, name, network):
    taken = {False: [], True: []}
    for _ in range(STARTS):
        for with_network in taken:
            use(mode, network if with_network else None)
            taken[with_network].append(start_takes(mode))
    return row(f"net-start-{name}", statistics.median(taken[True]), statistics.median(taken[False]))


def main():
    by_pin("provision", "secure")
    by_pin("unlock", "secure", "--no-start")
    public = make_ways()
    server = subprocess.Popen(["ip", "netns", "exec", "far", "python3", "-c", SERVER], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    try:
        rows = ways_row(public) + rules_rows()
        rows.append(start_row("personal", "wire", {"direct": True}))
        rows.append(start_row("secure", "tunnel", {"tunnel": {"name": "bench", "addresses": [f"{MODE_INSIDE}/32"], "peers": [
            {"publicKey": public, "endpoint": f"{FAR}:51820", "allowedIPs": [f"{FAR_INSIDE}/32"]}]}}))
    finally:
        server.kill()
        server.wait()
    print(json.dumps(rows))


main()
