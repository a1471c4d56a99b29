#!/usr/bin/env python3
# boot: own
# timeout: 600
# soak: 7200
# turn: 2
"""Sound of real modes, by their profiles: who hears the microphone while modes are switched, run on
behind another, are locked and stopped, over a pmosd and a broker that die. The programs are
PipeWire's own, in the modes' images."""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import time

from handset import (PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run, status,
                     stop_if_failed, until)
from handset_sound import RATE, Voice, make_card, make_tone, samples_of, signs_of

SHIPPED = {mode: (PROFILES / f"{mode}.json").read_text() for mode in ("personal", "secure")}
SERVER = {"personal": 265534, "secure": 365534}
PIN = secrets.token_hex(6)
TONE = pathlib.Path("/run/tone.wav")
HZ = 440
SWITCHES = 1_000 if os.environ.get("HANDSET_SOAK") else 20
# Samples and no more, to standard output, which pmosctl exec hands on.
RECORD = ("pw-record", "--rate", str(RATE), "--channels", "1", "--format", "s16", "-")
GRANT = '"audio": { "playback": "foreground", "capture": "foreground" }'


class Recording:
    """A program of the mode that records. What it writes is read where it comes out."""

    def __init__(self, mode):
        self.path = pathlib.Path(f"/run/recorded-{mode}")
        with open(self.path, "wb") as file:
            self.process = subprocess.Popen(["pmosctl", "exec", mode, "--", *RECORD], stdout=file,
                                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def size(self):
        return self.path.stat().st_size

    def since(self, at):
        """Samples behind that byte."""
        return samples_of(self.path, head=0, begin=at)

    def hears(self, seconds=20):
        """Whether the tone comes from now on."""
        at = self.size()
        return bool(until(lambda: "T" in signs_of(self.since(at)[-RATE:], HZ), seconds))

    def goes_on(self, seconds=1.0):
        at = self.size()
        return bool(until(lambda: self.size() >= at + 2 * RATE * seconds, 20))

    def is_silent(self, seconds=1.5):
        """Whether so much more comes, and not one sample of it; but for the half second that the mode's
        own PipeWire and the program had."""
        at = self.size() + RATE
        more = until(lambda: len(self.since(at)) >= seconds * RATE, 30)
        return bool(more) and not any(self.since(at))

    def stands_still(self):
        time.sleep(0.5)
        at = self.size()
        time.sleep(1.5)
        return self.size() == at

    def comes_to_nothing(self, seconds=20):
        """Whether it is over before long, and not one sample was anything. The program may say that it ends
        where its samples would be."""
        time.sleep(3)
        over = until(self.stands_still, seconds)
        said = re.sub(rb"stream node \d+ error: [^\n]*\n$", b"", self.path.read_bytes())
        return bool(over) and not any(said)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def hearing(mode, what):
    """A recording that hears, begun once more where WirePlumber has forgotten it."""
    for _ in range(2):
        recording = Recording(mode)
        if recording.hears(30):
            break
        note(f"a program that came with its server hears nothing in {recording.size()} bytes")
        recording.stop()
    else:
        recording = Recording(mode)
    check(what, recording.hears(30), run("journalctl", "-u", "pmos-audio", "-n", "20").stdout)
    return recording


def uses(mode):
    row = status(mode)
    return row["usesMicrophone"], row["usesLoudspeaker"]


def records(mode, now=True):
    return bool(until(lambda: uses(mode)[0] == now, 10))


def server(mode):
    return run("pgrep", "-U", str(SERVER[mode])).stdout.split()


def use(mode, old, new, background=None):
    text = replaced(SHIPPED[mode], old, new)
    if background:
        text = replaced(text, '"background": "freeze"', f'"background": "{background}"')
    (PROFILES / f"{mode}.json").write_text(text)
    ctl("reload")
    ctl("restart", mode)


def doctor_says(severity):
    return bool(until(lambda: any(f["subject"] == "sound broker" and f["severity"] == severity
                                  for f in json.loads(pmosctl("doctor", "--json").stdout)), 20))


def in_front():
    note("who is in front hears")
    recording = hearing("personal", "a program of the mode hears the microphone")
    stop_if_failed()
    check("it is said so", records("personal"), status("personal"))
    check("beside its state", "microphone" in pmosctl("status").stdout, pmosctl("status").stdout)
    check("and nothing of it is in the journal",
          not any("icrophone" in line for line in run("journalctl", "-u", "pmosd").stdout.splitlines()))
    recording.stop()
    check("nor any more, once it has ended", records("personal", False), status("personal"))
    done = pmosctl("exec", "personal", "--", "sh", "-c",
                   "ls /dev/snd 2>&1; ls -l /run/pmos/audio; echo x >/run/pmos/audio/mine")
    check("the mode has no device of it, and its directory is not to be written",
          "No such file" in done.stdout and "pipewire-0" in done.stdout and done.returncode != 0,
          done.stdout + done.stderr)


def switches():
    note("20 switches: who stands still records nothing, who is in front hears")
    mine, theirs = Recording("personal"), Recording("secure")
    check("personal hears", mine.hears(40))
    wrong = []
    for turn in range(20):
        mode = ("secure", "personal")[turn % 2]
        ctl("switch", mode)
        at = mine.size()
        time.sleep(0.3)
        if uses("personal")[0] and mode != "personal":
            wrong.append(f"turn {turn}: personal records behind secure")
        if mode == "secure" and mine.size() > at + RATE:
            wrong.append(f"turn {turn}: {mine.size() - at} bytes more behind secure")
    check("nobody records behind another", not wrong, wrong)
    check("personal hears at last", mine.hears(40))
    ctl("switch", "secure")
    check("and secure in its place", theirs.hears(40) and records("secure"))
    check("personal stands still", mine.stands_still() and not uses("personal")[0])
    mine.stop()
    theirs.stop()
    ctl("switch", "personal")


def runs_on():
    note("a mode that runs on behind another")
    use("personal", GRANT, GRANT, background="run")
    ctl("switch", "personal")
    recording = hearing("personal", "it hears in front")
    ctl("switch", "secure")
    check("and records silence behind another", recording.is_silent(), recording.size())
    check("it is said that it does not", records("personal", False))
    heard = []
    for turn in range(SWITCHES // 2):
        ctl("switch", "personal")
        ctl("switch", "secure")
        if not recording.is_silent(0.3):
            heard.append(turn)
    check(f"also over {SWITCHES} switches", not heard, heard)
    ctl("switch", "personal")
    check("it hears again", recording.hears(40))
    recording.stop()
    note("with an error in place of silence")
    use("personal", GRANT + "\n  },\n", GRANT + '\n  },\n  "audio": { "whenTaken": "error" },\n', background="run")
    ctl("switch", "personal")
    recording = hearing("personal", "it hears in front")
    ctl("switch", "secure")
    check("its stream ends behind another", until(recording.stands_still, 20))
    recording.stop()
    ctl("switch", "personal")
    recording = hearing("personal", "another one hears, in front")
    recording.stop()
    note("without the right")
    use("personal", GRANT, '"audio": { "playback": "foreground" }', background="run")
    ctl("switch", "personal")
    recording = Recording("personal")
    # For a second it may be given the mode's own loudspeaker.
    check("there is nothing to be recorded", recording.comes_to_nothing() and not uses("personal")[0],
          (recording.path.read_bytes()[-200:], uses("personal")))
    recording.stop()
    use("personal", GRANT, GRANT)
    ctl("switch", "personal")


def deaths():
    note("pmosd dies, and is not missed")
    recording = hearing("personal", "personal hears")
    old = main_pid()
    os.kill(old, signal.SIGKILL)
    another_pmosd(old)
    # What pmosctl exec held has gone with pmosd; the mode and its sound server have not.
    recording.stop()
    check("the sound server went on", server("personal"))
    recording = Recording("personal")
    check("it hears, and that is known", recording.hears(40) and records("personal"))
    note("the broker dies, in the middle")
    run("systemctl", "kill", "-s", "KILL", "pmos-audio")
    check("its sound servers went with it", until(lambda: run("systemctl", "is-active", "pmos-audio").stdout.strip()
                                                  == "active", 20))
    recording.stop()
    check("a new one is told", doctor_says("ok"))
    recording = hearing("personal", "and it hears again")
    run("systemctl", "stop", "pmos-audio")
    check("without one the doctor warns", doctor_says("warning"))
    check("and no sound server is left", until(lambda: not server("personal"), 10), server("personal"))
    run("systemctl", "start", "pmos-audio")
    check("it may come later", doctor_says("ok"))
    note("a broker that is stuck does not hold up a switch")
    stuck = run("systemctl", "show", "-P", "MainPID", "pmos-audio").stdout.strip()
    os.kill(int(stuck), signal.SIGSTOP)
    begin = time.monotonic()
    ctl("switch", "secure")
    seconds = time.monotonic() - begin
    check("secure is in front", status("secure")["foreground"])
    check("in seconds", seconds < 20, seconds)
    note(f"after {seconds:.1f} s")
    check("the broker was ended, with all sound servers", until(lambda: not pathlib.Path(f"/proc/{stuck}").exists(), 10))
    recording.stop()
    check("another one is told", doctor_says("ok"))
    theirs = hearing("secure", "and serves secure")
    theirs.stop()


def locks():
    note("a lock leaves no sound server")
    theirs = hearing("secure", "secure hears")
    check("its server runs", server("secure"))
    ctl("lock", "secure")
    check("and has gone with its keys", until(lambda: not server("secure"), 10), server("secure"))
    check("nobody records", not uses("secure")[0])
    theirs.stop()
    check("personal is in front again", until(lambda: status("personal")["foreground"], 20))
    recording = hearing("personal", "and hears")
    recording.stop()
    ctl("stop", "personal")
    check("a mode that stops takes its own along", until(lambda: not server("personal"), 10))


def main():
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", pin=PIN)
    ctl("start", "secure")
    ctl("switch", "personal")
    check("the broker goes by the profiles", doctor_says("ok"), pmosctl("doctor").stdout)
    check("the phone's PipeWire waits to be asked for",
          run("systemctl", "is-active", "pmos-phone-audio").stdout.strip() == "inactive")
    stop_if_failed()
    make_card()
    make_tone(TONE, HZ, 400)
    speaker = Voice(TONE)
    try:
        for step in (in_front, switches, runs_on, deaths, locks):
            step()
            stop_if_failed()
    finally:
        speaker.quiet()


main()
