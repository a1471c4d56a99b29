#!/usr/bin/env python3
# timeout: 300
"""What a mode can see and do, tried from inside both modes with real tools and raw system calls,
through exec and as the mode's own process. The PIN and the canaries are random."""

import errno
import json
import os
import re
import secrets
import subprocess
import sys

from handset import check, ctl, no_volume, run, status, stop_if_failed, until

TOP = "/sys/fs/cgroup/system.slice/pmos-modes.service"
NAMESPACES = ("user", "mnt", "pid", "ipc", "uts", "cgroup", "net", "time")

# Runs inside a mode: prints one JSON object.
PROBE = r'''
import ctypes, errno, fcntl, glob, json, os, pty, socket, sys, termios
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    """A raw system call: "done", or the name of its error."""
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(number), *wide)
    return "done" if r >= 0 else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())
def in_child(*args):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(w, str(call(*args)).encode())
        os._exit(0)
    os.close(w)
    said = os.read(r, 64).decode()
    status = os.waitpid(pid, 0)[1]
    os.close(r)
    return said or "signal %d" % os.WTERMSIG(status)
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
def sock(*args):
    return attempt(lambda: socket.socket(*args).close())
def read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError as error:
        return "!" + errno.errorcode[error.errno]
def tiocsti():
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSTI, b"x")
NEWUSER, NEWNET, NEWNS, NEWPID, NEWTIME = 0x10000000, 0x40000000, 0x20000, 0x20000000, 0x80
out = {
    "pids": {p: read("/proc/%s/comm" % p).strip() for p in os.listdir("/proc") if p.isdigit()},
    "status": read("/proc/self/status"), "label": read("/proc/self/attr/current").strip(),
    "cgroup": read("/proc/self/cgroup").strip(), "links": [n for _, n in socket.if_nameindex()],
    "hostname": socket.gethostname(), "uid_map": read("/proc/self/uid_map").split(),
    "dev": sorted(p for p in glob.glob("/dev/**", recursive=True) if not os.path.isdir(p)),
    "fds": {n: attempt(lambda: os.fstat(int(n))) for n in os.listdir("/proc/self/fd")},
    "mounts": [l.split()[4] + " " + l.split(" - ")[1].split()[0] for l in
               open("/proc/self/mountinfo")],
    "roots": {p: attempt(lambda: os.listdir("/proc/%s/root" % p)) for p in os.listdir("/proc")
              if p.isdigit()},
    "etc": read("/etc/pmos-mode") + str(os.path.exists("/usr/sbin/pmosd")),
    "kernel log": [read("/dev/kmsg")[:9], read("/proc/kmsg")[:9], in_child(103, 3, None, 0)],
    "calls": {
        "mount": call(165, b"none", b"/tmp", b"tmpfs", 0, None),
        "umount": call(166, b"/tmp", 2), "fsopen": call(430, b"tmpfs", 0),
        "open_tree": call(428, -100, b"/", 1), "move_mount": call(429, -1, b"", -1, b"", 0),
        "pivot_root": call(155, b"/", b"/"), "chroot": call(161, b"/tmp"),
        "unshare user": in_child(272, NEWUSER), "unshare net": in_child(272, NEWNET),
        "unshare mnt": in_child(272, NEWNS), "unshare user+net": in_child(272, NEWUSER | NEWNET),
        "unshare time": in_child(272, NEWTIME), "clone user": in_child(56, NEWUSER | 17, 0, 0, 0, 0),
        "setns": in_child(308, 0, 0), "mknod": call(133, b"/tmp/node", 0o20600, 0x101),
        "mknod in dev": call(133, b"/dev/node", 0o60600, 0xFE00),
        "keyctl": call(250, 0, -3, 0), "add_key": call(248, b"user", b"x", b"y", 1, -3),
        "request_key": call(249, b"user", b"x", None, 0),
        "ptrace init": call(101, 16, 1, 0, 0), "process_vm_readv": call(310, 1, None, 0, None, 0, 0),
        "kcmp": call(312, 1, 1, 0, 0, 0), "pidfd_getfd": call(438, 0, 0, 0),
        "bpf": call(321, 0, None, 0), "perf": call(298, None, 0, -1, -1, 0),
        "userfaultfd": call(323, 0), "io_uring": call(425, 1, None), "init_module": call(175, None, 0, b""),
        "kexec": call(246, 0, 0, None, 0), "reboot": in_child(169, 0xfee1dead, 672274793, 0, None),
        "swapon": call(167, b"/tmp/x", 0), "settimeofday": call(164, None, None),
        "clock_settime": call(227, 0, None), "sethostname": call(170, b"x", 1),
        "iopl": call(172, 3), "open_by_handle_at": call(304, -100, None, 0),
        "quotactl": call(179, 0, None, 0, None), "acct": call(163, None),
        "setuid": in_child(105, 70000), "x32": in_child(0x40000000 + 39),
        "lookup_dcookie": call(212, 0, None, 0), "no such call": call(999),
    },
    "sockets": {
        "raw": sock(socket.AF_INET, socket.SOCK_RAW, 1), "raw6": sock(socket.AF_INET6, socket.SOCK_RAW, 58),
        "packet": sock(socket.AF_PACKET, socket.SOCK_RAW, 768), "vsock": sock(40, socket.SOCK_STREAM),
        "bluetooth": sock(31, socket.SOCK_RAW, 1), "alg": sock(38, 5), "unix": sock(socket.AF_UNIX),
    },
    "opens": {p: attempt(lambda: open(p, m).close()) for p, m in (
        ("/proc/sys/kernel/hostname", "w"), ("/proc/sys/kernel/core_pattern", "w"),
        ("/proc/sys/vm/drop_caches", "w"), ("/proc/sysrq-trigger", "w"), ("/proc/1/exe", "r+"),
        ("/proc/self/attr/exec", "w"), ("/proc/1/mem", "r"), ("/proc/1/environ", "w"),
        ("/etc/passwd", "a"), ("/usr/bin/new", "w"), ("/proc/1/oom_score_adj", "w"),
        ("/sys/power/state", "w"), ("/sys/fs/cgroup/cgroup.procs", "w"))},
    "tiocsti": attempt(tiocsti),
    "kcore": len(read("/proc/kcore")[:64]), "kallsyms": len(read("/proc/kallsyms")[:64]),
    "keys": len(read("/proc/keys")), "modules": len(read("/proc/modules")),
}
try:
    import shutil
    shutil.copy("/usr/bin/true", "/tmp/true")
    out["exec in tmp"] = attempt(lambda: os.spawnv(os.P_WAIT, "/tmp/true", ["true"]) == 127 and
                                 (_ for _ in ()).throw(PermissionError(errno.EACCES, "")))
except OSError as error:
    out["exec in tmp"] = errno.errorcode[error.errno]
json.dump(out, sys.stdout)
'''


