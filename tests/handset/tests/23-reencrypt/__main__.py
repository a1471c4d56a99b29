#!/usr/bin/env python3
# boot: own
# timeout: 1800
# turn: 3
"""Another volume key, by pmosctl on the phone: while the mode runs and while its volume is closed,
stopped and gone on with, cut short by a lock, a killed worker, a killed pmosd and the loss of
power. After each of it the data is the same. HANDSET_SOAK: all of it, and many moments; else what
takes little time."""

import json
import os
import pathlib
import re
import signal
import threading
import time

import kills
import world
from handset import PROFILES, check, ctl, let_suspend, note, pmosctl, replaced, run, start, status, until
from world import *


def while_it_runs():
    old, digests = f"{KEPT}/old-header", key_digests()
    ctl("volume", "backup", MODE, "data", old)
    done = reencrypt(pin=PIN + "x")
    check("a wrong PIN is refused and counted", done.returncode == WRONG
          and status(MODE)["failures"] == 1, (done.stderr, status(MODE)["failures"]))
    check("and nothing was written", key_digests() == digests and set(leftovers()) == OPEN,
          leftovers())
    pid, stop = status(MODE)["pid"], threading.Event()
    written = []

    def write_on():
        while not stop.is_set():
            n = len(written)
            written.append(inside(f"echo {n} >/data/new-{n} && sync /data/new-{n}").returncode)

    writer = threading.Thread(target=write_on)
    writer.start()
    before = time.monotonic()
    done = reencrypt()
    took = time.monotonic() - before
    stop.set()
    writer.join()
    check("a new key while the mode runs and writes", done.returncode == 0, (done.stderr, done.stdout))
    note(f"{8 * PIECES} MiB in {took:.1f} s, {len(written)} files written meanwhile")
    check("with its progress", len(re.findall("re-encrypting", done.stderr)) > 0, done.stderr)
    check("the mode has not noticed", status(MODE)["pid"] == pid and written and not any(written), written)
    check("the data is the same", same(), fingerprint())
    now = key_digests()
    check("the key is another one", len(now) == 1 and now[0] not in digests, (digests, now))
    head = header()
    check("one keyslot is left, with the mark of completeness, and the duress PIN's mark",
          len(head["keyslots"]) == 1 and {t["type"]: t["keyslots"] for t in head["tokens"].values()}
          == {"pmos": list(head["keyslots"]), "pmos-duress": []}, head["tokens"])
    check("the volume says nothing of it any more", info()["reencryption"] == "none", info())
    check("nothing is left of it", set(leftovers()) == OPEN, leftovers())
    ctl("lock", MODE)
    refused = ctl("volume", "restore", MODE, "data", old, "--yes", code=DENIED)
    check("a header from before is refused", "older than the volume's key" in refused.stderr,
          refused.stderr)
    open_it("after it")
    check("what was written meanwhile is there",
          inside("cat /data/new-*").stdout.split() and
          inside("ls /data | grep -c new-").stdout.strip() == str(len(written)))


