#!/usr/bin/env python3
# boot: own
# timeout: 1500
# turn: 3
"""What a finger may do: with the real fprintd and polkit, and libfprint's virtual reader. It lets
a mode go on that was locked by freeze, a while after its PIN did, and nothing else. PINs are random."""

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time

from handset import (another_pmosd, check, ctl, let_suspend, main_pid, no_volume, note,
                     pmosctl, PROFILES, replaced, run, start, status, until, with_session)

MODE, OTHER = "secure", "personal"
SHIPPED = (PROFILES / f"{MODE}.json").read_text()
READER = pathlib.Path("/run/handset-fprint/reader")
STAGES = 5  # of the virtual reader
ENROLL = ("auth", "enroll", MODE, "fingerprint")
UNLOCK = ("unlock", "--fingerprint", MODE)
OK, FAILED, LOCKED, WRONG, NOT_FOUND, DENIED, CALLED_OFF = 0, 1, 7, 8, 13, 14, 16
INTERRUPTED, REFUSED_BY_PMOS = 130, 125  # the latter of exec
RIGHT, STRANGER, OTHERS = "right", "stranger", "others"


def ended(what, child, code):
    """It ends with that code. What it said."""
    said = "".join(child.communicate(timeout=90))
    check(what, child.returncode == code, f"exit {child.returncode}: {said}")
    return said


def does(what, *words, code=OK, **pins):
    return ended(what, start(*words, **pins), code)


def heard(command):
    """One that comes while it hears another is hung up on unread, which is an error here."""
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(READER))
            link.sendall(command.encode())
            link.shutdown(socket.SHUT_WR)
            return link.recv(1) == b""
        except OSError:
            return False


def tell_reader(*commands):
    """The reader listens while it is claimed, and takes one command a connection."""
    for command in commands:
        if not until(lambda command=command: heard(command)):
            check(f"the reader hears {command}", False)


def touch(what, finger, *words, code=OK, times=1, **pins):
    """A verb that asks for a finger, which is this one."""
    child = start(*words, **pins)
    tell_reader(*[f"SCAN {finger}"] * times)
    return ended(what, child, code)


def enroll(what, pin):
    return touch(what, RIGHT, *ENROLL, times=STAGES, pin=pin)


def prints():
    """Whether fprintd has a finger of the mode's."""
    listed = run("fprintd-list", f"pmos-{MODE}")
    if listed.returncode != 0:
        raise RuntimeError(f"fprintd-list: {listed.stdout}{listed.stderr}")
    return "right-index-finger" in listed.stdout


def locked_by(wanted, what):
    r = status(MODE)
    return check(what, r["lockedBy"] == wanted, r)


def told(what, word, since):
    run("journalctl", "--sync")
    journal = run("journalctl", "-u", "pmosd", "--since", f"@{since}", "-o", "json").stdout
    check(f"an event says {what}", word in journal, journal[-800:])


def called_off(what, child):
    """Not by the reader's own limit of 30 s."""
    out, err = child.communicate(timeout=15)
    check(what, child.returncode == CALLED_OFF, (child.returncode, out, err))


def profile(within, **session):
    """secure, locked by freeze, for so long by a finger as well."""
    text = replaced(SHIPPED, '"onLock": "evict"', '"onLock": "freeze"')
    text = with_session(text, unlockRecent={"methods": ["fingerprint"], "within": within}, **session)
    (PROFILES / f"{MODE}.json").write_text(text)
    ctl("lock", "--evict", MODE)
    ctl("reload")
    plan = json.loads(pmosctl("inspect", MODE).stdout)["plan"]
    check("the profile is in force", plan and plan["session"].get("fingerprintWithinMs"), plan)


def frozen(pin):
    """secure was unlocked by its PIN, and is locked by freeze."""
    if status(MODE)["locked"]:
        does("its PIN unlocks it", "unlock", MODE, pin=pin)
    ctl("lock", MODE)
    locked_by("freeze", "it is locked by freeze")


def no_reader(pin):
    said = does("without a reader nothing is enrolled", *ENROLL, code=NOT_FOUND, pin=pin)
    check("and the error says so", "no fingerprint reader" in said, said)


def plug_in():
    drop_in = pathlib.Path("/etc/systemd/system/fprintd.service.d/handset.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\nRuntimeDirectory={READER.parent.name}\n"
                       f"Environment=FP_VIRTUAL_DEVICE={READER}\n")
    run("systemctl", "stop", "fprintd")
    run("systemctl", "daemon-reload")


