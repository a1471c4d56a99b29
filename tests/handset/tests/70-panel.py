#!/usr/bin/env python3
# boot: own
# timeout: 400
# soak: 3600
"""The panel: real windows on the phone's real screen, looked at from outside, with keys and a
pointer that QEMU presses. What a mode draws stays below the strip, what is typed reaches one mode or
the panel, a lock covers everything, a PIN is typed where no mode reads it, and a panel that dies
opens nothing and ends no mode."""

import base64
import json
import os
import pathlib
import secrets
import signal
import socket
import threading
import time
import zlib

from handset import (another_pmosd, check, ctl, main_pid, note, pmosctl, run, start, status, stop_if_failed,
                     until)

SOAK = bool(os.environ.get("HANDSET_SOAK"))
SWITCHES, KEYS = (1000, 10_000) if SOAK else (100, 1000)
CLIENT = pathlib.Path("/usr/lib/handset/python/handset_wayland.py").read_text()
PIN = "".join(secrets.choice("0123456789") for _ in range(12))
GREEN, PINK = 0x20C040, 0xE040A0
BLUE, RED, BLACK = (0x15, 0x65, 0xC0), (0xB7, 0x1C, 0x1C), (0, 0, 0)
STRIP = 32


def host(verb, *words):
    """As handset-host does, without a process for each key."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect("/run/handset/host.sock")
        door.sendall(json.dumps({"verb": verb, "args": words}).encode() + b"\n")
        answer = json.loads(door.makefile("rb").readline())
    if answer.get("error"):
        raise RuntimeError(answer["error"])
    return answer.get("text", "")


def pixels(x=0, y=0, width=0, height=0):
    """{(r, g, b): how many} of a part of the screen."""
    _, packed = host("pixels", *(str(n) for n in (x, y, width, height))).split()
    raw = zlib.decompress(base64.b64decode(packed))
    counted = {}
    for i in range(0, len(raw), 3):
        color = tuple(raw[i:i + 3])
        counted[color] = counted.get(color, 0) + 1
    return counted


def rgb(color):
    return (color >> 16, color >> 8 & 255, color & 255)


def filled(color, wait=20):
    """The whole screen below the strip has that colour, but for the pointer."""
    seen = until(lambda: pixels(0, STRIP).get(rgb(color), 0) > WIDTH * (HEIGHT - STRIP) - 200, wait)
    if not seen:
        host("screendump", "not-filled.png")
    return bool(seen)


def nowhere(color):
    return rgb(color) not in pixels()


def strip_is(color):
    seen = pixels(0, 0, WIDTH, STRIP)
    return max(seen, key=seen.get) == color


def panel(member):
    done = run("busctl", "--address=unix:path=/run/pmos/panel/control", "--json=short", "call",
               "org.pmos.Panel1", "/org/pmos/Panel1", "org.pmos.Panel1.Control", member)
    return json.loads(done.stdout)["data"] if done.returncode == 0 else None


def where():
    said = panel("State")
    return said[0] if said else None


def is_at(place, wait=20):
    return check(f"the person is at: {place}", until(lambda: where() == place, wait), where())


def event(kind, **data):
    return {"type": kind, "data": data}


def act(*events):
    host("input", json.dumps(events))


def key(code, down):
    return event("key", down=down, key={"type": "qcode", "data": code})


def press(*codes):
    act(*(key(code, True) for code in codes))
    act(*(key(code, False) for code in reversed(codes)))


def point(x, y):
    act(event("abs", axis="x", value=(x * 32767 + WIDTH // 2) // WIDTH),
        event("abs", axis="y", value=(y * 32767 + HEIGHT // 2) // HEIGHT))


def click(x, y):
    """Not faster than libinput takes for the bouncing of a worn button (25 ms)."""
    point(x, y)
    for down in (True, False):
        act(event("btn", down=down, button="left"))
        time.sleep(0.06)


def piece(does, mode=""):
    for x, y, width, height, verb, of, _ in panel("List")[0]:
        if verb == does and (not mode or of == mode):
            return x, y, width, height
    raise RuntimeError(f"nothing to touch for {does} {mode}: {panel('List')}")


def touch(does, mode=""):
    x, y, width, height = piece(does, mode)
    click(x + width // 2, y + height // 2)


def tap_digits(digits):
    """By where the keys lie around the two that are told: erase and enter, of the last row."""
    (left, row, width, height), (right, *_) = piece("erase"), piece("enter")
    across = (right - left) // 2
    down = height + across - width
    for digit in digits:
        place = 10 if digit == "0" else int(digit) - 1
        click(left + place % 3 * across + width // 2, row + (place // 3 - 3) * down + height // 2)


class Window:
    """A window of one colour in a mode, and what its seat hears."""

    def __init__(self, mode, color):
        self.heard, self.lock = [], threading.Lock()
        self.process = start("exec", mode, "--", "python3", "-c", CLIENT, "/run/pmos/panel/wayland-0",
                             f"{color:06x}")
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            with self.lock:
                self.heard.append(json.loads(line))

    def drawn(self):
        return until(lambda: self.count(event="drawn") or self.process.poll() is not None, 60) is True

    def count(self, **wanted):
        with self.lock:
            return sum(all(one.get(k) == v for k, v in wanted.items()) for one in self.heard)

    def clear(self):
        with self.lock:
            self.heard.clear()

    def end(self):
        self.process.kill()
        self.process.wait()


def begin():
    global WIDTH, HEIGHT
    check("the panel runs", until(lambda: where() is not None, 60))
    WIDTH, HEIGHT = (int(n) for n in host("pixels").split()[0].split("x"))
    check("personal is up", until(lambda: status("personal")["state"] == "running", 120))
    ctl("provision", "secure", pin=PIN)
    is_at("mode personal")
    check("the strip is personal's", strip_is(BLUE), pixels(0, 0, WIDTH, STRIP))
    stop_if_failed()


def windows():
    global MINE
    MINE = Window("personal", GREEN)
    check("a window fills what is below the strip", MINE.drawn() is not None and filled(GREEN), pixels())
    check("and nothing of the strip", strip_is(BLUE))
    press("a")
    check("what is typed reaches it", until(lambda: MINE.count(event="key", key=30, pressed=True) == 1, 10), MINE.heard)
    click(WIDTH // 2, HEIGHT // 2)
    check("and what is pointed at", until(lambda: MINE.count(event="button", pressed=True) == 1, 10), MINE.heard)
    hostile = Window("personal", PINK)
    check("another window comes over it", filled(PINK))
    check("the strip stays", strip_is(BLUE))
    hostile.end()
    check("and it goes", filled(GREEN))


def attention():
    for what, how in (("power", lambda: press("power")), ("ctrl+alt+delete", lambda: press("ctrl", "alt", "delete")),
                      ("the strip", lambda: click(WIDTH // 3, STRIP // 2))):
        MINE.clear()
        how()
        is_at("chooser")
        check(f"{what}: nothing of the mode is seen", until(lambda: nowhere(GREEN), 5), pixels())
        press("b")
        click(WIDTH // 3, STRIP // 2)
        is_at("mode personal")
        check("the window is back", filled(GREEN))
        check("none of it reached the mode", not MINE.count(event="key", key=48) and not MINE.count(event="key", key=111)
              and not MINE.count(event="key", key=116) and not MINE.count(event="button"), MINE.heard)


def type_pin():
    press("power")
    is_at("chooser")
    host("screendump", "chooser.png")
    touch("choose", "secure")
    is_at("pad secure")
    tap_digits("1111")
    touch("enter")
    check("a wrong PIN is refused", until(lambda: status("secure")["failures"] == 1, 60), status("secure"))
    check("and the panel says so", until(lambda: panel("State") and where() == "pad secure", 10))
    host("screendump", "wrong.png")
    time.sleep((status("secure")["retryAfter"] or 0) + 1)
    tap_digits(PIN)
    host("screendump", "pad.png")
    touch("enter")
    check("the right one leads in", until(lambda: status("secure")["foreground"], 120), status("secure"))
    is_at("mode secure")
    check("the strip is the other mode's", until(lambda: strip_is(RED), 10))
    check("nothing of personal is seen", nowhere(GREEN), pixels())
    check("personal stands still", until(lambda: status("personal")["state"] == "frozen", 10))
    global OTHER
    OTHER = Window("secure", PINK)
    check("a window of secure", filled(PINK, 60))


def held():
    """A key that is down over a switch is let go in the mode that it was pressed in, and is nobody's in the other."""
    ctl("switch", "personal")
    check("personal is seen", filled(GREEN))
    MINE.clear(), OTHER.clear()
    act(key("c", True))
    check("it is down", until(lambda: MINE.count(event="key", key=46, pressed=True) == 1, 10), MINE.heard)
    ctl("switch", "secure")
    check("secure is seen", filled(PINK))
    check("nothing is held for it", OTHER.count(event="enter") == OTHER.count(event="enter", held=0) > 0, OTHER.heard)
    act(key("c", False))
    press("d")
    check("the next key is its own", until(lambda: OTHER.count(event="key", key=32, pressed=True) == 1, 10))
    check("the one that was held is not", not OTHER.count(event="key", key=46), OTHER.heard)
    ctl("switch", "personal")
    check("it is up where it was pressed", until(lambda: MINE.count(event="key", key=46, pressed=False) == 1, 10), MINE.heard)


