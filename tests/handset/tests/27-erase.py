#!/usr/bin/env python3
# timeout: 900
# turn: 2
"""The end of a mode's keys: erase with consent, a duress PIN that looks like any wrong one, erasure
after so many wrong ones. What a copy that was made before is worth is shown as well. PINs are
random."""

import glob
import hashlib
import json
import os
import pathlib
import secrets
import statistics
import subprocess
import time

from handset import (PROFILES, check, ctl, let_suspend, note, pmosctl, replaced, run, start,
                     status, until, with_session)

MODE, OTHER = "secure", "personal"
VOLUME = pathlib.Path("/var/lib/pmos/volumes/secure-data.luks")
RECORD = pathlib.Path("/var/lib/pmos/attempts/secure")
REPEATS = pathlib.Path("/run/pmos/attempts/secure")
KEPT_HEADERS = pathlib.Path("/var/lib/pmos/headers/secure")
HEADER = 16 << 20
WRONG, NOT_PROVISIONED = 8, 6
TIMED = 200 if os.environ.get("HANDSET_SOAK") else 12  # fewer could not be told apart at all
STEP = 0.5  # of the moments of an answer, see judge.h
SHIPPED, SITE = ((PROFILES / f"{name}.json").read_text() for name in (MODE, "site"))


def unlock(pin):
    return pmosctl("unlock", MODE, "--no-start", pin=pin)


def fresh(pin):
    """secure has a new volume that this PIN opens."""
    pmosctl("erase", MODE, "--yes")
    made = pmosctl("provision", MODE, pin=pin)
    check("a new volume", made.returncode == 0, made.stderr)


def info():
    return json.loads(pmosctl("volume", "info", MODE, "--json").stdout)


def pin():
    return secrets.token_hex(5)


def forget_attempts():
    """As if nobody had tried: the delays are 58-throttle's."""
    for copy in "ab":
        (RECORD / copy).unlink(missing_ok=True)
    REPEATS.unlink(missing_ok=True)


def profile(on_lock="evict", **session):
    """secure with that strength of lock, and those members of its session."""
    text = replaced(SHIPPED, '"onLock": "evict"', f'"onLock": "{on_lock}"')
    (PROFILES / f"{MODE}.json").write_text(with_session(text, **session))
    (PROFILES / "site.json").write_text(SITE)
    if on_lock == "suspend":
        let_suspend()
    ctl("reload")


def erase_with_consent():
    right = pin()
    fresh(right)
    check("it opens", unlock(right).returncode == 0)
    refused = pmosctl("erase", MODE)
    check("without a yes nothing is erased", refused.returncode == 2 and VOLUME.exists(), refused.stderr)
    ctl("start", MODE)
    ctl("start", OTHER)
    KEPT_HEADERS.mkdir(parents=True, exist_ok=True)
    (KEPT_HEADERS / "data.tmp-killed").write_bytes(VOLUME.read_bytes()[:HEADER])
    held = os.open(VOLUME, os.O_RDONLY)
    done = ctl("erase", MODE, "--yes")
    check("and says what to do next", "pmosctl provision secure" in done.stdout + done.stderr, done.stdout)
    check("a running mode was stopped first, and its key is out of the kernel",
          status(MODE)["state"] == "stopped" and not glob.glob("/dev/mapper/pmos-secure*"), status(MODE))
    check("of the file nothing is left, nor of a header that was kept of it",
          not glob.glob("/var/lib/pmos/volumes/secure*") and not os.listdir(KEPT_HEADERS))
    check("whoever holds it open reads zeros", not any(os.pread(held, HEADER, 0)))
    os.close(held)
    check("the other mode runs on", status(OTHER)["state"] == "running")
    check("status says that there is none", status(MODE)["provisioned"] is False)
    check("no PIN is asked for what is not there", unlock(right).returncode == NOT_PROVISIONED)
    again = pmosctl("erase", MODE, "--yes")
    check("erasing nothing is no error", again.returncode == 0, again.stderr)
    made = pmosctl("provision", MODE, pin=right)
    check("it is made anew as ever", made.returncode == 0 and unlock(right).returncode == 0, made.stderr)
    ctl("lock", MODE)


