#!/usr/bin/env python3
# boot: own
# timeout: 300
"""A mode that runs on throttled behind another one: its share of the processor, of the storage and
its memory; given back in front; over a pmosd that dies, over a start in the background."""

import json
import os
import pathlib
import secrets
import signal

from handset import (PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run, start,
                     status, stop_if_failed, until)

PIN = secrets.token_hex(6)
CGROUPS = pathlib.Path("/sys/fs/cgroup")
HIGH = 48 << 20
BEHIND = {"cpu.weight": "1", "memory.high": str(HIGH)}
FAIR = 0.15  # of a weight of 1 beside one of 100; without weights it is a half
FRONT = {"cpu.weight": "100", "memory.high": "max"}
SPIN = "import os\nfor _ in range(os.cpu_count() - 1):\n    if not os.fork(): break\nwhile True: pass"


def directory(mode):
    return next(CGROUPS.glob(f"**/modes/{mode}"), None) or next(CGROUPS.glob(f"**/{mode}"))


def limits(mode):
    return {name: (directory(mode) / name).read_text().strip() for name in BEHIND}


def cpu(mode):
    words = (directory(mode) / "cpu.stat").read_text().split()
    return int(words[words.index("usage_usec") + 1])


def setup():
    path = PROFILES / "personal.json"
    throttled = ('"background": "throttle", "throttle": { "cpu": { "weight": 1 }, '
                 f'"memory": {{ "high": {HIGH} }} }}')
    path.write_text(replaced(path.read_text(), '"background": "freeze"', throttled))
    ctl("reload")
    ctl("stop", "personal")
    ctl("start", "personal")
    check("started behind, it is throttled", limits("personal") == BEHIND, limits("personal"))
    ctl("switch", "personal")
    check("in front it is not", limits("personal") == FRONT, limits("personal"))
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", pin=PIN)
    stop_if_failed()


def share(turns=5):
    """Of the processor that both want: what personal gets of it, once they have been spread over the
    processors. The scheduler does that in its own time, and by then one may have had a processor alone."""
    spinning = [start("exec", mode, "--", "python3", "-c", SPIN) for mode in ("personal", "secure")]
    try:
        # A Python that starts takes its time, of a weight of one more than of the other.
        both = [cpu(mode) for mode in ("personal", "secure")]
        until(lambda: all(cpu(mode) > b + 1_000_000 for mode, b in zip(("personal", "secure"), both)), 60)
        for _ in range(turns):
            before = [cpu(mode) for mode in ("personal", "secure")]
            until(lambda: False, 4)
            mine, other = (cpu(mode) - b for mode, b in zip(("personal", "secure"), before))
            behind = mine / (mine + other)
            note(f"of the processor that both want it gets {behind:.1%} behind")
            if behind < FAIR:
                break
        return behind
    finally:
        for process in spinning:
            process.terminate()
            process.wait()


def switches():
    ctl("switch", "secure")
    check("behind it runs on", status("personal")["state"] == "running", status("personal"))
    check("throttled", until(lambda: limits("personal") == BEHIND, 20), limits("personal"))
    behind = share()
    check("the processor is the other's", behind < FAIR, behind)
    for _ in range(10):
        pmosctl("switch", "personal")
        if limits("personal") != FRONT:
            check("in front at once", False, limits("personal"))
        pmosctl("switch", "secure")
    check("behind again after ten switches", until(lambda: limits("personal") == BEHIND, 20), limits("personal"))
    check("no writer is left", until(lambda: not run("pgrep", "-P", str(main_pid()), "-x", "pmosd").stdout, 20))


def memory():
    """What is above memory.high leaves it, and a switch does not wait for that."""
    ctl("switch", "personal")
    # Pages of its image are its own account's: they can be read again.
    check("it fills its memory", pmosctl("exec", "personal", "--", "sh", "-c",
                                         "find / -xdev -type f -exec cat {} + >/dev/null 2>&1; true").returncode == 0)
    before = int((directory("personal") / "memory.current").read_text())
    ctl("switch", "secure")
    after = until(lambda: (now := int((directory("personal") / "memory.current").read_text())) <= HIGH + (4 << 20)
                  and now, 30)
    note(f"memory: {before >> 20} MiB in front, {(after or 0) >> 20} MiB behind")
    check("what is above memory.high has left", bool(after), before)


def restart():
    before = main_pid()
    os.kill(before, signal.SIGKILL)
    another_pmosd(before)
    check("a new pmosd leaves it throttled", limits("personal") == BEHIND, limits("personal"))
    ctl("switch", "personal")
    check("and lets it go in front", limits("personal") == FRONT, limits("personal"))
    ctl("switch", "secure")
    ctl("lock", "secure")
    check("who is back in front is not throttled", until(lambda: limits("personal") == FRONT, 20)
          if status("personal")["foreground"] else limits("personal") == BEHIND, limits("personal"))
    told = json.loads(pmosctl("inspect", "personal").stdout)["plan"]["backgroundCgroup"]
    check("the plan says what it gets", {row["file"] for row in told} >= set(BEHIND), told)


setup()
switches()
memory()
restart()