def many():
    """Keys while modes are switched: each reaches one mode, or the panel, and only one."""
    MINE.clear(), OTHER.clear()
    kept = panel("State")[1]
    stopped = threading.Event()

    def switch():
        for turn in range(SWITCHES):
            pmosctl("switch", ("secure", "personal")[turn % 2])
        stopped.set()

    def counted():
        return [w.count(event="key", pressed=True) for w in (MINE, OTHER)] + [panel("State")[1] - kept]

    thread = threading.Thread(target=switch)
    thread.start()
    pressed = 0
    while not stopped.is_set() or pressed < KEYS:
        codes = "abcdefghij"
        for code in codes:
            act(key(code, True), key(code, False))
            pressed += 1
        # QEMU drops what the phone has no room for: not faster than it is taken, as far as it is told.
        until(lambda: sum(counted()) >= pressed, 1)
    thread.join()
    ctl("switch", "secure")
    ctl("switch", "personal")
    until(lambda: sum(counted()) == pressed, 30)
    said = counted()
    note(f"{pressed} keys around {SWITCHES} switches: {said[0]} in personal, {said[1]} in secure, {said[2]} in the panel")
    check("each arrived in exactly one place", sum(said) == pressed and said[0] > 0 and said[1] > 0, said)
    for name, window in (("personal", MINE), ("secure", OTHER)):
        check(f"{name}: what went down came up", until(lambda w=window: w.count(event="key", pressed=False) ==
              w.count(event="key", pressed=True), 10))


