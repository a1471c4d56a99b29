#!/usr/bin/env python3
"""The life of a container, as an engine leads it: states, refusals, what is left.

usage: lifecycle_test.py BUILD_DIR [TEST...]
"""

import errno
import json
import os
import signal
import subprocess
import time

from world import config, equal, expect, sh, start, wait_for


def status(world, name):
    return world.state(name)["status"]


def test_states(world):
    with world.created(sh("echo ran >/tmp/ran; sleep 100"), name="life") as name:
        state = world.state(name)
        equal((state["status"], state["id"], state["ociVersion"].split(".")[0]), ("created", "life", "1"), "state")
        expect(state["pid"] > 0 and os.path.exists(f"/proc/{state['pid']}"), "it has a process", state)
        expect(state["bundle"].startswith("/"), "the bundle is absolute", state)
        ran = f"{state['bundle']}/rootfs/tmp/ran"
        time.sleep(0.2)
        expect(not os.path.exists(ran), "its program waits")
        world.oci("start", name)
        equal(status(world, name), "running", "state after start")
        wait_for("what the program does", lambda: os.path.exists(ran))
        again = world.oci("start", name, expects=1).stderr
        expect("running, not created" in again, "a second start is refused", again)
        refused = world.oci("delete", name, expects=1).stderr
        expect("running" in refused, "one that runs is not deleted", refused)
        world.oci("kill", name, "KILL")
        wait_for("the end", lambda: status(world, name) == "stopped")
        equal(world.state(name)["pid"], 0, "pid of one that has ended")
        expect("container not running" in world.oci("kill", name, "TERM", expects=1).stderr, "no signal any more")
        world.oci("delete", name)
    expect("does not exist" in world.oci("state", name, expects=1).stderr, "it is gone")


def test_names(world):
    place = world.bundle(config())
    for bad in ("", ".", "..", "a/b", "a b", "x" * 300, "ä"):
        told = world.oci("run", "--bundle", place, bad, expects=1).stderr
        expect("no name of a container" in told, "a bad name is refused", told)
    with world.created(config("sleep", "100"), name="one"):
        told = world.oci("create", "--bundle", place, "one", expects=1).stderr
        expect("exists" in told, "a second of that name is refused", told)
        equal(status(world, "one"), "created", "the first is as it was")


def test_exit_status(world):
    world.run(sh("exit 7"), expects=7)
    world.run(sh("kill -9 $$"), expects=0)  # PID 1 of a namespace does not hear itself
    equal(world.run(sh("echo $$")), "1\n", "its program is PID 1")


def test_kill_reaches_it(world):
    place = world.bundle(sh("trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done"))
    run = subprocess.Popen([world.program, "--root", world.root, "run", "--bundle", place, "k"], stdout=subprocess.PIPE,
                           text=True)
    equal(run.stdout.readline(), "up\n", "it runs")
    run.send_signal(signal.SIGTERM)
    equal(run.wait(10), 3, "a signal goes through to it")


def test_what_cannot_be_run(world):
    for program, words in (("/bin/none", "No such file"), ("/etc/passwd", "ermission denied")):
        place = world.bundle(config(program))
        told = world.oci("run", "--bundle", place, "x", expects=1).stderr
        expect(words in told and program in told, f"{program} is told of", told)
    with world.created(config("/bin/none"), name="late") as name:
        told = world.oci("start", name, expects=1).stderr
        expect("No such file" in told, "start tells it", told)
        equal(status(world, name), "stopped", "and it has ended")


def test_killed_before_start(world):
    with world.created(config("sleep", "100"), name="early") as name:
        world.oci("kill", name, "KILL")
        wait_for("the end", lambda: status(world, name) == "stopped")
        world.oci("start", name, expects=1)
        world.oci("delete", name)


def test_delete_of_created(world):
    with world.created(config("sleep", "100"), name="unborn") as name:
        pid = world.state(name)["pid"]
        refused = world.oci("delete", name, expects=1).stderr
        expect("created" in refused, "one that waits for its start is not deleted", refused)
        equal(world.state(name)["pid"], pid, "nothing has happened to it")
        world.oci("delete", "--force", name)
        wait_for("its process to end", lambda: not os.path.exists(f"/proc/{pid}/root/bin"))


