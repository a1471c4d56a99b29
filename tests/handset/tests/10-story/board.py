"""The phone's screen: one page of text on /dev/tty1 that tells the story at a glance."""

import fcntl
import os
import re
import struct
import termios

PLAIN, BOLD, DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
GREEN, RED, CYAN, YELLOW = "\x1b[1;32m", "\x1b[1;31m", "\x1b[1;36m", "\x1b[1;33m"
CLEAR = "\x1b[?25l\x1b[H\x1b[2J"


def _size(tty):
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(tty, termios.TIOCGWINSZ, b"\0" * 8))
    return rows or 25, columns or 80


def _width(text):
    return len(re.sub(r"\x1b\[[0-9;]*m", "", text))


def _fit(text, width):
    """Cut or filled to a width; colours count nothing, and none is left open."""
    if _width(text) <= width:
        return text + PLAIN + " " * (width - _width(text))
    return re.sub(r"\x1b\[[0-9;]*m", "", text)[:width - 1] + "~" + PLAIN


def _boxes(left, right, width):
    half = (width - 3) // 2
    line = "+" + "-" * half + "+"
    rows = [line + " " + line]
    for a, b in zip(left, right):
        rows.append(f"|{_fit(' ' + a, half)}| |{_fit(' ' + b, half)}|")
    return rows + [line + " " + line]


def steps_lines(tell, planned):
    lines = []
    for number, (name, shown) in enumerate(planned, 1):
        if number > len(tell.steps):
            lines.append(f"{DIM}{number}. {shown}")
            continue
        step = tell.steps[number - 1]
        good = not step["failed"]
        mark = f"{GREEN}ok" if good else f"{RED}FAILED"
        lines.append(f"{number}. {shown:62} {step['checks']:3} checks {step['seconds']:6.1f} s  "
                     f"{mark}")
    return lines


def page(tell, planned, modes, footer, columns):
    width = min(columns - 4, 150)
    title = f"{BOLD}pmos{PLAIN}: one phone, two separate modes"
    lines = ["", title, f"{DIM}what this phone has shown, as the phone itself drew it{PLAIN}", ""]
    lines += _boxes(modes[0], modes[1], width)
    lines += ["", *steps_lines(tell, planned), "", *footer]
    return ["  " + line + PLAIN for line in lines]


def draw(path, tell, planned, modes, footer):
    try:
        tty = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        return f"cannot draw on {path}: {error.strerror}"
    try:
        rows, columns = _size(tty)
        lines = page(tell, planned, modes, footer, columns)[:rows - 1]
        os.write(tty, (CLEAR + "\r\n".join(lines)).encode())
    finally:
        os.close(tty)
    return ""


def coloured(name, rest):
    return f"{CYAN}{name}{PLAIN}{rest}"
