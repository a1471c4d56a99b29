"""Profiles by the dozen: what it costs to check them, and to prove that they are apart."""
import json
import os
import shutil
import subprocess
import tempfile
import time

from .world import Broken

LINES = 100  # of one profile
VERBS = {"check": (), "separation": (), "report": ("-o", "-")}  # with what each needs besides


def profile(index):
    """A profile of LINES lines that differs from the others where it must."""
    mounts = [{"type": "tmpfs", "target": f"/srv/{index}-{n}", "options": ["nosuid", "nodev"],
               "size": "1MiB"} for n in range(4)]
    text = json.dumps({
        "pmos": 1, "mode": f"mode-{index}", "root": {"image": f"{index}.erofs"},
        "volumes": [{"name": "data", "target": "/data", "size": "64MiB", "unlock": ["pin"],
                     "luks": {"cipher": "aes-xts-plain64", "keySize": 512}}],
        "identity": {"uidRange": {"start": 65536 * (index + 2), "count": 65536}},
        "process": {"args": ["/bin/sh"], "env": ["A=1", "B=2"], "capabilities": ["CAP_CHOWN"]},
        "seccomp": {"allow": ["@system-service"],
                    "rules": [{"names": ["sync"], "action": "errno", "errno": "EPERM"}]},
        "devices": {"gpu": "render", "camera": "none"}, "network": "loopback",
        "mounts": mounts, "resources": {"memory": {"max": "1GiB"}, "pids": {"max": 512}},
        "session": {"autostart": False, "background": "freeze", "onLock": "evict"},
    }, indent=1)
    filler = "\n".join(f"// line {n}" for n in range(LINES - text.count("\n") - 2))
    return f"{filler}\n{text}\n"


def verb_times(pmosctl, verb, directory, turns):
    """Times of `pmosctl policy VERB DIRECTORY` in ms, the process's own start included."""
    times = []
    for _ in range(turns):
        begin = time.monotonic()
        done = subprocess.run([pmosctl, "policy", verb, *VERBS[verb], directory], check=False,
                              stdout=subprocess.PIPE, text=True)
        times.append((time.monotonic() - begin) * 1000)
        if done.returncode != 0:
            raise Broken(f"policy {verb} failed:\n{done.stdout[-2000:]}")
    return sorted(times)


def measure(pmosctl, shipped, turns):
    """{(verb, set): sorted times}: the shipped set, and sets of 2, 10, 50 and 200 profiles. check
    has the proof in it; separation prints it too, and report makes a page of it."""
    series = {(verb, "shipped"): verb_times(pmosctl, verb, shipped, turns) for verb in VERBS}
    for count in (2, 10, 50, 200):
        directory = tempfile.mkdtemp(prefix="pmos-bench-policy-")
        try:
            lines = 0
            for index in range(count):
                text = profile(index)
                lines += text.count("\n")
                with open(os.path.join(directory, f"{index}.json"), "w", encoding="ascii") as file:
                    file.write(text)
            for verb in VERBS:
                series[verb, f"{count} profiles, {lines} lines"] = \
                    verb_times(pmosctl, verb, directory, turns)
        finally:
            shutil.rmtree(directory)
    return series