def test_pid_file_and_list(world):
    pid_file = world.dir / "pid"
    with world.created(config("sleep", "100"), "--pid-file", pid_file, name="listed") as name:
        equal(int(pid_file.read_text()), world.state(name)["pid"], "pid file")
        rows = json.loads(world.oci("list", "--format", "json").stdout)
        equal([(row["id"], row["status"]) for row in rows], [("listed", "created")], "list")
        equal(world.oci("list", "-q").stdout, "listed\n", "list -q")
        world.oci("start", name)
        equal(json.loads(world.oci("ps", "--format", "json", name).stdout), [world.state(name)["pid"]], "ps")


def test_config_is_that_of_create(world):
    with world.created(config("sleep", "100"), name="kept") as name:
        bundle = world.state(name)["bundle"]
        with open(f"{bundle}/config.json", "w", encoding="utf-8") as file:
            file.write("{}")
        world.oci("start", name)
        equal(world.oci("exec", name, "echo", "hello").stdout, "hello\n", "exec")


def test_kill_all(world):
    """Without a pid namespace of its own: what is its own dies, and nobody else."""
    made = sh("sleep 90 & sleep 91", hostname="")
    made["linux"]["namespaces"] = [{"type": "mount"}]
    made["mounts"] = [m for m in made["mounts"] if m["type"] in ("proc", "tmpfs")]
    with subprocess.Popen(["sleep", "100"]) as bystander:
        try:
            with world.created(made, name="all") as name:
                world.oci("start", name)
                pid = world.state(name)["pid"]
                pids = wait_for("both programs", lambda: len(ids := json.loads(
                    world.oci("ps", "--format", "json", name).stdout)) >= 2 and ids)
                expect(pid in pids and bystander.pid not in pids and os.getpid() not in pids, "its own", pids)
                world.oci("kill", "--all", name, "KILL")
                wait_for("the end of all", lambda: not any(os.path.exists(f"/proc/{one}/root/bin") for one in pids))
            equal(bystander.poll(), None, "another lives")
        finally:
            bystander.kill()


def test_own_program_is_out_of_reach(world):
    """CVE-2019-5736: what a container can get hold of in /proc/PID/exe cannot be written to."""
    with world.created(config("sleep", "100"), name="reach") as name:
        pid = world.state(name)["pid"]
        expect("pmos-oci" in os.readlink(f"/proc/{pid}/exe") or os.path.exists(f"/proc/{pid}/exe"), "it waits in our program")
        expect(os.statvfs(f"/proc/{pid}/exe").f_flag & os.ST_RDONLY, "on a read-only mount")
        held = os.open(f"/proc/{pid}/exe", os.O_PATH)
        world.oci("start", name)
        try:
            os.close(os.open(f"/proc/self/fd/{held}", os.O_WRONLY))
            expect(False, "it could be opened to write")
        except OSError as e:
            equal(e.errno, errno.EROFS, "why it cannot be opened")
        os.close(held)


def test_paused(world):
    with world.created(config("sleep", "100"), name="still") as name:
        world.oci("start", name)
        world.oci("pause", name)
        equal(status(world, name), "paused", "state")
        expect("is paused" in world.oci("exec", name, "true", expects=1).stderr, "nothing more starts in it")
        world.oci("resume", name)
        equal(status(world, name), "running", "state after resume")
        world.oci("exec", name, "true")


def test_detached(world):
    place = world.bundle(config("sleep", "100"))
    subprocess.run([world.program, "--root", world.root, "run", "--detach", "--bundle", place, "away"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    equal(status(world, "away"), "running", "it runs")
    world.oci("delete", "--force", "away")


def test_command_line(world):
    for words in (["nothing"], ["run"], ["state", "a", "b"], ["--log-format", "xml", "list"], ["run", "--no-pivot", "a"], []):
        told = world.oci(*words, expects=2).stderr
        expect("hint: " in told, "what is right is told", told)
    log = world.dir / "log"
    world.oci("--log", log, "--log-format", "json", "state", "none", expects=1)
    line = json.loads(log.read_text())
    expect(line["level"] == "error" and "none" in line["msg"] and line["time"], "the log has it", line)
    features = json.loads(world.oci("features").stdout)
    expect("createRuntime" in features["hooks"] and "rbind" in features["mountOptions"], "features", features)


if __name__ == "__main__":
    start(__name__)
