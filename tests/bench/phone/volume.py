#!/usr/bin/env python3
"""./dev bench volume, the part on the phone: what a volume costs, as rows of JSON on the last line.

Four parts of one disk: raw; dm-crypt as cryptsetup makes it by its defaults; dm-crypt with the null
cipher, which is the way through the kernel without the work; a volume of pmos. They take turns, so
that whatever else the machine does falls on all of them."""

import ctypes
import itertools
import json
import mmap
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time

DISK = os.path.realpath("/dev/disk/by-id/virtio-spare")
PARTS = ("raw", "defaults", "null", "pmos")
PART = 48 << 20
PROFILE = "/usr/share/pmos/profiles/secure.json"
PIN = str(secrets.randbelow(9 * 10**7) + 10**7)
OPENINGS, ROUNDS, TURN = 9, 15, 0.1
LARGE = 128 << 10
LOADS = {"4k-read": (4096, False), "128k-read": (LARGE, False),
         "4k-write": (4096, True), "128k-write": (LARGE, True)}


def run(*command, secret=None, **options):
    if secret is not None:
        read, write = os.pipe()
        os.write(write, secret.encode())
        os.close(write)
        command += ("--pin-fd", str(read))
        options["pass_fds"] = [read]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    finally:
        if secret is not None:
            os.close(read)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def cryptsetup(*command, pin=PIN):
    return run("cryptsetup", "--batch-mode", "--key-file", "-", *command, input=pin)


def carve():
    for i, name in enumerate(PARTS):
        run("dmsetup", "create", f"bench-{name}", "--table",
            f"0 {PART // 512} linear {DISK} {i * PART // 512}")
    cryptsetup("luksFormat", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
               "/dev/mapper/bench-defaults")
    cryptsetup("open", "/dev/mapper/bench-defaults", "bench-defaults-open")
    run("dmsetup", "create", "bench-null-open", "--table",
        f"0 {PART // 512} crypt cipher_null-ecb - 0 /dev/mapper/bench-null 0")


def make_volume():
    with open(PROFILE, encoding="utf-8") as stream:
        shipped = stream.read()
    on_part = shipped.replace('"size": "64MiB"', '"source": { "device": "/dev/mapper/bench-pmos" }')
    assert on_part != shipped
    with open(PROFILE, "w", encoding="utf-8") as stream:
        stream.write(on_part)
    run("pmosctl", "reload")
    run("pmosctl", "provision", "secure", secret=PIN)


def timed(work):
    begin = time.monotonic()
    work()
    return (time.monotonic() - begin) * 1000


