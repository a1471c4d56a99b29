"""The machine that all contenders share: one root image, one plan, one cgroup, one pmosd.

Everything lies on a tmpfs of this mount namespace and in one cgroup, so that nothing is left when
the namespace ends.
"""
import json
import os
import shutil
import subprocess
import time

WORK = "/mnt"
CGROUP_FS = "/sys/fs/cgroup"
FIRST_ID, IDS = 500000, 65536


class Broken(Exception):
    """Something that the measurement stands on does not work; the text says what."""


def command(*args, **more):
    done = subprocess.run(args, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise Broken(f"{' '.join(args)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def optional(limit):
    """For kernels whose cgroup v2 has no controllers: there nobody bounds, pmos no more than crun."""
    return {"value": limit, "optional": True}


class Worker:
    """A contender: a process that takes one turn for each line it gets."""

    def __init__(self, name, *args):
        self.name = name
        self.log = f"{WORK}/{name}.log"
        with open(self.log, "wb") as log:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True)
        if self.process.stdout.readline() != "hello\n":
            raise Broken(f"{name} does not start: {self.said()}")

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read().strip()[-500:]

    def turn(self):
        """Milliseconds until the payload was executed, and until all of it was over."""
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline().strip()
        except BrokenPipeError:
            line = "it ended"
        if not line or not line[0].isdigit():
            raise Broken(f"{self.name}: {line} {self.said()}")
        ready, end = line.split()
        return int(ready) / 1e6, int(end) / 1e6

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class World:
    """What is made before the first turn and undone after the last one."""

    def __init__(self, build, tag):
        self.build = build
        self.cgroup = f"{CGROUP_FS}/pmos-bench-{tag}"
        self.pmosd, self.net = None, None
        self.root = f"{WORK}/root"
        self.socket = f"{WORK}/run/private"
        command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", WORK)
        command("mount", "-t", "cgroup2", "none", CGROUP_FS)
        # crun and runc give their standard streams to the container's user: not the machine's own.
        command("mknod", "-m", "666", f"{WORK}/null", "c", "1", "3")
        command("mount", "--bind", f"{WORK}/null", "/dev/null")
        # And not the one that this process may have been started with.
        with open("/dev/null", "rb") as null:
            os.dup2(null.fileno(), 0)
        for name in ("tree", "root", "images", "profiles", "libexec", "state", "plan"):
            os.mkdir(f"{WORK}/{name}")
        os.makedirs(f"{self.cgroup}/yard")

    def program(self, name):
        return f"{self.build}/tests/bench/{name}"

    def make_image(self):
        tree = f"{WORK}/tree"
        for name in ("usr/bin", "proc", "sys", "dev", "tmp", "run"):
            os.makedirs(f"{tree}/{name}")
        for name in ("payload-once", "payload-stay", "payload-many"):
            shutil.copy(self.program(name), f"{tree}/usr/bin/{name}")
        command("mkfs.erofs", "--quiet", f"{WORK}/bench.erofs", tree)
        command("mount", "-t", "erofs", "-o", "loop,ro", f"{WORK}/bench.erofs", self.root)

    def make_profile(self, mode, index, args, network="none"):
        """A mode as the shipped blocks make it, with no volume; every mode has an image of its own."""
        shutil.copy(f"{WORK}/bench.erofs", f"{WORK}/images/{mode}.erofs")
        write(f"{WORK}/profiles/{mode}.json", json.dumps({
            "pmos": 1, "mode": mode, "extends": ["blocks/hardened.json", "blocks/base-dev.json"],
            "root": {"image": f"{mode}.erofs"},
            "identity": {"uidRange": {"start": FIRST_ID + index * IDS, "count": IDS}},
            "process": {"args": args},
            "network": network,
            "resources": {"memory": {"max": optional("512MiB"), "swapMax": optional(0)},
                          "pids": {"max": optional(1024)}},
            "session": {"background": "freeze"},
        }))

    def make_profiles(self, blocks, many, crowd):
        shutil.copytree(blocks, f"{WORK}/profiles/blocks")
        self.make_profile("solo", 0, ["/usr/bin/payload-stay"])
        for index, mode in enumerate(("one-a", "one-b"), 1):
            self.make_profile(mode, index, ["/usr/bin/payload-stay"])
        for index, mode in enumerate(("many-a", "many-b"), 3):
            self.make_profile(mode, index, ["/usr/bin/payload-many", str(many)])
        for index, mode in enumerate(("crowd-a", "crowd-b"), 5):
            self.make_profile(mode, index, ["/usr/bin/payload-many", str(crowd)])
        self.make_profile("wired", 7, ["/usr/bin/payload-stay"], {"direct": True, "egress": {"allow": ["tcp/443 to 203.0.113.0/24"]}})

    def add_modes(self, names):
        """For a pmosd that runs already."""
        for index, name in enumerate(names, 8):
            self.make_profile(name, index, ["/usr/bin/payload-stay"])
        command(f"{self.build}/cli/pmosctl", "--socket", self.socket, "reload")

    def make_plan(self):
        """The plan of "solo" as files, for the yardstick and the peers."""
        command(self.program("bench-make-plan"), f"{WORK}/profiles", f"{WORK}/profiles/solo.json",
                f"{WORK}/images", f"{self.cgroup}/modes", f"{WORK}/plan")
        with open(f"{WORK}/plan/plan.json", encoding="utf-8") as file:
            plan = json.load(file)
        with open(f"{WORK}/plan/syscalls.json", encoding="ascii") as file:
            return plan, json.load(file)

    def start_pmosd(self):
        for room, name in (("launch", "pmos-launch"), ("init", "pmos-init"),
                           ("volume", "pmos-volume")):
            shutil.copy(f"{self.build}/src/runtime/{room}/{name}", f"{WORK}/libexec/{name}")
        ready, theirs = os.pipe()
        with open(f"{WORK}/pmosd.log", "wb") as log:
            # pylint: disable=consider-using-with
            self.pmosd = subprocess.Popen(
                [f"{self.build}/src/runtime/daemon/pmosd", "--bus", "off", "--no-autostart",
                 "--ready-fd", str(theirs), "--profiles", f"{WORK}/profiles",
                 "--images", f"{WORK}/images", "--run", f"{WORK}/run", "--state", f"{WORK}/state",
                 "--libexec", f"{WORK}/libexec", "--handset", f"{WORK}/handset.json",
                 "--cgroup", f"{self.cgroup}/modes"],
                pass_fds=[theirs], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(theirs)
        told = os.read(ready, 1)
        os.close(ready)
        if told != b"\n":
            raise Broken(f"pmosd does not start: {self.pmosd_log()}")

    def start_net(self):
        """pmos-net, and an uplink: this network namespace is the measurement's own."""
        command("ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0")
        command("ip", "address", "add", "203.0.113.1/24", "dev", "up0")
        for link in ("far0", "up0"):
            command("ip", "link", "set", link, "up")
        command("ip", "route", "add", "default", "via", "203.0.113.2", "dev", "up0")
        build = f"{self.build}/src/runtime/network"
        with open(f"{WORK}/net.log", "wb") as log:
            # pylint: disable=consider-using-with
            self.net = subprocess.Popen([f"{build}/pmos-net", "--run", f"{WORK}/run/network", "--libexec", build],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not os.path.exists(f"{WORK}/run/network/control"):
            if time.monotonic() > deadline:
                raise Broken("pmos-net does not start")
            time.sleep(0.01)

    def pmosd_log(self):
        with open(f"{WORK}/pmosd.log", encoding="utf-8", errors="replace") as log:
            return log.read().strip()[-1000:]

    def call(self, mode, method):
        try:
            command(self.program("bench-bus"), "call", self.socket, mode, method)
        except Broken as why:
            raise Broken(f"{why}\npmosd said: {self.pmosd_log()}") from why

    def switch_steps(self, mode):
        """{step: µs} of a switch to the mode."""
        told = command(f"{self.build}/cli/pmosctl", "--socket", self.socket, "--json", "switch",
                       mode, "--steps")
        return {one["step"]: one["microseconds"] for one in json.loads(told)}

    def pid(self, mode):
        return int(command(self.program("bench-bus"), "pid", self.socket, mode))

    def processes(self, mode):
        return len(processes_of(f"{self.cgroup}/modes/{mode}"))

    def end(self):
        for process in filter(None, (self.pmosd, self.net)):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        remove_cgroup(self.cgroup)


def processes_of(cgroup):
    with open(f"{cgroup}/cgroup.procs", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def remove_cgroup(path):
    """A cgroup of ours with all below it, and every process in it."""
    if not os.path.isdir(path):
        return
    write(f"{path}/cgroup.kill", "1")
    for directory, _, _ in os.walk(path, topdown=False):
        for _ in range(200):
            try:
                os.rmdir(directory)
                break
            except OSError:  # the dead are still being buried
                time.sleep(0.01)


def sweep(tag):
    """For the outer process, when the inner one could not clean up itself."""
    command("mount", "-t", "cgroup2", "none", CGROUP_FS)
    remove_cgroup(f"{CGROUP_FS}/pmos-bench-{tag}")
