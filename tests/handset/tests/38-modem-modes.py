#!/usr/bin/env python3
# boot: own
# timeout: 420
# turn: 3
"""Calls and messages of real modes, by their profiles: whose they are while modes are switched,
frozen, locked and stopped, over a pmosd and a broker that die, and under profiles that change."""

import json
import os
import pathlib
import secrets
import signal
import subprocess

from handset import (PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run, status,
                     stop_if_failed, until)

LOG = pathlib.Path("/run/handset-modem.log")
RUN = pathlib.Path("/run/pmos/modem")
TOLD = pathlib.Path("/run/modem-calls")
HOOK = pathlib.Path("/usr/share/pmos/hooks/told-of-calls")
IDS = {"personal": 200000, "secure": 300000}
SHIPPED = {mode: (PROFILES / f"{mode}.json").read_text() for mode in IDS}
PIN = secrets.token_hex(6)
PATIENCE = 40
SECURES = "+4915112345678"
OTHER = "+4930123456"
GREET = ("import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('/run/pmos/modem/bus')\n"
         "s.sendall(b'\\0AUTH ANONYMOUS 70\\r\\n')\nprint(s.recv(99).decode())")


def event(line):
    with open("/run/handset-modem.ctl", "w", encoding="utf-8") as control:
        print(line, file=control)
    until(lambda: f"control {line}" in LOG.read_text(), 10)


def policy(personal, secure, restart=()):
    """The members `modem` of devices and of the profile, of each."""
    grants = {"personal": '"gpu": "render", "modem": %s\n  },\n  "modem": %s,\n',
              "secure": '"modem": %s\n  },\n  "modem": %s,\n'}
    before = {"personal": ('"gpu": "render",\n    '
                           '"audio": { "playback": "foreground", "capture": "foreground" }\n  },\n'),
              "secure": '"modem": ["sms", "voice"]\n  },\n  "modem": { "rest": true },\n'}
    for mode, (rights, claims) in (("personal", personal), ("secure", secure)):
        text = replaced(SHIPPED[mode], before[mode], grants[mode] % (json.dumps(rights), json.dumps(claims)))
        text = replaced(text, '"hooks": {', '"hooks": { "modemCall": ["told-of-calls"], ')
        (PROFILES / f"{mode}.json").write_text(text)
    ctl("reload")
    for mode in restart:
        ctl("restart", mode)


def mmcli(mode, *words):
    """As a process with the mode's ids, on the socket that the mode has."""
    bus = f"unix:path=/run/modem-test/{mode}/bus"
    return run("setpriv", f"--reuid={IDS[mode] + 1000}", f"--regid={IDS[mode] + 1000}", "--clear-groups",
               "env", f"DBUS_SYSTEM_BUS_ADDRESS={bus}", "mmcli", *words)


def paths(mode, what):
    key = "modem.messaging.sms" if what == "sms" else "modem.voice.call"
    option = "--messaging-list-sms" if what == "sms" else "--voice-list-calls"
    done = mmcli(mode, "-m", "any", option, "-J")
    return json.loads(done.stdout).get(key, []) if done.returncode == 0 else []


def ringing(mode):
    """Paths of the calls that ring for it."""
    return [path for path in paths(mode, "call") if "ringing-in" in mmcli(mode, "-o", path).stdout]


def live():
    return {row["mode"]: row["calls"] for row in broker()["modes"]}


def broker():
    return json.loads(pmosctl("modem", "status", "--json").stdout)


def state(mode):
    row = status(mode)
    return row["state"], row["foreground"]


def becomes(mode, *wanted):
    return bool(until(lambda: state(mode) == wanted, 20))


def hooks():
    return TOLD.read_text().split() if TOLD.exists() else []


def inside(mode):
    return pmosctl("exec", mode, "--", "python3", "-c", GREET)


def doctor_says(severity):
    return bool(until(lambda: any(f["subject"] == "modem broker" and f["severity"] == severity
                                  for f in json.loads(pmosctl("doctor", "--json").stdout)), 20))


def over():
    """The other side hangs up. ModemManager misses that where it asks the modem something else just then
    (docs/modem.md): then the mode hangs up."""
    event("hangup")
    if not until(lambda: not any(live().values()), 10):
        note("ModemManager does not see that the other side hangs up")
        for mode in IDS:
            mmcli(mode, "-m", "any", "--voice-hangup-all")
    check("the call is over", until(lambda: not any(live().values()), PATIENCE), live())


