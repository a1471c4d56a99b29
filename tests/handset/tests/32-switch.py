#!/usr/bin/env python3
# boot: own
# timeout: 300
# soak: 7200
"""A switch takes the GPU and the camera from a mode that runs on in the background, also by the
descriptors that it has open: no ioctl, reading or opening gets through behind another mode, and all
do in front. What waits inside the kernel does not hold a switch up. Of many requests the last counts;
a switch may meet an unlock. 20 switches, and 10,000 with HANDSET_SOAK, over which nothing grows."""

import json
import os
import secrets
import signal
import subprocess
import threading
import time

from handset import (PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run, start,
                     status, stop_if_failed, until)

SOAK = bool(os.environ.get("HANDSET_SOAK"))
SWITCHES, MOMENT = (10_000, 0.05) if SOAK else (20, 0.3)
PIN = secrets.token_hex(6)

# Runs inside personal: says what each way to the GPU and the camera gives, and since when, 50 times a second.
HOLDER = r'''
import errno, fcntl, glob, os, time
VERSION, QUERYCAP = (0xC0406400, 64), (0x80685600, 104)
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
gpu, camera = sorted(glob.glob("/dev/dri/renderD*"))[0], sorted(glob.glob("/dev/video*"))[0]
card, film = os.open(gpu, os.O_RDWR), os.open(camera, os.O_RDWR)
while True:
    begun = time.time()
    said = (attempt(lambda: fcntl.ioctl(card, VERSION[0], bytearray(VERSION[1]))),
            attempt(lambda: os.close(os.open(gpu, os.O_RDWR))),
            attempt(lambda: fcntl.ioctl(film, QUERYCAP[0], bytearray(QUERYCAP[1]))),
            attempt(lambda: os.read(film, 4096)),
            attempt(lambda: os.close(os.open(camera, os.O_RDWR))))
    print(begun, *said, flush=True)
    time.sleep(0.02)
'''
ALL, NOTHING = {"done done done done done"}, {"EPERM EPERM EPERM EPERM EPERM"}


class Holder:
    """What a process of personal gets from the GPU and the camera."""

    def __init__(self):
        self.process = start("exec", "personal", "--", "python3", "-c", HOLDER)
        self.said, self.begun, self.lock = [], 0.0, threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            begun, said = line.strip().split(" ", 1)
            with self.lock:
                if float(begun) >= self.begun:
                    self.said.append(said)

    def since(self, seconds=MOMENT, begun=False):
        """What it says from now on, at least one line of it; with `begun` of what it tries from now on."""
        with self.lock:
            self.said.clear()
            self.begun = time.time() if begun else 0.0
        until(lambda: self.said, 20)
        time.sleep(seconds)
        with self.lock:
            return set(self.said)

    def end(self):
        self.process.terminate()
        self.process.wait()


def setup():
    path = PROFILES / "personal.json"
    text = replaced(path.read_text(), '"background": "freeze"', '"background": "run"')
    path.write_text(replaced(text, '"gpu": "render"', '"gpu": "render", "camera": "foreground"'))
    check("a camera comes", run("modprobe", "vivid", "n_devs=1", "node_types=1").returncode == 0)
    check("pmosd has seen it", until(lambda: "camera" in pmosctl("devices", "list").stdout, 20))
    ctl("reload")
    ctl("stop", "personal")
    ctl("start", "personal")
    ctl("switch", "personal")
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", pin=PIN)
    stop_if_failed()


def front():
    return sum(row["foreground"] for row in json.loads(pmosctl("status", "--json").stdout))


def grown():
    """What a leak would show in: pmosd's descriptors and memory, cgroups, mounts."""
    pid = main_pid()
    memory = next(int(line.split()[1]) for line in open(f"/proc/{pid}/status", encoding="ascii")
                  if line.startswith("VmRSS"))
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "KiB": memory,
            "cgroups": sum(1 for _ in os.walk("/sys/fs/cgroup")),
            "mounts": len(open("/proc/self/mountinfo", encoding="ascii").readlines())}