def inside(mode, *command, stdin="", good=True):
    done = run("pmosctl", "exec", mode, "--", *command, input=stdin)
    if good and done.returncode != 0:
        sys.exit(f"{command[0]} in {mode}: {done.returncode}: {done.stderr}")
    return done


def read(path):
    with open(path, errors="replace") as stream:
        return stream.read()


def prepare():
    until(lambda: status("personal")["state"] not in ("starting", "stopping"))
    pin = secrets.token_hex(6)
    no_volume("secure")
    ctl("provision", "secure", pin=pin)
    ctl("unlock", "secure", pin=pin)
    ctl("start", "personal")
    ctl("switch", "personal")
    stop_if_failed()


REFUSED = ("EPERM", "EACCES", "ENOSYS")


def confinement(mode, seen):
    text = seen["status"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        check(f"{mode}: {name} is empty", re.search(rf"^{name}:\s+0+$", text, re.M), text)
    check(f"{mode}: no_new_privs", re.search(r"^NoNewPrivs:\s+1$", text, re.M), text)
    check(f"{mode}: seccomp filters", re.search(r"^Seccomp:\s+2$", text, re.M), text)
    check(f"{mode}: AppArmor confines it", seen["label"] == "pmos-mode (enforce)", seen["label"])
    check(f"{mode}: its cgroup is the root it sees", seen["cgroup"] == "0::/", seen["cgroup"])
    for name, said in seen["calls"].items():
        # A filter may know more of an argument than the permission check would say.
        allowed = REFUSED + {"setuid": ("EINVAL",), "x32": ("signal 31",)}.get(name, ())
        check(f"{mode}: {name} is refused", said in allowed, said)
    for name, said in seen["sockets"].items():
        if name == "unix":
            check(f"{mode}: a unix socket can be made", said == "done", said)
        else:
            check(f"{mode}: no {name} socket", said not in ("done",), said)
    for path, said in seen["opens"].items():
        check(f"{mode}: '{path}' cannot be opened", said != "done", said)
    check(f"{mode}: TIOCSTI is refused", seen["tiocsti"] in ("EPERM", "EIO"), seen["tiocsti"])
    check(f"{mode}: nothing runs from /tmp", seen["exec in tmp"] != "done", seen["exec in tmp"])


def sight(mode, seen):
    check(f"{mode}: sees only its own processes", len(seen["pids"]) <= 4 and "1" in seen["pids"]
          and not {"systemd", "pmosd", "dbus-daemon"} & set(seen["pids"].values()), seen["pids"])
    check(f"{mode}: hostname is its own", seen["hostname"] == mode, seen["hostname"])
    check(f"{mode}: ids are shifted", seen["uid_map"][1] == ("200000" if mode == "personal" else "300000"),
          seen["uid_map"])
    check(f"{mode}: no network link but the loopback", set(seen["links"]) <= {"lo"}, seen["links"])
    check(f"{mode}: the host's programs are not there", seen["etc"].endswith("False"), seen["etc"])
    for log in seen["kernel log"]:
        check(f"{mode}: no kernel log", log in ("", "!ENOENT", *REFUSED, "!EACCES", "!EPERM"), log)
    for name in ("kcore", "kallsyms", "keys", "modules"):
        check(f"{mode}: /proc/{name} is empty", seen[name] <= 7, seen[name])
    check(f"{mode}: an exec'd program has descriptors 0, 1, 2",
          {n for n, state in seen["fds"].items() if state == "done"} <= {"0", "1", "2"}, seen["fds"])
    common = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
              "/dev/ptmx", "/dev/pts/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr",
              "/dev/console", "/dev/core"}
    granted = {p for p in seen["dev"] if p not in common and not re.match(r"/dev/(fd|pts)/", p)}
    wanted = {"personal": r"/dev/dri/renderD\d+"}.get(mode)
    check(f"{mode}: /dev holds what is granted",
          bool(granted) == bool(wanted) and all(re.fullmatch(wanted, p) for p in granted), granted)
    foreign = [m for m in seen["mounts"] if re.search(r" (devtmpfs|sysfs|cgroup2|debugfs|bpf)$", m)]
    check(f"{mode}: no kernel file system but proc", not foreign, foreign)


