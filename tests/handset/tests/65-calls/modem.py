"""What a mode with the block has of the modem."""

import json
import pathlib

from handset import check, note, pmosctl, run, until
from telephone import PLACE

LOG = pathlib.Path("/run/handset-modem.log")
ID = 300000


def event(line):
    with open("/run/handset-modem.ctl", "w", encoding="utf-8") as control:
        print(line, file=control)
    until(lambda: f"control {line}" in LOG.read_text(), 10)


def broker():
    return json.loads(pmosctl("modem", "status", "--json").stdout)


def state():
    return [line["state"] for line in broker()["lines"]]


def dialled():
    return [line for line in LOG.read_text().splitlines() if line.startswith("dial ")]


def mmcli(*words):
    """As a process with secure's ids, on the socket that the mode has."""
    return run("setpriv", f"--reuid={ID + 1000}", f"--regid={ID + 1000}", "--clear-groups", "env",
               f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={PLACE}/modem/bus", "mmcli", *words)


def dial(number):
    """Whether the mode may, and what it was told."""
    made = mmcli("-m", "any", f"--voice-create-call=number={number}")
    path = next((word for word in made.stdout.split() if word.startswith("/org/")), "")
    if made.returncode != 0 or not path:
        return False, made.stderr
    done = mmcli("-o", path, "--start")
    return done.returncode == 0, done.stderr


def modem():
    note("the modem")
    for words, ruling in (("may secure use the modem's voice?", "refused"),
                          ("may secure use the modem's emergency?", "allowed")):
        told = pmosctl("policy", "explain", words).stdout
        check(words, f"secure: {ruling}" in told and "encrypted-calls.json" in told, told)
    event("answer-after 1")
    run("systemctl", "start", "ModemManager")
    check("the modem is there", until(lambda: [line["calls"] for line in broker()["lines"]] == [True], 120), broker())
    # Bound elsewhere, as the mode has it: nobody's ids pass /run/pmos.
    (PLACE / "modem").mkdir()
    run("mount", "--bind", "/run/pmos/modem/modes/secure", PLACE / "modem")
    check("secure sees it", until(lambda: mmcli("-m", "any").returncode == 0, 20), mmcli("-m", "any"))
    check("nobody has switched it on", state() == ["off"], broker())
    check("112 is not refused", dial("112")[0])
    check("and is dialled", until(lambda: dialled() == ["dial 112"], 60), broker())
    check("somebody answers", until(lambda: "answered 112" in LOG.read_text(), 60), broker())
    check("it is hung up", pmosctl("modem", "hangup").returncode == 0)
    check("the modem is on now", until(lambda: state() == ["registered"], 60), broker())
    for number in ("+4930123456", "1120", "110"):
        good, why = dial(number)
        check(f"{number} is refused", not good and "no right to calls" in why, why)
    check("none of them was dialled", dialled() == ["dial 112"], dialled())
    done = mmcli("-m", "any", "--messaging-create-sms=number='+4930123456',text='in the clear'")
    check("a text is refused", done.returncode != 0 and "no right to messages" in done.stderr, done)
    event("ring +4930123456")
    check("a call that comes is nobody's", until(lambda: broker()["nobodys"]["calls"] == 1, 40), broker())
    event("hangup")
    run("umount", PLACE / "modem")
    run("systemctl", "stop", "ModemManager")
