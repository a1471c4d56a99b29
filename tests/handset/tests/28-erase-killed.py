#!/usr/bin/env python3
# variant: test
# timeout: 600
"""The worker is killed at each moment of a destruction, by erase and by the duress PIN: before the
first write the volume is whole, from it on nothing opens it, and erase brings it to its end."""

import os
import pathlib
import secrets
import subprocess
import sys

MODE = "secure"
FAIL = pathlib.Path("/run/pmos/fail-step")
PROFILE = pathlib.Path("/usr/share/pmos/profiles/secure.json")
SHIPPED = PROFILE.read_text()
WRONG = 8
UNTOUCHED = "begin"
DURESS = ("begin", "first-write", "first-blow", "keyslots")
ERASE = (*DURESS, "all-keyslots", "header")
failures = 0


def check(what, good, detail=""):
    global failures
    failures += not good
    print(("  ok    " if good else "  FAIL  ") + what + (f": {detail}" if not good else ""), flush=True)


def ctl(*words, **pins):
    ends, options = [], []
    for name, pin in pins.items():
        r, w = os.pipe()
        os.write(w, pin.encode() + b"\n")
        os.close(w)
        ends.append(r)
        options += [f"--{name.replace('_', '-')}-fd", str(r)]
    done = subprocess.run(["pmosctl", *words, *options], pass_fds=ends, capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
    for end in ends:
        os.close(end)
    return done


def killed_at(moment, *words, **pins):
    FAIL.write_text(f"destroy/{moment}\n")
    done = ctl(*words, **pins)
    FAIL.unlink()
    check(f"{words[0]}: killed at {moment}", done.returncode not in (0, WRONG) and "died" in done.stderr,
          (done.returncode, done.stderr))


def fresh():
    right, panic = secrets.token_hex(5), secrets.token_hex(5)
    erased = ctl("erase", MODE, "--yes")
    check("what is left is erased", erased.returncode == 0, erased.stderr)
    made = ctl("provision", MODE, pin=right)
    check("a new volume", made.returncode == 0, made.stderr)
    return right, panic


def opens(right, moment):
    done = ctl("unlock", MODE, "--no-start", pin=right)
    if moment == UNTOUCHED:
        check("nothing was written: it opens", done.returncode == 0, done.stderr)
        ctl("lock", MODE)
    else:
        check("it does not open", done.returncode not in (0, 1) or "damaged" in done.stderr,
              (done.returncode, done.stderr))


def main():
    PROFILE.write_text(SHIPPED.replace('"memoryMax": "256MiB", "timeMs": 1000',
                                       '"memoryMax": "32MiB", "timeMs": 100'))
    try:
        check("the profile is taken", ctl("reload").returncode == 0)
        for moment in ERASE:
            right, _ = fresh()
            killed_at(moment, "erase", MODE, "--yes")
            opens(right, moment)
        for moment in DURESS:
            right, panic = fresh()
            done = ctl("duress", "set", MODE, pin=right, duress_pin=panic)
            check("a duress PIN is set", done.returncode == 0, done.stderr)
            killed_at(moment, "unlock", MODE, pin=panic)
            opens(right, moment)
        fresh()
    finally:
        FAIL.unlink(missing_ok=True)
        PROFILE.write_text(SHIPPED)
        ctl("reload")
        ctl("erase", MODE, "--yes")
    sys.exit(failures != 0)


main()
