"""The end of volumes by single workers: block devices, several volumes at once, several keyslots."""

import glob
import os
import pathlib
import secrets
import subprocess
import time

from handset import check
from worker import *


def fresh_attempts():
    subprocess.run(["rm", "-rf", f"{DIR}/attempts", f"{DIR}/repeats"], check=True)


def block_device():
    if not check("a spare disk is there", SPARE is not None):
        return
    options = {"name": "disk", "source": SPARE, "block": True}
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
    more = {"name": "more", "key_file": f"{KEYS}/more"}
    check("a volume with a PIN", ask(PROVISION, name="pin", pin=PIN).code == "done")
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


def whatever_asks():
    """The duress secret destroys also where a volume is only looked at, by a device that cannot be
    written to, and where it is open."""
    for what in ("tested", "open", "with integrity"):
        fresh_attempts()
        panic = secrets.token_hex(6)
        options = {"name": "asked",
                   "integrity": "hmac-sha256" if what == "with integrity" else "none"}
        check(f"a volume ({what})", (made := ask(PROVISION, pin=PIN, **options)).code == "done", made)
        same = ask(DURESS, pin=PIN, new=PIN, **options)
        check("its PIN cannot be the duress PIN", same.code == "usage", same)
        check("a duress PIN", (done := ask(DURESS, pin=PIN, new=panic, **options)).code == "done", done)
        taken = ask(PASSWD, pin=PIN, new=panic, **options)
        check("it cannot become the PIN", taken.code == "usage", taken)
        if what == "open":
            ask(OPEN, pin=PIN, **options)
        wrong = ask(OPEN if what == "open" else AUTH_TEST, pin=secrets.token_hex(6), **options)
        check("of a wrong one pmosd is told nothing more", wrong.code == "wrong_secret"
              and not wrong.keys_ended, wrong)
        struck = ask(OPEN if what == "open" else AUTH_TEST, pin=panic, **options)
        check("it is refused as a wrong one", struck.code == "wrong_secret" and not struck.why, struck)
        check("and pmosd is told to let go of what is open", struck.keys_ended)
        ask(CLOSE, **options)
        fresh_attempts()
        refused = ask(OPEN, pin=PIN, **options)
        check("the PIN opens nothing any more", refused.code == "wrong_secret", refused)
        check("erased", (erased := ask(ERASE, **options)).code == "done", erased)
    clean("destroyed whatever asked")


def kept_headers():
    return glob.glob(f"{DIR}/headers/t/*")


def killed_in_a_piece(options):
    """What a wrong secret is told of it. Its header is kept then, for whoever knows the right one."""
    for moment in range(8):
        fresh_attempts()
        worker = Worker(REENCRYPT, pin=PIN, **options)
        begun = worker.until("re-encrypting")
        time.sleep(0.02 * moment)
        worker.process.kill()
        worker.process.wait()
        worker.socket.close()
        state = ask(INFO, **options).details["reencryption"]
        wrong = ask(OPEN, pin=secrets.token_hex(6), **options)
        if not begun or kept_headers():
            break
    check("it is being re-encrypted, and that is killed", begun and state == "interrupted", state)
    check("within a piece", len(kept_headers()) == 1, kept_headers())
    check("a wrong secret is refused", wrong.code == "wrong_secret", wrong)
    return wrong


