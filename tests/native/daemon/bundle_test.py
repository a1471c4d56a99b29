#!/usr/bin/env python3
"""Signed policy on a running pmosd: install, trial, confirm, fallback, floor, and a worker that is
killed at each of its operations. As pmosd_test.py, whose phone it uses.

usage: bundle_test.py BUILD_DIR [TEST...]
"""
import ctypes
import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from pmosd_test import expect, hold, let_go, main, plan_of, profile, wait_for


def desk(phone):
    """A key, and a function that makes signed bundles of the phone's profiles."""
    for sub in ("trust", "hooks", "desk"):
        os.makedirs(f"{phone.dir}/{sub}", exist_ok=True)
    ctl = f"{phone.build}/cli/pmosctl"
    run = lambda *words: subprocess.run([ctl, "policy", *words], check=True, capture_output=True, text=True)
    run("keygen", f"{phone.dir}/desk/k")

    def make(version, **more):
        file = f"{phone.dir}/desk/v{version}"
        words = [w for key, value in more.items() for w in ("--" + key.replace("made_for", "for"), value)]
        run("pack", f"{phone.dir}/profiles", "-o", file, "--name", "acme", "--version", str(version),
            "--images", f"{phone.dir}/images", "--hooks", f"{phone.dir}/hooks", *words)
        run("sign", file, "--key", f"{phone.dir}/desk/k.key")
        return file

    return make


def trust(phone):
    shutil.copy(f"{phone.dir}/desk/k.pub", f"{phone.dir}/trust/k.pub")


def status(phone):
    return json.loads(phone.ctl("policy", "status", "--json").stdout)


def doctor(phone):
    """Its words; whether this kernel lacks something else is not asked here."""
    return subprocess.run([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "doctor"],
                          capture_output=True, text=True).stdout


def again(phone, how=signal.SIGKILL, *more):
    phone.process.send_signal(how)
    phone.process.wait()
    phone.start(*more)


def in_use(phone):
    s = status(phone)
    return s.get("version"), s.get("state"), s["floor"]


def test_install_and_confirm(phone):
    make = desk(phone)
    one = make(1)
    expect(status(phone)["source"] == "directory", "a directory is read while nobody is trusted")
    refused = phone.ctl("policy", "install", one, status=14)
    expect("nobody is trusted" in refused.stderr, refused.stderr)
    trust(phone)
    phone.ctl("reload")
    expect(status(phone)["source"] == "none", "with a key, only a bundle will do")
    expect(phone.status("alpha")["state"] == "disabled", "no mode stands")
    expect("no policy bundle is installed" in doctor(phone), "doctor says so")
    phone.ctl("policy", "install", one)
    expect(in_use(phone) == ("1", "trial", "0"), f"on trial: {in_use(phone)}")
    expect(phone.status("alpha")["file"] == "acme@1/alpha.json", "the bundle's profile is used")
    phone.ctl("start", "alpha")
    phone.ctl("policy", "confirm")
    expect(in_use(phone) == ("1", "confirmed", "1"), f"confirmed: {in_use(phone)}")
    phone.ctl("policy", "confirm", status=2)
    phone.write(profile("alpha", 500000))
    phone.ctl("reload")
    expect(json.loads(phone.ctl("inspect", "alpha").stdout)["plan"]["uidMap"][0]["outside"] == 200000,
           "the directory is not read any more")
    phone.ctl("policy", "install", make(2))
    phone.ctl("restart", "alpha")
    expect(json.loads(phone.ctl("inspect", "alpha").stdout)["plan"]["uidMap"][0]["outside"] == 500000,
           "the new one counts from the next start")
    phone.ctl("policy", "reject")
    expect(in_use(phone) == ("1", "confirmed", "1"), "rejected")
    refused = phone.ctl("policy", "install", one, status=5)
    again(phone, signal.SIGTERM)
    expect(in_use(phone) == ("1", "confirmed", "1"), "another pmosd uses it too")


