#!/usr/bin/env python3
# boot: own
# timeout: 420
# turn: 3
"""Notifications of real modes, by their profiles, said by notify-send and gdbus as Debian has them:
who sees what of whom while modes are switched, locked and stopped, over a pmosd and a broker that
die, and under floods; and who keeps the screen on, with the real logind."""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import time

from handset import (PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run, status,
                     stop_if_failed, until)

SHIPPED = {mode: (PROFILES / f"{mode}.json").read_text() for mode in ("personal", "secure")}
PIN = secrets.token_hex(6)
NOTES = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications")
SAVER = ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver")
OTHERS = ("org.pmos.Notifications1", "/org/pmos/Notifications1", "org.pmos.Notifications1")
# Says that the screen is to stay on, and stays.
PLAYER = """
import os, socket, struct, sys, time
def text(s): return struct.pack('<I', len(s)) + s.encode() + b'\\0'
def pad(b, n): return b + b'\\0' * (-len(b) % n)
fields = b''
for code, kind, value in ((1, 'o', '/ScreenSaver'), (2, 's', 'org.freedesktop.ScreenSaver'), (3, 's', 'Inhibit')):
    fields = pad(fields, 8) + bytes((code, 1)) + kind.encode() + b'\\0' + text(value)
fields = pad(fields, 8) + bytes((8, 1)) + b'g\\0\\x02ss\\0'
body = pad(text('player'), 4) + text('FILM-NAME')
s = socket.socket(socket.AF_UNIX)
s.connect('/run/pmos/notify/bus')
s.sendall(b'\\0AUTH ANONYMOUS 70\\r\\nBEGIN\\r\\n' +
          pad(b'l\\1\\0\\1' + struct.pack('<III', len(body), 1, len(fields)) + fields, 8) + body)
print(s.recv(99)[:2], flush=True)
while s.recv(4096): pass
"""
FLOOD = """
import os, socket, sys
for kind in range(60):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    try:
        s.connect('/run/pmos/notify/bus')
        s.sendall(b'\\0AUTH ANONYMOUS 70\\r\\nBEGIN\\r\\n')
        s.sendall(os.urandom(100000) if kind % 2 else b'l\\1\\0\\1' + b'\\xff' * (1 << 20))
    except OSError:
        pass
    s.close()
"""


def inside(mode, *command):
    return pmosctl("exec", mode, "--", *command)


def say(mode, *words):
    done = inside(mode, "notify-send", *words)
    check(f"notify-send says something in {mode}", done.returncode == 0, done.stderr)


def call(mode, where, member, *arguments):
    name, path, interface = where
    return inside(mode, "gdbus", "call", "--session", "--dest", name, "--object-path", path,
                  "--method", f"{interface}.{member}", *arguments)


def others(mode):
    """What the mode sees of the other ones, as gdbus writes it, but for types."""
    done = call(mode, OTHERS, "List")
    check(f"{mode} may ask for the others'", done.returncode == 0, done.stderr)
    return re.sub(r"(uint32|byte|@\S+) ", "", done.stdout.strip()) or done.stderr


def panel():
    done = run("busctl", "--address=unix:path=/run/pmos/notify/host", "--json=short", "call",
               "org.pmos.Notify1", "/org/pmos/Notify1", "org.pmos.Notify1.Host", "List")
    check("the panel may ask", done.returncode == 0, done.stderr)
    return {mode: (count, [(n[2], n[3]) for n in notes])
            for mode, count, notes in json.loads(done.stdout)["data"][0]}


def count(mode, wanted, seconds=40):
    return bool(until(lambda: status(mode)["notifications"] == wanted, seconds))


def use(mode, notifications, background):
    text = replaced(SHIPPED[mode], '"notifications": "count"', f'"notifications": "{notifications}"')
    text = replaced(text, '"background": "freeze"', f'"background": "{background}"')
    (PROFILES / f"{mode}.json").write_text(text)
    ctl("reload")
    ctl("restart", mode)


def doctor(subject):
    return [f for f in json.loads(pmosctl("doctor", "--json").stdout) if f["subject"] == subject]


def doctor_says(severity):
    return bool(until(lambda: any(f["severity"] == severity for f in doctor("notifications")), 40))


def broker():
    return int(run("systemctl", "show", "-P", "MainPID", "pmos-notify").stdout)