def bare_kdf():
    """The key derivation alone, at the cost that the header asks for."""
    argon2 = ctypes.CDLL("libargon2.so.1").argon2id_hash_raw
    sizes = (ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
    slot = json.loads(run("pmosctl", "volume", "info", "secure", "--json"))["keyslots"]["0"]
    cost = [size(int(value)) for size, value in
            zip(sizes, (slot["iterations"], slot["memory"] >> 10, slot["lanes"]))]
    out = ctypes.create_string_buffer(64)

    def derive():
        code = argon2(*cost, PIN.encode(), ctypes.c_size_t(len(PIN)), b"s" * 32,
                      ctypes.c_size_t(32), out, ctypes.c_size_t(64))
        assert code == 0, code
    return derive


def open_by_cryptsetup(place):
    """What pmosctl unlock does, with nothing around it."""
    cryptsetup("open", "/dev/mapper/bench-pmos", "bench-pmos-open")
    run("e2fsck", "-p", "/dev/mapper/bench-pmos-open")
    run("mount", "/dev/mapper/bench-pmos-open", place)


def openings():
    """Medians of what an opening takes beside its key derivation: by pmosctl, by cryptsetup."""
    derive, ours, peers = bare_kdf(), [], []
    with tempfile.TemporaryDirectory() as place:
        for _ in range(OPENINGS):
            took = timed(lambda: run("pmosctl", "unlock", "secure", "--no-start", secret=PIN))
            ours.append(took - timed(derive))
            run("pmosctl", "lock", "--evict", "secure")
            took = timed(lambda: open_by_cryptsetup(place))
            peers.append(took - timed(derive))
            run("umount", place)
            run("cryptsetup", "close", "bench-pmos-open")
    return statistics.median(ours), statistics.median(peers)


def mapped_as(name):
    """The mapping's table without its key and its device."""
    fields = run("dmsetup", "table", name).split()
    return fields[3:4] + fields[5:6] + fields[7:]


def open_for_measuring():
    """By cryptsetup, which makes of the flags in the header the same mapping: pmosd has a file
    system on its own."""
    run("pmosctl", "unlock", "secure", "--no-start", secret=PIN)
    ours = mapped_as("pmos-secure-data")
    run("pmosctl", "lock", "--evict", "secure")
    cryptsetup("open", "/dev/mapper/bench-pmos", "bench-pmos-open")
    assert mapped_as("bench-pmos-open") == ours, (mapped_as("bench-pmos-open"), ours)
    print(f"pmos:     {' '.join(ours)}\ndefaults: {' '.join(mapped_as('bench-defaults-open'))}",
          file=sys.stderr)


class Device:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.buffer = mmap.mmap(-1, LARGE)
        self.places = random.Random(1)
        for at in range(0, self.size - LARGE + 1, LARGE):
            os.pwritev(self.fd, [self.buffer], at)  # what was never written reads too fast

    def turn(self, size, writes):
        """Microseconds for one block."""
        view = memoryview(self.buffer)[:size]
        move = os.pwritev if writes else os.preadv
        begin, last = time.monotonic(), self.size // size
        for i in itertools.count(1):
            at = (self.places.randrange(last) if size < LARGE else i % last) * size
            assert move(self.fd, [view], at) == size
            took = time.monotonic() - begin
            if took > TURN:
                return took / i * 1e6


def block_times():
    devices = {"raw": Device("/dev/mapper/bench-raw")} | {
        name: Device(f"/dev/mapper/bench-{name}-open") for name in PARTS[1:]}
    found = {load: {name: [] for name in devices} for load in LOADS}
    for _ in range(ROUNDS):
        for load, (size, writes) in LOADS.items():
            for name, device in devices.items():
                found[load][name].append(device.turn(size, writes))
    for device in devices.values():
        os.close(device.fd)
    return {load: {name: statistics.median(of) for name, of in each.items()}
            for load, each in found.items()}


def cipher_times():
    """Microseconds for a MiB of (encryption, decryption) in memory, as cryptsetup measures them."""
    told = run("cryptsetup", "benchmark", "--cipher", "aes-xts", "--key-size", "512")
    words = told.splitlines()[-1].split()
    speeds = [float(word) for word in words if word.replace(".", "").isdigit()][-2:]
    return [1e6 / speed for speed in speeds]


def row(name, unit, ours, peer, goal=None):
    ratio = ours / peer if peer is not None else ours
    return {"name": name, "unit": unit, "ours": round(ours, 4),
            "peer": None if peer is None else round(peer, 4), "ratio": round(ratio, 4),
            "goal": goal}


def emulated():
    """Whether a processor is emulated: an aim in milliseconds says nothing there."""
    return run("systemd-detect-virt").strip() == "qemu"


def main():
    carve()
    make_volume()
    ours, peer = openings()
    rows = [row("unlock-without-kdf", "ms", ours, None, None if emulated() else 50),
            row("unlock-without-kdf-vs-cryptsetup", "ms", ours, peer)]
    open_for_measuring()
    encrypts, decrypts = cipher_times()
    for load, of in block_times().items():
        size, writes = LOADS[load]
        bound = of["raw"] + (encrypts if writes else decrypts) * size / (1 << 20)
        rows += [row(f"volume-{load}-vs-cryptsetup", "us", of["pmos"], of["defaults"], 1.05),
                 row(f"volume-{load}-vs-raw-and-cipher", "us", of["pmos"], bound),
                 row(f"volume-{load}-vs-null", "us", of["pmos"], of["null"]),
                 row(f"volume-{load}-vs-raw", "us", of["pmos"], of["raw"])]
    print(json.dumps(rows))


main()
