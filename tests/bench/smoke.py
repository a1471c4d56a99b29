#!/usr/bin/env python3
"""A few turns of every bench: each row is there and holds numbers. Says nothing about speed.

usage: smoke.py BUILD_DIR      exit status 77, with the reason, where it cannot run
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = {"start-vs-bare", "start-vs-crun", "start-vs-bubblewrap", "start-vs-runc", "start-wire-adds", "crew-last-fifth-vs-first",
        "switch-1-p99", "switch-5-p99", "exec-vs-crun", "exec-vs-nsenter", "pmosd-pss", "mode-pss",
        "policy-check-shipped", "policy-check-50", "policy-report-50",
        "separation-200", "filter-refused-vs-libseccomp"}
KEYS = {"name", "unit", "ours", "peer", "ratio", "goal"}


def main():
    if os.geteuid() != 0:
        print("skipped: needs root")
        return SKIP
    missing = [tool for tool in ("bwrap", "crun", "runc", "mkfs.erofs")
               if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin") is None]
    if missing:
        print(f"skipped: no {', '.join(missing)} (./dev setup installs them)")
        return SKIP
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run([f"{HERE}/run", "--quick", "--build-dir", sys.argv[1],
                               "--json", out.name], check=False)
        if done.returncode != 0:
            return 1
        rows = json.load(open(out.name, encoding="ascii"))
    names = {row["name"] for row in rows}
    # A step that has nothing to do takes no time.
    wrong = [row["name"] for row in rows if set(row) != KEYS
             or not (row["ours"] >= 0 if "-step-" in row["name"] else row["ours"] > 0 and row["ratio"] > 0)]
    if ROWS - names or wrong:
        print(f"not ok: rows missing {sorted(ROWS - names)}, rows wrong {wrong}")
        return 1
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        if "/mnt/root" in mounts.read():
            print("not ok: the bench left a mount")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
