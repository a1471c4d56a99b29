#!/usr/bin/env python3
# kdf: shipped
# timeout: 600
# turn: 2
"""Wrong PINs of a mode on the phone: counted before they are judged, a delay that refuses the right
one too, a killed worker, a full and a read-only storage, a damaged record, an earlier boot. PINs
are random."""

import ctypes
import glob
import hashlib
import json
import os
import secrets
import signal
import subprocess
import time

from handset import check, no_volume, note, pmosctl, run, start, status, until

RECORD = "/var/lib/pmos/attempts/secure"
REPEATS = "/run/pmos/attempts/secure"
WRONG, THROTTLED = 8, 19


def unlock(pin):
    return pmosctl("unlock", "secure", "--no-start", pin=pin)


def lock():
    return pmosctl("lock", "secure")


def attempts():
    row = status("secure")
    return row["failures"], row["retryAfter"], row["locked"]


def text_of(count, at, boot, writes):
    text = f"pmos-attempts 1\nwrites {writes}\nfailures {count}\nat {at}\nboot {boot}\n"
    text += f"sum {hashlib.sha256(text.encode()).hexdigest()}\n"
    return text.ljust(512, "\n")


def put(text):
    for copy in "ab":
        with open(f"{RECORD}/{copy}", "w") as stream:
            stream.write(text)


def boot_clock():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id():
    return open("/proc/sys/kernel/random/boot_id").read().strip()


