#!/usr/bin/env python3
"""pmosd and pmos-net together, for real, on this machine's kernel: a mode with a wire, in a network
namespace of this test's own. What needs WireGuard, or another system's programs, is in tests/handset.

usage: network_test.py BUILD_DIR [TEST...]
"""
import ctypes
import json
import os
import signal
import subprocess
import time

from pmosd_test import expect, main, profile, wait_for

PHONE4, FAR4, PHONE6, FAR6 = "203.0.113.1", "203.0.113.2", "2001:db8:1::1", "2001:db8:1::2"
NETWORK = {"direct": True, "egress": {"allow": [f"tcp/8080 to {FAR4}", f"tcp/8080 to {FAR6}"]}}

ECHO = ("import socket, threading\n"
        "def talk(c):\n"
        " while (data := c.recv(100)):\n  c.sendall(data)\n"
        "def serve(family, port):\n"
        " s = socket.socket(family)\n s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        " if family == socket.AF_INET6:\n  s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\n"
        " s.bind(('', port))\n s.listen(8)\n"
        " while True:\n  threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()\n"
        "for family in (socket.AF_INET, socket.AF_INET6):\n for port in (8080, 9090):\n"
        "  threading.Thread(target=serve, args=(family, port)).start()\n"
        "print('ready', flush=True)\n")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Net:
    """The namespace beyond the uplink, and pmos-net."""

    def __init__(self, phone):
        self.phone, self.process = phone, None
        self.beyond = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up; exec sleep 1000"])
        mine = os.readlink("/proc/self/ns/net")
        wait_for("the namespace beyond", lambda: os.readlink(f"/proc/{self.beyond.pid}/ns/net") != mine)
        inside = ["nsenter", "-t", str(self.beyond.pid), "-n"]
        ip("link", "add", "up0", "type", "veth", "peer", "name", "far0", "netns", str(self.beyond.pid))
        ip("address", "add", f"{PHONE4}/24", "dev", "up0")
        ip("address", "add", f"{PHONE6}/64", "dev", "up0", "nodad")
        ip("link", "set", "up0", "up")
        for address in (f"{FAR4}/24", f"{FAR6}/64"):
            subprocess.run([*inside, "ip", "address", "add", address, "dev", "far0", *(["nodad"] if ":" in address else [])],
                           check=True)
        subprocess.run([*inside, "ip", "link", "set", "far0", "up"], check=True)
        ip("route", "add", "default", "via", FAR4)
        ip("-6", "route", "add", "default", "via", FAR6)
        self.echoes = [subprocess.Popen([*where, "python3", "-c", ECHO], stdout=subprocess.PIPE, text=True)
                       for where in (inside, [])]
        for echo in self.echoes:
            expect(echo.stdout.readline() == "ready\n", "the echo begins")

    def start(self):
        build = f"{self.phone.build}/src/runtime/network"
        self.process = subprocess.Popen([f"{build}/pmos-net", "--run", f"{self.phone.dir}/run/network", "--libexec", build],
                                        stderr=open(f"{self.phone.dir}/pmosd.log", "ab"))
        wait_for("pmos-net", lambda: os.path.exists(f"{self.phone.dir}/run/network/control"))

    def kill(self):
        self.process.kill()
        self.process.wait()
        os.unlink(f"{self.phone.dir}/run/network/control")

    def end(self):
        for process in (self.process, *self.echoes, self.beyond):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        subprocess.run(["ip", "link", "del", "up0"], check=False, stderr=subprocess.DEVNULL)


def with_net(test):
    """A phone whose alpha has a wire, beside what is beyond it."""
    def run(phone):
        phone.write({**profile("alpha", 200000), "network": NETWORK})
        phone.ctl("reload")
        net = Net(phone)
        try:
            test(phone, net)
            phone.ctl("stop", "--all")
            wait_for("nothing is left", lambda: left() == "")
        finally:
            net.end()
    return run


def left():
    """Links and tables that are a mode's."""
    links = [row["ifname"] for row in json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, text=True).stdout)]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.splitlines()
    return " ".join([name for name in links if name.startswith("pmos-")] + [line for line in tables if "alpha" in line])


def network(phone, mode="alpha"):
    return json.loads(phone.ctl("net", "status", mode, "--json").stdout)[0]


def reaches(phone, address, port):
    done = phone.ctl("exec", "alpha", "--", "sh", "-c",
                     f"(echo word; sleep 1) | /bin/busybox timeout 4 /bin/busybox nc -w 3 {address} {port} | head -n 1; true")
    return done.stdout == "word\n"


