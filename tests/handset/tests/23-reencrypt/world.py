"""secure's volume, pmosctl, and what a re-encryption leaves on the phone. The PIN is random."""

import glob
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import time

MODE = "secure"
PROFILES = pathlib.Path("/usr/share/pmos/profiles")
IMAGE = "/var/lib/pmos/volumes/secure-data.luks"
KEPT_HEADER = "/var/lib/pmos/headers/secure/data"
KEPT = pathlib.Path("/var/lib/pmos/reencrypt-test")
SOAK = bool(os.environ.get("HANDSET_SOAK"))
PIECES = 10 if SOAK else 2  # of 8 MiB, behind a header of 16
PIN = secrets.token_hex(8)
LOCKED, WRONG, BUSY, UNSUPPORTED, DENIED, CANCELLED, INTERRUPTED = 7, 8, 9, 12, 14, 16, 130
OPEN = {"pmos-secure-data"}  # what stands in the kernel when it is open
wanted = ""
failures = 0


def check(what, good, detail=""):
    global failures
    failures += not good
    print(("  ok    " if good else "  FAIL  ") + what + (f": {detail}" if not good else ""), flush=True)
    return good


def run(*command, seconds=200, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False,
                          **options)


def ctl(*words, code=0):
    done = run("pmosctl", *words)
    if code is not None:
        check("pmosctl " + " ".join(words), done.returncode == code, (done.returncode, done.stderr))
    return done


def pin_fd(pin=PIN):
    r, w = os.pipe()
    os.write(w, pin.encode())
    os.close(w)
    return r


def start(*words, pin=PIN):
    """pmosctl with a PIN, in the background."""
    r, w = os.pipe()
    os.write(w, pin.encode())
    os.close(w)
    process = subprocess.Popen(["pmosctl", *words, "--pin-fd", str(r)], pass_fds=[r], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.close(r)
    return process


def asked(*words, pin=PIN):
    process = start(*words, pin=pin)
    process.out, process.err = process.communicate(timeout=300)
    return process


def reencrypt(pin=PIN):
    return asked("volume", "reencrypt", MODE, pin=pin)


def status():
    return json.loads(run("pmosctl", "status", MODE, "--json").stdout)[0]


def info():
    return json.loads(run("pmosctl", "volume", "info", MODE, "--json").stdout)


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


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def worker():
    return next(map(int, run("pgrep", "-x", "pmos-volume").stdout.split()), None)


def leftovers():
    names = [line.split()[0] for line in run("dmsetup", "ls").stdout.splitlines() if line]
    return [n for n in names if "secure" in n or n.startswith("temporary")]


def inside(script):
    return run("pmosctl", "exec", MODE, "--", "sh", "-c", script)


def fingerprint():
    """Of what is on the storage, not of what the kernel remembers."""
    pid = status()["pid"]
    for name in ("canary", "big") if pid else ():
        fd = os.open(f"/proc/{pid}/root/data/{name}", os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
    return inside("cd /data && sha256sum canary big 2>&1").stdout


def same():
    return fingerprint() == wanted


def open_it(what, pin=PIN):
    done = asked("unlock", MODE, pin=pin)
    check(f"{what}: the PIN opens it", done.returncode == 0, done.err)
    return check(f"{what}: the data is the same", same(), fingerprint())


def at_work(process, wanted=1):
    """Waits until that many pieces, or more, were written anew."""
    def begun():
        return process.poll() is not None or pieces() >= wanted
    until(begun)
    return process.poll() is None


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
    text = (PROFILES / f"{MODE}.json").read_text().replace(
        '"size": "64MiB"', f'"size": "{16 + 8 * PIECES}MiB"')
    text = text.replace('"memoryMax": "256MiB", "timeMs": 1000', '"memoryMax": "32MiB", "timeMs": 100')
    (PROFILES / f"{MODE}.json").write_text(text)
    ctl("reload")
    ctl("lock", MODE)
    for path in glob.glob("/var/lib/pmos/volumes/secure-*"):
        os.unlink(path)
    check("the volume is made", asked("provision", MODE).returncode == 0)
    check("and opened", asked("unlock", MODE).returncode == 0)
    inside(f"head -c {3 * PIECES}000000 /dev/urandom >/data/big; echo canary >/data/canary; sync")
    wanted = fingerprint()


def end():
    ctl("lock", MODE)
    shutil.rmtree(KEPT)
    journal = run("journalctl", "-b", "--no-pager").stdout
    check("no PIN is in the journal", PIN not in journal)
    print(f"{failures} failures")
    sys.exit(1 if failures else 0)
