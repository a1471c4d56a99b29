#!/usr/bin/env python3
# boot: own
# timeout: 420
# turn: 1
"""ModemManager on the simulator, as a broker of texts and calls meets it: by mmcli, and by the
signals on the bus. Also what it can still do without a SIM, and what it forgets."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time

from handset import check, note, run, stop_if_failed, until

LOG = pathlib.Path("/run/handset-modem.log")
SIGNALS = pathlib.Path("/run/modemmanager.signals")
BUS = "org.freedesktop.ModemManager1"
PEER = "+4915112345678"
PATIENCE = 30


def event(line):
    with open("/run/handset-modem.ctl", "w", encoding="utf-8") as control:
        print(line, file=control)
    until(lambda: f"control {line}" in LOG.read_text(), 10)


def logged():
    return len(LOG.read_text())


def heard(line, since=0):
    return line in LOG.read_text()[since:].splitlines()


def mmcli(*words):
    return run("mmcli", *words)


def shown(*words):
    """What mmcli shows of an object; {} when it cannot."""
    done = mmcli(*words, "-J")
    return json.loads(done.stdout) if done.returncode == 0 else {}


def modem(key):
    return shown("-m", "any").get("modem", {}).get("generic", {}).get(key)


def modem_is(state):
    return bool(until(lambda: modem("state") == state, PATIENCE))


def call_is(path, state):
    """The call's properties as soon as that is its state."""
    def found():
        properties = shown("-o", path).get("call", {}).get("properties", {})
        return properties if properties.get("state") == state else None

    return until(found, PATIENCE)


def texts():
    """{text: path} of all that ModemManager lists."""
    paths = shown("-m", "any", "--messaging-list-sms").get("modem.messaging.sms", [])
    return {shown("-s", path)["sms"]["content"]["text"]: path for path in paths}


def calls():
    return shown("-m", "any", "--voice-list-calls").get("modem.voice.call", [])


def ringing():
    """The path of the call that rings."""
    return next((path for path in calls()
                 if shown("-o", path)["call"]["properties"]["state"] == "ringing-in"), None)


def written(text):
    done = mmcli("-m", "any", f"--messaging-create-sms=number='{PEER}',text='{text}'")
    path = next((word for word in done.stdout.split() if word.startswith("/org/")), "")
    check(f"'{text}' can be written", path, done.stderr)
    return path


def busctl(path, interface, *call):
    return run("busctl", "call", BUS, path, f"{BUS}.{interface}", *call)


def dial(number):
    """The call's path, and how its Start went. ModemManager looks two seconds after CreateCall
    whether a call is on its way, and never again when none is: one that is started later stays
    "dialing". Two runs of mmcli can take that long here."""
    modem_path = shown("-m", "any")["modem"]["dbus-path"]
    done = busctl(modem_path, "Modem.Voice", "CreateCall", "a{sv}", "1", "number", "s", number)
    path = done.stdout.split('"')[1] if done.returncode == 0 else "/"
    check(f"a call to {number} can be made", path != "/", done.stderr)
    return path, busctl(path, "Call", "Start")


def dialled(number, state):
    """The path of a call that has come to that state; dialled once more where ModemManager has missed
    its moment, for a busy phone may take longer than dial() can help."""
    for _ in range(3):
        before = logged()
        path, done = dial(number)
        check(f"{number} starts", done.returncode == 0, done.stderr)
        check("is dialled", heard(f"dial {number}", before))
        if call_is(path, state):
            break
        note("ModemManager does not see how it goes on")
        mmcli("-o", path, "--hangup")
    check(f"and is {state}", shown("-o", path)["call"]["properties"]["state"] == state, shown("-o", path))
    return path


def interfaces():
    """Of the modem object, without the bus's own."""
    path = shown("-m", "any").get("modem", {}).get("dbus-path", "/")
    lines = run("busctl", "introspect", "--no-pager", BUS, path).stdout.splitlines()
    names = {line.split()[0] for line in lines if " interface " in line}
    return {name.removeprefix(f"{BUS}.") for name in names if name.startswith(BUS)}


def started(state, enable=True):
    """ModemManager anew, until the modem is in that state; seconds to there."""
    begin = time.monotonic()
    done = run("systemctl", "restart", "ModemManager")
    check("ModemManager starts", done.returncode == 0, done.stderr)
    seconds = {"on the bus": time.monotonic() - begin}
    until(lambda: modem("state") in ("disabled", "locked", "failed"), PATIENCE * 2)
    seconds["found"] = time.monotonic() - begin
    if enable:
        done = mmcli("-m", "any", "-e")
        check("the modem is enabled", done.returncode == 0, done.stderr)
    check(f"the modem is {state}", modem_is(state), modem("state"))
    seconds[state] = time.monotonic() - begin
    note(", ".join(f"{what} after {number:.1f} s" for what, number in seconds.items()))


