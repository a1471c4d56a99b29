#!/usr/bin/env python3
# boot: own
# timeout: 600
"""Modes that lock by themselves: unused, in the background, behind a locked screen, before the
phone sleeps; evicted at last. Nothing that is done with another mode or the screen sets a clock
back, nor does a pmosd that dies."""

import contextlib
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import time

MODE, OTHER = "secure", "personal"
PROFILES = pathlib.Path("/usr/share/pmos/profiles")
SLACK = 12  # a slow phone locks late, never early
PIN = secrets.token_hex(8)
SHIPPED = (PROFILES / f"{MODE}.json").read_text()
failures = 0


def check(what, good, detail=""):
    global failures
    failures += not good
    print(("  ok    " if good else "  FAIL  ") + what + (f": {detail}" if not good else ""), flush=True)
    return good


def run(*command, seconds=120, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False,
                          **options)


def ctl(*words, code=0):
    done = run("pmosctl", *words)
    if code is not None:
        check("pmosctl " + " ".join(words), done.returncode == code, done.stderr)
    return done


def row(mode=MODE):
    return {m["mode"]: m for m in json.loads(run("pmosctl", "status", "--json").stdout)}[mode]


def state():
    r = row()
    return ("suspended" if r["suspended"] else "evicted" if r["locked"] else "open")


def clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def secret(verb):
    r, w = os.pipe()
    os.write(w, PIN.encode())
    os.close(w)
    done = run("pmosctl", verb, MODE, "--pin-fd", str(r), pass_fds=[r])
    os.close(r)
    check(f"pmosctl {verb}", done.returncode == 0, done.stderr)


def profile(strength, **session):
    """secure with that strength of lock and those members of its session."""
    text = SHIPPED.replace('"onLock": "evict"', f'"onLock": "{strength}"')
    members = "".join(f'"{key}": {json.dumps(value)}, ' for key, value in session.items())
    (PROFILES / f"{MODE}.json").write_text(text.replace('"session": {', '"session": { ' + members))
    site = PROFILES / "site.json"
    site.write_text(site.read_text().replace('"onLock": "evict",', ""))
    ctl("lock", "--evict", MODE)
    ctl("reload")
    plan = json.loads(run("pmosctl", "inspect", MODE).stdout).get("plan")
    check("the profile is in force", plan and plan["session"]["onLock"] == strength, plan)
    since = clock()
    secret("unlock")
    return since


def since_then(*words):
    """From before the command: when in it the clock of pmosd began, nobody says."""
    since = clock()
    ctl(*words)
    return since


def becomes(wanted, since, after, what):
    """It does at that time after since, no earlier."""
    while state() != wanted and clock() < since + after + SLACK:
        time.sleep(0.2)
    took = clock() - since
    check(f"{what}: {wanted} after {after} s", state() == wanted and took >= after,
          f"{state()} after {took:.1f} s")


def unused():
    since = profile("suspend", lockAfter="15s", evictAfter="0s")
    while clock() < since + 12:
        # None of it is a use of secure: not personal's life, not the screen.
        ctl("lock", OTHER)
        ctl("unlock", OTHER)
        ctl("switch", OTHER)
        ctl("notify", "screen-locked")
        ctl("notify", "screen-unlocked")
        run("pmosctl", "unlock", MODE)
    becomes("suspended", since, 15, "unused")


def in_front():
    since = profile("suspend", lockAfter="6s", evictAfter="0s")
    ctl("switch", MODE)
    time.sleep(9)
    check("a mode in front is in use", state() == "open", state())
    becomes("suspended", since_then("notify", "screen-locked"), 6, "behind a locked screen")
    ctl("notify", "screen-unlocked")
    check("unlocking the screen opens nothing", state() == "suspended", state())
    secret("unlock")
    becomes("suspended", since_then("switch", OTHER), 6, "behind another mode")


def evicted():
    profile("suspend", evictAfter="8s")
    since = since_then("lock", MODE)
    check("it is suspended", state() == "suspended", state())
    becomes("evicted", since, 8, "nobody unlocks it")
    profile("suspend", evictAfter="8s")
    ctl("switch", MODE)
    becomes("evicted", since_then("notify", "screen-locked"), 8, "open behind a locked screen")
    ctl("notify", "screen-unlocked")
    profile("suspend", evictAfter="8s")
    since = since_then("notify", "screen-locked")
    ctl("notify", "screen-unlocked")
    becomes("evicted", since, 8, "whoever unlocked the screen, not this mode")


