"""A Wayland client in as few words as tests need, for programs in a mode and on the host: a window
of one colour that says what it is told. As a program: wayland.py SOCKET RRGGBB, which writes a line
of JSON for each event of its seat. Knows nothing of pmos."""

import array
import json
import mmap
import os
import select
import socket
import struct
import sys


class Gone(Exception):
    """The compositor has ended the connection, or said that something was wrong."""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.connect(path)
        self.next = 2  # 1 is the display
        self.input = b""
        self.fds = []
        self.handlers = {1: self.on_display}
        self.globals = {}  # interface -> (name, version)
        self.done = set()
        self.registry = self.new()
        self.handlers[self.registry] = self.on_registry
        self.send(1, 1, struct.pack("<I", self.registry))
        self.roundtrip()

    def new(self):
        self.next += 1
        return self.next - 1

    def send(self, obj, opcode, body=b"", fds=()):
        head = struct.pack("<IHH", obj, opcode, 8 + len(body))
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.socket.sendmsg([head + body], ancillary)
        except OSError as error:
            raise Gone(str(error)) from None

    @staticmethod
    def text(words):
        raw = words.encode() + b"\0"
        return struct.pack("<I", len(raw)) + raw + b"\0" * (-len(raw) % 4)

    def receive(self, wait=None):
        """What has come, handed to who waits for it; whether anything was."""
        if not select.select([self.socket], [], [], wait)[0]:
            return False
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, 65536, 28)
        except OSError as error:
            raise Gone(str(error)) from None
        if not data:
            raise Gone("the compositor has closed the connection")
        self.fds += fds
        self.input += data
        while len(self.input) >= 8:
            obj, opcode, size = struct.unpack_from("<IHH", self.input)
            if len(self.input) < size:
                break
            body, self.input = self.input[8:size], self.input[size:]
            if obj in self.handlers:
                self.handlers[obj](opcode, body)
        return True

    def roundtrip(self, wait=20):
        callback = self.new()
        self.handlers[callback] = lambda opcode, body: self.done.add(callback)
        self.send(1, 0, struct.pack("<I", callback))
        while callback not in self.done:
            if not self.receive(wait):
                raise Gone(f"no answer within {wait} s")

    def on_display(self, opcode, body):
        if opcode == 0:
            obj, code, size = struct.unpack_from("<III", body)
            raise Gone(f"error {code} on object {obj}: {body[12:12 + size - 1].decode(errors='replace')}")

    def on_registry(self, opcode, body):
        if opcode == 0:
            name, size = struct.unpack_from("<II", body)
            interface = body[8:8 + size - 1].decode()
            version = struct.unpack_from("<I", body, 8 + size + -size % 4)[0]
            self.globals[interface] = (name, version)

    def bind(self, interface, version=1, handler=None):
        name, _ = self.globals[interface]
        obj = self.new()
        if handler:
            self.handlers[obj] = handler
        self.send(self.registry, 0, struct.pack("<I", name) + self.text(interface) +
                  struct.pack("<II", version, obj))
        return obj


