"""The same container in the words of bubblewrap, crun and runc, made from the plan of a mode."""
import json
import os

from . import world

OUT = f"{world.WORK}/plan"
MOUNT_OPTIONS = ["nosuid", "noexec", "nodev"]
CLONE_NEWTIME = 0x80


def masks(plan, kind):
    return [op["target"] for op in plan["mounts"] if op["kind"] == kind]


def oci_mounts():
    tmpfs = {"type": "tmpfs", "source": "tmpfs"}
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": MOUNT_OPTIONS},
        {"destination": "/dev", **tmpfs, "options": ["nosuid", "noexec", "mode=755", "size=65536"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": MOUNT_OPTIONS},
        {"destination": "/dev/shm", **tmpfs, "options": MOUNT_OPTIONS + ["mode=1777", "size=64m"]},
        {"destination": "/tmp", **tmpfs, "options": MOUNT_OPTIONS + ["mode=1777", "size=64m"]},
        {"destination": "/run", **tmpfs, "options": MOUNT_OPTIONS + ["mode=755", "size=16m"]},
    ]


def oci_filter(syscalls):
    return {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": syscalls, "action": "SCMP_ACT_ALLOW"}]}


def long_filter(syscalls):
    """As long as what Podman gives by default: three architectures, rules that look at arguments."""
    rules = [{"names": [name], "action": "SCMP_ACT_ALLOW"} for name in syscalls]
    rules += [{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
               "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]} for value in (0, 8, 0x20000, 0x20008, 0xffffffff)]
    rules += [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22,
               "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]}]
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": rules}


def oci_config(plan, seccomp, root, args):
    none = {kind: [] for kind in
            ("bounding", "effective", "permitted", "inheritable", "ambient")}
    ids = [{"containerID": 0, "hostID": world.FIRST_ID, "size": world.IDS}]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
            "env": ["PATH=/usr/bin"], "capabilities": none, "noNewPrivileges": True,
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096},
                        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        },
        "root": {"path": root, "readonly": True},
        "hostname": "solo",
        "mounts": oci_mounts(),
        "linux": {
            "uidMappings": ids, "gidMappings": ids,
            "namespaces": [{"type": kind} for kind in
                           ("user", "mount", "pid", "ipc", "uts", "network", "cgroup")],
            "maskedPaths": masks(plan, "mask"), "readonlyPaths": masks(plan, "read_only"),
            **({"seccomp": seccomp} if seccomp else {}),
        },
    }


def make_bundle(name, plan, seccomp, root, args, cgroup=None):
    bundle = f"{world.WORK}/bundle-{name}"
    os.mkdir(bundle)
    config = oci_config(plan, seccomp, root, args)
    if cgroup is not None:
        config["linux"]["cgroupsPath"] = cgroup
    world.write(f"{bundle}/config.json", json.dumps(config))
    return bundle


def pmos_oci(build):
    return [f"{build}/src/runtime/oci/pmos-oci", "--root", f"{world.WORK}/state-pmos"]


def oci_base(runtime, cgroups=False):
    """The runtime with its options: no cgroup manager where the kernel has no controllers."""
    base = [runtime, "--root", f"{world.WORK}/state-{runtime}"]
    if runtime != "crun":
        return base
    return base + ["--cgroup-manager=" + ("cgroupfs" if cgroups else "disabled")]


def bubblewrap(plan, root, program):
    args = ["bwrap", "--unshare-all", "--uid", "0", "--gid", "0", "--hostname", "solo",
            "--new-session", "--ro-bind", root, "/", "--dev", "/dev", "--mqueue", "/dev/mqueue",
            "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]
    for path in masks(plan, "mask"):
        if os.path.isdir(path):
            args += ["--tmpfs", path]
        elif os.path.exists(path):
            args += ["--ro-bind", "/dev/null", path]
    return args + ["--cap-drop", "ALL", "--chdir", "/", "--seccomp", "9", program]
