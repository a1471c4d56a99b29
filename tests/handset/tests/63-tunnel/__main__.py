#!/usr/bin/env python3
# boot: own
# timeout: 1400
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
import subprocess
import sys
import time

from handset import PROFILES, another_pmosd, check, ctl, main_pid, no_volume, note, pmosctl, run, status, stop_if_failed, until
from handset_attack import ATTACK
from handset_uplink import FAR, INSIDE, NS, PORT, beyond, ip, make_tunnel_end
from locks import suspended
from meddled import by_name, renamed
from preshared import preshared
from secure import ECHO, SHIPPED, TARGETS, asks, net_pid, net_status, udp_ports, use
from uplink import FAR6, SECOND, Uplink, make_movable_uplink, settle_uplink

PIN = secrets.token_hex(6)
LIVES = 1000 if os.environ.get("HANDSET_SOAK") else 20


def hostile():
    return subprocess.Popen(["pmosctl", "exec", "secure", "--", "python3", "-c", ATTACK, TARGETS, "0.1", "always"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


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
    settle_uplink()


def kill_mode():
    os.kill(status("secure")["pid"], signal.SIGKILL)
    until(lambda: status("secure")["state"] != "running", 30)


def stop():
    ctl("stop", "secure")


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
    make_movable_uplink()
    public = make_tunnel_end()
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
        settle_uplink()

        by_name(public)
        renamed(ports)
        preshared(public, own)
        suspended(ports, PIN, own)

        note("locked")
        ctl("restart", "secure")
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
        before = len(uplink.seen()[1])
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as leak:
            leak.sendto(b"LEAK", (FAR6, 9))
        check("and one by IPv6", len(uplink.seen()[1]) > before, uplink.seen())
    finally:
        (PROFILES / "secure.json").write_text(SHIPPED)
        ctl("reload")
        echo.kill()
        echo.wait()


main()
