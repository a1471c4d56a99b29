#!/usr/bin/env python3
# boot: own
# timeout: 900
# turn: 3
"""Storage that gives errors while something is done to a volume, from its making to its erasure:
all of it, its writes only, or the header only (dm-error, dm-flakey), at random moments. Each is an
error that says so, nothing is left in the kernel, and with the storage whole again the old PIN or
the new one opens what was there; after its duress PIN, or an erasure, none does, ever. What is to be
locked is locked, with its data written or not. HANDSET_SOAK: all of these for each operation, and
many moments."""

import hashlib
import os
import secrets
import subprocess
import time

import ends
from faulty import *
from handset import check, note
from worker import *


class Volume:
    """What is known of it: the PINs of which one opens it, and what is in it."""

    def __init__(self, storage):
        self.storage, self.pins = storage, [PIN]
        check("provision", (made := did(PROVISION, pin=PIN)).code == "done", made)
        check("open", (opened := did(OPEN, pin=PIN)).code == "done", opened)
        mount()
        content = secrets.token_bytes(1 << 20)
        with open(f"{DIR}/mnt/file", "wb") as file:
            file.write(content)
        umount()
        self.digest = hashlib.sha256(content).hexdigest()
        check("close", (closed := did(CLOSE)).code == "done", closed)
        self.saved, self.other = (os.open(f"{DIR}/{name}", os.O_RDWR | os.O_CREAT, 0o600)
                                  for name in ("saved", "other"))
        self.unread = os.pipe()
        self.save()

    def save(self):
        os.ftruncate(self.saved, 0)
        os.lseek(self.saved, 0, os.SEEK_SET)
        saved = did(BACKUP, file=self.saved)
        check("the header is saved", saved.code == "done", saved)

    def holds(self, label):
        """Opens by one PIN, which is from then on the only one, and has what was in it."""
        for pin in self.pins:
            opened = did(OPEN, pin=pin)
            if opened.code == "done":
                break
        if not check(f"{label}: it opens", opened.code == "done", opened):
            return
        self.pins = [pin]
        mount()
        with open(f"{DIR}/mnt/file", "rb") as file:
            check(f"{label}: what was in it is there",
                  hashlib.sha256(file.read()).hexdigest() == self.digest)
        umount()
        closed = did(CLOSE)
        check(f"{label}: it closes", closed.code == "done", closed)


def restore(volume):
    os.lseek(volume.saved, 0, os.SEEK_SET)
    return about(RESTORE, file=volume.saved)


def save(volume):
    return about(BACKUP, file=volume.other)


def passwd(volume):
    volume.pins.append(secrets.token_hex(8))
    return about(PASSWD, pin=volume.pins[0], new=volume.pins[1])


def by_pin(verb):
    return lambda volume: about(verb, pin=volume.pins[0])


def plain(verb, **options):
    return lambda _: about(verb, **options)


def enroll(volume):
    """A recovery key, which nobody reads."""
    return about(ENROLL, pin=volume.pins[0], file=volume.unread[1], **WAYS)


def remove(volume):
    return about(REMOVE, pin=volume.pins[0], **WAYS)


def set_duress(volume):
    return about(DURESS, pin=volume.pins[0], new=secrets.token_hex(8))


# What is done, and what the volume is like before it.
OPERATIONS = {"opened": (by_pin(OPEN), "closed"), "passwd": (passwd, "closed"),
              "saved": (save, "closed"), "restored": (restore, "saved"),
              "re-encrypted": (by_pin(REENCRYPT), "closed"),
              "re-encrypted, open": (by_pin(REENCRYPT), "open"),
              "enroll": (enroll, "closed"), "remove": (remove, "enrolled"),
              "duress set": (set_duress, "closed"), "closed": (plain(CLOSE), "open"),
              "suspended": (plain(SUSPEND), "written"), "resumed": (by_pin(RESUME), "suspended"),
              "resized": (by_pin(RESIZE), "larger"), "wiped": (plain(WIPE_FREE), "open"),
              "trimmed": (plain(TRIM, discards="trim"), "trim")}

