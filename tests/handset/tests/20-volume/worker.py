"""pmos-volume driven over its socket, as pmosd does it, and what it could leave on the phone."""

import json
import os
import secrets
import socket
import struct
import subprocess
import time

from handset import check

WORKER = os.environ.get("PMOS_VOLUME", "/usr/libexec/pmos/pmos-volume")
DIR = "/var/lib/pmos/volume-test"
KEYS = f"{DIR}/keys"
SPARE = next((d for d in ("/dev/disk/by-id/virtio-spare", "/dev/vdc", "/dev/vdd")
              if os.path.exists(d) and subprocess.run(["blkid", "-p", d]).returncode == 2), None)

REQUEST = struct.Struct("=IIIIQQIIII64s64s128s512s512s64s16s16s512s512s512s24s8s512s"
                        "128s32s32s64sIIIIQ2048s4096s")
EVENT = struct.Struct("=III64sIIIIIi256s256s256s")
STATUS, PROVISION, OPEN, CLOSE = 1, 2, 3, 4
SUSPEND, RESUME, CUT_OFF = 5, 6, 7
INFO, PASSWD, BACKUP, RESTORE, RESIZE, WIPE_FREE, REENCRYPT, TRIM = 16, 17, 18, 19, 20, 21, 32, 36
ENROLL, REMOVE, AUTH_TEST = 49, 50, 51
ERASE, DURESS = 56, 57
PROGRESS, DONE, FAILED, DETAIL, KEYS_ENDED = 1, 2, 3, 4, 5
CODES = ["failed", "usage", "unknown_mode", "disabled", "already_exists", "not_provisioned",
         "locked", "wrong_secret", "busy", "frozen", "not_running", "unsupported", "not_found",
         "denied", "no_space", "cancelled", "timed_out", "unreachable", "throttled"]


def text(raw):
    return raw.split(b"\0", 1)[0].decode()


class Answer:
    def __init__(self, raw):
        if raw is None:
            self.kind, self.code, self.what, self.why, self.fix = None, "gone", "", "", ""
            return
        f = EVENT.unpack(raw)
        self.kind, self.permille, self.step = f[1], f[2], text(f[3])
        self.provisioned, self.unfinished, self.active, self.suspended = map(bool, f[4:8])
        self.code = "done" if self.kind != FAILED else CODES[f[8]]
        self.what, self.why, self.fix = text(f[10]), text(f[11]), text(f[12])

    def __str__(self):
        return f"{self.code} ({self.what}: {self.why}; {self.fix})"


def pipe_of(secret):
    pipe, end = os.pipe()
    os.write(end, secret.encode())
    os.close(end)
    return pipe


class Worker:
    """One pmos-volume process with one request."""

    def __init__(self, verb, name="data", pin=None, source=None, size=64 << 20, key_file="",
                 block=False, cipher="aes-xts-plain64", memory=1 << 20, time_ms=100, mode="t",
                 new=None, file=None, undo=None, integrity="none", discards="never", header="",
                 key_bits=512, others="", erase_after=0, methods="", factor=""):
        """A key derivation that costs little: most tests are about something else.
        new: the new secret of PASSWD, the one of DURESS; file: a descriptor, of BACKUP and RESTORE;
        others: what is destroyed with it, "fNAME PATH" a line. methods: the ways in that its profile
        names; factor: the one that comes or goes."""
        self.source = source or f"{DIR}/{name}.img"
        self.dm = f"pmos-{mode}-{name}"
        raw = REQUEST.pack(0x504d5651, verb, 2 if key_file else 1, int(block), size, memory,
                           time_ms, key_bits, 4096,
                           (pin is not None) + 2 * (new is not None or file is not None),
                           mode.encode(), name.encode(), self.dm.encode(), self.source.encode(),
                           key_file.encode(), cipher.encode(), b"argon2id", b"ext4",
                           f"{DIR}/attempts/{mode}".encode(), f"{DIR}/repeats/{mode}".encode(),
                           (undo or f"{DIR}/headers/{mode}/{name}").encode(),
                           integrity.encode(), discards.encode(), header.encode(),
                           methods.encode(), b"", factor.encode(), b"",
                           erase_after, 0, 0, 0, 0, b"", others.encode())
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(600)
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec "$0" 3<&{theirs.fileno()}', WORKER], pass_fds=[theirs.fileno()])
        theirs.close()
        fds = [pipe_of(secret) for secret in (pin, new) if secret is not None]
        if file is not None:
            fds.append(os.dup(file))
        socket.send_fds(self.socket, [raw], fds)
        for fd in fds:
            os.close(fd)
        self.steps = []
        self.keys_ended = False
        self.details = {}

    def next(self):
        raw = self.socket.recv(4096)
        answer = Answer(raw if len(raw) == EVENT.size else None)
        if answer.kind == PROGRESS:
            self.steps.append(answer.step)
        self.keys_ended |= answer.kind == KEYS_ENDED
        if answer.kind == DETAIL:
            self.details[answer.step] = answer.what
        return answer

    def until(self, step):
        while (answer := self.next()).kind in (PROGRESS, DETAIL, KEYS_ENDED):
            if answer.kind == PROGRESS and answer.step == step:
                return True
        return False

    def finish(self):
        while (answer := self.next()).kind in (PROGRESS, DETAIL, KEYS_ENDED):
            pass
        answer.details, answer.keys_ended = self.details, self.keys_ended
        self.process.wait(120)
        self.socket.close()
        return answer


def ask(verb, **options):
    return Worker(verb, **options).finish()


def lines(*command):
    return sorted(subprocess.run(command, capture_output=True, text=True).stdout.split("\n"))


def leftovers():
    """Everything a worker could leave: mappings, loops, files, keys."""
    deadline = time.monotonic() + 5
    while True:
        state = {"dm": [line for line in lines("dmsetup", "ls") if "pmos-t" in line],
                 "loop": [line for line in lines("losetup", "--noheadings", "--output", "BACK-FILE")
                          if DIR in line],
                 "temporary": [f for f in os.listdir(DIR) if ".tmp-" in f]}
        if not any(state.values()) or time.monotonic() > deadline:
            return {kind: found for kind, found in state.items() if found}
        time.sleep(0.1)


def clean(what):
    found = leftovers()
    check(f"{what}: nothing is left", not found, found)


def mount(dm="pmos-t-data"):
    os.makedirs(f"{DIR}/mnt", exist_ok=True)
    return subprocess.run(["mount", "-t", "ext4", f"/dev/mapper/{dm}", f"{DIR}/mnt"]).returncode == 0


def umount():
    subprocess.run(["umount", f"{DIR}/mnt"], check=True)


def contains(path, needle):
    """Reads around the page cache of nobody: the file as it is on the disk."""
    os.sync()
    tail = b""
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            if needle in tail + block:
                return True
            tail = block[-len(needle):]
    return False


def keyslot_areas(path):
    """What is in each of them on the storage."""
    dump = subprocess.run(["cryptsetup", "luksDump", "--dump-json-metadata", path], capture_output=True,
                          text=True, check=True).stdout
    areas = [slot["area"] for slot in json.loads(dump)["keyslots"].values()]
    with open(path, "rb") as disk:
        return [os.pread(disk.fileno(), int(area["size"]), int(area["offset"])) for area in areas]


PIN = secrets.token_hex(8)
