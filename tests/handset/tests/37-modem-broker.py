#!/usr/bin/env python3
# boot: own
# timeout: 900
# turn: 2
"""pmos-modem over ModemManager and the simulator: what the host and each mode see of it by an
unmodified mmcli, and emergency calls in states that nobody wishes for. Without pmosd all along: its
tables are given by hand, and two modes are two ids (38-modem-modes has real ones)."""

import json
import os
import pathlib
import subprocess

from handset import check, note, pmosctl, run, stop_if_failed, until

LOG = pathlib.Path("/run/handset-modem.log")
RUN = pathlib.Path("/run/pmos/modem")
IDS = {"personal": 200000, "secure": 300000}
PATIENCE = 40


def event(line):
    with open("/run/handset-modem.ctl", "w", encoding="utf-8") as control:
        print(line, file=control)
    until(lambda: f"control {line}" in LOG.read_text(), 10)


def heard(line, times=1):
    return LOG.read_text().splitlines().count(line) >= times


def table(fallback, *modes):
    """modes: (name, sms, voice, in front, rules of numbers)"""
    words = ["a(suubbbbbbasasas)sas", str(len(modes))]
    for name, sms, voice, front, numbers in modes:
        words += [name, str(IDS[name]), "65536", sms, voice, "false", "false", front, "true", str(len(numbers)),
                  *numbers, "0", "0"]
    done = run("busctl", f"--address=unix:path={RUN}/control", "call", "org.pmos.Modem1", "/org/pmos/Modem1",
               "org.pmos.Modem1.Control", "SetTable", *words, fallback, "1", "115")
    check("the broker takes a table", done.returncode == 0, done.stderr)


BOTH = (("personal", "true", "true", "true", []), ("secure", "true", "true", "false", ["+49151*"]))


def mmcli(mode, *words):
    """As a process with the mode's ids, on the socket that the mode would have."""
    bus = f"unix:path=/run/broker-test/{mode}/bus"
    return run("setpriv", f"--reuid={IDS[mode] + 1000}", f"--regid={IDS[mode] + 1000}", "--clear-groups",
               "env", f"DBUS_SYSTEM_BUS_ADDRESS={bus}", "mmcli", *words)


def shown(mode, *words):
    done = mmcli(mode, *words, "-J")
    return json.loads(done.stdout) if done.returncode == 0 else {}


def paths(mode, what):
    key = "modem.messaging.sms" if what == "sms" else "modem.voice.call"
    option = "--messaging-list-sms" if what == "sms" else "--voice-list-calls"
    return shown(mode, "-m", "any", option).get(key, [])


def texts(mode):
    return [shown(mode, "-s", path).get("sms", {}).get("content", {}).get("text")
            for path in paths(mode, "sms")]


def status():
    return json.loads(pmosctl("modem", "status", "--json").stdout)


def emergency(phase):
    return bool(until(lambda: status()["emergency"]["phase"] == phase, PATIENCE))


def answered(times):
    """112, for so many times now. Where the dialling takes a busy phone longer than two seconds,
    ModemManager never sees how the call goes on (36-modemmanager, dial())."""
    if emergency("active"):
        return True
    note("ModemManager does not see that somebody answers")
    return heard("answered 112", times)


def hang_up():
    check("it is hung up", pmosctl("modem", "hangup").returncode == 0)
    check("and has ended", emergency("ended"), status()["emergency"])


def registered():
    return bool(until(lambda: [line["state"] for line in status()["lines"]] == ["registered"], 90))


run("systemctl", "stop", "pmosd")
check("the broker runs", run("systemctl", "is-active", "pmos-modem").stdout.strip() == "active",
      run("journalctl", "-u", "pmos-modem", "-n", "20").stdout)
stop_if_failed()
check("without ModemManager", not status()["modemManager"])
done = pmosctl("modem", "call", "+4915112345678")
check("the host calls nobody but for help", done.returncode != 0 and "no emergency number" in done.stderr,
      done.stderr)
done = run("setpriv", "--reuid=200000", "--clear-groups", "busctl", f"--address=unix:path={RUN}/control",
           "introspect", "org.pmos.Modem1", "/org/pmos/Modem1")
check("nobody but root controls it", done.returncode != 0)

