"""What a volume tells of itself, and another secret in place of the one that opens it."""

import json
import os
import secrets
import signal
import subprocess
import time

from handset import check, note
from worker import *


def dumped(name):
    dump = subprocess.run(["cryptsetup", "luksDump", "--dump-json-metadata", f"{DIR}/{name}.img"],
                          capture_output=True, text=True).stdout
    return json.loads(dump)


def keyslots(name="data"):
    """Numbers of the keyslots that are in use, as cryptsetup sees them."""
    header = dumped(name)
    return sorted(header["keyslots"]), [t["type"] for t in header["tokens"].values()]


def marked(name="data"):
    """Numbers of the keyslots to which the mark belongs that the volume is whole."""
    return sorted(slot for token in dumped(name)["tokens"].values() if token["type"] == "pmos"
                  for slot in token["keyslots"])


def tells_all():
    told = ask(INFO).details
    check("info of a closed volume", told.get("state") == "closed"
          and told.get("cipher") == "aes-xts-plain64" and told.get("keyBits") == "512"
          and told.get("sectorSize") == "4096" and told.get("integrity") == "none"
          and told.get("size") == str(48 << 20) and told.get("keyslot.0.kdf") == "argon2id"
          and told.get("token.0") == "pmos-duress" and told.get("token.1") == "pmos" and "used" not in told, told)
    check("info of one that is not there", ask(INFO, name="nothing").details.get("state") == "absent")
    ask(OPEN, pin=PIN)
    used = int(ask(INFO).details.get("used", -1))
    check("info of an open one says what is used", 0 < used < 48 << 20, used)
    mount()
    with open(f"{DIR}/mnt/much", "wb") as stream:
        stream.write(bytes(8 << 20))
        os.fsync(stream.fileno())
    told = ask(INFO).details
    check("and follows it while it is mounted", told.get("state") == "open"
          and int(told["used"]) >= used + (8 << 20), told)
    os.unlink(f"{DIR}/mnt/much")
    umount()
    ask(CLOSE)
    clean("info")


def passwd():
    global_pin, new = PIN, secrets.token_hex(8)
    refused = ask(PASSWD, pin=secrets.token_hex(8), new=new)
    check("passwd with a wrong secret is refused", refused.code == "wrong_secret", refused)
    check("a new secret that is too short as well", ask(PASSWD, pin=PIN, new="123").code == "usage")
    check("and one that is the old one", ask(PASSWD, pin=PIN, new=PIN).code == "usage")
    check("without a new one nothing is done", ask(PASSWD, pin=PIN).code == "usage")
    check("the old secret still opens", ask(OPEN, pin=PIN).code == "done")
    changed = ask(PASSWD, pin=global_pin, new=new)
    check("passwd of an open volume", changed.code == "done", changed)
    check("leaves it open", ask(STATUS).active)
    ask(CLOSE)
    check("the old secret is refused", ask(OPEN, pin=PIN).code == "wrong_secret")
    check("the new one opens", ask(OPEN, pin=new).code == "done")
    ask(CLOSE)
    back = ask(PASSWD, pin=new, new=PIN)
    check("passwd of a closed volume", back.code == "done", back)
    slots, tokens = keyslots()
    check("one keyslot is left, and no mark of the change", len(slots) == 1 and tokens == ["pmos-duress", "pmos"],
          (slots, tokens))
    for attempt in range(4):
        ask(PASSWD, pin=secrets.token_hex(8), new=new)
    check("guesses by passwd are counted and delayed as others",
          (delayed := [ask(PASSWD, pin=secrets.token_hex(8), new=new) for _ in range(2)][-1]).code
          == "throttled", delayed)
    subprocess.run(["rm", "-rf", f"{DIR}/attempts", f"{DIR}/repeats"], check=True)
    clean("passwd")


def killed():
    """At any moment of a change one of the two secrets opens, and then the other does no more."""
    moments = 40 if os.environ.get("HANDSET_SOAK") else 4
    whole = time.monotonic()
    check("a change as a measure", ask(PASSWD, pin=PIN, new=PIN + "x").code == "done")
    whole = time.monotonic() - whole
    old, new, both, done = PIN + "x", PIN, 0, 0
    for moment in range(moments):
        worker = Worker(PASSWD, pin=old, new=new)
        worker.until("writing the new secret")
        time.sleep(whole * 0.7 * moment / moments)
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()
        worker.socket.close()
        both += len(keyslots()[0]) == 2
        opens = ask(OPEN, pin=new).code == "done"
        right, other = (new, old) if opens else (old, new)
        good = opens or ask(OPEN, pin=old).code == "done"
        ask(CLOSE)
        slots, tokens = keyslots()
        refused = ask(OPEN, pin=other).code
        if not check(f"killed at moment {moment}: one secret opens, and it alone", good
                     and len(slots) == 1 and tokens == ["pmos-duress", "pmos"] and marked() == slots
                     and refused == "wrong_secret", (good, slots, tokens, marked(), refused)):
            subprocess.run(["cryptsetup", "luksDump", f"{DIR}/data.img"])
        ask(OPEN, pin=right), ask(CLOSE)  # the count begins anew
        done += opens
        old, new = right, other
    note(f"of {moments} kills {both} left both keyslots, {done} the new secret")
    if old != PIN:
        ask(PASSWD, pin=old, new=PIN)
    clean("killed while it was changed")
