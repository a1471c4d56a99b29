"""Step 6: the GPU answers one mode and the modem the other, and each is refused the other's."""

import life
import phone
from life import PERSONAL, SECURE

REFUSED = {"EPERM", "EACCES", "ENOENT", "ENXIO"}


def granted(mode, device_class):
    """Paths of a class that the mode's plan grants, with their numbers."""
    nodes = phone.inspect(mode)["plan"]["deviceNodes"]
    return {"/dev/" + n["path"]: (n["major"], n["minor"]) for n in nodes
            if n.get("class") == device_class}


def tell_hardware(tell, facts):
    gpu, modem = granted(PERSONAL, "gpu"), granted(SECURE, "modem")
    tell.check("personal's plan grants the GPU's render node", bool(gpu), "a node", ", ".join(gpu))
    tell.check("secure's plan grants the modem's port", bool(modem), "a node", ", ".join(modem))
    tell.equal("and neither grants the other's", ({}, {}),
               (granted(SECURE, "gpu"), granted(PERSONAL, "modem")))
    life.switch(tell, SECURE)
    if modem:
        talk_to_modem(tell, sorted(modem)[0])
    for path, numbers in gpu.items():
        check_refused(tell, SECURE, path, numbers)
    life.switch(tell, PERSONAL)
    if gpu:
        draw(tell, sorted(gpu))
    for path, numbers in modem.items():
        check_refused(tell, PERSONAL, path, numbers)


def talk_to_modem(tell, path):
    tell.command(f"pmosctl exec secure -- python3 - modem {path}")
    answers = phone.inside(SECURE, "modem", path, "AT", "ATI", "AT+CSQ")
    for command, lines in answers.items():
        tell.block(f"{command:8} -> {' / '.join(lines)}")
    tell.equal("secure talks to the modem: AT is answered", ["OK"], answers["AT"])
    tell.check("ATI names it", answers["ATI"][-1:] == ["OK"] and len(answers["ATI"]) > 1,
               "a name and OK", " / ".join(answers["ATI"]))
    strength = [line for line in answers["AT+CSQ"] if line.startswith("+CSQ: ")]
    tell.check("AT+CSQ tells the signal's strength", len(strength) == 1, "+CSQ: ...",
               " / ".join(answers["AT+CSQ"]))


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
