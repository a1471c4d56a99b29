"""Says whether this machine's KVM really runs a guest. Never trusts that /dev/kvm exists."""

import os
import pathlib
import subprocess

from . import base

WORKS = 33  # what QEMU's debug exit makes of the initramfs's 16


def tried(kernel, initrd):
    """Boots the phone's own kernel to user space: some KVMs run a boot sector and no Linux."""
    try:
        done = subprocess.run(
            ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512M", "-nodefaults",
             "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", initrd,
             "-append", "quiet panic=-1 handset.probe",
             "-device", "isa-debug-exit,iobase=0x501,iosize=1"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == WORKS


def kvm_works(kernel, initrd):
    """Asked once per boot of this machine: a KVM that hangs takes seconds to find out."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    note = base.CACHE / "kvm"
    if note.exists():
        known, _, answer = note.read_text().strip().partition(" ")
        if known == boot:
            return answer == "works"
    works = tried(kernel, initrd)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{boot} {'works' if works else 'fails'}\n")
    return works


def arguments(kernel, initrd):
    if kvm_works(kernel, initrd):
        return ["-accel", "kvm", "-cpu", "host"]
    # Without "fast string operations" the kernel clears and copies memory eight bytes at a time:
    # TCG carries out "rep stosb" byte by byte, and init_on_free clears a lot.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm"]
