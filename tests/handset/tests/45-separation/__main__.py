#!/usr/bin/env python3
# boot: own
# timeout: 400
# append: lsm=lockdown,yama,bpf apparmor=0
"""The sweep: what 'pmosctl policy separation' says of every (mode, resource, right) is held against
the kernel, by trying it from inside each mode, and every flow by one mode telling another.

The phone is the weakest that a mode starts on: no Landlock and no AppArmor, which the model does
not count on, though BPF, without which no mode runs on that has a device for the foreground, and the
kernel's own settings on who may read its log or its counters as open as they
go. What is not tried: hooks, which are programs of the host, and the sending ends that no mode has
a say in, but for the kernel's log."""

import inspect
import json
import os
import secrets
import shutil
import subprocess
import sys

import agent

PROFILES = "/usr/share/pmos/profiles"
IMAGES = "/usr/share/pmos/images"
TREES = "/srv/sweep"
TOKEN = secrets.token_hex(7)
FAMILIES = {"vsock": 40, "qipcrtr": 42, "bluetooth": 31, "nfc": 39}
INITIAL = ("clock", "modules", "swap", "kexec", "file-handles")
disagreements = 0
tried = 0


def bind(source, target, *options):
    return {"type": "bind", "source": f"{TREES}/{source}", "target": target, "options": list(options)}


def sockets(*wanted):
    args = [[{"index": 0, "value": f, "op": "SCMP_CMP_EQ"}] for f in wanted if f != 16]
    args += [[{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
              {"index": 2, "value": 15, "op": "SCMP_CMP_EQ"}]] if 16 in wanted else []
    return [{"names": ["socket"], "action": "allow", "args": a} for a in args]


INITIAL_CALLS = ["clock_settime", "settimeofday", "@module", "@swap", "kexec_load",
                 "kexec_file_load", "open_by_handle_at"]
# What each mode has beyond a plain one: every row of the model is somebody's and not another's.
MODES = {
    "plain": {},
    "quiet": {"procSubset": "pid", "without": ["sysinfo"]},
    "reader": {"mounts": [bind("shared", "/srv"), bind("own", "/opt", "rw", "exec")]},
    "nested": {"mounts": [bind("shared/inner", "/srv"), bind("tools", "/mnt", "exec")]},
    "keeper": {"calls": ["@keyring", "@aio"], "devices": {"gpu": "render"},
               "mounts": [bind("tools", "/mnt", "exec"), bind("shared", "/srv")]},
    "hearer": {"calls": ["@keyring", "@aio", "syslog", "perf_event_open", *INITIAL_CALLS],
               "rules": sockets(16, 40, 42, 31, 39),
               "capabilities": ["CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_BOOT",
                                "CAP_DAC_READ_SEARCH", "CAP_SYSLOG", "CAP_PERFMON"]},
    "bender": {"calls": ["@mount", *INITIAL_CALLS], "rules": sockets(40),
               "capabilities": ["CAP_SYS_ADMIN", "CAP_MKNOD"],
               "mounts": [bind("shared", "/srv"), bind("tools", "/mnt")]},
}


def profile(mode, index):
    have = MODES[mode]
    allow = ["@default", "@basic-io", "@file-system", "@io-event", "@ipc", "@network-io",
             "@process", "@signal", "@sync", "@timer", "@setuid", "@memory", "mknod", "mknodat"]
    if "sysinfo" not in have.get("without", []):
        allow.append("sysinfo")
    return {
        "pmos": 1, "mode": mode, "root": {"image": f"{mode}.erofs"},
        "identity": {"uidRange": {"start": 1000000 + index * 65536, "count": 65536}},
        "volumes": [{"name": "data", "target": "/data", "size": "32MiB", "unlock": ["device-key"],
                     "options": ["exec"] if mode == "reader" else []}],
        "process": {"args": ["/bin/sleep", "infinity"],
                    "capabilities": have.get("capabilities", [])},
        "seccomp": {"allow": allow + have.get("calls", []), "rules": have.get("rules", [])},
        "mounts": have.get("mounts", []), "devices": have.get("devices", {}), "network": "none",
        "procSubset": have.get("procSubset", "all"), "session": {"background": "run"},
    }


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text)


