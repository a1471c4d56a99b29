"""One running phone: QEMU's command line, its life and its death. Never decides what to run."""

import base64
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import zlib

from . import accel, assemble, base, link, memory, qmp

CMDLINE = (
    "console=ttyS0 8250.nr_uarts=8 root=/dev/vda rw quiet loglevel=4 panic=-1 net.ifnames=0 "
    "systemd.condition-needs-update=0 systemd.show_status=0 init_on_free=1 apparmor=1 "
    "security=apparmor lsm=landlock,lockdown,yama,apparmor,bpf "
    # The self-tests of ciphers take seconds of every emulated boot, and are the kernel's to run.
    "cryptomgr.notests=1"
)
# Entered by PVH, the kernel finds no ACPI tables that would tell it of a TPM.
TPM_CMDLINE = "tpm_tis.force=1"
BOOT_SECONDS = 240 * base.PATIENCE


@dataclasses.dataclass
class Options:
    variant: str = "release"
    memory: str = "1G"
    qmp: pathlib.Path | None = None
    capture: pathlib.Path | None = None
    disk: pathlib.Path | None = None
    boot_log: pathlib.Path | None = None
    out: pathlib.Path = base.BUILD / "out"
    append: str = ""
    screen: str = ""  # "360x720"; "": as QEMU has it
    window: bool = False  # of this machine's own screen
    tpm: pathlib.Path | None = None  # where a TPM keeps its state; none: the phone has none


