#!/usr/bin/env python3
"""./dev bench switch-phone, the part on the phone: what a switch costs there, with the GPU to take
away, beside crun's pause and resume of as many processes and the bare freeze and thaw; and what the
programs that take devices away cost a read of any device. Rows of JSON on the last line."""

import json
import os
import pathlib
import secrets
import statistics
import subprocess
import sys
import time

PROFILES = pathlib.Path("/usr/share/pmos/profiles")
MODES = "personal", "secure"
PIN = secrets.token_hex(6)
COUNTS, TURNS = (1, 50, 500), 60
READS = 20000
ROOT = pathlib.Path("/run/bench")
SLEEPERS = "i=1; while [ $i -lt {0} ]; do sleep 100000 & i=$((i+1)); done; exec sleep 100000"


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


def by_pin(*words):
    read, write = os.pipe()
    os.write(write, PIN.encode())
    os.close(write)
    run("pmosctl", *words, "--pin-fd", str(read), pass_fds=[read])


def row(name, unit, ours, peer=None, goal=None):
    ratio = ours / peer if peer is not None else ours
    return {"name": name, "unit": unit, "ours": round(ours, 4),
            "peer": None if peer is None else round(peer, 4), "ratio": round(ratio, 4), "goal": goal}


def cgroup_of(mode):
    return next(pathlib.Path("/sys/fs/cgroup").glob(f"**/{mode}"))


def processes(directory):
    return len((directory / "cgroup.procs").read_text().split())


def crowd(count):
    """Both modes with so many processes more, until they are ended."""
    held = []
    for mode in MODES:
        run("pmosctl", "switch", mode)  # nobody enters one that is frozen
        held.append(subprocess.Popen(["pmosctl", "exec", mode, "--", "sh", "-c", SLEEPERS.format(count)],
                                     stdin=subprocess.DEVNULL))
        end = time.monotonic() + 120
        while processes(cgroup_of(mode)) < count:
            if time.monotonic() > end:
                sys.exit(f"there are no {count} processes in '{mode}'")
            time.sleep(0.2)
    return held


class Crun:
    """Two containers of crun with as many processes, the second one paused."""

    def __init__(self, count):
        self.names = [f"bench-{count}-{side}" for side in "ab"]
        for name in self.names:
            bundle = ROOT / name
            bundle.mkdir(parents=True)
            (bundle / "config.json").write_text(json.dumps({
                "ociVersion": "1.0.2", "root": {"path": str(ROOT / "root"), "readonly": True},
                "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "cwd": "/",
                            "env": ["PATH=/usr/bin:/bin"],
                            "args": ["/bin/sh", "-c", SLEEPERS.format(count)]},
                "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
                "linux": {"cgroupsPath": f"/{name}",
                          "namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts")]}}))
            with open("/dev/null", "w", encoding="ascii") as null:
                subprocess.run([*self.crun("run"), "--detach", "--bundle", bundle, name], check=True,
                               stdin=subprocess.DEVNULL, stdout=null)
        run(*self.crun("pause"), self.names[1])

    @staticmethod
    def crun(verb):
        return ["crun", "--cgroup-manager=cgroupfs", verb]

    def turn(self):
        begin = time.monotonic()
        run(*self.crun("pause"), self.names[0])
        run(*self.crun("resume"), self.names[1])
        self.names.reverse()
        return (time.monotonic() - begin) * 1000

    def end(self):
        for name in self.names:
            run(*self.crun("delete"), "--force", name)


def freeze_and_thaw(outgoing, incoming):
    """Milliseconds that the kernel alone takes; both are left as they were."""
    def put(directory, frozen):
        (directory / "cgroup.freeze").write_text(str(int(frozen)))
        while f"frozen {int(frozen)}" not in (directory / "cgroup.events").read_text():
            pass
    begin = time.monotonic()
    put(outgoing, True)
    (incoming / "cgroup.freeze").write_text("0")
    took = (time.monotonic() - begin) * 1000
    put(incoming, True)
    put(outgoing, False)
    return took


def switches(count):
    held = crowd(count)
    crun = Crun(count)
    run("pmosctl", "switch", MODES[0])
    steps, whole, bare, peer = {}, [], [], []
    try:
        for turn in range(TURNS):
            out, to = MODES[turn % 2], MODES[(turn + 1) % 2]
            bare.append(freeze_and_thaw(cgroup_of(out), cgroup_of(to)))
            told = json.loads(run("pmosctl", "--json", "switch", to, "--steps"))
            for one in told:
                steps.setdefault(one["step"], []).append(one["microseconds"] / 1000)
            whole.append(sum(one["microseconds"] for one in told) / 1000)
            peer.append(crun.turn())
    finally:
        crun.end()
        for process in held:
            process.kill()
            process.wait()
    def p99(times):
        return sorted(times)[int(0.99 * len(times))]
    name, median = f"phone-switch-{count}", statistics.median
    return [row(f"{name}-p50", "ms", median(whole)), row(f"{name}-p99", "ms", p99(whole)),
            row(f"{name}-p50-vs-freeze", "ms", median(whole), median(bare)),
            row(f"{name}-p50-vs-crun", "ms", median(whole), median(peer)),
            *(row(f"{name}-step-{step}", "ms", median(times)) for step, times in steps.items())]


def read_cost():
    """ns of read(2) of /dev/zero."""
    fd = os.open("/dev/zero", os.O_RDONLY)
    best = []
    for _ in range(15):
        begin = time.monotonic_ns()
        for _ in range(READS):
            os.read(fd, 1)
        best.append((time.monotonic_ns() - begin) / READS)
    os.close(fd)
    return statistics.median(best)


def main():
    block = PROFILES / "blocks" / "hardened.json"
    shipped = block.read_text()
    block.write_text(shipped.replace('"pids": { "max": 512 }', '"pids": { "max": 1024 }'))
    assert block.read_text() != shipped
    run("pmosctl", "reload")
    (ROOT / "root").mkdir(parents=True)
    run("mount", "--bind", "/", ROOT / "root")
    by_pin("provision", "secure")
    by_pin("unlock", "secure")
    run("pmosctl", "stop", "personal")
    for mode in MODES:
        run("pmosctl", "start", mode)
        run("pmosctl", "switch", mode)
    rows = [one for count in COUNTS for one in switches(count)]
    watched = read_cost()
    run("systemctl", "stop", "pmosd")  # and the programs that systemd keeps for it
    rows.append(row("read-of-a-device-vs-unwatched", "ns", watched, read_cost()))
    run("umount", ROOT / "root")
    print(json.dumps(rows))


main()
