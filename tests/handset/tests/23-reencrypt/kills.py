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

from handset import another_pmosd, check, ctl, main_pid, note, pmosctl, run, status, until
from world import *

MOMENTS = 12 if SOAK else 1
LATE = "late"  # killed, but maybe when all was done
random.seed(seed := os.urandom(4).hex())
note(f"seed {seed}")


def begun(closed):
    """pmosctl and its worker, at a moment by chance in which it is at work."""
    for _ in range(10):
        if closed:
            ctl("lock", MODE)
        process = begin_reencryption()
        at_work(process, pieces() + random.randrange(1, PIECES))
        time.sleep(random.random() * 0.2)
        if (pid := worker()) is not None:
            return process, pid
        process.communicate()
    raise RuntimeError("it was never met at work")


def killed(what, kill, closed=False):
    digests = key_digests()
    for moment in range(MOMENTS):
        label = f"{what} at moment {moment}"
        process, pid = begun(closed)
        reader = None if closed else subprocess.Popen(
            ["pmosctl", "exec", MODE, "--", "sh", "-c",
             "while :; do cat /data/big; echo >/data/more; sync; done"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        late = kill(pid) == LATE
        process.communicate()
        check(f"{label}: pmosctl is told", process.returncode != 0
              or late and info()["reencryption"] == "none", process.returncode)
        check(f"{label}: nothing is left in the kernel", until(lambda: set(leftovers()) <= OPEN, 60),
              leftovers())
        if not until(lambda: status(MODE)["locked"], 5):
            note(f"{label}: before the first piece, or behind the last")
            check(f"{label}: the mode runs on", same())
        ctl("lock", MODE)
        if reader:
            reader.wait(60)
        check(f"{label}: info says that it was interrupted",
              info().get("reencryption") in ("interrupted", "none"), info())
        open_it(label)
    done = reencrypt()
    check(f"{what}: it goes on to its end", done.returncode == 0, done.stderr)
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
    note(f"it leaves suspended: {' '.join(suspended()) or 'nothing'}")


def kill_when(*wanted, sure=True):
    """Stopped first: then it is certain what stands still."""
    def kill(pid):
        end = time.monotonic() + (60 if sure else 10)
        while time.monotonic() < end and os.path.exists(f"/proc/{pid}"):
            if suspended() != list(wanted):
                continue
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                break
            time.sleep(0.05)
            if suspended() == list(wanted):
                note(f"it leaves suspended: {' '.join(wanted)}")
                return os.kill(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGCONT)
        if sure:
            check(f"killed while {wanted} stands still", False)
        else:
            note(f"{' '.join(wanted)} were not seen to stand still")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return LATE
    return kill


def kill_both(pid):
    old = main_pid()
    os.kill(old, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)


def killed_and_gone_on():
    ctl("lock", MODE)
    process = begin_reencryption()
    at_work(process, pieces() + 2)
    os.kill(worker(), signal.SIGKILL)
    process.communicate()
    done = reencrypt()
    check("killed while it is closed, it goes on without an opening", done.returncode == 0, done.stderr)
    open_it("after it")


def daemon_killed():
    """The worker ends by itself, at the end of a piece, and the mode runs on with another pmosd."""
    process, pid, old = begin_reencryption(), status(MODE)["pid"], main_pid()
    check("it is at work", at_work(process, 1), process.poll())
    os.kill(old, signal.SIGKILL)
    process.communicate()
    another_pmosd(old)
    check("the worker ends without its pmosd", until(lambda: worker() is None))
    check("with nothing left but the mapping", until(lambda: set(leftovers()) == OPEN), leftovers())
    time.sleep(2)
    check("the mode runs on", status(MODE)["pid"] == pid and same(), status(MODE))
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0, done.stderr)
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
        done = pmosctl("unlock", MODE, pin=PIN)
        check("a dead one's is removed" if opened else "a living one's is not",
              (done.returncode == 0, name in leftovers()) == (opened, not opened),
              (done.stderr, leftovers()))
        if not opened:
            check("and refuses the opening by name", name in done.stderr, done.stderr)
            run("dmsetup", "remove", name)
    open_it("after it")


class Cut:
    """The storage as it is while the worker stands still: what a power cut leaves."""

    count = 0

    def __init__(self, pid):
        self.image = f"{KEPT}/cut-{Cut.count}"
        self.header = None
        Cut.count += 1
        os.kill(pid, signal.SIGSTOP)
        shutil.copyfile(IMAGE, self.image)
        if os.path.exists(KEPT_HEADER):
            self.header = f"{self.image}.header"
            shutil.copyfile(KEPT_HEADER, self.header)
        os.kill(pid, signal.SIGCONT)

    def bring_back(self):
        ctl("lock", MODE)
        os.replace(self.image, IMAGE)
        os.chmod(IMAGE, 0o600)
        if self.header:
            os.makedirs(os.path.dirname(KEPT_HEADER), exist_ok=True)
            os.replace(self.header, KEPT_HEADER)


def power_lost():
    cuts = []
    process = begin_reencryption()
    at_work(process, 1)
    while process.poll() is None and len(cuts) <= MOMENTS:
        if (pid := worker()) is None:
            break
        cuts.append(Cut(pid))
        time.sleep(1 + random.random() * 3)
    process.communicate()
    check("it ended well", process.returncode == 0, process.returncode)
    check("the power went while it was at work", len(cuts) >= 2, cuts)
    states = []
    for cut in cuts:
        cut.bring_back()
        states.append(pieces())
        open_it(f"power lost at piece {states[-1]}")
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0, done.stderr)
    check("the data is the same", same())
    note(f"{len(cuts)} cuts, at pieces {states} of {PIECES}")


