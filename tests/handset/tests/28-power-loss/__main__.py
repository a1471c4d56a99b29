#!/usr/bin/env python3
# boot: own
# memory: 3G
# timeout: 2700
# turn: 1
"""The power goes while a volume is made, opened, written to, re-encrypted closed, open and after a
kill, while its PIN is changed, a recovery key comes and goes, its header is restored and wrong PINs
are counted: at every one of these moments the old PIN or the new one opens it, what was synced is
there, and no attempt is given back. And while the keys of both its keyslots are destroyed: it opens
as ever, or never again, by cryptsetup neither once the first of it was written. What reaches the
disk is recorded below the file system that holds it all, and played back."""

import ctypes
import hashlib
import mmap
import os
import re
import secrets
import subprocess
import time

import worker
from calls import map_device, mount_ext4, unmap, unmount
from handset import check, note, stop_if_failed
from worker import (ask, BACKUP, CLOSE, DURESS, ENROLL, ERASE, OPEN, PASSWD, PROVISION, REENCRYPT,
                    REMOVE, RESTORE, STATUS)
from writes import Moments, read_log

PLACE = "/run/power"
DISK_SIZE, LOG_SIZE = 104 << 20, 1024 << 20
GROUP = 8192  # blocks of 4096 bytes
SOAK = bool(os.environ.get("HANDSET_SOAK"))
MOMENTS = 10 ** 9 if SOAK else 60
SEED = int(os.environ.get("SEED") or secrets.randbelow(1 << 32))
CHEAP = {"size": 41 << 20, "memory": 32 << 10, "time_ms": 100}
VOLUME = "data.img"
WAYS = {"methods": "pin|recovery-key"}

crypt = ctypes.CDLL("libcryptsetup.so.12")
crypt.crypt_init.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p]
crypt.crypt_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
crypt.crypt_free.argtypes = [ctypes.c_void_p]
crypt.crypt_activate_by_passphrase.argtypes = [
    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t,
    ctypes.c_uint32]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def opens(path, pin):
    """What cryptsetup itself says, without a mapping."""
    device = ctypes.c_void_p()
    if crypt.crypt_init(ctypes.byref(device), path.encode()) < 0:
        return False
    try:
        return (crypt.crypt_load(device, b"LUKS2", None) >= 0 and
                crypt.crypt_activate_by_passphrase(device, None, -1, pin.encode(), len(pin), 0) >= 0)
    finally:
        crypt.crypt_free(device)


class Storage:
    """A file system on a disk that remembers what was written to it."""

    def __init__(self):
        os.makedirs(f"{PLACE}/mnt")
        for name, size in (("disk", DISK_SIZE), ("log", LOG_SIZE)):
            with open(f"{PLACE}/{name}", "wb") as file:
                file.truncate(size)
        # Small groups: a disk of this size would else have no second superblock, as a phone's has.
        run("mkfs.ext4", "-q", "-b", "4096", "-g", str(GROUP), f"{PLACE}/disk")
        with open(f"{PLACE}/disk", "rb") as file:
            self.base = file.read()
        self.loops = [run("losetup", "--show", "-f", f"{PLACE}/{name}") for name in ("disk", "log")]
        mount_ext4(map_device("power", DISK_SIZE, "log-writes", " ".join(self.loops)), f"{PLACE}/mnt")
        worker.DIR = f"{PLACE}/mnt"
        for name in ("attempts", "headers"):
            os.makedirs(f"{PLACE}/mnt/{name}")

    @staticmethod
    def mark(text):
        run("dmsetup", "message", "power", "0", "mark", text)

    @staticmethod
    def place_of_keyslots():
        """Of the volume, on the disk: (from, to) in bytes."""
        table = run("filefrag", "-v", f"{PLACE}/mnt/{VOLUME}")
        found = re.findall(r"^ *\d+: *(\d+)\.\. *(\d+): *(\d+)\.\.", table, re.MULTILINE)
        blocks = [(max(int(first), 8), min(int(last), 255), int(at) - int(first))
                  for first, last, at in found if int(first) < 256 and int(last) >= 8]
        return [((first + at) << 12, (last + 1 + at) << 12) for first, last, at in blocks]

    def end(self):
        unmount(f"{PLACE}/mnt")
        unmap("power")
        for loop in self.loops:
            subprocess.run(["losetup", "-d", loop], check=False)


class Truth:
    """What must hold after a mark: which PINs may open it, whether it must be there at all, how
    many wrong ones are counted at least, what was synced in it, and whether its keys are "whole",
    "ending", which is either, or "ended". `also` must open it as well, `gone` must not."""

    def __init__(self, pins=(), there=False, counted=0, most=0, content=None, keys="whole",
                 also=None, gone=None):
        self.pins, self.there, self.counted, self.most = tuple(pins), there, counted, most
        self.content, self.keys, self.also, self.gone = content, keys, also, gone


