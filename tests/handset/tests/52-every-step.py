#!/usr/bin/env python3
# variant: test
# timeout: 400
"""Every step of a start, of a switch and of the launcher fails once, in a mode with an encrypted
volume; the phone is the same before and after. That the lists are whole is seen natively, where
tests/native/daemon reads them from the source."""

import collections
import importlib.machinery
import importlib.util
import os
import secrets
import sys
import time

from handset import VOLUMES, check, ctl, main_pid, no_volume, pmosctl, run, status, stop_if_failed

START = ("pre_start_hooks volumes volume_check prepare files cgroup device_filter launch record "
         "post_start_hooks").split()
SWITCH = ("check_incoming switch_out_hooks deny freeze_outgoing revoke repaint start_incoming grant "
          "thaw_incoming foreground switch_in_hooks").split()
LAUNCH = ("read-request map-plan build-dev open-volumes open-binds join-net-ns enter-time-ns clone "
          "write-id-maps adjust-child child-sync child-session child-hostname child-private-mounts "
          "child-root child-mounts child-devices child-masks child-pivot child-open-confinement "
          "child-close-fds child-identity child-rlimits child-capabilities child-no-new-privs "
          "child-landlock child-lsm child-seccomp child-exec-init reply").split()
FAIL = "/run/pmos/fail-step"

loader = importlib.machinery.SourceFileLoader("snapshot", "/usr/lib/handset/snapshot")
look = importlib.util.module_from_spec(importlib.util.spec_from_loader("snapshot", loader))
sys.dont_write_bytecode = True
loader.exec_module(look)


def pids():
    main = main_pid()
    return main, run("pgrep", "-P", str(main), "pmos-launch").stdout.split()[0]


def state():
    """The phone, and the insides of the two processes that live on."""
    own = open("/proc/self/cgroup").read().strip().rpartition("::")[2]
    seen = collections.Counter()
    for part in (look.mounts(), look.block_devices(), look.cgroups(own), look.processes(own),
                 look.keys(), look.rest()):
        seen.update(line for line in part if FAIL not in line)
    for name, pid in zip(("pmosd", "pmos-launch"), pids()):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            seen[f"{name} holds {os.readlink(f'/proc/{pid}/fd/{fd}').split(':[')[0]}"] += 1
        for line in open(f"/proc/{pid}/mountinfo"):
            seen[f"{name} mounts {line.split()[4]}"] += 1
    return seen


def same(what, before):
    """A caller's connection or a reaped process may take a moment to be gone."""
    end = time.monotonic() + 5
    while (now := state()) != before and time.monotonic() < end:
        time.sleep(0.1)
    check(f"{what}: the phone is as before", now == before,
          {k: (before[k], now[k]) for k in before | now if before[k] != now[k]})


def modes():
    rows = {mode: status(mode) for mode in ("personal", "secure")}
    return {mode: (row["state"], row["foreground"], row["pid"]) for mode, row in rows.items()}


def fail_at(step):
    with open(FAIL, "w") as out:
        out.write(step + "\n")


def main():
    pin = secrets.token_hex(6)
    ctl("start", "personal")
    no_volume("secure")
    ctl("provision", "secure", pin=pin)
    stop_if_failed()

    before = state()
    for step in ("unlock/open_volume", "provision/provision"):
        fail_at(step)
        if step.startswith("prov"):
            os.rename(VOLUMES / "secure-data.luks", "/var/lib/pmos/away")
        refused = pmosctl(step.split("/")[0], "secure", pin=pin)
        check(f"{step} fails", refused.returncode == 1, refused.stderr)
        if step.startswith("prov"):
            check("and leaves no file", not [n for n in os.listdir(VOLUMES) if "secure" in n])
            os.rename("/var/lib/pmos/away", VOLUMES / "secure-data.luks")
        os.unlink(FAIL)
        same(step, before)

    ctl("unlock", "secure", pin=pin)
    ctl("switch", "personal")
    ctl("stop", "secure")
    stop_if_failed()
    before = state()
    for step in [f"start/{s}" for s in START] + [f"launch/{s}" for s in LAUNCH]:
        fail_at(step)
        refused = pmosctl("start", "secure")
        os.unlink(FAIL)
        check(f"{step} fails the start by name",
              refused.returncode != 0 and step.split("/")[1] in refused.stderr, refused.stderr)
        same(step, before)
    ctl("start", "secure")
    check("with no fault it starts", status("secure")["state"] == "running")

    ctl("switch", "secure")
    ctl("switch", "personal")
    before = modes()
    whole = state()
    for step in SWITCH:
        fail_at(f"switch/{step}")
        refused = pmosctl("switch", "secure")
        os.unlink(FAIL)
        check(f"switch/{step} fails the switch by name",
              refused.returncode != 0 and step in refused.stderr, refused.stderr)
        after = modes()
        check(f"switch/{step}: the modes are as before", after == before, after)
        same(f"switch/{step}", whole)
    ctl("switch", "secure")
    check("with no fault it switches", status("secure")["foreground"])
    ctl("stop", "--all")


if __name__ == "__main__":
    main()