def stopped_and_gone_on():
    digests = key_digests()
    process = begin_reencryption()
    check("it is at work", at_work(process, PIECES // 2), process.poll())
    check("info says so", info()["reencryption"] == "running", info()["reencryption"])
    busy = reencrypt()
    check("a second one meanwhile is refused", busy.returncode == BUSY, busy.stderr)
    process.send_signal(signal.SIGINT)
    process.communicate()
    check("Ctrl-C ends pmosctl", process.returncode in (INTERRUPTED, -signal.SIGINT), process.returncode)
    check("and the work", until(lambda: worker() is None))
    check("and nothing but the mapping is left", until(lambda: set(leftovers()) == OPEN, 10),
          leftovers())
    check("info says that it was interrupted", info()["reencryption"] == "interrupted", info())
    check("the mode runs on", status(MODE)["state"] == "running" and same())
    changed = pmosctl("volume", "passwd", MODE, pin=PIN, new_pin="another-pin")
    check("no new PIN meanwhile", changed.returncode == BUSY, changed.stderr)
    grown = pmosctl("volume", "resize", MODE, "data", "128MiB", pin=PIN)
    check("nor does it grow", grown.returncode == BUSY, grown.stderr)
    check("nor is its header backed up",
          pmosctl("volume", "backup", MODE, "data", f"{KEPT}/half").returncode == BUSY)
    ctl("lock", MODE)
    events = start("events", "--json")
    time.sleep(1)
    open_it("half of it has the new key")
    time.sleep(1)
    events.terminate()
    told = events.communicate()[0]
    check("an event says how to go on", "volume-reencrypt-interrupted" in told, told)
    done = reencrypt()
    check("it goes on", done.returncode == 0, done.stderr)
    check("the data is the same", same())
    check("the key is another one", not set(digests) & set(key_digests()), (digests, key_digests()))


def stopped_in_its_first_piece():
    """And gone on with: the short one of the one above."""
    digests, process = key_digests(), begin_reencryption()
    check("it is at work", at_work(process, 0), process.poll())
    process.send_signal(signal.SIGINT)
    process.communicate()
    check("Ctrl-C ends pmosctl", process.returncode in (INTERRUPTED, -signal.SIGINT), process.returncode)
    check("and the work", until(lambda: worker() is None))
    check("info says that it was interrupted", info()["reencryption"] == "interrupted", info())
    check("the mode runs on", status(MODE)["state"] == "running" and same())
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0 and info()["reencryption"] == "none", done.stderr)
    check("the data is the same, with another key", same() and not set(digests) & set(key_digests()))


def while_it_is_closed():
    process = begin_reencryption()
    check("it is at work", at_work(process, 1), process.poll())
    ctl("lock", MODE)
    process.communicate()
    check("lock ends it, and says so", process.returncode == CANCELLED, process.returncode)
    check("nothing is left in the kernel", leftovers() == [], leftovers())
    process = begin_reencryption()
    check("a closed volume is at work", at_work(process, 4), process.poll())
    open_it("unlock while it is re-encrypted closed")
    process.communicate()
    check("which ended that", process.returncode == CANCELLED, process.returncode)
    ctl("lock", MODE)
    done = reencrypt()
    check("closed, to its end", done.returncode == 0, done.stderr)
    check("nothing is left in the kernel", leftovers() == [], leftovers())
    open_it("after it")
    process = begin_reencryption()
    at_work(process, 1)
    ctl("restart", MODE)
    check("a mode that is started anew does not end it", process.poll() is None
          or process.returncode == 0, process.returncode)
    process.communicate()
    check("it ends by itself", process.returncode == 0, process.returncode)
    check("the data is the same", same())


def other_ways_in():
    ctl("lock", MODE)
    for path, content in ((f"{KEPT}/pin", PIN), (f"{KEPT}/other", "another way in")):
        pathlib.Path(path).write_text(content)
    run("cryptsetup", "luksAddKey", "--key-file", f"{KEPT}/pin", "--pbkdf", "pbkdf2",
        "--pbkdf-force-iterations", "1000", "--new-key-slot", "7", IMAGE, f"{KEPT}/other")
    run("cryptsetup", "token", "import", IMAGE,
        input='{"type":"systemd-recovery","keyslots":["7"]}')
    digests = key_digests()
    refused = reencrypt()
    check("a way in that could not follow refuses it, by name", refused.returncode == UNSUPPORTED
          and "keyslot 7 (systemd-recovery)" in refused.stderr, refused.stderr)
    check("nothing was written", key_digests() == digests and len(header()["keyslots"]) == 2)
    run("cryptsetup", "luksKillSlot", "--batch-mode", "--key-file", f"{KEPT}/pin", IMAGE, "7")
    open_it("after it")


def with_integrity():
    ctl("lock", MODE)
    os.rename(IMAGE, f"{KEPT}/whole")
    with open(IMAGE, "wb") as image:
        image.truncate(64 << 20)
    os.chmod(IMAGE, 0o600)
    made = run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--integrity",
               "hmac-sha256", "--integrity-no-wipe", "--pbkdf", "pbkdf2",
               "--pbkdf-force-iterations", "1000", "--key-file", f"{KEPT}/pin", IMAGE)
    run("cryptsetup", "token", "import", IMAGE, input=json.dumps(
        {"type": "pmos", "keyslots": ["0"], "complete": True, "mode": MODE, "volume": "data"}))
    refused = reencrypt()
    check("a volume with integrity is refused by that name", made.returncode == 0
          and refused.returncode == UNSUPPORTED and "with integrity cannot be re-encrypted" in refused.stderr,
          (made.stderr, refused.stderr))
    os.replace(f"{KEPT}/whole", IMAGE)
    open_it("after it")


def lock_that_suspends():
    let_suspend()
    path = PROFILES / f"{MODE}.json"
    path.write_text(replaced(path.read_text(), '"onLock": "evict"', '"onLock": "suspend"'))
    ctl("lock", MODE)
    ctl("reload")
    open_it("by a profile that suspends")
    process = begin_reencryption()
    check("it is at work", at_work(process, 1), process.poll())
    ctl("lock", MODE)
    process.communicate()
    check("lock ends it", process.returncode == CANCELLED, process.returncode)
    check("with two keys it cannot be suspended, and is evicted", not leftovers() and
          status(MODE)["locked"] and not status(MODE)["suspended"], (leftovers(), status(MODE)))
    open_it("after it")
    check("it goes on", reencrypt().returncode == 0)
    ctl("lock", MODE)
    check("with one key it is suspended again", status(MODE)["suspended"], status(MODE))
    refused = reencrypt()
    check("a suspended one is refused", refused.returncode == LOCKED, refused.stderr)
    open_it("resumed")
    ctl("lock", "--evict", MODE)
    open_it("after it")


QUICK = (while_it_runs, stopped_in_its_first_piece, *kills.QUICK, other_ways_in, with_integrity)
LONG = (stopped_and_gone_on, while_it_is_closed, *kills.LONG, lock_that_suspends)
world.begin()
for part in QUICK + LONG if world.SOAK else QUICK:
    part()
world.end()