HOOK.write_text("#!/bin/sh\nstate=$(sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/')\n"
                f"echo \"$PMOS_MODE:$state\" >>{TOLD}\n")
HOOK.chmod(0o755)
check("the broker is told by pmosd", doctor_says("ok"), pmosctl("doctor").stdout)
run("systemctl", "stop", "pmos-modem")
check("without a broker the doctor warns", doctor_says("warning"), pmosctl("doctor").stdout)
run("systemctl", "start", "pmos-modem")
check("it may come later", doctor_says("ok"), pmosctl("doctor").stdout)
ctl("provision", "secure", pin=PIN)
ctl("unlock", "secure", pin=PIN)
run("systemctl", "start", "ModemManager")
check("the modem is there", until(lambda: [line["state"] for line in broker()["lines"]] == ["registered"], 120),
      broker())
stop_if_failed()

note("as shipped, all of it is secure's")
check("secure's programs reach the broker", until(lambda: inside("secure").stdout.startswith("OK"), 20),
      inside("secure"))
check("personal's have nothing there", "FileNotFoundError" in inside("personal").stderr)
place = pathlib.Path(f"/proc/{status('secure')['pid']}/root{RUN}")
check("what secure has is its own directory",
      os.stat(place / "bus").st_ino == os.stat(RUN / "modes/secure/bus").st_ino)
check("and nothing else", [p.name for p in place.iterdir()] == ["bus"])
done = pmosctl("exec", "secure", "--", "sh", "-c", "rm /run/pmos/modem/bus; : >/run/pmos/modem/x")
check("it changes nothing there", done.returncode != 0 and (RUN / "modes/secure/bus").exists())

note("two modes share the modem")
policy((["sms", "voice"], {"rest": True}), (["sms", "voice"], {"numbers": ["+49151*"]}), restart=IDS)
ctl("switch", "secure")
ctl("switch", "personal")
for mode in IDS:
    (pathlib.Path("/run/modem-test") / mode).mkdir(parents=True)
    run("mount", "--bind", RUN / "modes" / mode, f"/run/modem-test/{mode}")
os.chmod("/run/modem-test", 0o755)
check("both see a modem", until(lambda: all("registered" in mmcli(mode, "-m", "any").stdout for mode in IDS),
                                PATIENCE))
check("secure stands still behind personal", state("secure") == ("frozen", False), state("secure"))
event(f"sms {SECURES} hello")
check("a text for secure does not thaw it", until(lambda: len(paths("secure", "sms")) == 1, PATIENCE) and
      state("secure") == ("frozen", False), state("secure"))
check("and is not personal's", paths("personal", "sms") == [])
stop_if_failed()

note("a call for a frozen mode")
event("answer-after never")
event(f"ring {SECURES}")
check("it rings in secure", until(lambda: ringing("secure"), PATIENCE), live())
check("which goes on", becomes("secure", "running", False), state("secure"))
check("behind personal", state("personal") == ("running", True))
check("status says why", status("secure")["onCall"] and "running, on call" in pmosctl("status").stdout)
check("where it rings not", not paths("personal", "call"))
check("the host's program is told, with the state it was in", until(lambda: hooks() == ["secure:frozen"], 10),
      hooks())
ctl("switch", "secure")
check("it can come to the front", state("secure") == ("running", True))
taken = (ringing("secure") or ["/"])[0]
check("and take the call", mmcli("secure", "-o", taken, "--accept").returncode == 0)
ctl("switch", "personal")
check("behind again, it goes on speaking", state("secure") == ("running", False) and live()["secure"] == 1,
      (state("secure"), live()))
old = main_pid()
os.kill(old, signal.SIGKILL)
another_pmosd(old)
check("also over a pmosd that dies", becomes("secure", "running", False) and live()["secure"] == 1,
      (state("secure"), live()))
check("and personal is in front", state("personal") == ("running", True), state("personal"))
run("systemctl", "kill", "-s", "KILL", "pmos-modem")
check("and over a broker that dies", until(lambda: pmosctl("modem", "status").returncode == 0 and
                                           state("secure") == ("running", False), 20), state("secure"))
check("which is told again", until(lambda: len(broker()["modes"]) == 2, PATIENCE), broker())
over()
check("after the call secure stands still again", becomes("secure", "frozen", False) and
      not status("secure")["onCall"], (state("secure"), live()))
