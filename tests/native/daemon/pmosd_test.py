#!/usr/bin/env python3
"""pmosd, pmos-launch, pmos-init and pmosctl together, for real, on this machine's kernel.

Runs as root in a mount namespace of its own (cgroup2 at a private place), with an erofs image of
busybox as the root of two modes without volumes. What needs device-mapper is in tests/handset.

usage: pmosd_test.py BUILD_DIR [TEST...]
"""
import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

SKIP = 77


def profile(name, start, **more):
    """A mode without volumes: what this kernel can do without device-mapper."""
    body = {
        "pmos": 1,
        "mode": name,
        "root": {"image": f"{name}.erofs"},
        "identity": {"uidRange": {"start": start, "count": 65536}},
        "process": {"args": ["/bin/sh", "-c", f"echo {name} is up; exec sleep 1000"],
                    "hostname": name},
        "seccomp": {"allow": ["@system-service"]},
        "network": "loopback",
        "session": {"background": "freeze", "stopTimeout": "2s"},
    }
    for key, value in more.items():
        body[key] = {**body[key], **value} if isinstance(value, dict) and key in body else value
    return body


class Phone:
    """One pmosd with its directories; gone without a trace at the end."""

    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="pmos-native-")
        self.cgroup = f"{CGROUP}/pmos-test-{os.getpid()}"
        self.process = None
        for sub in ("profiles", "images", "libexec", "state"):
            os.mkdir(f"{self.dir}/{sub}")
        for sub, program in (("launch", "pmos-launch"), ("init", "pmos-init"), ("volume", "pmos-volume"), ("bundle", "pmos-bundle")):
            os.symlink(f"{build}/src/runtime/{sub}/{program}", f"{self.dir}/libexec/{program}")
        self.make_image("alpha")
        self.make_image("beta")
        self.write(profile("alpha", 200000))
        self.write(profile("beta", 300000))

    def make_image(self, name):
        tree = f"{self.dir}/tree"
        for sub in ("bin", "proc", "dev", "sys", "tmp", "run", "data", "etc"):
            os.makedirs(f"{tree}/{sub}", exist_ok=True)
        subprocess.run(["cp", "/bin/busybox", f"{tree}/bin/busybox"], check=True)
        for tool in ("sh", "sleep", "cat", "id", "echo", "hostname", "ls", "kill", "head", "ps", "stty", "true", "wc"):
            if not os.path.lexists(f"{tree}/bin/{tool}"):
                os.symlink("busybox", f"{tree}/bin/{tool}")
        with open(f"{tree}/etc/pmos-mode", "w", encoding="ascii") as out:
            out.write(name + "\n")
        subprocess.run(["mkfs.erofs", "--quiet", f"{self.dir}/images/{name}.erofs", tree], check=True,
                       stdout=subprocess.DEVNULL)

    def write(self, body, file=None):
        with open(f"{self.dir}/profiles/{file or body['mode'] + '.json'}", "w", encoding="ascii") as out:
            json.dump(body, out)

    def hook(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="ascii") as out:
            out.write(text)
        os.chmod(f"{self.dir}/{name}", 0o755)
        return f"{self.dir}/{name}"

    def start(self, *more):
        ready, theirs = os.pipe()
        self.process = subprocess.Popen(
            [f"{self.build}/src/runtime/daemon/pmosd", "--bus", "off", "--ready-fd", str(theirs),
             "--profiles", f"{self.dir}/profiles", "--images", f"{self.dir}/images",
             "--run", f"{self.dir}/run", "--state", f"{self.dir}/state",
             "--libexec", f"{self.dir}/libexec", "--handset", f"{self.dir}/none.json",
             "--trust", f"{self.dir}/trust", "--hooks", f"{self.dir}/hooks",
             "--cgroup", self.cgroup, *more],
            env={**os.environ, "PMOS_FAULT_FILE": f"{self.dir}/run/fail-step"},
            pass_fds=[theirs], stderr=open(f"{self.dir}/pmosd.log", "ab"))
        os.close(theirs)
        told = os.read(ready, 1)
        os.close(ready)
        expect(told == b"\n", "pmosd says that it is ready")

    def ctl(self, *args, status=0, stdin=None, timeout=60):
        done = subprocess.run([f"{self.build}/cli/pmosctl", "--socket", f"{self.dir}/run/private", *args],
                              input=stdin, capture_output=True, text=True, timeout=timeout)
        expect(status is None or done.returncode == status,
               f"pmosctl {' '.join(args)}: exit status {done.returncode}, expected {status}: {done.stderr}")
        return done

    def status(self, mode):
        rows = json.loads(self.ctl("status", "--json").stdout)
        return next(row for row in rows if row["mode"] == mode)

    def said(self):
        """What pmosd has written to its log so far."""
        with open(f"{self.dir}/pmosd.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        log = open(f"{self.dir}/pmosd.log", encoding="utf-8", errors="replace").read() \
            if os.path.exists(f"{self.dir}/pmosd.log") else ""
        leftovers = self.traces()
        subprocess.run(["umount", f"{self.dir}/run/logs"], check=True)
        subprocess.run(["rm", "-rf", self.dir], check=True)
        expect("ERROR: AddressSanitizer" not in log and "runtime error" not in log, "no sanitizer report:\n" + log)
        return log, leftovers

    def traces(self):
        """What a stopped phone must not leave: cgroups and loop devices."""
        found = []
        if os.path.isdir(self.cgroup):
            found += [d for d in os.listdir(self.cgroup) if os.path.isdir(f"{self.cgroup}/{d}")]
            for name in found:
                try:
                    open(f"{self.cgroup}/{name}/cgroup.kill", "w").write("1")
                except OSError:
                    pass
            if not found:
                os.rmdir(self.cgroup)
        loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout
        return found + [line for line in loops.splitlines() if self.dir in line]


def gone(pid):
    """Ended; an adopted process may wait a while for the init of this machine to reap it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


def wait_for(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def inode(path):
    found = os.stat(path)
    return found.st_dev, found.st_ino


def program_of(mode_pid):
    """The process that pmos-init has started: a mode's own first one."""
    with open(f"/proc/{mode_pid}/task/{mode_pid}/children", encoding="ascii") as children_of:
        return int(children_of.read().split()[0])


def filters_of(pid):
    """Ids of the device filters that a process holds."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                info = dict(line.rstrip().split(":\t", 1) for line in file if ":\t" in line)
        except FileNotFoundError:
            continue
        if info.get("prog_type") == "15":  # BPF_PROG_TYPE_CGROUP_DEVICE
            found.add(info["prog_id"])
    return found


# Each test gets a started phone.

def test_start_stop(phone):
    expect(phone.status("alpha")["state"] == "stopped", "stopped at first")
    phone.ctl("start", "alpha")
    row = phone.status("alpha")
    expect(row["state"] == "running" and row["pid"] > 0, "running with a pid")
    again = phone.ctl("start", "alpha")
    expect("running" in again.stdout + again.stderr, "a second start says that it runs")
    expect(phone.status("alpha")["pid"] == row["pid"], "and changes nothing")
    wait_for("its log", lambda: "alpha is up" in phone.ctl("logs", "alpha").stdout)
    phone.ctl("stop", "alpha")
    expect(phone.status("alpha")["state"] == "stopped", "stopped at last")
    expect(gone(row["pid"]), "no process left")
    expect(not os.path.exists(f"{phone.cgroup}/alpha"), "no cgroup left")


def test_exec(phone):
    phone.ctl("start", "alpha")
    expect(phone.ctl("exec", "alpha", "--", "cat", "/etc/pmos-mode").stdout == "alpha\n", "output")
    expect(phone.ctl("exec", "alpha", "--", "hostname").stdout == "alpha\n", "hostname")
    phone.ctl("exec", "alpha", "--", "sh", "-c", "exit 7", status=7)
    phone.ctl("exec", "alpha", "--", "sh", "-c", "kill -TERM $$", status=128 + 15)
    phone.ctl("exec", "alpha", "--", "/no/such/program", status=127)
    phone.ctl("exec", "alpha", "--", "/etc/pmos-mode", status=126)
    big = "0123456789abcdef" * 65536
    expect(phone.ctl("exec", "alpha", "--", "cat", stdin=big).stdout == big, "a MiB there and back")
    seen = phone.ctl("exec", "alpha", "--", "cat", "/proc/self/status").stdout
    for field, value in (("CapEff", "0000000000000000"), ("CapBnd", "0000000000000000"),
                         ("NoNewPrivs", "1"), ("Seccomp", "2")):
        expect(re.search(rf"^{field}:\s+{value}$", seen, re.M), f"{field} is {value} in an entered process")
    phone.ctl("exec", "beta", "--", "true", status=125)


def test_stdin(phone):
    """An inode of the phone's would be one for all modes: to lock, to watch, to set times of."""
    phone.ctl("start", "alpha")
    phone.ctl("start", "beta")
    nulls = {inode("/dev/null")}
    for mode in ("alpha", "beta"):
        pid = program_of(phone.status(mode)["pid"])
        wait_for("the program", lambda: os.readlink(f"/proc/{pid}/exe").endswith("busybox"))
        stdin = inode(f"/proc/{pid}/fd/0")
        expect(stdin == inode(f"/proc/{pid}/root/dev/null"), f"stdin of {mode} is its own /dev/null")
        expect(stdin[0] not in {dev for dev, _ in nulls}, f"stdin of {mode} lies on a file system of its own")
        nulls.add(stdin)


def mounted(pid, below=""):
    """Device number and place of what a process has mounted, deepest last."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as table:
        rows = [line.split()[2:5] for line in table]
    return {place: os.makedev(*map(int, dev.split(":"))) for dev, _, place in rows if place.startswith(below)}


def held(pid):
    """File systems of what a process has open; a pipe lies on none."""
    found = [os.stat(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return {s.st_dev for s in found if not stat.S_ISFIFO(s.st_mode)}


def test_nothing_shared(phone):
    """No file system that a mode has mounted or holds a file of is another's or the phone's."""
    seen = set(mounted("self").values()) - set(mounted("self", f"{phone.dir}/run/logs/").values())
    for mode in ("alpha", "beta"):
        phone.ctl("start", mode)
        with subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "exec", mode, "--",
                               "sleep", "888"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as caller:
            try:
                wait_for("both programs", lambda: len(sleepers(phone, mode)) == 2)
                own, entered = (set(mounted(pid).values()) for pid in sleepers(phone, mode))
                expect(own == entered, f"{mode}: what is entered has its mounts")
                theirs = own.union(*(held(pid) for pid in sleepers(phone, mode)))
            finally:
                caller.kill()
        expect(len(theirs) > 5, f"{mode}: they were found: {theirs}")
        expect(not theirs & seen, f"{mode} has what somebody else has: {theirs & seen}")
        seen |= theirs
        refused = phone.ctl("exec", mode, "--", "ls", "/proc/1/fd", status=1)
        expect("denied" in refused.stderr.lower(), f"{mode}: what its PID 1 holds is out of its reach: {refused.stderr}")


def sleepers(phone, mode):
    with open(f"{phone.cgroup}/{mode}/cgroup.procs", encoding="ascii") as procs:
        pids = [int(line) for line in procs]
    return [pid for pid in pids if open(f"/proc/{pid}/cmdline", encoding="ascii").read().startswith("sleep\0")]


def test_logs(phone):
    """Each log has a file system of its own: what one mode writes is nothing to another's."""
    write = "trap 'head -c 64000000 /dev/zero' USR1; trap 'echo a word' HUP; while :; do sleep 0.1; done"
    for mode, start in (("alpha", 200000), ("beta", 300000)):
        phone.write(profile(mode, start, process={"args": ["/bin/sh", "-c", write]}))
    phone.ctl("reload")
    pids = {}
    for mode in ("alpha", "beta"):
        phone.ctl("start", mode)
        pids[mode] = program_of(phone.status(mode)["pid"])
        flags = open(f"/proc/{pids[mode]}/fdinfo/1", encoding="ascii").read().split("flags:")[1].split()[0]
        expect(int(flags, 8) & (os.O_ACCMODE | os.O_APPEND) == os.O_WRONLY | os.O_APPEND, f"{mode} can only write: {flags}")
    log = {mode: f"{phone.dir}/run/logs/{mode}/log" for mode in pids}
    before = os.statvfs(f"/proc/{pids['beta']}/fd/1")
    time.sleep(0.2)  # for the traps
    phone.process.send_signal(signal.SIGSTOP)  # or it cuts the log
    try:
        os.kill(pids["alpha"], signal.SIGUSR1)
        wait_for("a full log", lambda: os.statvfs(f"/proc/{pids['alpha']}/fd/1").f_bfree == 0)
        expect(os.statvfs(f"/proc/{pids['beta']}/fd/1") == before, "beta sees nothing of it")
        os.kill(pids["beta"], signal.SIGHUP)
        wait_for("beta's word", lambda: open(log["beta"], encoding="ascii").read() == "a word\n")
    finally:
        phone.process.send_signal(signal.SIGCONT)
    wait_for("alpha's log within its bound", lambda: os.stat(log["alpha"]).st_size <= 1 << 20)


def test_log_mounts(phone):
    """A log lives as long as what it tells of may be read, and nothing of it is left behind."""
    place = f"{phone.dir}/run/logs/"
    names = lambda pid: {path[len(place):] for path in mounted(pid, place)}
    both = lambda: (names("self"), names(phone.process.pid))
    wait_for("made ahead", lambda: both() == ({"alpha", "beta"}, {"alpha", "beta"}))
    for mode in ("alpha", "beta"):
        phone.ctl("start", mode)
        wait_for("its log", lambda: f"{mode} is up" in phone.ctl("logs", mode).stdout)
    devices = mounted("self", place)
    phone.process.kill()
    phone.process.wait()
    expect(mounted("self", place) == devices, "they outlive pmosd")
    phone.start()
    expect(mounted(phone.process.pid, place) == devices == mounted("self", place), "the next pmosd takes them over")
    phone.ctl("stop", "alpha")
    expect("alpha is up" in phone.ctl("logs", "alpha").stdout, "a mode that is stopped still has its log")
    phone.ctl("start", "alpha")
    expect(mounted("self", place) == devices, "the next run writes to the same")
    phone.ctl("lock", "alpha")
    wait_for("a new one", lambda: both() == ({"alpha", "beta"}, {"alpha", "beta"}))
    expect(phone.ctl("logs", "alpha").stdout == "", "the old one went with the lock")
    os.unlink(f"{phone.dir}/profiles/beta.json")
    phone.ctl("reload")
    expect("beta is up" in phone.ctl("logs", "beta").stdout, "one that runs without a profile keeps its log")
    phone.ctl("stop", "beta")
    phone.ctl("reload")
    expect(both() == ({"alpha"}, {"alpha"}), f"a mode that is no more has none: {both()}")
    expect(os.listdir(place) == ["alpha"], "nor a place for one")
    phone.process.kill()
    phone.process.wait()
    os.unlink(f"{phone.dir}/profiles/alpha.json")
    phone.start()
    expect(both() == (set(), set()), f"nor after a restart: {both()}")


def test_switch(phone):
    phone.ctl("start", "alpha")
    phone.ctl("switch", "alpha")
    phone.ctl("switch", "beta")  # starts it
    alpha, beta = phone.status("alpha"), phone.status("beta")
    expect(alpha["state"] == "frozen" and not alpha["foreground"], "alpha is frozen in the background")
    expect(beta["state"] == "running" and beta["foreground"], "beta runs in the foreground")
    refused = phone.ctl("exec", "alpha", "--", "true", status=125)
    expect("hint:" in refused.stderr, "a frozen mode is refused with a hint")
    codes = set()
    for _ in range(5):  # of twenty, for many more at a time pmosd does not hear
        both = [subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "switch", name])
                for name in ("alpha", "beta") * 10]
        codes |= {p.wait(60) for p in both}
    # Of several the last counts: one that it overtakes says so (16).
    expect(0 in codes and codes <= {0, 16}, f"a hundred switches are carried out or overtaken: {codes}")
    rows = [phone.status("alpha"), phone.status("beta")]
    expect(sum(r["foreground"] for r in rows) == 1, "exactly one is in the foreground")
    expect(sorted(r["state"] for r in rows) == ["frozen", "running"], "one runs, one is frozen")
    front = next(r["mode"] for r in rows if r["foreground"])
    phone.ctl("stop", front)
    wait_for("the other one in front", lambda: phone.status("alpha" if front == "beta" else "beta")["foreground"])


