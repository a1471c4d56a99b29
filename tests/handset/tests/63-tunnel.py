#!/usr/bin/env python3
# boot: own
# timeout: 900
# soak: 14400
"""A mode whose only way out is a WireGuard tunnel: what leaves the phone while it starts, runs, is
stopped and killed, and while pmosd, pmos-net, the policy and the uplink come and go, is the tunnel's
and nothing else: over 20 lives, and 1,000 with HANDSET_SOAK. The uplink is a veth to a namespace of this
test, in which the peer is; every frame on it is looked at."""

import json
import os
import pathlib
import secrets
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from handset import PROFILES, another_pmosd, check, ctl, main_pid, no_volume, note, pmosctl, replaced, run, status, stop_if_failed, until

SHIPPED = (PROFILES / "secure.json").read_text()
PIN = secrets.token_hex(6)
PHONE, SECOND, FAR, PORT = "203.0.113.1", "203.0.113.9", "203.0.113.2", 51820
INSIDE, PEER_INSIDE = "10.8.0.2", "10.8.0.1"
LIVES = 1000 if os.environ.get("HANDSET_SOAK") else 20
NS = "beyond"

ECHO = (f"import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        f"s.bind(('{PEER_INSIDE}', 8080))\ns.listen(16)\nprint('ready', flush=True)\n"
        "while True:\n c = s.accept()[0]\n c.settimeout(5)\n try:\n  c.sendall(c.recv(100))\n except OSError:\n  pass\n c.close()\n")
ASK = ("import socket, sys\ns = socket.create_connection((sys.argv[1], 8080), 8)\ns.settimeout(8)\ns.sendall(b'word')\n"
       "sys.exit(s.recv(10) != b'word')\n")
# Does all that it can to be heard on the uplink, until it is killed.
HOSTILE = r'''
import socket, sys, time
def tries():
    for address in (sys.argv[1], "203.0.113.1", "203.0.113.255", "10.0.2.2", "8.8.8.8", "255.255.255.255", "224.0.0.251", "10.8.0.1"):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            for device in (b"", b"pmos0", b"lo", b"up0", b"eth0"):
                try:
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.setblocking(False)
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                        s.setsockopt(socket.SOL_IP, 15, 1)
                        if device:
                            s.setsockopt(socket.SOL_SOCKET, 25, device)
                        s.connect((address, 51820 if kind == socket.SOCK_DGRAM else 8080))
                        s.send(b"LEAK" * 8)
                except OSError:
                    pass
    for address in ("ff02::1", "2001:db8:1::2", "fe80::1"):
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.sendto(b"LEAK" * 8, (address, 8080))
        except OSError:
            pass
while True:
    tries()
    time.sleep(0.05)
'''


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


def use(public, keepalive=5):
    network = {"tunnel": {"name": "test", "addresses": [f"{INSIDE}/32"],
                          "peers": [{"publicKey": public, "endpoint": f"{FAR}:{PORT}", "allowedIPs": ["0.0.0.0/0"],
                                     "persistentKeepalive": keepalive}]}}
    (PROFILES / "secure.json").write_text(replaced(SHIPPED, '"network": "none"', f'"network": {json.dumps(network)}'))
    ctl("reload")


def asks():
    return pmosctl("exec", "secure", "--", "python3", "-c", ASK, PEER_INSIDE).returncode == 0


def hostile():
    return subprocess.Popen(["pmosctl", "exec", "secure", "--", "python3", "-c", HOSTILE, FAR], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def net_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmos-net").stdout)


def net_status():
    done = pmosctl("net", "status", "secure", "--json")
    return json.loads(done.stdout)[0] if done.returncode == 0 else {"state": done.stderr, "peers": []}


def kill_net():
    old = net_pid()
    os.kill(old, signal.SIGKILL)
    until(lambda: net_pid() not in (0, old) and net_status()["state"] == "up", 40)


def kill_pmosd():
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)


def flap():
    ip("link", "set", "up0", "down")
    time.sleep(0.3)
    settle_uplink(PHONE)


def kill_mode():
    os.kill(status("secure")["pid"], signal.SIGKILL)
    until(lambda: status("secure")["state"] != "running", 30)