def lock():
    ctl("switch", "secure")
    check("secure is seen", filled(PINK))
    ctl("lock", "secure")
    check("a lock covers it", until(lambda: nowhere(PINK), 5), pixels())
    check("secure's client has ended", until(lambda: OTHER.process.poll() is not None, 30))
    ctl("switch", "personal")
    check("personal is back", filled(GREEN))


def deaths():
    old = int(run("systemctl", "show", "-P", "MainPID", "pmos-panel").stdout)
    os.kill(old, signal.SIGKILL)
    check("another panel comes", until(lambda: int(run("systemctl", "show", "-P", "MainPID", "pmos-panel").stdout)
          not in (0, old), 60))
    is_at("mode personal", 60)
    check("personal runs on", status("personal")["state"] == "running" and status("personal")["foreground"])
    check("secure is locked still", status("secure")["locked"])
    check("what was drawn is not", until(lambda: nowhere(GREEN), 10), pixels())
    again = Window("personal", GREEN)
    check("a program that starts again is seen", filled(GREEN, 60))
    before = main_pid()
    os.kill(before, signal.SIGKILL)
    another_pmosd(before)
    check("another pmosd: the mode is seen all the while", filled(GREEN, 30) and strip_is(BLUE))
    press("power")
    is_at("chooser")
    click(WIDTH // 3, STRIP // 2)
    is_at("mode personal")
    again.end()


def has_secret(pid):
    """Whether the memory of a process has the PIN, in one piece, as bytes or as wide characters."""
    wanted = (PIN.encode(), PIN.encode("utf-16-le"), PIN.encode("utf-32-le"))
    read = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            try:
                data = os.pread(memory.fileno(), end - begin, begin)
            except (OSError, OverflowError):
                continue
            read += len(data)
            if any(text in data for text in wanted):
                return True
    check(f"the memory of {pid} can be read", read > 1 << 18, read)
    return False


def no_secret():
    check("the search finds what is there", has_secret(os.getpid()))
    for unit in ("pmos-panel", "pmosd"):
        for pid in pathlib.Path(f"/sys/fs/cgroup/system.slice/{unit}.service/cgroup.procs").read_text().split():
            check(f"no PIN in {unit} ({pid})", not has_secret(pid))


def main():
    begin()
    windows()
    attention()
    type_pin()
    no_secret()
    held()
    many()
    lock()
    deaths()


main()
