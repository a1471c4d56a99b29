"""secure's volume, pmosctl, and what a re-encryption leaves on the phone. The PIN is random."""

import hashlib
import json
import os
import pathlib
import secrets
import shutil

from handset import PROFILES, check, ctl, no_volume, pmosctl, replaced, run, start, status, until

MODE = "secure"
IMAGE = "/var/lib/pmos/volumes/secure-data.luks"
KEPT_HEADER = "/var/lib/pmos/headers/secure/data"
KEPT = pathlib.Path("/var/lib/pmos/reencrypt-test")
SOAK = bool(os.environ.get("HANDSET_SOAK"))
PIECES = 10 if SOAK else 2  # of 8 MiB, behind a header of 16
PIN = secrets.token_hex(8)
LOCKED, WRONG, BUSY, UNSUPPORTED, DENIED, CANCELLED, INTERRUPTED = 7, 8, 9, 12, 14, 16, 130
OPEN = {"pmos-secure-data"}  # what stands in the kernel when it is open
wanted = ""


def reencrypt(pin=PIN):
    return pmosctl("volume", "reencrypt", MODE, pin=pin)


def begin_reencryption():
    return start("volume", "reencrypt", MODE, pin=PIN)


def info():
    return json.loads(pmosctl("volume", "info", MODE, "--json").stdout)


def header(path=IMAGE):
    """Read as it is: cryptsetup(8) would mend the copy that the worker is writing, and nothing that
    it locks keeps it from that."""
    copies = []
    with open(path, "rb") as image:
        for _ in range(2):
            copy = bytearray(image.read(16 << 10))
            said, copy[448:512] = copy[448:480], bytes(64)
            if hashlib.sha256(copy).digest() == said:
                copies.append((copy[16:24], json.loads(copy[4096:].split(b"\0", 1)[0])))
    if not copies:
        raise ValueError("it is being written")
    return max(copies, key=lambda copy: copy[0])[1]


def key_digests():
    return sorted(d["digest"] for d in header()["digests"].values())


def worker():
    return next(map(int, run("pgrep", "-x", "pmos-volume").stdout.split()), None)


def leftovers():
    names = [line.split()[0] for line in run("dmsetup", "ls").stdout.splitlines() if line]
    return [n for n in names if "secure-" in n or n.startswith("temporary")]


def inside(script):
    return pmosctl("exec", MODE, "--", "sh", "-c", script)


def fingerprint():
    """Of what is on the storage, not of what the kernel remembers."""
    pid = status(MODE)["pid"]
    for name in ("canary", "big") if pid else ():
        fd = os.open(f"/proc/{pid}/root/data/{name}", os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
    return inside("cd /data && sha256sum canary big 2>&1").stdout


def same():
    return fingerprint() == wanted


def open_it(what):
    done = pmosctl("unlock", MODE, pin=PIN)
    check(f"{what}: the PIN opens it", done.returncode == 0, done.stderr)
    return check(f"{what}: the data is the same", same(), fingerprint())


def at_work(process, wanted=1):
    """Waits until that many pieces, or more, were written anew."""
    def begun():
        return process.poll() is not None or has_begun() and pieces() >= wanted
    until(begun)
    return process.poll() is None


def has_begun():
    """The header says that there are two keys, and which part has which."""
    try:
        return any("flags" in s for s in header()["segments"].values())
    except (ValueError, KeyError):
        return False


def pieces():
    """By what the header says of the part that has the new key already."""
    try:
        segments = [s for s in header()["segments"].values() if "flags" not in s]
    except (ValueError, KeyError):
        return 0
    if len(segments) < 2:
        return 0
    first = min(segments, key=lambda s: int(s["offset"]))
    return int(first["size"]) >> 23


def all_written():
    """That it has come to its last piece, and not yet to the end of what it notes."""
    try:
        found = header()
    except ValueError:
        return False
    final = next((n for n, s in found["segments"].items() if "backup-final" in s.get("flags", [])), None)
    return any({final, "0"} <= set(d["segments"]) for d in found["digests"].values())


def begin():
    """secure has a new volume, cheap to open, with something in it."""
    global wanted
    KEPT.mkdir(mode=0o700, exist_ok=True)
    profile = PROFILES / f"{MODE}.json"
    profile.write_text(replaced(profile.read_text(), '"size": "64MiB"',
                                f'"size": "{16 + 8 * PIECES}MiB"'))
    ctl("reload")
    no_volume(MODE)
    check("the volume is made", pmosctl("provision", MODE, pin=PIN).returncode == 0)
    check("and opened", pmosctl("unlock", MODE, pin=PIN).returncode == 0)
    inside(f"head -c {3 * PIECES}000000 /dev/urandom >/data/big; echo canary >/data/canary; sync")
    wanted = fingerprint()


def end():
    ctl("lock", MODE)
    shutil.rmtree(KEPT)
    journal = run("journalctl", "-b", "--no-pager").stdout
    check("no PIN is in the journal", PIN not in journal)
