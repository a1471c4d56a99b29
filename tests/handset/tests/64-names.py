#!/usr/bin/env python3
# boot: own
# timeout: 500
"""A mode looks up the names that its profile lets it, by its own resolver, and reaches them for as
long as the answer holds; what no name gave, what is denied and what is looked up elsewhere is not
reached. The internet is a namespace of this test, with a server of names of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from handset import PROFILES, check, ctl, note, pmosctl, replaced, run, stop_if_failed, until

SHIPPED = (PROFILES / "personal.json").read_text()
PHONE, FAR, OTHER, DNS = "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.53"
PLACE = pathlib.Path("/run/64-names")
NETWORK = {"direct": True, "dns": [DNS], "egress": {
    "allow": ["tcp/8080 to chat.example", "tcp/8080 to *.apps.example"], "deny": ["ads.apps.example"]}}

# name: type: (lifetime, what)
ZONE = {"chat.example": [("A", 5, FAR)], "one.apps.example": [("A", 300, FAR)],
        "two.apps.example": [("CNAME", 300, "one.apps.example"), ("A", 300, FAR)],
        "cloak.apps.example": [("CNAME", 300, "x.ads.apps.example"), ("A", 300, OTHER)],
        "ads.apps.example": [("A", 300, OTHER)], "elsewhere.example": [("A", 300, OTHER)],
        "near.apps.example": [("A", 300, "10.0.2.2")], "self.apps.example": [("A", 300, "127.0.0.1")],
        "long.apps.example": [("TXT", 300, "x" * 200)] * 12}

# The server; prints each name that it is asked for. And an echo.
BEYOND = r'''
import json, socket, struct, sys, threading
zone = json.loads(sys.argv[1])
def packed(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
def answer(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
        at += 1 + query[at]
    name, kind = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])[0]
    print(name, flush=True)
    records = zone.get(name)
    out, count, owner = b"", 0, name
    for what, lifetime, value in records or []:
        number = {"A": 1, "CNAME": 5, "TXT": 16}[what]
        if number not in (kind, 5):
            continue
        data = (socket.inet_aton(value) if what == "A" else packed(value) if what == "CNAME"
                else bytes([len(value)]) + value.encode())
        out += packed(owner) + struct.pack(">HHIH", number, 1, lifetime, len(data)) + data
        owner = value if what == "CNAME" else owner
        count += 1
    code = 0 if records else 3
    return query[:2] + struct.pack(">5H", 0x8180 | code, 1, count, 0, 0) + query[12:at + 5] + out
def read(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
def talk(s):
    try:
        while True:
            query = read(s, struct.unpack(">H", read(s, 2))[0])
            reply = answer(query)
            s.sendall(struct.pack(">H", len(reply)) + reply)
    except (EOFError, OSError):
        s.close()
def stream():
    server = socket.create_server(("0.0.0.0", 53))
    while True:
        threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
def plain():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[2], 53))
    while True:
        query, peer = server.recvfrom(2000)
        server.sendto(answer(query), peer)
def echo():
    server = socket.create_server(("0.0.0.0", 8080))
    def back(s):
        while data := s.recv(2000):
            s.sendall(data)
    while True:
        threading.Thread(target=back, args=(server.accept()[0],), daemon=True).start()
for work in (stream, plain, echo):
    threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
'''

# Inside the mode: a name's addresses and whether they answer, or an address.
PROBE = r'''
import json, socket, sys
out = {}
for target in sys.argv[1:]:
    try:
        out[target] = {"address": sorted({a[4][0] for a in socket.getaddrinfo(target, 8080, socket.AF_INET)})}
        with socket.create_connection((out[target]["address"][0], 8080), 3) as s:
            s.sendall(b"word")
            out[target]["said"] = s.recv(9).decode()
    except socket.gaierror as error:
        out[target] = {"error": error.errno}
    except OSError as error:
        out[target]["said"] = type(error).__name__ + str(error.errno)
print(json.dumps(out))
'''
NO_NAME = -2  # EAI_NONAME


class Beyond:
    """Who answers in the internet."""

    def __init__(self):
        PLACE.mkdir(exist_ok=True)
        self.log = PLACE / "asked"
        with open(self.log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", "beyond", "python3", "-c", BEYOND, json.dumps(ZONE), DNS],
                stdout=file)
        if not until(lambda: "ready" in self.log.read_text(), 20):
            sys.exit("the server of names does not begin")

    def asked(self):
        return self.log.read_text().split("\n")[1:-1]

    def end(self):
        self.process.kill()
        self.process.wait()


def ip(*words, netns=None):
    done = run("ip", *(("-n", netns) if netns else ()), *words)
    if done.returncode != 0:
        sys.exit(f"ip {' '.join(words)}: {done.stderr}")


def make_net():
    ip("netns", "add", "beyond")
    ip("link", "add", "up0", "type", "veth", "peer", "name", "far0", "netns", "beyond")
    ip("address", "add", f"{PHONE}/24", "dev", "up0")
    for address in (FAR, OTHER, DNS):
        ip("address", "add", f"{address}/24", "dev", "far0", netns="beyond")
    ip("link", "set", "up0", "up")
    for link in ("lo", "far0"):
        ip("link", "set", link, "up", netns="beyond")
    ip("route", "replace", "default", "via", FAR, "dev", "up0")


def use(network):
    (PROFILES / "personal.json").write_text(replaced(SHIPPED, '"network": "loopback"', f'"network": {json.dumps(network)}'))
    ctl("reload")
    ctl("restart", "personal")


def probe(*targets):
    done = pmosctl("exec", "personal", "--", "python3", "-c", PROBE, *targets)
    if done.returncode != 0:
        sys.exit(f"the probe failed: {done.stderr}")
    return json.loads(done.stdout)


def sets():
    pid = json.loads(pmosctl("status", "--json", "personal").stdout)
    pid = (pid[0] if isinstance(pid, list) else pid)["pid"]
    return run("nsenter", f"--net=/proc/{pid}/ns/net", "nft", "list", "table", "inet", "pmos").stdout


def names(beyond):
    note("what is named is looked up and reached, and nothing else")
    said = probe(FAR)
    check("an address that no name gave is refused", said[FAR].get("said") != "word", said)
    said = probe("chat.example", "one.apps.example", "TWO.apps.example")
    for name in ("chat.example", "one.apps.example", "TWO.apps.example"):
        check(f"{name} is reached", said[name] == {"address": [FAR], "said": "word"}, said)
    for name, error in (("ads.apps.example", NO_NAME), ("x.ads.apps.example", NO_NAME), ("elsewhere.example", NO_NAME),
                        ("cloak.apps.example", NO_NAME), ("apps.example", NO_NAME)):
        said = probe(name)
        check(f"{name} is not", said[name] == {"error": error}, said)
    for name in ("near.apps.example", "self.apps.example"):
        said = probe(name)
        check(f"{name} leads nowhere near", "error" in said[name], said)
    top = json.loads(pmosctl("net", "top", "personal", "--json").stdout)
    check("net top knows the name", any(name in json.dumps(top) for name in ("chat.example", "one.apps.example", "two.apps.example")), top)
    asked = beyond.asked()
    check("the server is asked", "chat.example" in asked, asked)
    check("of what is refused nobody hears", not any("elsewhere" in line or line == "ads.apps.example" for line in asked), asked)


def told():
    note("a name that is refused is an event with the line of the profile")
    path = PLACE / "events"
    with open(path, "w", encoding="utf-8") as file:
        events = subprocess.Popen(["pmosctl", "events", "--denials", "--json"], stdout=file, stdin=subprocess.DEVNULL)
    try:
        time.sleep(2)
        probe("fresh.elsewhere.example", "fresh.ads.apps.example")
        until(lambda: "fresh.elsewhere.example" in path.read_text() and "fresh.ads" in path.read_text(), 20)
    finally:
        events.kill()
        events.wait()
    text = path.read_text()
    for name, why in (("fresh.elsewhere.example", "nothing in the list"), ("fresh.ads.apps.example", "denies it")):
        line = next((one for one in text.splitlines() if name in one), "")
        check(f"{name} is told", "personal.json:" in line and why in line, text)


def lifetime():
    note("an address is open for as long as its answer holds")
    probe("chat.example")
    elements = sets()
    check("it is in the mode's set, with an end", f"{FAR} timeout" in elements, elements)
    ctl("restart", "personal")
    check("a mode that starts anew begins with nothing", FAR not in sets().split("chain")[0])
    said = probe("chat.example")
    check("and finds it again", said["chat.example"].get("said") == "word", said)
    # The answer holds for five seconds, and a minute more.
    gone = until(lambda: FAR not in sets().split("chain")[0], 100)
    check("it is over", gone, sets())
    said = probe(FAR)
    check("and refused", said[FAR].get("said") != "word", said)


PLAIN = r'''
import socket, struct, sys
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4chat\7example\0\0\1\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.send(q)
    print(s.recv(512)[:2] == q[:2])
except OSError as error:
    print(error)
'''
LONG = r'''
import socket, struct, sys
q = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4long\4apps\7example\0\0\x10\0\1"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("127.0.0.1", 53))
for junk in (b"", b"\0", q[:11], q[:20], b"\xff" * 3000, q[:12] + b"\xc0\x0c\0\1\0\1"):
    s.send(junk)
s.send(q)
while True:
    short = s.recv(5000)
    if short[3] & 15 == 0: break
t = socket.create_connection(("127.0.0.1", 53), 5)
for byte in struct.pack(">H", len(q)) + q:
    t.send(bytes([byte]))
def read(size):
    data = b""
    while len(data) < size: data += t.recv(size - len(data))
    return data
size = struct.unpack(">H", read(2))[0]
whole = read(size)
print(short[2] & 2, len(short) <= 512, whole[7], size > 2000)
'''


def elsewhere(beyond):
    note("nobody else is asked")
    before = len(beyond.asked())
    for port in ("53", "853"):
        done = pmosctl("exec", "personal", "--", "python3", "-c", PLAIN, DNS, port)
        check(f"not at {DNS} {port}", "True" not in done.stdout, done.stdout)
    check("it has heard nothing", len(beyond.asked()) == before, beyond.asked())
    done = pmosctl("exec", "personal", "--", "python3", "-c", PLAIN, "127.0.0.1", "53")
    check("the mode's own one answers", "True" in done.stdout, done.stdout + done.stderr)
    done = pmosctl("exec", "personal", "--", "python3", "-c", LONG)
    check("junk is survived, and a long answer comes whole by TCP", done.stdout.split() == ["2", "True", "12", "True"],
          done.stdout + done.stderr)


def resolver_pids():
    return [int(pid) for pid in run("pgrep", "-x", "pmos-net-dns").stdout.split()]


def process():
    note("the resolver is a process with nothing")
    pids = resolver_pids()
    check("there is one", len(pids) == 1, pids)
    proc = pathlib.Path(f"/proc/{pids[0]}")
    text = (proc / "status").read_text()
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    user = run("id", "-u", "pmos-dns").stdout.strip()
    check("as a user of its own", set(fields["Uid"].split()) == {user} and user != "0", fields["Uid"])
    check("without a capability", all(int(fields[key], 16) == 0 for key in ("CapEff", "CapPrm", "CapInh", "CapAmb")), text)
    check("with a filter, and for good", fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1", text)
    note(f"{fields['VmRSS']}")
    os.kill(pids[0], signal.SIGKILL)
    check("another comes when it dies", until(lambda: resolver_pids() not in ([], pids), 20), resolver_pids())
    check("and answers", until(lambda: probe("one.apps.example")["one.apps.example"].get("said") == "word", 20))
    net = int(run("systemctl", "show", "-P", "MainPID", "pmos-net").stdout)
    os.kill(net, signal.SIGKILL)
    check("so with pmos-net", until(lambda: probe("two.apps.example")["two.apps.example"].get("said") == "word", 40))
    check("one at a time", len(resolver_pids()) == 1, resolver_pids())


def nothing_left():
    ctl("stop", "personal")
    check("no resolver is left", until(lambda: not resolver_pids(), 10), resolver_pids())


def main():
    make_net()
    beyond = Beyond()
    try:
        use(NETWORK)
        ctl("switch", "personal")
        stop_if_failed()
        names(beyond)
        told()
        elsewhere(beyond)
        lifetime()
        process()
        nothing_left()
    finally:
        beyond.end()
        (PROFILES / "personal.json").write_text(SHIPPED)
        ctl("reload")
        run("ip", "netns", "del", "beyond")


main()
