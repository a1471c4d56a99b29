#!/usr/bin/env python3
"""Signed policy on a running pmosd: install, trial, confirm, fallback, floor, and a worker that is
killed at each of its operations. As pmosd_test.py, whose phone it uses.

usage: bundle_test.py BUILD_DIR [TEST...]
"""
import json
import os
import shutil
import signal
import subprocess
import time

from pmosd_test import expect, main, profile, wait_for


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
