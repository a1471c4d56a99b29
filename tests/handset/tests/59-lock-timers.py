#!/usr/bin/env python3
# boot: own
# timeout: 600
# turn: 2
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
import time

from handset import (PROFILES, another_pmosd, check, ctl, let_suspend, main_pid, no_volume, note, pmosctl,
                     replaced, run, status, with_session)

MODE, OTHER = "secure", "personal"
YEAR = 365 * 86400
SLACK = 12  # a slow phone locks late, never early
PIN = secrets.token_hex(8)
SHIPPED = (PROFILES / f"{MODE}.json").read_text()


def state():
    r = status(MODE)
    return ("suspended" if r["suspended"] else "evicted" if r["locked"] else "open")


def clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def profile(strength, **session):
    """secure with that strength of lock and those members of its session."""
    text = replaced(SHIPPED, '"onLock": "evict"', f'"onLock": "{strength}"')
    (PROFILES / f"{MODE}.json").write_text(with_session(text, **session))
    let_suspend()
    ctl("lock", "--evict", MODE)
    ctl("reload")
    plan = json.loads(pmosctl("inspect", MODE).stdout).get("plan")
    check("the profile is in force", plan and plan["session"]["onLock"] == strength, plan)
    since = clock()
    ctl("unlock", MODE, pin=PIN)
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
    # Nor does the wall clock: set ahead while it is unused, and back before it locks.
    time.clock_settime(time.CLOCK_REALTIME, time.time() + YEAR)
    while clock() < since + 12:
        # None of it is a use of secure: not personal's life, not the screen.
        ctl("lock", OTHER)
        ctl("unlock", OTHER)
        ctl("switch", OTHER)
        ctl("notify", "screen-locked")
        ctl("notify", "screen-unlocked")
        pmosctl("unlock", MODE)
    check("a wall clock set ahead locks nothing", state() == "open" or clock() >= since + 15, state())
    time.clock_settime(time.CLOCK_REALTIME, time.time() - YEAR)
    becomes("suspended", since, 15, "unused")


def in_front():
    profile("suspend", lockAfter="6s", evictAfter="0s")
    ctl("switch", MODE)
    time.sleep(9)
    check("a mode in front is in use", state() == "open", state())
    becomes("suspended", since_then("notify", "screen-locked"), 6, "behind a locked screen")
    ctl("notify", "screen-unlocked")
    check("unlocking the screen opens nothing", state() == "suspended", state())
    ctl("unlock", MODE, pin=PIN)
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
    check("and the other one is in front", status(OTHER)["foreground"], status(OTHER))
    profile("evict", lockAt=["screen-lock"])
    ctl("notify", "sleep")
    check("sleep is not its moment", state() == "open", state())
    ctl("notify", "screen-locked")
    check("it is locked when the answer comes", state() == "evicted", state())
    ctl("notify", "screen-unlocked")
    profile("suspend", lockAt=["sleep"])
    ctl("notify", "sleep")
    check("it is locked before the phone sleeps", state() == "suspended", state())


def daemon_killed():
    since = profile("suspend", lockAfter="15s", evictAfter="25s")
    time.sleep(5)
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)
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
    note(f"/sys/power/state: {kinds.read_text().strip() if kinds.exists() else None}; "
         f"pm_test: {test.exists()}")
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
    no_volume(MODE)
    ctl("provision", MODE, pin=PIN)
    for part in (unused, in_front, evicted, at_moments, daemon_killed, by_logind):
        note(part.__name__)
        part()
    ctl("lock", "--evict", MODE)


main()
