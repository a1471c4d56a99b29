#!/usr/bin/env python3
# timeout: 300
"""The key of a mode's tunnel: made, imported and shown, kept in the mode's own volume, and found
nowhere else. No tunnel is made of it here: that is 63-tunnel."""

import base64
import os
import pathlib
import re
import secrets
import subprocess
import sys

from handset import (PROFILES, VOLUMES, check, ctl, no_volume, note, pmosctl, replaced, run, stop_if_failed)

PIN = secrets.token_hex(6)
MAPPING = "/dev/mapper/pmos-secure-data"
PLACE = pathlib.Path("/run/61-place")
SHIPPED = (PROFILES / "secure.json").read_text()
PEER = base64.b64encode(bytes([9]) + bytes(31)).decode()
TUNNEL = ('{ "tunnel": { "name": "t", "addresses": ["10.8.0.2/32"], "peers": [{ "publicKey": "' + PEER +
          '", "endpoint": "192.0.2.1:51820", "allowedIPs": ["0.0.0.0/0"] }] } }')


def key(*words, text=None, code=0):
    """pmosctl net key secure; what it prints."""
    options = {"input": text} if text is not None else {}
    done = run("pmosctl", "net", "key", "secure", *words, **options)
    check("net key " + " ".join(words), done.returncode == code, (done.returncode, done.stdout, done.stderr))
    return done.stdout.strip(), done.stderr


def genkey():
    """A private key, and its public one as wireguard-tools reckon it."""
    private = run("wg", "genkey").stdout.strip()
    return private, run("wg", "pubkey", input=private + "\n").stdout.strip()


def shown():
    return run("pmosctl", "net", "key", "secure", "--show").stdout.strip()


def in_private_part(look):
    """look(the private part), of the open volume."""
    PLACE.mkdir(exist_ok=True)
    mounted = run("mount", MAPPING, str(PLACE))
    if mounted.returncode != 0:
        sys.exit(f"the volume cannot be mounted: {mounted.stderr}")
    try:
        return look(PLACE / "private")
    finally:
        run("umount", str(PLACE))


def use(network):
    (PROFILES / "secure.json").write_text(replaced(SHIPPED, '"network": "none"', f'"network": {network}'))
    ctl("reload")


def without():
    note("a volume without one")
    message = key("--show", code=13)[1]
    check("it says what to do", "hint: make one with: pmosctl net key secure --new" in message, message)
    use(TUNNEL)
    started = pmosctl("start", "secure")
    check("a mode with a tunnel does not start", started.returncode == 13, (started.returncode, started.stderr))
    check("for it has no key", "no key of a tunnel" in started.stderr and "--new" in started.stderr, started.stderr)
    check("and nothing of it is left", not pathlib.Path("/sys/fs/cgroup/system.slice/pmos-modes.service/secure").exists())
    use('"none"')


def made():
    note("made, shown, imported")
    first = key("--new")[0]
    check("it is told by its public key", re.fullmatch(r"[A-Za-z0-9+/]{43}=", first), first)
    check("which stays the same", shown() == first)
    message = key("--new", code=2)[1]
    check("without a yes nothing replaces it", "--yes" in message and shown() == first, message)
    private, public = genkey()
    check("an import has the public key that wg reckons", key("--import", "--yes", text=private + "\n")[0] == public)
    check("and it stays", shown() == public)
    stat = in_private_part(lambda part: (part / "tunnel-key").stat())
    check("it is root's alone", stat.st_mode & 0o7777 == 0o600 and (stat.st_uid, stat.st_gid) == (0, 0), oct(stat.st_mode))
    names = in_private_part(lambda part: sorted(os.listdir(part)))
    check("and nothing half is left", [name for name in names if name.startswith("tunnel-key")] == ["tunnel-key"], names)
    raw = in_private_part(lambda part: (part / "tunnel-key").read_bytes())
    check("as it was given", base64.b64encode(raw).decode() == private)
    shared = run("wg", "genpsk").stdout.strip()
    key("--peer", PEER, "--import", text=shared + "\n", code=13)
    use(TUNNEL)
    check("a preshared one is told by its peer", key("--peer", PEER, "--import", text=shared + "\n")[0] == PEER)
    key("--peer", PEER, "--import", text=shared + "\n", code=5)
    key("--peer", PEER, "--import", text="A" * 43 + "=\n", code=2)
    key("--peer", PEER, "--new", code=2)
    key("--peer", "nobody", "--import", text=shared + "\n", code=2)
    name = next(name for name in in_private_part(os.listdir) if name.startswith("preshared-key-"))
    kept = in_private_part(lambda part: (part / name).read_bytes())
    use('"none"')
    check("and lies beside it as it was given", base64.b64encode(kept).decode() == shared, name)
    return (private, shared), public, (raw, kept)