stop_if_failed()

note("who is in front has the calls that nobody claims")
event(f"ring {OTHER}")
check("personal", until(lambda: ringing("personal"), PATIENCE), live())
check("secure sleeps on", state("secure") == ("frozen", False) and not ringing("secure"), state("secure"))
over()

note("a call for a locked mode, and for one that is stopped")
ctl("lock", "secure")
before = len(hooks())
event(f"ring {SECURES}")
check("it is told", until(lambda: hooks()[before:] == ["secure:stopped"], PATIENCE), hooks())
check("and nobody else's", not ringing("personal") and status("secure")["locked"], live())
over()

note("an emergency while a switch is under way, while pmosd stands still, and when it and a mode die")
ctl("unlock", "secure", pin=PIN)
event("answer-after 1")
switching = subprocess.Popen(["sh", "-c", "while pmosctl switch secure && pmosctl switch personal; do :; done"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def help_comes(times):
    check("112 is taken", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
    check("and dialled", until(lambda: LOG.read_text().splitlines().count("dial 112") == times, PATIENCE))
    check("somebody answers", until(lambda: LOG.read_text().splitlines().count("answered 112") == times, PATIENCE))
    check("it is hung up", pmosctl("modem", "hangup").returncode == 0)
    until(lambda: broker()["emergency"]["phase"] == "ended", PATIENCE)


for round_, strike in enumerate((None, signal.SIGSTOP, signal.SIGKILL), 1):
    pid = main_pid()
    if strike == signal.SIGKILL:
        os.kill(status("personal")["pid"], strike)
    if strike:
        os.kill(pid, strike)
    help_comes(round_)
    if strike == signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
another_pmosd(pid)
switching.terminate()
switching.wait()
check("two modes are never in front", [state(mode)[1] for mode in IDS].count(True) <= 1, [state(m) for m in IDS])
check("personal starts again", pmosctl("switch", "personal").returncode == 0 or
      until(lambda: pmosctl("switch", "personal").returncode == 0, 20), status("personal"))

note("an emergency when all is locked, nobody is in front, and no mode has a microphone")
ctl("lock", "secure")
ctl("switch", "--none")
check("so it is", status("secure")["locked"] and not any(state(mode)[1] for mode in IDS) and
      '"capture"' not in (PROFILES / "personal.json").read_text(), status("secure"))
help_comes(4)
ctl("unlock", "secure", pin=PIN)
ctl("switch", "personal")

note("profiles that change")
policy((["sms", "voice"], {"rest": True, "numbers": ["+49151*"]}), (["sms", "voice"], {}))
check("the text that secure had stays secure's", until(lambda: len(paths("secure", "sms")) == 1, PATIENCE) and
      not paths("personal", "sms"))
event(f"ring {SECURES}")
check("but the number is personal's now, without a restart", until(lambda: ringing("personal"), PATIENCE), live())
over()
policy((["sms", "voice"], {"rest": True}), (["sms", "voice"], {"rest": True}))
told = pmosctl("policy", "check")
check("two that claim the same are told of", "claimed-twice" in told.stdout + told.stderr, told)
event(f"sms {OTHER} whose is this")
check("and what both claim is nobody's", until(lambda: broker()["nobodys"]["messages"] == 1, PATIENCE), broker())
policy((["sms", "voice"], {"rest": True}), ([], {}), restart=("secure",))
check("a right that goes takes the broker along", until(lambda: not (RUN / "modes/secure/bus").exists(), 20))
check("and the place in the mode", "FileNotFoundError" in inside("secure").stderr)
(PROFILES / "secure.json").write_text("{")
ctl("reload")
event(f"ring {OTHER}")
check("while a profile cannot be read nothing that nobody claims is anybody's",
      until(lambda: broker()["nobodys"]["calls"] == 1, PATIENCE) and not ringing("personal"), broker())
event("hangup")
site = PROFILES / "site.json"
site.write_text(replaced(site.read_text(), '"require": [', '"emergencyNumbers": ["110"], "require": ['))
policy((["sms", "voice"], {"rest": True}), ([], {}))
check("the owner's emergency number is called", until(
    lambda: pmosctl("modem", "call", "--no-wait", "110").returncode == 0, 10))
check("and dialled", until(lambda: "dial 110" in LOG.read_text(), PATIENCE))
pmosctl("modem", "hangup")

note("a data connection")
policy((["data", "voice"], {"accessPoints": ["games.example"]}), (["data"], {"accessPoints": ["intern.example", "b"]}),
       restart=IDS)
run("umount", "/run/modem-test/secure")  # its place was made anew
run("mount", "--bind", RUN / "modes" / "secure", "/run/modem-test/secure")
ctl("switch", "secure")
ctl("switch", "personal")
check("the modem is well", until(lambda: [line["state"] for line in broker()["lines"]] == ["registered"], PATIENCE),
      broker())


def connections():
    return [(one["mode"], one["accessPoint"]) for one in broker()["connections"]]


def bearers(mode):
    done = mmcli(mode, "-m", "any", "-J")
    return json.loads(done.stdout)["modem"]["generic"]["bearers"] if done.returncode == 0 else done


done = mmcli("secure", "-m", "any", "--simple-connect=apn=games.example")
check("another's access point is refused", "may not connect to 'games.example'" in done.stderr and
      "connected to" not in LOG.read_text(), done)
done = mmcli("secure", "-m", "any", "--simple-connect=apn=intern.example,user=me")
check("and what a mode cannot say", "'user' cannot be given here" in done.stderr, done)
done = mmcli("secure", "-m", "any", "--simple-connect=apn=intern.example")
check("secure connects to its own", done.returncode == 0, done)
check("where the modem connected to", "connected to intern.example" in LOG.read_text().splitlines(),
      LOG.read_text().splitlines()[-20:])
check("status shows whose it is", until(lambda: connections() == [("secure", "intern.example")], PATIENCE), broker())
check("so do words", "intern.example" in pmosctl("modem", "status").stdout, pmosctl("modem", "status").stdout)
check("secure sees it", until(lambda: bearers("secure") == ["/org/freedesktop/ModemManager1/Bearer/0"], PATIENCE),
      bearers("secure"))
shown = mmcli("secure", "-b", "/org/freedesktop/ModemManager1/Bearer/0")
check("with what it is", "connected: yes" in shown.stdout and "intern.example" in shown.stdout and
      "ttyS" not in shown.stdout, shown)
check("personal does not", bearers("personal") == [], bearers("personal"))
done = mmcli("personal", "-b", "/org/freedesktop/ModemManager1/Bearer/0")
check("by no name", done.returncode != 0, done)
done = mmcli("personal", "-m", "any", "--simple-connect=apn=games.example")
check("nor does it take the modem from it", "the modem is connected" in done.stderr, done)
check("or end it", mmcli("personal", "-m", "any", "--simple-disconnect").returncode == 0 and
      connections() == [("secure", "intern.example")], broker())
run("systemctl", "kill", "-s", "KILL", "pmos-modem")
check("a broker that starts again knows whose it is", until(
    lambda: pmosctl("modem", "status").returncode == 0 and connections() == [("secure", "intern.example")], PATIENCE),
      pmosctl("modem", "status"))
check("112 is dialled all the same", until(lambda: pmosctl("modem", "call", "--no-wait", "112").returncode == 0, 10))
check("and answered", until(lambda: LOG.read_text().splitlines().count("answered 112") == 5, PATIENCE), broker())
check("instead of the connection", connections() == [] and
      "disconnected from intern.example" in LOG.read_text().splitlines(), broker())
pmosctl("modem", "hangup")
until(lambda: broker()["emergency"]["phase"] == "ended", PATIENCE)
stop_if_failed()
check("the first is what a program has that names none", until(
    lambda: mmcli("secure", "-m", "any", "--simple-connect=").returncode == 0, PATIENCE) and
      connections() == [("secure", "intern.example")], broker())
ctl("lock", "secure")
check("a lock ends it", until(lambda: connections() == [], PATIENCE), broker())
check("personal's turn", until(lambda: mmcli("personal", "-m", "any", "--simple-connect=").returncode == 0, PATIENCE) and
      connections() == [("personal", "games.example")], broker())
policy((["voice"], {}), ([], {}))
ctl("restart", "personal")
check("and with its right it ends", until(lambda: connections() == [], PATIENCE), broker())

journal = run("journalctl", "--no-pager", "-u", "pmosd").stdout
check("the journal knows of no call and no message", "start personal" in journal and not any(
    word in journal for word in ("call-came", "message-came", "thawed-for-call", "hook-failed")))

for mode in IDS:
    run("umount", f"/run/modem-test/{mode}")
run("systemctl", "stop", "ModemManager")
