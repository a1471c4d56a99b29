#!/usr/bin/env python3
"""Hooks of all six kinds: when each runs, where, what it is told, and what becomes of one that fails.

usage: hooks_test.py BUILD_DIR [TEST...]
"""

import json
import os
import time

from world import config, equal, expect, sh, start

POINTS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def hook(world, point, script=None, **more):
    """Writes down when it runs, in which namespace, and the state that it is told."""
    path = world.dir / "hook"
    path.write_text("#!/bin/sh\n"
                    "log=$1\nread -r -d '' state <<EOF || true\n$(cat)\nEOF\n"
                    'echo "$2|$(readlink /proc/self/ns/mnt)|$(pwd)|$WHO|$(echo $state)" >>"$log"\n')
    path.chmod(0o755)
    if point == "startContainer":
        return {"path": "/bin/sh", "args": ["sh", "-c", script or "cat >>/hook.log"], "env": ["PATH=/bin"]} | more
    args = ["bash", path, world.dir / "hooks.log", point] if script is None else ["bash", "-c", script]
    return {"path": "/bin/bash", "args": list(map(str, args)), "env": ["PATH=/bin:/usr/bin", f"WHO={point}"]} | more


def test_order(world):
    log = world.dir / "hooks.log"
    log.unlink(missing_ok=True)
    made = sh("cat /hook.log; sleep 100")
    made["annotations"] = {"org.example.a": "b"}
    made["hooks"] = {point: [hook(world, point)] for point in POINTS}
    ours = os.readlink("/proc/self/ns/mnt")
    with world.created(made, name="hooked") as name:
        root = f"{world.state(name)['bundle']}/rootfs"
        pid = world.state(name)["pid"]
        rows = [line.split("|") for line in log.read_text().splitlines()]
        equal([row[0] for row in rows], ["prestart", "createRuntime", "createContainer"], "by create")
        equal([row[1] == ours for row in rows], [True, True, False], "the runtime's are outside, createContainer is inside")
        states = [json.loads(row[4]) for row in rows]
        equal([(s["status"], s["id"], s["pid"]) for s in states],
              [("creating", "hooked", pid), ("creating", "hooked", pid), ("creating", "hooked", 1)],
              "what they are told, with its number as they see it")
        equal(states[0]["annotations"], {"org.example.a": "b"}, "annotations")
        equal([row[3] for row in rows], ["prestart", "createRuntime", "createContainer"], "environment")
        expect(not os.path.exists(f"{root}/hook.log"), "startContainer has not run")
        world.oci("start", name)
        with open(f"{root}/hook.log", encoding="utf-8") as file:
            state = json.load(file)
            equal((state["status"], state["pid"]), ("created", 1), "startContainer runs inside")
        rows = [line.split("|") for line in log.read_text().splitlines()]
        equal([row[0] for row in rows[3:]], ["poststart"], "by start")
        equal(json.loads(rows[3][4])["status"], "running", "what poststart is told")
        world.oci("delete", "--force", name)
        rows = [line.split("|") for line in log.read_text().splitlines()]
        equal([row[0] for row in rows[4:]], ["poststop"], "by delete")
        equal(json.loads(rows[4][4])["status"], "stopped", "what poststop is told")


def test_before_the_root_is_entered(world):
    made = config("true")
    marker = world.dir / "seen"
    made["hooks"] = {"createContainer": [hook(world, "createContainer", f"ls /bin/bash && cat /proc/self/mountinfo >{marker}")]}
    world.run(made)
    expect("rootfs" in marker.read_text() or " / / " in marker.read_text(), "its mounts are there, outside its root")


def test_one_that_fails(world):
    for point in ("prestart", "createRuntime", "createContainer"):
        made = config("true")
        made["hooks"] = {point: [hook(world, point, "exit 3")]}
        told = world.refused(made, "hook")
        expect(point in told or "create-hooks" in told, f"{point} is told of", told)
    made = config("true")
    made["hooks"] = {"startContainer": [hook(world, "startContainer", "exit 3")]}
    world.refused(made, "hook")
    made["hooks"] = {"createRuntime": [{"path": "/bin/none"}]}
    world.refused(made, "/bin/none", "No such file")


def test_ends_that_fail(world):
    """poststart and poststop: told, and the rest goes on; what createRuntime did is undone by poststop."""
    marker = world.dir / "undone"
    made = config("true")
    made["hooks"] = {point: [hook(world, point, "exit 3"), hook(world, point, f"echo {point} >>{marker}")]
                     for point in ("poststart", "poststop")}
    place = world.bundle(made)
    told = world.oci("run", "--bundle", place, "ends").stderr
    equal(marker.read_text().split(), ["poststart", "poststop"], "those behind it run")
    equal(told.count("warning"), 2, f"both are told ({told})")
    marker.unlink()
    made["hooks"]["createRuntime"] = [hook(world, "createRuntime", "exit 3")]
    world.refused(made, "createRuntime")
    equal(marker.read_text().split(), ["poststop"], "poststop runs for what was never made")


def test_one_that_hangs(world):
    for point in ("createRuntime", "createContainer"):
        made = config("true")
        made["hooks"] = {point: [hook(world, point, "exec sleep 100", timeout=1)]}
        begin = time.monotonic()
        world.refused(made, "hook")
        expect(time.monotonic() - begin < 10, f"{point} is ended")


def test_one_that_does_not_read(world):
    made = config("true")
    made["annotations"] = {f"a{i}": "x" * 1000 for i in range(100)}
    made["hooks"] = {"createRuntime": [hook(world, "createRuntime", "exit 0")]}
    world.run(made)


if __name__ == "__main__":
    start(__name__)
