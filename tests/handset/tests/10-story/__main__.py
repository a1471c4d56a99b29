"""The story of two modes on one phone, told on the phone. Runs there as root; ./dev demo brings it.
Leaves with the host pictures of the phone's screen and story.json, the results."""

# boot: own
# kdf: shipped
# screen: 360x720
# timeout: 900

import json
import sys

import hardware
import life
import lock
import phone
import screen
import separation
import telling

STEPS = [
    ("The phone boots and brings up personal", "boot, autostart, time to the first process",
     life.boot),
    ("Both modes in one table", "status of both modes", life.status),
    ("The panel shows who is in front, and leads to the other", "the strip, the power key, the chooser",
     screen.tell_panel),
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


def main():
    tell, facts = telling.Telling(), life.Facts()
    tell.say(f"times are of this phone, emulated by {emulation()}")
    for name, shown, function in STEPS:
        tell.tell(name, shown, function, facts)
    tell.table()
    with open("/run/handset/story.json", "w", encoding="ascii") as file:
        json.dump({"steps": tell.steps, "start_ms": facts.start_ms}, file)
    phone.run("handset-host", "save", "/run/handset/story.json")
    return tell.exit_code()


if __name__ == "__main__":
    sys.exit(main())