def test_who_comes_back(phone):
    """Who was in front before comes back, over a pmosd that died, and also with the one in front."""
    def front():
        return [mode for mode in ("alpha", "beta", "gamma") if phone.status(mode)["foreground"]]

    def another_pmosd(between=lambda: None):
        phone.process.kill()
        phone.process.wait()
        between()
        phone.start()

    phone.make_image("gamma")
    phone.write(profile("gamma", 400000, root={"image": "gamma.erofs"}))
    phone.ctl("reload")
    for mode in ("alpha", "beta", "gamma"):
        phone.ctl("switch", mode)
    phone.ctl("stop", "beta")
    phone.ctl("stop", "gamma")
    wait_for("the one before the one before", lambda: front() == ["alpha"])
    phone.ctl("switch", "beta")
    another_pmosd()
    phone.ctl("stop", "beta")
    wait_for("a new pmosd knows who was before", lambda: front() == ["alpha"])
    phone.ctl("switch", "beta")
    pid = phone.status("beta")["pid"]
    another_pmosd(lambda: (os.kill(pid, signal.SIGKILL), wait_for("its end", lambda: gone(pid))))
    wait_for("also where who was in front has ended with the old one", lambda: front() == ["alpha"])
    expect(phone.status("alpha")["state"] == "running", "and it runs")
    phone.ctl("switch", "beta")
    phone.ctl("switch", "--none")
    another_pmosd()
    phone.ctl("stop", "beta")
    time.sleep(0.5)
    expect(front() == [], "nobody comes back who was sent away")


