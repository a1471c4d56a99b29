"""Step 6: the GPU answers one mode and the modem's broker the other, and each is refused the other's."""

import json
import os
import time

import life
import phone
from life import PERSONAL, SECURE

BROKER = "/run/pmos/modem/bus"
PORT = "/dev/ttyS2"

REFUSED = {"EPERM", "EACCES", "ENOENT", "ENXIO"}


def granted(mode, device_class):
    """Paths of a class that the mode's plan grants, with their numbers."""
    nodes = phone.inspect(mode)["plan"]["deviceNodes"]
    return {"/dev/" + n["path"]: (n["major"], n["minor"]) for n in nodes
            if n.get("class") == device_class}


def services(mode):
    return phone.inspect(mode)["plan"].get("modem", [])


def tell_hardware(tell, facts):
    gpu = granted(PERSONAL, "gpu")
    tell.check("personal's plan grants the GPU's render node", bool(gpu), "a node", ", ".join(gpu))
    tell.equal("secure's plan grants messages and calls", ["sms", "voice"], services(SECURE))
    tell.equal("and neither grants the other's", ({}, []), (granted(SECURE, "gpu"), services(PERSONAL)))
    tell.equal("nor the modem's port to anybody", ({}, {}),
               (granted(SECURE, "modem"), granted(PERSONAL, "modem")))
    life.switch(tell, SECURE)
    talk_to_modem(tell)
    for path, numbers in gpu.items():
        check_refused(tell, SECURE, path, numbers)
    life.switch(tell, PERSONAL)
    if gpu:
        draw(tell, sorted(gpu))
    there = phone.run("pmosctl", "exec", PERSONAL, "--", "ls", BROKER)
    tell.check("personal has no broker to ask", "No such file" in there.text, "no such file",
               there.text.strip())
    status = os.stat(PORT)
    check_refused(tell, PERSONAL, PORT, (os.major(status.st_rdev), os.minor(status.st_rdev)))


def registered():
    told = phone.run("pmosctl", "modem", "status", "--json")
    return told.code == 0 and [line["state"] for line in json.loads(told.out)["lines"]] == ["registered"]


def talk_to_modem(tell):
    phone.run("systemctl", "start", "ModemManager")
    end = time.monotonic() + 120
    while not registered() and time.monotonic() < end:
        time.sleep(1)
    tell.command(f"pmosctl exec secure -- python3 - modem {BROKER}")
    seen = phone.inside(SECURE, "modem", BROKER)
    tell.block(json.dumps(seen))
    tell.check("secure asks the broker for modems, and is shown one", seen["greeted"] and seen["modem"],
               "a modem", "a modem" if seen["modem"] else "none")
    tell.equal("with the network that it is in", "TestNet", seen["network"])
    tell.equal("and not with its IMEI", False, seen["identity"])
    phone.run("systemctl", "stop", "ModemManager", "polkit")


def draw(tell, paths):
    tell.command(f"pmosctl exec personal -- python3 - draw {paths[0]}")
    drawn, errors = None, []
    for path in paths:
        try:
            drawn = phone.inside(PERSONAL, "draw", path)
            break
        except RuntimeError as error:  # vgem has a render node too, and no memory of its own
            errors.append(f"{path}: {error}")
    tell.check("personal draws: an image in the GPU's memory, painted and handed over",
               bool(drawn) and drawn["kept"], "an image",
               f"{drawn['bytes']} bytes, resource {drawn['resource']} of {drawn['driver']}"
               if drawn else "; ".join(errors))


def check_refused(tell, mode, path, numbers):
    """From inside, and, past the mode's missing node, by the filter of its cgroup."""
    got = phone.inside(mode, "attempt", path, *(str(number) for number in numbers))
    tell.check(f"{mode} has no {path}", got["open"] in REFUSED, "refused", got["open"])
    tell.check(f"{mode} cannot make one: mknod", got["mknod"] in REFUSED, "refused", got["mknod"])
    cgroup = phone.mode_cgroup(mode)
    outside = phone.run("python3", "-c", "import os,sys; os.close(os.open(sys.argv[1], os.O_RDWR"
                        " | os.O_NOCTTY)); print('opened')", path)
    tell.check("(the phone's root opens it)", outside.out.strip() == "opened", "opened",
               outside.text.splitlines()[-1])
    within = phone.run("python3", "-c", ENTER_AND_OPEN, str(leaf(cgroup)), path)
    tell.equal(f"even the phone's root is refused it from within {mode}'s cgroup", "EPERM",
               within.text.splitlines()[-1])


def leaf(cgroup):
    """A cgroup with children may hold no process of its own: the first that has some."""
    return next(p for p in (cgroup, *sorted(cgroup.rglob("*")))
                if p.is_dir() and (p / "cgroup.procs").read_text().strip())


ENTER_AND_OPEN = """
import errno, os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
try:
    os.open(sys.argv[2], os.O_RDWR | os.O_NOCTTY)
    print("opened")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
