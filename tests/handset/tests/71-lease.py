#!/usr/bin/env python3
# boot: own
# append: video=Virtual-2:640x480e
# timeout: 240
# turn: 2
"""An output beside the panel's own is lent to the mode in front that has the right, by the protocol
that compositors use: it draws there by itself, with the kernel's own calls. Behind another mode, or
while the panel's pages are shown, it does nothing there any more and nothing of it is seen."""

import base64
import json
import secrets
import time
import zlib

from handset import PROFILES, check, ctl, pmosctl, replaced, run, start, status, stop_if_failed, until

PIN = secrets.token_hex(6)
# Runs in the mode: leases what is offered, fills it, and says what the kernel says to each try.
LESSEE = r'''
import fcntl, mmap, os, struct, sys, time
def ioctl(fd, number, fmt, *values):
    data = bytearray(struct.pack(fmt, *values))
    code = 3 << 30 | len(data) << 16 | ord("d") << 8 | number
    fcntl.ioctl(fd, code, data)
    return struct.unpack(fmt, bytes(data))
class Lessee(Client):
    def __init__(self, path):
        super().__init__(path)
        self.connectors, self.lease = [], None
        self.device = self.bind("wp_drm_lease_device_v1", 1, self.on_device)
        self.roundtrip()
    def on_device(self, opcode, body):
        if opcode == 1:
            self.connectors.append(struct.unpack("<I", body)[0])
    def on_lease(self, opcode, body):
        self.lease = self.fds.pop() if opcode == 0 and self.fds else "finished"
    def ask(self):
        request, lease = self.new(), self.new()
        self.send(self.device, 0, struct.pack("<I", request))
        for connector in self.connectors:
            self.send(request, 0, struct.pack("<I", connector))
        self.handlers[lease] = self.on_lease
        self.send(request, 1, struct.pack("<I", lease))
        while self.lease is None:
            self.receive(20)
        return self.lease
def resources(fd):
    counts = ioctl(fd, 0xA0, "QQQQIIIIIIII", *[0] * 12)
    crtcs, connectors = (bytearray(4 * max(1, n)) for n in counts[5:7])
    hold = [(__import__("ctypes").c_char * len(b)).from_buffer(b) for b in (crtcs, connectors)]
    at = [__import__("ctypes").addressof(h) for h in hold]
    ioctl(fd, 0xA0, "QQQQIIIIIIII", 0, at[0], at[1], 0, 0, counts[5], counts[6], 0, 0, 0, 0, 0)
    return struct.unpack_from("I", crtcs)[0], struct.unpack_from("I", connectors)[0]
def first_mode(fd, connector):
    import ctypes
    got = ioctl(fd, 0xA7, "QQQQIIIIIIIIIIII", 0, 0, 0, 0, 0, 0, 0, 0, connector, 0, 0, 0, 0, 0, 0, 0)
    modes = (ctypes.c_char * (68 * got[4]))()
    ioctl(fd, 0xA7, "QQQQIIIIIIIIIIII", 0, ctypes.addressof(modes), 0, 0, got[4], 0, 0, 0, connector, 0, 0, 0, 0, 0, 0, 0)
    return bytes(modes[:68])
def fill(fd, color):
    import ctypes
    crtc, connector = resources(fd)
    mode = first_mode(fd, connector)
    width, height = struct.unpack_from("H", mode, 4)[0], struct.unpack_from("H", mode, 14)[0]
    h, w, bpp, flags, handle, pitch, size = ioctl(fd, 0xB2, "IIIIIIQ", height, width, 32, 0, 0, 0, 0)
    offset = ioctl(fd, 0xB3, "IIQ", handle, 0, 0)[2]
    with mmap.mmap(fd, size, offset=offset) as pixels:
        pixels[:] = struct.pack("<I", color) * (size // 4)
    framebuffer = ioctl(fd, 0xAE, "IIIIIII", 0, width, height, pitch, 32, 24, handle)[0]
    ids = (ctypes.c_uint32 * 1)(connector)
    return lambda: ioctl(fd, 0xA2, "QIIIIIII68s", ctypes.addressof(ids), 1, crtc, framebuffer, 0, 0, 0, 1, mode)
client = Lessee(sys.argv[1])
print("connectors", len(client.connectors), flush=True)
lease = client.ask()
print("lease", "got" if isinstance(lease, int) else lease, flush=True)
if isinstance(lease, int):
    show = fill(lease, int(sys.argv[2], 16))
    while True:
        try:
            show()
            print("shown", flush=True)
        except OSError as error:
            print("refused", error.errno, flush=True)
        time.sleep(0.2)
'''