def prepare():
    for mode in ("personal", "secure"):
        run("pmosctl", "stop", mode)
    for name in os.listdir(PROFILES):
        if name.endswith(".json"):
            os.unlink(f"{PROFILES}/{name}")
    for tree in ("shared", "shared/inner", "own", "tools"):
        os.makedirs(f"{TREES}/{tree}")
        write(f"{TREES}/{tree}/marker", TOKEN)
        write(f"{TREES}/{tree}/tool", "#!/bin/sh\nexit 7\n")
        os.chmod(f"{TREES}/{tree}/tool", 0o755)
    for index, mode in enumerate(MODES):
        shutil.copy(f"{IMAGES}/personal.erofs", f"{IMAGES}/{mode}.erofs")
        write(f"{PROFILES}/{mode}.json", json.dumps(profile(mode, index), indent=1))
    for setting in ("kernel/dmesg_restrict", "kernel/unprivileged_bpf_disabled"):
        write(f"/proc/sys/{setting}", "0")
    write("/proc/sys/kernel/perf_event_paranoid", "-1")
    for module in ("vsock_loopback", "qrtr", "bluetooth", "nfc"):
        run("modprobe", module)
    run("pmosctl", "reload")
    for mode in MODES:
        run("pmosctl", "provision", mode)
        run("pmosctl", "start", mode)
    run("pmosctl", "switch", "keeper")  # who has the GPU has it in front


