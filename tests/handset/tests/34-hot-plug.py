#!/usr/bin/env python3
# boot: own
# timeout: 300
# turn: 3
"""Devices that come and go while modes run: granted and removed by their profiles, in front and
behind, frozen or not, beside a mode that puts something in the way, and over a pmosd that dies."""

import json
import os
import pathlib
import signal
import subprocess

from handset import (PROFILES, another_pmosd, check, ctl, main_pid, note, pmosctl, replaced, run,
                     status, stop_if_failed, until)

# What a process of personal gets of every camera that it sees.
LOOK = r'''
import errno, fcntl, glob, os
for camera in sorted(glob.glob("/dev/video*")):
    try:
        fd = os.open(camera, os.O_RDWR)
        fcntl.ioctl(fd, 0x80685600, bytearray(104))
        os.close(fd)
        said = "done"
    except OSError as error:
        said = errno.errorcode[error.errno]
    print(camera, said)
'''


def inside(code, mode="personal"):
    return pmosctl("exec", mode, "--", "python3", "-c", code)


def seen():
    """{node: what opening it gives}, in personal."""
    return dict(line.split() for line in inside(LOOK).stdout.splitlines())


def cameras():
    return [d["node"] for d in json.loads(pmosctl("devices", "list", "--json").stdout) if d["class"] == "camera"]


def plug(count):
    """That many cameras, and pmosd has seen them."""
    run("modprobe", "-r", "vivid")
    check("no camera is there", until(lambda: not cameras(), 20), cameras())
    if count:
        check(f"{count} plugged in", run("modprobe", "vivid", f"n_devs={count}",
                                         "node_types=" + ",".join(["1"] * count)).returncode == 0)
        check("pmosd knows them", until(lambda: len(cameras()) == count, 20), cameras())


