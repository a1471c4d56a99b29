#!/usr/bin/env python3
# boot: own
# timeout: 1800
"""Another volume key, by pmosctl on the phone: while the mode runs and while its volume is closed,
stopped and gone on with, cut short by a lock, a killed worker, a killed pmosd and the loss of
power. After each of it the data is the same. The PIN is random."""

import contextlib
import glob
import json
import os
import pathlib
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time

MODE = "secure"
PROFILES = pathlib.Path("/usr/share/pmos/profiles")
IMAGE = "/var/lib/pmos/volumes/secure-data.luks"
KEPT = pathlib.Path("/var/lib/pmos/reencrypt-test")
PIN = secrets.token_hex(8)
MOMENTS = 12 if os.environ.get("HANDSET_SOAK") else 3
LOCKED, WRONG, BUSY, UNSUPPORTED, DENIED, CANCELLED, INTERRUPTED = 7, 8, 9, 12, 14, 16, 130
OPEN = {"pmos-secure-data"}
failures = 0
random.seed(os.environ.get("SEED", seed := secrets.token_hex(4)))


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
    return json.loads(run("cryptsetup", "luksDump", "--dump-json-metadata", path).stdout)


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
    return inside("cd /data && sha256sum canary big 2>&1").stdout


def open_it(what, pin=PIN):
    done = asked("unlock", MODE, pin=pin)
    check(f"{what}: the PIN opens it", done.returncode == 0, done.err)
    return check(f"{what}: the data is the same", fingerprint() == WANTED, fingerprint())


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


def profile():
    text = (PROFILES / f"{MODE}.json").read_text().replace('"size": "64MiB"', '"size": "96MiB"')
    text = text.replace('"memoryMax": "256MiB", "timeMs": 1000', '"memoryMax": "32MiB", "timeMs": 100')
    (PROFILES / f"{MODE}.json").write_text(text)
    ctl("reload")
    ctl("lock", MODE)
    for path in glob.glob("/var/lib/pmos/volumes/secure-*"):
        os.unlink(path)
    check("the volume is made", asked("provision", MODE).returncode == 0)
    check("and opened", asked("unlock", MODE).returncode == 0)
    inside("head -c 30000000 /dev/urandom >/data/big; echo canary >/data/canary; sync")
    return fingerprint()


def while_it_runs():
    old, digests = f"{KEPT}/old-header", key_digests()
    ctl("volume", "backup", MODE, "data", old)
    done = reencrypt(pin=PIN + "x")
    check("a wrong PIN is refused and counted", done.returncode == WRONG
          and status()["failures"] == 1, (done.err, status()["failures"]))
    check("and nothing was written", key_digests() == digests and set(leftovers()) == OPEN,
          leftovers())
    pid, stop = status()["pid"], threading.Event()
    written = []

    def write_on():
        while not stop.is_set():
            n = len(written)
            written.append(inside(f"echo {n} >/data/new-{n} && sync /data/new-{n}").returncode)

    writer = threading.Thread(target=write_on)
    writer.start()
    before = time.monotonic()
    done = reencrypt()
    took = time.monotonic() - before
    stop.set()
    writer.join()
    check("a new key while the mode runs and writes", done.returncode == 0, (done.err, done.out))
    print(f"  ..    80 MiB in {took:.1f} s, {len(written)} files written meanwhile")
    check("with its progress", len(re.findall("re-encrypting", done.err)) > 0, done.err)
    check("the mode has not noticed", status()["pid"] == pid and written and not any(written), written)
    check("the data is the same", fingerprint() == WANTED, fingerprint())
    now = key_digests()
    check("the key is another one", len(now) == 1 and now[0] not in digests, (digests, now))
    head = header()
    check("one keyslot is left, with the mark of completeness, and no other token",
          len(head["keyslots"]) == 1 and [t["type"] for t in head["tokens"].values()] == ["pmos"]
          and list(head["tokens"].values())[0]["keyslots"] == list(head["keyslots"]), head["tokens"])
    check("the volume says nothing of it any more", info()["reencryption"] == "none", info())
    check("nothing is left of it", set(leftovers()) == OPEN, leftovers())
    ctl("lock", MODE)
    refused = ctl("volume", "restore", MODE, "data", old, "--yes", code=DENIED)
    check("a header from before is refused", "older than the volume's key" in refused.stderr,
          refused.stderr)
    open_it("after it")
    check("what was written meanwhile is there",
          inside("cat /data/new-*").stdout.split() and
          inside(f"ls /data | grep -c new-").stdout.strip() == str(len(written)))


