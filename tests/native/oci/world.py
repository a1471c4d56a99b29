"""tests: containers of pmos-oci on this machine's kernel. A root of busybox, a bundle for each test, and
a look at what is left behind."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time


class Failed(Exception):
    pass


def expect(holds, what, seen=""):
    if not holds:
        raise Failed(f"{what}: {seen}" if seen != "" else what)


def equal(seen, wanted, what):
    expect(seen == wanted, what, f"{seen!r}, not {wanted!r}")


def wait_for(what, holds, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := holds():
            return result
        time.sleep(0.01)
    raise Failed(f"{what} did not come")


NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
]
CAPS = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]


def config(*args, **changes):
    made = {
        "ociVersion": "1.0.2",
        "process": {"args": list(args) or ["true"], "cwd": "/", "env": ["PATH=/bin", "TERM=xterm"],
                    "user": {"uid": 0, "gid": 0}, "noNewPrivileges": True,
                    "capabilities": {kind: list(CAPS) for kind in ("bounding", "effective", "permitted")}},
        "root": {"path": "rootfs"},
        "hostname": "box",
        "mounts": [dict(m) for m in MOUNTS],
        "linux": {"namespaces": [{"type": t} for t in NAMESPACES],
                  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
                  "readonlyPaths": ["/proc/sys", "/proc/irq"]},
    }
    for path, value in changes.items():
        at = made
        *way, last = path.split("__")
        for key in way:
            at = at.setdefault(key, {})
        at[last] = value
    return made


def sh(script, **changes):
    return config("sh", "-c", script, **changes)


class World:
    """A place for bundles and containers, and whether nothing of them is left."""

    def __init__(self, program):
        self.program = program
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pmos-oci-"))
        self.root = self.dir / "containers"
        self.base = self.dir / "base"
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "root"):
            (self.base / name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), self.base / "bin/busybox")
        for applet in ("sh", "true", "cat", "ls", "id", "sleep", "stat", "mount", "env", "hostname", "readlink", "test",
                       "grep", "touch", "mkdir", "kill", "printf", "ps", "tty", "stty", "head", "wc", "false", "echo", "date",
                       "umask", "pwd", "sort", "chown"):
            (self.base / "bin" / applet).symlink_to("busybox")
        (self.base / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        self.count = 0

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def bundle(self, made):
        """A directory with the configuration and a root of its own."""
        self.count += 1
        place = self.dir / f"bundle-{self.count}"
        place.mkdir()
        shutil.copytree(self.base, place / "rootfs", symlinks=True)
        (place / "config.json").write_text(made if isinstance(made, str) else json.dumps(made))
        return place

    def oci(self, *words, expects=0, **options):
        done = subprocess.run([self.program, "--root", self.root, *map(str, words)], capture_output=True, text=True,
                              check=False, timeout=60, stdin=subprocess.DEVNULL, **options)
        if expects is not None:
            expect(done.returncode == expects, f"{' '.join(map(str, words))} ended with {done.returncode}",
                   done.stdout + done.stderr)
        return done

    def run(self, made, *words, expects=0, **options):
        """The output of a container that runs to its end."""
        place = self.bundle(made)
        done = self.oci("run", *words, "--bundle", place, f"c{self.count}", expects=expects, **options)
        return done.stdout

    def refused(self, made, *parts):
        """By its words; nothing of it is left."""
        place = self.bundle(made)
        done = self.oci("run", "--bundle", place, f"c{self.count}", expects=None)
        expect(done.returncode != 0, "it is refused", done.stdout)
        for part in parts:
            expect(part in done.stderr, f"'{part}' is told", done.stderr)
        expect(not self.left(), "nothing is left", self.left())
        return done.stderr

    def left(self):
        return sorted(p.name for p in self.root.iterdir()) if self.root.exists() else []

    def state(self, name):
        return json.loads(self.oci("state", name).stdout)

    @contextlib.contextmanager
    def created(self, made, *words, name=None, **options):
        place = self.bundle(made)
        name = name or f"c{self.count}"
        # What is created keeps who made it waiting for its output else.
        done = subprocess.run([self.program, "--root", self.root, "create", *map(str, words), "--bundle", place, name],
                              stdin=subprocess.DEVNULL, stdout=options.pop("stdout", subprocess.DEVNULL),
                              stderr=subprocess.PIPE if options.pop("tells", False) else subprocess.DEVNULL, text=True,
                              check=False, timeout=60, **options)
        expect(done.returncode == 0, f"create ended with {done.returncode}", done.stderr)
        try:
            yield name
        finally:
            self.oci("delete", "--force", name, expects=None)


def mounts():
    return sorted(line.split(None, 4)[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


def main(tests, argv):
    build = pathlib.Path(argv[1])
    wanted = argv[2:]
    if os.geteuid() != 0:
        print("needs root")
        return 77
    world = World(build / "src/runtime/oci/pmos-oci")
    before = mounts()
    failed = []
    try:
        for name, test in tests:
            if wanted and not any(word in name for word in wanted):
                continue
            try:
                test(world)
                expect(not world.left(), "no container is left", world.left())
                expect(mounts() == before, "the same mounts as before", set(mounts()) ^ set(before))
                print(f"ok    {name}", flush=True)
            except (Failed, subprocess.SubprocessError, OSError, ValueError, LookupError) as e:
                failed.append(name)
                print(f"FAIL  {name}: {e}", flush=True)
                for left in world.left():
                    world.oci("delete", "--force", left, expects=None)
    finally:
        world.close()
    print(f"{len(failed)} failed")
    return 1 if failed else 0


def tests_of(module):
    return [(name.removeprefix("test_"), f) for name, f in vars(module).items() if name.startswith("test_")]


def start(module_name):
    sys.exit(main(tests_of(sys.modules[module_name]), sys.argv))