def test_confirms_itself(phone):
    make = desk(phone)
    trust(phone)
    again(phone, signal.SIGTERM, "--confirm-after", "1")
    phone.ctl("policy", "install", make(3))
    time.sleep(1.5)
    expect(in_use(phone) == ("3", "trial", "0"), "nothing has run under it")
    phone.ctl("start", "beta")
    wait_for("confirmation", lambda: in_use(phone) == ("3", "confirmed", "3"), 5)
    refused = phone.ctl("policy", "install", make(2), status=14)
    expect("versions only rise" in refused.stderr, refused.stderr)


def test_three_starts(phone):
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    phone.ctl("policy", "install", make(2))
    for _ in range(4):
        again(phone, signal.SIGTERM)
        expect(in_use(phone) == ("2", "trial", "1"), "an orderly end is no failure")
    for _ in range(2):
        again(phone)
        expect(in_use(phone) == ("2", "trial", "1"), "it is tried again")
    again(phone)
    expect(in_use(phone) == ("1", "confirmed", "1"), f"then the last good one is used: {in_use(phone)}")
    expect("did not come up" in status(phone)["fellBack"], "and status says why")
    expect("given up" in doctor(phone), "and doctor")
    phone.ctl("start", "alpha")


def test_what_this_phone_cannot_have(phone):
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    # Checked with a warning: what this build cannot enforce, another may.
    phone.write(profile("alpha", 200000, root={"verity": {"rootHash": "0" * 64}}))
    two = make(2)
    refused = phone.ctl("policy", "install", two, status=12)
    expect("acme@2/alpha.json:" in refused.stderr, f"the place is named: {refused.stderr}")
    expect(in_use(phone) == ("1", "confirmed", "1"), "the one from before is used")
    phone.write(profile("alpha", 200000))
    phone.ctl("policy", "install", make(3, made_for="other"), status=14)
    again(phone)
    expect(in_use(phone) == ("1", "confirmed", "1"), "also after a start")


def test_images(phone):
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    phone.ctl("start", "alpha")
    phone.ctl("stop", "alpha")
    image = f"{phone.dir}/images/alpha.erofs"
    shutil.copy(image, f"{phone.dir}/kept")
    with open(image, "ab") as out:
        out.write(b"more")
    phone.ctl("restart", "beta")
    phone.ctl("reload")
    expect(status(phone)["source"] == "none", "an image that is not the policy's: no mode")
    expect("not the one of this policy" in status(phone)["why"], status(phone)["why"])
    phone.ctl("start", "alpha", status=4)
    shutil.copy(f"{phone.dir}/kept", image)
    phone.ctl("reload")
    phone.ctl("start", "alpha")
    phone.ctl("stop", "alpha")
    # Without a reload, the next thing that opens it finds that it is another.
    os.utime(image)
    again(phone)
    phone.ctl("start", "alpha")


def test_bad_input(phone):
    make = desk(phone)
    trust(phone)
    phone.ctl("reload")
    good = make(1)
    bad = f"{phone.dir}/desk/bad"
    with open(good, "rb") as file:
        sound = file.read()
    for what, content in (("empty", b""), ("cut", sound[:-1]), ("longer", sound + b"x"), ("noise", os.urandom(4096)),
                          ("flipped", sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:]),
                          ("unsigned", sound[:64] + bytes(96) + sound[160:])):
        with open(bad, "wb") as out:
            out.write(content)
        started = time.monotonic()
        done = subprocess.run([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "policy", "install", bad],
                              capture_output=True, text=True)
        expect(done.returncode in (2, 14) and done.stderr.startswith("pmosctl: "), f"{what}: {done.stderr}")
        expect(time.monotonic() - started < 10, f"{what}: in time")
    os.truncate(bad, 100 << 20)
    phone.ctl("policy", "install", bad, status=2)
    os.unlink(bad)
    os.mkfifo(bad)
    phone.ctl("policy", "install", bad, status=2)
    os.unlink(bad)
    os.symlink(good, bad)
    phone.ctl("policy", "install", bad, status=1)
    expect(status(phone)["source"] == "none", "nothing of it was taken")
    os.chmod(f"{phone.dir}/trust", 0o777)
    refused = phone.ctl("policy", "install", good, status=14)
    expect("others than root" in refused.stderr, refused.stderr)
    os.chmod(f"{phone.dir}/trust", 0o755)
    with open(f"{phone.dir}/trust/x.pub", "w", encoding="ascii") as out:
        out.write("not a key\n")
    phone.ctl("policy", "install", good, status=2)
    os.unlink(f"{phone.dir}/trust/x.pub")
    phone.ctl("policy", "install", good)