def in_memory(text):
    """Whether the broker's memory has these bytes, wherever."""
    maps = pathlib.Path(f"/proc/{broker()}/maps").read_text().splitlines()
    with open(f"/proc/{broker()}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            try:
                memory.seek(begin)
                if text in memory.read(end - begin):
                    return True
            except (OSError, ValueError, OverflowError):
                continue
    return False


def shipped():
    note("as shipped: secure lets be counted, personal lets be read")
    ctl("switch", "personal")
    say("personal", "-a", "diary", "-u", "critical", "To buy", "<b>bread</b> & milk")
    check("it is counted", count("personal", 1), status("personal"))
    check("beside its state", "1 notification" in pmosctl("status").stdout, pmosctl("status").stdout)
    check("the panel reads it", panel() == {"personal": (1, [("To buy", "bread & milk")])}, panel())
    check("it sees nothing of its own among others'", others("personal") == "([],)", others("personal"))
    ctl("switch", "secure")
    check("secure reads it in front", "'personal', 1, [('To buy', 'bread & milk'" in others("secure"), others("secure"))
    say("secure", "SECRET-SUMMARY", "SECRET-BODY")
    say("secure", "SECRET-SUMMARY", "another")
    check("both are counted", count("secure", 2), status("secure"))
    check("the panel reads what is in front", len(panel().get("secure", (0, []))[1]) == 2, panel())
    ctl("switch", "personal")
    seen = others("personal")
    check("personal sees how many there are, and no more", "'secure', 2, " in seen and "SECRET" not in seen, seen)
    check("nor does the panel", panel().get("secure") == (2, []), panel())
    check("secure stands still, and keeps them", status("secure")["state"] == "frozen" and count("secure", 2))
    journal = run("journalctl", "-b").stdout
    check("nothing of it is in the journal", len(journal) > 1000 and "SECRET-" not in journal
          and "bread" not in journal, len(journal))


def from_behind():
    note("a mode that runs on behind another sees nothing, and is seen")
    use("secure", "count", "run")
    ctl("switch", "secure")
    ctl("switch", "personal")
    check("it sees nothing of who is in front", others("secure") == "([],)", others("secure"))
    say("secure", "from behind")
    check("what it says is counted", count("secure", 1) and "'secure', 1" in others("personal"), others("personal"))
    use("secure", "none", "run")
    say("secure", "to itself")
    time.sleep(1)
    check("with none nothing is", count("secure", 0) and "secure" not in others("personal"), others("personal"))
    use("secure", "off", "run")
    done = inside("secure", "notify-send", "nobody")
    check("with off there is nobody to say it to", done.returncode != 0, done.stdout)
    done = inside("secure", "sh", "-c", 'test -z "$DBUS_SESSION_BUS_ADDRESS" && ! test -e /run/pmos/notify/bus')
    check("nor a place for it", done.returncode == 0, done.stderr)
    use("secure", "count", "freeze")


def ends():
    note("a lock leaves nothing")
    ctl("switch", "secure")
    say("secure", "SECRET-SUMMARY-TWO", "SECRET-BODY-TWO")
    check("it is there", count("secure", 1) and in_memory(b"SECRET-BODY-TWO") and in_memory(b"SECRET-SUMMARY-TWO"))
    pid = broker()
    ctl("lock", "secure")
    check("the count is gone", count("secure", 0), status("secure"))
    check("the panel has none", until(lambda: "secure" not in panel(), 20), panel())
    check("nor has the broker's memory, of body", until(lambda: not in_memory(b"SECRET-BODY-TWO"), 30))
    check("and summary", not in_memory(b"SECRET-SUMMARY-TWO"))
    check("which is the same broker", broker() == pid)
    ctl("unlock", "secure", pin=PIN)
    ctl("switch", "secure")
    check("when it comes back there are none", count("secure", 0))
    done = call("secure", NOTES, "Notify", "p", "0", "", "first", "", "[]", "{}", "int32 -1")
    check("and numbers begin anew", "uint32 1" in done.stdout, done.stdout + done.stderr)
    ctl("restart", "secure")
    check("so they do with another run", count("secure", 0))
    ctl("switch", "personal")


def deaths():
    note("the broker dies")
    say("personal", "lost")
    check("there is something to be lost", until(lambda: status("personal")["notifications"] > 0, 40))
    os.kill(broker(), signal.SIGKILL)
    check("all counts are zero", count("personal", 0), status("personal"))
    check("a new one is told", doctor_says("ok"))
    say("personal", "again")
    check("and counts", count("personal", 1))
    note("pmosd dies")
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)
    check("what there is stays, and is told", count("personal", 1))
    say("personal", "after it")
    check("and goes on", count("personal", 2))
    run("systemctl", "stop", "pmos-notify")
    check("without a broker the doctor warns", doctor_says("warning"))
    run("systemctl", "start", "pmos-notify")
    check("it may come later", doctor_says("ok"))


