"""The story of two modes on one phone, told on the phone. Runs there as root; ./dev demo brings it.
Leaves with the host screen.png, a picture of the phone's screen, and story.json, the results."""

# boot: own
# kdf: shipped
# timeout: 900

import json
import sys

import board
import hardware
import life
import lock
import phone
import separation
import telling

STEPS = [
    ("The phone boots and brings up personal", "boot, autostart, time to the first process",
     life.boot),
    ("Both modes in one table", "status of both modes", life.status),
    ("secure gets its volume and its PIN", "a LUKS2 volume, its PIN typed on a terminal",
     life.provision),
    ("secure is unlocked and comes to the front", "unlock and switch, personal frozen",
     life.unlock),
    ("Side by side the modes share nothing", "two worlds that share nothing",
     separation.tell_separation),
    ("The GPU is personal's, the modem is secure's", "GPU and modem's broker, each refused to the other",
     hardware.tell_hardware),
    ("secure is locked", "lock leaves ciphertext, a wrong PIN opens nothing", lock.tell_lock),
    ("Everything stops", "stop leaves the phone as it was", life.stop_all),
]


def emulation():
    kind = phone.run("systemd-detect-virt").out.strip()
    return {"qemu": "QEMU without KVM (TCG, several times slower than a processor of its own)",
            "kvm": "QEMU with KVM"}.get(kind, kind)


def column(mode, report):
    """What the board says of one mode."""
    if not report:
        return [board.coloured(mode, ""), *[""] * 8]
    nodes = separation.hardware(report)
    spaces = report["namespaces"]
    names = sorted(report["processes"].items(), key=lambda p: int(p[0]))
    return [
        board.coloured(mode, f"   hostname {report['hostname']}"),
        f"root here is uid {report['uid_map'][1]} outside",
        f"processes     {', '.join(name for _, name in names)}",
        f"hardware      {' '.join(nodes) or 'none'}",
        f"network       {' '.join(report['links']) or 'none'}",
        f"boot clock    {report['boot_clock']:.0f} s",
        f"capabilities  {report['capabilities']['CapEff'].lstrip('0') or 'none'}, "
        f"seccomp {report['seccomp']}, no_new_privs {report['no_new_privs']}",
        f"namespaces    mnt {spaces['mnt']} pid {spaces['pid']} net {spaces['net']}",
        f"              user {spaces['user']} ipc {spaces['ipc']} uts {spaces['uts']}",
    ]


def footer(facts, tell):
    lines = []
    if facts.start_ms is not None:
        lines.append(f"pmosd's start to personal's first process: {facts.start_ms:.0f} ms")
    lines.append(f"emulated by {emulation()}")
    if len(tell.steps) == len(STEPS):
        good = tell.exit_code() == 0
        lines += ["", board.GREEN + "every step held" if good
                  else board.RED + "not every step held"]
    return lines


def main():
    tell, facts = telling.Telling(), life.Facts()
    planned = [(name, shown) for name, shown, _ in STEPS]

    def redraw():
        modes = [column(mode, facts.reports.get(mode)) for mode in (life.PERSONAL, life.SECURE)]
        wrong = board.draw("/dev/tty1", tell, planned, modes, footer(facts, tell))
        if wrong:
            tell.say(wrong)

    tell.after_step = redraw
    tell.say(f"times are of this phone, emulated by {emulation()}")
    redraw()
    for name, shown, function in STEPS:
        tell.tell(name, shown, function, facts)
    tell.table()
    print(phone.run("handset-host", "screendump", "screen.png").text, flush=True)
    with open("/run/handset/story.json", "w", encoding="ascii") as file:
        json.dump({"steps": tell.steps, "start_ms": facts.start_ms}, file)
    phone.run("handset-host", "save", "/run/handset/story.json")
    return tell.exit_code()


if __name__ == "__main__":
    sys.exit(main())
