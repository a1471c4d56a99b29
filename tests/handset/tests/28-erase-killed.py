#!/usr/bin/env python3
# variant: test
# timeout: 600
# turn: 2
"""The worker is killed at each moment of a destruction, by erase and by the duress PIN: before the
first write the volume is whole, from it on nothing opens it, neither the PIN nor the recovery key,
and erase brings it to its end. HANDSET_SOAK: the duress PIN at those in the middle as well, where
what runs is the same."""

import os
import pathlib
import secrets

from handset import PROFILES, check, ctl, pmosctl, replaced

MODE = "secure"
FAIL = pathlib.Path("/run/pmos/fail-step")
PROFILE = PROFILES / "secure.json"
SHIPPED = PROFILE.read_text()
NOT_PROVISIONED, WRONG = 6, 8
UNTOUCHED = "begin"
KEYSLOTS = ("begin", "marked", "first-write", "first-blow", "keyslots")
DURESS = KEYSLOTS if os.environ.get("HANDSET_SOAK") else (KEYSLOTS[0], KEYSLOTS[-1])
ERASE = (*KEYSLOTS, "all-keyslots", "header")
MARK = pathlib.Path("/var/lib/pmos/attempts/secure/ending")


def killed_at(moment, *words, **pins):
    FAIL.write_text(f"destroy/{moment}\n")
    done = pmosctl(*words, **pins)
    FAIL.unlink()
    check(f"{words[0]}: killed at {moment}", done.returncode not in (0, WRONG) and "died" in done.stderr,
          (done.returncode, done.stderr))


def fresh():
    """Two keyslots, of which the loss of one is not enough."""
    right, panic = secrets.token_hex(5), secrets.token_hex(5)
    erased = pmosctl("erase", MODE, "--yes")
    check("what is left is erased", erased.returncode == 0, erased.stderr)
    made = pmosctl("provision", MODE, pin=right)
    check("a new volume", made.returncode == 0, made.stderr)
    with open("/run/recovery-key", "w+") as file:
        added = pmosctl("auth", "enroll", MODE, "recovery-key", "--out-fd", str(file.fileno()),
                        pass_fds=[file.fileno()], pin=right)
        file.seek(0)
        key = file.read().strip()
    os.unlink("/run/recovery-key")
    check("with a recovery key", added.returncode == 0 and key, added.stderr)
    return right, panic, key


def opens(right, key, moment):
    # The one whose keyslot is written last comes first.
    for secret in (key, right):
        done = pmosctl("unlock", MODE, "--no-start", pin=secret)
        if moment == UNTOUCHED:
            check("nothing was written: it opens", done.returncode == 0, done.stderr)
            ctl("lock", MODE)
        else:
            check("it does not open", done.returncode in (WRONG, NOT_PROVISIONED)
                  or "damaged" in done.stderr,
                  (done.returncode, done.stderr))
    check("no destruction is left half done", not MARK.exists())


def main():
    PROFILE.write_text(replaced(SHIPPED, '"unlock": ["pin"]',
                                '"unlock": ["pin", "recovery-key"]'))
    try:
        check("the profile is taken", pmosctl("reload").returncode == 0)
        for moment in ERASE:
            right, _, key = fresh()
            killed_at(moment, "erase", MODE, "--yes")
            opens(right, key, moment)
        for moment in DURESS:
            right, panic, key = fresh()
            done = pmosctl("duress", "set", MODE, pin=right, duress_pin=panic)
            check("a duress PIN is set", done.returncode == 0, done.stderr)
            killed_at(moment, "unlock", MODE, pin=panic)
            opens(right, key, moment)
        fresh()
    finally:
        FAIL.unlink(missing_ok=True)
        PROFILE.write_text(SHIPPED)
        ctl("reload")
        ctl("erase", MODE, "--yes")


main()