@with_net
def test_reach(phone, net):
    net.start()
    phone.ctl("start", "alpha")
    state = network(phone)
    expect((state["zone"], state["state"], state["interface"]) == ("direct", "up", "pmos0"), f"it has its wire: {state}")
    expect(network(phone, "beta")["state"] == "down", "beta does not run")
    for address in (FAR4, FAR6):
        expect(reaches(phone, address, 8080), f"{address} 8080 is reached")
        expect(not reaches(phone, address, 9090), f"{address} 9090 is not")
    for address in (PHONE4, PHONE6, "127.0.0.1"):
        expect(not reaches(phone, address, 8080), f"{address} is not: that is the phone")
    expect(network(phone)["sent"] > 0, "what it sent is counted")
    findings = json.loads(phone.ctl("doctor", "--json", status=None).stdout)
    expect(any(f["subject"] == "network broker" and f["severity"] == "ok" for f in findings), "the doctor sees pmos-net")


@with_net
def test_deaths(phone, net):
    net.start()
    phone.ctl("start", "alpha")
    phone.ctl("exec", "alpha", "--", "sh", "-c",
              f"(while :; do echo word; sleep 0.1; done | /bin/busybox nc {FAR4} 8080 >/tmp/talk) >/dev/null 2>&1 &")
    talked = lambda: int(phone.ctl("exec", "alpha", "--", "wc", "-c", "/tmp/talk").stdout.split()[0])
    wait_for("a connection", lambda: talked() > 10)

    def goes_on(what):
        wait_for(f"{what}: it is up", lambda: network(phone)["state"] == "up")
        at = talked()
        wait_for(f"{what}: the connection goes on", lambda: talked() > at + 10)

    for turn in range(3):
        net.kill()
        at = talked()
        wait_for("without pmos-net the connection goes on", lambda: talked() > at + 10)
        net.start()
        wait_for("another pmos-net", lambda: phone.ctl("net", "status", "alpha", status=None).returncode == 0)
        goes_on(f"pmos-net died ({turn})")
    phone.process.kill()
    phone.process.wait()
    phone.start()
    wait_for("what runs is taken over", lambda: phone.ctl("net", "status", "alpha", status=None).returncode == 0)
    goes_on("pmosd died")
    expect(not reaches(phone, FAR4, 9090), "what is refused still is")


@with_net
def test_without_broker(phone, net):
    begun = time.monotonic()
    refused = phone.ctl("start", "alpha", status=13)
    expect(4 < time.monotonic() - begun < 15, "it has waited a while")
    expect("hint: systemctl enable --now pmos-net" in refused.stderr, refused.stderr)
    expect(not os.path.exists(f"{phone.cgroup}/alpha"), "nothing is left of that start")
    phone.ctl("start", "beta")  # has no wire
    net.start()
    phone.ctl("start", "alpha")
    expect(reaches(phone, FAR4, 8080), "with it, it has its network")


@with_net
def test_ends(phone, net):
    net.start()
    for _ in range(3):
        phone.ctl("start", "alpha")
        expect(left() != "", "there is something of it")
        os.kill(phone.status("alpha")["pid"], signal.SIGKILL)
        wait_for("its network is gone with a mode that is killed", lambda: left() == "")
        wait_for("it has ended", lambda: phone.status("alpha")["state"] == "failed")
    # Ended while nobody was there to be told.
    phone.ctl("start", "alpha")
    net.kill()
    phone.ctl("stop", "alpha")
    net.start()
    wait_for("the next pmos-net removes what is nobody's", lambda: left() == "")


@with_net
def test_steps(phone, net):
    # What fails behind the network takes it down again.
    net.start()
    for step in ("launch", "record", "post_start_hooks"):
        with open(f"{phone.dir}/run/fail-step", "w", encoding="ascii") as out:
            out.write(f"start/{step}\n")
        phone.ctl("start", "alpha", status=1)
        expect(left() == "", f"{step}: {left()}")
    os.unlink(f"{phone.dir}/run/fail-step")
    phone.ctl("start", "alpha")
    expect(reaches(phone, FAR4, 8080), "the next start has a network")


if __name__ == "__main__":
    if "PMOS_TEST_CGROUP" not in os.environ and os.geteuid() == 0:
        ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET
        ip("link", "set", "lo", "up")
    main(globals())