def device_key():
    ctl("stop", OTHER)
    keys = set(glob.glob("/var/lib/pmos/keys/personal*"))
    check("personal has a device key", keys)
    before = [pathlib.Path(key).read_bytes() for key in keys]
    ctl("erase", OTHER, "--yes")
    check("which goes with the volume", not glob.glob("/var/lib/pmos/keys/personal*"))
    ctl("unlock", OTHER)
    check("a new one is made at the next unlock",
          [pathlib.Path(key).read_bytes() for key in keys] != before and status(OTHER)["provisioned"])


def setting(right, duress):
    tokens = info()["tokens"]
    check("a volume has the mark before any duress PIN is set", "pmos-duress" in tokens.values(), tokens)
    wrong = pmosctl("duress", "set", MODE, pin=pin(), duress_pin=duress)
    check("a wrong PIN sets none, and is counted", wrong.returncode == WRONG and status(MODE)["failures"] == 1,
          wrong.stderr)
    for what, bad in (("the PIN itself", right), ("one of three digits", "123")):
        refused = pmosctl("duress", "set", MODE, pin=right, duress_pin=bad)
        check(f"{what} is no duress PIN", refused.returncode == 2, refused.stderr)
    seen = run("journalctl", "-b", "-o", "cat", "-u", "pmosd").stdout.count("duress")
    done = pmosctl("duress", "set", MODE, pin=right, duress_pin=duress)
    check("the right PIN sets it", done.returncode == 0, done.stderr)
    check("the header looks as before", info()["tokens"] == tokens, info()["tokens"])
    check("the journal does not tell of it",
          run("journalctl", "-b", "-o", "cat", "-u", "pmosd").stdout.count("duress") == seen)
    new = pin()
    refused = pmosctl("volume", "passwd", MODE, pin=right, new_pin=duress)
    check("the duress PIN cannot become the PIN", refused.returncode == 2, refused.stderr)
    changed = pmosctl("volume", "passwd", MODE, pin=right, new_pin=new)
    check("a new PIN leaves it", changed.returncode == 0, changed.stderr)
    return new


def told_by(attempt):
    """What it answers, and what pmosd has told meanwhile, in all but time and number. What it tells
    the bus it tells the journal."""
    shown = run("journalctl", "-n", "0", "--show-cursor").stdout
    cursor = shown.split("-- cursor: ")[1].strip()
    answer = attempt()
    run("journalctl", "--sync")
    # With --unit journalctl leaves out the first one behind a cursor that is another unit's.
    entries = map(json.loads, run("journalctl", "-o", "json", "--after-cursor",
                                  cursor).stdout.splitlines())
    return answer, [{name: value for name, value in entry.items()
                     if name == "MESSAGE" or name.startswith("PMOS")}
                    for entry in entries if entry.get("_SYSTEMD_UNIT") == "pmosd.service"]


def ways():
    return pmosctl("auth", "list", MODE, "--json").stdout


def duress():
    right, panic = pin(), pin()
    fresh(right)
    right = setting(right, panic)
    check("the PIN opens", unlock(right).returncode == 0)
    ctl("lock", MODE)
    before = pathlib.Path("/tmp/27-header")
    before.unlink(missing_ok=True)
    ctl("volume", "backup", MODE, "data", str(before))
    data = VOLUME.read_bytes()[HEADER:]
    (ordinary, first), shape, listed = told_by(lambda: unlock(pin())), info(), ways()
    forget_attempts()
    struck, last = told_by(lambda: unlock(panic))
    check("the duress PIN is refused in the words of any other", (struck.returncode, struck.stdout, struck.stderr)
          == (ordinary.returncode, ordinary.stdout, ordinary.stderr), (ordinary.stderr, struck.stderr))
    check("the same is told of both", first and first == last, (first, last))
    row = status(MODE)
    check("it is counted", row["failures"] == 1, row)
    check("volume, ways in and status look as before", info() == shape and ways() == listed
          and row["provisioned"] and row["locked"])
    after = unlock(right)
    check("the right PIN is a wrong one now", (after.returncode, after.stderr)
          == (ordinary.returncode, ordinary.stderr) and status(MODE)["failures"] == 2, after.stderr)
    check("the data was not touched", VOLUME.read_bytes()[HEADER:] == data)
    check("the other mode is", pmosctl("unlock", OTHER).returncode == 0 and status(OTHER)["locked"] is False)
    # Without a TPM a copy of the header is all it takes. SECURITY.md says so.
    restored = pmosctl("volume", "restore", MODE, "data", str(before), "--yes")
    check("a header that was copied before defeats it: restored, the PIN opens", restored.returncode == 0
          and unlock(right).returncode == 0, restored.stderr)
    passwd = pmosctl("volume", "passwd", MODE, pin=panic, new_pin=pin())
    check("entered for a new PIN it does the same, with the volume open", passwd.returncode == WRONG, passwd.stderr)
    check("which is closed", is_evicted(), status(MODE))
    check("and opens no more", unlock(right).returncode == WRONG)
    ctl("volume", "restore", MODE, "data", str(before), "--yes")
    removed = pmosctl("duress", "remove", MODE, pin=right)
    check("the right PIN removes it", removed.returncode == 0, removed.stderr)
    check("then it is any wrong PIN", unlock(panic).returncode == WRONG and unlock(right).returncode == 0)
    ctl("lock", MODE)
    before.unlink()


