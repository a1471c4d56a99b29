"""A lock that keeps the mode's processes takes its tunnel, and an unlock gives it back."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from handset import PROFILES, another_pmosd, check, ctl, let_suspend, main_pid, note, pmosctl, replaced, run, status, stop_if_failed, until
from handset_uplink import NS, PEER
from secure import asks, net_pid, net_status, udp_ports
from uplink import trust_key

# Says a word now and then over one connection, and hears it back.
KEEP_TALKING = f"""
import socket, time
s = socket.create_connection(('{PEER}', 8081), 20)
s.settimeout(60)
while True:
    s.sendall(b'x')
    if not s.recv(1):
        break
    print('.', end='', flush=True)
    time.sleep(0.2)
"""
BACK = f"""
import socket, threading
server = socket.create_server(('{PEER}', 8081))
def back(s):
    while data := s.recv(100):
        s.sendall(data)
while True:
    threading.Thread(target=back, args=(server.accept()[0],), daemon=True).start()
"""


def mode_links():
    done = run("nsenter", f"--net=/proc/{status('secure')['pid']}/ns/net", "ip", "-br", "link")
    return done.stdout if done.returncode == 0 else sys.exit(done.stderr)


def losses():
    return run("journalctl", "-u", "pmosd", "-o", "cat").stdout.count("network-lost secure")


def kill_net():
    """Somebody else has to take away what it has made."""
    os.kill(net_pid(), signal.SIGKILL)


def suspended(ports, pin, key):
    """Locked, and its processes wait: the key is gone from the kernel until it is unlocked."""
    text, site = ((PROFILES / f"{name}.json").read_text() for name in ("secure", "site"))
    let_suspend()
    echo = subprocess.Popen(["ip", "netns", "exec", NS, "python3", "-c", BACK])
    said = pathlib.Path("/run/63-tunnel-said")
    talk = None
    try:
        for strength in ("suspend", "freeze"):
            note(f"locked by {strength}")
            (PROFILES / "secure.json").write_text(replaced(text, '"onLock": "evict"', f'"onLock": "{strength}"'))
            ctl("reload")
            ctl("restart", "secure")
            with open(said, "wb") as file:
                talk = subprocess.Popen(["pmosctl", "exec", "secure", "--", "python3", "-c", KEEP_TALKING],
                                        stdout=file, stdin=subprocess.DEVNULL)
            check("a program talks", until(lambda: said.stat().st_size > 3, 40))
            before = losses()
            if strength == "suspend":
                kill_net()
            ctl("lock", "secure")
            check("it waits", status("secure")["pid"] > 0)
            check("no tunnel is left, nor its port", "pmos0" not in mode_links() and until(lambda: udp_ports() == ports, 20),
                  mode_links())
            old = main_pid()
            os.kill(old, signal.SIGKILL)
            another_pmosd(old)
            check("another pmosd gives none back, and misses none",
                  "pmos0" not in mode_links() and udp_ports() == ports and losses() == before, (mode_links(), losses()))
            ctl("unlock", "secure", pin=pin)
            check("unlocked it has it again", "pmos0" in mode_links(), mode_links())
            check("and the peer answers", until(asks, 40), net_status())
            stop_if_failed()
            talk.kill()
            talk.wait()
        note("another key, while the mode runs")
        own = pmosctl("net", "key", "secure", "--new", "--yes").stdout.strip()
        check("it is another one", len(own) == 44 and own != key, own)
        check("the tunnel stands, with nobody at the other end",
              net_status()["state"] == "up" and net_status()["peers"][0]["handshake"] == 0, net_status())
        trust_key(key, own)
        check("who knows it answers", until(asks, 40), net_status())
        note("the connection of a program outlives it")
        with open(said, "wb") as file:
            talk = subprocess.Popen(["pmosctl", "exec", "secure", "--", "python3", "-c", KEEP_TALKING],
                                    stdout=file, stdin=subprocess.DEVNULL)
        check("a program talks", until(lambda: said.stat().st_size > 3, 40))
        ctl("lock", "secure")
        time.sleep(2)
        at = said.stat().st_size
        ctl("unlock", "secure", pin=pin)
        check("it goes on with it", until(lambda: said.stat().st_size > at + 3, 60), said.read_bytes()[-200:])
    finally:
        if talk:
            talk.kill()
            talk.wait()
        echo.kill()
        echo.wait()
        (PROFILES / "secure.json").write_text(text)
        (PROFILES / "site.json").write_text(site)
        ctl("reload")
