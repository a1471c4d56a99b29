"""The phone's sound card in a test (snd-aloop): it hears at device 0 what is played at device 1, and the
other way round. Tones, and what is a tone. On the phone: import handset_sound."""

import array
import json
import math
import subprocess
import wave

from handset import check, note, run, stop_if_failed, until

RATE = 8000
PHONE = ("env", "PIPEWIRE_RUNTIME_DIR=/run/pmos-phone-audio")


def phone_nodes():
    """{id: properties} of all nodes of the phone's PipeWire."""
    try:
        dump = json.loads(run(*PHONE, "pw-dump").stdout)
    except ValueError:
        return {}
    return {o["id"]: (o.get("info") or {}).get("props", {}) for o in dump if o["type"].endswith(":Node")}


def make_card():
    """Starts the phone's PipeWire, with a card."""
    check("a card that hears itself", run("modprobe", "snd-aloop").returncode == 0)
    run("systemctl", "start", "pmos-phone-audio")
    choose_card()


def choose_card(wanted=("Audio/Sink", "Audio/Source")):
    """Device 0 of the card is the phone's microphone and loudspeaker; a new PipeWire knows nothing of it."""
    def nodes():
        found = {p["media.class"]: p["node.name"] for p in phone_nodes().values()
                 if "media.class" in p and p.get("api.alsa.pcm.device", p.get("alsa.device")) in (0, "0")}
        return found if sorted(found) == sorted(wanted) else {}

    found = until(nodes, 30)
    check("the phone's PipeWire has it", found, run("journalctl", "-u", "pmos-phone-audio*").stdout)
    stop_if_failed()
    for media_class, name in found.items():
        kind = media_class.removeprefix("Audio/").lower()
        run(*PHONE, "pw-metadata", "0", f"default.configured.audio.{kind}", json.dumps({"name": name}))
    note(", ".join(found.values()))


def make_tone(path, hz, seconds):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", (int(12000 * math.sin(2 * math.pi * hz * i / RATE))
                                           for i in range(seconds * RATE))).tobytes())


class Voice:
    """Somebody speaks into the microphone. A PipeWire that starts takes no card that anybody uses: be
    quiet then."""

    def __init__(self, path):
        self.path = path
        self.speak()

    def speak(self):
        """And again, for a soak is longer than any file."""
        self.process = subprocess.Popen(["sh", "-c", "trap 'kill $!; wait $!; exit' TERM; while :; do aplay -q -D plughw:Loopback,1,0 "
                                         '"$0" & wait $!; done', str(self.path)])

    def quiet(self):
        self.process.terminate()
        self.process.wait()


def listen(path, seconds):
    """What the loudspeaker says, as a file."""
    run("arecord", "-q", "-D", "plughw:Loopback,1,0", "-f", "S16_LE", "-r", str(RATE), "-c", "1", "-d", str(seconds),
        str(path))


def samples_of(path, head, begin=0):
    """Samples of a file that somebody may still write, behind its head and that byte."""
    sound = path.read_bytes()[max(head, begin) // 2 * 2:]
    return array.array("h", sound[:len(sound) // 2 * 2])


def is_tone(samples, hz):
    """An emulated processor that misses a beat leaves holes in a tone; of noise a hundredth of this share
    would be."""
    energy = sum(s * s for s in samples)
    real = sum(s * math.cos(2 * math.pi * hz * i / RATE) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(2 * math.pi * hz * i / RATE) for i, s in enumerate(samples))
    return energy > 0 and 2 * (real * real + imaginary * imaginary) / len(samples) > 0.25 * energy


def signs_of(samples, hz):
    """Of each tenth of a second: 'T' the tone, '.' digital silence, 'x' something else."""
    window = RATE // 10
    pieces = [samples[at:at + window] for at in range(0, len(samples) - window, window)]
    return "".join("." if not any(piece) else "T" if is_tone(piece, hz) else "x" for piece in pieces)


def hears(signs):
    """Whether the tone was there all along: beside another phone it has so many holes that most of it may
    be no tone any more, but silence it is not."""
    return len(signs) >= 8 and "T" in signs and signs.count(".") <= 0.6 * len(signs)


def is_silent(signs):
    """Not one sample that is not zero."""
    return len(signs) >= 8 and set(signs) == {"."}