def test_failed_switch_is_told(phone):
    phone.ctl("switch", "alpha")
    phone.write(profile("delta", 500000, root={"image": "none.erofs"}))
    phone.ctl("reload")
    phone.ctl("switch", "delta", status=13)
    wait_for("an event", lambda: "switch-failed" in phone.said())
    expect(phone.status("alpha")["foreground"], "who was in front stays")


def test_crash(phone):
    phone.write(profile("alpha", 200000, process={"args": ["/bin/sh", "-c", "exit 5"]}))
    phone.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    phone.ctl("start", "alpha")
    wait_for("failed", lambda: phone.status("alpha")["state"] == "failed")
    expect("5" in phone.status("alpha")["reason"], "the reason says how it ended")
    wait_for("no cgroup", lambda: not os.path.exists(f"{phone.cgroup}/alpha"))
    phone.ctl("stop", "alpha")
    expect(phone.status("alpha")["state"] == "stopped", "stop clears a failure")


def test_start_errors(phone):
    phone.ctl("start", "nosuch", status=3)
    phone.write(profile("gamma", 400000, process={"args": ["/no/such"]}, root={"image": "alpha2.erofs"}))
    with open(f"{phone.dir}/profiles/delta.json", "w", encoding="ascii") as out:
        out.write('{ "pmos": 1, "mode": "delta", "nonsense": true }')
    phone.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    gone = phone.ctl("start", "gamma", status=13)
    expect("alpha2.erofs" in gone.stderr, "a missing image is named")
    phone.ctl("start", "delta", status=4)
    expect("delta.json" in phone.status("delta")["reason"], "the reason names the file")
    with open(f"{phone.dir}/images/alpha2.erofs", "wb") as out:
        out.write(b"not an image" * 1000)
    phone.ctl("start", "gamma", status=1)
    phone.make_image("alpha2")
    phone.ctl("start", "gamma", status=13)  # the program is missing now
    expect(phone.status("gamma")["state"] == "failed", "failed")
    expect(not os.path.exists(f"{phone.cgroup}/gamma"), "nothing left of it")
    phone.ctl("start", "alpha")  # the others are not touched


