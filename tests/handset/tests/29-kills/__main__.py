#!/usr/bin/env python3
# timeout: 900
# soak: 3600
# turn: 3
"""kill -9 of the volume worker, and of pmosd with a worker under it, at random moments of every
operation on a volume. Afterwards a secret of before or after opens it, and its data is what it was;
or, of an erasure, nothing opens and nothing is left. One moment of half of them; MOMENTS says
how many of each, and ONLY, a pattern, of which. 200 are for tests/uml/run: hours on a phone."""

import hashlib
import os
import pathlib
import secrets
import subprocess

from handset import note
from kills import SEED, each, outlives
from pmosd import daemon
from worker import *

# What is said of a volume whose keys are gone, or its header as well.
SHUT = "wrong_secret", "not_provisioned", "failed (the volume's header is damaged"


def forget_attempts():
    """But not that a destruction is under way."""
    subprocess.run(["sh", "-c", f"rm -rf {DIR}/attempts/*/[ab] {DIR}/repeats"], check=True)


class Volume:
    """One with data in it, the secrets that may open it, and how long each verb takes on it."""

    def __init__(self, name):
        self.name, self.size, self.pins, self.took = name, 40 << 20, [secrets.token_hex(6)], {}
        self.make()

    def ask(self, verb, **more):
        return ask(verb, name=self.name, size=self.size, **more)

    def make(self):
        made = self.ask(PROVISION, pin=self.pins[0])
        if made.code != "done":
            raise SystemExit(f"provision: {made}")
        self.data = secrets.token_bytes(1 << 20)
        self.ask(OPEN, pin=self.pins[0])
        mount(f"pmos-t-{self.name}")
        with open(f"{DIR}/mnt/data", "wb") as stream:
            stream.write(self.data)
            os.fsync(stream.fileno())
        umount()
        self.ask(CLOSE)

    def kill(self, verb, ends="done", **more):
        """True: at some moment of it. False: it was over first, in the way that it ends."""
        worker = Worker(verb, name=self.name, size=self.size, **more)
        if not outlives(worker.process, self.took, verb):
            answer = worker.finish()
            if answer.code != ends:
                raise RuntimeError(f"verb {verb}: {answer}")
            return False
        worker.process.kill()
        worker.process.wait()
        worker.socket.close()
        return True

    def opens(self):
        """The secret that does, with the data as it was; it alone stands in pins from now on."""
        for pin in self.pins:
            forget_attempts()
            opened = self.ask(OPEN, pin=pin)
            if opened.code != "done":
                continue
            whole = mount(f"pmos-t-{self.name}") and hashlib.sha256(
                pathlib.Path(f"{DIR}/mnt/data").read_bytes()).digest() == hashlib.sha256(self.data).digest()
            umount()
            self.ask(CLOSE)
            self.pins = [pin]
            return "opens" if whole else "other data"
        return "nothing opens" if str(opened).startswith(SHUT) else str(opened)


def sound(volume):
    found = volume.opens()
    return "" if found == "opens" else found


def provision():
    volume = Volume("p")
    volume.ask(ERASE)

    def once():
        alive = volume.kill(PROVISION, pin=volume.pins[0])
        cleared = volume.ask(CLOSE)
        there = os.path.exists(f"{DIR}/p.img")
        status = volume.ask(STATUS)
        wrong = "" if cleared.code == "done" and status.provisioned == there else f"{cleared} {there}"
        if there and volume.ask(OPEN, pin=volume.pins[0]).code != "done":
            wrong = "it is there, and does not open"
        volume.ask(CLOSE)
        volume.ask(ERASE)
        return alive, wrong
    each("provision", once)


def let_go(volume):
    """What a dead worker has left is closed, as pmosd does it; and then?"""
    if volume.ask(STATUS).suspended:
        volume.ask(CUT_OFF)
    done = volume.ask(CLOSE)
    return sound(volume) if done.code == "done" else f"it cannot be closed: {done}"


def closed(volume):
    def unlock():
        return volume.kill(OPEN, pin=volume.pins[0]), let_go(volume)

    def lock():
        volume.ask(OPEN, pin=volume.pins[0])
        return volume.kill(CLOSE), let_go(volume)

    def passwd():
        volume.pins.insert(0, secrets.token_hex(6))
        alive = volume.kill(PASSWD, pin=volume.pins[1], new=volume.pins[0])
        return alive, sound(volume)
    each("unlock", unlock)
    each("lock", lock)
    each("passwd", passwd)