def floods():
    note("a hostile program")
    pid = broker()
    say("personal", "before it")
    script = "for i in $(seq 1 30); do gdbus call --session --dest org.freedesktop.Notifications --object-path " \
             "/org/freedesktop/Notifications --method org.freedesktop.Notifications.Notify f 0 '' " \
             "s$i '' '[]' '{}' 'int32 -1' & done; wait"
    inside("personal", "sh", "-c", f"{script}; {script}; {script}")
    shown = status("personal")["notifications"]
    check("it has no more than it may", 1 < shown <= 64, shown)
    inside("personal", "python3", "-c", FLOOD)
    check("the broker is the same, and takes more", broker() == pid)
    say("personal", "after the flood")
    ctl("switch", "secure")
    say("secure", "beside it")
    check("the other mode has its own", count("secure", 1))
    ctl("switch", "personal")


def locks_of_logind():
    done = run("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
               "org.freedesktop.login1.Manager", "ListInhibitors")
    check("logind answers", done.returncode == 0, done.stderr)
    return re.findall(r'"(idle)" "([^"]*)" "([^"]*)" "([^"]*)"', done.stdout)


def held_by(*modes):
    wanted = [("idle", "pmos", f"mode {mode}", "block") for mode in modes]
    return bool(until(lambda: locks_of_logind() == wanted, 40))


def player(mode):
    process = subprocess.Popen(["pmosctl", "exec", mode, "--", "python3", "-c", PLAYER], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    check(f"a player of {mode} asks for the screen", process.stdout.readline().strip() == "b'OK'")
    return process


def end(process):
    process.terminate()
    process.wait(timeout=20)


def screen():
    note("who keeps the screen on")
    check("without logind the doctor says that nobody can", doctor("idle inhibition"), pmosctl("doctor").stdout)
    run("systemctl", "unmask", "systemd-logind")  # the phone is without, for the speed of its boot
    started = run("systemctl", "start", "systemd-logind")
    if not check("logind runs", started.returncode == 0, started.stderr):
        return
    check("with it the doctor says nothing", until(lambda: not doctor("idle inhibition"), 40))
    check("nobody does yet", not locks_of_logind(), locks_of_logind())
    film = player("personal")
    check("a player in front does, in its mode's name", held_by("personal"), locks_of_logind())
    listed = run("systemd-inhibit", "--list", "--no-pager").stdout
    check("as systemd-inhibit lists it, without a word of the program's",
          re.search(r"pmos .*idle +mode personal +block", listed) and "FILM" not in listed, listed)
    ctl("switch", "secure")
    check("not behind another", held_by(), locks_of_logind())
    theirs = player("secure")
    time.sleep(1)
    check("secure has not the right", held_by(), locks_of_logind())
    end(theirs)
    ctl("switch", "personal")
    check("in front it does again", held_by("personal"), locks_of_logind())
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)
    # What pmosctl exec held has gone with that pmosd.
    end(film)
    inside("personal", "pkill", "-f", "FILM-NAME")
    check("not once the player has ended", held_by(), locks_of_logind())
    film = player("personal")
    check("another one does, by another pmosd", held_by("personal"), locks_of_logind())
    ctl("stop", "personal")
    check("not once its mode has ended", held_by(), locks_of_logind())
    end(film)
    (PROFILES / "personal.json").write_text(replaced(SHIPPED["personal"], ', "idleInhibit": "foreground"', ""))
    ctl("reload")
    ctl("switch", "personal")
    done = call("personal", SAVER, "Inhibit", "p", "w")
    check("without the right it is refused", done.returncode != 0 and "AccessDenied" in done.stderr, done.stderr)


def main():
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", pin=PIN)
    ctl("start", "secure")
    ctl("switch", "personal")
    check("the broker goes by the profiles", doctor_says("ok"), pmosctl("doctor").stdout)
    stop_if_failed()
    for step in (shipped, from_behind, ends, deaths, floods, screen):
        step()
        stop_if_failed()


main()
