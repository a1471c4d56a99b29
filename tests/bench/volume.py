#!/usr/bin/env python3
"""./dev bench volume: what a volume costs, on the emulated phone.

Four devices, each a part of one disk: raw; dm-crypt as cryptsetup makes it by its defaults; dm-crypt
with the null cipher, which is the way through the kernel without the work; a volume of pmos. They
take turns, so that whatever else the machine does falls on all of them; rows hold medians."""

import ctypes
import itertools
import json
import mmap
import os
import random
import statistics
import subprocess
import tempfile
import time

PROFILE = "/usr/share/pmos/profiles/secure.json"
PIN = str(random.randrange(10**7, 10**8))
PART = 48 << 20
ROUNDS, TURN = 9, 0.06
LOADS = {"4k-read": (4096, False), "128k-read": (131072, False),
         "4k-write": (4096, True), "128k-write": (131072, True)}


def run(*command, secret=None):
    fds = {}
    if secret is not None:
        read, write = os.pipe()
        os.write(write, secret.encode())
        os.close(write)
        command += ("--pin-fd", str(read))
        fds["pass_fds"] = [read]
    done = subprocess.run(command, capture_output=True, text=True, **fds)
    if secret is not None:
        os.close(read)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def carve(disk):
    for i, name in enumerate(("raw", "defaults", "null", "pmos")):
        run("dmsetup", "create", f"bench-{name}", "--table",
            f"0 {PART // 512} linear {disk} {i * PART // 512}")
    with tempfile.NamedTemporaryFile("w") as key:
        key.write(PIN)
        key.flush()
        run("cryptsetup", "luksFormat", "--batch-mode", "--pbkdf", "pbkdf2",
            "--pbkdf-force-iterations", "1000", "/dev/mapper/bench-defaults", key.name)
        run("cryptsetup", "open", "--key-file", key.name, "/dev/mapper/bench-defaults",
            "bench-defaults-open")
    run("dmsetup", "create", "bench-null-open", "--table",
        f"0 {PART // 512} crypt cipher_null-ecb - 0 /dev/mapper/bench-null 0")


def make_volume():
    with open(PROFILE) as stream:
        shipped = stream.read()
    with open(PROFILE, "w") as stream:
        stream.write(shipped.replace('"size": "64MiB"',
                                     '"source": { "device": "/dev/mapper/bench-pmos" }'))
    run("pmosctl", "reload")
    run("pmosctl", "provision", "secure", secret=PIN)
    return shipped


def unlock_times():
    """Each opening, and next to it the bare key derivation at the cost that the header asks for."""
    argon2 = ctypes.CDLL("libargon2.so.1").argon2id_hash_raw
    sizes = (ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)
    info = json.loads(run("pmosctl", "volume", "info", "secure", "--json"))
    slot = info["keyslots"]["0"]
    out, pairs = ctypes.create_string_buffer(64), []
    for _ in range(5):
        begin = time.monotonic()
        run("pmosctl", "unlock", "secure", "--no-start", secret=PIN)
        whole = time.monotonic() - begin
        begin = time.monotonic()
        argon2(*(size(value) for size, value in
                 zip(sizes, (int(slot["iterations"]), slot["memory"] >> 10, slot["lanes"]))),
               PIN.encode(), ctypes.c_size_t(len(PIN)), b"s" * 32, ctypes.c_size_t(32),
               out, ctypes.c_size_t(64))
        pairs.append((whole * 1000, (time.monotonic() - begin) * 1000))
        if len(pairs) < 5:
            run("pmosctl", "lock", "secure")
    return info, pairs


class Device:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.buffer = mmap.mmap(-1, 131072)
        self.places = random.Random(1)
        for at in range(0, self.size - 131072, 131072):
            os.pwritev(self.fd, [self.buffer], at)  # what was never written reads too fast

    def turn(self, size, writes):
        """MiB/s of one turn."""
        view = memoryview(self.buffer)[:size]
        move = os.pwritev if writes else os.preadv
        begin, done = time.monotonic(), 0
        for i in itertools.count():
            last = self.size // size
            at = (self.places.randrange(last) if size == 4096 else i % last) * size
            done += move(self.fd, [view], at)
            took = time.monotonic() - begin
            if took > TURN:
                return done / took / (1 << 20)


def throughput():
    devices = {"raw": Device("/dev/mapper/bench-raw"),
               "defaults": Device("/dev/mapper/bench-defaults-open"),
               "null": Device("/dev/mapper/bench-null-open"),
               "pmos": Device("/dev/mapper/pmos-secure-data")}
    found = {load: {name: [] for name in devices} for load in LOADS}
    for _ in range(ROUNDS):
        for load, (size, writes) in LOADS.items():
            for name, device in devices.items():
                found[load][name].append(device.turn(size, writes))
    for device in devices.values():
        os.close(device.fd)
    return {load: {name: statistics.median(of) for name, of in each.items()}
            for load, each in found.items()}


def cipher_speed():
    """MiB/s of (writes, reads) in memory, as cryptsetup measures it."""
    line = run("cryptsetup", "benchmark", "--cipher", "aes-xts", "--key-size", "512").split("\n")[-2]
    return [float(word) for word in line.split() if word.replace(".", "").isdigit()][-2:]


def main():
    disk = os.path.realpath("/dev/disk/by-id/virtio-spare")
    carve(disk)
    shipped = make_volume()
    info, pairs = unlock_times()
    rows = throughput()
    encrypts, decrypts = cipher_speed()
    rest = statistics.median(whole - kdf for whole, kdf in pairs)
    print(f"unlock {statistics.median(w for w, _ in pairs):.0f} ms, of it Argon2id "
          f"{statistics.median(k for _, k in pairs):.0f} ms; the rest {rest:.0f} ms (aim: 50)")
    print(f"flags of the volume: {info['flags'] or 'none'}")
    print(f"aes-xts in memory: {encrypts:.0f} MiB/s writing, {decrypts:.0f} reading")
    print(f"{'MiB/s':<12}{'raw':>8}{'null':>8}{'defaults':>10}{'pmos':>8}{'/defaults':>11}{'/bound':>8}")
    for load, of in rows.items():
        bound = 1 / (1 / of["raw"] + 1 / (encrypts if LOADS[load][1] else decrypts))
        print(f"{load:<12}{of['raw']:8.1f}{of['null']:8.1f}{of['defaults']:10.1f}{of['pmos']:8.1f}"
              f"{of['pmos'] / of['defaults']:11.2f}{of['pmos'] / bound:8.2f}")
    run("pmosctl", "lock", "secure")
    with open(PROFILE, "w") as stream:
        stream.write(shipped)
    run("cryptsetup", "close", "bench-defaults-open")
    for name in ("null-open", "raw", "defaults", "null", "pmos"):
        run("dmsetup", "remove", "--retry", f"bench-{name}")


main()