def opened(volume):
    def resize():
        volume.ask(OPEN, pin=volume.pins[0])
        volume.size += 1 << 20
        return volume.kill(RESIZE, pin=volume.pins[0]), let_go(volume)

    def wipe_free():
        volume.ask(OPEN, pin=volume.pins[0])
        return volume.kill(WIPE_FREE), let_go(volume)

    def trim():
        volume.ask(OPEN, pin=volume.pins[0], discards="trim")
        return volume.kill(TRIM, discards="trim"), let_go(volume)

    def suspend():
        volume.ask(OPEN, pin=volume.pins[0])
        return volume.kill(SUSPEND), let_go(volume)

    def resume():
        volume.ask(OPEN, pin=volume.pins[0])
        volume.ask(SUSPEND)
        return volume.kill(RESUME, pin=volume.pins[0]), let_go(volume)

    def reencrypt():
        volume.ask(OPEN, pin=volume.pins[0])
        return volume.kill(REENCRYPT, pin=volume.pins[0]), let_go(volume)
    for once in (resize, wipe_free, trim, suspend, resume, reencrypt):
        each(once.__name__, once)


def ways(volume):
    """A recovery key comes and goes; the PIN opens it whatever becomes of that."""
    way = {"methods": "pin|recovery-key", "factor": "recovery-key"}

    def enrolled(act):
        reader, writer = os.pipe()
        done = act(ENROLL, pin=volume.pins[0], file=writer, **way)
        os.close(reader)
        os.close(writer)
        return done

    def there():
        volume.ask(OPEN, pin=volume.pins[0], methods=way["methods"])
        volume.ask(CLOSE)
        return volume.ask(REMOVE, pin=volume.pins[0], **way).code == "done"

    def enroll():
        alive = enrolled(volume.kill)
        there()
        return alive, "two of them" if there() else sound(volume)

    def remove():
        made = enrolled(volume.ask)
        alive = volume.kill(REMOVE, pin=volume.pins[0], **way)
        there()
        found = "it is there still" if there() else sound(volume)
        return alive, found if made.code == "done" else f"enroll: {made}"

    def reencrypt():
        return volume.kill(REENCRYPT, pin=volume.pins[0]), let_go(volume)

    def duress():
        return volume.kill(DURESS, pin=volume.pins[0], new=secrets.token_hex(6)), sound(volume)
    each("enroll", enroll)
    each("remove", remove)
    each("reencrypt, closed", reencrypt)
    each("duress set", duress)


def headers(volume):
    saved = {}

    def keep():
        with open(f"{DIR}/header", "w+b") as file:
            volume.ask(BACKUP, file=file.fileno())
        return pathlib.Path(f"{DIR}/header").read_bytes()

    def backup():
        with open(f"{DIR}/header", "w+b") as file:
            alive = volume.kill(BACKUP, file=file.fileno())
        return alive, sound(volume)

    def restore():
        now = volume.pins[0]
        other = next(pin for pin in saved if pin != now)
        pathlib.Path(f"{DIR}/header").write_bytes(saved[other])
        volume.pins = [other, now]
        with open(f"{DIR}/header", "rb") as file:
            alive = volume.kill(RESTORE, file=file.fileno())
        return alive, sound(volume)
    each("backup", backup)
    saved[volume.pins[0]] = keep()
    fresh = secrets.token_hex(6)
    volume.ask(PASSWD, pin=volume.pins[0], new=fresh)
    volume.pins = [fresh]
    saved[fresh] = keep()
    each("restore", restore)


def erase(volume):
    def once():
        alive = volume.kill(ERASE)
        wrong = ""
        if os.path.exists(f"{DIR}/{volume.name}.img"):
            found = volume.opens()
            wrong = "" if found in ("opens", "nothing opens") else found
        done = volume.ask(ERASE)
        if done.code != "done" or os.path.exists(f"{DIR}/{volume.name}.img"):
            wrong = f"erase again: {done}"
        volume.make()
        return alive, wrong

    def duress():
        panic = secrets.token_hex(6)
        set_it = volume.ask(DURESS, pin=volume.pins[0], new=panic)
        alive = volume.kill(OPEN, pin=panic, ends="wrong_secret")
        cleared = volume.ask(CLOSE)
        found = volume.opens()
        wrong = "" if found in ("opens", "nothing opens") else found
        if set_it.code != "done" or cleared.code != "done":
            wrong = f"{set_it} {cleared}"
        if found != "opens":
            volume.ask(ERASE)
            volume.make()
        return alive, wrong
    each("erase", once)
    each("duress PIN", duress)
    volume.ask(ERASE)


def main():
    note(f"SEED={SEED}")
    os.makedirs(DIR, mode=0o700, exist_ok=True)
    try:
        provision()
        volume = Volume("v")
        for part in (closed, opened, ways, headers, erase):
            part(volume)
        clean("after all kills")
        daemon()
    finally:
        subprocess.run(["rm", "-rf", DIR])


main()
