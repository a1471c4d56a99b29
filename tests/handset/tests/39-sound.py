#!/usr/bin/env python3
# boot: own
# timeout: 420
# turn: 1
"""pmos-audio over PipeWire and a sound card that hears itself (snd-aloop): what each mode records and
plays, by unmodified programs, while its gates open and close, and whatever dies. Without pmosd: its
tables are given by hand, and two modes are two ids."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from handset import check, note, run, stop_if_failed, unmount, until
from handset_sound import (RATE, Voice, choose_card, hears, is_silent, listen, make_card, make_tone, samples_of,
                           signs_of)

RUN = pathlib.Path("/run/pmos/audio")
PLACE = pathlib.Path("/run/sound-test")
NO_MICROPHONE = pathlib.Path("/usr/share/pmos/audio/wireplumber/phone.lua.d/20-no-microphone.lua")
IDS = {"personal": 265534, "secure": 365534}
ABSENT, SILENT, OPEN = "0", "1", "2"
IN, OUT = 440, 700  # Hz: what the microphone hears, what a mode plays


def busctl(*words):
    return run("busctl", f"--address=unix:path={RUN}/control", "call", "org.pmos.Audio1", "/org/pmos/Audio1",
               "org.pmos.Audio1.Control", "SetTable", *words)


def table(*modes):
    """modes: (name, playback, capture, moves). Who records and who plays, as it answers."""
    words = ["a(suyyb)", str(len(modes))]
    for name, playback, capture, moves in modes:
        words += [name, str(IDS[name]), playback, capture, moves]
    done = busctl(*words)
    if done.returncode != 0:
        # sd-bus gives up (EIO) where a signal comes before the answer to its Hello, which pmosd never says.
        note(f"busctl: {done.stderr.strip()}; once more")
        done = busctl(*words)
    check("pmos-audio takes a table", done.returncode == 0, done.stderr)
    return done.stdout


def both(personal, secure):
    """Each: playback and capture."""
    return table(("personal", *personal, "true"), ("secure", *secure, "true"))


def command(mode, *words):
    """As a process with the mode's ids, on the socket that the mode would have."""
    ids = IDS[mode] - 60000
    return ["setpriv", f"--reuid={ids}", f"--regid={ids}", "--clear-groups", "env",
            f"PIPEWIRE_RUNTIME_DIR={PLACE}/{mode}", *words]


def heard(path, hz):
    return signs_of(samples_of(path, head=44), hz)


class Recording:
    """A program of the mode that records, until it is told to stop."""

    def __init__(self, mode, name="recording"):
        self.path = PLACE / f"{name}.wav"
        self.path.unlink(missing_ok=True)
        self.path.touch()
        self.path.chmod(0o666)
        self.process = subprocess.Popen(
            command(mode, "pw-record", "--rate", str(RATE), "--channels", "1", "--format", "s16", str(self.path)),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def seconds(self):
        return max(0, self.path.stat().st_size - 44) / 2 / RATE

    def goes_on(self, seconds=1.0):
        """Whether so much more comes."""
        before = self.seconds()
        return bool(until(lambda: self.seconds() >= before + seconds, 20))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)

    def ends_by_itself(self):
        """Its stream was taken away; pw-record itself may sit there without one."""
        def still():
            before = self.seconds()
            time.sleep(1.5)
            return self.seconds() == before
        return bool(until(still, 15))


def recorded(mode, seconds=1.5, name="recording"):
    recording = Recording(mode, name)
    until(lambda: recording.seconds() >= seconds, 20)
    recording.stop()
    return heard(recording.path, IN)


def processes(mode):
    done = run("pgrep", "-U", str(IDS[mode]), "-a")
    return dict(reversed(line.split(maxsplit=1)) for line in done.stdout.splitlines())


def process(mode, program):
    return next((int(pid) for words, pid in processes(mode).items() if program in words.split()[0]), None)


def main():
    check("pmos-audio runs", run("systemctl", "is-active", "pmos-audio").stdout.strip() == "active",
          run("journalctl", "-u", "pmos-audio", "-n", "20").stdout)
    check("and nothing else of sound yet", run("systemctl", "is-active", "pmos-phone-audio").stdout.strip()
          == "inactive")
    stop_if_failed()
    run("systemctl", "stop", "pmosd")
    PLACE.mkdir()
    make_tone(PLACE / "in.wav", IN, 400)
    make_tone(PLACE / "out.wav", OUT, 20)
    both((OPEN, OPEN), (SILENT, SILENT))
    for mode in IDS:
        (PLACE / mode).mkdir()
        run("mount", "--bind", str(RUN / "modes" / mode), str(PLACE / mode))
    make_card()
    speaker = Voice(PLACE / "in.wav")
    try:
        steps(speaker)
    finally:
        speaker.quiet()
        NO_MICROPHONE.unlink(missing_ok=True)
        for mode in IDS:
            unmount(str(PLACE / mode))