def start_loop(commands):
    return subprocess.Popen(["sh", "-c", f"while {commands}; do :; done"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


def node_of(mode, name):
    """The node as the host sees it in the mode's /dev."""
    return pathlib.Path(f"/proc/{status(mode)['pid']}/root/dev/{name}")


def events():
    return run("journalctl", "-u", "pmosd", "-o", "cat").stdout


def come_and_go():
    check("none before", seen() == {}, seen())
    plug(2)
    check("both are in the mode, and open", until(lambda: list(seen().values()) == ["done", "done"], 20), seen())
    check("they are granted", pmosctl("devices", "grants", "personal").stdout.count("/dev/video") == 2)
    grown = json.loads(pmosctl("inspect", "personal").stdout)
    check("what runs is told as it is now", sum(n.get("class") == "camera" for n in grown["plan"]["deviceNodes"]) == 2)
    check("secure has none", not list(node_of("secure", "").glob("video*")))
    plug(1)
    check("one is left", until(lambda: list(seen().values()) == ["done"], 20), seen())
    plug(0)
    check("none is left", until(lambda: seen() == {}, 20), seen())


def numbers():
    """A node that is nobody's camera any more, by what handset.json says when udev tells next."""
    plug(1)
    check("it opens", until(lambda: list(seen().values()) == ["done"], 20), seen())
    handset = pathlib.Path("/etc/pmos/handset.json")
    before = handset.read_text()
    handset.write_text('{"devices": {"camera": []}}')
    run("udevadm", "trigger", "--action=change", "--name-match=/dev/video0")
    check("it is gone from the mode", until(lambda: seen() == {}, 20), seen())
    handset.write_text(before)
    run("udevadm", "trigger", "--action=change", "--name-match=/dev/video0")
    check("it is back", until(lambda: list(seen().values()) == ["done"], 20), seen())


def behind():
    plug(0)
    ctl("switch", "secure")
    plug(1)
    check("behind, it is there and does not open", until(lambda: list(seen().values()) == ["EPERM"], 20), seen())
    ctl("switch", "personal")
    check("in front it does", until(lambda: list(seen().values()) == ["done"], 20), seen())


def while_switching():
    """It comes and goes while the phone is switched to and fro."""
    switching = start_loop("pmosctl switch secure && pmosctl switch personal")
    for _ in range(5):
        plug(0)
        plug(1)
    os.killpg(switching.pid, signal.SIGTERM)  # also the request that is under way
    switching.wait()
    ctl("switch", "personal")
    check("in the end it is there, and opens", until(lambda: list(seen().values()) == ["done"], 30), seen())
    ctl("switch", "secure")
    check("and is shut behind", until(lambda: list(seen().values()) == ["EPERM"], 20), seen())
    ctl("switch", "personal")


def frozen():
    """A mode that stands still has it when it goes on."""
    plug(0)
    ctl("switch", "secure")
    check("it stands still", until(lambda: status("personal")["state"] == "frozen", 20), status("personal"))
    plug(1)
    check("the node comes while it does", until(lambda: node_of("personal", "video0").exists(), 20))
    ctl("switch", "personal")
    check("and opens when it goes on", until(lambda: list(seen().values()) == ["done"], 20), seen())
    ctl("switch", "secure")
    plug(0)
    check("and goes while it stands still", until(lambda: not node_of("personal", "video0").exists(), 20))
    ctl("switch", "personal")


def in_the_way():
    """What the mode's root has put there is no way out of its /dev; by the host's hand here, for
    Landlock keeps personal's programs from writing there."""
    plug(0)
    planted = node_of("personal", "video0")
    planted.symlink_to("/etc/passwd")
    plug(1)
    check("a link makes room", until(lambda: list(seen().values()) == ["done"], 20), seen())
    check("what it led to is as it was", "root" in pathlib.Path("/etc/passwd").read_text())
    plug(0)
    planted.mkdir()
    plug(1)
    check("a directory stays, and pmosd says so", until(lambda: "devices-unsettled" in events(), 20))
    check("and serves on", pmosctl("status").returncode == 0 and planted.is_dir())
    planted.rmdir()
    plug(0)


def restart():
    plug(1)
    check("it opens", until(lambda: list(seen().values()) == ["done"], 20), seen())
    before = main_pid()
    os.kill(before, signal.SIGKILL)
    another_pmosd(before)
    check("a new pmosd has it adopted with its camera", list(seen().values()) == ["done"], seen())
    run("systemctl", "kill", "--signal=KILL", "pmosd")
    run("modprobe", "-r", "vivid")
    run("modprobe", "vivid", "n_devs=2", "node_types=1,1")
    another_pmosd(0)
    check("what came meanwhile is granted too", until(lambda: list(seen().values()) == ["done", "done"], 30), seen())
    plug(0)
    check("and takes it away", until(lambda: seen() == {}, 20), seen())
    plug(1)
    check("and grants it again", until(lambda: list(seen().values()) == ["done"], 20), seen())


def other_profile():
    """The profile of a later reload counts from the next start."""
    plug(0)
    path = PROFILES / "personal.json"
    text = path.read_text()
    path.write_text(replaced(text, ', "camera": "foreground"', ""))
    ctl("reload")
    plug(1)
    check("what it was started with counts", until(lambda: list(seen().values()) == ["done"], 20), seen())
    ctl("stop", "personal")
    ctl("start", "personal")
    check("and then the other", seen() == {}, seen())
    path.write_text(text)
    ctl("reload")
    run("modprobe", "-r", "vivid")


def main():
    path = PROFILES / "personal.json"
    text = replaced(path.read_text(), '"background": "freeze"', '"background": "run"')
    path.write_text(replaced(text, '"gpu": "render"', '"gpu": "render", "camera": "foreground"'))
    ctl("reload")
    ctl("stop", "personal")
    ctl("provision", "secure", pin="135790")
    ctl("unlock", "secure", pin="135790")
    ctl("switch", "personal")
    stop_if_failed()
    note("in front")
    come_and_go()
    note("a number in other hands")
    numbers()
    note("behind")
    behind()
    note("while the phone is switched")
    while_switching()
    note("in the way")
    in_the_way()
    note("a pmosd that dies")
    restart()
    note("another profile")
    other_profile()
    note("frozen")
    path = PROFILES / "personal.json"
    path.write_text(replaced(path.read_text(), '"background": "run"', '"background": "freeze"'))
    ctl("reload")
    ctl("stop", "personal")
    ctl("start", "personal")
    ctl("switch", "personal")
    frozen()
    run("modprobe", "-r", "vivid")


main()