class Program:
    def __init__(self, mode, color="20c040"):
        client = open("/usr/lib/handset/python/handset_wayland.py", encoding="utf-8").read().split("\ndef main")[0]
        self.process = start("exec", mode, "--", "python3", "-c", client + LESSEE, "/run/pmos/panel/wayland-0", color)

    def says(self, wanted, lines=1000):
        for _ in range(lines):
            line = self.process.stdout.readline().strip()
            if line.startswith(wanted) or not line:
                return line
        return ""


def where():
    done = run("busctl", "--address=unix:path=/run/pmos/panel/control", "--json=short", "call", "org.pmos.Panel1",
               "/org/pmos/Panel1", "org.pmos.Panel1.Control", "State")
    return json.loads(done.stdout)["data"][0] if done.returncode == 0 else ""



def panel_pid():
    return run("systemctl", "show", "-P", "MainPID", "pmos-panel").stdout.strip()


def second_screen():
    """Its colour."""
    _, packed = run("handset-host", "pixels", "0", "0", "0", "0", "1").stdout.split()
    raw = zlib.decompress(base64.b64decode(packed))
    return raw[:3].hex() if raw == raw[:3] * (len(raw) // 3) else "of several colours"


def main():
    text = (PROFILES / "personal.json").read_text()
    check("the panel runs", until(where, 60))
    check("personal is up", until(lambda: status("personal")["state"] == "running", 120))
    denied = Program("personal")
    check("without the right nothing is offered", "KeyError" in denied.process.communicate()[1])
    (PROFILES / "personal.json").write_text(replaced(text, '"display": "foreground"', '"display": "lease"'))
    ctl("reload")
    doctor = pmosctl("doctor").stdout
    check("this phone has an output to lend", "no output beside" not in doctor, doctor)
    ctl("restart", "personal")
    ctl("provision", "secure", pin=PIN)
    ctl("switch", "personal")
    check("personal is shown", until(lambda: where() == "mode personal", 20), where())
    stop_if_failed()
    program = Program("personal")
    check("an output is offered", program.says("connectors") == "connectors 1")
    check("and lent", program.says("lease") == "lease got")
    check("the mode draws on it by itself", program.says("shown") == "shown")
    check("which is seen", until(lambda: second_screen() == "20c040", 10), second_screen())
    other = Program("personal")
    check("it is lent once", other.says("connectors") == "connectors 0" or other.says("lease") == "lease finished")
    other.process.kill()
    run("handset-host", "sendkey", "power")
    check("a page of the panel's comes", until(lambda: where() == "chooser", 10), where())
    check("and the mode's output is its own no more", program.says("refused").startswith("refused"))
    check("it is dark", until(lambda: second_screen() == "000000", 5), second_screen())
    before = panel_pid()
    refused = Program("personal")
    check("nobody is lent it behind the panel's page", refused.says("lease") == "lease finished")
    for process in (refused.process, program.process):
        process.kill()
        process.wait()
    time.sleep(1)
    check("and the panel goes on when who asked has gone", where() == "chooser" and panel_pid() == before)
    ctl("switch", "personal") if status("personal")["foreground"] is False else run("handset-host", "sendkey", "esc")
    ctl("unlock", "secure", pin=PIN)
    ctl("switch", "secure")
    ctl("switch", "personal")
    check("personal is shown again", until(lambda: where() == "mode personal", 20), where())
    again = Program("personal", "e040a0")
    check("it is lent again", again.says("lease") == "lease got")
    check("and drawn on", again.says("shown") == "shown")
    ctl("switch", "secure")
    check("it is dark behind another mode", until(lambda: second_screen() == "000000", 5), second_screen())
    # It stands still, so nothing is said until it goes on.
    ctl("switch", "personal")
    check("a switch has taken it", again.says("refused").startswith("refused"))
    again.process.kill()
    again.process.wait()
    time.sleep(1)
    check("the panel is the same all the while", where() == "mode personal" and panel_pid() == before)


main()