def test_reload_falls_back(phone):
    """A trial that this phone cannot have any more gives way to the good one, and no mode is without a plan."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    phone.ctl("policy", "install", make(2))
    expect(in_use(phone) == ("2", "trial", "1"), f"on trial: {in_use(phone)}")
    # Nothing bounds devices without cgroup v2: no profile can be had.
    inside = ["nsenter", "-m", "-t", str(phone.process.pid)]
    subprocess.run([*inside, "mount", "-t", "tmpfs", "none", phone.cgroup], check=True)
    phone.ctl("reload")
    subprocess.run([*inside, "umount", phone.cgroup], check=True)
    expect(in_use(phone) == ("1", "confirmed", "1"), f"the good one at once: {status(phone)}")
    expect("cgroup v2 is not mounted" in status(phone)["fellBack"], f"and why: {status(phone)}")
    expect("policy-fell-back bundle='acme@1'" in phone.said(), "and an event")
    phone.ctl("reload")
    phone.ctl("start", "alpha")
    again(phone)
    expect(in_use(phone) == ("1", "confirmed", "1"), "also after a start")


class Full:
    """The policy slots on a storage of their own that has no room left."""

    def __init__(self, phone):
        self.place = f"{phone.dir}/state/policy"

    def __enter__(self):
        kept = self.place + ".kept"
        shutil.copytree(self.place, kept)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", self.place], check=True)
        shutil.copytree(kept, self.place, dirs_exist_ok=True)
        self.fill()
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.place], check=True)

    def fill(self):
        with open(f"{self.place}/filler", "wb", buffering=0) as out:
            try:
                while out.write(bytes(4096)):
                    pass
            except OSError:
                pass

    def make_room(self):
        os.unlink(f"{self.place}/filler")


def test_full_storage(phone):
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    phone.ctl("policy", "install", make(2))
    phone.process.kill()
    phone.process.wait()
    with Full(phone) as storage:
        phone.start()
        expect(in_use(phone) == ("1", "confirmed", "1"), f"a try that cannot be counted is none: {status(phone)}")
        expect("cannot be counted" in status(phone)["fellBack"], status(phone)["fellBack"])
        phone.ctl("start", "alpha")
        phone.ctl("reload")
        expect(in_use(phone) == ("1", "confirmed", "1"), "nor does a reload try it")
        phone.ctl("policy", "install", make(3), status=15)
        phone.ctl("policy", "confirm", status=2)
        refused = phone.ctl("policy", "reject", status=1)
        expect("until the next start" in refused.stderr, refused.stderr)
        storage.make_room()
        phone.ctl("reload")
        expect(in_use(phone) == ("2", "trial", "1"), f"with room it is tried: {in_use(phone)}")
        storage.fill()
        phone.ctl("policy", "install", make(3), status=15)
        expect(in_use(phone) == ("2", "trial", "1"), "an install without room takes nothing away")
        phone.process.terminate()
        phone.process.wait()
    phone.start()


def test_only_what_ran_under_it(phone):
    """Neither a mode that was started before, nor the time of an earlier trial, speaks for a policy."""
    make = desk(phone)
    trust(phone)
    again(phone, signal.SIGTERM, "--confirm-after", "3")
    phone.ctl("policy", "install", make(1))
    phone.ctl("start", "alpha")
    phone.ctl("policy", "confirm")
    phone.ctl("policy", "install", make(2))
    time.sleep(3.5)
    expect(in_use(phone) == ("2", "trial", "1"), "alpha was started before")
    phone.ctl("restart", "alpha")
    time.sleep(1.5)
    phone.ctl("policy", "install", make(3))
    begun = time.monotonic()
    phone.ctl("restart", "beta")
    wait_for("confirmation", lambda: in_use(phone) == ("3", "confirmed", "3"), 30)
    expect(time.monotonic() - begun >= 3, "the time of version 2 is not that of version 3")
    phone.ctl("policy", "install", make(4))
    phone.ctl("restart", "beta")
    again(phone, signal.SIGKILL, "--confirm-after", "1")
    wait_for("confirmation", lambda: in_use(phone) == ("4", "confirmed", "4"), 5)


def test_nothing_good_is_lost(phone):
    """A first bundle is on trial, and there is no good one to fall back to."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("start", "alpha")
    phone.write(profile("alpha", 200000, root={"verity": {"rootHash": "0" * 64}}))
    phone.ctl("policy", "install", make(2), status=12)
    expect(in_use(phone) == ("1", "trial", "0"), f"what runs is kept: {status(phone)}")
    again(phone)
    expect(in_use(phone) == ("1", "trial", "0"), f"also for the next start: {status(phone)}")