class Window:
    """One that fills what it is given with one colour, and tells what its seat hears."""

    def __init__(self, client, color, tell=lambda **event: None):
        self.client, self.color, self.tell = client, color, tell
        self.size, self.drawn = (0, 0), None
        self.configured = False
        self.compositor = client.bind("wl_compositor", 4)
        self.shm = client.bind("wl_shm")
        self.shell = client.bind("xdg_wm_base", 1, self.on_shell)
        self.surface = client.new()
        client.send(self.compositor, 0, struct.pack("<I", self.surface))
        self.xdg = client.new()
        client.handlers[self.xdg] = self.on_xdg
        client.send(self.shell, 2, struct.pack("<II", self.xdg, self.surface))
        self.toplevel = client.new()
        client.handlers[self.toplevel] = self.on_toplevel
        client.send(self.xdg, 1, struct.pack("<I", self.toplevel))
        client.send(self.surface, 6)
        if "wl_seat" in client.globals:
            self.seat = client.bind("wl_seat", 5, self.on_seat)
        while not self.configured:
            if not client.receive(20):
                raise Gone("the window is not configured")

    def on_shell(self, opcode, body):
        self.client.send(self.shell, 3, body)  # pong

    def on_toplevel(self, opcode, body):
        if opcode == 0:
            self.size = struct.unpack_from("<ii", body)

    def on_xdg(self, opcode, body):
        self.client.send(self.xdg, 4, body)  # ack_configure
        self.configured = True
        if self.size != self.drawn:
            self.draw()
            self.drawn = self.size
        else:
            self.client.send(self.surface, 6)

    def buffer(self, width, height, color=None):
        """A wl_buffer of one colour; its memory goes with the pool."""
        size = width * height * 4
        fd = os.memfd_create("window")
        os.ftruncate(fd, size)
        with mmap.mmap(fd, size) as memory:
            memory[:] = struct.pack("<I", 0xFF000000 | (self.color if color is None else color)) * (width * height)
        pool, buffer = self.client.new(), self.client.new()
        self.client.send(self.shm, 0, struct.pack("<Ii", pool, size), [fd])
        self.client.send(pool, 0, struct.pack("<IiiiiI", buffer, 0, width, height, width * 4, 1))
        self.client.send(pool, 1)
        # Let go by the compositor, it is gone.
        self.client.handlers[buffer] = lambda opcode, body: self.client.send(buffer, 0)
        return buffer, fd

    def draw(self, size=None, at=(0, 0)):
        width, height = size or self.size
        buffer, fd = self.buffer(width or 300, height or 300)
        os.close(fd)
        self.client.send(self.surface, 1, struct.pack("<Iii", buffer, *at))
        self.client.send(self.surface, 2, struct.pack("<iiii", 0, 0, 1 << 30, 1 << 30))
        self.client.send(self.surface, 6)

    def on_seat(self, opcode, body):
        if opcode != 0:
            return
        for bit, request, handler in ((1, 0, self.on_pointer), (2, 1, self.on_keyboard), (4, 2, self.on_touch)):
            if struct.unpack("<I", body)[0] & bit:
                obj = self.client.new()
                self.client.handlers[obj] = handler
                self.client.send(self.seat, request, struct.pack("<I", obj))

    def on_keyboard(self, opcode, body):
        if opcode == 0 and self.client.fds:
            os.close(self.client.fds.pop(0))
        if opcode == 1:
            self.tell(event="enter", held=len(body[8:]) // 4 - 1)
        if opcode == 2:
            self.tell(event="leave")
        if opcode == 3:
            _, _, key, state = struct.unpack("<IIII", body)
            self.tell(event="key", key=key, pressed=state == 1)
        if opcode == 4:
            self.tell(event="modifiers", down=struct.unpack("<IIIII", body)[1])

    def on_pointer(self, opcode, body):
        if opcode == 0:
            self.tell(event="pointer-enter")
        if opcode == 2:
            _, x, y = struct.unpack("<Iii", body)
            self.tell(event="motion", x=x / 256, y=y / 256)
        if opcode == 3:
            _, _, button, state = struct.unpack("<IIII", body)
            self.tell(event="button", button=button, pressed=state == 1)

    def on_touch(self, opcode, body):
        if opcode == 0:
            _, _, _, touch, x, y = struct.unpack("<IIIiii", body)
            self.tell(event="touch-down", id=touch, x=x / 256, y=y / 256)
        if opcode == 1:
            self.tell(event="touch-up", id=struct.unpack("<IIi", body)[2])


def main():
    client = Client(sys.argv[1])

    def tell(**event):
        print(json.dumps(event), flush=True)

    Window(client, int(sys.argv[2], 16), tell)
    client.roundtrip()
    tell(event="drawn")
    while True:
        client.receive()


if __name__ == "__main__":
    main()
