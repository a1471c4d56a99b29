#!/usr/bin/env python3
# boot: own
# timeout: 900
"""A mode looks up the names that its profile lets it, by its own resolver, and reaches them for as
long as the answer holds; what no name gave, what is denied and what is looked up elsewhere is not
reached. The internet is a namespace of this test, with a server of names of its own, in the clear and
over TLS."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from beyond import AUTHORITIES, DNS, OTHER, PLACE, SILENT, TLS_NAME, Beyond, certify, trust
from handset import PROFILES, check, ctl, note, pmosctl, replaced, run, stop_if_failed, until
from handset_uplink import FAR, NS, Capture, make_uplink
from probes import LONG, PLAIN, PROBE, TALK
from tunnel import through_a_tunnel

SHIPPED = (PROFILES / "personal.json").read_text()
NETWORK = {"direct": True, "dns": [DNS], "egress": {
    "allow": ["tcp/8080 to chat.example", "tcp/8080 to *.apps.example"], "deny": ["ads.apps.example"]}}

NO_NAME = -2  # EAI_NONAME


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


def over_tls(beyond):
    note("over TLS nobody on the way reads what is asked")
    word = b"\x03one\x04apps"
    uplink = Capture("up0")

    def saw():
        packets = uplink.take()
        return sum(word in packet for packet in packets), len(packets)

    ctl("restart", "personal")
    probe("one.apps.example")
    hits, _ = saw()
    check("in the clear it is read", hits > 0, hits)
    use({**NETWORK, "dns": [f"{DNS}#{TLS_NAME}"]})
    saw()
    before = len(beyond.asked())
    said = probe("one.apps.example")
    check("it is reached", said["one.apps.example"] == {"address": [FAR], "said": "word"}, (said, journal()))
    hits, total = saw()
    check("the server was asked, and the uplink has not seen what", "one.apps.example" in beyond.asked()[before:]
          and hits == 0 and total > 0, (hits, total, beyond.asked()[before:]))
    for port in ("53", "853"):
        done = pmosctl("exec", "personal", "--", "python3", "-c", TALK, "127.0.0.1", port)
        check(f"port {port} of the loopback {'answers' if port == '53' else 'does not'}",
              ("True" in done.stdout) == (port == "53"), done.stdout + done.stderr)
    (AUTHORITIES / "64-names.pem").unlink()
    run("openssl", "rehash", str(AUTHORITIES))
    ctl("restart", "personal")
    before = len(beyond.asked())
    said = probe("one.apps.example")
    check("nobody vouches for the server: no name", "error" in said["one.apps.example"], said)
    check("it hears none", len(beyond.asked()) == before, beyond.asked()[before:])
    check("and the journal says why", "certificate" in journal(), journal())


def journal():
    return run("journalctl", "-u", "pmos-net", "-n", "30").stdout


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
    make_uplink(far=(FAR, OTHER, DNS, SILENT))
    certify()
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
        over_tls(beyond)
        nothing_left()
        trust()
        through_a_tunnel(beyond)
    finally:
        beyond.end()
        (PROFILES / "personal.json").write_text(SHIPPED)
        ctl("reload")
        run("ip", "netns", "del", NS)


main()
