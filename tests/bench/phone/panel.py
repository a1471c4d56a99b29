#!/usr/bin/env python3
"""./dev bench panel, the part on the phone: from a finger on the chooser to the first frame of the
mode that comes, from the power key to the chooser's first frame, how long a frame takes to draw, and
the panel's memory. The screen is drawn by the processor, here an emulated one. Rows of JSON on the
last line."""

import json
import os
import pathlib
import secrets
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, "/usr/lib/handset/python")
from handset_uinput import Keyboard, TouchScreen  # noqa: E402

MODES = "personal", "secure"
PIN = secrets.token_hex(6)
TURNS = 60
POWER = 116
CLIENT = pathlib.Path("/usr/lib/handset/python/handset_wayland.py").read_text()


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


def panel(member):
    out = run("busctl", "--address=unix:path=/run/pmos/panel/control", "--json=short", "call", "org.pmos.Panel1",
              "/org/pmos/Panel1", "org.pmos.Panel1.Control", member)
    return json.loads(out)["data"]


def row(name, unit, ours, peer=None, goal=None):
    ratio = ours / peer if peer is not None else ours
    return {"name": name, "unit": unit, "ours": round(ours, 4),
            "peer": None if peer is None else round(peer, 4), "ratio": round(ratio, 4), "goal": goal}


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("it does not come to that")
        time.sleep(0.05)


def window(mode, color):
    process = subprocess.Popen(["pmosctl", "exec", mode, "--", "python3", "-c", CLIENT, "/run/pmos/panel/wayland-0", color],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    until(lambda: '"drawn"' in process.stdout.readline())
    threading.Thread(target=lambda: list(process.stdout), daemon=True).start()
    return process


def piece(does, mode):
    for x, y, width, height, verb, of, _ in panel("List")[0]:
        if (verb, of) == (does, mode):
            return x + width // 2, y + height // 2
    sys.exit(f"nothing on the panel for {does} {mode}")


def p99(times):
    return sorted(times)[int(0.99 * len(times))]


def memory():
    pids = pathlib.Path("/sys/fs/cgroup/system.slice/pmos-panel.service/cgroup.procs").read_text().split()
    return sum(int(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]) for pid in pids) / 1024


def main():
    by_pin("provision", "secure")
    by_pin("unlock", "secure")
    size = pathlib.Path("/sys/class/graphics/fb0/virtual_size").read_text().split(",")
    touch, keys = TouchScreen(*map(int, size)), Keyboard()
    for mode, color in zip(MODES, ("20c040", "e040a0")):
        run("pmosctl", "switch", mode)
        window(mode, color)
    whole, beyond, attention = [], [], []
    for turn in range(TURNS):
        to = MODES[turn % 2]
        begun = time.monotonic()
        keys.press(POWER)
        until(lambda: panel("State")[0] == "chooser" and panel("State")[5] > begun * 1e6)
        attention.append(panel("State")[5] / 1000 - begun * 1000)
        x, y = piece("choose", to)
        begun = time.monotonic()
        touch.tap(x, y)
        until(lambda to=to: panel("State")[0] == f"mode {to}" and panel("State")[5] > begun * 1e6)
        took = panel("State")[5] / 1000 - begun * 1000
        steps = json.loads(run("busctl", "--json=short", "call", "org.pmos.Runtime1", "/org/pmos/Runtime1",
                               "org.pmos.Runtime1.Manager", "LastSwitch"))["data"][0]
        engine = sum(one[1] for one in steps) / 1000
        whole.append(took)
        beyond.append(took - engine)
    drawn = panel("State")[3]
    print(json.dumps([
        row("panel-touch-to-frame-p50", "ms", statistics.median(whole)), row("panel-touch-to-frame-p99", "ms", p99(whole)),
        # Two frames of 60 Hz.
        row("panel-beyond-the-engine-p50", "ms", statistics.median(beyond), goal=33.4),
        row("panel-beyond-the-engine-p99", "ms", p99(beyond)),
        row("panel-attention-p50", "ms", statistics.median(attention)), row("panel-attention-p99", "ms", p99(attention)),
        row("panel-frame-p50", "ms", statistics.median(drawn) / 1000), row("panel-frame-p99", "ms", p99(drawn) / 1000),
        row("panel-pss", "MiB", memory(), goal=25)]))


main()
