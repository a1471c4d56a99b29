#!/usr/bin/env python3
# kdf: shipped
# timeout: 200
"""A secret is nowhere on the phone, while it is used or after that: command lines, environments,
journal, /run, what goes over the bus, and the memory of whoever had a hand in it. Secrets are random
and live only in this process, which leaves itself out."""

import os
import secrets
import subprocess
import time

from handset import PROFILES, check, ctl, no_volume, pmosctl, replaced, run, start, until

SKIPPED_MAPS = ("[vvar]", "[vsyscall]")
PROFILE = PROFILES / "secure.json"
wanted = []  # every spelling of the secrets to look for


def look_for(secret):
    wanted.extend([secret.encode(), secret.encode("utf-16-le"), secret.encode().hex().encode()])


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


def in_proc():
    """Command lines and environments of all that runs now, but for this program."""
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as stream:
                    if hit(stream.read()):
                        yield f"/proc/{pid}/{name}"
            except OSError:
                pass


def watched(*words, **more):
    """pmosctl over the system bus, with an eye on whatever runs meanwhile."""
    seen, child = set(), start("--bus", *words, **more)
    while child.poll() is None:
        seen.update(in_proc())
        time.sleep(0.1)
    said = child.communicate()
    check(" ".join(words), child.returncode == 0, said)
    check("no secret in a command line or an environment meanwhile", not seen, seen)


def enroll_recovery_key(pin):
    reader, writer = os.pipe()
    watched("auth", "enroll", "secure", "recovery-key", "--out-fd", str(writer), pin=pin,
            pass_fds=[writer])
    os.close(writer)
    with open(reader, encoding="ascii") as stream:
        key = stream.read().strip()
    check("a recovery key is told", len(key) > 40, len(key))
    look_for(key)


def use_them():
    """Every verb that takes a secret or tells one; the last one leaves the mode running."""
    first, pin, duress = (secrets.token_hex(12) for _ in range(3))
    for secret in (first, pin, duress):
        look_for(secret)
    watched("provision", "secure", pin=first)
    watched("volume", "passwd", "secure", pin=first, new_pin=pin)
    enroll_recovery_key(pin)
    watched("duress", "set", "secure", pin=pin, duress_pin=duress)
    watched("unlock", "secure", pin=pin)


def main():
    control = secrets.token_hex(12)
    look_for(control)
    probe = subprocess.Popen(["sleep", "60"], env={"CONTROL": control})
    # Descriptors are closed a moment before the new program's environment is there.
    found = until(lambda: hit(open(f"/proc/{probe.pid}/environ", "rb").read()), 10)
    check("the search finds what is there", found and in_memory(probe.pid) and list(in_proc()))
    probe.kill()
    probe.wait()

    monitor = subprocess.Popen(["dbus-monitor", "--system", "--pcap"], stdout=open("/tmp/bus.pcap", "wb"),
                               stderr=subprocess.DEVNULL)
    no_volume("secure")
    shipped = PROFILE.read_text()
    PROFILE.write_text(replaced(shipped, '"unlock": ["pin"]', '"unlock": ["pin", "recovery-key"]'))
    ctl("reload")
    use_them()
    time.sleep(1)
    monitor.terminate()
    monitor.wait()
    bus = open("/tmp/bus.pcap", "rb").read()
    calls = (b"Provision", b"ChangeSecret", b"EnrollFactor", b"SetDuress", b"Unlock", b"Progress")
    check("the bus was watched", all(name in bus for name in calls), len(bus))
    check("no secret went over the bus", not hit(bus))
    os.unlink("/tmp/bus.pcap")

    left = list(in_proc())
    check("no secret is in a command line or an environment", not left, left)
    journal = run("journalctl", "--no-pager", "-o", "export", text=False).stdout
    check("the journal was read", b"pmosd" in journal)
    check("no secret is in the journal", not hit(journal))
    check("no secret is in the kernel's log", not hit(run("dmesg", text=False).stdout))
    for top in ("/run", "/tmp", "/var/log", "/var/lib/pmos/keys", "/etc/pmos"):
        places = list(files_under(top))
        check(f"no secret is in a file under {top}", not places, places)
    with open("/var/lib/pmos/volumes/secure-data.luks", "rb") as volume:
        check("no secret is in the volume", not hit(volume.read()))

    names = ("pmosd", "pmos-launch", "dbus-daemon", "systemd", "systemd-journal", "pmos-init")
    looked = set()
    for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:
        try:
            comm = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        if comm in names:
            looked.add(comm)
            check(f"no secret is in the memory of {comm}", (where := in_memory(pid)) is None, where)
    check("pmosd, pmos-launch and the bus were looked at",
          {"pmosd", "pmos-launch", "dbus-daemon"} <= looked, looked)
    check("no worker lives on", run("pgrep", "pmos-volume").returncode == 1)
    check("lock", pmosctl("lock", "secure").returncode == 0)
    PROFILE.write_text(shipped)
    no_volume("secure")
    ctl("reload")


if __name__ == "__main__":
    main()