def from_outside(mode, other):
    pid, other_pid = status(mode)["pid"], status(other)["pid"]
    for kind in NAMESPACES:
        links = [os.readlink(f"/proc/{p}/ns/{kind}") for p in (pid, other_pid, 1)]
        check(f"{mode}: {kind} namespace is nobody else's", len(set(links)) == 3, links)
    group = f"{TOP}/{mode}"
    check(f"{mode}: memory is limited", read(f"{group}/memory.max").strip() == str(512 << 20),
          read(f"{group}/memory.max"))
    check(f"{mode}: processes are limited", read(f"{group}/pids.max").strip() == "512",
          read(f"{group}/pids.max"))
    for member in read(f"{group}/cgroup.procs").split():
        text = read(f"/proc/{member}/status")
        label = read(f"/proc/{member}/attr/current").strip()
        name = re.search(r"^Name:\s+(.*)", text)[1]
        for field, value in (("CapEff", "0+"), ("CapBnd", "0+"), ("NoNewPrivs", "1")):
            check(f"{mode}: {name}: {field}", re.search(rf"^{field}:\s+{value}$", text, re.M),
                  re.findall(rf"^{field}.*", text, re.M))
        check(f"{mode}: {name}: seccomp", "Seccomp:\t2" in text, re.findall("^Seccomp.*", text, re.M))
        check(f"{mode}: {name}: AppArmor", label == "pmos-mode (enforce)", label)
        fds = {fd: os.readlink(f"/proc/{member}/fd/{fd}") for fd in os.listdir(f"/proc/{member}/fd")}
        # pmos-init keeps two: where it records the exit, and its signals.
        extra = {fd: to for fd, to in fds.items() if int(fd) > 2}
        check(f"{mode}: {name}: no descriptor too many",
              len(extra) <= (2 if int(member) == pid else 0)
              and not any(to.startswith(("/usr", "/dev/d", "/var")) for to in extra.values()), fds)
        for fd in fds:
            check(f"{mode}: {name}: descriptor {fd} is no directory",
                  not os.path.isdir(f"/proc/{member}/fd/{fd}"), fds)
    host = os.stat("/usr/libexec/pmos/pmos-init")
    init = os.stat(f"/proc/{pid}/exe")
    check(f"{mode}: pid 1 is not a file of the host's",
          (init.st_dev, init.st_ino) != (host.st_dev, host.st_ino), os.readlink(f"/proc/{pid}/exe"))
    device_filter(mode, group)


