#!/usr/bin/env python3
"""What a container's program finds: each field of its configuration, seen from inside.

usage: inside_test.py BUILD_DIR [TEST...]
"""

import array
import fcntl
import json
import os
import pathlib
import shutil
import socket
import subprocess

from world import CAPS, MOUNTS, NAMESPACES, config, equal, expect, sh, start, wait_for


def status(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_process(world):
    made = sh("umask; pwd; env; cat /proc/self/status; cat /proc/self/oom_score_adj; ls -l /proc/self/fd | wc -l",
              process__cwd="/new/place", process__oomScoreAdj=100)
    made["process"]["env"].append("SAID=this")
    made["process"]["user"] = {"uid": 1000, "gid": 1001, "umask": 0o77, "additionalGids": [5, 7]}
    lines = world.run(made).splitlines()
    equal(lines[:2], ["0077", "/new/place"], "umask and cwd")
    expect("SAID=this" in lines, "environment", lines)
    seen = status("\n".join(lines))
    equal(seen["Uid"].split(), ["1000"] * 4, "uid")
    equal(seen["Gid"].split(), ["1001"] * 4, "gid")
    equal(seen["Groups"].split(), ["5", "7"], "groups")
    equal(seen["NoNewPrivs"], "1", "no new privileges")
    equal(lines[-2], "100", "oom_score_adj")


def bits(names):
    numbers = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_ADMIN": 21}
    return sum(1 << numbers[name] for name in names)


def test_capabilities(world):
    seen = status(world.run(sh("cat /proc/self/status")))
    for kind in ("CapBnd", "CapEff", "CapPrm"):
        equal(int(seen[kind], 16), bits(CAPS), kind)
    for kind in ("CapInh", "CapAmb"):
        equal(int(seen[kind], 16), 0, kind)
    made = sh("cat /proc/self/status", process__capabilities={})
    seen = status(world.run(made))
    equal({int(seen[kind], 16) for kind in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")}, {0}, "none")
    made = sh("cat /proc/self/status", process__user={"uid": 7, "gid": 7},
              process__capabilities={kind: CAPS for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")})
    seen = status(world.run(made))
    equal({int(seen[kind], 16) for kind in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")}, {bits(CAPS)}, "of a user")


def test_rlimits(world):
    made = sh("cat /proc/self/limits", process__rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                                                         {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
    text = world.run(made)
    expect("Max open files            100                  200" in text, "nofile", text)
    expect("Max core file size        0                    0" in text, "core", text)


def test_privileges_that_can_be_gained(world):
    equal(status(world.run(sh("cat /proc/self/status", process__noNewPrivileges=False)))["NoNewPrivs"], "0", "they can")


def test_namespaces(world):
    files = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup"}
    script = "for n in pid net ipc uts mnt cgroup user; do readlink /proc/self/ns/$n; done"
    own = {n: os.readlink(f"/proc/self/ns/{n}") for n in (*files.values(), "user")}
    inside = dict(zip(("pid", "net", "ipc", "uts", "mnt", "cgroup", "user"), world.run(sh(script)).split()))
    equal({n for n in own if own[n] == inside[n]}, {"user"}, "shared with us")
    made = sh(script, linux__namespaces=[{"type": "mount"}, {"type": "pid"}], hostname="")
    made["mounts"] = [m for m in MOUNTS if m["type"] not in ("sysfs",)]
    inside = dict(zip(("pid", "net", "ipc", "uts", "mnt", "cgroup", "user"), world.run(made).split()))
    equal({n for n in own if own[n] == inside[n]}, {"user", "net", "ipc", "uts", "cgroup"}, "shared with us, of two")


def test_joined_namespaces(world):
    other = subprocess.Popen(["unshare", "-n", "-i", "-u", "sh", "-c", "hostname other; echo ready; exec sleep 100"],
                             stdout=subprocess.PIPE, text=True)
    try:
        other.stdout.readline()
        base = f"/proc/{other.pid}/ns"
        made = sh("readlink /proc/self/ns/net; hostname", hostname="")
        made["linux"]["namespaces"] = [{"type": "network", "path": f"{base}/net"}, {"type": "ipc", "path": f"{base}/ipc"},
                                       {"type": "uts", "path": f"{base}/uts"}, {"type": "pid"}, {"type": "mount"}]
        equal(world.run(made).split(), [os.readlink(f"{base}/net"), "other"], "it is in them")
        made["linux"]["namespaces"][0]["path"] = f"{base}/uts"
        world.refused(made, "no namespace of that type")
        made["linux"]["namespaces"][0]["path"] = "/none"
        world.refused(made, "/none")
    finally:
        other.kill()
        other.wait()


def test_user_namespace(world):
    made = sh("cat /proc/self/uid_map; id -u; touch /tmp/mine; cat /proc/self/status | grep CapEff")
    made["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        made["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    place = world.bundle(made)
    subprocess.run(["chown", "-R", "100000:100000", place / "rootfs"], check=True)
    for parent in (world.dir, place):
        parent.chmod(0o755)
    out = world.oci("run", "--bundle", place, "user").stdout.split()
    equal(out[:4], ["0", "100000", "65536", "0"], "mapped")
    equal((place / "rootfs/tmp/mine").stat().st_uid, 100000, "what it makes is the mapped one's")


def test_joined_user_namespace(world):
    """As the containers of a pod share one: by its path, the mappings said or left to it; with its pid namespace,
    too, in which the runtime is not seen."""
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    own = os.readlink("/proc/self/ns/user")
    with subprocess.Popen(["unshare", "-U", "--pid", "--fork", "--kill-child", "sleep", "100"]) as pod:
        try:
            wait_for("the pod's namespace", lambda: os.readlink(f"/proc/{pod.pid}/ns/user") != own)
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{pod.pid}/{name}", "w", encoding="ascii") as file:
                    file.write("0 100000 65536")
            first = int(wait_for("its first process", lambda: subprocess.run(
                ["pgrep", "-P", str(pod.pid)], capture_output=True, text=True, check=False).stdout))
            theirs = os.readlink(f"/proc/{first}/ns/user")
            for said in (None, maps, [{"containerID": 0, "hostID": 0, "size": 1}], [{**maps[0], "hostID": 200000}]):
                check_joined(world, first, theirs, said)
        finally:
            pod.kill()
    made = sh("true")
    made["linux"]["namespaces"].append({"type": "user", "path": "/proc/self/ns/user"})
    told = world.oci("run", "--bundle", world.bundle(made), "own", expects=1).stderr
    expect("this machine's own" in told, "the machine's own is refused", told)


def check_joined(world, first, theirs, said):
    made = config("sh", "-c", "readlink /proc/self/ns/user; id -u; stat -c %u /dev/null; cat /proc/self/uid_map; exec sleep 100")
    made["linux"]["namespaces"] = [n for n in made["linux"]["namespaces"] if n["type"] != "pid"]
    for kind in ("user", "pid"):
        made["linux"]["namespaces"].append({"type": kind, "path": f"/proc/{first}/ns/{kind}"})
    if said:
        made["linux"].update(uidMappings=said, gidMappings=said)
    place = world.bundle(made)
    for parent in (world.dir, place):
        parent.chmod(0o755)
    if said and said[0]["hostID"] == 200000:
        told = world.oci("run", "--bundle", place, "other", expects=1).stderr
        expect("uidMappings" in told, "others are refused", told)
        return
    name = f"pod{len(str(said))}"
    with open(world.dir / "out", "w+", encoding="ascii") as out:
        subprocess.run([world.program, "--root", world.root, "run", "--detach", "--bundle", place, name], stdout=out,
                       stdin=subprocess.DEVNULL, check=True)
        wait_for("what it says", lambda: out.seek(0) == 0 and len(out.read().split()) == 6)
        out.seek(0)
        equal(out.read().split(), [theirs, "0", "0", "0", "100000", "65536"], "inside")
    pid = world.state(name)["pid"]
    equal(os.readlink(f"/proc/{pid}/ns/user"), theirs, "its number is one of the machine's")
    equal(os.readlink(f"/proc/{pid}/ns/pid"), os.readlink(f"/proc/{first}/ns/pid"), "and it is in the pod's")
    equal(world.oci("exec", name, "readlink", "/proc/self/ns/user").stdout.strip(), theirs, "exec")
    world.oci("delete", "--force", name)


ROOTLESS = """
unshare -n sleep 100 & net=$!
trap 'kill $net' EXIT
until [ "$(readlink /proc/$net/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
sed -i "s,NETWORK,/proc/$net/ns/net," "$PLACE/config.json"
"$OCI" run --detach --bundle "$PLACE" rootless </dev/null >/dev/null || exit 1
readlink /proc/$net/ns/net
"$OCI" exec rootless readlink /proc/self/ns/net
"$OCI" exec --user 0 rootless cat /proc/1/comm
"$OCI" delete --force rootless
ls "$XDG_RUNTIME_DIR/pmos-oci"
"""


def test_root_of_a_user_namespace(world):
    """As a rootless Podman runs it, which has made a user namespace and the network: from there is no way back to
    the machine's."""
    made = sh("exec sleep 100")
    kinds = [ns for ns in made["linux"]["namespaces"] if ns["type"] != "network"]
    made["linux"]["namespaces"] = [*kinds, {"type": "network", "path": "NETWORK"}]
    made["mounts"] = [{**m, "options": [o for o in m.get("options", []) if o != "gid=5"]} for m in made["mounts"]]
    place = world.bundle(made)
    # LeakSanitizer looks from a process of its own, and waits for ever for one in the container's pid namespace.
    env = {**os.environ, "PLACE": str(place), "OCI": str(world.program), "XDG_RUNTIME_DIR": str(world.dir),
           "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(["unshare", "-r", "-m", "sh", "-c", ROOTLESS], env=env, capture_output=True, text=True, check=False,
                          timeout=60)
    expect(done.returncode == 0, "it runs, and is entered", done.stderr)
    said = done.stdout.split()
    equal(said[1:], [said[0], "sleep"], "in the network, and nothing is left")


def test_idmapped_mounts(world):
    """What is 1000's on the storage is 0's inside, and the other way round; with a user namespace or without."""
    data = world.dir / "data"
    (data / "below").mkdir(parents=True)
    (data / "file").write_text("x")
    os.chown(data, 1000, 1000)
    os.chown(data / "file", 1000, 1001)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,uid=1000", "below", data / "below"], check=True)
    try:
        script = "cd /data; stat -c '%u %g' file below; touch made; stat -c %u made"
        maps = [{"containerID": 1000, "hostID": 0, "size": 100}]
        mount = {"destination": "/data", "type": "bind", "source": str(data), "options": ["rbind"],
                 "uidMappings": maps, "gidMappings": maps}
        made = sh(script)
        made["mounts"].append(mount)
        equal(world.run(made).split(), ["0", "1", "1000", "0", "0"], "mapped, and not what is mounted below")
        equal((data / "made").stat().st_uid, 1000, "what it makes is so on the storage")
        (data / "made").unlink()
        mount["options"] = ["rbind", "ridmap"]
        equal(world.run(made).split(), ["0", "1", "0", "65534", "0"], "and what is mounted below, where it says so")
        (data / "made").unlink()

        made["linux"]["namespaces"].append({"type": "user"})
        for kind in ("uidMappings", "gidMappings"):
            made["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
            mount.pop(kind)
        mount["options"] = ["bind", "idmap"]
        made["process"]["args"][-1] = "stat -c '%u %g' /data/file"
        place = world.bundle(made)
        subprocess.run(["chown", "-R", "100000:100000", place / "rootfs"], check=True)
        for parent in (world.dir, place):
            parent.chmod(0o755)
        out = world.oci("run", "--bundle", place, "mapped").stdout.split()
        equal(out, ["1000", "1001"], "by the container's own maps it is as on the storage")
        # Who has mappings twice would be nobody.
        mount["type"], mount["source"] = "tmpfs", "tmpfs"
        mount["options"] = ["idmap"]
        world.refused(made, "no bind mount")
    finally:
        subprocess.run(["umount", data / "below"], check=True)


def test_mode_of_a_phone(world):
    """As a bundle, by pmosctl."""
    build = world.program.resolve().parents[3]
    place, profiles = world.dir / "mode", pathlib.Path(__file__).resolve().parents[3] / "profiles"
    said = subprocess.run([build / "cli/pmosctl", "policy", "export-oci", "secure", profiles, "--out", place],
                          capture_output=True, text=True, check=True).stdout
    for part in ("Landlock", "volume 'data'", "clone", "the sound's broker"):
        expect(part in said, f"it says that it lacks {part}", said)
    shutil.copytree(world.base, place / "rootfs", symlinks=True, dirs_exist_ok=True)
    for name in ("data", "run"):
        (place / "rootfs" / name).mkdir(exist_ok=True)
    made = json.loads((place / "config.json").read_text())
    made["process"]["args"] = ["sh", "-c", "hostname; cat /proc/self/uid_map; grep -c 'Seccomp:.2' /proc/self/status; "
                                           "mount -t tmpfs x /tmp 2>&1; echo end"]
    (place / "config.json").write_text(json.dumps(made))
    for parent in (world.dir, place):
        parent.chmod(0o755)
    out = world.oci("run", "--bundle", place, "mode").stdout
    equal(out.split()[:5], ["secure", "0", "300000", "65536", "1"], "it runs, under its ids and filter")
    expect("denied" in out or "permitted" in out, "and has no mount", out)


def test_home(world):
    def home(passwd, uid=0, env=("PATH=/bin",)):
        place = world.bundle(sh("echo $HOME", process__env=list(env), process__user={"uid": uid, "gid": 0}))
        file = place / "rootfs/etc/passwd"
        file.unlink()
        if passwd is not None:
            file.write_text(passwd)
        return world.oci("run", "--bundle", place, f"home{world.count}").stdout.strip()

    equal(home("root:x:0:0:root:/root:/bin/sh\n"), "/root", "root's")
    many = "".join(f"u{i}:x:{i}:{i}::/home/u{i}:/bin/sh\n" for i in range(1000))
    equal(home(many, 998), "/home/u998", "another's")
    equal(home("a:x:7:7::/home/a", 7), "/home/a", "of a last line without an end")
    equal(home(many, 0, ("PATH=/bin", "HOME=/mine")), "/mine", "one that was said stays")
    for passwd in (None, "", "root:x:0:0\n", "root:x::0::/wrong:\n", "a:x:0x0:0::/wrong:\n", "a:x:00000000000:0::/wrong:\n",
                   "a:x:0:0:::\n", "a:x:0:0::relative:\n", f"a:x:0:0::/{'x' * 2000}:\n", "\0" * 5000, ":" * 5000):
        equal(home(passwd), "/", "without one that makes sense")


def test_copy_up(world):
    made = sh("cd /data; ls -ln . sub; cat sub/file; readlink link; stat -c %a . secret; touch new && echo yes; mount | grep /data")
    made["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"]})
    place = world.bundle(made)
    data = place / "rootfs/data"
    (data / "sub").mkdir(parents=True)
    (data / "sub/file").write_text("what was there\n" * 1000)
    (data / "link").symlink_to("/etc/shadow")
    (data / "secret").write_text("")
    (data / "secret").chmod(0o600)
    os.chown(data / "sub", 5, 6)
    os.mkfifo(data / "fifo")
    data.chmod(0o751)
    out = world.oci("run", "--bundle", place, "copied").stdout
    expect("what was there" in out and "/etc/shadow" in out and "\nyes\n" in out, "all of it is there", out)
    expect("751\n600\n" in out and " 5        6 " in out, "with its rights and owners", out)
    expect(not (data / "new").exists(), "and is a copy")
    made["mounts"][-1]["options"] += ["ro", "mode=700"]
    made["process"]["args"][-1] = "cat /data/sub/file | wc -l; stat -c %a /data; touch /data/x || echo no"
    (place / "config.json").write_text(json.dumps(made))
    equal(world.oci("run", "--bundle", place, "copied").stdout.split(), ["1000", "700", "no"], "also read-only")
    (data / "large").write_bytes(b"x" * (2 << 20))
    expect("No space left" in world.oci("run", "--bundle", place, "copied", expects=1).stderr, "what has no room is an error")
    made["mounts"][-1].update(destination="/none", options=["tmpcopyup"])
    made["process"]["args"][-1] = "ls /none | wc -l"
    (place / "config.json").write_text(json.dumps(made))
    equal(world.oci("run", "--bundle", place, "copied").stdout.strip(), "0", "of nothing, nothing")


def test_mounts(world):
    outside = world.dir / "outside"
    (outside / "below").mkdir(parents=True, exist_ok=True)
    (outside / "file").write_text("from outside\n")
    made = sh("cat /proc/self/mountinfo; cat /in/file /one; touch /in/x 2>&1; touch /rw/made; touch /var/t/y && echo yes")
    made["mounts"] += [
        {"destination": "/in", "type": "bind", "source": str(outside), "options": ["bind", "ro", "nosuid"]},
        {"destination": "/rw", "type": "none", "source": str(outside), "options": ["rbind", "noexec"]},
        {"destination": "/one", "type": "bind", "source": str(outside / "file"), "options": ["bind"]},
        {"destination": "/var/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=700", "nodev"]},
    ]
    text = world.run(made)
    expect("Read-only file system" in text, "read-only", text)
    expect(text.count("from outside") == 2 and "yes" in text, "files are there", text)
    expect((outside / "made").exists(), "writable where it is so")
    rows = {line.split()[4]: line for line in text.splitlines() if " - " in line}
    expect("ro,nosuid" in rows["/in"] and "noexec" in rows["/rw"] and "size=1024k" in rows["/var/t"], "options", rows)
    expect(not any(" shared:" in row or " master:" in row for row in rows.values() if " / /in" not in row),
           "nothing is shared", rows)


def test_propagation(world):
    place = world.dir / "shared"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "t", place], check=True)
    subprocess.run(["mount", "--make-shared", place], check=True)
    try:
        for word, mark in (("rslave", "master:"), ("rshared", "shared:"), ("rprivate", "")):
            made = sh("grep ' /p ' /proc/self/mountinfo")
            made["mounts"].append({"destination": "/p", "type": "bind", "source": str(place), "options": ["rbind", word]})
            equal([field for field in ("master:", "shared:") if field in world.run(made)], [mark] if mark else [], word)
        for word, mark in (("shared", "shared:"), ("rprivate", "")):
            text = world.run(sh("grep -E ' / r[ow]' /proc/self/mountinfo", linux__rootfsPropagation=word))
            equal([field for field in ("master:", "shared:") if field in text], [mark] if mark else [], f"root {word}")
    finally:
        subprocess.run(["umount", place], check=True)


def test_read_only_below(world):
    outside = world.dir / "deep"
    (outside / "below").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "below", outside / "below"], check=True)
    try:
        script = "touch /p/x 2>&1; touch /p/below/x 2>&1; true"
        for options, refusals in ((["bind", "rro"], 2), (["rbind", "ro"], 1), (["rbind", "rro"], 2), (["rbind"], 0)):
            made = sh(script)
            made["mounts"].append({"destination": "/p", "type": "bind", "source": str(outside), "options": options})
            text = world.run(made)
            equal(text.count("Read-only"), refusals, f"{options}: {text}")
        made = sh("touch /t/x 2>&1; true")
        made["mounts"].append({"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["rro"]})
        expect("Read-only" in world.run(made), "of a file system of its own too")
    finally:
        subprocess.run(["umount", outside / "below"], check=True)


def test_output_is_its_users(world):
    made = sh("echo again >/dev/stdout")
    made["process"]["user"] = {"uid": 1000, "gid": 1000}
    equal(world.run(made), "again\n", "a program that is not root opens its output anew")


def test_root(world):
    made = sh("touch /x 2>&1; touch /tmp/t 2>&1; mkdir /dev/shm/ok && echo ok", root__readonly=True)
    text = world.run(made)
    equal(text.count("Read-only file system"), 2, "read-only root")
    expect("ok" in text, "its own mounts are not")


def test_devices(world):
    made = sh("stat -c '%n %t:%T %a %u' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/extra;"
              "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; head -c3 /dev/zero | wc -c")
    made["linux"]["devices"] = [{"path": "/dev/extra", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3}]
    lines = world.run(made).splitlines()
    equal(lines[0], "/dev/null 1:3 666 0", "null")
    equal(lines[6], "/dev/extra a:e5 640 3", "one more")
    equal(lines[7:12], ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"], "links")
    equal(lines[12], "3", "they work")
    made = sh("stat -c '%F %a %u' /dev/pipe")
    made["linux"]["devices"] = [{"path": "/dev/pipe", "type": "p", "fileMode": 0o620, "uid": 3}]
    equal(world.run(made), "fifo 620 3\n", "a fifo")


def test_order_and_names_of_mounts(world):
    """As who reads mountinfo(5) finds them; Linux 6.8 and newer list by number."""
    made = sh("cut -d' ' -f5- /proc/self/mountinfo")
    wanted = [(m["destination"], m["type"], m["source"]) for m in made["mounts"]]
    rows = [line.split(" - ") for line in world.run(made).splitlines()]
    found = [(left.split()[0], *right.split()[:2]) for left, right in rows]
    equal([row for row in found if row in wanted], wanted, "mounts")


def test_masks(world):
    keys = "cat /proc/keys | wc -c"
    equal(world.run(sh(keys)).split(), ["0"], "masked")
    expect(int(world.run(sh(keys, linux__maskedPaths=[]))) > 0, "and there where it is not")
    text = world.run(sh("grep -E ' /proc/(sys|irq) ' /proc/self/mountinfo"))
    equal(text.count(" ro,"), 2, "read-only")


def test_names_and_sysctl(world):
    made = sh("hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni", domainname="dom",
              linux__sysctl={"net.ipv4.ip_forward": "1", "kernel.shmmni": "333"})
    equal(world.run(made).split(), ["box", "dom", "1", "333"], "host, domain, sysctl")


def test_personality_and_time(world):
    equal(int(world.run(sh("cat /proc/self/personality", linux__personality={"domain": "LINUX32"})), 16), 8, "personality")
    if os.path.exists("/proc/self/ns/time"):
        made = sh("cat /proc/self/timens_offsets", linux__timeOffsets={"boottime": {"secs": 1000}})
        made["linux"]["namespaces"].append({"type": "time"})
        equal(world.run(made).split(), ["monotonic", "0", "0", "boottime", "1000", "0"], "time")


def test_links_of_the_image(world):
    for name, target in (("proc", "/tmp"), ("dev", "/tmp"), ("sys", "/tmp")):
        place = world.bundle(config("true"))
        (place / "rootfs" / name).rmdir()
        (place / "rootfs" / name).symlink_to(target)
        told = world.oci("run", "--bundle", place, "trap", expects=1).stderr
        expect(f"/{name}" in told, f"a link at /{name} is refused", told)
        expect(not world.left(), "nothing is left")
    outside = world.dir / "secret"
    outside.mkdir(exist_ok=True)
    made = sh("ls /run")
    made["mounts"].append({"destination": "/var/run", "type": "tmpfs", "source": "tmpfs"})
    place = world.bundle(made)
    (place / "rootfs/var").mkdir()
    (place / "rootfs/var/run").symlink_to(f"/../../../../{outside}")
    inner = place / "rootfs" / str(outside)[1:]
    inner.mkdir(parents=True)
    (inner / "below").touch()
    (outside / "above").touch()
    made["process"]["args"] = ["sh", "-c", f"ls {outside}; grep -c ' {outside} ' /proc/self/mountinfo"]
    (place / "config.json").write_text(json.dumps(made))
    equal(world.oci("run", "--bundle", place, "inside").stdout.split(), ["1"], "a link leads on below the root, and is covered there")


def test_descriptors(world):
    low, write = os.pipe()
    read = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 20)
    os.set_inheritable(write, True)
    place = world.bundle(sh("ls /proc/self/fd; echo said >&3"))
    os.dup2(write, 3)
    secret = os.open("/etc/shadow", os.O_RDONLY)
    os.set_inheritable(secret, True)
    done = subprocess.run([world.program, "--root", world.root, "run", "--preserve-fds", "1", "--bundle", place, "fds"],
                          stdout=subprocess.PIPE, text=True, check=True, close_fds=False, stdin=subprocess.DEVNULL)
    for fd in (3, write, secret):
        os.close(fd)
    equal(os.read(read, 100), b"said\n", "the one that comes along")
    os.close(read)
    equal(done.stdout.split(), ["0", "1", "2", "3", "4"], "and no other; one is ls's own")


def receive_console(server):
    connection, _ = server.accept()
    _, ancillary, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2])
    return fds[0]


def read_all(fd):
    out = b""
    try:
        while data := os.read(fd, 1000):
            out += data
    except OSError:
        pass
    return out.decode()


def test_terminal(world):
    path = str(world.dir / "console")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    made = sh("tty; stty size; stat -c %t /dev/console; test -t 0 && test -t 1 && echo both", process__terminal=True,
              process__consoleSize={"height": 33, "width": 99})
    with world.created(made, "--console-socket", path, name="tty") as name:
        master = receive_console(server)
        world.oci("start", name)
        text = read_all(master)
        os.close(master)
        equal(text.split(), ["/dev/pts/0", "33", "99", "88", "both"], "a terminal of its own")
    server.close()
    os.unlink(path)


def test_exec(world):
    made = config("sleep", "100")
    made["process"]["env"].append("OF=it")
    with world.created(made, name="e") as name:
        world.oci("start", name)
        out = world.oci("exec", "--env", "MORE=1", "--cwd", "/tmp", "--user", "5:6", name, "sh", "-c",
                        "pwd; id -u; id -g; env; cat /proc/1/comm; hostname").stdout.split()
        equal(out[:3], ["/tmp", "5", "6"], "cwd and user")
        site = world.dir / "exec-site.json"
        site.write_text(json.dumps({"pmos": 1, "require": [{"capabilities": {"never": ["CAP_SYS_ADMIN"]}}]}))
        told = world.oci("--site", site, "exec", "--cap", "CAP_SYS_ADMIN", name, "true", expects=1).stderr
        expect("CAP_SYS_ADMIN" in told, "what the owner refuses no exec grants", told)
        expect({"OF=it", "MORE=1", "sleep", "box"} <= set(out), "environment and namespaces", out)
        world.oci("exec", name, "sh", "-c", "exit 9", expects=9)
        seen = status(world.oci("exec", name, "cat", "/proc/self/status").stdout)
        equal(int(seen["CapEff"], 16), bits(CAPS), "its capabilities")
        equal(seen["NoNewPrivs"], "1", "no more privileges than it")
        process = world.dir / "process.json"
        process.write_text(json.dumps({"args": ["sh", "-c", "echo $WHO"], "cwd": "/", "env": ["PATH=/bin", "WHO=me"],
                                       "user": {"uid": 0, "gid": 0}}))
        equal(world.oci("exec", "--process", process, name).stdout, "me\n", "by a file")
        told = world.oci("exec", name, "/bin/none", expects=1).stderr
        expect("No such file" in told, "what is not there", told)
        pid_file = world.dir / "exec-pid"
        subprocess.run([world.program, "--root", world.root, "exec", "--detach", "--pid-file", pid_file, name, "sleep", "50"],
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid = int(pid_file.read_text())
        equal(os.readlink(f"/proc/{pid}/ns/pid"), os.readlink(f"/proc/{world.state(name)['pid']}/ns/pid"), "detached, inside")
        expect(str(pid) in world.oci("ps", name).stdout, "ps knows it")
    expect("does not exist" in world.oci("exec", name, "true", expects=1).stderr, "of none there is none")


def test_no_file_of_ours_inside(world):
    """CVE-2019-5736, CVE-2024-21626: neither our binary nor a directory of the host."""
    script = ("readlink /proc/self/exe; readlink /proc/1/exe; for f in /proc/self/fd/*; do readlink $f; done; pwd;"
              "cd /proc/self/fd/7 2>/dev/null && pwd; ls -d /proc/1/root/etc/shadow 2>&1; true")
    text = world.run(sh(script))
    expect("pmos-oci" not in text and "/work" not in text and str(world.dir) not in text, "nothing of the host", text)
    made = config("sh", "-c", "pwd", process__cwd="/proc/self/fd/8")
    told = world.refused(made)
    expect("cwd" in told or "identity" in told or "No such" in told, "no such directory is entered", told)


def test_spec_runs(world):
    place = world.bundle("{}")
    (place / "config.json").unlink()
    world.oci("spec", "--bundle", place)
    made = json.loads((place / "config.json").read_text())
    expect(made["process"]["noNewPrivileges"] and made["root"]["readonly"], "hardened", made)
    made["process"]["args"] = ["sh", "-c", "grep -E 'CapEff|NoNewPrivs' /proc/self/status"]
    made["process"]["terminal"] = False
    (place / "config.json").write_text(json.dumps(made))
    equal(world.oci("run", "--bundle", place, "spec").stdout.split(), ["CapEff:", "0" * 16, "NoNewPrivs:", "1"], "it runs")
    world.oci("spec", "--bundle", place, expects=1)


def test_an_ordinary_user(world):
    """Without any privilege: a user namespace with one id, devices of the machine's, no cgroup."""
    home = world.dir / "home"
    home.mkdir()
    shutil.copytree(world.base, home / "rootfs", symlinks=True)
    shutil.copy(world.program, home / "runtime")
    subprocess.run(["chown", "-R", "1000:1000", home], check=True)
    for parent in (world.dir, home):
        parent.chmod(0o755)

    def oci(*words):
        return subprocess.run(["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "env", f"XDG_RUNTIME_DIR={home}",
                               home / "runtime", *words], cwd=home, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)

    equal(oci("spec", "--rootless").returncode, 0, "spec")
    made = json.loads((home / "config.json").read_text())
    made["process"]["args"] = ["sh", "-c", "id -u; cat /proc/self/uid_map; head -c2 /dev/zero | wc -c; touch /x 2>&1; readlink /dev/fd"]
    made["process"]["terminal"] = False
    (home / "config.json").write_text(json.dumps(made))
    done = oci("--debug", "run", "mine")
    expect("no cgroup" in done.stderr, "what does not hold here is told", done.stderr)
    equal(done.stdout.split()[:5], ["0", "0", "1000", "1", "2"], f"it runs ({done.stderr})")
    expect("Read-only" in done.stdout and "/proc/self/fd" in done.stdout, "and is as it should be", done.stdout)
    made["linux"]["resources"] = {"pids": {"limit": 10}}
    (home / "config.json").write_text(json.dumps(made))
    told = oci("run", "limited")
    expect(told.returncode == 1 and "/linux/resources/pids/limit" in told.stderr, "a limit that is not to be had is refused",
           told.stderr)


if __name__ == "__main__":
    start(__name__)
