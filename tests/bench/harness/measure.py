"""What is measured: which contenders take turns with which, and the rows that come out of it."""
import json
import os
import signal
import subprocess
import sys
import time

from . import peers, policy
from .world import WORK, Broken, Worker, World, command

WARM_UP = 5


class Series:
    """The times of one contender, in ms."""

    def __init__(self, times):
        self.times = sorted(times)

    def quantile(self, share):
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))]

    @property
    def p50(self):
        return self.quantile(0.50)

    @property
    def p99(self):
        return self.quantile(0.99)

    def line(self, name):
        return (f"  {name:<26} n={len(self.times):<5} min {self.times[0]:8.3f}   "
                f"p50 {self.p50:8.3f}   p99 {self.p99:8.3f} ms")


def say(text):
    print(text, file=sys.stderr, flush=True)


def row(name, ours, peer, goal=None, unit="ms"):
    """ratio: ours over the peer's; without a peer ours itself, so that goal is in the same unit."""
    ratio = ours / peer if peer is not None else ours
    return {"name": name, "unit": unit, "ours": round(ours, 4),
            "peer": None if peer is None else round(peer, 4), "ratio": round(ratio, 4),
            "goal": goal}


def interleave(title, workers, turns, rest=0.0):
    """A B C A B C ...: whatever else the machine does falls on all of them alike."""
    say(f"{title}: {turns} turns of {', '.join(w.name for w in workers)}")
    ready = {w.name: [] for w in workers}
    begin = time.monotonic()
    try:
        for index in range(turns + WARM_UP):
            for worker in workers:
                time.sleep(rest)
                took, _ = worker.turn()
                if index >= WARM_UP:
                    ready[worker.name].append(took)
    finally:
        for worker in workers:
            worker.close()
    series = {name: Series(times) for name, times in ready.items()}
    for name, one in series.items():
        say(one.line(name))
    say(f"  in {time.monotonic() - begin:.0f} s")
    return series


MOST_KIB = 2_500_000 // 1024


