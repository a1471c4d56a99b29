#!/usr/bin/env python3
# boot: own
# timeout: 900
"""Storage that gives errors while a volume is made, opened, re-encrypted, while its PIN is changed,
its header saved and put back: all of it, its writes only, or the header only (dm-error, dm-flakey),
at random moments. Each is an error that says so, nothing is left in the kernel, and with the
storage whole again the old PIN or the new one opens what was there; after its duress PIN none does,
ever. HANDSET_SOAK: all of these for each operation, and many moments."""

import hashlib
import os
import random
import secrets
import subprocess
import time

from handset import check, note
from worker import *

NAME, SIZE, HEADER = "faulty", 64 << 20, 16 << 20
DISK = "/var/lib/pmos/faulty-disk"
STORAGE = f"/dev/mapper/{NAME}"
SOAK = bool(os.environ.get("HANDSET_SOAK"))
MOMENTS = 24 if SOAK else 1
CHEAP = {"memory": 32 << 10, "time_ms": 100}
SEED = int(os.environ.get("SEED") or secrets.randbelow(1 << 32))
dice = random.Random(SEED)


class Storage:
    """A block device that works, or does not."""

    def __init__(self):
        with open(DISK, "wb") as file:
            file.truncate(SIZE)
        self.loop = self.run("losetup", "--show", "-f", DISK)
        sectors, header = SIZE >> 9, HEADER >> 9
        self.tables = {
            "whole": f"0 {sectors} linear {self.loop} 0\n",
            "all of it": f"0 {sectors} error\n",
            "its writes": f"0 {sectors} flakey {self.loop} 0 0 3600 1 error_writes\n",
            "its header": f"0 {header} error\n"
                          f"{header} {sectors - header} linear {self.loop} {header}\n",
            "its data": f"0 {header} linear {self.loop} 0\n{header} {sectors - header} error\n",
        }
        self.run("dmsetup", "create", NAME, input=self.tables["whole"])

    def kinds(self):
        kinds = list(self.tables)[1:]
        return kinds if SOAK else dice.sample(kinds, 2)

    @staticmethod
    def run(*command, **options):
        return subprocess.run(command, capture_output=True, text=True, check=True,
                              **options).stdout.strip()

    def turn(self, kind):
        self.run("dmsetup", "reload", NAME, input=self.tables[kind])
        self.run("dmsetup", "suspend", "--noflush", "--nolockfs", NAME)
        self.run("dmsetup", "resume", NAME)

    def end(self):
        subprocess.run(["dmsetup", "remove", "--retry", NAME], check=False)
        subprocess.run(["losetup", "-d", self.loop], check=False)
        os.unlink(DISK)


def about(verb, **options):
    return Worker(verb, source=STORAGE, block=True, **CHEAP, **options)


def did(verb, **options):
    return about(verb, **options).finish()


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


OPERATIONS = {"opened": by_pin(OPEN), "passwd": passwd, "saved": save, "restored": restore,
              "re-encrypted": by_pin(REENCRYPT), "re-encrypted, open": by_pin(REENCRYPT)}


def took(volume, operation, begin):
    """How long it takes without a fault: the moments are laid over that."""
    start = time.monotonic()
    answer = begin(volume).finish()
    check(f"{operation} without a fault", answer.code == "done", answer)
    return time.monotonic() - start


def prepare(volume, operation):
    """A header that is put back has to be of the key that it has now."""
    if operation == "restored":
        volume.save()
    if operation.endswith("open"):
        opened = did(OPEN, pin=volume.pins[0])
        check(f"{operation}: open", opened.code == "done", opened)


def fault(volume, operation, begin, kind, moment):
    label = f"{operation}, {kind} fails after {moment * 1000:.0f} ms"
    prepare(volume, operation)
    work = begin(volume)
    time.sleep(moment)
    volume.storage.turn(kind)
    answer = work.finish()
    told = answer.code == "done" or (answer.code not in ("gone", "wrong_secret", "throttled")
                                     and answer.what and answer.why)
    check(f"{label}: done or an error with its reason", told, answer)
    check(f"{label}: libcryptsetup's guess is not all that is told",
          not answer.why.startswith("detected attempt") or "kernel log" in answer.fix, answer)
    note(f"{answer if answer.code != 'done' else 'done before'}")
    closed = did(CLOSE)
    check(f"{label}: closes with the fault there", closed.code == "done", closed)
    clean(label)
    volume.storage.turn("whole")
    volume.holds(label)
    if operation.startswith("re-encrypted"):
        done = did(REENCRYPT, pin=volume.pins[0])
        check(f"{label}: is re-encrypted to its end", done.code == "done", done)
        volume.holds(f"{label}, to its end")


def operations(volume):
    for operation, begin in OPERATIONS.items():
        prepare(volume, operation)
        length = took(volume, operation, begin)
        did(CLOSE)
        volume.pins = volume.pins[-1:]
        for kind in volume.storage.kinds():
            for _ in range(MOMENTS):
                fault(volume, operation, begin, kind, dice.uniform(0, length))


def provisioning(volume):
    """Last: what was there is destroyed for it."""
    for kind in volume.storage.kinds():
        for _ in range(MOMENTS):
            subprocess.run(["wipefs", "-qa", STORAGE], check=True)
            os.sync()
            work = about(PROVISION, pin=PIN)
            time.sleep(moment := dice.uniform(0, 2))
            volume.storage.turn(kind)
            answer = work.finish()
            label = f"made, {kind} fails after {moment * 1000:.0f} ms"
            check(f"{label}: done or an error with its reason",
                  answer.code == "done" or (answer.code != "gone" and answer.what), answer)
            note(f"{answer if answer.code != 'done' else 'done before'}")
            did(CLOSE)
            clean(label)
            volume.storage.turn("whole")
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
            work = about(OPEN, pin=panic)
            time.sleep(moment)
            storage.turn(kind)
            answer = work.finish()
            note(f"{answer}")
            check(f"{label}: refused", answer.code not in ("done", "gone"), answer)
            if kind == "its writes" and answer.code == "wrong_secret":
                refused = did(OPEN, pin=PIN)
                check(f"{label}: the right PIN too, while the fault is there", refused.code == "failed",
                      refused)
            did(CLOSE)
            storage.turn("whole")
            again = did(OPEN, pin=PIN)
            check(f"{label}: never again, or it was not tried", again.code == "wrong_secret" or
                  again.code == "done" and answer.code != "wrong_secret", (answer, again))
            did(CLOSE)
            clean(label)
            subprocess.run(["rm", "-rf", f"{DIR}/attempts", f"{DIR}/repeats"], check=True)


def main():
    subprocess.run(["modprobe", "dm-flakey"], check=True)
    for name in ("attempts", "headers", "repeats"):
        os.makedirs(f"{DIR}/{name}", exist_ok=True)
    note(f"SEED={SEED}")
    storage = Storage()
    try:
        volume = Volume(storage)
        operations(volume)
        provisioning(volume)
        struck(storage)
    finally:
        subprocess.run(["umount", f"{DIR}/mnt"], check=False, capture_output=True)
        storage.turn("whole")
        did(CLOSE)
        storage.end()
        subprocess.run(["rm", "-rf", DIR], check=False)


main()
