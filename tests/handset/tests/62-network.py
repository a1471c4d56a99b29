#!/usr/bin/env python3
# boot: own
# timeout: 500
"""A mode with a wire to the phone's uplink reaches what its profile names and nothing else, while
pmosd and pmos-net come and go. The uplink is a veth to a namespace of this test, in which others
answer; a packet that should not be is looked for where it would arrive."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from handset import PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run, status, stop_if_failed, until
from handset_attack import ATTACK, NEVER
from handset_uplink import FAR as FAR4, NS, PHONE as PHONE4, Capture, beyond, ip, make_uplink

SHIPPED = (PROFILES / "personal.json").read_text()
OTHER4 = "203.0.113.3"
PHONE6, FAR6, OTHER6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"
NETWORK = {"direct": True, "egress": {
    "allow": [f"tcp/8080-8081 to {FAR4}", f"udp/8080 to {FAR4}", f"tcp/8080 to {FAR6}", f"icmp to {FAR4}"],
    "deny": [f"tcp/8081 to {FAR4}"]}}

# In the namespace beyond: an echo on every port and address that is asked for, and what comes.
BEYOND = r'''
import selectors, socket, sys
poll = selectors.DefaultSelector()
for port in (8080, 8081, 9090):
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            s = socket.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind((any_address, port))
            if kind == socket.SOCK_STREAM:
                s.listen(16)
            poll.register(s, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _ in poll.select():
        s = key.fileobj
        if key.data == socket.SOCK_DGRAM:
            data, peer = s.recvfrom(2000)
            s.sendto(data, peer)
        elif key.data == socket.SOCK_STREAM:
            talk = s.accept()[0]
            talk.settimeout(2)
            poll.register(talk, selectors.EVENT_READ, "talk")
        else:
            try:
                data = s.recv(2000)
                s.sendall(data)
            except OSError:  # it hears nothing any more, or has gone
                data = b""
            if not data:
                poll.unregister(s)
                s.close()
'''


def answer():
    echo = subprocess.Popen(["ip", "netns", "exec", NS, "python3", "-c", BEYOND], stdout=subprocess.PIPE, text=True)
    here = subprocess.Popen(["python3", "-c", BEYOND], stdout=subprocess.PIPE, text=True)
    for process in (echo, here):
        if process.stdout.readline() != "ready\n":
            sys.exit("the echo does not begin")
    return [echo, here]


def use(network):
    (PROFILES / "personal.json").write_text(replaced(SHIPPED, '"network": "loopback"', f'"network": {json.dumps(network)}'))
    ctl("reload")


def probe(attempts):
    done = pmosctl("exec", "personal", "--", "python3", "-c", ATTACK, json.dumps(attempts), "2", "once")
    if done.returncode != 0:
        sys.exit(f"the probe failed: {done.stderr}")
    return json.loads(done.stdout)


def ends(packets):
    """(source, destination) of each, but for what IPv6 itself says to its neighbours."""
    found = set()
    for packet in packets:
        if packet[0] >> 4 == 4:
            found.add((socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])))
        elif packet[0] >> 4 == 6 and packet[6] not in (0, socket.IPPROTO_ICMPV6):
            found.add(tuple(socket.inet_ntop(socket.AF_INET6, packet[at:at + 16]) for at in (8, 24)))
    return found


def reaches():
    note("what is named is reached, and nothing else")
    allowed = [("tcp", FAR4, 8080), ("udp", FAR4, 8080), ("tcp", FAR6, 8080)]
    refused = [("tcp", FAR4, 8081), ("tcp", FAR4, 9090), ("udp", FAR4, 9090), ("tcp", OTHER4, 8080), ("tcp", FAR6, 9090),
               ("udp", FAR6, 8080), ("tcp", OTHER6, 8080), ("tcp", PHONE4, 8080), ("tcp", PHONE6, 8080), ("udp", PHONE4, 8080),
               ("udp", "203.0.113.255", 8080), ("udp", "255.255.255.255", 8080), ("udp", "224.0.0.1", 8080),
               ("udp", "ff02::1", 8080), ("tcp", "10.0.2.2", 22), ("tcp", "169.254.169.254", 80)]
    wire = json.loads(run("ip", "-j", "address", "show").stdout)
    for link in wire:
        if link["ifname"].startswith("pmos-"):
            refused += [("tcp", address["local"], 8080) for address in link["addr_info"] if address["scope"] == "global"]
    capture = Capture("far0", NS)
    said = probe(allowed + refused)
    for kind, address, port in allowed:
        check(f"{kind} to {address} {port}", said[f"{kind} {address} {port}"] == "echo", said)
    for kind, address, port in refused:
        check(f"no {kind} to {address} {port}", said[f"{kind} {address} {port}"] not in ("echo", "other"), said)
    seen = ends(capture.take())
    check("the capture sees what is sent", {(PHONE4, FAR4), (PHONE6, FAR6)} <= seen, seen)
    check("to and from whom it may be, and nobody else",
          seen <= {(PHONE4, FAR4), (FAR4, PHONE4), (PHONE6, FAR6), (FAR6, PHONE6)}, seen)
    # A program without rights is not let send one at all; tests/unit/network has packets that are sent.
    check("a packet of another source is refused", said[f"spoofed {FAR4}"] == "ENETUNREACH", said)
    for what in NEVER:
        check(f"no {what}", said[what] not in ("done", "nothing"), said[what])
    check("the phone itself reaches both ports", all(run("python3", "-c", "import socket, sys\n"
          "socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)", FAR4, port).returncode == 0 for port in ("8080", "9090")))


def told():
    note("what is refused is an event with the line of the profile")
    path = pathlib.Path("/run/62-events")
    with open(path, "w", encoding="utf-8") as file:
        events = subprocess.Popen(["pmosctl", "events", "--denials", "--json"], stdout=file, stdin=subprocess.DEVNULL)
    try:
        time.sleep(2)
        # Neither was tried before: what repeats is told every ten seconds only.
        probe([("tcp", FAR4, 8081), ("tcp", "198.51.100.77", 443), ("tcp", FAR4, 8080)])
        until(lambda: "198.51.100.77" in path.read_text() and f"tcp/8081 to {FAR4}" in path.read_text(), 20)
    finally:
        events.kill()
        events.wait()
    text = path.read_text()
    lines = (PROFILES / "personal.json").read_text().splitlines()
    line = next(number for number, content in enumerate(lines, 1) if "egress" in content)
    for what, why in ((f"tcp/8081 to {FAR4}", "denies it"), ("tcp/443 to 198.51.100.77", "nothing in the list")):
        one = next((entry for entry in text.splitlines() if f'"{what}"' in entry), "")
        check(f"{what} is told", f"personal.json:{line}:" in one and why in one and '"network"' in one, text)
    check("what is allowed is not", f"tcp/8080 to {FAR4}" not in text, text)


# Sends 200,000 bytes, which come back, and keeps the connection.
TALKS = ("import socket, sys, time\ns = socket.create_connection((sys.argv[1], 8080), 5)\nfor i in range(100):\n"
         " s.sendall(b'x' * 2000)\n left = 2000\n while left:\n  left -= len(s.recv(left))\ntime.sleep(60)\n")


def far_row():
    done = pmosctl("net", "top", "personal", "--json")
    rows = json.loads(done.stdout)[0]["destinations"] if done.returncode == 0 else []
    return next((row for row in rows if (row["protocol"], row["address"], row["port"]) == ("tcp", FAR4, 8080)), {})


def top():
    note("whom a mode speaks with, and how much")
    before = far_row()
    talk = subprocess.Popen(["pmosctl", "exec", "personal", "--", "python3", "-c", TALKS, FAR4], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: far_row().get("received", 0) - before.get("received", 0) > 200000, 30)
        row = far_row()
        for way in ("sent", "received"):
            check(f"the bytes {way} are counted", 200000 < row.get(way, 0) - before.get(way, 0) < 400000, (before, row))
        check("of an outward connection", row.get("connections", 0) >= 1 and row.get("direction") == "out", row)
        shown = pmosctl("net", "top").stdout
        check("the table has it", f"{FAR4}:8080" in shown and "KiB" in shown, shown)
        # By UDP it was also sent into the mode's own loopback, and came no farther.
        refused = [line for line in shown.splitlines() if "tcp" in line and "198.51.100.77" in line]
        check("nothing that was refused is there", not refused, shown)
        others = pmosctl("net", "top", "secure")
        check("a mode that does not run has none", others.returncode != 0, (others.returncode, others.stderr))
    finally:
        talk.kill()
        talk.wait()


def nobody_in():
    note("nobody comes in")
    address = next(a["local"] for link in json.loads(pmosctl("exec", "personal", "--", "ip", "-j", "address").stdout)
                   if link["ifname"] == "pmos0" for a in link["addr_info"] if a["family"] == "inet")
    server = subprocess.Popen(["pmosctl", "exec", "personal", "--", "python3", "-u", "-m", "http.server", "8000"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connect = "import socket, sys\nsocket.create_connection((sys.argv[1], 8000), 2)"
        served = until(lambda: pmosctl("exec", "personal", "--", "python3", "-c", connect, "127.0.0.1").returncode == 0, 20)
        check("it serves", served)
        ip("route", "add", f"{address}/32", "via", PHONE4, netns=NS)
        check("the phone cannot connect", run("python3", "-c", connect, address).returncode != 0)
        check("nor who is beyond", beyond("python3", "-c", connect, address).returncode != 0)
    finally:
        server.kill()
        server.wait()


# It runs on when pmosd, and with it who has begun it, is gone.
OUTLIVES = ("import socket, sys, time\ns = socket.create_connection((sys.argv[1], 8080), 5)\ns.settimeout(20)\n"
            "while True:\n s.sendall(b'word')\n open('/tmp/talk', 'a').write('e' if s.recv(10) == b'word' else 'o')\n"
            " time.sleep(0.2)\n")


def talked():
    return len(pmosctl("exec", "personal", "--", "cat", "/tmp/talk").stdout)


def deaths():
    note("pmos-net and pmosd die under a connection")
    pmosctl("exec", "personal", "--", "sh", "-c", 'setsid python3 -c "$1" "$2" >/dev/null 2>&1 &', "sh", OUTLIVES, FAR4)
    check("it begins", until(lambda: talked() > 2, 20))
    for turn in range(3):
        net = run("systemctl", "show", "-P", "MainPID", "pmos-net").stdout.strip()
        os.kill(int(net), signal.SIGKILL)
        check(f"another pmos-net takes over ({turn})",
              until(lambda: network_status()["state"] == "up" and run("systemctl", "show", "-P", "MainPID", "pmos-net")
                    .stdout.strip() not in (net, "0"), 30), network_status())
        at = talked()
        check("the connection goes on", until(lambda: talked() > at + 2, 20))
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)
    check("another pmosd finds it", until(lambda: network_status()["state"] == "up", 30), network_status())
    at = talked()
    check("and the connection goes on", until(lambda: talked() > at + 2, 20))
    check("what is refused still is", probe([("tcp", FAR4, 9090)])[f"tcp {FAR4} 9090"] not in ("echo", "other"))


def network_status():
    done = pmosctl("net", "status", "personal", "--json")
    return json.loads(done.stdout)[0] if done.returncode == 0 else {"state": done.stderr}


def without_broker():
    note("without pmos-net")
    ctl("stop", "personal")
    run("systemctl", "stop", "pmos-net")
    started = pmosctl("start", "personal")
    check("a mode with a network does not start", started.returncode == 13, (started.returncode, started.stderr))
    check("and it is said what to do", "systemctl enable --now pmos-net" in started.stderr, started.stderr)
    findings = json.loads(pmosctl("doctor", "--json").stdout)
    check("so says the doctor", any(f["subject"] == "network broker" and f["severity"] == "warning" for f in findings))
    (PROFILES / "personal.json").write_text(SHIPPED)
    ctl("reload")
    ctl("start", "personal")
    ctl("stop", "personal")
    use(NETWORK)
    run("systemctl", "start", "pmos-net")
    ctl("start", "personal")
    check("with it it does", network_status()["state"] == "up", network_status())


# Sends so many bytes to the echo and has them back; prints the seconds, or that nothing came.
SENDS = ("import socket, sys, threading, time\ns = socket.create_connection((sys.argv[1], 8080), 5)\ns.settimeout(20)\n"
         "size = int(sys.argv[2])\nthreading.Thread(target=lambda: s.sendall(bytes(size)), daemon=True).start()\n"
         "begin = time.monotonic()\nwhile size:\n size -= len(s.recv(65536)) or sys.exit('ended')\n"
         "print(time.monotonic() - begin)\n")


def sends(size):
    done = pmosctl("exec", "personal", "--", "python3", "-c", SENDS, FAR4, str(size))
    return float(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def limits():
    note("how fast, and how much a day")
    free = sends(512 << 10)
    use({**NETWORK, "limits": {"send": "64KiB"}})
    ctl("restart", "personal")
    # 64 KiB and the burst at once, the rest by the second.
    slow = sends(512 << 10)
    check("512 KiB take seconds at 64 KiB a second", isinstance(slow, float) and free < 5 < slow, (free, slow))
    use({**NETWORK, "limits": {"volume": "2MiB"}})
    ctl("restart", "personal")
    check("less than the volume goes through", isinstance(sends(512 << 10), float))
    check("more does not", not isinstance(sends(2 << 20), float))
    told_of = run("journalctl", "-u", "pmosd", "-o", "cat").stdout
    check("the event says so", "network-spent" in told_of and "2097152" in told_of, told_of[-500:])
    check("and the status", "no more until midnight" in pmosctl("net", "status", "personal").stdout,
          pmosctl("net", "status", "personal").stdout)
    ctl("restart", "personal")
    check("also to its next life", not isinstance(sends(1000), float))
    check("while the phone itself is answered", run("python3", "-c", SENDS, FAR4, "1000").returncode == 0)
    use(NETWORK)
    ctl("restart", "personal")
    check("without a limit it goes through", isinstance(sends(1000), float))


def nothing_left():
    note("stopped, nothing is left")
    links, tables = run("ip", "-br", "link").stdout, run("nft", "list", "tables").stdout
    check("there was a link and a table", "pmos-" in links and "personal" in tables, links + tables)
    ctl("stop", "personal")
    links, tables = run("ip", "-br", "link").stdout, run("nft", "list", "tables").stdout
    check("no link is left", "pmos-" not in links, links)
    check("and no table of it", "personal" not in tables, tables)
    ctl("start", "personal")
    os.kill(status("personal")["pid"], signal.SIGKILL)
    check("nor of one that is killed", until(lambda: status("personal")["state"] != "running"
          and "pmos-" not in run("ip", "-br", "link").stdout and "personal" not in run("nft", "list", "tables").stdout, 30),
          run("nft", "list", "tables").stdout)


def main():
    make_uplink(phone=(PHONE4, PHONE6), far=(FAR4, OTHER4, FAR6, OTHER6))
    processes = answer()
    try:
        use(NETWORK)
        ctl("restart", "personal")
        ctl("switch", "personal")
        stop_if_failed()
        check("it is told", network_status()["zone"] == "direct" and network_status()["state"] == "up", network_status())
        told()
        reaches()
        top()
        nobody_in()
        limits()
        deaths()
        without_broker()
        nothing_left()
    finally:
        (PROFILES / "personal.json").write_text(SHIPPED)
        ctl("reload")
        for process in processes:
            process.kill()
            process.wait()
        run("ip", "netns", "del", NS)


main()