def device_filter(mode, group):
    """A process of the host's, put into the mode's cgroup: the filter alone says no."""
    for path, good in (("/dev/null", True), ("/dev/dri/renderD128", mode == "personal"),
                       ("/dev/ttyS2", False), ("/dev/vda", False),
                       ("/dev/kmsg", False), ("/dev/dri/card0", False), ("/dev/input/event0", False),
                       ("/dev/mem", False), ("/dev/mapper/control", False)):
        code = ("import os,sys\nopen(sys.argv[1]+'/cgroup.procs','w').write(str(os.getpid()))\n"
                "try: os.close(os.open(sys.argv[2], os.O_RDONLY|os.O_NONBLOCK|os.O_NOCTTY))\n"
                "except OSError as e: sys.exit(e.errno)")
        got = subprocess.run([sys.executable, "-c", code, group, path], check=False).returncode
        if not os.path.exists(path):
            check(f"{mode}: the test knows this phone's devices ({path})", False)
        check(f"{mode}: {path} is {'granted' if good else 'denied'}",
              got == 0 if good else got == errno.EPERM, got)


def data_is_apart():
    canaries = {m: secrets.token_hex(16) for m in ("personal", "secure")}
    for mode, canary in canaries.items():
        ctl("switch", mode)
        inside(mode, "sh", "-c", "cat >/data/canary; cat /data/canary >/tmp/canary; "
               "cat /data/canary > /dev/shm/canary", stdin=canary)
    for mode, other in (("personal", "secure"), ("secure", "personal")):
        look = "cat /data/canary; for d in /data /tmp /run /dev/shm /proc/[0-9]*/root/data " \
               "/proc/[0-9]*/cwd; do grep -rs . $d/canary; done"
        ctl("switch", mode)
        found = inside(mode, "sh", "-c", look, good=False).stdout
        check(f"{mode}: sees its own file", canaries[mode] in found, found)
        check(f"{mode}: does not see {other}'s", canaries[other] not in found, found)


def limits():
    bomb = ("import os, signal\nn = 0\ntry:\n    while n < 5000:\n"
            "        if os.fork() == 0: signal.pause()\n        n += 1\n"
            "except OSError as e:\n    print(n, e.errno, flush=True)\nos.killpg(0, 9)")
    said = inside("personal", "python3", "-", stdin=bomb, good=False)
    count, why = (said.stdout.split() + ["0", "0"])[:2]
    check("a fork bomb stops at the limit", 100 < int(count) < 512 and int(why) == errno.EAGAIN,
          said.stdout + said.stderr)
    check("the phone forks on", subprocess.run(["true"], check=False).returncode == 0)
    check("the mode runs on", status("personal")["state"] == "running")
    hog = "b = []\nwhile True: b.append(bytearray(1 << 24))"
    said = inside("personal", "python3", "-", stdin=hog, good=False)
    check("a memory hog is killed inside", said.returncode == 137, (said.returncode, said.stderr))
    check("in its cgroup", re.search(r"^oom_kill [1-9]", read(f"{TOP}/personal/memory.events"), re.M))
    check("the other mode is not touched", status("secure")["state"] == "frozen")
    check("the mode runs on", status("personal")["state"] == "running")
    check("the mode can be used", inside("personal", "true").returncode == 0)


def main():
    prepare()
    seen = {}
    for mode, other in (("personal", "secure"), ("secure", "personal")):
        ctl("switch", mode)
        seen[mode] = json.loads(inside(mode, "python3", "-", stdin=PROBE).stdout)
        sight(mode, seen[mode])
        confinement(mode, seen[mode])
        from_outside(mode, other)
    data_is_apart()
    ctl("switch", "personal")
    limits()
    ctl("stop", "--all")


if __name__ == "__main__":
    main()
