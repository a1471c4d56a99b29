"""What the parts of this test share: secrets that this process never holds, the search of memory
from outside, and the mode under test. Each secret is two shares, put together by children that are
gone before memory is looked at."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from handset import another_pmosd, check, ctl, main_pid, no_volume, note, run, status

MODE = "secure"
VOLUME = f"/var/lib/pmos/volumes/{MODE}-data.luks"

# Programs for children. Each exits at once, and init_on_free wipes what it leaves.
SHARES = ("import secrets,sys\n"
          "v=sys.stdin.buffer.read() or secrets.token_hex(16).encode()\n"
          "a=secrets.token_bytes(len(v))\n"
          "print(a.hex(),bytes(x^y for x,y in zip(a,v)).hex())")
JOIN = ("import sys\n"
        "a,b=(bytes.fromhex(x) for x in sys.argv[1:3])\n"
        "sys.stdout.buffer.write(bytes(x^y for x,y in zip(a,b)))")
# Keeps what it reads in its memory until it is killed; says when it has it.
HOLD = ("import signal,sys\n"
        "kept=sys.stdin.buffer.read()\n"
        "print(len(kept),flush=True)\n"
        "signal.pause()")
KEY = ("import secrets,subprocess,sys\n"
       "out=subprocess.run(['cryptsetup','luksDump','--batch-mode','--dump-volume-key','--key-file',"
       "sys.argv[2],sys.argv[1]],stdin=sys.stdin,stdout=subprocess.PIPE).stdout.decode()\n"
       "v=bytes.fromhex(''.join(out.split('MK dump:')[1].split()))\n"
       "a=secrets.token_bytes(len(v))\n"
       "print(a.hex(),bytes(x^y for x,y in zip(a,v)).hex())")

# include/uapi/linux/kernel-page-flags.h
PAGE_FLAGS = ("locked error referenced uptodate dirty lru active slab writeback reclaim buddy mmap anon "
              "swapcache swapbacked head tail huge unevictable hwpoison nopage ksm thp offline zero "
              "idle pgtable").split()
secrets_ = {}  # name: [kind, share, share]


def python(program, *args):
    return [sys.executable, "-c", program, *args]


def joined(name):
    """The child that writes the secret into its stdout."""
    return subprocess.Popen(python(JOIN, *secrets_[name][1:]), stdout=subprocess.PIPE)


def with_secret(name, *command, code=0):
    """A command with the secret on its standard input."""
    with joined(name) as source:
        done = run(*command, stdin=source.stdout)
    check(" ".join(command), done.returncode == code, done.stderr)


def new_secret(name, kind):
    secrets_[name] = [kind, *run(*python(SHARES)).stdout.split()]


def learn_key(name, volume, key_file, pin=None):
    """The key of a volume, as shares."""
    with joined(pin) if pin else open("/dev/null", encoding="ascii") as source:
        out = run(*python(KEY, volume, key_file), stdin=source.stdout if pin else source)
    if not check(f"the key of {volume} is known", out.returncode == 0 and out.stdout, out.stderr):
        sys.exit(1)
    secrets_[name] = ["xts", *out.stdout.split()]


def memory():
    """{secret: {spelling: count}} of the whole phone at this moment, and where."""
    time.sleep(0.5)  # what has just ended is reaped, and its pages are free
    start = time.monotonic()
    out = run("handset-host", "memory", json.dumps(secrets_))
    if out.returncode != 0:
        print("  FAIL  the memory cannot be searched: " + out.stderr)
        sys.exit(1)
    hits = json.loads(out.stdout)
    told = {n: {s: e["count"] for s, e in found.items()} for n, found in hits.items()}
    note(f"memory ({time.monotonic() - start:.1f} s): {told}")
    return hits


def kind_of(address):
    """What the kernel says of a page: whoever has to find out whose a trace is begins here."""
    number = int(address, 16) // 4096 * 8
    with open("/proc/kpageflags", "rb") as flags, open("/proc/kpagecgroup", "rb") as groups:
        flags.seek(number)
        groups.seek(number)
        bits, group = (int.from_bytes(f.read(8), "little") for f in (flags, groups))
    words = [w for i, w in enumerate(PAGE_FLAGS) if bits >> i & 1]
    return f"[{' '.join(words)}; cgroup {group}]"


def absent(when, hits, *names):
    for name in names:
        places = [f"{s} at {at} {kind_of(at)}: {around}" for s, e in hits.get(name, {}).items()
                  for at, around in e["places"]]
        check(f"{when}: no trace of {name}", not places, "\n        " + "\n        ".join(places))


def present(when, hits, name, *spellings):
    for spelling in spellings:
        check(f"{when}: {name} is found ({spelling})", hits.get(name, {}).get(spelling), hits.get(name))


def unlock(pin="the PIN", code=0):
    with_secret(pin, "pmosctl", "unlock", MODE, "--pin-fd", "0", code=code)


def write_inside():
    """Leaves the canaries in the mode: in files, a file's name, and a process's own memory."""
    for name, file in (("the canary", "canary"), ("the file's canary", "other")):
        with_secret(name, "pmosctl", "exec", MODE, "--", "sh", "-c", f"cat >/data/{file}; sync")
    with_secret("the file's name", "pmosctl", "exec", MODE, "--", "sh", "-c",
                'read name; echo x >"/data/$name"; sync; ls /data >/dev/null')
    program = ("import signal; kept=open('/data/canary','rb').read(); print(len(kept),flush=True); "
               "signal.pause()")
    inside = subprocess.Popen(["pmosctl", "exec", MODE, "--", "python3", "-c", program],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    check("a process of the mode keeps the canary", inside.stdout.readline().strip() == "32")
    return inside


def control():
    """The search finds each secret where it surely is: in a child of this script."""
    held = []
    for name in secrets_:
        with joined(name) as source:
            child = subprocess.Popen(python(HOLD), stdin=source.stdout, stdout=subprocess.PIPE)
        child.stdout.readline()
        held.append(child)
    hits = memory()
    for child in held:
        child.kill()
        child.wait()
        child.stdout.close()
    for name, (kind, *_) in secrets_.items():
        present("positive control", hits, name, "whole" if kind == "xts" else "plain")


OURS = ("the key", "the PIN", "the canary", "the file's canary", "the file's name")


def looked_at(path):
    """Whether udev has read what is on it."""
    told = run("udevadm", "info", "--query=property", path)
    check(f"udev knows {path}", told.returncode == 0 and "DM_NAME=" in told.stdout, told)
    return "ID_FS_" in told.stdout


def opened(when):
    inside = write_inside()
    check(f"{when}: udev has not read the volume", not looked_at(f"/dev/mapper/pmos-{MODE}-data"))
    hits = memory()
    for half in ("data", "tweak"):
        present(when, hits, "the key", f"{half} half", f"{half} schedule")
    for name in OURS[2:]:
        present(when, hits, name, "plain")
    absent(when, hits, "the PIN")
    return inside


def gone(when, inside=None):
    """Nothing of the mode is in memory, and personal runs on."""
    if inside:
        inside.wait(20)
        inside.stdout.close()
    hits = memory()
    absent(when, hits, *OURS)
    state = status("personal")
    check(f"{when}: personal runs on", state["state"] == "running", state)
    present(when, hits, "personal's key", "data schedule", "tweak schedule")
    check(f"{when}: no mapping", not os.path.exists(f"/dev/mapper/pmos-{MODE}-data"))


def kill_worker():
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == "pmos-volume":
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            pass


def kill_daemon():
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)


def begin():
    check("the kernel wipes what is freed",
          "init_on_free=1" in open("/proc/cmdline", encoding="ascii").read().split())
    for name in OURS[1:]:
        new_secret(name, "text")
    no_volume(MODE)
    with_secret("the PIN", "pmosctl", "provision", MODE, "--pin-fd", "0")
    learn_key("the key", VOLUME, "-", pin="the PIN")
    plan = json.loads(ctl("inspect", "personal").stdout)["plan"]["volumes"][0]
    learn_key("personal's key", plan["source"], plan["keyFile"])
    control()
