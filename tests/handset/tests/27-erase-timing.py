#!/usr/bin/env python3
# boot: own
# tpm: yes
# timeout: 600
# soak: 5400
# turn: 1
"""What 27-erase measures of a plain volume, where more has to be destroyed: with a share in the
TPM, and of two volumes. Each pair is of a volume of its own, for nothing brings back what a TPM has
given up."""

import os
import secrets
import statistics
import time

from handset import PROFILES, check, ctl, note, pmosctl, replaced

MODE = "secure"
STEP = {"a share in the TPM": 2, "two volumes": 0.5}  # of the moments of an answer
WRONG, NO_SHARE = 8, 13
SOAK = bool(os.environ.get("HANDSET_SOAK"))
PAIRS = 40 if SOAK else 2
FILE, SITE = PROFILES / f"{MODE}.json", PROFILES / "site.json"
SHIPPED, DEMANDS = FILE.read_text(), SITE.read_text()
OWN_PIN = '"unlock": ["pin"]'
SECOND = ('{ "name": "more", "target": "/more", "size": "32MiB", "unlock": ["device-key"], "onLock": "evict" }')


def with_tpm():
    return replaced(SHIPPED, OWN_PIN, '"unlock": ["tpm2+pin"], "tpm2": { "throttle": true }')


def with_two():
    SITE.write_text(replaced(DEMANDS, '"never": ["device-key", "tpm2"]', '"never": ["tpm2"]'))
    return replaced(SHIPPED, '"volumes": [', f'"volumes": [{SECOND}, ')


def timed(pin):
    begin = time.monotonic()
    done = pmosctl("unlock", MODE, "--no-start", pin=pin)
    return time.monotonic() - begin, done


def pair():
    """(wrong, duress): how long each took."""
    right, panic = secrets.token_hex(5), secrets.token_hex(5)
    pmosctl("erase", MODE, "--yes")
    made = pmosctl("provision", MODE, pin=right)
    struck = pmosctl("duress", "set", MODE, pin=right, duress_pin=panic)
    if not check("made, with a duress PIN", made.returncode == 0 and struck.returncode == 0,
                 (made.stderr, struck.stderr)):
        return None
    wrong, said = timed(secrets.token_hex(5))
    duress, told = timed(panic)
    check("both are refused", said.returncode == WRONG and told.returncode == WRONG, (said.stderr, told.stderr))
    after = timed(right)[1]
    check("and nothing opens any more", after.returncode in (WRONG, NO_SHARE), after.stderr)
    return wrong, duress


def measure(what, text):
    """A few pairs cannot be told apart at all: then it is only shown that it works."""
    note(what)
    FILE.write_text(text)
    ctl("reload")
    pairs = [one for _ in range(PAIRS) if (one := pair())]
    if not pairs:
        return
    wrong, duress = (statistics.median(times) for times in zip(*pairs))
    late = sum(duress - wrong > STEP[what] / 2 for wrong, duress in pairs)
    early = sum(wrong - duress > STEP[what] / 2 for wrong, duress in pairs)
    note(f"{what}: wrong {wrong:.3f} s, duress {duress:.3f} s (medians of {len(pairs)}), "
         f"later by a step: {late} duress PINs, {early} wrong ones")
    if SOAK:
        check(f"{what}: neither kind is the later one, but by chance",
              abs(late - early) <= 3 * max(late + early, 1) ** 0.5, pairs)
        check(f"{what}: the medians are within half a step", abs(duress - wrong) < STEP[what] / 2, pairs)


try:
    measure("a share in the TPM", with_tpm())
    measure("two volumes", with_two())
finally:
    pmosctl("erase", MODE, "--yes")
    FILE.write_text(SHIPPED)
    SITE.write_text(DEMANDS)
    pmosctl("reload")