def put_by_hand(phone, bundle):
    """Where pmosd has not looked at it first."""
    with open(bundle, "rb") as file:
        subprocess.run([f"{phone.build}/src/runtime/bundle/pmos-bundle", "install", "--state", f"{phone.dir}/state",
                        "--trust", f"{phone.dir}/trust", "--images", f"{phone.dir}/images", "--hooks", f"{phone.dir}/hooks",
                        "--run", f"{phone.dir}/run"], check=True, stdin=file, capture_output=True)


def without_pin(bundle, name):
    """The bundle without that pin, to be signed again: as a tool would make it that is not ours."""
    with open(bundle, "rb") as file:
        whole = file.read()
    index, contents = whole[160:].split(b"\n\n", 1)
    lines = [line for line in index.split(b"\n") if line.split()[1] != name.encode()]
    payload = b"\n".join(lines) + b"\n\n" + contents
    with open(bundle, "wb") as file:
        file.write(whole[:16] + struct.pack("<QQ", len(payload), 0) + hashlib.sha256(payload).digest() + bytes(96) + payload)


def test_missing_pin(phone):
    make = desk(phone)
    trust(phone)
    one = make(1)
    without_pin(one, "alpha.erofs")
    ctl = f"{phone.build}/cli/pmosctl"
    subprocess.run([ctl, "policy", "sign", one, "--key", f"{phone.dir}/desk/k.key"], check=True, capture_output=True)
    refused = phone.ctl("policy", "install", one, status=12)
    expect("acme@1/alpha.json" in refused.stderr and "is not pinned" in refused.stderr, refused.stderr)
    put_by_hand(phone, one)
    again(phone)
    expect(status(phone)["source"] == "none", f"nothing to fall back to: {status(phone)}")
    expect("is not pinned" in status(phone)["why"], status(phone)["why"])


def test_trust_taken_away(phone):
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    os.unlink(f"{phone.dir}/trust/k.pub")
    phone.ctl("reload", status=14)
    expect(status(phone)["source"] == "none", f"no key opens no directory: {status(phone)}")
    expect("nobody is trusted" in status(phone)["why"], status(phone)["why"])
    expect("unsigned again" in doctor(phone), "doctor has the way back")
    phone.ctl("policy", "install", make(2), status=14)
    os.rmdir(f"{phone.dir}/trust")
    again(phone)
    expect(status(phone)["source"] == "none", "nor without the directory of keys")
    os.unlink(f"{phone.dir}/state/policy/slots")
    phone.ctl("reload", status=14)
    expect(status(phone)["source"] == "none", "nor without the record")
    os.mkdir(f"{phone.dir}/trust")
    trust(phone)
    phone.ctl("policy", "install", make(2))
    os.unlink(f"{phone.dir}/trust/k.pub")
    shutil.rmtree(f"{phone.dir}/state/policy")
    phone.ctl("reload")
    expect(status(phone)["source"] == "directory", "a developer takes the slots away, too")
    phone.ctl("start", "alpha")