def is_evicted():
    """Soon: it is done behind the answer."""
    def now():
        row = status(MODE)
        return row["state"] == "stopped" and row["locked"] and not glob.glob("/dev/mapper/pmos-secure*")
    return until(now, 30)


def refusal(done):
    """Without the progress before it, which may be another work's."""
    return [line for line in done.stderr.splitlines() if line.startswith(("pmosctl:", "hint:"))]


def begin_reencryption(right):
    process = start("volume", "reencrypt", MODE, pin=right)
    begun = until(lambda: process.poll() is not None or info().get("reencryption") == "running")
    check("it is being re-encrypted", begun and process.poll() is None)
    return process


def has_ended(work):
    """Stopped, or to its end just before."""
    try:
        work.communicate(timeout=10)
        return True
    except subprocess.TimeoutExpired:
        return False


def where_it_is_open():
    """Of a mode that runs, and of one that is suspended, nothing stays in memory either; nor of the
    second key of one that is being re-encrypted."""
    profile(on_lock="suspend")
    for what, words in (("runs", ["auth", "test", MODE]), ("is suspended", ["unlock", MODE]),
                        ("is re-encrypted", ["auth", "test", MODE])):
        right, panic = pin(), pin()
        fresh(right)
        pmosctl("duress", "set", MODE, pin=right, duress_pin=panic)
        unlock(right)
        ctl("start", MODE)
        if what == "is suspended":
            ctl("lock", MODE)
        before = status(MODE)["state"]
        wrong = pmosctl(*words, pin=pin())
        check(f"a mode that {what} stays so for a wrong PIN", wrong.returncode == WRONG
              and status(MODE)["state"] == before, (wrong.stderr, before, status(MODE)))
        work = begin_reencryption(right) if what == "is re-encrypted" else None
        struck = pmosctl(*words, pin=panic)
        check("the duress PIN is refused in the same words", struck.returncode == WRONG
              and refusal(struck) == refusal(wrong), (struck.stderr, wrong.stderr))
        check("the mode is stopped, and its key out of the kernel", is_evicted(), status(MODE))
        check("and the right PIN opens no more", unlock(right).returncode == WRONG)
        if work:
            check("and no work on it goes on", has_ended(work))
            check("no header is kept of it", not os.listdir(KEPT_HEADERS), os.listdir(KEPT_HEADERS))
    profile()


def spread(times):
    """Between the quartiles."""
    low, _, high = statistics.quantiles(times, n=4)
    return high - low


def told_apart(one, other):
    """How often the slower of a pair, one of each, is of `other` (0.5: by chance), and how many
    standard deviations of chance that is away (Mann and Whitney)."""
    slower = sum((o > w) + 0.5 * (o == w) for o in other for w in one) / (len(one) * len(other))
    chance = ((len(one) + len(other) + 1) / (12 * len(one) * len(other))) ** 0.5
    return slower, abs(slower - 0.5) / chance


def told(what, times):
    slower, away = told_apart(times["wrong"], times["duress"])
    check(f"{what}: the duress PIN is the slower one in {slower:.2f} of all pairs, {away:.1f} "
          "standard deviations from chance", away < 4)