def without_room_to_mend(options, image):
    """What mends a piece keeps the header first: where there is no room for that it writes nothing."""
    small = f"{DIR}/small"
    os.makedirs(small, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    before = pathlib.Path(image).read_bytes()
    for verb in (REENCRYPT, OPEN):
        full = ask(verb, pin=PIN, undo=f"{small}/t/half", **options)
        check("without room for its header nothing is mended", full.code == "no_space" and full.fix, full)
    check("and nothing was written, or is left", pathlib.Path(image).read_bytes() == before
          and not os.listdir(f"{small}/t"), os.listdir(f"{small}/t"))
    subprocess.run(["umount", small], check=True)
    done = ask(OPEN, pin=PIN, **options)
    check("with room it is, and opens", done.code == "done" and not kept_headers(), done)
    ask(CLOSE, **options)
    killed_in_a_piece(options)


def half_rewritten():
    """Of a volume whose re-encryption was killed both keys go, and the header that is kept for it."""
    for what in ("duress secret", "erase"):
        fresh_attempts()
        panic = secrets.token_hex(6)
        options = {"name": "half", "size": 64 << 20}
        check(f"a volume ({what})", (made := ask(PROVISION, pin=PIN, **options)).code == "done", made)
        check("a duress PIN", (done := ask(DURESS, pin=PIN, new=panic, **options)).code == "done", done)
        wrong = killed_in_a_piece(options)
        image = f"{DIR}/half.img"
        if what == "erase":
            without_room_to_mend(options, image)
            check("erased", (erased := ask(ERASE, **options)).code == "done", erased)
        else:
            before = keyslot_areas(image)
            check("it has two keys", len(before) == 3, len(before))
            struck = ask(OPEN, pin=panic, **options)
            check("the duress secret is refused in the same words", str(struck) == str(wrong), (struck, wrong))
            check("no keyslot is what it was", not any(a == b for a, b in zip(before, keyslot_areas(image))))
            check("the header that was kept is gone", not kept_headers(), kept_headers())
            fresh_attempts()
            for verb in (OPEN, REENCRYPT):
                refused = ask(verb, pin=PIN, **options)
                check("the right one neither opens it nor goes on", refused.code == "wrong_secret", refused)
            check("erased", (erased := ask(ERASE, **options)).code == "done", erased)
        check("nothing is left of it, nor of a header that was kept",
              not os.path.exists(image) and not kept_headers(), kept_headers())
    clean("destroyed half re-encrypted")


def apart():
    fresh_attempts()
    panic = secrets.token_hex(6)
    header = f"{DIR}/a card/apart.header"
    os.makedirs(os.path.dirname(header), exist_ok=True)
    options = {"name": "apart", "header": header}
    check("a volume with its header apart", (made := ask(PROVISION, pin=PIN, **options)).code == "done", made)
    check("one beside it", ask(PROVISION, name="beside", pin=PIN).code == "done")
    check("its duress PIN", ask(DURESS, name="beside", pin=PIN, new=panic).code == "done")
    struck = ask(OPEN, name="beside", pin=panic, others=f"fapart {DIR}/apart.img\t{header}\n")
    check("is refused as a wrong one", struck.code == "wrong_secret", struck)
    fresh_attempts()
    refused = ask(OPEN, pin=PIN, **options)
    check("and ends the header that is apart", refused.code == "wrong_secret", refused)
    os.rename(header, f"{DIR}/kept")
    away = ask(ERASE, **options)
    check("without its header it is not erased", away.code == "not_found"
          and os.path.exists(f"{DIR}/apart.img"), away)
    os.rename(f"{DIR}/kept", header)
    check("with it, it is", (erased := ask(ERASE, **options)).code == "done", erased)
    check("and nothing is left of both", not os.path.exists(header)
          and not os.path.exists(f"{DIR}/apart.img"))
    check("once more", ask(ERASE, **options).code == "done")
    ask(ERASE, name="beside")
    clean("erased with its header")


def apart_on_a_device():
    if SPARE is None:
        return
    fresh_attempts()
    header = f"{DIR}/apart.header"
    options = {"name": "disk", "source": SPARE, "block": True, "header": header}
    check("a header apart of a block device",
          (made := ask(PROVISION, pin=PIN, **options)).code == "done", made)
    check("erased", (erased := ask(ERASE, **options)).code == "done", erased)
    with open(SPARE, "rb") as disk:
        check("the device says no more that it is one", not any(disk.read(512)))
    check("the header is gone", not os.path.exists(header))
    subprocess.run(["mkfs.ext4", "-q", "-F", SPARE], check=True)
    foreign = ask(ERASE, name="disk", source=SPARE, block=True)
    kept = subprocess.run(["blkid", "-p", "-s", "TYPE", "-o", "value", SPARE], capture_output=True,
                          text=True, check=True).stdout.strip()
    check("what is no volume is not wiped", foreign.code == "busy" and kept == "ext4", (foreign, kept))
    subprocess.run(["wipefs", "--all", "--quiet", SPARE], check=True)