def window_of_this_machine():
    """What QEMU calls it."""
    if not (os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")):
        raise base.Failure("there is no display to open a window on",
                           "leave --window out; './dev demo' leaves pictures of the screen")
    return "gtk,show-cursor=on"


class Phone:
    """A context: assembled and started on entry, gone on exit whatever happens."""

    def __init__(self, options, interactive=False):
        self.options = options
        self.interactive = interactive
        self.process = None
        self.tpm = None
        self.link = None
        self.monitor = None

    def __enter__(self):
        self.parts = assemble.assemble(self.options.variant)
        # Socket paths must be short, and two phones must not meet.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pmos-"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in (self.process, self.tpm):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self):
        d, o = self.directory, self.options
        data = assemble.data_disk(o.disk or d / "data.ext4")
        spare = assemble.spare_disk(d / "spare.raw")
        words = ["qemu-system-x86_64", *accel.arguments(self.parts.kernel, self.parts.initrd), "-machine", "pc", "-nodefaults",
                 "-no-user-config", "-m", o.memory, "-smp", "2", "-display", window_of_this_machine() if o.window else "none",
                 "-no-reboot",
                 "-kernel", self.parts.kernel, "-initrd", self.parts.initrd,
                 "-append", f"{CMDLINE} {TPM_CMDLINE if o.tpm else ''} {o.append}".strip()]
        if self.interactive:
            words += ["-chardev", "stdio,id=console,mux=on,signal=off", "-mon",
                      "chardev=console,mode=readline"]
        else:
            words += ["-chardev", f"file,id=console,path={o.boot_log}"]
        words += ["-serial", "chardev:console"]
        # The modem's wire: ttyS1 (simulator) and ttyS2 (the phone's port), tied end to end.
        words += ["-chardev", f"socket,id=wire0,path={d}/wire,server=on,wait=off",
                  "-serial", "chardev:wire0",
                  "-chardev", f"socket,id=wire1,path={d}/wire", "-serial", "chardev:wire1"]
        # A second one, ttyS4 and ttyS5, on which nobody is unless a test puts somebody there.
        words += ["-chardev", f"socket,id=wire2,path={d}/wire2,server=on,wait=off",
                  "-chardev", f"socket,id=wire3,path={d}/wire2",
                  "-device", "pci-serial-2x,chardev1=wire2,chardev2=wire3"]
        words += ["-device", "virtio-serial-pci",
                  "-chardev", f"socket,id=agent,path={d}/agent,server=on,wait=off",
                  "-device", "virtserialport,chardev=agent,name=pmos.agent"]
        words += ["-qmp", f"unix:{d}/qmp,server=on,wait=off"]
        if o.qmp:
            words += ["-qmp", f"unix:{o.qmp},server=on,wait=off"]
        for name, path, snapshot in (("root", self.parts.root, "on"), ("data", data, "off"),
                                     ("spare", spare, "off")):
            # The data disk is a phone's flash: what was not synced may be lost, but only then.
            cache = "writeback" if o.disk and name == "data" else "unsafe"
            words += ["-drive", f"file={path},id={name},if=none,format=raw,snapshot={snapshot},"
                      f"cache={cache},discard=unmap",
                      "-device", f"virtio-blk-pci,drive={name},serial={name}"]
        width, _, height = o.screen.partition("x")
        gpu = "virtio-gpu-pci,id=gpu,max_outputs=2" + (f",xres={width},yres={height}" if o.screen else "")
        words += ["-device", gpu, "-device", "virtio-keyboard-pci",
                  "-device", "virtio-tablet-pci", "-device", "virtio-rng-pci",
                  "-netdev", "user,id=uplink,restrict=on", "-device",
                  "virtio-net-pci,netdev=uplink,romfile="]
        if o.tpm:
            words += ["-chardev", f"socket,id=tpm,path={d}/tpm", "-tpmdev",
                      "emulator,id=tpm,chardev=tpm", "-device", "tpm-tis,tpmdev=tpm"]
        if o.capture:
            words += ["-object", f"filter-dump,id=capture,netdev=uplink,file={o.capture}"]
        return [str(word) for word in words]

    def start_tpm(self):
        """What is in its NV memory stays in the directory, whatever becomes of the phone."""
        self.options.tpm.mkdir(parents=True, exist_ok=True)
        socket = self.directory / "tpm"
        self.tpm = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.options.tpm}", "--ctrl",
             f"type=unixio,path={socket}", "--log", f"level=1,file={self.options.tpm}/log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(500):
            if socket.exists():
                return
            if self.tpm.poll() is not None:
                break
            time.sleep(0.02)
        raise base.Failure("swtpm did not start", f"see {self.options.tpm}/log")

    def start(self):
        if self.options.tpm:
            self.start_tpm()
        stdin = None if self.interactive else subprocess.DEVNULL
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdin=stdin,
                                        stdout=None if self.interactive else subprocess.DEVNULL)
        for _ in range(200):
            if (self.directory / "agent").exists() and (self.directory / "qmp").exists():
                break
            if not self.alive():
                raise base.Failure("QEMU did not start")
            time.sleep(0.02)
        self.link = link.Link(self.directory / "agent", self.alive)
        self.link.host_request = self.serve
        self.monitor = qmp.Qmp(self.directory / "qmp")

    def alive(self):
        return self.process.poll() is None

    def ready(self):
        """Waits for the end of the boot; returns systemd's state and the guest's uptime."""
        state = self.link.ready(BOOT_SECONDS)
        state["wall"] = time.monotonic() - self.started
        return state

    def serve(self, request):
        """What a script asked of the host by handset-host."""
        try:
            verb, args = request["verb"], request["args"]
            self.options.out.mkdir(parents=True, exist_ok=True)
            if verb == "screendump":
                path = self.options.out / pathlib.PurePath(args[0]).name
                self.monitor.ask("screendump", filename=str(path), format="ppm" if path.suffix == ".ppm" else "png")
                return {"text": f"screen kept in {path.relative_to(base.TOP)}"
                        if path.is_relative_to(base.TOP) else f"screen kept in {path}"}
            if verb == "pixels":
                return {"text": self.pixels(*(int(arg) for arg in args))}
            if verb == "input":
                # As QMP's input-send-event has them; coordinates are parts of 32767.
                self.monitor.ask("input-send-event", events=json.loads(args[0]))
                return {}
            if verb == "sendkey":
                for keys in args:
                    self.monitor.human(f"sendkey {keys}")
                return {}
            if verb == "memory":
                wanted = json.loads(args[0])
                size = int(self.options.memory[:-1]) << {"M": 20, "G": 30}[self.options.memory[-1]]
                return {"text": json.dumps(memory.dump_and_search(self.monitor, size, wanted))}
            if verb == "save":
                path = self.options.out / pathlib.PurePath(args[0]).name
                path.write_bytes(base64.b64decode(request["data"]))
                return {}
        except (base.Failure, OSError, IndexError, KeyError, ValueError) as error:
            return {"error": str(error)}
        return {"error": f"unknown verb '{verb}'"}

    def pixels(self, x=0, y=0, width=0, height=0, head=0):
        """A part of one of the two screens, or all of it: "WxH " and its bytes of red, green and blue, packed."""
        path = self.directory / "screen.ppm"
        self.monitor.ask("screendump", filename=str(path), format="ppm", device="gpu", head=head)
        kind, size, _, rows = path.read_bytes().split(b"\n", 3)
        if kind != b"P6":
            raise base.Failure("QEMU's picture is no PPM")
        full_width, full_height = (int(number) for number in size.split())
        width, height = width or full_width - x, height or full_height - y
        part = b"".join(rows[3 * (line * full_width + x):3 * (line * full_width + x + width)]
                        for line in range(y, y + height))
        return f"{width}x{height} " + base64.b64encode(zlib.compress(part, 1)).decode()

    def power_off(self, seconds=60):
        """An orderly shutdown, so that a kept disk is clean."""
        self.link.send(b"P")
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise base.Failure(f"the phone did not power off within {seconds} s") from None

    def quit(self):
        """Pulls the plug."""
        try:
            self.monitor.ask("quit")
            self.process.wait(10)
        except (base.Failure, OSError, subprocess.TimeoutExpired):
            self.process.kill()

    def keep_logs(self, directory, since=None):
        """The kernel log and the journal into a directory here; as much as still answers."""
        directory.mkdir(parents=True, exist_ok=True)
        after = f"--since=@{since}" if since else ""
        for name, command in (("journal.txt", f"journalctl -b --no-pager -o short-monotonic {after}"),
                              ("kernel.txt", "dmesg")):
            with open(directory / name, "wb") as file:
                try:
                    script = f"#!/bin/sh\nexec {command}\n".encode()
                    self.link.run("keep-logs", script, 30, file.write, file.write)
                except base.Failure as error:
                    file.write(f"(not to be had: {error})\n".encode())
                    return