def what_freeze_is(pin):
    frozen(pin)
    before = status(MODE)
    check("its processes stand still, and are there", before["state"] == "frozen" and before["pid"],
          before)
    check("to people it says so", "frozen" in pmosctl("status", MODE).stdout)
    listed = json.loads(pmosctl("volume", "list", MODE, "--json").stdout)
    check("its volume stays open", all(v["state"] == "open" for v in listed), listed)
    ctl("exec", MODE, "--", "true", code=REFUSED_BY_PMOS)
    for words in (["switch", MODE], ["start", MODE], ["volume", "wipe-free", MODE]):
        ctl(*words, code=LOCKED)
    locked_by("freeze", "and it is locked still")
    does("a wrong PIN is refused", "unlock", MODE, code=WRONG, pin=f"x{pin}")
    check("and counted", status(MODE)["failures"] == 1, status(MODE))
    does("its PIN lets it go on", "unlock", MODE, pin=pin)
    after = status(MODE)
    check("where it was", after["pid"] == before["pid"] and after["state"] == "running", after)
    check("which clears the count", after["failures"] == 0, after)


def enrolled(pin):
    frozen(pin)
    does("no finger does where none is enrolled", *UNLOCK, code=NOT_FOUND)
    does("a wrong PIN enrolls none", *ENROLL, code=WRONG, pin=f"x{pin}")
    said = enroll("the PIN enrolls a finger", pin)
    check("its touches are shown", f"touch {STAGES - 1} of {STAGES}" in said, said)
    fingers = json.loads(pmosctl("auth", "list", MODE, "--json").stdout)["fingers"]
    check("it is listed", fingers == ["right-index-finger"], fingers)
    check("under a user of the mode's", prints())
    locked_by("freeze", "enrolling lets nothing go on")


def right_finger(pin):
    frozen(pin)
    check("status says for how long a finger does", status(MODE)["fingerprintFor"] > 0, status(MODE))
    since = int(time.time())
    touch("the right finger lets it go on", RIGHT, *UNLOCK)
    after = status(MODE)
    check("it runs", after["state"] == "running" and not after["locked"], after)
    told("by what it was", "unlock-by-fingerprint", since)
    touch("where it is not locked, a finger is tested", RIGHT, "auth", "test", MODE, "fingerprint")


def wrong_fingers(pin):
    frozen(pin)
    does("a mode whose profile has no place for them has no fingers", "auth", "enroll", OTHER, "fingerprint", code=DENIED)
    other = subprocess.Popen(["fprintd-enroll", "-f", "right-index-finger", f"pmos-{OTHER}"],
                             stdout=subprocess.PIPE, text=True)
    tell_reader(*[f"SCAN {OTHERS}"] * STAGES)
    check("another mode's finger is enrolled", "completed" in other.communicate(timeout=60)[0])
    touch("another mode's finger does not do", OTHERS, *UNLOCK, code=WRONG)
    touch("a stranger's does not", STRANGER, *UNLOCK, code=WRONG)
    touch("the right one does, and ends the row", RIGHT, *UNLOCK)
    ctl("lock", MODE)
    since = int(time.time())
    for n in range(5):
        touch(f"wrong finger {n + 1}", STRANGER, *UNLOCK, code=WRONG)
    does("after five the right one does not do either", *UNLOCK, code=LOCKED)
    told("why", "too-many", since)
    check("status says that none does", status(MODE)["fingerprintFor"] == 0, status(MODE))
    frozen_anew(pin)
    touch("after the PIN the right one does again", RIGHT, *UNLOCK)


def frozen_anew(pin):
    """By a PIN, though it is locked by freeze already."""
    does("its PIN lets it go on", "unlock", MODE, pin=pin)
    frozen(pin)


def restart_pmosd():
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)


def daemon_killed(pin):
    frozen(pin)
    for _ in range(3):
        touch("a wrong finger", STRANGER, *UNLOCK, code=WRONG)
    restart_pmosd()
    locked_by("freeze", "another pmosd has it locked as before")
    for _ in range(2):
        touch("a wrong finger after that", STRANGER, *UNLOCK, code=WRONG)
    does("five they are", *UNLOCK, code=LOCKED)
    frozen_anew(pin)
    restart_pmosd()
    touch("the right finger does with another pmosd", RIGHT, *UNLOCK)
    frozen(pin)
    pathlib.Path(f"/run/pmos/modes/{MODE}/strong").write_text("at=")
    does("what cannot be read is as if no PIN had been given", *UNLOCK, code=LOCKED)
    does("the PIN is enough", "unlock", MODE, pin=pin)


def waits_for_a_finger():
    """`unlock --fingerprint`, and the reader has it wait."""
    child = start(*UNLOCK)
    tell_reader("SLEEP 20000")
    return child


