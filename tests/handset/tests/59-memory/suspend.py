"""Lock by suspension: the keys are gone, the mode's processes stand still and go on later."""

import json
import os
import pathlib
import signal
import subprocess
import time

from handset import PROFILES, check, ctl, let_suspend, replaced, run, status, until
from world import (MODE, absent, gone, joined, kill_daemon, kill_worker, memory, new_secret, opened, present,
                   unlock, with_secret)

DM = f"/dev/mapper/pmos-{MODE}-data"
SYNC = pathlib.Path("/sys/power/sync_on_suspend")
LOCKED = 7  # pmosctl's exit code


def allow():
    """The shipped policy forbids it, and its profile evicts: another policy, for this phone."""
    path = PROFILES / f"{MODE}.json"
    path.write_text(replaced(path.read_text(), '"onLock": "evict"', '"onLock": "suspend"'))
    let_suspend()
    ctl("reload")
    plan = json.loads(ctl("inspect", MODE).stdout)["plan"]
    check("the policy is in force", plan["session"]["onLock"] == "suspend", plan["session"])


def suspended(when):
    state = status(MODE)
    check(f"{when}: locked, suspended, frozen and not in front",
          (state["locked"], state["suspended"], state["state"], state["foreground"]) ==
          (True, True, "frozen", False), state)


def quick(*command, seconds=30):
    try:
        return run(*command, seconds=seconds).returncode
    except subprocess.TimeoutExpired:
        return f"no end within {seconds} s"


def writer():
    """A process of the mode that writes and syncs all the time, each number after the one before."""
    program = ("import os\nn=0\nwhile True:\n n+=1\n f=open('/data/new','w'); f.write(str(n)); "
               "f.flush(); os.fsync(f.fileno()); os.rename('/data/new','/data/number')\n")
    return subprocess.Popen(["pmosctl", "exec", MODE, "--", "python3", "-c", program],
                            stdin=subprocess.DEVNULL)


def number():
    out = ctl("exec", MODE, "--", "cat", "/data/number").stdout
    return int(out or 0)


def volume_verbs_refused():
    """What works on a volume or its header waits for the key; who only looks does not."""
    copy = pathlib.Path("/run/header-of-a-suspended-one")
    new_secret("a new PIN", "text")
    ctl("volume", "wipe-free", MODE, code=LOCKED)
    ctl("volume", "backup", MODE, "data", str(copy), code=LOCKED)
    check("no backup is left", not copy.exists())
    with_secret("the PIN", "pmosctl", "volume", "resize", MODE, "data", "128MiB", "--pin-fd", "0",
                code=LOCKED)
    with joined("the PIN") as old, joined("a new PIN") as new:
        fds = [p.stdout.fileno() for p in (old, new)]
        done = run("pmosctl", "volume", "passwd", MODE, "--pin-fd", str(fds[0]), "--new-pin-fd",
                   str(fds[1]), pass_fds=fds)
    check("no new PIN for a suspended volume",
          done.returncode == LOCKED and "is suspended" in done.stderr, done)
    check("but it is told of", "suspended" in ctl("volume", "info", MODE).stdout and
          "suspended" in ctl("volume", "list", MODE).stdout)


def suspend_and_resume():
    before = SYNC.read_text().strip() if SYNC.exists() else None
    unlock()
    ctl("start", MODE)
    ctl("switch", MODE)
    inside, busy = opened("open"), writer()
    time.sleep(1)
    pid = status(MODE)["pid"]
    reached = number()
    check("a process writes", reached > 0)
    ctl("lock", MODE)
    suspended("suspended")
    hits = memory()
    absent("suspended", hits, "the key", "the PIN", "the file's canary")
    # What the documentation says stays: the memory of its processes.
    present("suspended", hits, "the canary", "plain")
    check("its init is the same", status(MODE)["pid"] == pid)
    if before is not None:
        check("the phone sleeps without a sync", SYNC.read_text().strip() == "0")
    check("a sync of all file systems ends", quick("sync") == 0)
    for words in (("start", MODE), ("switch", MODE)):
        ctl(*words, code=LOCKED)
    check("nothing enters it", quick("pmosctl", "exec", MODE, "--", "true") not in (0, 1))
    volume_verbs_refused()
    suspended("after all that was refused")
    ctl("lock", MODE)
    suspended("locked twice")
    new_secret("a second wrong PIN", "text")
    unlock("a second wrong PIN", code=8)
    suspended("after a wrong PIN")
    check("the wrong PIN was counted", status(MODE)["failures"] == 1, status(MODE))
    absent("suspended, a wrong PIN tried", memory(), "the key", "a second wrong PIN")
    unlock()
    state = status(MODE)
    check("it goes on", (state["locked"], state["suspended"], state["state"], state["pid"]) ==
          (False, False, "running", pid), state)
    time.sleep(1)
    check("and writes on", number() > reached, (number(), reached))
    check("its processes are there", inside.poll() is None and busy.poll() is None)
    if before is not None:
        check("the phone syncs again when it sleeps", SYNC.read_text().strip() == before)
    return inside, busy


def evicted_later():
    inside, busy = suspend_and_resume()
    ctl("lock", MODE)
    suspended("once more")
    ctl("lock", "--evict", MODE)
    busy.wait(30)
    gone("evicted after it was suspended", inside)
    unlock()
    ctl("start", MODE)
    check("what was written is there", number() > 0)
    ctl("lock", MODE)
    suspended("to be stopped")
    ctl("stop", MODE)
    gone("stopped while it was suspended")


def daemon_killed_meanwhile():
    unlock()
    ctl("start", MODE)
    inside = opened("open for a pmosd that is killed")
    ctl("lock", MODE)
    kill_daemon()
    suspended("adopted by the next pmosd")
    unlock()
    check("the next pmosd lets it go on", status(MODE)["state"] == "running", status(MODE))
    inside.wait(20)  # its session went with the pmosd that began it
    inside.stdout.close()


def half_done():
    """What a worker leaves that is killed between the two halves of a suspension."""
    daemon_killed_meanwhile()
    ctl("switch", MODE)
    ctl("switch", "--none")
    check("dmsetup suspends", quick("dmsetup", "suspend", f"pmos-{MODE}-data") == 0)
    present("suspended by another", memory(), "the key", "data schedule")
    ctl("lock", MODE)
    suspended("finished")
    absent("finished", memory(), "the key", "the PIN")
    unlock()
    ctl("switch", MODE)
    check("it goes on", status(MODE)["state"] == "running", status(MODE))
    for delay in (0.02, 0.1, 0.3, 0.6, 1.0):
        lock = subprocess.Popen(["pmosctl", "lock", MODE], stderr=subprocess.DEVNULL)
        time.sleep(delay)
        kill_worker()
        lock.wait(60)
        state = status(MODE)
        check(f"a worker killed after {delay} s: locked all the same", state["locked"], state)
        unlock()
        ctl("start", MODE)
    ctl("lock", MODE)
    ctl("lock", "--evict", MODE)
    ctl("switch", "personal")
    gone("at last")


def killed_while_suspended():
    unlock()
    ctl("start", MODE)
    ctl("lock", MODE)
    suspended("to be killed")
    os.kill(status(MODE)["pid"], signal.SIGKILL)
    until(lambda: not os.path.exists(DM), 10)
    state = status(MODE)
    check("its volume is closed when it dies", not os.path.exists(DM) and state["locked"] and
          not state["suspended"], state)
    unlock()
    ctl("lock", "--evict", MODE)


PARTS = (allow, evicted_later, half_done, killed_while_suspended)