def at_moments():
    profile("suspend", lockAt=["background"])
    ctl("switch", MODE)
    check("in front it is open", state() == "open")
    ctl("switch", OTHER)
    becomes("suspended", clock(), 0, "sent to the background")
    check("and the other one is in front", row(OTHER)["foreground"], row(OTHER))
    profile("evict", lockAt=["screen-lock"])
    ctl("notify", "sleep")
    check("sleep is not its moment", state() == "open", state())
    ctl("notify", "screen-locked")
    check("it is locked when the answer comes", state() == "evicted", state())
    ctl("notify", "screen-unlocked")
    profile("suspend", lockAt=["sleep"])
    ctl("notify", "sleep")
    check("it is locked before the phone sleeps", state() == "suspended", state())


def main_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmosd").stdout)


def daemon_killed():
    since = profile("suspend", lockAfter="15s", evictAfter="25s")
    time.sleep(5)
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    while main_pid() in (0, old) or ctl("status", code=None).returncode != 0:
        time.sleep(0.1)
    check("the next pmosd is there in time", clock() < since + 15, clock() - since)
    becomes("suspended", since, 15, "with a pmosd that died")


def by_logind():
    """The real logind, a session made for this, and a sleep that ends after the tasks froze."""
    run("systemctl", "unmask", "systemd-logind")  # the phone is without, for the speed of its boot
    started = run("systemctl", "start", "systemd-logind")
    if not check("logind runs", started.returncode == 0, started.stderr):
        return
    time.sleep(1)
    inhibitors = run("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
                     "org.freedesktop.login1.Manager", "ListInhibitors").stdout
    check("sleep waits for pmosd", '"sleep" "pmosd"' in inhibitors, inhibitors)
    profile("suspend", lockAt=["screen-lock"])
    holder = subprocess.Popen(["sleep", "120"])
    made = run("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
               "org.freedesktop.login1.Manager", "CreateSession", "uusssssussbssa(sv)", "0",
               str(holder.pid), "test", "tty", "user", "", "", "0", "", "", "false", "", "", "0")
    session = re.search(r'"([^"]+)" "/org', made.stdout)
    if check("a session is made", session, made.stderr):
        run("loginctl", "lock-session", session[1])
        becomes("suspended", clock(), 0, "logind's Lock")
    holder.kill()
    holder.wait()
    ctl("notify", "screen-unlocked")
    profile("suspend", lockAt=["sleep"])
    test, kinds = pathlib.Path("/sys/power/pm_test"), pathlib.Path("/sys/power/state")
    print(f"  ..    /sys/power/state: {kinds.read_text().strip() if kinds.exists() else None}; "
          f"pm_test: {test.exists()}", flush=True)
    if not check("this kernel can sleep, for a test", kinds.exists() and test.exists()):
        return
    test.write_text("freezer")
    slept = run("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
                "org.freedesktop.login1.Manager", "Suspend", "b", "false")
    check("logind goes to sleep", slept.returncode == 0, slept.stderr)
    becomes("suspended", clock(), 0, "logind's PrepareForSleep")
    with contextlib.suppress(OSError):
        kind = "mem" if "mem" in kinds.read_text() else "freeze"
        begin = clock()
        kinds.write_text(kind)
        check("a phone with a suspended mode sleeps", clock() - begin < 60, clock() - begin)
    log = run("journalctl", "-k", "--no-pager").stdout
    check("and the kernel says so", re.search(r"PM: suspend entry", log), log[-2000:])
    test.write_text("none")


def main():
    ctl("lock", MODE)
    for path in pathlib.Path("/var/lib/pmos/volumes").glob(f"{MODE}-*"):
        path.unlink()
    secret("provision")
    for part in (unused, in_front, evicted, at_moments, daemon_killed, by_logind):
        print(f"  {part.__name__}", flush=True)
        part()
    ctl("lock", "--evict", MODE)
    sys.exit(failures != 0)


main()