def switches():
    holder = Holder()
    check("in front, both are there", holder.since() == ALL, holder.since())
    wrong, before = [], None
    for turn in range(SWITCHES // 2):
        if turn == min(5, SWITCHES // 4):
            before = grown()
        pmosctl("switch", "secure")
        behind = holder.since()
        pmosctl("switch", "personal")
        again = holder.since(begun=True)
        if behind != NOTHING or again != ALL:
            wrong.append((turn, behind, again))
    check(f"{SWITCHES} switches: nothing behind, all of it in front", not wrong, wrong[:5])
    after = grown()
    note(f"before {before}, after {after}")
    check("nothing has grown", after["KiB"] <= before["KiB"] + 1024 and
          all(after[what] <= before[what] for what in ("descriptors", "cgroups", "mounts")), (before, after))
    return holder


def watched():
    """Who looks on sees the switch when it happens."""
    view = start("status", "--watch", "--json")
    seen = []

    def look():
        text = ""
        for line in view.stdout:
            text += line
            if line.startswith("]"):
                seen.append({row["mode"]: row["foreground"] for row in json.loads(text)})
                text = ""

    threading.Thread(target=look, daemon=True).start()
    check("it shows how things are", until(lambda: seen and seen[-1]["personal"], 20), seen)
    ctl("switch", "secure")
    check("and how they are then", until(lambda: seen[-1] == {"personal": False, "secure": True}, 20), seen[-3:])
    view.terminate()
    view.wait()
    ctl("switch", "personal")


def meets_an_unlock():
    """Of a mode that is being opened: it comes to the front by its unlock or not at all."""
    ctl("switch", "personal")
    ctl("lock", "--evict", "secure")
    opening = start("unlock", "secure", pin=PIN)
    asked = []
    while opening.poll() is None:
        asked.append(pmosctl("switch", "secure").returncode)
    check("the unlock is not disturbed", opening.returncode == 0, opening.stderr.read())
    check("a switch meanwhile is answered: locked, or it is in front", asked and set(asked) <= {0, 7, 16}, asked)
    ctl("switch", "secure")
    check("one mode is in front", front() == 1 and status("secure")["foreground"], pmosctl("status").stdout)
    ctl("switch", "personal")


def restart(holder):
    pmosctl("switch", "secure")
    before = main_pid()
    holder.since(0)
    os.kill(before, signal.SIGKILL)
    another_pmosd(before)
    with holder.lock:
        said = set(holder.said)
    check("a pmosd that dies gives nothing back", said == NOTHING, said)
    check("nor does the next", holder.since() == NOTHING)
    ctl("switch", "personal")
    check("which gives it back in front", holder.since() == ALL, holder.since())


def many():
    """Requests that meet a switch under way: the last counts, the others are told so."""
    asked = [start("switch", ("secure", "personal")[n % 2]) for n in range(30)]
    codes = [(process.communicate(), process.returncode)[1] for process in asked]
    check("30 requests at once: each is answered", None not in codes, codes)
    note(f"{codes.count(0)} carried out, {30 - codes.count(0)} overtaken")
    check("one mode is in front", front() == 1, pmosctl("status").stdout)
    ctl("switch", "personal")


def held_up():
    """A process in uninterruptible sleep, at a file system that stands still."""
    path = PROFILES / "personal.json"
    path.write_text(replaced(path.read_text(), '"background": "run"', '"background": "freeze"'))
    ctl("reload")
    ctl("stop", "personal")
    ctl("start", "personal")
    ctl("switch", "personal")
    volume = f"/proc/{status('personal')['pid']}/root/data"
    check("its file system stands still", run("fsfreeze", "--freeze", volume).returncode == 0)
    try:
        writer = start("exec", "personal", "--", "sh", "-c", "dd if=/dev/zero of=/data/x count=1")
        check("a process waits inside the kernel", until(waits, 20))
        begin = time.monotonic()
        ctl("switch", "secure")
        note(f"switched in {time.monotonic() - begin:.2f} s")
        told = run("journalctl", "-u", "pmosd", "-b", "-o", "cat").stdout
        check("and it is told", "freeze-late" in told)
        check("the mode is frozen", status("personal")["state"] == "frozen", status("personal"))
    finally:
        run("fsfreeze", "--unfreeze", volume)
    ctl("switch", "personal")
    check("in front it goes on", writer.wait(60) == 0, writer.returncode)


def waits():
    found = run("sh", "-c", "grep -l '(dd) D' /proc/[0-9]*/stat").stdout
    return bool(found)


def main():
    setup()
    holder = switches()
    restart(holder)
    holder.end()
    many()
    watched()
    meets_an_unlock()
    held_up()


main()
