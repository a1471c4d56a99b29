#!/usr/bin/env python3
# kdf: shipped
# timeout: 200
"""A PIN is nowhere on the phone after it was used: command lines, environments, journal, /run,
what goes over the bus, and the memory of whoever had a hand in it. The PIN is random and lives
only in this process, which leaves itself out."""

import os
import secrets
import subprocess
import time

from handset import check, no_volume, pmosctl, run, until

SKIPPED_MAPS = ("[vvar]", "[vsyscall]")
wanted = []  # every spelling of the PIN to look for


def hit(data):
    return any(w in data for w in wanted)


def in_memory(pid):
    """The memory of a process, mapping by mapping."""
    try:
        maps = open(f"/proc/{pid}/maps").read().splitlines()
        mem = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except OSError:
        return None
    read = 0
    with mem:
        for line in maps:
            words = line.split(None, 5)
            if "r" not in words[1] or words[-1] in SKIPPED_MAPS:
                continue
            first, last = (int(x, 16) for x in words[0].split("-"))
            try:
                data = os.pread(mem.fileno(), last - first, first)
            except (OSError, OverflowError):
                continue
            read += len(data)
            if hit(data):
                return f"{words[0]} {words[-1]}"
    return None if read else "nothing could be read"


def files_under(top):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path) or os.path.islink(path):
                continue
            try:
                with open(path, "rb") as stream:
                    if hit(stream.read(1 << 24)):
                        yield path
            except OSError:
                pass


def main():
    pin = secrets.token_hex(12)
    wanted.extend([pin.encode(), pin.encode("utf-16-le"), pin.encode().hex().encode()])
    probe = subprocess.Popen(["sleep", "60"], env={"CONTROL": pin})
    # Descriptors are closed a moment before the new program's environment is there.
    found = until(lambda: hit(open(f"/proc/{probe.pid}/environ", "rb").read()), 10)
    check("the search finds what is there", found and in_memory(probe.pid))
    probe.kill()
    probe.wait()

    monitor = subprocess.Popen(["dbus-monitor", "--system", "--pcap"], stdout=open("/tmp/bus.pcap", "wb"),
                               stderr=subprocess.DEVNULL)
    no_volume("secure")
    for verb in ("provision", "unlock"):
        done = pmosctl("--bus", verb, "secure", pin=pin)
        check(f"{verb} with the PIN", done.returncode == 0, done.stderr)
    time.sleep(1)
    monitor.terminate()
    monitor.wait()
    bus = open("/tmp/bus.pcap", "rb").read()
    check("the bus was watched", b"Unlock" in bus and b"Progress" in bus, len(bus))
    check("the PIN did not go over the bus", not hit(bus))
    os.unlink("/tmp/bus.pcap")

    me = {os.getpid()}
    for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:
        if pid in me:
            continue
        for name in ("cmdline", "environ"):
            try:
                data = open(f"/proc/{pid}/{name}", "rb").read()
            except OSError:
                continue
            if hit(data):
                check(f"/proc/{pid}/{name} is clean", False)
    journal = run("journalctl", "--no-pager", "-o", "export", text=False).stdout
    check("the journal was read", b"pmosd" in journal)
    check("the PIN is not in the journal", not hit(journal))
    check("the PIN is not in the kernel's log", not hit(run("dmesg", text=False).stdout))
    for top in ("/run", "/tmp", "/var/log", "/var/lib/pmos/keys", "/etc/pmos"):
        places = list(files_under(top))
        check(f"the PIN is in no file under {top}", not places, places)
    with open("/var/lib/pmos/volumes/secure-data.luks", "rb") as volume:
        check("the PIN is not in the volume", not hit(volume.read()))

    names = ("pmosd", "pmos-launch", "dbus-daemon", "systemd", "systemd-journal", "pmos-init")
    looked = set()
    for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:
        try:
            comm = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        if comm in names:
            looked.add(comm)
            check(f"the PIN is not in the memory of {comm}", (where := in_memory(pid)) is None, where)
    check("pmosd, pmos-launch and the bus were looked at",
          {"pmosd", "pmos-launch", "dbus-daemon"} <= looked, looked)
    check("no worker lives on", run("pgrep", "pmos-volume").returncode == 1)
    check("lock", pmosctl("lock", "secure").returncode == 0)


if __name__ == "__main__":
    main()
