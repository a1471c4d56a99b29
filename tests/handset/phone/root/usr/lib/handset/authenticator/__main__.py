"""A FIDO2 authenticator on this machine's USB, by /dev/uhid, until it is killed. Never a real one.

usage: authenticator DIRECTORY. In it: `pin`, its PIN, read at the start, without one it has none;
`silent`, there at the start: without its PIN it does nothing;
`touch`, read at each touch: what the person does, yes (also without the file), never, late or no;
`log`, what it was asked for, a line each; `ready`, there while it is plugged in; `store.json`, its
own, by which it is the same one when it is plugged in again."""

import os
import pathlib
import select
import signal
import struct
import sys
import time

import ctap2

EVENT = struct.Struct("<I4372s")  # uhid_event of linux/uhid.h
DESTROY, OUTPUT, CREATE, INPUT = 1, 6, 11, 12
USB = 3
# Of the FIDO usage page: reports of 64 bytes in and out.
DESCRIPTOR = bytes.fromhex("06d0f1 0901 a101 0920 1500 26ff00 7508 9540 8102"
                           "0921 1500 26ff00 7508 9540 9102 c0")
REPORT = 64
INIT, CBOR, CANCEL, KEEPALIVE, ERROR = 0x06, 0x10, 0x11, 0x3B, 0x3F
EVERYBODY = b"\xff" * 4
UP_NEEDED = b"\x02"
INVALID_CMD = b"\x01"
DENIED, CANCELLED, LATE = 0x27, 0x2D, 0x2F
PATIENCE = 120  # longer than who is tested has


class Port:
    """Messages of CTAPHID over one device of uhid."""

    def __init__(self):
        self.fd = os.open("/dev/uhid", os.O_RDWR)
        self.send(CREATE, struct.pack("<128s64s64sHHIIII", b"pmos test authenticator", b"", b"",
                                      len(DESCRIPTOR), USB, 0x1209, 0x0001, 1, 0) + DESCRIPTOR)
        self.channels = 0

    def send(self, kind, data):
        os.write(self.fd, EVENT.pack(kind, data))

    def report(self, wait=None):
        """The next report of the other side; None when none has come in that time."""
        end = None if wait is None else time.monotonic() + wait
        while True:
            left = None if end is None else max(0, end - time.monotonic())
            if not select.select([self.fd], [], [], left)[0]:
                return None
            kind, data = EVENT.unpack(os.read(self.fd, EVENT.size).ljust(EVENT.size, b"\0"))
            if kind == OUTPUT:
                size = struct.unpack_from("<H", data, 4096)[0]
                return data[size - REPORT:size]  # without the number of the report

    def receive(self):
        """Channel, command and data of a whole message."""
        first = self.report()
        channel, command, size = first[:4], first[4] & 0x7F, int.from_bytes(first[5:7], "big")
        data = first[7:]
        while len(data) < size:
            more = self.report()
            if more[:4] == channel:
                data += more[5:]
        return channel, command, data[:size]

    def answer(self, channel, command, data):
        parts = [bytes([command | 0x80]) + len(data).to_bytes(2, "big") + data[:REPORT - 7]]
        rest = data[REPORT - 7:]
        for sequence, at in enumerate(range(0, len(rest), REPORT - 5)):
            parts.append(bytes([sequence]) + rest[at:at + REPORT - 5])
        for part in parts:
            self.send(INPUT, struct.pack("<H", REPORT) + (channel + part).ljust(REPORT, b"\0"))

    def new_channel(self, nonce):
        self.channels += 1
        return nonce + self.channels.to_bytes(4, "big") + bytes([2, 1, 0, 0, 0x0C])  # CBOR, no U2F


class Plugged:
    def __init__(self, directory):
        self.directory, self.port = directory, Port()
        self.channel = EVERYBODY
        self.authenticator = ctap2.Authenticator(directory, self.touch, self.log)

    def log(self, words):
        with open(self.directory / "log", "a") as out:
            print(words, file=out)

    def touch(self):
        """Blinks until the person does something, or the other side gives up."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.port.answer(self.channel, KEEPALIVE, UP_NEEDED)
            file = self.directory / "touch"
            does = file.read_text().strip() if file.exists() else "yes"
            if does != "never":
                self.log({"yes": "touched", "no": "refused"}.get(does, does))
            if does == "yes":
                return
            if does != "never":
                raise ctap2.Refused({"no": DENIED, "late": LATE}[does])
            report = self.port.report(0.1)
            if report and report[:4] == self.channel and report[4] & 0x7F == CANCEL:
                self.log("cancelled")
                raise ctap2.Refused(CANCELLED)
        raise ctap2.Refused(LATE)

    def serve(self):
        while True:
            self.channel, command, data = self.port.receive()
            if command == INIT:
                self.port.answer(self.channel, INIT, self.port.new_channel(data))
            elif command == CBOR:
                self.port.answer(self.channel, CBOR, self.authenticator.answer(data[0], data[1:]))
            elif command != CANCEL:
                self.port.answer(self.channel, ERROR, INVALID_CMD)


def main():
    directory = pathlib.Path(sys.argv[1])
    plugged = Plugged(directory)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    (directory / "ready").touch()
    try:
        plugged.serve()
    finally:
        (directory / "ready").unlink()


main()