class Bench:
    """One run: a world, and a method for each group of rows."""

    def __init__(self, build, quick, tag):
        self.quick = quick
        self.many, self.crowd = (5, 10) if quick else (50, 500)
        self.world = World(build, tag)
        self.plan, self.syscalls, self.shipped = None, None, None

    def turns(self, count):
        return min(count, 4) if self.quick else count

    def prepare(self, blocks):
        w = self.world
        self.shipped = os.path.dirname(blocks)
        w.make_image()
        w.make_profiles(blocks, self.many, self.crowd)
        w.start_pmosd()
        self.plan, self.syscalls = w.make_plan()

    def yardstick(self, name, *more):
        w = self.world
        return Worker(name, w.program("bench-bare"), f"{WORK}/plan/plan.image",
                      f"{WORK}/plan/devices.bpf", w.root, f"{w.cgroup}/yard", *more)

    def oci(self, runtime):
        bundle = peers.make_bundle(f"{runtime}-run", self.plan, peers.oci_filter(self.syscalls), self.world.root,
                                   ["/usr/bin/payload-once"])
        return Worker(runtime, self.world.program("bench-command"), *peers.oci_base(runtime), "run",
                      "--bundle", bundle, f"bench-{runtime}")

    def start(self):
        w = self.world
        bwrap = peers.bubblewrap(self.plan, w.root, "/usr/bin/payload-once")
        workers = [
            Worker("pmosd", w.program("bench-bus"), "start", w.socket, "solo"),
            self.yardstick("bare"),
            self.yardstick("bare-net-in-turn", "--net-in-turn"),
            self.yardstick("bare-all-ahead", "--filter-ahead"),
            Worker("pmos-launch", w.program("bench-launch-alone"), f"{WORK}/libexec/pmos-launch",
                   f"{WORK}/libexec/pmos-init", f"{WORK}/plan/plan.image", f"{WORK}/bench.erofs",
                   f"{w.cgroup}/yard", f"{WORK}/alone"),
            Worker("bubblewrap", w.program("bench-command"), "--open",
                   f"9={WORK}/plan/seccomp.bpf", *bwrap),
            self.oci("crun"), self.oci("runc"),
        ]
        s = interleave("start", workers, self.turns(300))
        ours = s["pmosd"]
        return [
            row("start-vs-bare", ours.p50, s["bare"].p50, 1.25),
            row("start-vs-crun", ours.p50, s["crun"].p50, 0.5),
            row("start-vs-bubblewrap", ours.p50, s["bubblewrap"].p50),
            row("start-vs-runc", ours.p50, s["runc"].p50),
            row("start-vs-bare-net-in-turn", ours.p50, s["bare-net-in-turn"].p50),
            row("start-vs-bare-all-ahead", ours.p50, s["bare-all-ahead"].p50),
            row("start-p99-vs-bare-p99", ours.p99, s["bare"].p99),
            row("launcher-alone-vs-bare", s["pmos-launch"].p50, s["bare"].p50),
        ]

    def wire(self):
        """What a network adds to a start, beyond the namespace that each has. Links go behind the reply to Stop,
        in 20 to 30 ms of the kernel's: nobody starts a mode again that soon."""
        w = self.world
        w.start_net()
        starts = {name: Worker(name, w.program("bench-bus"), "start", w.socket, name) for name in ("solo", "wired")}
        s = interleave("start with a network", list(starts.values()), self.turns(100), rest=0.05)
        adds = s["wired"].p50 - s["solo"].p50
        return [row("start-wire-adds", adds, None, 3.0), row("start-wire-vs-none", s["wired"].p50, s["solo"].p50)]

    def launch(self):
        """`run` of an OCI runtime: the command, to the first byte of its program. With the filter of a
        mode, with one as long as engines give, and with none."""
        w = self.world
        filters = {"filter": peers.oci_filter(self.syscalls), "long-filter": peers.long_filter(self.syscalls), "no-filter": None}
        program = ["/usr/bin/payload-once"]
        rows = []
        for kind, seccomp in filters.items():
            bundle = peers.make_bundle(f"launch-{kind}", self.plan, seccomp, w.root, program)
            run = ["run", "--bundle", bundle]
            workers = [Worker(name, w.program("bench-command"), *base, *run, f"launch-{kind}")
                       for name, base in (("pmos-oci", peers.pmos_oci(w.build)), ("crun", peers.oci_base("crun")),
                                          ("runc", peers.oci_base("runc")))]
            if kind == "no-filter":
                bwrap = peers.bubblewrap(self.plan, w.root, program[0])
                at = bwrap.index("--seccomp")
                workers.append(Worker("bubblewrap", w.program("bench-command"), *bwrap[:at], *bwrap[at + 2:]))
            s = interleave(f"launch, {kind}", workers, self.turns(200))
            ours = s["pmos-oci"]
            goal = {"no-filter": 0.6, "long-filter": 0.35}.get(kind)
            rows += [row(f"launch-{kind}-vs-crun", ours.p50, s["crun"].p50, goal),
                     row(f"launch-{kind}-p99-vs-crun", ours.p99, s["crun"].p99),
                     row(f"launch-{kind}-vs-runc", ours.p50, s["runc"].p50)]
            if kind == "no-filter":
                rows.append(row("launch-no-filter-vs-bubblewrap", ours.p50, s["bubblewrap"].p50, 1.0))
        bundle = peers.make_bundle("launch-peak", self.plan, filters["long-filter"], w.root, ["/usr/bin/payload-stay"])
        rows.append(row("launch-long-filter-peak", self.peak(bundle), None, MOST_KIB, "KiB"))
        return rows

    def peak(self, bundle):
        """KiB that pmos-oci had in memory at most, by the time that its container runs."""
        oci = peers.pmos_oci(self.world.build)
        with subprocess.Popen([*oci, "run", "--bundle", bundle, "launch-peak"], stdout=subprocess.PIPE) as process:
            process.stdout.read(1)
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
            subprocess.run([*oci, "kill", "launch-peak", "KILL"], check=True)
        return peak

    def crun_pair(self, processes):
        """Two containers with as many processes, the second one paused; the runtime to ask."""
        w, base = self.world, peers.oci_base("crun", cgroups=True)
        args = ["/usr/bin/payload-stay"] if processes == 1 else ["/usr/bin/payload-many", str(processes)]
        names = [f"bench-{processes}-{side}" for side in "ab"]
        for name in names:
            bundle = peers.make_bundle(name, self.plan, peers.oci_filter(self.syscalls), w.root, args,
                                       f"{w.cgroup.removeprefix('/sys/fs/cgroup')}/{name}")
            # Its output is the container's: a pipe would stay open as long as that lives.
            command("sh", "-c", 'exec "$@" >/dev/null 2>"$0"', f"{WORK}/{name}.log", *base, "run",
                    "--detach", "--bundle", bundle, name)
        command(*base, "pause", names[1])
        return base, names

    def steps_of_a_switch(self, first, second, processes, turns):
        """Where the time goes, by pmosd's own clock; switches of their own, not those above."""
        took = {}
        for turn in range(turns):
            for step, time_us in self.world.switch_steps((first, second)[turn % 2]).items():
                took.setdefault(step, []).append(time_us / 1000)
        for step, times in took.items():
            say(Series(times).line(f"step {step}"))
        return [row(f"switch-{processes}-step-{step}", Series(times).p50, None)
                for step, times in took.items()]

    def switch_between(self, first, second, processes, turns):
        w = self.world
        for mode in (first, second):
            w.call(mode, "Start")
        deadline = time.monotonic() + 30
        while any(w.processes(m) != processes + 1 for m in (first, second)):
            if time.monotonic() > deadline:
                raise Broken(f"{first} and {second} do not reach {processes} processes")
            time.sleep(0.01)
        workers = [Worker("Switch", w.program("bench-bus"), "switch", w.socket, first, second)]
        for _ in range(2):  # so that one of them is in the foreground, the other frozen
            workers[0].turn()
        workers.append(Worker("freeze-and-thaw", w.program("bench-freeze"),
                              f"{w.cgroup}/modes/{first}", f"{w.cgroup}/modes/{second}"))
        base, containers = self.crun_pair(processes)
        try:
            workers.append(Worker("crun-pause-resume", w.program("bench-oci-switch"), *containers,
                                  *base))
            title = f"switch, {processes} process{'es' if processes > 1 else ''} in each mode"
            s = interleave(title, workers, turns)
        finally:
            for name in containers:
                command(*base, "delete", "--force", name)
        steps = self.steps_of_a_switch(first, second, processes, turns // 5 + 2)
        for mode in (first, second):
            w.call(mode, "Stop")
        ours, bare, crun = s["Switch"], s["freeze-and-thaw"], s["crun-pause-resume"]
        return [
            row(f"switch-{processes}-p99", ours.p99, None, 10),
            row(f"switch-{processes}-p50", ours.p50, None),
            row(f"switch-{processes}-p50-vs-freeze", ours.p50, bare.p50, 2),
            row(f"switch-{processes}-p99-vs-freeze", ours.p99, bare.p99),
            row(f"switch-{processes}-p50-vs-crun", ours.p50, crun.p50),
            row(f"switch-{processes}-p99-vs-crun", ours.p99, crun.p99),
            *steps,
        ]

    def switch(self):
        turns = self.turns(1000)
        return (self.switch_between("one-a", "one-b", 1, turns)
                + self.switch_between("many-a", "many-b", self.many, turns)
                + self.switch_between("crowd-a", "crowd-b", self.crowd, self.turns(200)))

    def exec(self):
        w = self.world
        program = "/usr/bin/payload-once"
        w.call("solo", "Start")
        pid = w.pid("solo")
        bundle = peers.make_bundle("exec", self.plan, peers.oci_filter(self.syscalls), w.root,
                                   ["/usr/bin/payload-stay"])
        crun, runc, oci = peers.oci_base("crun"), peers.oci_base("runc"), peers.pmos_oci(w.build)
        run = w.program("bench-command")
        started = []
        try:
            for base in (crun, runc, oci):
                # Its output is the container's: a pipe would stay open as long as that lives.
                command("sh", "-c", 'exec "$@" >/dev/null 2>"$0"', f"{WORK}/exec.log", *base,
                        "run", "--detach", "--bundle", bundle, "bench-exec")
                started.append(base)
            workers = [
                Worker("Exec", w.program("bench-bus"), "exec", w.socket, "solo", program),
                Worker("pmosctl-exec", run, f"{w.build}/cli/pmosctl", "--socket", w.socket, "exec",
                       "solo", "--", program),
                Worker("pmos-oci-exec", run, *oci, "exec", "bench-exec", program),
                Worker("nsenter", run, "nsenter", "--target", str(pid), "--all", program),
                Worker("crun-exec", run, *crun, "exec", "bench-exec", program),
                Worker("runc-exec", run, *runc, "exec", "bench-exec", program),
            ]
            s = interleave("exec", workers, self.turns(200))
        finally:
            for base in started:
                command(*base, "delete", "--force", "bench-exec")
        w.call("solo", "Stop")
        ours = s["Exec"].p50
        return [
            row("exec-vs-crun", ours, s["crun-exec"].p50, 0.4),
            row("exec-vs-runc", ours, s["runc-exec"].p50),
            row("exec-vs-nsenter", ours, s["nsenter"].p50),
            row("pmosctl-exec-vs-crun", s["pmosctl-exec"].p50, s["crun-exec"].p50),
            row("pmos-oci-exec-vs-crun", s["pmos-oci-exec"].p50, s["crun-exec"].p50, 0.4),
        ]

    def memory(self):
        """PSS in KiB of what idles: nothing has been asked for a second."""
        w = self.world
        modes = ("one-a", "one-b", "many-a", "many-b")
        alone = pss(w.pmosd.pid)
        for mode in modes:
            w.call(mode, "Start")
        time.sleep(1)
        rows = [row("pmosd-pss", pss(w.pmosd.pid), None, 6144, "KiB"),
                row("pmosd-pss-with-no-mode", alone, None, None, "KiB"),
                row("pmos-launch-pss", pss(child_of(w.pmosd.pid, "pmos-launch")), None, None, "KiB"),
                row("mode-pss", max(pss(w.pid(mode)) for mode in modes), None, 512, "KiB")]
        for mode in modes:
            w.call(mode, "Stop")
        return rows

    def crew(self):
        """Many modes: whether the last start costs more than the first, and what one holds while it idles."""
        w = self.world
        names = [f"crew-{index:03}" for index in range(self.turns(200))]
        fifth = max(1, len(names) // 5)
        before = pss(w.pmosd.pid)
        w.add_modes(names)
        say(f"crew: {len(names)} modes, one after another")
        each = Worker("each", w.program("bench-bus"), "each", w.socket, *names)
        times = [each.turn()[0] for _ in names]
        each.close()
        first, last = Series(times[:fifth]), Series(times[-fifth:])
        say(first.line("the first fifth"))
        say(last.line("the last fifth"))
        time.sleep(1)
        held = (pss(w.pmosd.pid) - before + sum(pss(w.pid(mode)) for mode in names)) / len(names)
        command(f"{w.build}/cli/pmosctl", "--socket", w.socket, "stop", "--all")
        together = Worker("all", w.program("bench-bus"), "all", w.socket, *names)
        say(f"crew: {len(names)} modes at once")
        took = together.turn()[0] / len(names)
        together.close()
        say(f"  {took:.3f} ms each")
        command(f"{w.build}/cli/pmosctl", "--socket", w.socket, "stop", "--all")
        return [row("crew-last-fifth-vs-first", last.p50, first.p50, 1.2),
                row("crew-at-once-vs-one-by-one", took, sum(times) / len(times), 1.2),
                row("crew-memory-per-mode", held, None, 410, "KiB")]

    def policy(self):
        """Checking profiles: no daemon, no root, whole commands."""
        pmosctl = os.path.join(self.world.build, "cli", "pmosctl")
        series = {name: Series(times) for name, times in
                  policy.measure(pmosctl, self.shipped, self.turns(20)).items()}
        say(f"policy check, separation and report: {self.turns(20)} turns of each set")
        for (verb, name), one in series.items():
            say(one.line(f"{verb}: {name}"))

        def of(verb, name):
            return next(one.p50 for key, one in series.items()
                        if key[0] == verb and key[1].startswith(name))
        return [row("policy-check-shipped", of("check", "shipped"), None, 30),
                row("policy-check-50", of("check", "50 "), None, 1000),
                row("policy-report-shipped", of("report", "shipped"), None, 100),
                row("policy-report-50", of("report", "50 "), None, 1000),
                *(row(f"separation-{count}", of("separation", f"{count} "), None)
                  for count in (2, 10, 50, 200))]

    def filter(self):
        """What the shipped filter costs a system call, in ns."""
        program = os.path.join(self.world.build, "tests", "bench", "bench-filter-calls")
        profile = os.path.join(self.shipped, "secure.json")
        done = command(program, self.shipped, profile, *(["--quick"] if self.quick else []))
        rows = []
        ns = {(one["call"], one["filter"]): one["ns"] for one in json.loads(done)}
        for one in json.loads(done):
            say(f"  {one['call']:<16} {one['sense']:<22} {one['filter']:<16} "
                f"{one['instructions']:4} instructions  {one['ns']:8.1f} ns")
        for call in dict.fromkeys(call for call, _ in ns):
            ours = ns[call, "ours"]
            rows += [row(f"filter-{call}-vs-{peer}", ours, ns[call, peer], None, "ns")
                     for peer in ("none", "libseccomp", "libseccomp-tree")]
        return rows


GROUPS = {"start": Bench.start, "wire": Bench.wire, "launch": Bench.launch, "switch": Bench.switch, "exec": Bench.exec, "memory": Bench.memory,
          "crew": Bench.crew, "policy": Bench.policy, "filter": Bench.filter}


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    raise Broken(f"process {pid} has no Pss")


def child_of(parent, name):
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        for pid in file.read().split():
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                if comm.read().strip() == name:
                    return int(pid)
    raise Broken(f"{name} does not run")


def interrupted(*_):
    raise KeyboardInterrupt


def go_first():
    """Real-time for all alike: other work on this machine is not what is measured. What we start
    inherits it (a nice value would end at the first setsid, by autogroups)."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        say("bench: no real-time priority: other work on this machine will show")


def run_inside(build, names, args, blocks):
    """The rows as JSON on stdout; what happens meanwhile on stderr."""
    signal.signal(signal.SIGTERM, interrupted)
    bench, status = None, 0
    rows = []
    if not args.fair:
        go_first()
    try:
        bench = Bench(build, args.quick, args.tag)
        bench.prepare(blocks)
        for name in names:
            rows += GROUPS[name](bench)
        json.dump(rows, sys.stdout)
    except Broken as why:
        say(f"bench: {why}")
        status = 1
    except KeyboardInterrupt:
        status = 130
    finally:
        if bench is not None:
            bench.world.end()
    return status


def print_table(rows):
    def text(value):
        return "-" if value is None else f"{value:.3f}" if value < 100 else f"{value:.0f}"
    print(f"{'row':<40} {'unit':<4} {'ours':>9} {'peer':>9} {'ratio':>9} {'goal':>7}")
    for one in rows:
        held = "" if one["goal"] is None else "ok" if one["ratio"] <= one["goal"] else "MISSED"
        print(f"{one['name']:<40} {one['unit']:<4} {text(one['ours']):>9} {text(one['peer']):>9} "
              f"{text(one['ratio']):>9} {text(one['goal']):>7} {held}".rstrip())