def test_adopt(phone):
    phone.ctl("start", "alpha")
    phone.ctl("switch", "alpha")
    phone.ctl("switch", "beta")
    pids = {m: phone.status(m)["pid"] for m in ("alpha", "beta")}
    phone.process.kill()
    phone.process.wait()
    expect(not any(gone(pid) for pid in pids.values()), "the modes live on")
    phone.start()
    expect({m: phone.status(m)["pid"] for m in ("alpha", "beta")} == pids, "adopted")
    expect(phone.status("alpha")["state"] == "frozen" and phone.status("beta")["foreground"], "as they were")
    phone.ctl("exec", "beta", "--", "hostname")
    phone.ctl("switch", "alpha")
    phone.ctl("stop", "--all")
    expect(all(gone(pid) for pid in pids.values()), "and stopped")


def test_adopt_with_another_profile(phone):
    """What runs goes on under the plan it was started with, whatever its profile says since."""
    trace = f"{phone.dir}/trace"
    hook = phone.hook("leave-a-trace", f"#!/bin/sh\necho $PMOS_HOOK >>{trace}\n")
    phone.write(profile("alpha", 200000, hooks={"postStop": [hook]}))
    phone.ctl("reload")
    phone.ctl("start", "alpha")
    pid = phone.status("alpha")["pid"]
    phone.process.kill()
    phone.process.wait()
    for body, what in ((profile("alpha", 400000), "another range"), ({"mode": "alpha"}, "a broken one"), (None, "none")):
        if body:
            phone.write(body)
        else:
            os.unlink(f"{phone.dir}/profiles/alpha.json")
        phone.start()
        expect(phone.status("alpha")["pid"] == pid, f"adopted with {what}")
        expect(json.loads(phone.ctl("inspect", "alpha").stdout)["plan"]["uidMap"][0]["outside"] == 200000,
               f"with {what} it keeps its own plan")
        uids = phone.ctl("exec", "alpha", "--", "cat", "/proc/self/uid_map").stdout.split()
        expect(uids == ["0", "200000", "65536"], f"exec with {what} is confined as the mode is")
        expect("alpha is up" in phone.ctl("logs", "alpha").stdout, f"with {what} its log is there")
        phone.process.kill()
        phone.process.wait()
    os.truncate(f"{phone.dir}/run/modes/alpha/plan", 1000)
    phone.start()
    refused = phone.ctl("exec", "alpha", "--", "true", status=125)
    expect("restart" in refused.stderr, "without its plan nothing is entered")
    phone.ctl("stop", "alpha")
    expect(gone(pid) and not os.path.exists(trace), "but it stops")

    phone.write(profile("alpha", 200000, hooks={"postStop": [hook]}))
    phone.ctl("reload")
    phone.ctl("start", "alpha")
    phone.write(profile("alpha", 200000))
    phone.ctl("reload")
    phone.ctl("stop", "alpha")
    with open(trace, encoding="ascii") as text:
        expect(text.read() == "postStop\n", "the hooks are those of the run that ended")


