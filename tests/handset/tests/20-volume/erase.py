"""The end of volumes by single workers: block devices, several volumes at once, several keyslots."""

import os
import secrets
import subprocess

from worker import *

CHEAP = {"memory": 1 << 20, "time_ms": 100}


def fresh_attempts():
    subprocess.run(["rm", "-rf", f"{DIR}/attempts", f"{DIR}/repeats"], check=True)


def block_device():
    if not check("a spare disk is there", SPARE is not None):
        return
    options = {"name": "disk", "source": SPARE, "block": True, **CHEAP}
    check("provision on a block device", (made := ask(PROVISION, pin=PIN, **options)).code == "done", made)
    check("open it", ask(OPEN, pin=PIN, **options).code == "done")
    held = ask(ERASE, **options)
    check("erase of an open one is refused", held.code == "busy", held)
    ask(CLOSE, **options)
    check("and has destroyed nothing", ask(OPEN, pin=PIN, **options).code == "done")
    ask(CLOSE, **options)
    with open(SPARE, "rb") as disk:
        header = disk.read(16 << 20)
    erased = ask(ERASE, **options)
    check("erase of a closed one", erased.code == "done", erased)
    with open(SPARE, "rb") as disk:
        check("its header is zeros", not any(disk.read(16 << 20)))
    status = ask(STATUS, **options)
    check("status: not there", not status.provisioned and not status.unfinished, status)
    # A copy of the header from before opens it: the data is still there. SECURITY.md says so.
    with open(SPARE, "r+b") as disk:
        disk.write(header)
        os.fsync(disk.fileno())
    opened = ask(OPEN, pin=PIN, **options)
    check("a copy of the header, made before, opens it without a TPM", opened.code == "done", opened)
    ask(CLOSE, **options)
    ask(ERASE, **options)
    check("it is provisioned anew", ask(PROVISION, pin=PIN, **options).code == "done")
    check("erased again", ask(ERASE, **options).code == "done")
    clean("erased block device")


def together():
    """The duress secret of one volume ends the mode's others and a header that is kept of them, and
    every keyslot of its own."""
    fresh_attempts()
    panic, key = secrets.token_hex(6), secrets.token_hex(8)
    more = {"name": "more", "key_file": f"{KEYS}/more", **CHEAP}
    check("a volume with a PIN", ask(PROVISION, name="pin", pin=PIN, **CHEAP).code == "done")
    check("one with a device key", ask(PROVISION, **more).code == "done")
    for name, secret in (("old", PIN), ("new", key)):
        with open(f"{DIR}/{name}", "w") as stream:
            stream.write(secret)
    added = subprocess.run(["cryptsetup", "luksAddKey", "--batch-mode", "--pbkdf", "pbkdf2",
                            "--pbkdf-force-iterations", "1000", "--key-file", f"{DIR}/old",
                            f"{DIR}/pin.img", f"{DIR}/new"], capture_output=True)
    check("a second keyslot", added.returncode == 0, added.stderr)
    check("which opens it", ask(OPEN, name="pin", pin=key).code == "done")
    ask(CLOSE, name="pin")
    set_it = ask(DURESS, name="pin", pin=PIN, new=panic)
    check("a duress PIN", set_it.code == "done", set_it)
    os.makedirs(f"{DIR}/headers/t", exist_ok=True)
    subprocess.run(["dd", f"if={DIR}/more.img", f"of={DIR}/headers/t/more.tmp-x", "bs=1M", "count=16",
                    "status=none"], check=True)
    struck = ask(OPEN, name="pin", pin=panic, others=f"fmore {DIR}/more.img\nfgone {DIR}/gone.img\n")
    check("it is refused as a wrong one", struck.code == "wrong_secret" and not struck.why, struck)
    fresh_attempts()
    for what, secret in (("PIN", PIN), ("other keyslot", key)):
        refused = ask(OPEN, name="pin", pin=secret)
        check(f"its {what} opens nothing", refused.code == "wrong_secret", refused)
    refused = ask(OPEN, **more)
    check("nor does the device key", refused.code == "wrong_secret", refused)
    check("what was kept of a header is gone", not os.listdir(f"{DIR}/headers/t"))
    check("another's volume is not touched", ask(OPEN, pin=PIN).code == "done")
    ask(CLOSE)
    for options in ({"name": "pin"}, more):
        erased = ask(ERASE, **options)
        check("what is left of it is erased", erased.code == "done", erased)
    check("the device key too", not os.path.exists(f"{KEYS}/more"))
    fresh_attempts()
    clean("destroyed together")
