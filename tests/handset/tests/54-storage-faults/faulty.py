"""A block device that works, or does not, and single workers on a volume there."""

import os
import random
import secrets
import subprocess

from handset import check, run, unmount
from worker import *

NAME, SIZE, HEADER = "faulty", 64 << 20, 16 << 20
ROOM = SIZE + (128 << 20)  # to grow into
DISK = "/var/lib/pmos/faulty-disk"
STORAGE = f"/dev/mapper/{NAME}"
SOAK = bool(os.environ.get("HANDSET_SOAK"))
MOMENTS = 24 if SOAK else 1
CHEAP = {"memory": 32 << 10, "time_ms": 100}
WAYS = {"methods": "pin|recovery-key", "factor": "recovery-key"}
MODE = "secure"
SEED = int(os.environ.get("SEED") or secrets.randbelow(1 << 32))
dice = random.Random(SEED)


class Storage:
    """A block device that works, or does not."""

    def __init__(self):
        with open(DISK, "wb") as file:
            file.truncate(ROOM)
        self.loop, self.size = self.run("losetup", "--show", "-f", DISK), SIZE
        self.run("dmsetup", "create", NAME, input=self.tables()["whole"])

    def tables(self):
        sectors, header = self.size >> 9, HEADER >> 9
        return {
            "whole": f"0 {sectors} linear {self.loop} 0\n",
            "all of it": f"0 {sectors} error\n",
            "its writes": f"0 {sectors} flakey {self.loop} 0 0 3600 1 error_writes\n",
            "its header": f"0 {header} error\n"
                          f"{header} {sectors - header} linear {self.loop} {header}\n",
            "its data": f"0 {header} linear {self.loop} 0\n{header} {sectors - header} error\n",
        }

    def kinds(self, count=1):
        kinds = list(self.tables())[1:]
        return kinds if SOAK else dice.sample(kinds, count)

    def grow(self):
        self.size += 1 << 20
        self.turn("whole")

    @staticmethod
    def run(*command, **options):
        return subprocess.run(command, capture_output=True, text=True, check=True,
                              **options).stdout.strip()

    def turn(self, kind):
        self.run("dmsetup", "reload", NAME, input=self.tables()[kind])
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


def is_suspended(name="pmos-t-data"):
    return run("dmsetup", "info", "-c", "--noheadings", "-o", "suspended",
               name).stdout.strip() == "Suspended"


def let_go(label):
    """As pmosd does it when it evicts a mode: with the fault there."""
    if is_suspended():
        cut = did(CUT_OFF)
        check(f"{label}: it is cut off", cut.code == "done", cut)
    if os.path.ismount(f"{DIR}/mnt"):
        unmount(f"{DIR}/mnt")
    closed = did(CLOSE)
    check(f"{label}: closes with the fault there", closed.code == "done", closed)