def test_prepared_root(phone):
    """What was mounted for the next start is not used once the policy pins another file by that name."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("start", "alpha")
    phone.ctl("policy", "confirm")
    phone.ctl("stop", "alpha")
    image = f"{phone.dir}/images/alpha.erofs"
    os.rename(image, f"{phone.dir}/old")
    with open(f"{phone.dir}/tree/etc/pmos-mode", "w", encoding="ascii") as out:
        out.write("the new one\n")
    subprocess.run(["mkfs.erofs", "--quiet", image, f"{phone.dir}/tree"], check=True, stdout=subprocess.DEVNULL)
    phone.ctl("policy", "install", make(2))
    phone.ctl("start", "alpha")
    told = phone.ctl("exec", "alpha", "--", "cat", "/etc/pmos-mode").stdout
    expect(told == "the new one\n", f"the image that is pinned is the one that is used: {told}")
    phone.ctl("stop", "alpha")
    # Written to where it is, below what is mounted.
    with open(image, "r+b") as out:
        out.seek(1024)
        first = out.read(1)
        out.seek(1024)
        out.write(first)
    refused = phone.ctl("start", "alpha", status=1)
    expect("changed since" in refused.stderr, refused.stderr)
    phone.ctl("reload")
    phone.ctl("start", "alpha")


class SilentFile:
    """A regular file of a file system in user space that opens, and never answers a read."""

    def __init__(self, place):
        self.place = place
        os.mkdir(place)
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if ctypes.CDLL(None, use_errno=True).mount(b"none", place.encode(), b"fuse", 0, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "mount of fuse")
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.serve()
            finally:
                os._exit(0)
        os.close(self.device)

    def serve(self):
        def attributes(node):
            mode, size = (0o40755, 0) if node == 1 else (0o100644, 4096)
            return struct.pack("<6Q10I", node, size, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

        init = struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 4, 3, 65536, 1, 0, 0, 0, *[0] * 7)
        answers = {26: lambda node: init, 1: lambda node: struct.pack("<4QII", 2, 0, 9, 9, 0, 0) + attributes(2),
                   3: lambda node: struct.pack("<QII", 9, 0, 0) + attributes(node),
                   14: lambda node: struct.pack("<QII", 1, 0, 0), 18: lambda node: b"", 25: lambda node: b""}
        read, forget, interrupt, batch_forget = 15, 2, 36, 42
        while True:
            request = os.read(self.device, 1 << 20)
            _, code, unique, node = struct.unpack_from("<IIQQ", request)
            if code in (read, forget, interrupt, batch_forget):
                continue
            body, error = (answers[code](node), 0) if code in answers else (b"", -38)
            os.write(self.device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        subprocess.run(["umount", "-l", self.place], check=True)


def test_file_that_never_answers(phone):
    make = desk(phone)
    trust(phone)
    silent = SilentFile(f"{phone.dir}/silent")
    try:
        begun = time.monotonic()
        with subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", "policy", "install",
                               f"{phone.dir}/silent/bundle"], stderr=subprocess.PIPE, text=True) as caller:
            try:
                time.sleep(0.5)
                phone.ctl("policy", "install", make(1), timeout=8)
                phone.ctl("policy", "confirm", timeout=8)
                expect(caller.poll() is None, "it waits still")
                _, said = caller.communicate(timeout=30)
            finally:
                caller.kill()
        expect("did not answer within" in said, said)
        expect(8 < time.monotonic() - begun < 25, "within its time")
        expect(in_use(phone) == ("1", "confirmed", "1"), "and took nothing along")
    finally:
        silent.end()


def worker_does(phone, script):
    """In place of the worker a script, to which "$worker" is the real one."""
    place = f"{phone.dir}/libexec/pmos-bundle"
    os.unlink(place)
    with open(place, "w", encoding="ascii") as out:
        out.write(f"#!/bin/sh\nworker={phone.build}/src/runtime/bundle/pmos-bundle\n{script}\n")
    os.chmod(place, 0o755)


def asked(phone, *words):
    """pmosctl in the background."""
    return subprocess.Popen([f"{phone.build}/cli/pmosctl", "--socket", f"{phone.dir}/run/private", *words],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def test_reload_between(phone):
    """The policy is to be a directory in the very turn in which a bundle's end is taken and not told yet."""
    make = desk(phone)
    trust(phone)
    pmosd = phone.process.pid
    phone.ctl("policy", "install", make(1))
    worker_does(phone, '"$worker" "$@"; code=$?; kill -STOP $PPID; exit $code')
    with asked(phone, "policy", "reject") as caller:
        wait_for("the worker has stopped pmosd", lambda: state_of(pmosd) == "T")
        wait_for("and has ended", lambda: all(
            state_of(pid) == "Z" for pid in open(f"/proc/{pmosd}/task/{pmosd}/children", encoding="ascii").read().split()
            if open(f"/proc/{pid}/comm", encoding="ascii").read().strip() == "pmos-bundle"))
        os.unlink(f"{phone.dir}/trust/k.pub")
        shutil.rmtree(f"{phone.dir}/state/policy")
        os.kill(pmosd, signal.SIGHUP)
        os.kill(pmosd, signal.SIGCONT)
        told, refused = caller.communicate(timeout=30)
    expect(caller.returncode == 0, f"the rejection is answered for: {told}{refused}")
    expect(phone.process.poll() is None, "pmosd lives")
    wait_for("then the directory counts", lambda: status(phone)["source"] == "directory")
    phone.ctl("start", "alpha")