@contextlib.contextmanager
def listening():
    """All signals of ModemManager into a file."""
    command = ["dbus-monitor", "--system", "--profile", f"type='signal',sender='{BUS}'"]
    with open(SIGNALS, "w", encoding="utf-8") as file:
        monitor = subprocess.Popen(command, stdout=file, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        monitor.send_signal(signal.SIGTERM)
        monitor.wait()


def signalled(interface, member):
    """Each line of dbus-monitor's profile ends with path, interface and member."""
    wanted = f"\t{BUS}.{interface}\t{member}"
    return until(lambda: any(line.endswith(wanted) for line in SIGNALS.read_text().splitlines()), 5)


def at_boot():
    note("not at boot")
    def unit(question):
        return run("systemctl", question, "ModemManager").stdout.strip()

    check("it is not enabled", unit("is-enabled") == "disabled", unit("is-enabled"))
    check("and did not start", unit("is-active") == "inactive", unit("is-active"))
    check("asking for it by its name fails", mmcli("-L").returncode != 0)
    check("and does not start it", unit("is-active") == "inactive", unit("is-active"))


def home():
    note("the modem")
    started("registered")
    stop_if_failed()
    about = shown("-m", "any")["modem"]
    check("its own number", about["generic"]["own-numbers"] == ["+15551234"], about["generic"])
    check("its port", about["generic"]["primary-port"] == "ttyS2", about["generic"])
    check("its network", about["3gpp"]["operator-name"] == "TestNet", about["3gpp"])
    check("all interfaces are there", {"Modem", "Modem.Messaging", "Modem.Voice", "Modem.Modem3gpp"}
          <= interfaces(), interfaces())


def texts_come():
    note("texts come")
    event(f"sms {PEER} good morning")
    path = until(lambda: texts().get("good morning"), PATIENCE)
    check("a text is listed", path, texts())
    check("Messaging.Added said so", signalled("Modem.Messaging", "Added"))
    about = shown("-s", path or "none").get("sms", {"content": {}, "properties": {}})
    check("with its number", about["content"].get("number") == PEER, about)
    check("as received, and kept by the modem", (about["properties"].get("state"),
          about["properties"].get("storage")) == ("received", "me"), about)
    long = "0123456789" * 20
    event(f"sms {PEER} {long}")
    check("two parts make one text", until(lambda: long in texts(), PATIENCE), texts())
    event(f"sms {PEER} Привет, Ωmega ☃")
    check("any letters come through", until(lambda: "Привет, Ωmega ☃" in texts(), PATIENCE), texts())
    before = logged()
    done = mmcli("-m", "any", f"--messaging-delete-sms={texts().get(long)}")
    check("one is deleted", done.returncode == 0 and long not in texts(), done.stderr)
    check("with both its parts in the modem", LOG.read_text()[before:].count("AT+CMGD=") == 2)
    check("Messaging.Deleted said so", signalled("Modem.Messaging", "Deleted"))


def texts_go():
    note("texts go")
    for words in ("on my way", "über Ωmega ☃"):
        path = written(words)
        done = mmcli("-s", path, "--send")
        check("it is sent", done.returncode == 0, done.stderr)
        check("the network has it", heard(f"sms out {PEER} {words}"), LOG.read_text()[-400:])
        state = shown("-s", path)["sms"]["properties"]["state"]
        check("its state says so", state == "sent", state)
    path = written("nobody hears")
    event("network 0")
    check("the modem has lost its network", modem_is("enabled"), modem("state"))
    check("nothing is sent without one", mmcli("-s", path, "--send").returncode != 0)
    check("no call but an emergency", "only emergency" in dial(PEER)[1].stderr)
    event("network 1")
    check("it is back", modem_is("registered"), modem("state"))


def calls_go():
    note("calls go")
    event("answer-after never")
    path = dialled(PEER, "ringing-out")
    check("Voice.CallAdded said so", signalled("Modem.Voice", "CallAdded"))
    event("answer")
    check("and picks up", call_is(path, "active"), shown("-o", path))
    check("Call.StateChanged said so", signalled("Call", "StateChanged"))
    check("a tone", mmcli("-o", path, "--send-dtmf=5").returncode == 0)
    check("is heard", heard("dtmf 5"))
    check("hung up here", mmcli("-o", path, "--hangup").returncode == 0)
    check("is hung up there", heard(f"hung up {PEER}"))
    check("it has ended", call_is(path, "terminated"), shown("-o", path))
    check("and stays listed until it is deleted", path in calls(), calls())
    mmcli("-m", "any", f"--voice-delete-call={path}")
    check("then it is gone", path not in calls(), calls())
    check("Voice.CallDeleted said so", signalled("Modem.Voice", "CallDeleted"))
    path = dialled(PEER, "ringing-out")
    event("busy")
    check("a busy line ends it", call_is(path, "terminated"), shown("-o", path))
    event("answer-after 3")


def calls_come():
    note("calls come")
    event(f"ring {PEER}")
    path = until(ringing, PATIENCE)
    check("a call rings", path, calls())
    found = shown("-o", path or "none").get("call", {}).get("properties", {})
    check("with its number", found.get("number") == PEER, found)
    check("it is accepted", mmcli("-o", path, "--accept").returncode == 0)
    check("in the modem, too", heard(f"accepted {PEER}"))
    check("it is active", call_is(path, "active"), shown("-o", path))
    event("hangup")
    if not call_is(path, "terminated"):
        # It misses that where it asks the modem something else just then (docs/modem.md).
        note("ModemManager does not see that the other side hangs up")
        mmcli("-o", path, "--hangup")
    check("the call is over", call_is(path, "terminated"), shown("-o", path))
    event("ring +4930123")
    path = until(ringing, PATIENCE)
    check("the next is refused", path and mmcli("-o", path, "--hangup").returncode == 0)
    check("in the modem, too", heard("hung up +4930123"))


def forgets():
    """What a broker must know that wants to survive ModemManager and the modem."""
    note("ModemManager starts again")
    dialled(PEER, "active")
    before = logged()
    run("systemctl", "stop", "ModemManager")
    event(f"sms {PEER} while you were out")
    started("registered")
    check("texts of before are listed", "good morning" in texts(), texts())
    check("and what came meanwhile", "while you were out" in texts(), texts())
    check("the call is not", not calls(), calls())
    check("for its start has hung up", heard(f"hung up {PEER}", before), LOG.read_text()[before:])
    note("the modem starts again")
    event("reset 1")
    check("it does", until(lambda: heard("ready again"), 10))
    event(f"sms {PEER} after a reset")
    time.sleep(3)
    check("nobody told ModemManager: the text is not listed", "after a reset" not in texts(), texts())
    check("nor that it is to be set up again", modem("state") == "registered", modem("state"))
    mmcli("-m", "any", "-d")
    mmcli("-m", "any", "-e")
    check("enabled once more it is", until(lambda: "after a reset" in texts(), PATIENCE), texts())


def emergency(allowed, refused):
    """What is left of calls when the modem is failed or locked."""
    voice = shown("-m", "any", "--voice-status")
    check("Voice.EmergencyOnly", voice["modem"]["voice"]["emergency-only"] == "yes", voice)
    for number in allowed:
        before = logged()
        path = dialled(number, "active")
        check("and hung up", mmcli("-o", path, "--hangup").returncode == 0
              and heard(f"hung up {number}", before))
    for number in refused:
        path, done = dial(number)
        check(f"{number} is refused", "only emergency calls allowed" in done.stderr,
              done.stderr)
    check("texts are out of reach", mmcli("-m", "any", "--messaging-list-sms").returncode != 0)
    check("it cannot be enabled", "WrongState" in mmcli("-m", "any", "-e").stderr)


def without_sim():
    note("no SIM")
    event("no-sim on")
    check("taken out, it is as without a network", modem_is("enabled"), modem("state"))
    check("it still has its interfaces", "Modem.Messaging" in interfaces(), interfaces())
    started("failed", enable=False)
    check("the reason", modem("state-failed-reason") == "sim-missing", modem("state-failed-reason"))
    check("what is left of the modem", interfaces() == {"Modem", "Modem.Voice", "Modem.Firmware"},
          interfaces())
    emergency(allowed=["112", "911", "110"], refused=[PEER])
    event("no-sim off")
    time.sleep(2)
    check("the SIM is back, and nobody sees it", modem("state") == "failed", modem("state"))


def locked():
    note("a SIM that wants its PIN")
    event("pin 4711")
    started("locked", enable=False)
    check("the lock", modem("unlock-required") == "sim-pin", modem("unlock-required"))
    check("what there is of the modem", interfaces() == {
        "Modem", "Modem.Voice", "Modem.Firmware", "Modem.Modem3gpp", "Modem.Simple"}, interfaces())
    emergency(allowed=["112"], refused=["110", PEER])
    sim = modem("sim") or "none"
    done = mmcli("-i", sim, "--pin=1111")
    check("a wrong PIN", "IncorrectPassword" in done.stderr, done.stderr)
    done = mmcli("-i", sim, "--pin=4711")
    check("the right one", done.returncode == 0, done.stderr)
    check("it is ready to be enabled", modem_is("disabled"), modem("state"))
    mmcli("-m", "any", "-e")
    check("it is registered", modem_is("registered"), modem("state"))
    check("any number may be dialled again",
          until(lambda: shown("-m", "any", "--voice-status")["modem"]["voice"]["emergency-only"] == "no", 10))
    check("all texts are there", until(lambda: "good morning" in texts(), PATIENCE), texts())


def main():
    # The broker enables what it finds disabled; here ModemManager is to be seen as it is without it.
    run("systemctl", "stop", "pmos-modem")
    at_boot()
    try:
        with listening():
            home()
            texts_come()
            texts_go()
            calls_go()
            calls_come()
            forgets()
            without_sim()
            locked()
    finally:
        run("systemctl", "stop", "ModemManager")


if __name__ == "__main__":
    sys.exit(main())