def stop():
    ctl("stop", "secure")


def udp_ports():
    """Also those that the kernel has for itself, as WireGuard does."""
    return len(pathlib.Path("/proc/net/udp").read_text().splitlines())


def update(public):
    """Of the policy, to one that has its network made anew."""
    use(public, 6)
    ctl("restart", "secure")
    use(public)


def lives(uplink, public):
    note(f"{LIVES} lives")
    events = {"stop": stop, "kill the mode": kill_mode, "kill pmosd": kill_pmosd, "kill pmos-net": kill_net, "flap": flap,
              "update": lambda: update(public)}
    wrong = []
    for life in range(LIVES):
        if status("secure")["state"] != "running" and pmosctl("start", "secure").returncode != 0:
            wrong.append(f"life {life}: it does not start")
            continue
        pmosctl("switch", "secure")
        attackers = [hostile(), hostile()]
        if not until(asks, 30):
            wrong.append(f"life {life}: no answer through the tunnel: {net_status()}")
        event = list(events)[life % len(events)]
        events[event]()
        if status("secure")["state"] == "running" and not until(asks, 30):
            wrong.append(f"life {life}: no answer through the tunnel after {event}: {net_status()}")
        for attacker in attackers:
            attacker.kill()
            attacker.wait()
        if others := uplink.seen()[1]:
            wrong.append(f"life {life}, {event}: {others[:3]}")
            break
    check("every life had its tunnel, and nothing else was on the uplink", not wrong, wrong)
    tunnel, others = uplink.seen()
    note(f"{tunnel} frames of the tunnel, {len(others)} others")
    check("frames of the tunnel were seen", tunnel > LIVES, tunnel)
    check("and no others", not others, others[:5])


def main():
    public = make_beyond()
    echo = subprocess.Popen(["ip", "netns", "exec", NS, "python3", "-c", ECHO], stdout=subprocess.PIPE, text=True)
    if echo.stdout.readline() != "ready\n":
        sys.exit("the echo does not begin")
    no_volume("secure")
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", "--no-start", pin=PIN)
    own = pmosctl("net", "key", "secure", "--new").stdout.strip()
    ports = udp_ports()
    uplink = Uplink()
    try:
        use(public)
        note("nobody at the other end")
        ctl("start", "secure")
        ctl("switch", "secure")
        check("it starts for all that", net_status()["state"] == "up", net_status())
        check("without a handshake", net_status()["peers"][0]["handshake"] == 0, net_status())
        beyond("wg", "set", "wg0", "peer", own, "allowed-ips", f"{INSIDE}/32")
        check("the peer answers once it is there", until(asks, 40), net_status())
        peer = net_status()["peers"][0]
        check("and is told of", peer["publicKey"] == public and peer["endpoint"] == f"{FAR}:{PORT}" and peer["handshake"] > 0
              and peer["received"] > 0, peer)
        check("the mode has one interface beside lo", [link["ifname"] for link in json.loads(
            pmosctl("exec", "secure", "--", "ip", "-j", "link").stdout)] == ["lo", "pmos0"])
        stop_if_failed()
        lives(uplink, public)

        note("the phone's address is another")
        if status("secure")["state"] != "running":
            ctl("start", "secure")
        settle_uplink(SECOND)
        check("the tunnel follows", until(asks, 40), net_status())
        settle_uplink(PHONE)

        note("locked")
        check("the tunnel has a port of the kernel's", udp_ports() > ports, udp_ports())
        ctl("lock", "secure")
        check("which is gone with the key", until(lambda: udp_ports() == ports, 20),
              pathlib.Path("/proc/net/udp").read_text())
        check("no table is left", "secure" not in run("nft", "list", "tables").stdout)
        check("nothing else was seen", not uplink.seen()[1], uplink.seen()[1][:5])

        note("what the capture is worth")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leak:
            leak.sendto(b"LEAK", (FAR, 9))
            leak.sendto(b"LEAK", (FAR, PORT))
        check("it sees a leak, also one to the tunnel's port", len(uplink.seen()[1]) >= 2, uplink.seen())
    finally:
        (PROFILES / "secure.json").write_text(SHIPPED)
        ctl("reload")
        echo.kill()
        echo.wait()


main()