def looks_at_the_record(of):
    """How often the record was opened while of() ran: IN_OPEN and IN_CLOSE_NOWRITE, for the kernel
    makes one of two events that are alike."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    if watch < 0 or libc.inotify_add_watch(watch, f"{RECORD}/a".encode(), 0x30) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    of()
    try:
        seen = len(os.read(watch, 4096)) // 32
    except BlockingIOError:
        seen = 0
    os.close(watch)
    return seen


def wrong():
    """A PIN that nobody has tried."""
    return secrets.token_hex(6)


def counting(pin):
    check("a new volume begins at none", attempts() == (0, 0, True), attempts())
    check("count and delay come of one look", looks_at_the_record(attempts) == 1)
    slip = wrong()
    for n in range(1, 5):
        done = unlock(slip if n == 1 else wrong())
        check(f"wrong PIN {n} is refused and counted, without delay",
              done.returncode == WRONG and attempts() == (n, 0, True), (done.stderr, attempts()))
    again = unlock(slip)
    check("one that was wrong before is refused and not counted",
          again.returncode == WRONG and "not counted" in again.stderr and attempts()[0] == 4,
          (again.stderr, attempts()))
    short = unlock("123")
    check("one that is too short as well", short.returncode == WRONG and attempts()[0] == 4, short.stderr)
    kept = open(REPEATS, "rb").read()
    check("what tells a repeat holds no PIN", slip.encode() not in kept and len(kept) == 32 + 4 * 36)
    check("and is root's alone", os.stat(REPEATS).st_mode & 0o777 == 0o600
          and os.stat(f"{RECORD}/a").st_mode & 0o777 == 0o600)


def killed(pin):
    """The fifth: the worker dies between the writing of the count and the judgement."""
    process = start("unlock", "secure", "--no-start", pin=pin)
    end = time.monotonic() + 60
    worker = None
    while time.monotonic() < end and (worker is None or status_of_file() != 5):
        worker = worker or next(iter(run("pgrep", "-x", "pmos-volume").stdout.split()), None)
    check("the count is written while the worker is at work", worker and status_of_file() == 5)
    os.kill(int(worker), signal.SIGKILL)
    process.communicate()
    check("a worker that is killed then has answered nothing", process.returncode not in (0, WRONG),
          process.returncode)
    count, wait, locked = attempts()
    check("it was the right PIN, and counts as a failure", count == 5 and 0 < wait <= 60 and locked,
          attempts())


def status_of_file():
    lines = open(f"{RECORD}/a").read().split("\n")
    return int(lines[2].split()[1]) if len(lines) > 2 and lines[2].startswith("failures ") else None


def delayed(pin):
    events = start("events", "--json")
    time.sleep(2)
    before = boot_clock()
    done = unlock(pin)
    took = boot_clock() - before
    check("while a delay runs the right PIN is refused by a code of its own",
          done.returncode == THROTTLED, (done.returncode, done.stderr))
    check("and says for how long", "too many wrong PINs: 5 in a row; this one" in done.stderr
          and "hint: try again in" in done.stderr and " s" in done.stderr, done.stderr)
    note(f"a refusal took {took:.2f} s")
    check("nothing was opened and nothing counted", attempts()[0] == 5 and attempts()[2])
    shown = json.loads(pmosctl("inspect", "secure").stdout)
    check("inspect shows it", shown["failures"] == 5 and 0 < shown["retryAfter"] <= 60
          and shown["attemptsDamaged"] is False, {k: v for k, v in shown.items() if k != "plan"})
    table = pmosctl("status", "secure").stdout
    check("so does the table of status", "5 wrong, wait" in table, table)
    time.sleep(1)
    events.terminate()
    told = events.communicate()[0]
    check("an event tells it", '"throttled"' in told, told)
    left = attempts()[1]
    for days in (400, -400):
        wall = time.time()
        time.clock_settime(time.CLOCK_REALTIME, wall + 86400 * days)
        refused, then = unlock(pin), attempts()[1]
        time.clock_settime(time.CLOCK_REALTIME, time.time() - 86400 * days)
        check(f"a wall clock set by {days} days changes nothing", refused.returncode == THROTTLED
              and left - 20 < then <= left, (refused.stderr, left, then))
    while (left := attempts()[1]) > 0:
        time.sleep(min(left, 5))
    check("a delay ends after as long as it said", 60 <= boot_clock() - float(since()) < 75)
    done = unlock(pin)
    check("then the right PIN opens, and clears the count", done.returncode == 0
          and attempts() == (0, 0, False), (done.stderr, attempts()))
    check("what told repeats is gone", not os.path.exists(REPEATS))
    lock()


def since():
    return int(open(f"{RECORD}/a").read().split("\n")[3].split()[1]) / 1e6


def earlier_boot(pin):
    """What a reboot leaves: a record with another boot's id. Failure 9 is a delay of 90 min."""
    put(text_of(9, 10**12, secrets.token_hex(16), 100))
    done, wait = unlock(pin), attempts()[1]
    check("a delay of an earlier boot began again with this one", done.returncode == THROTTLED
          and abs(wait - (5400 - boot_clock())) < 5, (wait, boot_clock(), done.stderr))
    put(text_of(9, int((boot_clock() - 5401) * 1e6), boot_id(), 102))
    check("the same record reads as over when its 90 min were in this boot", attempts()[1] == 0, attempts())
    put(text_of(20, 0, boot_id(), 104))
    done = unlock(pin)
    check("after the twentieth none is judged", done.returncode == THROTTLED and "ever" in done.stderr
          and attempts()[1] is None, (done.stderr, attempts()))


def damaged(pin):
    put(text_of(2, 0, boot_id(), 200))
    with open(f"{RECORD}/a", "r+b") as stream:
        stream.write(b"\0" * 256)
    check("one damaged copy loses nothing", attempts()[0] == 2, attempts())
    check("and is told", json.loads(pmosctl("inspect", "secure").stdout)["attemptsDamaged"] is True)
    done = unlock(wrong())
    check("and is mended by the next attempt", done.returncode == WRONG and status_of_file() == 3, done.stderr)
    put("x" * 512)
    done = unlock(pin)
    check("two damaged copies are the longest delay", done.returncode == THROTTLED
          and "cannot be read" in done.stderr and attempts()[1] > 8 * 365 * 86400, (done.stderr, attempts()))
    for copy in "ab":
        os.unlink(f"{RECORD}/{copy}")
    done = unlock(pin)
    check("without the files, which root may remove, the count begins anew", done.returncode == 0, done.stderr)
    lock()


def fill(name):
    with open(f"{RECORD}/{name}", "wb", buffering=0) as stream:
        try:
            while stream.write(b"x" * 4096):
                pass
        except OSError:
            pass


