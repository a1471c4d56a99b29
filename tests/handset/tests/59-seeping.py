#!/usr/bin/env python3
# boot: own
# kdf: shipped
# timeout: 300
# turn: 1
"""What a mode holds does not leave it sideways: not in a core dump, whatever the host does with
them, and not in swap. Nor does what a worker holds, which has its keys."""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import time

from handset import check, no_volume, pmosctl, run, start

PATTERN = pathlib.Path("/proc/sys/kernel/core_pattern")
CATCHER, CAUGHT = pathlib.Path("/run/catch-core"), pathlib.Path("/run/caught")
CRASH = "import os,signal; os.kill(os.getpid(),signal.SIGSEGV)"
# As gnupg does it, and as somebody does it who wants to be dumped.
NO_CORES = ("import resource as r\n"
            "for limit in ((0, 0), (0, 1), (r.RLIM_INFINITY, r.RLIM_INFINITY)):\n"
            " try: r.setrlimit(r.RLIMIT_CORE, limit)\n"
            " except (OSError, ValueError) as e: print('refused', e)\n"
            "print(r.getrlimit(r.RLIMIT_CORE), flush=True)\n")


def caught():
    time.sleep(1)
    found = CAUGHT.read_text().split() if CAUGHT.exists() else []
    CAUGHT.unlink(missing_ok=True)
    return found


def worker_crashes():
    """In the midst of a derivation: it has the PIN, and the volume's key."""
    no_volume("secure")
    making = start("provision", "secure", pin=secrets.token_hex(8))
    said = next((line for line in making.stderr if "deriving" in line), "")
    pid = int(run("pgrep", "-x", "pmos-volume").stdout or 0)
    if not check("a worker derives a key", said and pid, (said, pid)):
        return
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    check("its memory is locked", int(re.search(r"VmLck:\s+(\d+)", status)[1]) > 0, status)
    check("it is root's alone", os.stat(f"/proc/{pid}/mem").st_uid == 0)
    os.kill(pid, signal.SIGSEGV)
    making.communicate(timeout=60)
    check("a worker crashes", making.returncode != 0)
    check("and is dumped nowhere", not caught())


def core_dumps():
    before = PATTERN.read_text()
    CATCHER.write_text(f"#!/bin/sh\ncat >/dev/null\necho $1 >>{CAUGHT}\n")
    CATCHER.chmod(0o755)
    PATTERN.write_text(f"|{CATCHER} %p")
    try:
        host = subprocess.run([sys.executable, "-c", CRASH], check=False)
        check("positive control: the host's are caught", host.returncode < 0 and caught())
        done = pmosctl("exec", "personal", "--", "python3", "-c", CRASH)
        check("a process of a mode crashes", done.returncode == 139, done)
        check("and is dumped nowhere", not caught())
        done = pmosctl("exec", "personal", "--", "python3", "-c", NO_CORES + CRASH)
        check("nor can it change that", done.returncode == 139 and
              done.stdout.count("refused") == 3 and "(1, 1)" in done.stdout, done)
        check("and is dumped nowhere", not caught())
        done = pmosctl("exec", "personal", "--", "sh", "-c", "kill -SEGV $$")
        check("a shell neither", not caught(), done)
        worker_crashes()
        doctor = json.loads(pmosctl("doctor", "--json").stdout)
        said = [f for f in doctor if f["subject"] == "core dumps"]
        check("doctor names the pipe", said and said[0]["severity"] == "note" and
              str(CATCHER) in said[0]["message"], said)
    finally:
        PATTERN.write_text(before)
        CATCHER.unlink()
    done = pmosctl("exec", "personal", "--", "sh", "-c", "cd /data && kill -SEGV $$")
    left = pmosctl("exec", "personal", "--", "ls", "/data").stdout
    check("nor into a file of its own", "core" not in left.split(), (done, left))


def swap():
    doctor = json.loads(pmosctl("doctor", "--json").stdout)
    said = {f["subject"]: f["severity"] for f in doctor}
    check("doctor sees that freed memory is wiped", said.get("freed memory") == "ok", said)
    groups = list(pathlib.Path("/sys/fs/cgroup").rglob("personal/memory.swap.max"))
    check("a mode has no swap", groups and all(g.read_text().strip() == "0" for g in groups), groups)
    area = pathlib.Path("/var/lib/swap-test")
    with open(area, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 64 << 20)
    area.chmod(0o600)
    run("mkswap", str(area))
    on = run("swapon", str(area))
    check("the phone has swap", on.returncode == 0, on.stderr)
    program = ("import time\nkept = bytearray(b'x' * (32 << 20))\nprint('ready', flush=True)\n"
               "time.sleep(60)\n")
    child = subprocess.Popen(["pmosctl", "exec", "personal", "--", "python3", "-c", program],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    check("a process holds memory", child.stdout.readline().strip() == "ready")
    for group in groups:
        try:
            (group.parent / "memory.reclaim").write_text("64M")
        except OSError:
            pass  # what is asked for is more than can go
        check("none of it was swapped, though asked to",
              (group.parent / "memory.swap.current").read_text().strip() == "0")
    child.terminate()
    child.wait(20)
    child.stdout.close()
    run("swapoff", str(area))
    area.unlink()


core_dumps()
swap()
