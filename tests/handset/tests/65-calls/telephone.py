"""The two phones: baresip in secure mode, and out of the same image in the namespace."""

import array
import pathlib
import subprocess
import sys

from handset import run, until
from handset_sound import make_tone
from handset_uplink import INSIDE, NS, PEER

OWN_HZ, FAR_HZ = 440, 1000
SECONDS = 12
PLACE = pathlib.Path("/run/65-calls")
ROOT = PLACE / "root"  # the second phone's

CONFIG = """poll_method epoll
net_interface {link}
sip_listen {address}:5060
audio_source aufile,{place}/tone.wav
audio_player aubridge,none
audio_alert aubridge,none
rtp_ports 10000-10020
snd_path {place}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module dtls_srtp.so
module_tmp account.so
module_app menu.so
"""


def make_tones():
    for hz in (OWN_HZ, FAR_HZ):
        make_tone(PLACE / f"{hz}.wav", hz, 2 * SECONDS)


class SecondPhone:
    """baresip out of secure's image, in the namespace; takes each call."""

    def __init__(self, encryption):
        self.home = ROOT / "tmp/call"
        run("rm", "-rf", str(self.home))
        self.home.mkdir()
        (self.home / "tone.wav").write_bytes((PLACE / f"{FAR_HZ}.wav").read_bytes())
        (self.home / "config").write_text(CONFIG.format(link="wg0", address=PEER, place="/tmp/call"))
        (self.home / "accounts").write_text(account("second", PEER, encryption) + ";answermode=auto\n")
        (self.home / "contacts").write_text("")
        self.log = open(PLACE / "second.log", "wb")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", NS, "chroot", str(ROOT), "baresip", "-f", "/tmp/call"], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=subprocess.STDOUT)
        if not until(lambda: "baresip is ready" in self.said(), 60):
            sys.exit(f"the second phone does not begin: {self.said()}")

    def said(self):
        return without_clock((PLACE / "second.log").read_text(errors="replace"))

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def heard(self):
        return recording(b"".join(path.read_bytes() for path in self.home.glob("dump-*-dec.wav")))


def without_clock(said):
    """Nor what it was told, which it repeats letter by letter."""
    return "\n".join(line for line in said.splitlines() if line and line[0] != "/" and "bit/s" not in line)


def account(name, address, encryption):
    return f"<sip:{name}@{address}>;regint=0;audio_codecs=pcmu" + (f";mediaenc={encryption}" if encryption else "")


def recording(wave):
    """Its samples, whatever its head says: its writer may have been ended."""
    sound = wave[44:]
    return array.array("h", sound[:len(sound) // 2 * 2])


def inside(*command, **options):
    return run("pmosctl", "exec", "secure", "--", *command, **options)


def write_inside(name, content):
    done = inside("sh", "-c", f"umask 077; mkdir -p /data/call && cat >/data/call/{name}", input=content, text=False)
    if done.returncode != 0:
        sys.exit(f"secure cannot write {name}: {done.stderr}")


def call(encryption):
    """Of secure mode's phone: what it said."""
    inside("rm", "-rf", "/data/call")
    write_inside("tone.wav", (PLACE / f"{OWN_HZ}.wav").read_bytes())
    write_inside("config", CONFIG.format(link="pmos0", address=INSIDE, place="/data/call").encode())
    write_inside("accounts", (account("secure", INSIDE, encryption) + "\n").encode())
    write_inside("contacts", b"")
    done = inside("baresip", "-f", "/data/call", "-t", str(SECONDS), "-e", f"/dial sip:second@{PEER}", seconds=90)
    return without_clock(done.stdout + done.stderr)


def heard_inside():
    return recording(inside("sh", "-c", "cat /data/call/dump-*-dec.wav", text=False).stdout)