def test_ids_of_a_running_mode(phone):
    """Profiles may swap their id ranges; modes that run may not share one."""
    phone.ctl("start", "alpha")
    phone.write(profile("alpha", 300000))
    phone.write(profile("beta", 200000))
    phone.ctl("reload")
    refused = phone.ctl("start", "beta", status=9)
    expect("restart alpha" in refused.stderr, f"it is refused and says what to do: {refused.stderr}")
    phone.ctl("restart", "alpha")
    phone.ctl("start", "beta")
    uids = phone.ctl("exec", "beta", "--", "cat", "/proc/self/uid_map").stdout.split()
    expect(uids == ["0", "200000", "65536"], "then it starts")


def test_launcher_dies(phone):
    phone.ctl("start", "alpha")
    launcher = subprocess.run(["pgrep", "-P", str(phone.process.pid), "pmos-launch"], capture_output=True, text=True)
    os.kill(int(launcher.stdout), signal.SIGKILL)
    time.sleep(0.5)
    phone.ctl("exec", "alpha", "--", "true")
    phone.ctl("start", "beta")


def children(pid):
    """(pid, state) of its children; zombies count."""
    rows = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid=,stat=,comm="], capture_output=True, text=True).stdout
    return {int(r.split()[0]): r for r in rows.splitlines()}


def launcher_of(phone):
    found = [pid for pid, row in children(phone.process.pid).items() if "pmos-launch" in row.split()[2:]]
    return found[0] if found else None


def test_launcher_dies_between_clone_and_reply(phone):
    phone.ctl("start", "alpha")
    # Once for nothing: the event loop makes its timer when one is wanted first, and keeps it.
    old = launcher_of(phone)
    os.kill(old, signal.SIGKILL)
    wait_for("a new launcher", lambda: launcher_of(phone) not in (None, old))
    phone.ctl("exec", "alpha", "--", "true")
    wait_for("a calm pmosd", lambda: len(children(phone.process.pid)) == 2)
    ours, before = set(children(phone.process.pid)), fds_of(phone.process.pid)
    # What is born into a frozen cgroup does not get on: the launcher waits for its word.
    for freeze, verb in ((phone.cgroup, ["start", "beta"]), (f"{phone.cgroup}/alpha", ["exec", "alpha", "--", "true"])):
        open(f"{freeze}/cgroup.freeze", "w").write("1")
        caller = subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", *verb],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for(f"{verb}: a clone", lambda: set(children(phone.process.pid)) - ours)
        clone = (set(children(phone.process.pid)) - ours).pop()
        os.kill(launcher_of(phone), signal.SIGKILL)
        ours -= {pid for pid in ours if gone(pid)}
        wait_for(f"{verb}: the clone's end", lambda: clone not in children(phone.process.pid), 5)
        open(f"{freeze}/cgroup.freeze", "w").write("0")
        expect(caller.wait(20) != 0 and "launcher died" in caller.stderr.read(), f"{verb}: the caller is told")
        wait_for(f"{verb}: no cgroup of beta", lambda: not os.path.exists(f"{phone.cgroup}/beta"))
        wait_for(f"{verb}: a new launcher", lambda: launcher_of(phone) is not None)
        expect(len(children(phone.process.pid)) == 2, f"{verb}: alpha and a launcher, no other child")
        wait_for(f"{verb}: descriptors as before", lambda: fds_of(phone.process.pid) == before, 20)
        ours = set(children(phone.process.pid))
    expect(phone.status("alpha")["state"] == "running", "alpha was not touched")
    phone.ctl("exec", "alpha", "--", "true")
    phone.ctl("start", "beta")


