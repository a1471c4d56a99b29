"""The phone's screen: windows in the modes, and pictures of what a person sees after each step."""

import json
import time

import phone

# What each mode shows: words, and a calendar.
PROGRAMS = {"personal": "sh -c 'printf \"\\n  personal\\n\\n  chat, games, shopping\\n\"; exec sleep 100000'",
            "secure": "calcurse -D /tmp/calcurse -C /tmp/calcurse"}
taken = []


def state():
    done = phone.run("busctl", "--address=unix:path=/run/pmos/panel/control", "call", "org.pmos.Panel1",
                     "/org/pmos/Panel1", "org.pmos.Panel1.Control", "State")
    return done.out.split('"')[1] if '"' in done.out else ""


def picture(name):
    """The screen a moment later, when what was to come has been drawn."""
    time.sleep(2)
    name = f"{len(taken) + 1:02}-{name}.ppm"
    taken.append(name)
    return phone.run("handset-host", "screendump", name)


def window(mode):
    """A terminal of Debian's with that mode's program, which ends with the mode."""
    words = f"exec foot --font=monospace:size=7 {PROGRAMS[mode]}"
    return phone.ctl("exec", mode, "--", "sh", "-c",
                     f"export XDG_RUNTIME_DIR=/tmp HOME=/tmp TERM=xterm; setsid sh -c {quoted(words)} "
                     "</dev/null >/dev/null 2>&1 &")


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def keys(*names):
    for name in names:
        phone.run("handset-host", "sendkey", name)
        time.sleep(0.2)


def tell_panel(tell, _facts):
    """The way to the pad: the power key, the chooser, the pad, and back."""
    tell.check("personal has a window", window("personal").code == 0)
    phone.within(20, lambda: state() == "mode personal")
    tell.equal("the panel shows the mode in front", "mode personal", state())
    tell.say(picture("personal").out.strip())
    keys("power")
    tell.equal("the power key leads to the panel, whatever the mode does", "chooser", state())
    tell.say(picture("chooser").out.strip())


def tell_pad(tell):
    """What is typed on the pad: not the PIN, which nobody but the worker is to have."""
    keys("power")
    touch("choose", "secure")
    phone.within(20, lambda: state() == "pad secure")
    tell.equal("a locked mode is opened on a pad of the panel's own", "pad secure", state())
    keys("1", "2", "3", "4")
    tell.say(picture("pad").out.strip())
    keys("esc")
    tell.equal("and left", "chooser", state())


def touch(does, mode):
    """Where the panel says that it is."""
    listed = phone.run("busctl", "--address=unix:path=/run/pmos/panel/control", "--json=short", "call",
                       "org.pmos.Panel1", "/org/pmos/Panel1", "org.pmos.Panel1.Control", "List")
    for x, y, width, height, verb, of, _ in json.loads(listed.out)["data"][0]:
        if (verb, of) == (does, mode):
            return click(x + width // 2, y + height // 2)
    raise RuntimeError(f"nothing on the panel for {does} {mode}")


def click(x, y):
    size = [int(n) for n in open("/sys/class/graphics/fb0/virtual_size", encoding="ascii").read().split(",")]
    point = [{"type": "abs", "data": {"axis": axis, "value": at * 32767 // most}}
             for axis, at, most in (("x", x, size[0]), ("y", y, size[1]))]
    phone.run("handset-host", "input", json.dumps(point))
    for down in (True, False):
        time.sleep(0.06)
        phone.run("handset-host", "input", json.dumps([{"type": "btn", "data": {"down": down, "button": "left"}}]))