note("an emergency call when ModemManager is not even there")
follower = subprocess.Popen(["pmosctl", "modem", "call", "112"], stdout=subprocess.PIPE, text=True)
check("it is dialled", until(lambda: heard("dial 112"), 120), status())
check("somebody answers", answered(1), status()["emergency"])
# By us: ModemManager misses an end that the network tells while it asks the modem something else.
hang_up()
told = follower.communicate(timeout=30)[0]
check("it was told what was waited for", "ModemManager is not there" in told, told)
check("and that it ended", told.splitlines()[-1:] == ["112: it was hung up"], told)
check("the modem was switched on", registered(), status())
stop_if_failed()

note("two modes")
table("personal", *BOTH)
# The directories, bound elsewhere, as a mode has them: nobody's ids pass /run/pmos.
for mode in IDS:
    place = pathlib.Path("/run/broker-test") / mode
    place.mkdir(parents=True)
    run("mount", "--bind", RUN / "modes" / mode, place)
os.chmod("/run/broker-test", 0o755)
for mode in IDS:
    done = mmcli(mode, "-m", "any")
    check(f"{mode} sees a modem", done.returncode == 0 and "registered" in done.stdout,
          done.stdout + done.stderr)
    for secret in ("490154203237518", "001010123456789", "ttyS", "/sys/"):
        check(f"and not {secret}", secret not in done.stdout, done.stdout)
done = run("setpriv", "--reuid=201000", "--clear-groups", "env",
           "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/broker-test/secure/bus", "mmcli", "-L")
check("personal's ids are none of secure's", done.returncode != 0, done.stdout)

event("sms +4915112345678 for secure")
check("secure has its text", until(lambda: texts("secure") == ["for secure"], PATIENCE), texts("secure"))
event("sms +4930123456 for personal")
check("personal has its", until(lambda: texts("personal") == ["for personal"], PATIENCE),
      (texts("personal"), status(), run("mmcli", "-m", "any", "--messaging-list-sms").stdout))
check("each is the first that it knows of",
      paths("secure", "sms") == paths("personal", "sms") == ["/org/freedesktop/ModemManager1/SMS/0"],
      (paths("secure", "sms"), paths("personal", "sms")))
counts = {mode["mode"]: mode["messages"] for mode in status()["modes"]}
check("the host sees how many", counts == {"personal": 1, "secure": 1}, counts)
stored = pathlib.Path("/var/lib/pmos/modem/owners").read_text()
check("nothing of them is on the storage", "for" not in stored and "4915" not in stored, stored)

made = mmcli("personal", "-m", "any", "--messaging-create-sms=number='+4930123456',text='hello'")
path = next((word for word in made.stdout.split() if word.startswith("/org/")), "")
done = mmcli("personal", "-s", path, "--send")
check("personal sends a text", done.returncode == 0, made.stdout + made.stderr + done.stderr)
check("which secure cannot see", mmcli("secure", "-s", path).returncode != 0)
done = mmcli("personal", "-m", "any", "--messaging-delete-sms=/org/freedesktop/ModemManager1/SMS/0")
check("personal deletes its own", done.returncode == 0 and texts("secure") == ["for secure"], done.stderr)

note("calls")
event("answer-after never")
event("ring +4915112345678")
check("secure's number rings in secure", until(lambda: paths("secure", "call"), PATIENCE))
check("and not in personal, which is in front", paths("personal", "call") == [])
call = (paths("secure", "call") or ["/"])[0]
check("nor can personal end it", mmcli("personal", "-o", call, "--hangup").returncode != 0)
done = mmcli("personal", "-m", "any", "--voice-hangup-all")
check("nor end all", "ringing-in" in mmcli("secure", "-o", call).stdout, done.stderr)
done = mmcli("secure", "-o", call, "--accept")
check("secure takes it", done.returncode == 0 and
      until(lambda: "active" in mmcli("secure", "-o", call).stdout, PATIENCE), done.stderr)

note("an emergency call while secure speaks")
event("answer-after 1")
done = pmosctl("modem", "call", "--no-wait", "112")
check("it is taken", done.returncode == 0, done.stderr)
check("and dialled", until(lambda: heard("dial 112", 2), PATIENCE), status())
check("somebody answers it", answered(2), status()["emergency"])
hang_up()

note("a mode without the right to calls calls for help")
table("personal", ("personal", "true", "false", "true", []), BOTH[1])
done = mmcli("personal", "-m", "any", "--voice-create-call=number=+4930123456")
check("it may call nobody", done.returncode != 0, done.stdout)
made = mmcli("personal", "-m", "any", "--voice-create-call=number=112")
path = next((word for word in made.stdout.split() if word.startswith("/org/")), "")
done = mmcli("personal", "-o", path, "--start")
check("but 112", done.returncode == 0 and until(lambda: heard("dial 112", 3), PATIENCE), done.stderr)
check("somebody answers the mode", answered(3), status()["emergency"])
check("it hangs up", mmcli("personal", "-o", path, "--hangup").returncode == 0 and emergency("ended"))