def write_synced():
    """What it has written, as a digest."""
    content = secrets.token_bytes(200_000)
    with open(f"{PLACE}/inner/file", "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def re_encrypt(say, did, pin):
    """Another key: of the closed volume, of one that a killed worker has left half-way, and of the
    open one."""
    say("re-encrypt")
    did("re-encrypt", ask(REENCRYPT, pin=pin))
    say("re-encrypt-killed")
    at_work = worker.Worker(REENCRYPT, pin=pin)
    check("re-encryption goes on", at_work.until("re-encrypting") and
          at_work.until("re-encrypting"))
    at_work.process.kill()
    at_work.process.wait()
    say("re-encrypt-mended")
    did("open what was killed", ask(OPEN, pin=pin))
    say("re-encrypt-open")
    did("re-encrypt the open one", ask(REENCRYPT, pin=pin))
    did("close what was re-encrypted", ask(CLOSE))
    say("re-encrypted")


def enroll(did, pin):
    """A recovery key."""
    reader, writer = os.pipe()
    did("a recovery key", ask(ENROLL, pin=pin, file=writer, factor="recovery-key", **WAYS))
    os.close(writer)
    with open(reader, encoding="ascii") as pipe:
        return pipe.read().strip()


def another_way(say, did, pin, content):
    """A recovery key comes, and goes."""
    held = {"pins": [pin], "there": True, "most": 1, "content": content}
    say("enroll", **held)
    key = enroll(did, pin)
    say("enrolled", also=key, **held)
    did("it opens by the recovery key", ask(OPEN, pin=key, **WAYS))
    did("and is closed", ask(CLOSE))
    say("remove", **held)
    did("no recovery key", ask(REMOVE, pin=pin, factor="recovery-key", **WAYS))
    say("removed", gone=key, **held)


def end(say, did, pin, content):
    """By the duress PIN; then what is left of it is erased, and at last another one that is whole.
    Where on the disk their keyslots were."""
    panic = secrets.token_hex(8)
    say("enroll-again", pins=[pin], there=True, most=1, content=content)
    key = enroll(did, pin)
    say("duress-set", pins=[pin], there=True, most=1, content=content, also=key)
    did("duress PIN", ask(DURESS, pin=pin, new=panic))
    keyslots = Storage.place_of_keyslots()
    say("strike", pins=[pin, key], there=True, most=2, content=content, keys="ending")
    did("the duress PIN is refused", ask(OPEN, pin=panic), "wrong_secret")
    say("struck", pins=[pin, key], there=True, counted=1, most=2, keys="ended")
    did("the right one as well", ask(OPEN, pin=pin), "wrong_secret")
    say("erase", pins=[pin, key], most=2, keys="ended")
    did("erased", ask(ERASE))
    say("provision-again", pins=[pin])
    did("provision again", ask(PROVISION, pin=pin, **CHEAP))
    say("enroll-at-last", pins=[pin], there=True, most=1)
    key = enroll(did, pin)
    keyslots += Storage.place_of_keyslots()
    say("erase-whole", pins=[pin, key], most=2, keys="ending")
    did("erased with both keyslots", ask(ERASE))
    say("erased")
    return keyslots


def act(storage):
    """Does it all once, and says what holds after each mark; and where the keyslots were at the end."""
    first, second, third = (secrets.token_hex(8) for _ in range(3))
    truths = {"": Truth()}

    def say(mark, **truth):
        truths[mark] = Truth(**truth)
        storage.mark(mark)

    def did(what, answer, code="done"):
        check(what, answer.code == code, answer)

    say("provision", pins=[first])
    did("provision", ask(PROVISION, pin=first, **CHEAP))
    say("provisioned", pins=[first], there=True, most=1)
    did("open", ask(OPEN, pin=first))
    run("mkdir", "-p", f"{PLACE}/inner")
    mount_ext4("/dev/mapper/pmos-t-data", f"{PLACE}/inner")
    digest = write_synced()
    say("written", pins=[first], there=True, content=digest)
    unmount(f"{PLACE}/inner")
    did("close", ask(CLOSE))
    for number in range(3):
        say(f"wrong-{number}", pins=[first], there=True, counted=number, most=number + 1,
            content=digest)
        did(f"a wrong one, {number}", ask(OPEN, pin=secrets.token_hex(8)), "wrong_secret")
    say("three-wrong", pins=[first], there=True, counted=3, most=3, content=digest)
    say("open-again", pins=[first], there=True, most=4, content=digest)
    did("open again", ask(OPEN, pin=first))
    did("close again", ask(CLOSE))
    say("cleared", pins=[first], there=True, content=digest)
    backup = os.open(f"{PLACE}/backup", os.O_RDWR | os.O_CREAT, 0o600)
    did("backup", ask(BACKUP, file=backup))
    say("passwd", pins=[first, second], there=True, most=1, content=digest)
    did("passwd", ask(PASSWD, pin=first, new=second, **CHEAP))
    say("second", pins=[second], there=True, most=1, content=digest)
    did("open with the second", ask(OPEN, pin=second))
    did("and close", ask(CLOSE))
    say("passwd-again", pins=[second, third], there=True, most=1, content=digest)
    did("passwd again", ask(PASSWD, pin=second, new=third, **CHEAP))
    say("restore", pins=[third, first], there=True, content=digest)
    os.lseek(backup, 0, os.SEEK_SET)
    did("restore", ask(RESTORE, file=backup))
    say("restored", pins=[first], there=True, content=digest)
    os.close(backup)
    another_way(say, did, first, digest)
    re_encrypt(lambda mark: say(mark, pins=[first], there=True, most=1, content=digest), did, first)
    return truths, end(say, did, first, digest)


def counted(place):
    """As attempts.cpp reads it: the newest of the copies that are whole; nothing there is 0."""
    best, seen = None, False
    for copy in "ab":
        path = f"{place}/attempts/t/{copy}"
        if not os.path.exists(path):
            continue
        seen = True
        with open(path) as file:
            found = re.fullmatch(r"(pmos-attempts 1\nwrites (\d+)\nfailures (\d+)\n.*\n)sum (\w+)\n+",
                                 file.read(), re.DOTALL)
        if found and hashlib.sha256(found[1].encode()).hexdigest() == found[4]:
            best = max(best or (0, 0), (int(found[2]), int(found[3])))
    if best:
        return best[1]
    return 0 if not seen else None


class Disk:
    """What the moments are played on: its bytes, and a device for each moment, whose changes are
    its own."""

    def __init__(self, base):
        for name, content in (("replay", base), ("changes", b"")):
            with open(f"{PLACE}/{name}", "wb") as file:
                file.write(content)
                file.truncate(DISK_SIZE)
        self.loops = [run("losetup", "--show", "-f", f"{PLACE}/{name}")
                      for name in ("replay", "changes")]
        with open(f"{PLACE}/replay", "r+b") as file:
            self.bytes = mmap.mmap(file.fileno(), DISK_SIZE)

    def device(self, changes):
        path = map_device("replay", DISK_SIZE, "snapshot", f"{self.loops[0]} {self.loops[1]} N 8")
        with open(path, "r+b") as device:
            for at, data in changes:
                device.seek(at)
                device.write(data)
            device.flush()
            os.fsync(device.fileno())
        return path

    def end(self):
        for loop in self.loops:
            subprocess.run(["losetup", "-d", loop], check=False)


class Replay:
    """A disk as the power left it, mounted."""

    def __init__(self, device):
        # A superblock whose write was torn keeps the phone's own file system from being mounted,
        # until its check at boot has mended that. Else there is nothing to mend: the mount does it.
        try:
            mount_ext4(device, f"{PLACE}/mnt")
        except OSError:
            subprocess.run(["e2fsck", "-fy", "-b", str(GROUP), "-B", "4096", device],
                           check=False, capture_output=True)
            mount_ext4(device, f"{PLACE}/mnt")

    def __enter__(self):
        return f"{PLACE}/mnt"

    def __exit__(self, *_):
        unmount(f"{PLACE}/mnt")
        unmap("replay")


def quick_faults(place, truth):
    """What the record's own sum says."""
    faults = []
    if truth.there and not os.path.exists(f"{place}/{VOLUME}"):
        faults.append("the volume is gone")
    count = counted(place)
    if count is None or not truth.counted <= count <= truth.most:
        faults.append(f"{count} wrong PINs are counted, not {truth.counted} to {truth.most}")
    return faults


def full_faults(place, truth):
    """What pmos itself makes of it, and what is in it."""
    if not os.path.exists(f"{place}/{VOLUME}"):
        status = ask(STATUS)
        return [] if status.code == "done" and not status.provisioned else [f"status: {status}"]
    answers = []
    for pin in truth.pins:
        answers.append(ask(OPEN, pin=pin, **WAYS))
        if answers[-1].code == "done":
            break
    else:
        status = ask(STATUS)
        if not status.provisioned:
            # Erase makes zeros of the header before the file goes.
            zeros = truth.keys == "ending" and "header is damaged" in status.what
            return [] if truth.keys == "ended" or zeros else [f"status: {status}"]
        if truth.keys != "whole" and all(answer.code == "wrong_secret" for answer in answers):
            return [f"{pin} opens it still" for pin in truth.pins if opens(f"{place}/{VOLUME}", pin)]
        return [f"pmos opens it with no PIN: {'; '.join(map(str, answers))}"]
    faults = ["it opens again"] if truth.keys == "ended" else []
    if not SOAK and not (status := ask(STATUS)).provisioned:
        faults.append(f"it opens, and status says: {status}")
    mount_ext4("/dev/mapper/pmos-t-data", f"{PLACE}/inner")
    if truth.content:
        with open(f"{PLACE}/inner/file", "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != truth.content:
                faults.append("what was synced is not there")
    unmount(f"{PLACE}/inner")
    closed = ask(CLOSE)
    if closed.code != "done":
        faults.append(f"close: {closed}")
    return faults


def way_faults(path, truth):
    """A second way in, as cryptsetup sees it."""
    faults = []
    if truth.also and not opens(path, truth.also):
        faults.append("the recovery key does not open it")
    if truth.gone and opens(path, truth.gone):
        faults.append("a recovery key that is gone opens it")
    return faults


class Half:
    """Moments of a destruction at which one of two keyslots is dead, and the other opens by
    cryptsetup; pmos goes on with the destruction first."""

    def __init__(self):
        self.seen, self.torn, self.whole = 0, 0, []

    def look(self, opening, kind, label):
        self.seen += 1
        if not any(opening) or all(opening):
            return
        if kind == "torn":
            self.torn += 1
        else:
            self.whole.append(label)


def replay(base, truths, keyslots):
    disk = Disk(base)
    try:
        replay_on(disk, base, truths, keyslots)
    finally:
        disk.end()


def is_pmos_asked(mark, truth, shut, quarter, done, shut_so_far):
    """Whether pmos opens it at this moment as well: where cryptsetup by itself does not, and at a share
    of the others. In a re-encryption such moments are thousands, and each takes seconds, for pmos goes on
    with it to its end: of those it is a share."""
    ending = truth.keys == "ending"
    if mark.startswith("re-encrypt"):
        return shut and (not SOAK or shut_so_far % 10 == 0) or done % (20 if SOAK else 5) == 0
    return shut and not ending or truth.keys == "ended" or ending and quarter or done % 10 == 0


def replay_on(disk, base, truths, keyslots):
    writes = read_log(f"{PLACE}/log")
    # What dm-log-writes itself marks when it goes: nothing has changed since the last one.
    truths["dm-log-writes-end"] = truths[list(truths)[-1]]
    total = sum(1 for _ in Moments(bytearray(base), writes, SEED))
    every, done, full, shut_to_others, unasked, bad = max(1, total // MOMENTS), 0, 0, 0, 0, []
    half = Half()
    note(f"{len(writes)} writes, {total} moments, one of {every} is tried; SEED={SEED}")
    told = time.monotonic()
    for number, (at, kind, mark, changes) in enumerate(Moments(disk.bytes, writes, SEED)):
        truth, ending = truths[mark], truths[mark].keys == "ending"
        # That is quickly over, and each moment of it is another one.
        quarter, near = number % max(1, every // 4) == 0, writes[at].touches(keyslots)
        if number % every and not (ending and (quarter or near)):
            continue
        if time.monotonic() > told + 300:
            told = time.monotonic()
            note(f"{number} of {total} moments ('{mark}'), {done} tried, {full} by pmos, {len(bad)} bad")
        label = f"write {at} ({kind}) after '{mark}'"
        with Replay(disk.device(changes())) as place:
            faults = quick_faults(place, truth)
            done += 1
            # A header that is to be mended first opens for pmos alone; and of data that is written
            # anew only the data says whether it is right.
            path = f"{place}/{VOLUME}"
            is_there = os.path.exists(path)
            opening = [opens(path, pin) for pin in truth.pins] if is_there else []
            if ending and near:
                half.look(opening, kind, label)
            shut = is_there and not any(opening)
            faults += way_faults(path, truth) if is_there and not shut else []
            shut_to_others += shut
            if is_pmos_asked(mark, truth, shut, quarter, done, shut_to_others):
                faults += full_faults(place, truth)
                full += 1
            elif shut and not ending:
                unasked += 1
        if faults:
            bad.append(f"{label}: {'; '.join(faults)}")
    check(f"{done} moments, {full} of them asked of pmos: old PIN or new one, nothing lost; "
          "where keys end, never again",
          not bad and done >= 60, "\n".join(bad[:20]))
    check(f"{half.seen} moments at which keyslots are overwritten: no write that was whole left one of "
          f"two to cryptsetup, {half.torn} torn ones did", half.seen and not half.whole, half.whole[:20])
    note(f"{shut_to_others} of them cryptsetup by itself does not open; of these pmos was not asked at {unasked}")


def main():
    subprocess.run(["modprobe", "-a", "dm-log-writes", "dm-snapshot"], check=False)
    storage = Storage()
    try:
        truths, keyslots = act(storage)
    finally:
        storage.end()
    stop_if_failed()
    begin = time.monotonic()
    replay(storage.base, truths, keyslots)
    note(f"in {time.monotonic() - begin:.0f} s")


main()