def disturbed(pin):
    frozen(pin)
    child = waits_for_a_finger()
    run("systemctl", "kill", "-s", "KILL", "fprintd")
    said = ended("fprintd killed in the midst is an error", child, FAILED)
    check("that says so", "fprintd went away" in said, said)
    locked_by("freeze", "which opens nothing")
    child = waits_for_a_finger()
    child.send_signal(signal.SIGINT)
    check("Ctrl-C ends it", child.wait(15) in (-signal.SIGINT, INTERRUPTED), child.stderr.read())
    check("the reader listens no more", until(lambda: not heard(""), 10))
    touch("and serves the next one", RIGHT, *UNLOCK)
    ctl("lock", MODE)
    child = waits_for_a_finger()
    does("the PIN opens it meanwhile", "unlock", MODE, pin=pin)
    called_off("and the finger is called off", child)
    frozen(pin)
    child = waits_for_a_finger()
    ctl("lock", "--evict", MODE)
    called_off("an eviction calls it off", child)
    frozen(pin)
    child = start(*UNLOCK)
    tell_reader("ERROR 0")
    ended("a reader that fails is an error, and no wrong finger", child, FAILED)
    child = start(*UNLOCK)
    tell_reader("RETRY 0", f"SCAN {RIGHT}")
    ended("a scan that failed is tried again", child, OK)


def never_enough(pin):
    frozen(pin)
    ctl("lock", "--evict", MODE)
    locked_by("evict", "it is evicted")
    does("no finger opens a volume", *UNLOCK, code=LOCKED)
    profile("40s")
    frozen(pin)
    later = time.monotonic() + 41
    touch("within its time a finger does", RIGHT, *UNLOCK)
    ctl("lock", MODE)
    time.sleep(max(0, later - time.monotonic()))
    since = int(time.time())
    does("later it does not: what a finger opened was no PIN", *UNLOCK, code=LOCKED)
    told("why", "expired", since)
    kept = (PROFILES / f"{MODE}.json").read_text()
    frozen_anew(pin)
    (PROFILES / f"{MODE}.json").write_text(replaced(kept, '"within": "40s"', '"within": "1s"'))
    ctl("reload")
    time.sleep(1.2)
    does("a profile that wants it sooner counts at once", *UNLOCK, code=LOCKED)
    profile("10min", evictAfter="8s")
    frozen(pin)
    until(lambda: status(MODE)["lockedBy"] == "evict", 25)
    locked_by("evict", "evictAfter ends it")


def struck(pin):
    profile("10min")
    duress = secrets.token_hex(5)
    does("its PIN unlocks it", "unlock", MODE, pin=pin)
    does("a duress PIN is set where it runs", "duress", "set", MODE, pin=pin, duress_pin=duress)
    ctl("lock", MODE)
    does("it is refused as a wrong one", "unlock", MODE, code=WRONG, pin=duress)
    until(lambda: status(MODE)["lockedBy"] == "evict", 30)
    locked_by("evict", "what was frozen is evicted")
    does("and the PIN opens no more", "unlock", MODE, code=WRONG, pin=pin)
    check("its prints are gone", until(lambda: not prints(), 20))


def removed(pin):
    ctl("erase", MODE, "--yes")
    does("a new volume", "provision", MODE, pin=pin)
    frozen(pin)
    enroll("a finger is enrolled", pin)
    does("a wrong PIN removes none", "auth", "remove", MODE, "fingerprint", code=WRONG, pin="x")
    does("the PIN does", "auth", "remove", MODE, "fingerprint", pin=pin)
    does("it is enough no more", *UNLOCK, code=NOT_FOUND)
    enroll("another one", pin)
    child = start(*ENROLL, "--finger", "left-thumb", pin=pin)
    tell_reader(f"SCAN {OTHERS}")
    ctl("erase", MODE, "--yes")
    called_off("to erase the mode calls an enrolment off", child)
    check("with the mode its prints go", until(lambda: not prints(), 20))
    check("and nobody vouches for any", not pathlib.Path(f"/var/lib/pmos/fingers/{MODE}").exists())


def main():
    pin = secrets.token_hex(5)
    let_suspend()
    no_volume(MODE)
    profile("10min")
    does("a new volume", "provision", MODE, pin=pin)
    no_reader(pin)
    plug_in()
    for part in (what_freeze_is, enrolled, right_finger, wrong_fingers, daemon_killed, disturbed,
                 never_enough, struck, removed):
        note(part.__name__)
        part(pin)
    run("systemctl", "stop", "fprintd", "polkit")


main()
