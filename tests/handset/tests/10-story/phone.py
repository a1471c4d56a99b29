"""Hands on the phone: pmosctl, a typed terminal, facts of the host's kernel. Never judges."""

import dataclasses
import errno
import fcntl
import json
import os
import pathlib
import pkgutil
import pty
import re
import select
import subprocess
import termios
import time

SECONDS = 300  # a phone without KVM on a busy machine is slow, and not wrong
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


@dataclasses.dataclass
class Done:
    """What a command left behind. `text` is both streams: progress first, then the result."""

    code: int
    out: str
    err: str

    @property
    def text(self):
        return (self.err + self.out).strip()


def run(*words, stdin=None, pass_fds=(), seconds=SECONDS):
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=seconds,
                              pass_fds=pass_fds, check=False, errors="replace",
                              stdin=subprocess.DEVNULL if stdin is None else None)
    except subprocess.TimeoutExpired:
        return Done(124, "", f"no end within {seconds} s")
    return Done(done.returncode, done.stdout, done.stderr)


def ctl(*words, **options):
    return run("pmosctl", *words, **options)


def ctl_with_pin(pin, *words):
    """The PIN by descriptor: it is in no argument and in no file."""
    reader, writer = os.pipe()
    os.write(writer, pin.encode())
    os.close(writer)
    try:
        return ctl(*words, "--pin-fd", str(reader), pass_fds=(reader,))
    finally:
        os.close(reader)


def _read_terminal(master, seconds):
    if not select.select([master], [], [], seconds)[0]:
        return ""
    try:
        return os.read(master, 65536).decode(errors="replace")
    except OSError as error:  # EIO: the last program on this terminal has closed it
        if error.errno == errno.EIO:
            return None
        raise


def typed(words, answers, seconds=SECONDS):
    """Runs a command on a terminal of its own and types each answer when it is asked for one."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x18\0\x64\0\0\0\0\0")  # 24 lines of 100

    def own_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave,
                             preexec_fn=own_terminal, env=os.environ | {"TERM": "linux"})
    os.close(slave)
    seen, asked, waiting, end = "", 0, list(answers), time.monotonic() + seconds
    while time.monotonic() < end:
        part = _read_terminal(master, 0.2)
        if part is None or (part == "" and child.poll() is not None):
            break
        seen += part
        if waiting and re.search(r"PIN[^\n]*: ?$", seen[asked:]):
            asked = len(seen)
            os.write(master, waiting.pop(0).encode() + b"\n")
    else:
        child.kill()
    os.close(master)
    return Done(child.wait(), seen, "")


def screen_text(text):
    """What stayed on the screen, and the last frame of whatever was drawn over itself."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        frames = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", f) for f in re.split(r"\r", line)]
        drawn = [frame for frame in frames if frame.strip()]
        bars = [frame for frame in drawn if frame.lstrip().startswith("[")]
        lines += ([bars[-1]] if bars else []) + [f for f in drawn[-1:] if f not in bars[-1:]]
    return "\n".join(lines)


def status():
    """{mode: what 'pmosctl status --json' says of it}"""
    return {row["mode"]: row for row in json.loads(ctl("status", "--json").out)}


def inspect(mode):
    return json.loads(ctl("inspect", mode).out)


def inside(mode, part, *args):
    """Runs one part of inside.py in a mode, as 'pmosctl exec' does it for anyone."""
    program = pkgutil.get_data("inside", "inside.py").decode()
    done = ctl("exec", mode, "--", "python3", "-ISB", "-", part, *args, stdin=program)
    if done.code != 0:
        raise RuntimeError(f"pmosctl exec {mode}: exit code {done.code}: {done.text[-400:]}")
    return json.loads(done.out)


def own_report():
    """The same report of the phone itself, for the third column."""
    program = pkgutil.get_data("inside", "inside.py").decode()
    return json.loads(run("python3", "-ISB", "-", "report", stdin=program).out)


def cgroup_of(pid):
    line = pathlib.Path(f"/proc/{pid}/cgroup").read_text().strip()
    return pathlib.Path("/sys/fs/cgroup" + line.partition("::")[2])


def mode_cgroup(mode):
    """The top of the mode's own tree: its PID 1 may live in a child of it."""
    path = cgroup_of(status()[mode]["pid"])
    return next((p for p in (path, *path.parents) if p.name == mode), path)


def pids_below(cgroup):
    return [int(pid) for file in cgroup.rglob("cgroup.procs") for pid in file.read_text().split()]


def inner_pid(pid):
    """The pid that a process has in its own, innermost pid namespace."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return 0


def pids_with_uid(start, count):
    """Host pids of all processes whose real uid lies in a mode's range."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            uid = int(re.search(r"^Uid:\s+(\d+)", (entry / "status").read_text(), re.M)[1])
        except (OSError, TypeError):
            continue
        if start <= uid < start + count:
            found.append(int(entry.name))
    return found


def within(seconds, condition):
    """Waits for a condition; returns its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return value
