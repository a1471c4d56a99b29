"""An AT modem (3GPP 27.007, 27.005) at one end of a serial line, good enough for ModemManager.

Texts go in and out in PDU mode, calls both ways. Every command and every event is a line in the
log. control.py says which events the control FIFO takes. Never part of a real phone."""

import argparse
import heapq
import itertools
import os
import re
import select
import termios
import time
import tty

import answers
from control import control
from modem import Modem


class Line:
    """Cuts the bytes of a serial line into commands and PDUs."""

    def __init__(self, modem):
        self.modem = modem
        self.buffer = b""

    def take(self, data):
        self.buffer += data
        while self._one():
            pass

    def _one(self):
        waits = self.modem.rest is not None
        # Ctrl-Z ends a PDU, Esc drops it.
        match = re.search(rb"[\x1a\x1b]" if waits else rb"[\r\n\x1a\x1b]", self.buffer)
        if not match:
            return False
        text = self.buffer[: match.start()].decode(errors="replace").strip()
        self.buffer = self.buffer[match.end() :]
        if waits:
            self.modem.pdu(text if match[0] == b"\x1a" else None)
        elif text[:2].upper() == "AT":
            self.modem.line(text[2:])
        return True


class Clock:
    """What is to be done later, on the loop that asks `wait` how long it may sleep."""

    def __init__(self):
        self.entries = []
        self.count = itertools.count()

    def later(self, seconds, what):
        heapq.heappush(self.entries, (time.monotonic() + seconds, next(self.count), what))

    def wait(self):
        return max(0, self.entries[0][0] - time.monotonic()) if self.entries else None

    def strike(self):
        while self.entries and self.entries[0][0] <= time.monotonic():
            heapq.heappop(self.entries)[2]()


def open_line(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(fd)
    settings = termios.tcgetattr(fd)
    settings[2] = (settings[2] | termios.CLOCAL | termios.CREAD) & ~termios.CRTSCTS
    settings[4] = settings[5] = termios.B115200
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    return fd


def become(number):
    """Another modem with another SIM."""
    digits = number[-4:]
    for command in ("+CGSN", "+GSN"):
        answers.FIXED[command] = answers.FIXED[command][:-4] + digits
    answers.OF_THE_SIM["+CIMI"] = answers.OF_THE_SIM["+CIMI"][:-4] + digits
    answers.OF_THE_SIM["+CNUM"] = f'+CNUM: "","{number}",145'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("line", help="the tty to answer on")
    parser.add_argument("--log", required=True)
    parser.add_argument("--number", help="of another SIM, in another modem")
    parser.add_argument("--control", required=True, help="a FIFO, made when it is missing")
    args = parser.parse_args()

    if args.number:
        become(args.number)
    if not os.path.exists(args.control):
        os.mkfifo(args.control, 0o600)
    events = os.open(args.control, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    line = open_line(args.line)
    with open(args.log, "a", buffering=1, encoding="utf-8") as log:
        clock = Clock()
        modem = Modem(lambda text: os.write(line, text.encode()),
                      lambda text: print(*text.splitlines(), file=log), clock.later)
        cutter = Line(modem)
        while True:
            readable, _, _ = select.select([line, events], [], [], clock.wait())
            if events in readable:
                for text in os.read(events, 65536).decode(errors="replace").splitlines():
                    control(modem, text)
            if line in readable:
                cutter.take(os.read(line, 4096))
            clock.strike()


if __name__ == "__main__":
    main()
