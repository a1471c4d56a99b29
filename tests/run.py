#!/usr/bin/env python3
"""tests/run.py: ./dev test. Runs every tier, shows what each does and how long it takes, and ends
with one line: N passed, N failed, N skipped. Decides nothing about what a test means."""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
MESON = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}


@dataclasses.dataclass
class Outcome:
    tier: str
    name: str
    result: str
    reason: str = ""


def last_line(text):
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def say(text):
    print(text, flush=True)


def build(variant):
    return subprocess.run([TOP / "dev", "build", "--variant", variant], check=False).returncode == 0


def meson_tier():
    """Unit, native, golden and fuzz replay, under the sanitizers and with the fault points."""
    if not build("debug"):
        return [Outcome("build", "debug", "failed", "it does not build")]
    directory = TOP / "build" / "debug"
    log = directory / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    # UBSan ends a process by SIGILL; ASan tells where.
    done = subprocess.run(["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs",
                           "--timeout-multiplier", "4"],
                          env=os.environ | {"ASAN_OPTIONS": "handle_sigill=1"},
                          stdin=subprocess.DEVNULL, check=False)
    if not log.exists():
        # A tree without any registered test writes no log; that is no pass.
        return [Outcome("unit", "meson test", "failed", f"no test log, exit {done.returncode}")]
    outcomes = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        result = MESON.get(entry["result"], "failed")
        reason = "" if result == "passed" else entry["result"].lower()
        if result == "skipped":
            reason = last_line(entry.get("stdout"))
        outcomes.append(Outcome("unit", entry["name"].rpartition(" / ")[2], result, reason))
    if done.returncode != 0 and all(o.result != "failed" for o in outcomes):
        outcomes.append(Outcome("unit", "meson test", "failed", f"exit {done.returncode}"))
    return outcomes


def line_tier(tier):
    """A program that says "ok NAME", "FAIL NAME" or "skip NAME: why" of each, and ends with 0 where none failed."""
    program = f"tests/{tier}/run"
    done = subprocess.run([TOP / program], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, check=False)
    print(done.stdout, end="", flush=True)
    outcomes = []
    for line in done.stdout.splitlines():
        word, _, name = line.partition(" ")
        if word in ("ok", "FAIL"):
            outcomes.append(Outcome(tier, name.strip(), "passed" if word == "ok" else "failed"))
        if word == "skip":
            name, _, reason = name.partition(": ")
            outcomes.append(Outcome(tier, name, "skipped", reason))
    if not outcomes or done.returncode != 0 and all(o.result != "failed" for o in outcomes):
        outcomes.append(Outcome(tier, program, "failed", f"exit {done.returncode}"))
    return outcomes


def handset_tier(every):
    report = TOP / "build" / "handset" / "outcomes.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    done = subprocess.run([TOP / "tests" / "handset" / "run", "--json", report, *(["--all"] if every else [])],
                          stdin=subprocess.DEVNULL, check=False)
    if not report.exists():
        return [Outcome("handset", "tests/handset/run", "failed", f"exit {done.returncode}")]
    return [Outcome("handset", e["name"], e["result"], e["reason"])
            for e in json.loads(report.read_text())]


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__)
    parser.add_argument("--no-handset", action="store_true", help="leave the phone out, and say so")
    parser.add_argument("--all", action="store_true", help="the phone's long tests too whose turn it is not")
    args = parser.parse_args()
    tiers = [("lint", lambda: line_tier("lint")), ("unit and native", meson_tier),
             ("engines", lambda: line_tier("engines"))]
    if not args.no_handset:
        tiers.append(("handset", lambda: handset_tier(args.all)))
    outcomes = []
    for name, tier in tiers:
        say(f"== {name}")
        start = time.monotonic()
        found = tier()
        outcomes += found
        good = sum(o.result == "passed" for o in found)
        say(f"== {name}: {good} of {len(found)} passed in {time.monotonic() - start:.0f} s")
    if args.no_handset:
        outcomes.append(Outcome("handset", "every test", "skipped", "--no-handset was given"))
    for result in ("skipped", "failed"):
        for o in outcomes:
            if o.result == result:
                say(f"{result}: {o.tier}/{o.name}" + (f": {o.reason}" if o.reason else ""))
    counts = [sum(o.result == r for o in outcomes) for r in ("passed", "failed", "skipped")]
    say("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
