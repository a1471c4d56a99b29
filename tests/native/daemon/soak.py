#!/usr/bin/env python3
"""The long counts on this machine's kernel: starts, switches, sudden deaths of pmosd and of the
launcher. Descriptors, memory, cgroups, mounts and loop devices must be as many at the end as they
were after a first round.

usage: soak.py BUILD_DIR [--count FRACTION]
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import pmosd_test  # noqa: E402  pylint: disable=wrong-import-position
from pmosd_test import expect, gone, wait_for  # noqa: E402

STARTS, SWITCHES, DEATHS = 1000, 10000, 200
COUNT_SLACK = 4  # a timer or a call that is just under way; a leak is one a round
MEMORY_SLACK_KB = 512  # what the allocator may keep; a leak of 100 bytes a round is more


def memory_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss_Anon:"))


def launcher_of(phone):
    found = subprocess.run(["pgrep", "-P", str(phone.process.pid), "pmos-launch"], capture_output=True,
                           text=True, check=False).stdout.split()
    return int(found[0]) if found else 0


def sizes(phone):
    """What must not grow. Memory apart: it may breathe."""
    pid = phone.process.pid
    wait_for("the launcher", lambda: launcher_of(phone))
    return {
        "descriptors of pmosd": len(os.listdir(f"/proc/{pid}/fd")),
        "descriptors of pmos-launch": len(os.listdir(f"/proc/{launcher_of(phone)}/fd")),
        "mounts": sum(1 for _ in open(f"/proc/{pid}/mountinfo", encoding="ascii")),
        "cgroups": sum(len(dirs) for _, dirs, _ in os.walk(phone.cgroup)),
        "loop devices": sum(phone.dir in line for line in subprocess.run(
            ["losetup", "-a"], capture_output=True, text=True, check=True).stdout.splitlines()),
        "children": len(subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True,
                                       check=False).stdout.split()),
    }


def flat(phone, what, before, memory):
    end = time.monotonic() + 5
    while (now := sizes(phone)) != before and time.monotonic() < end:
        time.sleep(0.1)
    expect(all(now[k] <= before[k] + COUNT_SLACK for k in before), f"{what}: {before} became {now}; pmosd holds "
           f"{pmosd_test.fds_of(phone.process.pid)}")
    after = {name: memory_kb(pid) for name, pid in
             (("pmosd", phone.process.pid), ("pmos-launch", launcher_of(phone)))}
    for name, kb in after.items():
        expect(kb <= memory[name] + MEMORY_SLACK_KB, f"{what}: {name} grew from {memory[name]} to {kb} KiB")
    print(f"{what}: flat; pmosd {memory['pmosd']} -> {after['pmosd']} KiB, pmos-launch "
          f"{memory['pmos-launch']} -> {after['pmos-launch']} KiB", flush=True)


def baseline(phone):
    return sizes(phone), {"pmosd": memory_kb(phone.process.pid),
                          "pmos-launch": memory_kb(launcher_of(phone))}


def starts(phone, count):
    for _ in range(min(20, count)):  # the allocator finds its size
        phone.ctl("start", "alpha")
        phone.ctl("stop", "alpha", "--timeout", "1")
    before = baseline(phone)
    for _ in range(count):
        phone.ctl("start", "alpha")
        phone.ctl("stop", "alpha")
    flat(phone, f"{count} starts and stops", *before)


def switches(phone, count):
    phone.ctl("start", "alpha")
    phone.ctl("start", "beta")
    for name in ("alpha", "beta") * 20:
        phone.ctl("switch", name)
    before = baseline(phone)
    for i in range(count):
        phone.ctl("switch", ("alpha", "beta")[i % 2])
    rows = [phone.status(m) for m in ("alpha", "beta")]
    expect(sorted(r["state"] for r in rows) == ["frozen", "running"], "one runs, one is frozen")
    flat(phone, f"{count} switches", *before)
    phone.ctl("stop", "--all")


def deaths(phone, count):
    """kill -9 at a random moment of a random call: afterwards everything can be used again."""
    chance = random.Random(os.environ.get("PMOS_SOAK_SEED", "pmos"))
    adopted = 0
    for i in range(count):
        verb = chance.choice((("start", "alpha"), ("stop", "beta"), ("switch", "alpha"), ("switch", "beta"),
                              ("restart", "alpha"), ("exec", "beta", "--", "true"), ("stop", "--all")))
        call = subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", *verb],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.06))
        if chance.random() < 0.3:
            victim = launcher_of(phone)
            if victim:
                os.kill(victim, signal.SIGKILL)
            call.wait(60)
            continue
        alive = {m: phone_pid(phone, m) for m in ("alpha", "beta")}
        phone.process.kill()
        phone.process.wait()
        call.wait(60)
        phone.start()
        rows = {m: phone.status(m) for m in ("alpha", "beta")}
        adopted += sum(bool(alive[m]) and rows[m]["pid"] == alive[m] for m in rows)
        for mode in ("alpha", "beta"):
            phone.ctl("start", mode)
        front = chance.choice(("alpha", "beta"))
        phone.ctl("switch", front)
        phone.ctl("exec", front, "--", "true")
        expect(sum(phone.status(m)["foreground"] for m in rows) == 1, f"round {i}: one is in front")
    phone.ctl("stop", "--all")
    left = [d for d in os.listdir(phone.cgroup) if os.path.isdir(f"{phone.cgroup}/{d}")]
    expect(not left, f"no cgroup is left after {count} deaths: {left}")
    expect(adopted > 0 or count < 10, "some mode was adopted")
    print(f"{count} deaths: everything worked afterwards; {adopted} modes were adopted", flush=True)


def phone_pid(phone, mode):
    """From the file that a new pmosd will read; pmosd itself may be busy dying."""
    try:
        with open(f"{phone.cgroup}/{mode}/cgroup.procs", encoding="ascii") as procs:
            pids = [int(line) for line in procs]
    except OSError:
        return 0
    return next((pid for pid in pids if not gone(pid)), 0)


def main():
    pmosd_test.in_own_namespace()
    pmosd_test.CGROUP = os.environ["PMOS_TEST_CGROUP"]
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--count", type=float, default=1.0, help="fraction of the long counts")
    args = parser.parse_args()
    failed = 0
    for name, run, full in (("starts", starts, STARTS), ("switches", switches, SWITCHES),
                            ("deaths", deaths, DEATHS)):
        count = max(1, int(full * args.count))
        phone = pmosd_test.Phone(os.path.abspath(args.build))
        start, error, log = time.monotonic(), None, ""
        try:
            phone.start()
            run(phone, count)
        except Exception as problem:  # pylint: disable=broad-except
            error = problem
        try:
            log, left = phone.end()
            error = error or (AssertionError(f"left behind: {left}") if left else None)
        except Exception as problem:  # pylint: disable=broad-except
            error = error or problem
        failed += error is not None
        print(f"{'not ok' if error else 'ok'} - {name} ({count} in {time.monotonic() - start:.0f} s)", flush=True)
        if error:
            print(f"# {type(error).__name__}: {error}\n# pmosd said:\n{log[-1000:]}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