def starts():
    note("the first program that comes starts a mode's own PipeWire")
    check("nothing of a mode runs before", not processes("personal") and not processes("secure"))
    begin = time.monotonic()
    done = run(*command("personal", "pw-cli", "info", "0"))
    check("it answers", done.returncode == 0, done.stdout + done.stderr)
    note(f"after {time.monotonic() - begin:.1f} s")
    names = {words.split()[0].rsplit("/", 1)[-1] for words in processes("personal")}
    check("as the mode", names == {"pipewire", "wireplumber", "pmos-audio-port"}, names)
    check("the other mode's does not run", not processes("secure"))


def microphone():
    note("the microphone")
    until(lambda: "T" in recorded("personal", 0.5), 40)
    signs = recorded("personal")
    check("a mode that may hears it", hears(signs), signs)
    signs = recorded("secure")
    check("one that may not records silence", is_silent(signs), signs)
    check("nobody is said to record", until(lambda: both((OPEN, OPEN), (SILENT, SILENT)).startswith("asass 0 0"), 5))


def switches():
    note("20 switches between two modes that record all along")
    mine, theirs = Recording("personal", "mine"), Recording("secure", "theirs")
    until(lambda: mine.seconds() > 0.5 and theirs.seconds() > 0.5, 30)
    wrong = []
    for turn in range(20):
        front = ("personal", "secure")[turn % 2]
        said = both(*((OPEN, OPEN) if mode == front else (OPEN, SILENT) for mode in ("personal", "secure")))
        if f'1 "{front}"' not in said:
            wrong.append(said)
        time.sleep(0.4)
    check("it is said each time who records", not wrong, wrong)
    # In front at last: secure. What personal records from here on is silence, to the last sample.
    at = mine.path.stat().st_size
    check("both go on", mine.goes_on(1.5) and theirs.goes_on(0.5))
    mine.stop()
    theirs.stop()
    # But for the half second at most that the mode's own PipeWire and its program had before.
    tail = mine.path.read_bytes()[at + RATE:]
    check("the one behind has not one sample", len(tail) > RATE and not any(tail), len(tail))
    for recording, turns in ((mine, 10), (theirs, 10)):
        signs = heard(recording.path, IN)
        runs = [piece for piece in signs.split(".") if piece]
        check("each time it was in front it heard something, and the tone", len(runs) >= turns - 4 and "T" in signs,
              signs)
        check("and behind the other one silence", signs.count(".") > 0.2 * len(signs), signs)


def taken_away():
    note("an error and no silence, where that is wanted")
    recording = Recording("personal")
    check("it records", recording.goes_on())
    both((OPEN, ABSENT), (SILENT, SILENT))
    check("its stream ends", recording.ends_by_itself())
    recording.process.kill()
    recording.process.wait()
    recording = Recording("personal")
    time.sleep(3)
    check("another gets none", recording.ends_by_itself())
    recording.process.kill()
    recording.process.wait()
    both((OPEN, OPEN), (SILENT, SILENT))
    check("it comes back", until(lambda: "T" in recorded("personal", 0.5), 20))
    both((ABSENT, OPEN), (SILENT, SILENT))
    done = run(*command("personal", "timeout", "20", "pw-play", str(PLACE / "out.wav")))
    check("nothing can be played without a loudspeaker", done.returncode not in (0, 124), done.stderr)
    both((OPEN, OPEN), (SILENT, SILENT))


def loudspeaker():
    note("the loudspeaker")
    path = PLACE / "played.wav"
    for gate, good, what in ((OPEN, hears, "is heard"), (SILENT, is_silent, "goes nowhere where it may not")):
        both((gate, SILENT), (SILENT, SILENT))
        player = subprocess.Popen(command("personal", "pw-play", str(PLACE / "out.wav")), stdin=subprocess.DEVNULL)
        time.sleep(2)
        listen(path, 2)
        check("it plays on", player.poll() is None)
        player.kill()
        player.wait()
        signs = heard(path, OUT)
        check(f"what a mode plays {what}", good(signs), signs)
    both((OPEN, OPEN), (SILENT, SILENT))