def timing():
    """Both in turns on one volume, whose header is put back each time."""
    right, panic = pin(), pin()
    fresh(right)
    pmosctl("duress", "set", MODE, pin=right, duress_pin=panic)
    header = VOLUME.read_bytes()[:HEADER]
    took, every, late = ({"wrong": [], "duress": []} for _ in range(3))
    while len(took["wrong"]) < TIMED and len(every["wrong"]) < 2 * TIMED:
        turn = {}
        for kind in took:
            with open(VOLUME, "r+b") as stream:
                stream.write(header)
                os.fsync(stream.fileno())
            forget_attempts()
            guess = panic if kind == "duress" else pin()
            begin = time.monotonic()
            done = unlock(guess)
            turn[kind] = time.monotonic() - begin
            destroyed = VOLUME.read_bytes()[:HEADER] != header
            if done.returncode != WRONG or destroyed != (kind == "duress"):
                check(f"a {kind} PIN does what it should", False, (done.stderr, destroyed))
        # The answer comes at a multiple of half a second: one that a busy machine kept until the
        # next says nothing of the medians. Of the duress PIN it may be the destruction that took
        # longer than half a second: a busy machine keeps both kinds alike.
        slower = max(turn, key=turn.get)
        is_late = abs(turn["wrong"] - turn["duress"]) > STEP / 2
        for kind, seconds in turn.items():
            every[kind].append(seconds)
            if not is_late:
                took[kind].append(seconds)
        if is_late:
            late[slower].append(turn[slower])
    lates = {kind: len(times) for kind, times in late.items()}
    check(f"late by half a second: {lates['wrong']} wrong ones, {lates['duress']} duress PINs: not "
          "the latter alone", lates["duress"] - lates["wrong"] <= 3 * sum(lates.values()) ** 0.5, late)
    told("all of them", every)
    if len(took["wrong"]) < TIMED:
        return note(f"the machine was busy: {len(took['wrong'])} pairs were not disturbed")
    median = {kind: statistics.median(times) for kind, times in took.items()}
    wide = {kind: spread(times) for kind, times in took.items()}
    for kind, times in took.items():
        note(f"{kind}: median {median[kind]:.3f} s, quartiles {wide[kind]:.3f} s apart, "
             f"{min(times):.3f} to {max(times):.3f} s")
    apart = abs(median["wrong"] - median["duress"])
    check(f"the medians are {apart:.3f} s apart, which is within the spread", apart <= max(wide.values()))
    told("the late ones left out", took)


def after_failures():
    profile(eraseAfterFailures=10)
    told = pmosctl("policy", "check").stdout
    check("policy check warns of it", "erase-after-failures" in told, told)
    right = pin()
    fresh(right)
    for before, opens in ((8, True), (9, False)):
        put_record(before)
        refused = unlock(pin())
        check(f"wrong PIN {before + 1} is refused as ever", refused.returncode == WRONG, refused.stderr)
        forget_attempts()
        check("and the right one opens" if opens else "and then the right one opens no more",
              (unlock(right).returncode == 0) == opens)
        pmosctl("lock", MODE)
        forget_attempts()


def put_record(count):
    """So many, the last of them 90 minutes ago: before this boot began, mostly."""
    boot = open("/proc/sys/kernel/random/boot_id").read().strip()
    at = int((time.clock_gettime(time.CLOCK_BOOTTIME) - 5401) * 1e6)
    text = f"pmos-attempts 1\nwrites 50\nfailures {count}\nat {at}\nboot {boot}\n"
    text += f"sum {hashlib.sha256(text.encode()).hexdigest()}\n"
    for copy in "ab":
        (RECORD / copy).write_text(text.ljust(512, "\n"))


def main():
    try:
        profile()
        for part in (erase_with_consent, device_key, duress, where_it_is_open, timing, after_failures):
            note(part.__name__)
            part()
    finally:
        (PROFILES / f"{MODE}.json").write_text(SHIPPED)
        (PROFILES / "site.json").write_text(SITE)
        ctl("reload")
        ctl("stop", "--all")
        pmosctl("erase", MODE, "--yes")


main()
