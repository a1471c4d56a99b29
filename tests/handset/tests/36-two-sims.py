#!/usr/bin/env python3
# boot: own
# timeout: 420
# turn: 2
"""Two modems, each with a SIM, and two modes: one claims the first SIM by its number, the other the second
modem by its name in udev. Each has the calls and messages of its own line and dials by it, and the other
sees nothing of it; an emergency call goes out by whichever is left."""

import json
import os
import pathlib
import secrets
import subprocess
import time

from handset import PROFILES, check, ctl, no_volume, note, pmosctl, replaced, run, stop_if_failed, until

IDS = {"personal": 200000, "secure": 300000}
SHIPPED = {mode: (PROFILES / f"{mode}.json").read_text() for mode in IDS}
NUMBERS = {"personal": "+15551234", "secure": "+15559876"}  # the first is the phone's modem's
SECOND = "second-modem"
RULE = pathlib.Path("/run/udev/rules.d/81-second-modem.rules")
PLACES = {"personal": pathlib.Path("/run/handset-modem"), "secure": pathlib.Path("/run/second-modem")}
BUSES = pathlib.Path("/run/pmos/modem/modes")
PIN = secrets.token_hex(6)
PATIENCE = 60
CALLER = "+4930123456"


def log(mode):
    return PLACES[mode].with_suffix(".log").read_text()


def event(mode, line):
    """Of the modem whose line is the mode's."""
    with open(PLACES[mode].with_suffix(".ctl"), "w", encoding="utf-8") as control:
        print(line, file=control)
    until(lambda: f"control {line}" in log(mode), 10)


def second_modem():
    simulator = subprocess.Popen(["python3", "-B", "/usr/lib/handset/atsim", "/dev/ttyS4", "--number", NUMBERS["secure"],
                                  "--log", "/run/second-modem.log", "--control", "/run/second-modem.ctl"])
    RULE.parent.mkdir(parents=True, exist_ok=True)
    RULE.write_text('SUBSYSTEM=="tty", KERNEL=="ttyS5", ENV{ID_MM_DEVICE_PROCESS}="1", '
                    f'ENV{{ID_MM_PHYSDEV_UID}}="{SECOND}", ENV{{ID_MM_PORT_TYPE_AT_PRIMARY}}="1"\n')
    run("udevadm", "control", "--reload")
    run("udevadm", "trigger", "--action=add", "--settle", "/dev/ttyS5")
    return simulator


def share():
    claims = {"personal": ('"gpu": "render",', '"gpu": "render", "modem": ["sms", "voice"],',
                           f'"modem": {{ "lines": ["{NUMBERS["personal"]}"] }},\n  '),
              "secure": ('"modem": { "rest": true },', '', f'"modem": {{ "lines": ["{SECOND}"] }},\n  ')}
    for mode, (before, instead, claim) in claims.items():
        text = replaced(SHIPPED[mode], before, instead)
        (PROFILES / f"{mode}.json").write_text(replaced(text, '"identity": {', claim + '"identity": {'))
    ctl("reload")


def mmcli(mode, *words):
    """As a process with the mode's ids, on the socket that the mode has."""
    own = str(IDS[mode] + 1000)
    return run("setpriv", f"--reuid={own}", f"--regid={own}", "--clear-groups",
               "env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/two-sims/{mode}/bus", "mmcli", *words)


def of_its_modem(mode, option, key):
    done = mmcli(mode, "-m", "any", option, "-J")
    return json.loads(done.stdout).get(key, []) if done.returncode == 0 else []


def texts(mode):
    return of_its_modem(mode, "--messaging-list-sms", "modem.messaging.sms")


def calls(mode):
    return of_its_modem(mode, "--voice-list-calls", "modem.voice.call")


def ringing(mode):
    """One that has ended is on its list still."""
    return [path for path in calls(mode) if "ringing-in" in mmcli(mode, "-o", path).stdout]


def modems(mode):
    done = mmcli(mode, "-L", "-J")
    return json.loads(done.stdout).get("modem-list", []) if done.returncode == 0 else []