QUICK = "closed", "suspended"  # over before the storage is another: it fails before them as well


def took(volume, operation, begin):
    """How long it takes without a fault: the moments are laid over that."""
    start = time.monotonic()
    answer = begin(volume).finish()
    check(f"{operation} without a fault", answer.code == "done", answer)
    return time.monotonic() - start


def prepare(volume, before):
    """A header that is put back has to be of the key that it has now."""
    if before == "saved":
        volume.save()
    if before == "enrolled":
        enroll(volume).finish()
    if before not in ("open", "written", "suspended", "larger", "trim"):
        return
    if before == "larger":
        volume.storage.grow()
    opened = did(OPEN, pin=volume.pins[0], **({"discards": "trim"} if before == "trim" else {}))
    check(f"{before}: it is open", opened.code == "done", opened)
    if before in ("written", "suspended"):
        mount()
        with open(f"{DIR}/mnt/unwritten", "wb") as file:
            file.write(secrets.token_bytes(1 << 20))
    if before == "suspended":
        suspended = did(SUSPEND)
        check("it is suspended", suspended.code == "done" and is_suspended(), suspended)


def fault(volume, operation, kind, moment):
    label = f"{operation}, {kind} fails " + (f"after {moment * 1000:.0f} ms" if moment else "before")
    begin, before = OPERATIONS[operation]
    prepare(volume, before)
    if not moment:
        volume.storage.turn(kind)
    work = begin(volume)
    time.sleep(moment)
    if moment:
        volume.storage.turn(kind)
    answer = work.finish()
    told = answer.code == "done" or (answer.code not in ("gone", "wrong_secret", "throttled")
                                     and answer.what and answer.why)
    check(f"{label}: done or an error with its reason", told, answer)
    check(f"{label}: libcryptsetup's guess is not all that is told",
          not answer.why.startswith("detected attempt") or "kernel log" in answer.fix, answer)
    note(f"{answer if answer.code != 'done' else 'done before'}")
    if operation == "suspended":
        check(f"{label}: it is not called locked while it is open",
              answer.code != "done" or is_suspended(), answer)
    let_go(label)
    clean(label)
    volume.storage.turn("whole")
    volume.holds(label)
    if operation in ("enroll", "remove"):
        remove(volume).finish()
    if operation.startswith("re-encrypted"):
        done = did(REENCRYPT, pin=volume.pins[0])
        check(f"{label}: is re-encrypted to its end", done.code == "done", done)
        volume.holds(f"{label}, to its end")


def operations(volume):
    for operation, (begin, before) in OPERATIONS.items():
        prepare(volume, before)
        length = took(volume, operation, begin)
        let_go(operation)
        if operation == "enroll":
            remove(volume).finish()
        volume.pins = volume.pins[-1:]
        for kind in volume.storage.kinds(2 if operation in QUICK else 1):
            for number in range(MOMENTS):
                early = operation in QUICK and number == 0 and (SOAK or dice.random() < 0.5)
                fault(volume, operation, kind, 0 if early else dice.uniform(0, length))
    # libcryptsetup takes the mapping without its header for one that has no keyslots.
    fault(volume, "resumed", "its header", 0)


def main():
    subprocess.run(["modprobe", "dm-flakey"], check=True)
    for name in ("attempts", "headers", "repeats"):
        os.makedirs(f"{DIR}/{name}", exist_ok=True)
    note(f"SEED={SEED}")
    storage = Storage()
    try:
        volume = Volume(storage)
        operations(volume)
        ends.provisioning(storage)
        ends.struck(storage)
        ends.erased(storage)
        ends.locked_by_pmosd(storage)
    finally:
        subprocess.run(["umount", f"{DIR}/mnt"], check=False, capture_output=True)
        storage.turn("whole")
        did(CLOSE)
        storage.end()
        subprocess.run(["rm", "-rf", DIR], check=False)


main()