def test_terminate_during_start(phone):
    starting = subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "start", "alpha"],
                                stderr=subprocess.DEVNULL)
    time.sleep(0.01)
    phone.process.terminate()
    expect(phone.process.wait(30) == 0, "pmosd ends well")
    starting.wait(30)


def test_exec_caller_dies(phone):
    phone.ctl("start", "alpha")
    caller = subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private",
                               "exec", "alpha", "--", "sleep", "999"], stdin=subprocess.DEVNULL)
    in_mode = lambda: "sleep 999" in phone.ctl("exec", "alpha", "--", "ps").stdout
    wait_for("the entered process", in_mode)
    caller.kill()
    caller.wait()
    wait_for("its end", lambda: not in_mode(), 5)


def recorder_of(phone, *more):
    """pmosctl policy record alpha, in the background."""
    return subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private",
                             "policy", "record", "alpha", *more],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def hold(phone, what, point="preStart"):
    """alpha's hook at that point is slow: it says that it runs, and ends when it is let go."""
    for sign in ("begun", "go"):
        if os.path.exists(f"{phone.dir}/{sign}"):
            os.unlink(f"{phone.dir}/{sign}")
    os.makedirs(f"{phone.dir}/hooks", exist_ok=True)
    phone.hook("hooks/slow", f"#!/bin/sh\n: >{phone.dir}/begun\n"
                             f"until [ -e {phone.dir}/go ]; do sleep 0.05; done\n")
    phone.write(profile("alpha", 200000, hooks={point: ["slow"]}))
    phone.ctl("reload")
    return lambda: wait_for(f"{what} has begun", lambda: os.path.exists(f"{phone.dir}/begun"))


def let_go(phone):
    open(f"{phone.dir}/go", "w", encoding="ascii").close()


def plan_of(phone, mode):
    """Where the ids begin of what runs."""
    with open(f"/proc/{phone.status(mode)['pid']}/uid_map", encoding="ascii") as ids:
        return int(ids.read().split()[1])


def starting(phone):
    return subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "start", "alpha"],
                            stderr=subprocess.PIPE, text=True)


def test_another_profile_during_start(phone):
    begun = hold(phone, "a start")
    with starting(phone) as caller:
        begun()
        phone.write(profile("alpha", 500000))
        phone.ctl("reload")
        let_go(phone)
        said = caller.communicate(timeout=30)[1]
    expect(caller.returncode == 0, f"it starts with the new one: {said}")
    expect(plan_of(phone, "alpha") == 500000, "and not with the old one")
    expect("start-again alpha" in phone.said(), "which the journal tells")
    phone.ctl("stop", "alpha")


def test_shared_ids_during_start(phone):
    """Each try is one that may be: the new profile takes ids of a mode that runs."""
    begun = hold(phone, "a start")
    phone.ctl("start", "beta")
    with starting(phone) as caller:
        begun()
        phone.write(profile("beta", 600000))
        phone.write(profile("alpha", 300000))
        phone.ctl("reload")
        let_go(phone)
        said = caller.communicate(timeout=30)[1]
    expect(caller.returncode == 9 and "may share ids" in said, f"it is refused: {said}")
    phone.ctl("restart", "beta")
    phone.ctl("start", "alpha")


def test_reload_at_every_try(phone):
    """A start is not tried again without end."""
    ctl = f"{phone.build}/cli/pmosctl --socket {phone.dir}/run/private"
    os.makedirs(f"{phone.dir}/hooks", exist_ok=True)
    phone.hook("hooks/again", f"#!/bin/sh\necho >>{phone.dir}/tries\n"
                              f'sed -i "s/stopTimeout\\": \\"[0-9]*s/stopTimeout\\": \\"$(wc -l <{phone.dir}/tries)0s/" '
                              f"{phone.dir}/profiles/alpha.json\nexec {ctl} reload\n")
    phone.write(profile("alpha", 200000, hooks={"preStart": ["again"]}))
    phone.ctl("reload")
    refused = phone.ctl("start", "alpha", status=16)
    expect("changed while it started" in refused.stderr, refused.stderr)
    with open(f"{phone.dir}/tries", encoding="ascii") as tries:
        expect(len(tries.readlines()) == 3, "three tries")
    expect(phone.status("alpha")["state"] == "failed", "which have failed")