def test_many_wait(phone):
    """What waits for a worker is bounded, in memory too, and whoever is refused takes nothing away."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    two = make(2)
    go = f"{phone.dir}/go"
    worker_does(phone, f'[ "$1" = copy ] || until [ -e {go} ]; do sleep 0.05; done; exec "$worker" "$@"')

    def files():
        found = subprocess.run(["ls", "-l", f"/proc/{phone.process.pid}/fd"], capture_output=True, text=True)
        return found.stdout.count("memfd:output")

    first = asked(phone, "policy", "reject")
    wait_for("the first one has its worker", lambda: files() > 0)
    before = files()
    waiting = []
    for count in range(1, 9):
        waiting.append(asked(phone, "policy", "install", two))
        wait_for(f"{count} wait", lambda: files() == before + count)
    refused = phone.ctl("policy", "install", two, status=9)
    expect("8 others" in refused.stderr, refused.stderr)
    expect(files() == before + 8, "it is not kept")
    reloads = [asked(phone, "reload") for _ in range(9)]
    wait_for("one of nine finds no place", lambda: any(caller.poll() is not None for caller in reloads))
    (refused,) = [caller for caller in reloads if caller.returncode is not None]
    told = refused.communicate()[1]
    expect(refused.returncode == 9 and "16 other requests" in told, told)
    reloads.remove(refused)
    waiting += reloads
    expect(in_use(phone) == ("1", "confirmed", "1"), f"the policy is used on: {status(phone)}")
    with open(go, "w", encoding="ascii"):
        pass
    for caller in (first, *waiting):
        caller.communicate(timeout=60)
    expect([caller.returncode for caller in waiting[-8:]] == [0] * 8, "the reloads came to their turn")
    expect(in_use(phone) == ("2", "trial", "1"), f"and the installs: {status(phone)}")
    expect(files() == 0, "nothing of it is left")
    phone.ctl("policy", "install", make(3))


def test_stop_does_not_wait(phone):
    """A stop calls the worker off that reads images, and records that it is an orderly end all the same."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    worker_does(phone, f'if [ "$1" = current ]; then : >{phone.dir}/begun\n'
                       f'exec flock --no-fork {phone.dir}/state/policy sleep 100; fi; exec "$worker" "$@"')
    for _ in range(4):
        with asked(phone, "reload") as caller:
            wait_for("the worker is at it", lambda: os.path.exists(f"{phone.dir}/begun"))
            time.sleep(0.2)
            begun = time.monotonic()
            again(phone, signal.SIGTERM)
            expect(time.monotonic() - begun < 15, "it ends in time")
            caller.communicate(timeout=30)
            expect(caller.returncode != 0, "the reload was called off")
        os.unlink(f"{phone.dir}/begun")
        expect(in_use(phone) == ("1", "trial", "0"), f"an orderly end is no failure: {status(phone)}")


