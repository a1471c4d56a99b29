"""For Python tests that run on the phone, where this is the module `handset`: what lib.sh is for
shell tests. The exit code is 1 when any check failed, and also when no check ran at all. No PIN is
ever an argument or in the environment of a program."""

import atexit
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

PROFILES = pathlib.Path("/usr/share/pmos/profiles")
VOLUMES = pathlib.Path("/var/lib/pmos/volumes")
_done = 0
_failed = []


def check(what, good, detail=""):
    """One line of it. The detail is shown only when it is not good."""
    global _done
    _done += 1
    if good:
        print(f"  ok    {what}", flush=True)
    else:
        _failed.append(what)
        print(f"  FAIL  {what}" + ("" if detail == "" else f": {detail}"), flush=True)
    return good


def note(*words):
    print("  ..    ", *words, sep="", flush=True)


def stop_if_failed():
    if _failed:
        sys.exit(1)


@atexit.register
def _end():
    """Python has no other way to make it the exit code of a script that just ends."""
    note(f"{_done} checks, {len(_failed)} failed", *(f"\n          {what}" for what in _failed))
    sys.stderr.flush()
    if _failed or not _done:
        os._exit(1)


def run(*command, seconds=300, **options):
    """A command with its output as text, and nothing to read unless it is given."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, timeout=seconds, check=False,
                          **{"capture_output": True, "text": True} | options)


@contextlib.contextmanager
def _pipes(words, pins, pass_fds):
    """A command of pmosctl with each PIN by a pipe: pin="..." is --pin-fd, new_pin --new-pin-fd."""
    command, ends = ["pmosctl", *words], []
    try:
        for name, pin in pins.items():
            r, w = os.pipe()
            ends.append(r)
            os.write(w, pin.encode() + b"\n")
            os.close(w)
            command += [f"--{name.replace('_', '-')}-fd", str(r)]
        yield command, {"pass_fds": [*pass_fds, *ends]}
    finally:
        for end in ends:
            os.close(end)


def start(*words, pass_fds=(), **pins):
    """pmosctl in the background."""
    with _pipes(words, pins, pass_fds) as (command, options):
        return subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def pmosctl(*words, pass_fds=(), seconds=300, **pins):
    with _pipes(words, pins, pass_fds) as (command, options):
        return run(*command, seconds=seconds, **options)


def ctl(*words, code=0, **pins):
    """pmosctl, and a check that it exits with that code."""
    done = pmosctl(*words, **pins)
    check("pmosctl " + " ".join(words), done.returncode == code, (done.returncode, done.stderr))
    return done


def status(mode):
    """Its row of `pmosctl status --json`."""
    return json.loads(pmosctl("status", mode, "--json").stdout)[0]


def until(condition, seconds=60):
    """What the condition says as soon as it holds, or at the end."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def unmount(place):
    """A volume's loop goes with its last user: udev may look at it for a moment longer."""
    if not until(lambda: run("umount", place).returncode == 0, 20):
        raise RuntimeError(f"{place} is in use: {run('losetup', '--list').stdout}")


def main_pid():
    if os.path.exists("/run/pmosd.pid"):  # its init is no systemd: tests/uml
        return int(pathlib.Path("/run/pmosd.pid").read_text())
    return int(run("systemctl", "show", "-P", "MainPID", "pmosd").stdout)


def another_pmosd(old):
    """Waits for the one that serves after `old` has died."""
    if not until(lambda: main_pid() not in (0, old) and pmosctl("status").returncode == 0, 90):
        sys.exit("no other pmosd serves")


def no_volume(mode):
    """The mode is locked, and the files of its volumes are gone."""
    ctl("lock", mode)
    for path in VOLUMES.glob(f"{mode}-*"):
        path.unlink()


def replaced(text, before, after):
    """A profile with something else in that place, which must be there."""
    if before not in text:
        sys.exit(f"'{before}' is not in what was shipped")
    return text.replace(before, after)


def with_session(text, **members):
    """A profile with more members of its session."""
    more = "".join(f'"{key}": {json.dumps(value)}, ' for key, value in members.items())
    return replaced(text, '"session": {', '"session": { ' + more)


def let_suspend():
    """The site demands of its modes no eviction any more."""
    site = PROFILES / "site.json"
    site.write_text(site.read_text().replace('"onLock": "evict",', ""))
