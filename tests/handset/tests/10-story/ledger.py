"""A list of all that a mode could leave behind on the phone, to be made twice and compared."""

import collections
import os
import pathlib
import re

import phone

PROC = pathlib.Path("/proc")
# systemd's own helpers come and go as they please.
RESTLESS = re.compile(r"/(systemd-[^/]*|dbus)\.(service|socket)|^/$|/user\.slice/|/session-")
KINDS = {
    "mount": "mounts, also in the namespaces of pmos's own processes", "dm": "dm devices",
    "loop": "loop devices", "cgroup": "cgroups", "netns": "named network namespaces",
    "namespace": "namespaces that a process is in", "process": "processes",
    "descriptor": "open files of pmosd and its helpers", "key": "keyrings and keys",
    "link": "network links", "run": "files in /run/pmos", "ipc": "System V objects",
}


def _text(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _cgroup(pid):
    return _text(PROC / pid / "cgroup").strip().partition("::")[2]


def _others():
    """(pid, name, cgroup) of all processes but the kernel's, systemd's helpers and this job's."""
    own = _cgroup("self")
    for pid in filter(str.isdigit, os.listdir(PROC)):
        group = _cgroup(pid)
        if group and not RESTLESS.search(group) and not group.startswith(own):
            yield pid, _text(PROC / pid / "comm").strip(), group


def _mounts(pids):
    seen = set()
    for pid, name in pids:
        try:
            namespace = os.readlink(PROC / pid / "ns" / "mnt")
        except OSError:
            continue
        if namespace in seen:
            continue
        seen.add(namespace)
        for line in _text(PROC / pid / "mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            words = before.split()
            yield f"{name}: {words[4]} {words[5]} {' '.join(after.split()[:2])}"


def _descriptors(pids):
    for pid, name in pids:
        for fd in (PROC / pid / "fd").iterdir():
            try:
                yield name + " " + re.sub(r"\d+", "N", os.readlink(fd))
            except OSError:
                continue


def _namespaces(others):
    found = {}
    for pid, name, group in others:
        for kind in phone.NAMESPACES:
            try:
                inode = os.readlink(PROC / pid / "ns" / kind)
            except OSError:
                continue
            if inode != os.readlink(PROC / "self" / "ns" / kind):
                found.setdefault(inode, f"{kind} of {name} in {group}")
    return found.values()


def _cgroups():
    own, top = _cgroup("self"), "/sys/fs/cgroup"
    for directory, _, _ in os.walk(top):
        path = directory[len(top):] or "/"
        if not RESTLESS.search(path) and not path.startswith(own):
            yield path


def take():
    """{kind: {line: how often}}"""
    phone.run("udevadm", "settle", "--timeout=10")
    others = list(_others())
    ours = [(pid, name) for pid, name, _ in others if name.startswith("pmos")]
    keys = [line.split(None, 7)[7:] for line in _text(PROC / "keys").splitlines()]
    rows = {
        "mount": _mounts([("1", "systemd"), *ours]),
        "dm": (entry.name for entry in pathlib.Path("/sys/block").glob("dm-*")),
        "loop": (entry.parent.parent.name + " " + entry.read_text().strip()
                 for entry in pathlib.Path("/sys/block").glob("loop*/loop/backing_file")),
        "cgroup": _cgroups(),
        "netns": os.listdir("/run/netns") if os.path.isdir("/run/netns") else (),
        "namespace": _namespaces(others),
        "process": (f"{name} in {group}" for _, name, group in others),
        "descriptor": _descriptors(ours),
        "key": (re.sub(r": \S+$", "", key[0]) for key in keys if key),
        "link": os.listdir("/sys/class/net"),
        # But for the wrong PINs of this boot, which are kept on purpose (docs/integrating.md).
        "run": (str(path) for path in pathlib.Path("/run/pmos").rglob("*")
                if not path.is_relative_to("/run/pmos/attempts")),
        "ipc": (kind + " " + " ".join(line.split()[:2]) for kind in ("shm", "sem", "msg")
                for line in _text(PROC / "sysvipc" / kind).splitlines()[1:]),
    }
    return {kind: dict(collections.Counter(lines)) for kind, lines in rows.items()}


def differences(before, after):
    return ([f"gone: {line}" for line in before if before[line] > after.get(line, 0)]
            + [f"left: {line}" for line in after if after[line] > before.get(line, 0)])