def apart():
    note("apart")
    secure = str(RUN / "modes" / "secure" / "pipewire-0")
    # From where it stands, as root has put it there.
    for path in (secure, "../secure/pipewire-0", "/run/pmos-phone-audio/pipewire-0", str(RUN / "control")):
        program = (f"import os,socket,sys\nos.chdir({str(RUN / 'modes/personal')!r})\nos.setgroups([])\n"
                   f"os.setgid({IDS['personal']})\nos.setuid({IDS['personal']})\n"
                   "s=socket.socket(socket.AF_UNIX)\n"
                   f"try: s.connect({path!r})\nexcept PermissionError: sys.exit(7)\n")
        done = run("python3", "-c", program)
        check(f"a mode's own server does not reach {path}", done.returncode == 7, done.stderr)
    pid = process("personal", "pipewire")
    about = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in about.splitlines() if ":\t" in line)
    check("it has no capability", int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0, fields["CapEff"])
    check("and can get none", fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", about)
    nodes = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    check("and holds no device", not [node for node in nodes if node.startswith("/dev/snd")], nodes)


def deaths(speaker):
    note("whatever dies")
    for program in ("pipewire", "wireplumber", "pmos-audio-port"):
        recorded("personal", 0.3)
        os.kill(process("personal", program), signal.SIGKILL)
        check(f"{program}: the others go too", until(lambda: not processes("personal"), 10), processes("personal"))
        check("and all come back with the next program",
              until(lambda: "T" in recorded("personal", 0.5), 40), run("journalctl", "-u", "pmos-audio", "-n", "20").stdout)
    note("nonsense on the socket")
    for junk in (b"\0" * 65536, os.urandom(65536), b"\0\0\0\0\2\0\0\2\0\0\0\0\0\0\0\0" + os.urandom(4096)):
        with socket.socket(socket.AF_UNIX) as hostile:
            hostile.connect(str(PLACE / "personal" / "pipewire-0"))
            try:
                hostile.sendall(junk)
                hostile.settimeout(1)
                hostile.recv(4096)
            except OSError:
                pass
    check("it still hears", until(lambda: "T" in recorded("personal", 0.5), 40))
    note("the phone's own PipeWire")
    recording = Recording("personal")
    check("it records", recording.goes_on(0.5))
    speaker.quiet()
    run("systemctl", "kill", "-s", "KILL", "pmos-phone-audio")
    check("it goes on, with silence", recording.goes_on(1))
    choose_card()
    speaker.speak()
    at = recording.path.stat().st_size
    check("until there is sound again", until(lambda: recording.path.stat().st_size > at + 4 * RATE
          and "TTT" in heard(recording.path, IN)[-6:], 40), heard(recording.path, IN))
    recording.stop()
    note("pmos-audio")
    before = main_pid()
    os.kill(before, signal.SIGKILL)
    check("its children end with it", until(lambda: not processes("personal") and not processes("secure"), 10))
    check("another comes", until(lambda: main_pid() not in (0, before), 20))
    check("it knows of no mode until it is told", until(lambda: (RUN / "control").exists(), 10)
          and run(*command("personal", "timeout", "3", "pw-cli", "info", "0")).returncode != 0)
    until(lambda: busctl("a(suyyb)", "0").returncode == 0, 10)
    both((OPEN, OPEN), (SILENT, SILENT))
    check("and then it hears", until(lambda: "T" in recorded("personal", 0.5), 40))


def main_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmos-audio").stdout)


def stands_still():
    note("a mode that stands still costs nothing")
    recording = Recording("personal")
    check("it records", recording.goes_on(0.5))
    table(("personal", OPEN, OPEN, "false"), ("secure", SILENT, SILENT, "true"))
    check("nobody is said to record", both_still().startswith("asass 0 0"))
    before = recording.path.stat().st_size
    time.sleep(1.5)
    check("and nothing comes", recording.path.stat().st_size - before < RATE // 2)
    both((OPEN, OPEN), (SILENT, SILENT))
    check("it goes on where it was", recording.goes_on(1))
    recording.stop()


def both_still():
    return table(("personal", OPEN, OPEN, "false"), ("secure", SILENT, SILENT, "true"))


def without_microphone(speaker):
    note("a phone without a microphone")
    speaker.quiet()
    NO_MICROPHONE.write_text(
        'for _, c in ipairs(components) do\n  if c[1] == "monitors/alsa.lua" then\n'
        '    table.insert(c.args.rules, { matches = { { { "node.name", "matches", "alsa_input.*" } } },\n'
        '      apply_properties = { ["node.disabled"] = true } })\n  end\nend\n')
    run("systemctl", "restart", "pmos-phone-audio")
    choose_card(wanted=("Audio/Sink",))
    both((OPEN, OPEN), (OPEN, OPEN))
    player = subprocess.Popen(command("secure", "pw-play", str(PLACE / "out.wav")), stdin=subprocess.DEVNULL)
    path = PLACE / "played.wav"

    def is_heard():  # a player beside another phone takes its time to begin
        listen(path, 3)
        return hears(heard(path, OUT))

    check("what one mode plays is heard", until(is_heard, 20), heard(path, OUT))
    signs = recorded("personal")
    check("but by no other mode", player.poll() is None and is_silent(signs), signs)
    player.kill()
    player.wait()


def ends():
    note("a mode that stops")
    table(("secure", SILENT, SILENT, "true"))
    check("has no server left", until(lambda: not processes("personal"), 5), processes("personal"))
    check("nor a socket", not (RUN / "modes" / "personal" / "pipewire-0").exists())
    table()
    check("nor has the other", until(lambda: not processes("secure"), 5))
    check("nonsense is refused", busctl("a(suyyb)", "1", "../up", "5", OPEN, OPEN, "true").returncode != 0
          and busctl("a(suyyb)", "1", "personal", "0", OPEN, OPEN, "true").returncode != 0
          and busctl("a(suyyb)", "1", "personal", "5", "9", OPEN, "true").returncode != 0)


def steps(speaker):
    for step in (starts, microphone, loudspeaker, switches, taken_away, apart, stands_still, lambda: deaths(speaker),
                 lambda: without_microphone(speaker), ends):
        step()
        stop_if_failed()


main()
