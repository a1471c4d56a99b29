#!/usr/bin/env python3
"""tests/lint/floors.py: each source directory includes only what lies below it, and no room of the
runtime another room's insides. Says file, line and rule for every include that does not."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')

ROOMS = ("audio", "bundle", "launch", "volume", "device", "network", "host", "init", "modem", "notify", "oci", "panel", "probe", "refusals", "unpack")
# What of a room the others may see: its wire format and the caller's end of it.
DOORS = re.compile(r"(^|.*_)(protocol|client|api|messages)\.h$")

# The floor of a directory, lowest first; a file includes its own directory and lower floors.
BELOW = {
    "base": (),
    "policy": ("base",),
    "runtime/sys": ("base",),
    "runtime/bpf": ("base", "runtime/sys"),
    "runtime/event": ("base", "runtime/sys"),
    "runtime/peer": ("base", "runtime/event"),
    # What workers share, and pmosd does not link.
    "runtime/tpm": ("base",),
    **{f"runtime/{room}": ("base", "policy", "runtime/sys", "runtime/bpf") for room in ROOMS},
    "runtime/bundle": ("base", "policy", "runtime/sys", "runtime/tpm"),
    "runtime/volume": ("base", "policy", "runtime/sys", "runtime/bpf", "runtime/tpm"),
    "runtime/audio": ("base", "policy", "runtime/sys", "runtime/event", "runtime/peer"),
    "runtime/network": ("base", "policy", "runtime/sys", "runtime/event", "runtime/peer"),
    "runtime/modem": ("base", "policy", "runtime/sys", "runtime/event", "runtime/peer"),
    "runtime/notify": ("base", "policy", "runtime/sys", "runtime/event", "runtime/peer"),
    "runtime/panel": ("base", "policy", "runtime/sys", "runtime/event", "runtime/peer"),
    "runtime/daemon": ("base", "policy", "runtime/sys", "runtime/bpf", "runtime/event", *[f"runtime/{room}" for room in ROOMS]),
    "cli": ("base", "policy"),
}
# Single headers that a directory may include beside its floors.
ALSO = {"cli": ("runtime/daemon/bus_names.h", "runtime/modem/protocol.h",
                # What 'handset detect' sees is what pmosd would see.
                "runtime/host/detect.h", "runtime/host/devices.h", "runtime/host/udev.h"),
        # A container is launched as a mode is, and its cgroup handled so; by a process of its own.
        "runtime/oci": ("runtime/launch/client.h", "runtime/launch/container.h", "runtime/launch/prepare.h",
                        "runtime/host/cgroup.h", "runtime/host/small_file.h",
                        "runtime/device/filter.h", "runtime/event/bus_pieces.h")}


def directory_of(path):
    """The entry of BELOW that a path (relative to src/, or cli/...) belongs to."""
    for name in sorted(BELOW, key=len, reverse=True):
        if path == name or path.startswith(name + "/"):
            return name
    return None


def forbidden(own, header):
    """Why a file of directory `own` may not include `header`, or None."""
    target = directory_of(header)
    if target is None or target == own or header in ALSO.get(own, ()):
        return None
    if target in BELOW[own]:
        return None
    if own.startswith("runtime/") and target in {f"runtime/{room}" for room in ROOMS}:
        if DOORS.match(pathlib.PurePath(header).name):
            return None
        return f"{own} must not know the insides of {target}"
    return f"{own} lies below {target}"


def faults_in(path, own):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match[1]
        if (path.parent / header).exists() and "/" not in header:
            continue  # a neighbour in the same directory
        if why := forbidden(own, header):
            yield f"{path.relative_to(TOP)}:{number}: includes \"{header}\": {why}"


def main():
    faults = []
    sources = [(p, str(p.parent.relative_to(TOP / "src"))) for p in (TOP / "src").rglob("*.[hc]*")]
    sources += [(p, "cli") for p in (TOP / "cli").rglob("*.[hc]*")]
    for path, place in sorted(sources):
        own = directory_of(place)
        if own is None:
            faults.append(f"{path.relative_to(TOP)}: no floor is known for its directory")
            continue
        faults += faults_in(path, own)
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