note("a right that goes, a broker and a ModemManager that die")
table("personal", ("personal", "true", "false", "true", []))
check("secure has no socket any more", not (RUN / "modes/secure/bus").exists())
table("personal", *BOTH)
check("its text is there again", until(lambda: texts("secure") == ["for secure"], PATIENCE),
      texts("secure"))
run("systemctl", "kill", "-s", "KILL", "pmos-modem")
check("the broker is back", until(lambda: pmosctl("modem", "status").returncode == 0, 20))
table("personal", ("personal", "true", "true", "true", ["+49151*"]), ("secure", "true", "true", "false", []))
check("secure's text stays secure's under other rules",
      until(lambda: texts("secure") == ["for secure"], PATIENCE) and texts("personal") == [],
      (texts("secure"), texts("personal")))
run("systemctl", "kill", "-s", "KILL", "ModemManager")
check("without ModemManager there is nothing", until(lambda: not status()["lines"], 20), status())
check("and no modem in a mode", "No modems" in mmcli("secure", "-L").stdout + mmcli("secure", "-L").stderr)
run("systemctl", "start", "ModemManager")
check("it comes back", registered(), status())
check("with secure's text", until(lambda: texts("secure") == ["for secure"], PATIENCE), texts("secure"))

for times, (fault, end, state) in enumerate((("no-sim on", "no-sim off", "failed (no SIM)"),
                                             ("pin 4711", "pin off", "locked")), 4):
    note(f"the SIM: {state}")
    run("systemctl", "stop", "ModemManager")
    event(fault)
    run("systemctl", "start", "ModemManager")
    check("ModemManager says so", until(lambda: [line["state"] for line in status()["lines"]] == [state], 90),
          status())
    check("112 is taken", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
    check("and dialled", until(lambda: heard("dial 112", times), PATIENCE), status())
    check("somebody answers it too", answered(times), status()["emergency"])
    hang_up()
    taken = pmosctl("modem", "call", "--no-wait", "110").returncode == 0
    check("110 is for help as long as there is no SIM", taken == (fault == "no-sim on"), taken)
    if taken:
        check("and is dialled", until(lambda: heard("dial 110"), PATIENCE), status())
        hang_up()
    event(end)
event("answer-after 1")

note("a broker that dies under an emergency call")
calls = 6
check("112 is taken", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
check("and dialled", until(lambda: heard("dial 112", calls), PATIENCE), status())
answered(calls)
run("systemctl", "kill", "-s", "KILL", "pmos-modem")
check("the next one has it", until(lambda: pmosctl("modem", "status").returncode == 0 and
                                   status()["emergency"]["phase"] in ("calling", "active"), PATIENCE), status())
ended = LOG.read_text().splitlines().count("hung up 112")
hang_up()
check("and ends it", until(lambda: heard("hung up 112", ended + 1), PATIENCE))
run("systemctl", "mask", "--runtime", "ModemManager")
run("systemctl", "stop", "ModemManager")
check("one is taken without ModemManager", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
check("and waits", emergency("waiting"), status()["emergency"])
run("systemctl", "kill", "-s", "KILL", "pmos-modem")
check("the next broker still wants it", until(lambda: pmosctl("modem", "status").returncode == 0, PATIENCE) and
      emergency("waiting"), status()["emergency"])
run("systemctl", "unmask", "--runtime", "ModemManager")
check("and dials it", until(lambda: heard("dial 112", calls + 1), 120), status())
answered(calls + 1)
hang_up()

note("a modem that talks nonsense, and one that starts again, under the broker")
event("nonsense on")
check("112 is taken all the same", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
check("what it waits for is told", until(lambda: status()["emergency"]["words"], 20), status())
event("nonsense off")
check("and it is dialled once the modem answers", until(lambda: heard("dial 112", calls + 2), 120), status())
hang_up()
event("reset 8")
check("112 is taken while it starts again", pmosctl("modem", "call", "--no-wait", "112").returncode == 0)
check("and dialled when it is there", until(lambda: heard("dial 112", calls + 3), 120), status())
hang_up()

for mode in IDS:
    run("umount", pathlib.Path("/run/broker-test") / mode)
run("systemctl", "stop", "ModemManager")
run("systemctl", "restart", "pmos-modem")
