#!/usr/bin/env python3
"""Which devices this phone has by class: as the subsystems tell, as handset.json says, as detect
describes them; and which process of which mode has one open."""

import json
import os
import pathlib
import re

from handset import check, ctl, note, pmosctl, run, start, until

HANDSET = pathlib.Path("/etc/pmos/handset.json")
SHIPPED = HANDSET.read_text()


def devices():
    """What pmosd knows, as {(class, right): [node...]}."""
    found = {}
    for device in json.loads(pmosctl("devices", "list", "--json").stdout):
        found.setdefault((device["class"], device["right"]), []).append(device["node"])
    return found


def there(pattern):
    return sorted(str(path) for path in pathlib.Path("/dev").glob(pattern))


def use(text):
    HANDSET.write_text(text)
    ctl("reload")


def row(node):
    return next(d for d in json.loads(pmosctl("devices", "list", "--json").stdout) if d["node"] == node)


def plain(text):
    """JSON of what detect writes: its comments have lines of their own."""
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))


def doctor(subject):
    return [f for f in json.loads(pmosctl("doctor", "--json").stdout) if f["subject"] == subject]


check("a sound card comes", run("modprobe", "snd-aloop").returncode == 0)
# A camera that makes its own pictures; its other nodes are outputs, radio and the like.
check("a camera comes", run("modprobe", "vivid").returncode == 0)
check("both are seen", until(lambda: {("audio", "capture"), ("camera", "use")} <= set(devices()), 20))

note("without a description the subsystem tells")
found = devices()
check("render nodes", found.get(("gpu", "render")) == there("dri/renderD*"), found)
check("two of them", len(found.get(("gpu", "render"), [])) == 2, found)
check("their cards", found.get(("gpu", "display")) == there("dri/card[0-9]*"), found)
check("playback", sorted(found.get(("audio", "playback"), [])) == there("snd/pcm*p"), found)
check("capture", sorted(found.get(("audio", "capture"), [])) == there("snd/pcm*c"), found)
check("mixers", sorted(found.get(("audio", "control"), [])) == there("snd/controlC*"), found)
cameras = found.get(("camera", "use"), [])
check("cameras, and no other video node", cameras and len(cameras) < len(there("video*"))
      and all(":capture:" in run("udevadm", "info", "-q", "property", node).stdout for node in cameras), cameras)
check("the modem, which handset.json names", found.get(("modem", "port")) == ["/dev/ttyS2"], found)
render = found[("gpu", "render")]
check("personal has the GPU", row(render[0])["grants"] == {"personal": "foreground", "secure": "never"}, row(render[0]))
check("a card is nobody's", set(row("/dev/dri/card0")["grants"].values()) == {"never"}, row("/dev/dri/card0"))
drivers = {row(node)["driver"] for node in render}
check("drivers are told", drivers == {"virtio-pci", ""}, drivers)  # vgem has none
check("the doctor has the nodes", all(n in doctor("device gpu")[0]["message"] for n in render))
check("and those of sound, which the broker has",
      "/dev/snd/controlC" in doctor("device audio")[0]["message"], doctor("device audio"))
check("and what nobody arbitrates", "no arbitration" in doctor("device torch")[0]["message"], doctor("device torch"))
for missing in ("gnss", "sensors", "usb", "bluetooth", "vibrator", "torch"):
    check(f"and that there is no {missing}", "none on this phone" in doctor(f"device {missing}")[0]["message"])

note("who is granted what, by which line")
grants = {g["class"]: g for g in json.loads(pmosctl("devices", "grants", "personal", "--json").stdout)}
check("the GPU", grants["gpu"]["right"] == "render" and grants["gpu"]["nodes"] == render, grants["gpu"])
check("by its line", re.search(r"personal\.json:26:\d+$", grants["gpu"]["at"]), grants["gpu"])
check("nothing of what it is denied", grants["camera"]["right"] == "none" and not grants["camera"]["nodes"]
      and re.search(r"hardened\.json:\d+:\d+$", grants["camera"]["at"]), grants["camera"])