def own_numbers(mode):
    done = mmcli(mode, "-m", "any", "-J")
    return json.loads(done.stdout)["modem"]["generic"]["own-numbers"] if done.returncode == 0 else []


def broker():
    return json.loads(pmosctl("modem", "status", "--json").stdout)


def each_has_its_own():
    note("each mode has its own line, and knows of no other")
    for mode in IDS:
        check(f"{mode} sees one modem", until(lambda: len(modems(mode)) == 1, PATIENCE), modems(mode))
        check("which is its own", until(lambda: own_numbers(mode) == [NUMBERS[mode]], PATIENCE), own_numbers(mode))
    for mode, other in (("personal", "secure"), ("secure", "personal")):
        note(f"a message and a call on the line of {mode}")
        event(mode, f"sms {CALLER} for {mode}")
        check("the message is its own", until(lambda: len(texts(mode)) == 1, PATIENCE), texts(mode))
        check("the other has its line still", len(modems(other)) == 1, modems(other))
        check("and not the other's", f"for {mode}" not in "".join(mmcli(other, "-s", path).stdout for path in texts(other)))
        event(mode, "answer-after never")
        event(mode, f"ring {CALLER}")
        check("the call rings in it", until(lambda: ringing(mode), PATIENCE), broker())
        time.sleep(3)
        check("and not in the other", len(modems(other)) == 1 and not ringing(other), calls(other))
        event(mode, "hangup")
        until(lambda: not ringing(mode), 10)
        mmcli(mode, "-m", "any", "--voice-hangup-all")


def each_dials_by_its_own():
    for mode, other in (("personal", "secure"), ("secure", "personal")):
        note(f"{mode} dials")
        number = f"030{IDS[mode]}"
        made = mmcli(mode, "-m", "any", f"--voice-create-call=number={number}")
        path = made.stdout.split()[-1] if made.returncode == 0 else "/"
        mmcli(mode, "-o", path, "--start")
        check("by its own line", until(lambda: f"dial {number}" in log(mode), PATIENCE), (made, log(mode)[-300:]))
        check("and not by the other's", f"dial {number}" not in log(other))
        mmcli(mode, "-m", "any", "--voice-hangup-all")
        event(mode, "hangup")


def emergency():
    note("the first SIM is gone, and somebody calls 112")
    event("personal", "network 0")
    check("one line is without a network", until(lambda: sorted(line["state"] for line in broker()["lines"]) != [
        "registered", "registered"], PATIENCE), broker())
    event("secure", "answer-after 1")
    check("the host dials", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
    check("by the line that has one", until(lambda: "dial 112" in log("secure"), PATIENCE), log("secure")[-300:])
    check("somebody answers", until(lambda: broker()["emergency"]["phase"] == "active", PATIENCE), broker())
    pmosctl("modem", "hangup")


def main():
    no_volume("secure")
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", pin=PIN)
    simulator = second_modem()
    try:
        share()
        for mode in IDS:
            ctl("restart", mode)
            (pathlib.Path("/run/two-sims") / mode).mkdir(parents=True)
        os.chmod("/run/two-sims", 0o755)
        run("systemctl", "start", "ModemManager")
        check("both lines are there", until(lambda: [line["state"] for line in broker()["lines"]] == ["registered"] * 2, 150),
              broker())
        for mode in IDS:
            until((BUSES / mode / "bus").exists, 20)
            run("mount", "--bind", BUSES / mode, f"/run/two-sims/{mode}")
        stop_if_failed()
        ctl("switch", "personal")
        each_has_its_own()
        each_dials_by_its_own()
        emergency()
    finally:
        for mode in IDS:
            run("umount", f"/run/two-sims/{mode}")
            (PROFILES / f"{mode}.json").write_text(SHIPPED[mode])
        ctl("reload")
        run("systemctl", "stop", "ModemManager")
        simulator.kill()
        simulator.wait()
        RULE.unlink()


main()