def power_lost_at_the_end():
    """When all is written and the header does not say so yet, libcryptsetup would begin anew, and
    read by the old key what has the new one."""
    cuts = []
    process = begin_reencryption()
    while process.poll() is None and len(cuts) < 6:
        if all_written() and (pid := worker()) is not None:
            cuts.append(Cut(pid))
        time.sleep(0.002)
    process.communicate()
    check("it ended well", process.returncode == 0, process.returncode)
    for number, cut in enumerate(cuts):
        cut.bring_back()
        open_it(f"power lost at the end, {number}")
        check("it is at its end", info()["reencryption"] == "none", info()["reencryption"])
        check("and no header is left beside it", not os.path.exists(KEPT_HEADER))
    done = reencrypt()
    check("another one comes to its end", done.returncode == 0, done.stderr)
    ctl("lock", MODE)
    open_it("after it")
    note(f"{len(cuts)} cuts")


def killed_at_the_end():
    """The same by a kill, of a closed volume: moments of milliseconds, tried for."""
    met = 0
    for moment in range(MOMENTS):
        ctl("lock", MODE)
        process = begin_reencryption()
        while process.poll() is None:
            if not all_written() or (pid := worker()) is None:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            break
        process.communicate()
        met += all_written()
        done = reencrypt()
        check(f"killed at the end {moment}: it goes on", done.returncode == 0, done.stderr)
        check("it is at its end", info()["reencryption"] == "none", info()["reencryption"])
        open_it("after it")
    check(f"{met} of {MOMENTS} kills met it before the header said so", met or not SOAK)


def worker_killed():
    killed("worker killed", kill_worker)


def killed_in_a_piece():
    killed("killed while a piece is written", kill_when("hotzone-forward"))


def killed_between_tables():
    # Moments of milliseconds: tried for, not sure to be met.
    killed("killed while tables change", kill_when("hotzone-forward", "overlay", sure=False))


def closed_killed():
    killed("worker killed, closed", kill_worker, closed=True)


def both_killed():
    killed("worker and pmosd killed", kill_both)


QUICK = (killed_in_a_piece, closed_killed, killed_at_the_end)
LONG = (worker_killed, killed_between_tables, both_killed, killed_and_gone_on, daemon_killed,
        left_behind, power_lost, power_lost_at_the_end)
