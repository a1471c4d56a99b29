"""The wire to the phone's agent. Never looks at what a script prints.

A frame is one byte of kind, four bytes of length (big endian) and the payload.
  phone to host: R ready, 1 stdout, 2 stderr, X exit (JSON), H request of a script (JSON)
  host to phone: J job (JSON) followed by F its script, h answer to H (JSON), P power off
"""

import json
import selectors
import socket
import struct
import time

from .base import Failure


class Died(Failure):
    """The phone is gone: it panicked, hung, or powered itself off."""


class Link:
    def __init__(self, path, alive):
        self.alive = alive
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.socket.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.buffer = bytearray()
        self.host_request = lambda request: {"error": "not served here"}

    def send(self, kind, payload=b""):
        self.socket.setblocking(True)
        self.socket.sendall(struct.pack(">cI", kind, len(payload)) + payload)
        self.socket.setblocking(False)

    def send_json(self, kind, value):
        self.send(kind, json.dumps(value).encode())

    def _frame(self):
        if len(self.buffer) < 5:
            return None
        kind, size = struct.unpack(">cI", self.buffer[:5])
        if len(self.buffer) < 5 + size:
            return None
        payload = bytes(self.buffer[5 : 5 + size])
        del self.buffer[: 5 + size]
        return kind, payload

    def receive(self, deadline):
        """The next frame; raises when the phone dies or the deadline passes."""
        while True:
            frame = self._frame()
            if frame and frame[0] == b"H":
                self.send_json(b"h", self.host_request(json.loads(frame[1])))
                continue
            if frame:
                return frame
            left = deadline - time.monotonic()
            if left <= 0:
                raise Died("the phone does not answer in time")
            if self.selector.select(min(left, 0.5)):
                data = self.socket.recv(1 << 20)
                if not data:
                    raise Died("the phone went away")
                self.buffer += data
            elif not self.alive():
                raise Died("the phone went away")

    def ready(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            kind, payload = self.receive(deadline)
            if kind == b"R":
                return json.loads(payload)

    def run(self, name, script, timeout, out, err, env=None):
        """Runs a script on the phone; out and err take its bytes as they come."""
        self.send_json(b"J", {"name": name, "timeout": timeout, "env": env or {}})
        self.send(b"F", script)
        # The agent ends the job itself; only a phone that hangs is waited for longer.
        deadline = time.monotonic() + timeout + 30
        while True:
            kind, payload = self.receive(deadline)
            if kind == b"1":
                out(payload)
            elif kind == b"2":
                err(payload)
            elif kind == b"X":
                return json.loads(payload)