def test_record_caller_dies_during_start(phone):
    begun = hold(phone, "a recording's start")
    recorder = recorder_of(phone, "--for", "60s")
    begun()
    recorder.kill()
    recorder.wait()
    time.sleep(0.3)  # pmosd hears of it
    let_go(phone)
    wait_for("nothing is recorded for nobody", lambda: phone.status("alpha")["state"] == "stopped", 15)
    expect(not phone.status("alpha")["recording"], "no recording is left")


def test_record_interrupt_in_the_queue(phone):
    begun = hold(phone, "somebody else's start")
    starting = subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "start", "alpha"])
    begun()
    recorder = recorder_of(phone, "--for", "60s")
    wait_for("it is about to record", lambda: "Ctrl-C ends it" in recorder.stderr.readline())
    time.sleep(0.3)
    recorder.send_signal(signal.SIGINT)
    time.sleep(0.3)
    let_go(phone)
    expect(starting.wait(30) == 0, "the start of the other goes well")
    expect(recorder.wait(30) == 16, "the recording was called off")
    time.sleep(1)
    expect(phone.status("alpha")["state"] == "running", "what the other has started goes on")


def test_record_interrupt_during_start(phone):
    begun = hold(phone, "a recording's start")
    recorder = recorder_of(phone, "--for", "60s")
    begun()
    recorder.send_signal(signal.SIGINT)
    time.sleep(0.3)
    let_go(phone)
    said = recorder.communicate(timeout=30)[1]
    expect(recorder.returncode == 0, f"it ends as soon as it has begun: {said}")
    expect(phone.status("alpha")["state"] == "stopped", "and the mode with it")


def test_record_production(phone):
    def demand(**more):
        phone.write({"pmos": 1, "require": [{"separateIdRanges": True, **more}]}, "site.json")
        phone.ctl("reload")

    demand()
    recorder = recorder_of(phone, "--for", "60s")
    wait_for("a recording", lambda: phone.status("alpha")["recording"])
    demand()
    time.sleep(0.5)
    expect(phone.status("alpha")["recording"], "a reload of the same is no reason to end")
    demand(production=True)
    said = recorder.communicate(timeout=30)[1]
    expect(recorder.returncode == 14, f"a production mark ends it: {said}")
    expect("is in production" in said and "site.json:1:" in said, f"by its line: {said}")
    expect(phone.status("alpha")["state"] == "stopped", "and the mode with it")
    phone.ctl("policy", "record", "alpha", status=14)
    demand()
    recorder = recorder_of(phone, "--for", "60s")
    wait_for("another", lambda: phone.status("alpha")["recording"])
    demand(syscalls={"never": ["name_to_handle_at"]})
    said = recorder.communicate(timeout=30)[1]
    expect(recorder.returncode == 16, f"so does what it may not let through any more: {said}")
    # Also one that comes while the mode starts.
    begun = hold(phone, "a recording's start")
    recorder = recorder_of(phone, "--for", "60s")
    begun()
    phone.ctl("start", "beta")
    demand(production=True)
    phone.ctl("policy", "record", "beta", status=14)  # nobody need stop it to be told
    let_go(phone)
    said = recorder.communicate(timeout=30)[1]
    expect(recorder.returncode == 14, f"the mark is seen when it has started: {said}")
    wait_for("the mode ends", lambda: phone.status("alpha")["state"] == "stopped")


def test_record_with_rules(phone):
    """What pmos-init calls before pmosd listens is answered by the filter, or a start would wait."""
    rule = {"names": ["prctl", "fcntl", "setsid"], "action": "errno"}
    phone.write(profile("alpha", 200000, seccomp={"allow": ["@system-service"], "rules": [rule]}))
    phone.ctl("reload")
    begun = time.monotonic()
    phone.ctl("policy", "record", "alpha", "--for", "1s")
    took = time.monotonic() - begun
    expect(took < 8, f"a recording of a second took {took:.1f} s")


def test_record_is_not_tried(phone):
    shutil.copy(f"{phone.build}/src/runtime/probe/pmos-try", f"{phone.dir}/libexec/pmos-try")
    recorder = recorder_of(phone, "--for", "60s")
    wait_for("a recording", lambda: phone.status("alpha")["recording"])
    refused = phone.ctl("policy", "try", "alpha", "judge ptrace", status=9)
    expect("is being recorded" in refused.stderr, f"its filter is not the profile's: {refused.stderr}")
    os.mkdir(f"{phone.dir}/profiles/tests")
    phone.write({"pmos": 1, "expect": [{"why": "w", "is": "refused", "modes": ["alpha"], "syscalls": ["ptrace"]}]},
                "tests/a.json")
    tested = phone.ctl("policy", "test", "--on-device", f"{phone.dir}/profiles", status=11)
    expect("NOT UP  alpha: 1 not tried: it is being recorded" in tested.stdout, tested.stdout)
    phone.ctl("stop", "alpha")
    expect(recorder.wait(30) == 0, "the recording has an answer")
    phone.ctl("start", "alpha")
    phone.ctl("switch", "alpha")
    expect(phone.ctl("policy", "try", "alpha", "judge ptrace").stdout == "errno 1 judge\n", "else it is asked")
    phone.ctl("policy", "test", "--on-device", f"{phone.dir}/profiles")