def stopped_and_gone_on():
    digests = key_digests()
    process = start("volume", "reencrypt", MODE)
    check("it is at work", at_work(process, 2), process.poll())
    check("info says so", info()["reencryption"] == "running", info()["reencryption"])
    busy = reencrypt()
    check("a second one meanwhile is refused", busy.returncode == BUSY, busy.err)
    process.send_signal(signal.SIGINT)
    process.communicate()
    check("Ctrl-C ends pmosctl", process.returncode in (INTERRUPTED, -signal.SIGINT), process.returncode)
    check("and the work", until(lambda: worker() is None))
    check("and nothing but the mapping is left", until(lambda: set(leftovers()) == OPEN, 10),
          leftovers())
    check("info says that it was interrupted", info()["reencryption"] == "interrupted", info())
    check("the mode runs on", status()["state"] == "running" and fingerprint() == WANTED)
    r, w = os.pipe()
    os.write(w, b"another-pin")
    os.close(w)
    changed = run("pmosctl", "volume", "passwd", MODE, "--new-pin-fd", str(r), "--pin-fd",
                  str(r2 := pin_fd()), pass_fds=[r, r2])
    check("no new PIN meanwhile", changed.returncode == BUSY, changed.stderr)
    os.close(r), os.close(r2)
    grown = asked("volume", "resize", MODE, "data", "128MiB")
    check("nor does it grow", grown.returncode == BUSY, grown.err)
    check("nor is its header backed up",
          run("pmosctl", "volume", "backup", MODE, "data", f"{KEPT}/half").returncode == BUSY)
    ctl("lock", MODE)
    events = subprocess.Popen(["pmosctl", "events", "--json"], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    open_it("half of it has the new key")
    time.sleep(1)
    events.terminate()
    told = events.communicate()[0]
    check("an event says how to go on", "volume-reencrypt-interrupted" in told, told)
    done = reencrypt()
    check("it goes on", done.returncode == 0, done.err)
    check("the data is the same", fingerprint() == WANTED)
    check("the key is another one", not set(digests) & set(key_digests()), (digests, key_digests()))


def pin_fd(pin=PIN):
    r, w = os.pipe()
    os.write(w, pin.encode())
    os.close(w)
    return r


def while_it_is_closed():
    process = start("volume", "reencrypt", MODE)
    check("it is at work", at_work(process, 1), process.poll())
    ctl("lock", MODE)
    process.communicate()
    check("lock ends it, and says so", process.returncode == CANCELLED, process.returncode)
    check("nothing is left in the kernel", leftovers() == [], leftovers())
    process = start("volume", "reencrypt", MODE)
    check("a closed volume is at work", at_work(process, 4), process.poll())
    open_it("unlock while it is re-encrypted closed")
    process.communicate()
    check("which ended that", process.returncode == CANCELLED, process.returncode)
    ctl("lock", MODE)
    done = reencrypt()
    check("closed, to its end", done.returncode == 0, done.err)
    check("nothing is left in the kernel", leftovers() == [], leftovers())
    open_it("after it")
    process = start("volume", "reencrypt", MODE)
    at_work(process, 1)
    ctl("restart", MODE)
    check("a mode that is started anew does not end it", process.poll() is None
          or process.returncode == 0, process.returncode)
    process.communicate()
    check("it ends by itself", process.returncode == 0, process.returncode)
    check("the data is the same", fingerprint() == WANTED)


def killed(what, kill, closed=False):
    digests = key_digests()
    for moment in range(MOMENTS):
        label = f"{what} at moment {moment}"
        if closed:
            ctl("lock", MODE)
        process = start("volume", "reencrypt", MODE)
        at_work(process, pieces() + random.randrange(1, 4))
        time.sleep(random.random() * 0.2)
        pid = worker()
        if pid is None:
            process.communicate()
            print(f"  ..    {label}: it had ended before")
            if closed:
                open_it(label)
            continue
        reader = None if closed else subprocess.Popen(
            ["pmosctl", "exec", MODE, "--", "sh", "-c",
             "while :; do cat /data/big; echo >/data/more; sync; done"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill(pid)
        process.communicate()
        check(f"{label}: pmosctl is told", process.returncode != 0, process.returncode)
        check(f"{label}: nothing is left in the kernel", until(lambda: set(leftovers()) <= OPEN, 60),
              leftovers())
        if not until(lambda: status()["locked"], 5):
            print(f"  ..    {label}: before the first piece, or behind the last")
            check(f"{label}: the mode runs on", fingerprint() == WANTED)
        ctl("lock", MODE)
        if reader:
            reader.wait(60)
        check(f"{label}: info says that it was interrupted",
              info().get("reencryption") in ("interrupted", "none"), info())
        open_it(label)
    done = reencrypt()
    check(f"{what}: it goes on to its end", done.returncode == 0, done.err)
    check(f"{what}: the data is the same, with another key", fingerprint() == WANTED
          and not set(digests) & set(key_digests()))


def suspended():
    found = []
    for path in glob.glob("/sys/block/dm-*/dm"):
        try:
            name = pathlib.Path(path, "name").read_text().strip()
            if pathlib.Path(path, "suspended").read_text().strip() == "1":
                found.append(name.removeprefix("pmos-secure-data-"))
        except OSError:
            pass
    return sorted(found)


def kill_worker(pid):
    os.kill(pid, signal.SIGKILL)
    print(f"  ..    it leaves suspended: {' '.join(suspended()) or 'nothing'}")


def kill_when(*wanted, sure=True):
    """Stopped first: then it is certain what stands still."""
    def kill(pid):
        end = time.monotonic() + (60 if sure else 10)
        while time.monotonic() < end:
            if suspended() != list(wanted):
                continue
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                break
            time.sleep(0.05)
            if suspended() == list(wanted):
                print(f"  ..    it leaves suspended: {' '.join(wanted)}")
                return os.kill(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGCONT)
        if sure:
            check(f"killed while {wanted} stands still", False)
        else:
            print(f"  ..    {' '.join(wanted)} were not seen to stand still")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return kill


def main_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmosd").stdout)


def kill_both(pid):
    old = main_pid()
    os.kill(old, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    os.kill(old, signal.SIGKILL)
    until(lambda: main_pid() not in (0, old) and run("pmosctl", "status").returncode == 0)


def killed_and_gone_on():
    ctl("lock", MODE)
    process = start("volume", "reencrypt", MODE)
    at_work(process, pieces() + 2)
    os.kill(worker(), signal.SIGKILL)
    process.communicate()
    done = reencrypt()
    check("killed while it is closed, it goes on without an opening", done.returncode == 0, done.err)
    open_it("after it")


def daemon_killed():
    """The worker ends by itself, at the end of a piece, and the mode runs on with another pmosd."""
    process, pid, old = start("volume", "reencrypt", MODE), status()["pid"], main_pid()
    check("it is at work", at_work(process, 1), process.poll())
    os.kill(old, signal.SIGKILL)
    process.communicate()
    until(lambda: main_pid() not in (0, old) and run("pmosctl", "status").returncode == 0)
    check("the worker ends without its pmosd", until(lambda: worker() is None))
    check("with nothing left but the mapping", until(lambda: set(leftovers()) == OPEN), leftovers())
    time.sleep(2)
    check("the mode runs on", status()["pid"] == pid and fingerprint() == WANTED, status())
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0, done.err)
    check("the data is the same", fingerprint() == WANTED)


def left_behind():
    """What reads and writes by the two keys where OpenSSL does not know the cipher, of a dead worker
    and of one that lives."""
    for maker, opened in ((4194303, True), (os.getpid(), False)):
        ctl("lock", MODE)
        loop = run("losetup", "--find", "--show", IMAGE).stdout.strip()
        name = f"temporary-cryptsetup-{maker}-0"
        run("dmsetup", "create", name, "--table", f"0 8 linear {loop} 0")
        run("losetup", "--detach", loop)
        check("such a device is there", name in leftovers(), leftovers())
        done = asked("unlock", MODE)
        check("a dead one's is removed" if opened else "a living one's is not",
              (done.returncode == 0, name in leftovers()) == (opened, not opened),
              (done.err, leftovers()))
        if not opened:
            check("and refuses the opening by name", name in done.err, done.err)
            run("dmsetup", "remove", name)
    open_it("after it")


def lock_that_suspends():
    site = PROFILES / "site.json"
    site.write_text(site.read_text().replace('"onLock": "evict",', ""))
    path = PROFILES / f"{MODE}.json"
    path.write_text(path.read_text().replace('"onLock": "evict"', '"onLock": "suspend"'))
    ctl("lock", MODE)
    ctl("reload")
    open_it("by a profile that suspends")
    process = start("volume", "reencrypt", MODE)
    check("it is at work", at_work(process, 1), process.poll())
    ctl("lock", MODE)
    process.communicate()
    check("lock ends it", process.returncode == CANCELLED, process.returncode)
    check("with two keys it cannot be suspended, and is evicted", not leftovers() and
          status()["locked"] and not status()["suspended"], (leftovers(), status()))
    open_it("after it")
    check("it goes on", reencrypt().returncode == 0)
    ctl("lock", MODE)
    check("with one key it is suspended again", status()["suspended"], status())
    refused = reencrypt()
    check("a suspended one is refused", refused.returncode == LOCKED, refused.err)
    open_it("resumed")
    ctl("lock", "--evict", MODE)
    open_it("after it")


def power_lost():
    """A worker that stands still, and the storage as it is then, is what a power cut leaves."""
    copies = []
    process = start("volume", "reencrypt", MODE)
    at_work(process, 1)
    while process.poll() is None and len(copies) < MOMENTS:
        if (pid := worker()) is None:
            break
        os.kill(pid, signal.SIGSTOP)
        copies.append(f"{KEPT}/cut-{len(copies)}")
        shutil.copyfile(IMAGE, copies[-1])
        os.kill(pid, signal.SIGCONT)
        time.sleep(1 + random.random() * 3)
    process.communicate()
    check("it ended well", process.returncode == 0, process.returncode)
    check("the power went while it was at work", len(copies) >= 2, copies)
    states = []
    for copy in copies:
        ctl("lock", MODE)
        os.replace(copy, IMAGE)
        os.chmod(IMAGE, 0o600)
        states.append(pieces())
        open_it(f"power lost at piece {states[-1]}")
    done = reencrypt()
    check("it goes on to its end", done.returncode == 0, done.err)
    check("the data is the same", fingerprint() == WANTED)
    print(f"  ..    {len(copies)} cuts, at pieces {states} of 10")


def other_ways_in():
    ctl("lock", MODE)
    for path, content in ((f"{KEPT}/pin", PIN), (f"{KEPT}/other", "another way in")):
        pathlib.Path(path).write_text(content)
    run("cryptsetup", "luksAddKey", "--key-file", f"{KEPT}/pin", "--pbkdf", "pbkdf2",
        "--pbkdf-force-iterations", "1000", "--new-key-slot", "7", IMAGE, f"{KEPT}/other")
    run("cryptsetup", "token", "import", IMAGE,
        input='{"type":"systemd-recovery","keyslots":["7"]}')
    digests = key_digests()
    refused = reencrypt()
    check("a way in that could not follow refuses it, by name", refused.returncode == UNSUPPORTED
          and "keyslot 7 (systemd-recovery)" in refused.err, refused.err)
    check("nothing was written", key_digests() == digests and len(header()["keyslots"]) == 2)
    run("cryptsetup", "luksKillSlot", "--batch-mode", "--key-file", f"{KEPT}/pin", IMAGE, "7")
    open_it("after it")


def with_integrity():
    ctl("lock", MODE)
    os.rename(IMAGE, f"{KEPT}/whole")
    with open(IMAGE, "wb") as image:
        image.truncate(64 << 20)
    os.chmod(IMAGE, 0o600)
    made = run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--integrity",
               "hmac-sha256", "--integrity-no-wipe", "--pbkdf", "pbkdf2",
               "--pbkdf-force-iterations", "1000", "--key-file", f"{KEPT}/pin", IMAGE)
    run("cryptsetup", "token", "import", IMAGE, input=json.dumps(
        {"type": "pmos", "keyslots": ["0"], "complete": True, "mode": MODE, "volume": "data"}))
    refused = reencrypt()
    check("a volume with integrity is refused by that name", made.returncode == 0
          and refused.returncode == UNSUPPORTED and "with integrity cannot be re-encrypted" in refused.err,
          (made.stderr, refused.err))
    os.replace(f"{KEPT}/whole", IMAGE)
    open_it("after it")


KEPT.mkdir(mode=0o700, exist_ok=True)
print(f"  ..    seed {seed}")
WANTED = profile()
for test in (while_it_runs, stopped_and_gone_on, while_it_is_closed,
             lambda: killed("worker killed", kill_worker),
             lambda: killed("killed while a piece is written", kill_when("hotzone-forward")),
             # Moments of milliseconds: tried for, not sure to be met.
             lambda: killed("killed while tables change",
                            kill_when("hotzone-forward", "overlay", sure=False)),
             lambda: killed("worker killed, closed", kill_worker, closed=True),
             lambda: killed("worker and pmosd killed", kill_both),
             killed_and_gone_on, daemon_killed, left_behind, power_lost, other_ways_in,
             with_integrity, lock_that_suspends):
    test()
ctl("lock", MODE)
shutil.rmtree(KEPT)
journal = run("journalctl", "-b", "--no-pager").stdout
check("no PIN is in the journal", PIN not in journal)
print(f"{failures} failures")
sys.exit(1 if failures else 0)
