"""What begins and ends on a storage that fails: the making of a volume, the duress PIN, an erasure,
the lock of a mode that runs."""

import os
import secrets
import subprocess
import time

from faulty import *
from handset import PROFILES, check, ctl, let_suspend, note, pmosctl, replaced, run, status
from worker import *


def provisioning(storage):
    """What was there is destroyed for it."""
    for kind in storage.kinds():
        for _ in range(MOMENTS):
            subprocess.run(["wipefs", "-qa", STORAGE], check=True)
            os.sync()
            work = about(PROVISION, pin=PIN)
            time.sleep(moment := dice.uniform(0, 2))
            storage.turn(kind)
            answer = work.finish()
            label = f"made, {kind} fails after {moment * 1000:.0f} ms"
            check(f"{label}: done or an error with its reason",
                  answer.code == "done" or (answer.code != "gone" and answer.what), answer)
            note(f"{answer if answer.code != 'done' else 'done before'}")
            did(CLOSE)
            clean(label)
            storage.turn("whole")
            status = did(STATUS)
            if answer.code == "done":
                check(f"{label}: it is whole", status.provisioned, status)
            else:
                check(f"{label}: not taken for a whole one", not status.provisioned, status)


def struck(storage):
    """By the duress PIN, on a storage that does not take it: no PIN opens it, once it does."""
    for kind in dict.fromkeys(["its writes", *storage.kinds()]):
        for number in range(MOMENTS):
            subprocess.run(["wipefs", "-qa", STORAGE], check=True)
            panic = secrets.token_hex(8)
            check("made for the duress PIN", (made := did(PROVISION, pin=PIN)).code == "done", made)
            check("a duress PIN", (done := did(DURESS, pin=PIN, new=panic)).code == "done", done)
            moment = 0 if number == 0 and kind == "its writes" else dice.uniform(0, 1)
            label = f"struck, {kind} fails after {moment * 1000:.0f} ms"
            whole = keyslot_areas(STORAGE)
            work = about(OPEN, pin=panic)
            time.sleep(moment)
            storage.turn(kind)
            answer = work.finish()
            note(f"{answer}")
            check(f"{label}: refused", answer.code not in ("done", "gone"), answer)
            if kind == "its writes" and answer.code == "wrong_secret":
                # What was destroyed before the fault is no reason to say that there is one.
                left = [area for area in keyslot_areas(STORAGE) if area in whole]
                refused = did(OPEN, pin=PIN)
                check(f"{label}: the right PIN too, while the fault is there",
                      refused.code == ("failed" if left else "wrong_secret"), (refused, len(left)))
            did(CLOSE)
            storage.turn("whole")
            again = did(OPEN, pin=PIN)
            check(f"{label}: never again, or it was not tried", again.code == "wrong_secret" or
                  again.code == "done" and answer.code != "wrong_secret", (answer, again))
            did(CLOSE)
            clean(label)
            subprocess.run(["rm", "-rf", f"{DIR}/attempts", f"{DIR}/repeats"], check=True)


def erased(storage):
    """Where it is said to be done, no PIN opens it; where not, the next one does it."""
    for kind in storage.kinds():
        for _ in range(MOMENTS):
            subprocess.run(["wipefs", "-qa", STORAGE], check=True)
            check("made to be erased", (made := did(PROVISION, pin=PIN)).code == "done", made)
            work = about(ERASE)
            time.sleep(moment := dice.uniform(0, 0.5))
            storage.turn(kind)
            answer = work.finish()
            label = f"erased, {kind} fails after {moment * 1000:.0f} ms"
            check(f"{label}: done or an error with its reason", answer.code == "done"
                  or answer.code not in ("gone", "wrong_secret") and answer.what and answer.why, answer)
            note(f"{answer if answer.code != 'done' else 'done before'}")
            storage.turn("whole")
            if answer.code == "done":
                check(f"{label}: it is gone", did(OPEN, pin=PIN).code == "not_provisioned")
            again = did(ERASE)
            check(f"{label}: erased again", again.code == "done"
                  and did(OPEN, pin=PIN).code == "not_provisioned", again)
            clean(label)


def locked_by_pmosd(storage):
    """A mode that writes, whose storage fails: its lock, which is to suspend it, locks it."""
    shipped, site = ((PROFILES / f"{name}.json").read_text() for name in (MODE, "site"))
    let_suspend()
    text = replaced(shipped, '"onLock": "evict"', '"onLock": "suspend"')
    (PROFILES / f"{MODE}.json").write_text(
        replaced(text, '"size": "64MiB"', f'"source": {{ "device": "{STORAGE}" }}'))
    subprocess.run(["wipefs", "-qa", STORAGE], check=True)
    try:
        ctl("reload")
        ctl("provision", MODE, pin=PIN)
        for kind in storage.kinds(2):
            ctl("unlock", MODE, pin=PIN)
            pmosctl("exec", MODE, "--", "sh", "-c", "echo kept >/data/kept; sync; "
                    "head -c 2000000 /dev/urandom >/data/unwritten")
            storage.turn(kind)
            done, row = pmosctl("lock", MODE), status(MODE)
            check(f"{kind} fails: lock says that it did it", done.returncode == 0, done.stderr)
            check("and it is suspended, or evicted", row["locked"] and
                  (is_suspended(f"pmos-{MODE}-data") if row["suspended"] else row["state"] == "stopped"), row)
            note("suspended" if row["suspended"] else "evicted instead")
            ctl("lock", "--evict", MODE)
            check("evicted, nothing of it is left", "pmos-secure" not in run("dmsetup", "ls").stdout)
            storage.turn("whole")
        ctl("unlock", MODE, pin=PIN)
        kept = pmosctl("exec", MODE, "--", "cat", "/data/kept").stdout
        check("with the storage whole it opens, with what was written", kept == "kept\n", kept)
    finally:
        storage.turn("whole")
        pmosctl("erase", MODE, "--yes")
        (PROFILES / f"{MODE}.json").write_text(shipped)
        (PROFILES / "site.json").write_text(site)
        ctl("reload")
