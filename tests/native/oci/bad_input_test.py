#!/usr/bin/env python3
"""Bundles that are wrong: a clear refusal with the place, and nothing left behind.

usage: bad_input_test.py BUILD_DIR [TEST...]
"""

import json

from world import config, expect, sh, start


def changed(path, value):
    made = config("true")
    at = made
    *way, last = path.split("/")
    for key in way:
        at = at[int(key)] if isinstance(at, list) else at.setdefault(key, {})
    at[last] = value
    return made


BAD = [
    ("process/args", [], "/process/args"),
    ("process/args", "true", "/process/args"),
    ("process/cwd", "relative", "/process/cwd"),
    ("process/env", ["NOEQUALS"], "/process/env/0"),
    ("process/user/uid", -1, "/process/user/uid"),
    ("process/user/uid", "root", "/process/user/uid"),
    ("process/capabilities", {"bounding": ["CAP_NONE"]}, "/process/capabilities/bounding/0"),
    ("process/rlimits", [{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}], "/process/rlimits/0"),
    ("process/rlimits", [{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}], "/process/rlimits/0"),
    ("process/selinuxLabel", "a:b:c:d", "/process/selinuxLabel"),
    ("root/path", "", "/root"),
    ("ociVersion", "2.0.0", "/ociVersion"),
    ("ociVersion", None, "'ociVersion' is missing"),
    ("linux/namespaces", [{"type": "moon"}], "/linux/namespaces/0"),
    ("linux/namespaces", [{"type": "pid"}, {"type": "pid"}, {"type": "mount"}], "/linux/namespaces/1"),
    ("linux/namespaces", [{"type": "pid"}], "namespace"),
    ("linux/uidMappings", [{"containerID": 0, "hostID": 1000, "size": 10}], "/linux/uidMappings"),
    ("linux/seccomp", {"defaultAction": "SCMP_ACT_MAYBE"}, "/linux/seccomp/defaultAction"),
    ("linux/devices", [{"path": "/dev/x", "type": "q", "major": 1, "minor": 1}], "/linux/devices/0"),
    ("linux/sysctl", {"vm.swappiness": "1"}, "/linux/sysctl"),
    ("linux/intelRdt", {"closID": "a"}, "/linux/intelRdt"),
    ("linux/rootfsPropagation", "sideways", "/linux/rootfsPropagation"),
    ("mounts/0/destination", "", "/mounts/0/destination"),
    ("hooks/createRuntime", [{"path": "relative"}], "/hooks/createRuntime/0/path"),
]


def test_each_field(world):
    for path, value, told in BAD:
        world.refused(changed(path, value), told)


def test_all_at_once(world):
    made = changed("process/cwd", "relative")
    made["linux"]["namespaces"].append({"type": "moon"})
    made["process"]["env"].append("NOEQUALS")
    world.refused(made, "/process/cwd", "/linux/namespaces/6", "/process/env/2")


def test_no_json(world):
    whole = json.dumps(config("true"))
    for text in ("", "{", whole[: len(whole) // 2], "[]", "null", '{"ociVersion": "1.0.2", "ociVersion": "1.0.2"}', "\0",
                 '{"a": "\xff"}', "{" * 5000):
        world.refused(text, "config.json")
    made = config("true")
    made["process"]["args"] += ["x" * 1000] * 1100
    world.refused(made, "config.json")


def test_many_strings(world):
    made = sh("echo ok $LAST")
    made["process"]["env"] += [f"V{i}={i}" for i in range(3000)] + ["LAST=yes"]
    expect(world.run(made) == "ok yes\n", "three thousand variables are not too many")


def test_id_maps(world):
    for maps in ([{"containerID": 0, "hostID": 1000, "size": 0}],
                 [{"containerID": 0, "hostID": 1000, "size": 10}, {"containerID": 5, "hostID": 2000, "size": 10}],
                 [{"containerID": 0, "hostID": 4294967295, "size": 10}]):
        made = config("true")
        made["linux"]["namespaces"].append({"type": "user"})
        made["linux"]["uidMappings"] = maps
        made["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 1000, "size": 10}]
        world.refused(made, "/linux/uidMappings")


def test_roots(world):
    world.refused(changed("root/path", "none"), "none", "No such file")
    world.refused(changed("root/path", "config.json"), "config.json", "Not a directory")
    world.refused(changed("root/path", "/proc/self/exe"), "Not a directory")


def test_mounts(world):
    for mount, told in (({"destination": "/x", "type": "bind", "source": "/none", "options": ["bind"]}, "/none"),
                        ({"destination": "/x", "type": "nofs", "source": "x"}, "nofs"),
                        ({"destination": "/x", "type": "tmpfs", "source": "x", "options": ["sizes=9"]}, "/x"),
                        ({"destination": "/proc/1/x", "type": "tmpfs", "source": "x"}, "/proc/1/x"),
                        ({"destination": "/proc/1/environ", "type": "bind", "source": "/etc/passwd", "options": ["bind"]},
                         "/mounts/6"),
                        ({"destination": "/proc", "type": "bind", "source": "/etc", "options": ["bind"]}, "'/proc'"),
                        ({"destination": "/", "type": "tmpfs", "source": "x"}, "/mounts/6"),
                        ({"destination": "/../../x", "type": "tmpfs", "source": "x"}, "/mounts/6")):
        made = config("true")
        made["mounts"].append(mount)
        world.refused(made, told)


def test_site_policy(world):
    site = world.dir / "site.json"
    site.write_text(json.dumps({"pmos": 1, "require": [
        {"capabilities": {"never": ["CAP_KILL"]}, "noWritableShare": True, "syscalls": {"never": ["reboot", "bpf"]},
         "network": ["none", "loopback"]},
        {"modes": ["secure"], "encrypted": True}]}))

    def judged(made):
        place = world.bundle(made)
        done = world.oci("--site", site, "run", "--bundle", place, f"s{world.count}", expects=None)
        return done.returncode, done.stderr

    made = config("true")
    made["mounts"].append({"destination": "/x", "type": "bind", "source": str(world.dir), "options": ["bind"]})
    made["linux"]["namespaces"] = [n for n in made["linux"]["namespaces"] if n["type"] != "network"]
    made["mounts"] = [m for m in made["mounts"] if m["type"] != "sysfs"]
    code, told = judged(made)
    for part in ("CAP_KILL", "/process/capabilities", "writable", "network 'direct'", "'bpf' and 1 more", "linux/seccomp"):
        expect(code != 0 and part in told, f"{part} is told", told)
    good = config("true", process__capabilities={}, linux__seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["reboot", "bpf"], "action": "SCMP_ACT_ERRNO"}]})
    code, told = judged(good)
    expect(code == 0, "what breaks nothing runs", told)
    good["annotations"] = {"org.pmos.mode": "secure"}
    code, told = judged(good)
    expect(code != 0 and "encrypted" in told, "a demand on one mode holds for its containers", told)
    site.write_text("{}")
    expect(judged(config("true"))[0] != 0, "a broken site policy lets nothing run")


if __name__ == "__main__":
    start(__name__)