def wrong(public):
    note("what is no key")
    for text in ("", "\n", "no key\n", public[:-2] + "\n", public + public + "\n", "=" * 44 + "\n",
                 base64.b64encode(bytes(31)).decode() + "\n", base64.b64encode(bytes(33)).decode() + "\n",
                 "\0" * 44 + "\n", "A" * 100000):
        before = shown()
        done = run("pmosctl", "net", "key", "secure", "--import", "--yes", input=text)
        check(f"{text[:12]!r} is refused, and the key stays", done.returncode == 2 and shown() == before == public,
              (done.returncode, done.stderr))
    key(code=2)
    key("--new", "--show", code=2)


def locked(public):
    note("locked")
    ctl("lock", "secure")
    for words in (("--show",), ("--new", "--yes")):
        key(*words, code=7)
    private, _ = genkey()
    key("--import", "--yes", text=private + "\n", code=7)
    ctl("unlock", "secure", "--no-start", pin=PIN)
    check("unlocked it is the one that was there", shown() == public)


def holds(path, needles):
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return any(needle in data for needle in needles)


def nowhere_else(texts, keys):
    note("where they are to be found")
    needles = (*keys, *(text.encode() for text in texts), *(key.hex().encode() for key in keys))
    ctl("start", "secure")
    ctl("switch", "secure")
    inside = pmosctl("exec", "secure", "--", "sh", "-c", "find / -xdev \\( -name 'tunnel-key*' -o -name 'preshared-key*' \\) 2>/dev/null; ls -a /data /data/..")
    check("the mode sees no such file", "-key" not in inside.stdout, inside.stdout)
    places = [path for top in ("/run", "/var/log", "/var/lib/pmos", "/tmp", "/etc")
              for where, _, names in os.walk(top) for path in (pathlib.Path(where) / name for name in names)
              if path.is_file() and not path.is_symlink()]
    check("files were looked at", len(places) > 100, len(places))
    found = [str(path) for path in places if holds(path, needles)]
    check("no file of the phone has it", not found, found)
    found = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid()
             and any(holds(pathlib.Path(f"/proc/{pid}/{name}"), needles) for name in ("cmdline", "environ"))]
    check("no process was given it as a word", not found, found)
    said = run("journalctl", "-b", "--no-pager", "-o", "export", text=False).stdout + run("dmesg", text=False).stdout
    check("no log has it", not any(needle in said for needle in needles))
    memory = pmosd_memory()
    check("pmosd's memory was read", len(memory) > 100000, len(memory))
    check("it is not in it", not any(needle in memory for needle in needles))
    check("what finds it where it is finds it", in_private_part(lambda part: holds(part / "tunnel-key", needles)))
    ctl("lock", "secure")
    found = [str(path) for path in VOLUMES.glob("secure-*") if holds(path, needles)]
    check("the closed volume does not show it", not found, found)


def pmosd_memory():
    pid = run("systemctl", "show", "-P", "MainPID", "pmosd").stdout.strip()
    memory = b""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            place, rights = line.split()[:2]
            if "w" not in rights:
                continue
            begin, end = (int(number, 16) for number in place.split("-"))
            mem.seek(begin)
            try:
                memory += mem.read(end - begin)
            except OSError:
                continue
    return memory


def main():
    if subprocess.run(["which", "wg"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
        sys.exit("the phone has no wireguard-tools")
    no_volume("secure")
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", "--no-start", pin=PIN)
    stop_if_failed()
    try:
        without()
        texts, public, keys = made()
        wrong(public)
        locked(public)
        nowhere_else(texts, keys)
    finally:
        (PROFILES / "secure.json").write_text(SHIPPED)
        ctl("reload")


main()
