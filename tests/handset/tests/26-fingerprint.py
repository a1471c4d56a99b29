#!/usr/bin/env python3
# boot: own
# timeout: 1500
"""What a finger may do: with the real fprintd and polkit, and libfprint's virtual reader. It lets a mode
go on that was locked by freeze, a while after its PIN did, and nothing else. PINs are random."""

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import time

MODE, OTHER = "secure", "personal"
PROFILES = pathlib.Path("/usr/share/pmos/profiles")
SHIPPED, SITE = ((PROFILES / f"{name}.json").read_text() for name in (MODE, "site"))
READER = pathlib.Path("/run/handset-fprint/reader")
STAGES = 5  # of the virtual reader
OK, LOCKED, WRONG, NOT_FOUND, DENIED = 0, 7, 8, 13, 14
RIGHT, STRANGER, OTHERS = "right", "stranger", "others"
failures = 0


def check(what, good, detail=""):
    global failures
    failures += not good
    print(("  ok    " if good else "  FAIL  ") + what + (f": {detail}" if not good else ""), flush=True)
    return good


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **options)


def ctl(*words, good=True):
    done = run("pmosctl", *words)
    check("pmosctl " + " ".join(words), (done.returncode == 0) == good, done.stdout + done.stderr)
    return done


def begin(*words, **pins):
    """pmosctl, with each PIN by a pipe."""
    ends, options = [], []
    for name, pin in pins.items():
        r, w = os.pipe()
        os.write(w, pin.encode() + b"\n")
        os.close(w)
        ends.append(r)
        options += [f"--{name.replace('_', '-')}-fd", str(r)]
    child = subprocess.Popen(["pmosctl", *words, *options], pass_fds=ends, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for end in ends:
        os.close(end)
    return child


def end(child):
    out, err = child.communicate(timeout=90)
    child.said = out + err
    return child.returncode


def with_pins(*words, **pins):
    child = begin(*words, **pins)
    end(child)
    return child


def tell_reader(*commands):
    """The reader listens while it is claimed, and takes one command a connection. It waits half a
    second for one."""
    for command in commands:
        until = time.monotonic() + 60
        while True:
            with socket.socket(socket.AF_UNIX) as link:
                try:
                    link.connect(str(READER))
                    link.sendall(command.encode())
                    break
                except OSError:
                    if time.monotonic() > until:
                        return False
            time.sleep(0.005)
    return True


def touch(finger, *words, times=1, **pins):
    """A verb that asks for a finger, which is this one."""
    child = begin(*words, **pins)
    tell_reader(*[f"SCAN {finger}"] * times)
    end(child)
    return child


def unlock_by(finger):
    return touch(finger, "unlock", "--fingerprint", MODE)


def is_code(what, child, code):
    return check(what, child.returncode == code, f"exit {child.returncode}: {child.said}")


def row(mode=MODE):
    return json.loads(run("pmosctl", "status", mode, "--json").stdout)[0]


def locked_by(wanted, what):
    r = row()
    return check(what, r["lockedBy"] == wanted, r)


def events(since):
    return run("journalctl", "-u", "pmosd", "--since", f"@{since}", "--no-pager", "-o", "json").stdout


def profile(within, **session):
    """secure, locked by freeze, with a key derivation that takes little."""
    text = SHIPPED.replace('"memoryMax": "256MiB", "timeMs": 1000', '"memoryMax": "32MiB", "timeMs": 100')
    text = text.replace('"onLock": "evict"', '"onLock": "freeze"')
    session["unlockRecent"] = {"methods": ["fingerprint"], "within": within}
    members = "".join(f'"{key}": {json.dumps(value)}, ' for key, value in session.items())
    (PROFILES / f"{MODE}.json").write_text(text.replace('"session": {', '"session": { ' + members))
    (PROFILES / "site.json").write_text(SITE.replace('"onLock": "evict",', ""))
    ctl("lock", "--evict", MODE)
    ctl("reload")
    plan = json.loads(run("pmosctl", "inspect", MODE).stdout)["plan"]
    check("the profile is in force", plan and plan["session"].get("fingerprintWithinMs"), plan)


def frozen(pin):
    """secure was unlocked by its PIN, and is locked by freeze."""
    if row()["locked"]:
        is_code("its PIN unlocks it", with_pins("unlock", MODE, pin=pin), OK)
    ctl("lock", MODE)
    locked_by("freeze", "it is locked by freeze")


def no_reader(pin):
    done = with_pins("auth", "enroll", MODE, "fingerprint", pin=pin)
    check("without a reader the error says so", done.returncode != 0 and
          "no fingerprint reader" in done.said, done.said)


def plug_in():
    drop_in = pathlib.Path("/etc/systemd/system/fprintd.service.d/handset.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\nRuntimeDirectory={READER.parent.name}\n"
                       f"Environment=FP_VIRTUAL_DEVICE={READER}\n")
    run("systemctl", "stop", "fprintd")
    run("systemctl", "daemon-reload")


def what_freeze_is(pin):
    frozen(pin)
    r = row()
    check("its processes stand still, and are there", r["state"] == "frozen" and r["pid"], r)
    check("to people it says so", "frozen" in run("pmosctl", "status", MODE).stdout)
    listed = json.loads(run("pmosctl", "volume", "list", MODE, "--json").stdout)
    check("its volume stays open", all(v["state"] == "open" for v in listed), listed)
    for words in (["exec", MODE, "--", "true"], ["switch", MODE], ["start", MODE],
                  ["volume", "trim", MODE]):
        ctl(*words, good=False)
    locked_by("freeze", "and it is locked still")
    wrong = with_pins("unlock", MODE, pin=f"x{pin}")
    is_code("a wrong PIN is refused", wrong, WRONG)
    check("and counted", row()["failures"] == 1, row())
    is_code("its PIN lets it go on", with_pins("unlock", MODE, pin=pin), OK)
    after = row()
    check("where it was", after["pid"] == r["pid"] and after["state"] == "running", after)
    check("which clears the count", after["failures"] == 0, after)


def enrolled(pin):
    frozen(pin)
    is_code("no finger does where none is enrolled", begin_and_end("unlock", "--fingerprint", MODE),
            NOT_FOUND)
    is_code("a wrong PIN enrolls none",
            with_pins("auth", "enroll", MODE, "fingerprint", pin=f"x{pin}"), WRONG)
    child = touch(RIGHT, "auth", "enroll", MODE, "fingerprint", times=STAGES, pin=pin)
    is_code("the PIN enrolls a finger", child, OK)
    check("its touches are shown", f"touch {STAGES - 1} of {STAGES}" in child.said, child.said)
    fingers = json.loads(run("pmosctl", "auth", "list", MODE, "--json").stdout)["fingers"]
    check("it is listed", fingers == ["right-index-finger"], fingers)
    check("under a user of the mode's", "right-index-finger" in run("fprintd-list", f"pmos-{MODE}").stdout)
    locked_by("freeze", "enrolling lets nothing go on")


def begin_and_end(*words):
    child = begin(*words)
    end(child)
    return child


def right_finger(pin):
    frozen(pin)
    check("status says for how long a finger does", row()["fingerprintFor"] > 0, row())
    begun = int(time.time())
    is_code("the right finger lets it go on", unlock_by(RIGHT), OK)
    check("it runs", row()["state"] == "running" and not row()["locked"], row())
    check("an event says by what", "unlock-by-fingerprint" in events(begun), events(begun)[-800:])
    is_code("where it is not locked, a finger is tested", touch(RIGHT, "auth", "test", MODE, "fingerprint"), OK)


def wrong_fingers(pin):
    frozen(pin)
    child = begin("auth", "enroll", OTHER, "fingerprint")
    end(child)
    check("a mode without a PIN has no fingers", child.returncode == DENIED, child.said)
    other = subprocess.Popen(["fprintd-enroll", "-f", "right-index-finger", f"pmos-{OTHER}"],
                             stdout=subprocess.PIPE, text=True)
    tell_reader(*[f"SCAN {OTHERS}"] * STAGES)
    check("another mode's finger is enrolled", "completed" in other.communicate(timeout=60)[0])
    is_code("another mode's finger does not do", unlock_by(OTHERS), WRONG)
    is_code("a stranger's does not", unlock_by(STRANGER), WRONG)
    is_code("the right one does, and ends the row", unlock_by(RIGHT), OK)
    ctl("lock", MODE)
    begun = int(time.time())
    for n in range(5):
        is_code(f"wrong finger {n + 1}", unlock_by(STRANGER), WRONG)
    is_code("after five the right one does not do either", begin_and_end("unlock", "--fingerprint", MODE),
            LOCKED)
    check("events say why", "too-many" in events(begun), events(begun)[-800:])
    check("status says that none does", row()["fingerprintFor"] == 0, row())
    frozen(pin)
    is_code("after the PIN the right one does again", unlock_by(RIGHT), OK)


def main_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmosd").stdout)


def restart_pmosd():
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    while main_pid() in (0, old) or run("pmosctl", "status").returncode != 0:
        time.sleep(0.1)


def daemon_killed(pin):
    frozen(pin)
    for _ in range(3):
        is_code("a wrong finger", unlock_by(STRANGER), WRONG)
    restart_pmosd()
    locked_by("freeze", "another pmosd has it locked as before")
    for _ in range(2):
        is_code("a wrong finger after that", unlock_by(STRANGER), WRONG)
    is_code("five they are", begin_and_end("unlock", "--fingerprint", MODE), LOCKED)
    frozen(pin)
    restart_pmosd()
    is_code("the right finger does with another pmosd", unlock_by(RIGHT), OK)
    frozen(pin)
    pathlib.Path(f"/run/pmos/modes/{MODE}/strong").write_text("at=")
    is_code("what cannot be read is as if no PIN had been given",
            begin_and_end("unlock", "--fingerprint", MODE), LOCKED)
    is_code("the PIN is enough", with_pins("unlock", MODE, pin=pin), OK)


def disturbed(pin):
    frozen(pin)
    child = begin("unlock", "--fingerprint", MODE)
    tell_reader("SLEEP 20000")
    run("systemctl", "kill", "-s", "KILL", "fprintd")
    end(child)
    check("fprintd killed in the midst is an error", child.returncode == 1 and "fprintd went away" in child.said,
          child.said)
    locked_by("freeze", "which opens nothing")
    child = begin("unlock", "--fingerprint", MODE)
    tell_reader("SLEEP 20000")
    child.send_signal(signal.SIGINT)
    end(child)
    check("Ctrl-C ends it", child.returncode != 0, child.said)
    is_code("and the reader is free at once", unlock_by(RIGHT), OK)
    ctl("lock", MODE)
    child = begin("unlock", "--fingerprint", MODE)
    tell_reader("SLEEP 20000")
    is_code("the PIN opens it meanwhile", with_pins("unlock", MODE, pin=pin), OK)
    end(child)
    check("and the finger is called off", child.returncode != 0, child.said)
    frozen(pin)
    child = begin("unlock", "--fingerprint", MODE)
    tell_reader("ERROR 0")
    end(child)
    check("a reader that fails is an error, and no wrong finger", child.returncode == 1, child.said)
    is_code("a scan that failed is tried again", touch_twice(), OK)


def touch_twice():
    child = begin("unlock", "--fingerprint", MODE)
    tell_reader("RETRY 0", f"SCAN {RIGHT}")
    end(child)
    return child


def never_enough(pin):
    frozen(pin)
    ctl("lock", "--evict", MODE)
    locked_by("evict", "it is evicted")
    is_code("no finger opens a volume", begin_and_end("unlock", "--fingerprint", MODE), LOCKED)
    profile("20s")
    frozen(pin)
    is_code("within its time a finger does", unlock_by(RIGHT), OK)
    ctl("lock", MODE)
    time.sleep(21)
    begun = int(time.time())
    is_code("later it does not: what a finger opened was no PIN",
            begin_and_end("unlock", "--fingerprint", MODE), LOCKED)
    check("an event says so", "expired" in events(begun), events(begun)[-800:])
    profile("10min", evictAfter="8s")
    frozen(pin)
    until = time.monotonic() + 25
    while row()["lockedBy"] == "freeze" and time.monotonic() < until:
        time.sleep(0.3)
    locked_by("evict", "evictAfter ends it")


def struck(pin):
    profile("10min")
    frozen(pin)
    duress = secrets.token_hex(5)
    is_code("a duress PIN is set where it runs",
            with_pins("unlock", MODE, pin=pin) and
            with_pins("duress", "set", MODE, pin=pin, duress_pin=duress), OK)
    ctl("lock", MODE)
    is_code("it is refused as a wrong one", with_pins("unlock", MODE, pin=duress), WRONG)
    until = time.monotonic() + 30
    while row()["lockedBy"] != "evict" and time.monotonic() < until:
        time.sleep(0.2)
    locked_by("evict", "what was frozen is evicted")
    is_code("and the PIN opens no more", with_pins("unlock", MODE, pin=pin), WRONG)
    check("its prints are gone", "right-index-finger" not in run("fprintd-list", f"pmos-{MODE}").stdout)


def removed(pin):
    run("pmosctl", "erase", MODE, "--yes")
    is_code("a new volume", with_pins("provision", MODE, pin=pin), OK)
    frozen(pin)
    is_code("a finger is enrolled",
            touch(RIGHT, "auth", "enroll", MODE, "fingerprint", times=STAGES, pin=pin), OK)
    is_code("a wrong PIN removes none", with_pins("auth", "remove", MODE, "fingerprint", pin="x"), WRONG)
    is_code("the PIN does", with_pins("auth", "remove", MODE, "fingerprint", pin=pin), OK)
    is_code("it is enough no more", begin_and_end("unlock", "--fingerprint", MODE), NOT_FOUND)
    is_code("another one", touch(RIGHT, "auth", "enroll", MODE, "fingerprint", times=STAGES, pin=pin), OK)
    ctl("erase", MODE, "--yes")
    until = time.monotonic() + 20
    while "right-index" in run("fprintd-list", f"pmos-{MODE}").stdout and time.monotonic() < until:
        time.sleep(0.5)
    check("with the mode its prints go", "right-index" not in run("fprintd-list", f"pmos-{MODE}").stdout)


def main():
    pin = secrets.token_hex(5)
    profile("10min")
    run("pmosctl", "erase", MODE, "--yes")
    is_code("a new volume", with_pins("provision", MODE, pin=pin), OK)
    no_reader(pin)
    plug_in()
    for part in (what_freeze_is, enrolled, right_finger, wrong_fingers, daemon_killed, disturbed,
                 never_enough, struck, removed):
        print(f"  {part.__name__}", flush=True)
        part(pin)
    run("systemctl", "stop", "fprintd", "polkit")
    sys.exit(failures != 0)


main()