note("what detect writes is what is there")
made = "/run/detected.json"
ctl("handset", "detect", "--out", made)
text = pathlib.Path(made).read_text()
note(*("\n          " + line for line in text.splitlines()))
ctl("handset", "check", made)
detected = plain(text)["devices"]
check("every class is in it", len(detected) == 10, detected)
check("it says what the devices are", "driver virtio-pci" in text)
check("by nothing that the next boot changes", not re.search(r'": "[^"]*(D128|C[0-9]D|card[0-9])"', text), text)
check("USB is left to a person", detected["usb"] == [], detected)
use(text)
check("pmosd finds the same by it", devices() == found, devices())
check("and has no fault to tell", not doctor("host"), doctor("host"))

note("what is described is all there is")
use('{"devices": {"gpu": [{"subsystem": "drm", "name": "renderD*", "driver": "virtio-*", "right": "render"}],'
    ' "audio": []}}')
narrow = devices()
check("one GPU of two", len(narrow.get(("gpu", "render"), [])) == 1, narrow)
check("no card", ("gpu", "display") not in narrow, narrow)
check("no sound", not [c for c, _ in narrow if c == "audio"], narrow)
check("no modem", ("modem", "port") not in narrow, narrow)

note("a fault is told at its line, and denies")
use('{"model": "x1", "devices": {\n  "gpu": ["/dev/dri/renderD128"],\n  "modem": ["/dev/ttyS2"]\n}}')
told = [f["message"] for f in doctor("host")]
check("at its line", any(f"{HANDSET}:2:11: 'gpu' has several rights" in m for m in told), told)
check("its class has nothing", not [c for c, _ in devices() if c == "gpu"], devices())
check("the others have theirs", devices().get(("modem", "port")) == ["/dev/ttyS2"], devices())
use('{"devices": {"gpus": []}}')
check("a fault that may be about any denies all", devices() == {}, devices())
done = pmosctl("handset", "check")
check("check says the same", done.returncode == 1 and f"{HANDSET}:1:14: error: unknown device class 'gpus'" in done.stdout,
      done.stdout)
use("{")
check("pmosd runs on", devices() == {} and pmosctl("status").returncode == 0)
use(SHIPPED)
check("all is as it was", devices() == found, devices())

note("what comes and goes")
check("the sound card goes", run("modprobe", "-r", "snd-aloop").returncode == 0)
check("and its nodes with it", until(lambda: ("audio", "control") not in devices() or
                                     len(devices()[("audio", "control")]) < len(found[("audio", "control")]), 20))
check("it comes again", run("modprobe", "snd-aloop").returncode == 0)
check("and they with it", until(lambda: devices() == found, 20), devices())

note("who has it open")
ctl("start", "personal")
ctl("switch", "personal")
check("nobody", json.loads(pmosctl("devices", "who", "--json").stdout) == [])
inside = f"import mmap,os,time; fd = os.open('{render[0]}', os.O_RDWR); print('open', flush=True); time.sleep(300)"
holder = start("exec", "personal", "--", "python3", "-c", inside)
check("a process opens it", holder.stdout.readline().strip() == "open")
held = json.loads(pmosctl("devices", "who", "--json").stdout)
check("it is named", len(held) == 1 and held[0]["mode"] == "personal" and held[0]["node"] == render[0]
      and held[0]["program"] == "python3" and held[0]["fds"], held)
check("by its pid", held and os.path.basename(os.readlink(f"/proc/{held[0]['pid']}/exe")).startswith("python3"), held)
check("and in words", re.search(rf"personal +\d+ +python3 +gpu +render +{render[0]} +fd \d+",
                                pmosctl("devices", "who").stdout))
holder.terminate()
holder.wait()
check("and then nobody", until(lambda: pmosctl("devices", "who", "--json").stdout.strip() == "[]", 20))
check("only root may ask", run("setpriv", "--reuid", "65534", "pmosctl", "devices", "who").returncode != 0)

run("modprobe", "-r", "snd-aloop", "vivid")
os.unlink(made)