class ServiceManager:
    """What pmosd tells whoever has started it."""

    def __init__(self, phone):
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{phone.dir}/notify")
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while message := self.socket.recv(4096).decode():
            self.messages.append(message)


def test_time_to_start(phone):
    """Each worker that a start waits for is given its time anew."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    phone.write(profile("alpha", 200000, root={"verity": {"rootHash": "0" * 64}}))
    put_by_hand(phone, make(2))
    manager = ServiceManager(phone)
    os.environ["NOTIFY_SOCKET"] = f"{phone.dir}/notify"
    try:
        again(phone)
    finally:
        del os.environ["NOTIFY_SOCKET"]
    told = [m for m in manager.messages if "EXTEND_TIMEOUT_USEC=" in m]
    expect(in_use(phone) == ("1", "confirmed", "1"), f"it fell back: {status(phone)}")
    expect(len(told) == 2, f"for both: {manager.messages}")
    expect(all("EXTEND_TIMEOUT_USEC=660000000" in m for m in told), f"more than the worker has: {told}")


def test_floor_without_a_tpm(phone):
    """--floor tpm on a phone, or with a build, that has none: no policy, and which of the two it is."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    linked = subprocess.run(["ldd", f"{phone.build}/src/runtime/bundle/pmos-bundle"], capture_output=True, text=True, check=True)
    if "libtss2" in linked.stdout and os.path.exists("/dev/tpmrm0"):
        return  # This machine's own is not touched.
    again(phone, signal.SIGTERM, "--floor", "tpm")
    why = "/dev/tpmrm0" if "libtss2" in linked.stdout else "this build of pmos has no TPM support"
    expect(status(phone)["source"] == "none", f"no policy: {status(phone)}")
    expect(why in status(phone)["why"], status(phone)["why"])
    expect(why in phone.said() and why in doctor(phone), "the journal and doctor say it")
    again(phone, signal.SIGTERM)
    expect(in_use(phone) == ("1", "confirmed", "1"), "without that option it is used")


def test_diff(phone):
    """What is compared with a file is the bundle that is used, not the directory beside it."""
    make = desk(phone)
    trust(phone)
    diff = lambda *words, status=0: phone.ctl("policy", "diff", "--key", f"{phone.dir}/desk/k.pub", *words, status=status).stdout
    one = make(1)
    phone.ctl("policy", "install", one)
    diff("phone", one)
    phone.write(profile("alpha", 200000, network="none"))
    told = diff("phone", f"{phone.dir}/profiles", status=1)
    expect("a: phone/alpha.json:1:" in told, f"with the place in it: {told}")
    two = make(2)
    expect("a: phone/alpha.json:1:" in diff("phone", two, status=1), "and with a bundle")
    diff(f"{phone.dir}/profiles", two)
    phone.ctl("policy", "install", two)
    diff("phone", f"{phone.dir}/profiles")
    diff("phone", one, status=1)