class Agent:
    def __init__(self, mode):
        code = inspect.getsource(agent)
        self.process = subprocess.Popen(
            ["pmosctl", "exec", mode, "--", "/usr/bin/python3", "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.mode = mode
        if self.answer() != "ready":
            sys.exit(f"{mode}: the agent does not start")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.mode}: the agent ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, do, what="", token=TOKEN):
        self.process.stdin.write(json.dumps({"do": do, "what": what, "token": token}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


def compare(what, said, kernel, detail=""):
    global disagreements, tried
    tried += 1
    if said != kernel:
        disagreements += 1
        words = ("refuses", "allows")
        print(f"  FAIL  {what}: the model {words[said]} it, the kernel {words[kernel]} it ({detail})",
              flush=True)


class Sweep:
    def __init__(self, model):
        self.model = model
        self.agents = {mode: Agent(mode) for mode in MODES}
        self.rights = {}  # (mode, kind, resource) -> set of rights
        self.places = {}  # (mode, resource) -> where the mode has it
        self.resources = {}
        for mode in model["modes"]:
            for access in mode["reach"]:
                key = (mode["mode"], access["kind"], access["resource"])
                self.rights[key] = set(access["rights"].split(", "))
                self.places[mode["mode"], access["resource"]] = access["how"]
                self.resources.setdefault(access["kind"], set()).add(access["resource"])

    def may(self, mode, kind, resource, right):
        return right in self.rights.get((mode, kind, resource), ())

    def one(self, mode, kind, resource, right, do, what):
        said = self.agents[mode].ask(do, what)
        compare(f"{mode}: {right} {kind} {resource}", self.may(mode, kind, resource, right),
                said == "yes", said)

    def trees(self, kind):
        for resource in sorted(self.resources[kind]):
            for mode in MODES:
                places = [self.places.get((mode, resource), "")] if (mode, resource) in self.places \
                    else [resource]
                for right in ("read", "write", "execute", "signal"):
                    self.one(mode, kind, resource, right, f"tree_{right}", places[0])

    def fill_volumes(self):
        for mode in MODES:
            script = f"echo {TOKEN} > /data/marker; printf '#!/bin/sh\\nexit 7\\n' > /data/tool; " \
                     "chmod 755 /data/tool"
            run("pmosctl", "exec", mode, "--", "/bin/sh", "-c", script)

    def kernel(self):
        for mode in MODES:
            given = self.agents[mode].ask("key_give")
            for right in ("read", "write"):
                compare(f"{mode}: {right} keyring", self.may(mode, "kernel", "keyring", right),
                        isinstance(given, int), given)
            self.one(mode, "kernel", "kernel-log", "read", "log_read", "")
            self.one(mode, "kernel", "cpu-events", "read", "cpu_events", "")
            self.one(mode, "kernel", "kernel-events", "read", "events_open", "")
            self.one(mode, "kernel", "aio", "signal", "aio", "8")
            if self.may(mode, "kernel", "aio", "signal"):
                self.agents[mode].ask("aio_end")
            for name, number in FAMILIES.items():
                self.one(mode, "kernel", name, "connect", "family", str(number))
            for name in INITIAL:
                self.one(mode, "kernel", name, "write", "initial", name)

    def counters(self):
        for resource in sorted(self.resources["counter"]):
            for mode in MODES:
                self.one(mode, "counter", resource, "read", "counter", resource)

    def devices(self):
        nodes = {"gpu": "/dev/dri/renderD128"}
        for resource, path in nodes.items():
            number = os.stat(path).st_rdev
            for mode in MODES:
                for right in ("read", "write"):
                    self.one(mode, "device", resource, right, "device", path)
                made = self.agents[mode].ask("device_made",
                                             f"{os.major(number)}:{os.minor(number)}")
                compare(f"{mode}: a node of its own for {resource}",
                        False, made == "yes", made)

    def network(self):
        for mode in MODES:
            said = self.agents[mode].ask("reach_address", "10.0.2.2:53")
            compare(f"{mode}: the uplink", False, said in ("yes", "ECONNREFUSED"), said)

    def flow(self, sender, receiver, resources, said, detail):
        """Whether the model has an open flow from one to the other through one of them."""
        has = any(f["control"] == "open" and f["from"]["mode"] == sender
                  and f["to"]["mode"] == receiver and f["from"]["resource"] in resources
                  for f in self.model["flows"])
        compare(f"{sender} -> {receiver}: {'/'.join(sorted(resources))}", has, said == "yes", detail)

    def pairs(self):
        shared = [f"{TREES}/shared/inner", f"{TREES}/shared", f"{TREES}/tools"]
        for sender in MODES:
            speaker = self.agents[sender]
            name = "pm" + secrets.token_hex(5)
            speaker.ask("log_write", token=name)
            serial = speaker.ask("key_give")
            port = 7000 + list(MODES).index(sender)
            speaker.ask("vsock_listen", str(port))
            with open("/proc/sys/fs/aio-max-nr", encoding="ascii") as stream:
                room = int(stream.read())
            taken = speaker.ask("aio", str(room - 2048))
            for receiver in MODES:
                if receiver == sender:
                    continue
                listener = self.agents[receiver]
                said = listener.ask("log_find", token=name)
                self.flow(sender, receiver, {"kernel-log"}, said, said)
                said = listener.ask("key_read", serial) if isinstance(serial, int) else serial
                self.flow(sender, receiver, {"keyring"}, said, said)
                said = listener.ask("vsock_connect", str(port))
                self.flow(sender, receiver, {"vsock"}, said, said)
                said = listener.ask("aio", "4096") if taken == "yes" else taken
                heard = "yes" if said == "EAGAIN" else said
                self.flow(sender, receiver, {"aio"}, heard, said)
                self.locks(sender, receiver, shared)
            if taken == "yes":
                speaker.ask("aio_end")
            speaker.ask("unlock")

    def locks(self, sender, receiver, shared):
        """The innermost directory that both have is where a lock of the one is seen by the other."""
        inner = f"{TREES}/shared/inner"
        for tree in shared:
            paths = []
            for mode in (sender, receiver):
                place = self.places.get((mode, tree))
                outer = self.places.get((mode, f"{TREES}/shared"))
                paths.append(place or (outer and tree == inner and f"{outer}/inner"))
            if not all(paths):
                continue
            self.agents[sender].ask("unlock")
            self.agents[sender].ask("lock", paths[0])
            said = self.agents[receiver].ask("locked", paths[1])
            self.flow(sender, receiver, {tree, f"{TREES}/shared"}, said, said)

    def events(self):
        for mode in MODES:
            opened = self.agents[mode].ask("events_open")
            said = opened
            if opened == "yes":
                write("/sys/class/mem/null/uevent", "change")
                said = self.agents[mode].ask("events_hear")
            compare(f"{mode}: hears of the phone's devices",
                    self.may(mode, "kernel", "kernel-events", "read"), said == "yes", said)


def main():
    prepare()
    # 1: the model has found open flows, which is what half of these profiles are for.
    done = subprocess.run(["pmosctl", "policy", "separation", PROFILES, "--all", "--json"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 1:
        sys.exit(f"policy separation: {done.returncode}: {done.stderr}")
    sweep = Sweep(json.loads(done.stdout))
    sweep.fill_volumes()
    for part in (lambda: sweep.trees("tree"), lambda: sweep.trees("volume"), sweep.kernel,
                 sweep.counters, sweep.devices, sweep.network, sweep.pairs, sweep.events):
        before, failed = tried, disagreements
        part()
        print(f"  {tried - before} tried, {disagreements - failed} disagreements", flush=True)
    for agent in sweep.agents.values():
        agent.end()
    print(f"{tried} tried in {len(MODES)} modes, {disagreements} disagreements")
    sys.exit(1 if disagreements or tried < 500 else 0)


main()