def steps_of():
    """The names of the start sequence and of the launcher, from where they are defined."""
    runtime = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../src/runtime")
    with open(f"{runtime}/daemon/mode_start.cpp", encoding="ascii") as text:
        start = re.findall(r'\{"(\w+)", &Start::', text.read())
    with open(f"{runtime}/launch/step_name.cpp", encoding="ascii") as text:
        launch = re.findall(r'"([a-z-]+)"', text.read().split("kNames{", 1)[1].split("// Of containers")[0])
    # Steps of exec and of a change of devices, and pmos-init's, which knows of no request.
    launch = [n for n in launch if n not in ("none", "visit-mode", "change-dev", "enter-namespaces", "enter-tty",
                                             "init-fork", "init-exec", "unknown")]
    return [f"start/{n}" for n in start] + [f"launch/{n}" for n in launch]


def fds_of(pid):
    """What it has open; one that is closed meanwhile is none."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}").split(":[")[0])
    return sorted(found)


def settled_fds_of(pid):
    """Once those who called have gone."""
    found = []
    while (now := fds_of(pid)) != found:
        found = now
        time.sleep(0.5)
    return found


def test_made_ahead(phone):
    """The device filter is loaded once for a plan; what the kernel lacks for it is told once."""
    pid = phone.process.pid
    wait_for("a filter for each mode", lambda: len(filters_of(pid)) == 2)
    before = filters_of(pid)
    for _ in range(2):
        phone.ctl("start", "alpha")
        expect(filters_of(pid) == before, "a start loads no filter and keeps the one it has")
        phone.ctl("stop", "alpha")
    phone.write(profile("alpha", 200000, resources={"pids": {"max": {"value": 9, "optional": True}}}))
    phone.process.send_signal(signal.SIGHUP)
    wait_for("a filter for the new plan alone",
             lambda: len(filters_of(pid)) == 2 and len(filters_of(pid) & before) == 1)
    before = filters_of(pid)
    for _ in range(2):
        phone.ctl("start", "alpha")
        phone.ctl("stop", "alpha")
    expect(filters_of(pid) == before, "nor does a start of the new plan load one")
    with open(f"{CGROUP}/cgroup.controllers", encoding="ascii") as controllers:
        lacks = "pids" not in controllers.read().split()
    with open(f"{phone.dir}/pmosd.log", encoding="utf-8", errors="replace") as log:
        told = log.read().count("limit-left-out")
    expect(told == lacks, f"an optional limit that is missing ({lacks}) is told once: {told} times")


def test_every_step_fails_once(phone):
    phone.ctl("start", "alpha")
    phone.ctl("stop", "alpha")
    before = settled_fds_of(phone.process.pid)
    mounts = open(f"/proc/{phone.process.pid}/mountinfo", encoding="ascii").read()
    names = steps_of()
    expect(len(names) >= 30, f"the array of steps was found: {names}")
    for name in names:
        with open(f"{phone.dir}/run/fail-step", "w", encoding="ascii") as out:
            out.write(name + "\n")
        refused = subprocess.run([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "start", "alpha"],
                                 capture_output=True, text=True)
        expect(refused.returncode != 0, f"{name} failed the start")
        expect(name.split("/")[1] in refused.stderr, f"the error names the step {name}: {refused.stderr}")
        expect(not os.path.exists(f"{phone.cgroup}/alpha"), f"{name}: no cgroup left")
        expect(open(f"/proc/{phone.process.pid}/mountinfo", encoding="ascii").read() == mounts, f"{name}: mounts")
        # The caller's connection is closed a moment after the caller has gone.
        wait_for(f"{name}: descriptors of pmosd as before, {before}", lambda: fds_of(phone.process.pid) == before, 20)
    os.unlink(f"{phone.dir}/run/fail-step")
    phone.ctl("start", "alpha")


def in_own_namespace():
    """Again, as root of a mount namespace in which cgroup2 is alone."""
    if os.environ.get("PMOS_TEST_CGROUP"):
        return
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(SKIP)
    script = 'mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
    os.environ["PMOS_TEST_CGROUP"] = "/sys/fs/cgroup"
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", "sh", "-ec", script, "sh",
                          sys.executable, *sys.argv])


def main(functions=None):
    global CGROUP
    in_own_namespace()
    CGROUP = os.environ["PMOS_TEST_CGROUP"]
    build, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    tests = {n[5:]: f for n, f in (functions or globals()).items() if n.startswith("test_")}
    failed = 0
    for name in wanted or tests:
        phone = Phone(build)
        error, log = None, ""
        try:
            phone.start()
            tests[name](phone)
        except Exception as problem:  # pylint: disable=broad-except
            error = problem
        try:
            log, leftovers = phone.end()
            if leftovers and not error:
                error = AssertionError(f"left behind: {leftovers}")
        except Exception as problem:  # pylint: disable=broad-except
            error = error or problem
        failed += error is not None
        print(f"{'not ok' if error else 'ok'} - {name}")
        if error:
            print(f"# {type(error).__name__}: {error}\n# pmosd said:\n{log}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
