"""At which moments, and how often, of which operations."""

import os
import random
import re
import secrets
import subprocess
import time

from handset import check, note

MOMENTS = int(os.environ.get("MOMENTS") or (10 if os.environ.get("HANDSET_SOAK") else 1))
SEED = os.environ.get("SEED") or secrets.token_hex(4)
chance = random.Random(SEED)


def outlives(process, took, what):
    """It goes on after a moment by chance. Nobody knows how long it takes: the moments follow."""
    longest, begin = took.setdefault(what, 1.5), time.monotonic()
    wait = chance.uniform(0, longest)
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        if wait > 0.9 * longest:
            took[what] = 1.2 * longest
        return True
    took[what] = time.monotonic() - begin
    return False


def each(what, once):
    """Until it was killed in time so often. once(): whether it was, and what came of it, "" if it
    is good."""
    if not re.search(os.environ.get("ONLY", ""), what):
        return None
    if MOMENTS == 1 and chance.random() < 0.5:
        return note(f"{what}: not today")
    killed, times, bad = 0, 0, []
    begin = time.monotonic()
    while killed < MOMENTS and times < 2 * MOMENTS + 20:
        alive, wrong = once()
        killed, times = killed + alive, times + 1
        if wrong:
            bad.append(f"time {times}: {wrong}")
    check(f"{what}: {times} times, {killed} of them killed", killed >= MOMENTS and not bad, bad[:5])
    note(f"{time.monotonic() - begin:.1f} s")