def test_hooks(phone):
    """What runs is the file that was compared, whatever its name is given to in between."""
    make = desk(phone)
    trust(phone)
    # An interpreter that takes its time to open the script, as the loader of a busy phone may.
    slow = phone.hook("interpreter", f"#!/bin/sh\n: >{phone.dir}/begun\n"
                                     f'until [ -e {phone.dir}/go ]; do sleep 0.05; done\nexec /bin/sh "$@"\n')
    tell = "#!{}\necho {} $(ls /proc/self/fd | wc -l) $(tr '\\0' ' ' </proc/$$/cmdline) >{}/told\n"
    phone.hook("hooks/tell", tell.format(slow, "pinned", phone.dir))
    phone.write(profile("alpha", 200000, hooks={"preStart": ["tell"]}))
    phone.ctl("reload")
    phone.ctl("policy", "install", make(1))
    with asked(phone, "start", "alpha") as caller:
        wait_for("the hook is begun", lambda: os.path.exists(f"{phone.dir}/begun"))
        phone.hook("hooks/other", tell.format("/bin/sh", "another", phone.dir))
        os.rename(f"{phone.dir}/hooks/other", f"{phone.dir}/hooks/tell")
        let_go(phone)
        said = caller.communicate(timeout=30)[1]
    expect(caller.returncode == 0, said)
    with open(f"{phone.dir}/told", encoding="ascii") as told:
        words = told.read()
    expect(words.startswith("pinned "), f"the one that is pinned: {words}")
    expect("/proc/self/fd/3" in words, f"by its descriptor: {words}")
    phone.ctl("stop", "alpha")
    refused = phone.ctl("start", "alpha", status=1)
    expect("changed since" in refused.stderr, f"the next time it is another: {refused.stderr}")


def test_rejected_while_it_starts(phone):
    """A mode that starts by itself meets the end of the trial, and comes up under what is used then."""
    make = desk(phone)
    trust(phone)
    hold(phone, "the start of itself")
    own = {"hooks": {"preStart": ["slow"]}, "session": {"autostart": True}}
    phone.write(profile("alpha", 200000, **own))
    phone.ctl("reload")
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    phone.write(profile("alpha", 500000, **own))
    phone.ctl("policy", "install", make(2))
    again(phone)
    wait_for("it starts", lambda: os.path.exists(f"{phone.dir}/begun"))
    expect(in_use(phone) == ("2", "trial", "1"), f"under the trial: {status(phone)}")
    phone.ctl("policy", "reject")
    let_go(phone)
    wait_for("it runs", lambda: phone.status("alpha")["state"] == "running", 20)
    expect(plan_of(phone, "alpha") == 200000, "under the good one")


def test_killed_anywhere(phone):
    """kill -9 of the worker before each of its operations on files; a new pmosd reads what is left."""
    make = desk(phone)
    trust(phone)
    phone.ctl("policy", "install", make(1))
    phone.ctl("policy", "confirm")
    shutil.copytree(f"{phone.dir}/state/policy", f"{phone.dir}/before")
    two = make(2)
    worker = [f"{phone.build}/src/runtime/bundle/pmos-bundle", "--state", f"{phone.dir}/state", "--run", f"{phone.dir}/run",
              "--trust", f"{phone.dir}/trust", "--images", f"{phone.dir}/images", "--hooks", f"{phone.dir}/hooks"]
    seen = set()
    for verb, start, allowed in (("install", "before", {("1", "confirmed"), ("2", "trial")}),
                                 ("confirm", "tried", {("2", "trial"), ("2", "confirmed")}),
                                 ("reject", "tried", {("2", "trial"), ("1", "confirmed")})):
        for at in range(100):
            shutil.rmtree(f"{phone.dir}/state/policy")
            shutil.copytree(f"{phone.dir}/{start}", f"{phone.dir}/state/policy")
            with open(two, "rb") as file:
                done = subprocess.run([*worker, verb], stdin=file, capture_output=True, text=True,
                                      env={**os.environ, "PMOS_BUNDLE_DIE_AT": str(at)})
            current = subprocess.run([*worker, "current"], capture_output=True, text=True, check=True).stdout
            found = dict(line.split("=", 1) for line in current.splitlines() if not line.startswith("pin="))
            state = (found["version"], "trial" if found["trial"] == "yes" else "confirmed")
            expect(state in allowed, f"{verb}, killed at {at}: {state}")
            seen.add((verb, state))
            if done.returncode == 0:
                break
        expect(4 <= at < 100, f"{verb} was killed at {at} operations")
        if verb == "install":
            shutil.copytree(f"{phone.dir}/state/policy", f"{phone.dir}/tried")
    expect(len(seen) == 6, f"old and new of each were seen: {seen}")
    again(phone)
    expect(status(phone)["source"] == "bundle", "and pmosd uses what is there")


if __name__ == "__main__":
    main(globals())