def storage(pin):
    """A tiny tmpfs in place of the directory: full, then read-only."""
    os.makedirs(RECORD, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "none", RECORD)
    try:
        check("a wrong PIN is counted there", unlock(wrong()).returncode == WRONG and attempts()[0] == 1)
        fill("filler")
        check("a full storage counts on", unlock(wrong()).returncode == WRONG and attempts()[0] == 2, attempts())
        for copy in "ab":
            os.unlink(f"{RECORD}/{copy}")
        fill("filler2")
        done = unlock(pin)
        check("where no record can be made the right PIN is not tried", done.returncode not in (0, WRONG)
              and "not tried" in done.stderr and attempts()[2], done.stderr)
        for name in glob.glob(f"{RECORD}/filler*"):
            os.unlink(name)
        check("with space it is counted again", unlock(wrong()).returncode == WRONG)
        run("mount", "-o", "remount,ro", RECORD)
        done = unlock(pin)
        check("on a read-only storage the right PIN is not tried", done.returncode not in (0, WRONG)
              and "not tried" in done.stderr and attempts()[2], done.stderr)
    finally:
        run("umount", RECORD)


def one_copy(pin):
    """A copy that can be neither written, replaced nor removed, for root either."""
    shown = lambda: json.loads(pmosctl("inspect", "secure").stdout)
    put(text_of(0, 0, boot_id(), 300))
    os.unlink(f"{RECORD}/b")
    os.makedirs(f"{RECORD}/b/stuck")
    check("a wrong PIN is counted in the other copy", unlock(wrong()).returncode == WRONG
          and attempts()[0] == 1 and shown()["attemptsDamaged"] is True, attempts())
    done = unlock(pin)
    check("the right one opens", done.returncode == 0 and attempts()[0] == 0, done.stderr)
    log = run("journalctl", "-u", "pmosd", "-o", "cat", "-n", "50").stdout
    check("the journal says which copy", "one copy only" in log and f"{RECORD}/b" in log, log[-600:])
    lock()
    os.rmdir(f"{RECORD}/b/stuck")
    os.rmdir(f"{RECORD}/b")
    check("then it is made again", unlock(wrong()).returncode == WRONG
          and shown()["attemptsDamaged"] is False, attempts())
    check("the count is cleared", unlock(pin).returncode == 0)
    lock()


def two_at_once(pin):
    holder = subprocess.Popen(["flock", RECORD, "sleep", "3"])
    time.sleep(0.5)
    done = unlock(pin)
    check("a record that another holds: busy, nothing tried", done.returncode == 9 and attempts()[2], done.stderr)
    holder.wait()
    first, second = (start("unlock", "secure", "--no-start", pin=wrong()) for _ in "ab")
    first.communicate(), second.communicate()
    check("two wrong ones at once are two", first.returncode == second.returncode == WRONG
          and attempts()[0] == 2, (first.returncode, second.returncode, attempts()))
    first, second = (start("unlock", "secure", "--no-start", pin=pin) for _ in "ab")
    told = first.communicate(), second.communicate()
    check("two right ones at once open it, and clear the count", first.returncode == second.returncode == 0
          and attempts() == (0, 0, False), (first.returncode, second.returncode, told, attempts()))
    check("once", until(lambda: run("pgrep", "-x", "pmos-volume").returncode == 1, 10)
          and run("dmsetup", "ls").stdout.count("pmos-secure-data") == 1, run("dmsetup", "ls").stdout)
    lock()


def main():
    pin = wrong()
    no_volume("secure")
    short = pmosctl("provision", "secure", pin="123")
    check("a PIN of three is not taken for a new volume", short.returncode == 2
          and not glob.glob("/var/lib/pmos/volumes/secure-*"), short.stderr)
    made = pmosctl("provision", "secure", pin=pin)
    if check("the volume is made", made.returncode == 0, made.stderr):
        for test in (counting, killed, delayed, earlier_boot, damaged, storage, one_copy, two_at_once):
            note(test.__name__)
            test(pin)
        personal = status("personal")
        check("a mode with a device key has nothing to count", personal["failures"] == 0
              and personal["retryAfter"] == 0 and not os.path.exists("/var/lib/pmos/attempts/personal"))
        check("the right PIN clears it all", unlock(pin).returncode == 0 and attempts()[0] == 0)
        lock()


main()
