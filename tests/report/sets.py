"""Profiles for the report to show: two that ship, seven that share much, fifty, and some that mean
harm."""
import base64
import json
import os

RO = ["ro", "nosuid", "nodev", "noexec"]
RW = ["rw", "nosuid", "nodev", "noexec"]
# What must not become markup, nor turn a line round, nor end a string.
MARKUP = '<img src=x onerror="alert(1)">'
BREAKS = "\"'></title></style><script>alert(2)</script>&amp;&#60;"
BIDI = "\u202etxt.\u2066exe\u2069\u200f\u061c"
UNSEEN = "a\u200bb\u2028c\u00add\ufeffe\U000e0041"
CONTROL = "\u001b[31m\u0007\u0085\u009b"
DOT = "\\N\\G\\\"]; evil [label=\"x\\"


def profile(index, mode, **more):
    return {
        "pmos": 1, "mode": mode, "root": {"image": f"{mode}.erofs"},
        "volumes": [{"name": "data", "target": "/data", "size": "64MiB", "unlock": ["pin"],
                     "luks": {"cipher": "aes-xts-plain64", "keySize": 512}}],
        "identity": {"uidRange": {"start": 65536 * (index + 2), "count": 65536}},
        "process": {"args": ["/bin/sh"]}, "seccomp": {"allow": ["@system-service"]},
        "devices": {"gpu": "render"} if index % 3 else {"modem": ["sms"]}, "network": "loopback",
        "resources": {"memory": {"max": "1GiB"}, "pids": {"max": 512}},
        "session": {"autostart": False, "background": "freeze", "onLock": "evict"}, **more,
    }


def bind(source, target, options):
    return {"type": "bind", "source": source, "target": target, "options": options}


def write(directory, profiles, site=None):
    os.makedirs(directory, exist_ok=True)
    for one in profiles:
        with open(f"{directory}/{one['mode']}.json", "w", encoding="utf-8") as file:
            json.dump(one, file, indent=2)
    if site:
        with open(f"{directory}/site.json", "w", encoding="utf-8") as file:
            json.dump(site, file, indent=2)
    return directory


def tunnel(name, host):
    """Every mode has its own address at the peer."""
    key = base64.b64encode(name.encode().ljust(32, b"-")).decode()
    peer = {"publicKey": key, "endpoint": "192.0.2.1:51820", "allowedIPs": ["0.0.0.0/0"]}
    return {"network": {"tunnel": {"name": name, "addresses": [f"10.8.{host}.2/32"],
                                   "peers": [peer]}}}


def seven(directory):
    out = []
    for index, mode in enumerate(["personal", "work", "secure", "kids", "bank", "guest", "travel"]):
        more = {"mounts": []}
        if mode in ("personal", "work", "kids"):
            more["mounts"].append(bind("/srv/music", "/music", RO))
        if mode in ("travel", "guest"):
            more["mounts"].append(bind("/srv/maps", "/maps", RO))
        if mode in ("work", "bank"):
            more.update(tunnel("corp", index))
        if mode in ("personal", "travel"):
            more["network"] = "direct"
        if mode == "secure":
            more["seccomp"] = {"allow": ["@system-service", "@keyring"]}
        if mode == "kids":
            more["seccomp"] = {"allow": ["@system-service", "syslog", "perf_event_open"]}
        if mode != "guest":
            more["hooks"] = {"volumeCheck": ["volume-check"]}
        out.append(profile(index, mode, **more))
    accept = [{"from": a, "to": b, "through": "/srv/music", "why": "ring tones"}
              for a, b in (("personal", "work"), ("work", "personal"))]
    return write(directory, out, {"pmos": 1, "require": [{"separateIdRanges": True}],
                                  "accept": accept})


def fifty(directory):
    out = []
    for index in range(50):
        mounts = [bind(f"/srv/own/{index}", "/own", RW)]
        if index % 7 == 0:
            mounts.append(bind("/srv/maps", "/maps", RO))
        more = tunnel(f"t{index // 20}", index) if index % 10 == 0 else {}
        out.append(profile(index, f"mode-{index}", mounts=mounts,
                           hooks={"volumeCheck": ["volume-check"]}, **more))
    return write(directory, out)


def longest(directory):
    """Names as long as they may be."""
    return write(directory, [profile(i, f"m{i}" + "-abcdefghi" * 3, mounts=[
        bind("/srv/" + "very-long-name/" * 12 + "end", "/in", RO)]) for i in range(3)])


def hostile(directory):
    """Whole profiles whose values mean harm, one with comments that do, one that is broken, and one
    whose file's name does."""
    sources = [f"/srv/{text}" for text in (MARKUP, BREAKS.replace("/", "|"), BIDI, UNSEEN, DOT,
                                           "\u05d0\u05d1/\u4e2d\u6587" * 20)]
    out = []
    for index, mode in enumerate(["aaa", "bbb"]):
        mounts = [bind(source, f"/in{n}" + MARKUP.replace("/", "|"), RO)
                  for n, source in enumerate(sources)]
        out.append(profile(index, mode, mounts=mounts, hooks={"volumeCheck": ["a" + MARKUP]}))
    write(directory, out, {"pmos": 1, "require": [{"separateIdRanges": True}], "accept": [
        {"from": "aaa", "to": "bbb", "through": sources[0], "why": BREAKS + BIDI}]})
    with open(f"{directory}/aaa.json", "a", encoding="utf-8") as file:
        file.write(f"// {MARKUP} {BREAKS} {BIDI} {UNSEEN}\n")
    return directory


def broken(directory):
    hostile(directory)
    name = os.path.join(directory, MARKUP.replace("/", "|") + BIDI + ".json")
    with open(name, "w", encoding="utf-8") as file:
        file.write("{\n" + json.dumps(BREAKS + BIDI + CONTROL) + ": 1,\n\"mode\": \"x\", // " + CONTROL +
                   UNSEEN + "\n" + "\"pmos\": 1}\n")
    with open(os.path.join(directory, "bytes.json"), "wb") as file:
        file.write(b'{"pmos": 1, // \xff\xfe\xc0\xaf <b>\n\x00\r\n"mode": "\xed\xa0\x80"}')
    return directory
