"""Killed workers and daemons, and the loss of power, at moments of all kinds."""

import contextlib
import glob
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

from world import *

MOMENTS = 12 if os.environ.get("HANDSET_SOAK") else 2
random.seed(seed := os.urandom(4).hex())
print(f"  ..    seed {seed}")


def killed(what, kill, closed=False):
    digests = key_digests()
    for moment in range(MOMENTS):
        label = f"{what} at moment {moment}"
        if closed:
            ctl("lock", MODE)
        process = start("volume", "reencrypt", MODE)
        at_work(process, pieces() + random.randrange(1, 4))
        time.sleep(random.random() * 0.2)
        pid = worker()
        if pid is None:
            process.communicate()
            print(f"  ..    {label}: it had ended before")
            if closed:
                open_it(label)
            continue
        reader = None if closed else subprocess.Popen(
            ["pmosctl", "exec", MODE, "--", "sh", "-c",
             "while :; do cat /data/big; echo >/data/more; sync; done"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill(pid)
        process.communicate()
        check(f"{label}: pmosctl is told", process.returncode != 0, process.returncode)
        check(f"{label}: nothing is left in the kernel", until(lambda: set(leftovers()) <= OPEN, 60),
              leftovers())
        if not until(lambda: status()["locked"], 5):
            print(f"  ..    {label}: before the first piece, or behind the last")
            check(f"{label}: the mode runs on", same())
        ctl("lock", MODE)
        if reader:
            reader.wait(60)
        check(f"{label}: info says that it was interrupted",
              info().get("reencryption") in ("interrupted", "none"), info())
        open_it(label)
    done = reencrypt()
    check(f"{what}: it goes on to its end", done.returncode == 0, done.err)
    check(f"{what}: the data is the same, with another key", same()
          and not set(digests) & set(key_digests()))


def suspended():
    found = []
    for path in glob.glob("/sys/block/dm-*/dm"):
        try:
            name = pathlib.Path(path, "name").read_text().strip()
            if pathlib.Path(path, "suspended").read_text().strip() == "1":
                found.append(name.removeprefix("pmos-secure-data-"))
        except OSError:
            pass
    return sorted(found)


def kill_worker(pid):
    os.kill(pid, signal.SIGKILL)
    print(f"  ..    it leaves suspended: {' '.join(suspended()) or 'nothing'}")


def kill_when(*wanted, sure=True):
    """Stopped first: then it is certain what stands still."""
    def kill(pid):
        end = time.monotonic() + (60 if sure else 10)
        while time.monotonic() < end:
            if suspended() != list(wanted):
                continue
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                break
            time.sleep(0.05)
            if suspended() == list(wanted):
                print(f"  ..    it leaves suspended: {' '.join(wanted)}")
                return os.kill(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGCONT)
        if sure:
            check(f"killed while {wanted} stands still", False)
        else:
            print(f"  ..    {' '.join(wanted)} were not seen to stand still")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return kill


def main_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmosd").stdout)


def kill_both(pid):
    old = main_pid()
    os.kill(old, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    os.kill(old, signal.SIGKILL)
    until(lambda: main_pid() not in (0, old) and run("pmosctl", "status").returncode == 0)


def killed_and_gone_on():
    ctl("lock", MODE)
    process = start("volume", "reencrypt", MODE)
    at_work(process, pieces() + 2)
    os.kill(worker(), signal.SIGKILL)
    process.communicate()
    done = reencrypt()
    check("killed while it is closed, it goes on without an opening", done.returncode == 0, done.err)
    open_it("after it")


def daemon_killed():
    """The worker ends by itself, at the end of a piece, and the mode runs on with another pmosd."""
    process, pid, old = start("volume", "reencrypt", MODE), status()["pid"], main_pid()
    check("it is at work", at_work(process, 1), process.poll())
    os.kill(old, signal.SIGKILL)
    process.communicate()
    until(lambda: main_pid() not in (0, old) and run("pmosctl", "status").returncode == 0)
    check("the worker ends without its pmosd", until(lambda: worker() is None))
    check("with nothing left but the mapping", until(lambda: set(leftovers()) == OPEN), leftovers())
    time.sleep(2)
    check("the mode runs on", status()["pid"] == pid and same(), status())
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0, done.err)
    check("the data is the same", same())


def left_behind():
    """What reads and writes by the two keys where OpenSSL does not know the cipher, of a dead worker
    and of one that lives."""
    for maker, opened in ((4194303, True), (os.getpid(), False)):
        ctl("lock", MODE)
        loop = run("losetup", "--find", "--show", IMAGE).stdout.strip()
        name = f"temporary-cryptsetup-{maker}-0"
        run("dmsetup", "create", name, "--table", f"0 8 linear {loop} 0")
        run("losetup", "--detach", loop)
        check("such a device is there", name in leftovers(), leftovers())
        done = asked("unlock", MODE)
        check("a dead one's is removed" if opened else "a living one's is not",
              (done.returncode == 0, name in leftovers()) == (opened, not opened),
              (done.err, leftovers()))
        if not opened:
            check("and refuses the opening by name", name in done.err, done.err)
            run("dmsetup", "remove", name)
    open_it("after it")


def power_lost():
    """A worker that stands still, and the storage as it is then, is what a power cut leaves."""
    copies = []
    process = start("volume", "reencrypt", MODE)
    at_work(process, 1)
    while process.poll() is None and len(copies) <= MOMENTS:
        if (pid := worker()) is None:
            break
        os.kill(pid, signal.SIGSTOP)
        copies.append(f"{KEPT}/cut-{len(copies)}")
        shutil.copyfile(IMAGE, copies[-1])
        os.kill(pid, signal.SIGCONT)
        time.sleep(1 + random.random() * 3)
    process.communicate()
    check("it ended well", process.returncode == 0, process.returncode)
    check("the power went while it was at work", len(copies) >= 2, copies)
    states = []
    for copy in copies:
        ctl("lock", MODE)
        os.replace(copy, IMAGE)
        os.chmod(IMAGE, 0o600)
        states.append(pieces())
        open_it(f"power lost at piece {states[-1]}")
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0, done.err)
    check("the data is the same", same())
    print(f"  ..    {len(copies)} cuts, at pieces {states} of 10")


PARTS = (lambda: killed("worker killed", kill_worker),
         lambda: killed("killed while a piece is written", kill_when("hotzone-forward")),
         # Moments of milliseconds: tried for, not sure to be met.
         lambda: killed("killed while tables change",
                        kill_when("hotzone-forward", "overlay", sure=False)),
         lambda: killed("worker killed, closed", kill_worker, closed=True),
         lambda: killed("worker and pmosd killed", kill_both),
         killed_and_gone_on, daemon_killed, left_behind, power_lost)
