#!/usr/bin/env python3
# timeout: 1800
# turn: 1
"""Volumes on real dm-crypt: drives pmos-volume over its socket, as pmosd does, and looks at what
is left on the phone. PINs are random, so that a match in a search is never the script's own."""

import os
import random
import secrets
import signal
import subprocess
import time

import change
import erase
import header
from handset import check, note
from worker import *

STEPS = ["making the file", "making the header", "deriving the key", "making the file system",
         "finishing"]


def some(count):
    """Of the steps of a provisioning, by chance; with HANDSET_SOAK all."""
    return STEPS if os.environ.get("HANDSET_SOAK") else random.sample(STEPS, count)


def round_trip():
    status = ask(STATUS)
    check("status before: not there", status.code == "done" and not status.provisioned
          and not status.unfinished and not status.active, status)
    check("open before: not provisioned", ask(OPEN, pin=PIN).code == "not_provisioned")
    worker = Worker(PROVISION, pin=PIN)
    made = worker.finish()
    check("provision", made.code == "done", made)
    check("provision says where it is", len(worker.steps) >= 4, worker.steps)
    clean("provision")
    check("the file has the size asked for", os.stat(f"{DIR}/data.img").st_size == 64 << 20)
    check("the file is root's alone", os.stat(f"{DIR}/data.img").st_mode & 0o777 == 0o600)
    dump = subprocess.run(["cryptsetup", "luksDump", f"{DIR}/data.img"], capture_output=True,
                          text=True).stdout
    check("LUKS2 with Argon2id, 4096-byte sectors and our label",
          all(word in dump for word in ("argon2id", "4096 [bytes]", "pmos-t-data", "0: pmos-duress", "1: pmos")), dump)
    check("status after: provisioned", ask(STATUS).provisioned)
    again = ask(PROVISION, pin=PIN)
    check("provision refuses what exists", again.code == "already_exists", again)
    check("a second volume is refused before the PIN is looked at",
          ask(PROVISION, pin="").code == "already_exists")


def open_and_close():
    canary = secrets.token_bytes(32)
    opened = ask(OPEN, pin=PIN)
    if not check("open", opened.code == "done" and opened.active, opened):
        return
    table = subprocess.run(["dmsetup", "table", "pmos-t-data"], capture_output=True,
                           text=True).stdout
    check("the key is in the kernel's keyring, not in the table", ":64:logon:" in table, table)
    check("mount", mount())
    with open(f"{DIR}/mnt/canary", "wb") as stream:
        stream.write(canary * 1000)
    umount()
    check("status while open: active", ask(STATUS).active)
    again = ask(OPEN, pin=PIN)
    check("open again with the right PIN is fine", again.code == "done", again)
    check("open again with a wrong PIN is refused",
          ask(OPEN, pin=PIN + "x").code == "wrong_secret")
    check("it is still open", ask(STATUS).active)
    mount()
    held = ask(CLOSE)
    check("close while mounted is refused as busy", held.code == "busy", held)
    check("and the volume is still there", os.path.exists(f"{DIR}/mnt/canary"))
    umount()
    closed = ask(CLOSE)
    check("close", closed.code == "done", closed)
    clean("close")
    check("close again is fine", ask(CLOSE).code == "done")
    check("the host sees ciphertext only", not contains(f"{DIR}/data.img", canary))
    ask(OPEN, pin=PIN)
    check("positive control: the plain text is in the mapping",
          contains("/dev/mapper/pmos-t-data", canary))
    ask(CLOSE)


def wrong_pin():
    refused = ask(OPEN, pin=secrets.token_hex(8))
    check("a wrong PIN is refused by that name", refused.code == "wrong_secret"
          and refused.what == "PIN refused", refused)
    check("an empty PIN is an error of its own", ask(OPEN, pin="").code == "usage")
    check("no PIN at all as well", ask(OPEN).code == "usage")
    clean("wrong PIN")
    swapped = ask(OPEN, pin=PIN, source=f"{DIR}/data.img", name="other")
    check("another volume's file is not opened under this name",
          swapped.code == "not_provisioned", swapped)


def in_use_elsewhere():
    loop = subprocess.run(["losetup", "--find", "--show", f"{DIR}/data.img"], capture_output=True,
                          text=True).stdout.strip()
    busy = ask(OPEN, pin=PIN)
    check("a file in use elsewhere is busy, with who", busy.code == "busy" and loop in busy.why,
          f"{busy}, not {loop}")
    subprocess.run(["losetup", "--detach", loop])
    subprocess.run(["dmsetup", "create", "pmos-t-data", "--table", "0 8 error"])
    busy = ask(OPEN, pin=PIN)
    check("a foreign device under our name is not taken for ours", busy.code == "busy", busy)
    subprocess.run(["dmsetup", "remove", "pmos-t-data"])
    clean("in use elsewhere")


def half_made():
    """As by a kill between two calls of the device mapper; 29-kills met one by chance."""
    create = ["dmsetup", "create", "pmos-t-data", "--notable"]
    subprocess.run([*create, "--uuid", "CRYPT-LUKS2-0-pmos-t-data"], check=True)
    opened = ask(OPEN, pin=PIN)
    check("a mapping that never had a table is not in the way", opened.code == "done", opened)
    ask(CLOSE)
    subprocess.run([*create, "--uuid", "CRYPT-LUKS2-0-pmos-t-data"], check=True)
    check("close takes it away", ask(CLOSE).code == "done")
    clean("half made")
    subprocess.run(create, check=True)
    refused = ask(OPEN, pin=PIN)
    check("that of another is left", refused.code == "busy", refused)
    subprocess.run(["dmsetup", "remove", "pmos-t-data"], check=True)
    clean("of another")


def device_key():
    key = f"{KEYS}/key"
    made = ask(PROVISION, name="auto", key_file=key)
    check("provision with a device key", made.code == "done", made)
    check("the key is 64 bytes that only root reads", os.stat(key).st_size == 64
          and os.stat(key).st_mode & 0o777 == 0o600 and os.stat(KEYS).st_mode & 0o777 == 0o700)
    start = time.monotonic()
    opened = ask(OPEN, name="auto", key_file=key)
    check("open with it", opened.code == "done", opened)
    note(f"open with a device key took {time.monotonic() - start:.2f} s")
    ask(CLOSE, name="auto")
    os.chmod(key, 0o644)
    check("a key that others may read is refused",
          ask(OPEN, name="auto", key_file=key).code == "denied")
    os.unlink(key)
    check("a lost key is not made anew", ask(OPEN, name="auto", key_file=key).code == "not_found"
          and not os.path.exists(key))
    full = ask(PROVISION, name="auto2", key_file=f"{KEYS}/key2", size=1 << 40)
    check("a failed provision takes its new key back", full.code == "no_space"
          and not os.path.exists(f"{KEYS}/key2"), full)
    clean("device key")


def disk_full():
    full = ask(PROVISION, name="big", pin=PIN, size=1 << 40)
    check("disk full says so", full.code == "no_space" and "free some space" in full.fix, full)
    check("nothing carries the final name", not os.path.exists(f"{DIR}/big.img"))
    clean("disk full")


def interrupted(how, name, steps):
    for step in steps:
        worker = Worker(PROVISION, name=name, pin=PIN)
        reached = worker.until(step)
        if how == "closed socket":
            worker.socket.close()
        else:
            worker.process.send_signal(how)
        worker.process.wait(120)
        worker.socket.close()
        label = f"{how if isinstance(how, str) else how.name} while {step}"
        if not check(f"{label}: was at work", reached):
            continue
        if os.path.exists(worker.source):  # it was quicker than the signal: then it is whole
            check(f"{label}: finished first, and is whole", ask(STATUS, name=name).provisioned)
            os.unlink(worker.source)
            continue
        check(f"{label}: nothing under the final name", not os.path.exists(worker.source))
        if how == signal.SIGKILL:
            status = ask(STATUS, name=name)
            check(f"{label}: status is not there", not status.provisioned
                  and not status.unfinished, status)
            check(f"{label}: close clears up", ask(CLOSE, name=name).code == "done")
        clean(label)


def killed_and_made_again():
    worker = Worker(PROVISION, name="k", pin=PIN)
    worker.until("making the file system")
    deadline = time.monotonic() + 60
    while not os.path.exists(f"/dev/mapper/{worker.dm}.tmp") and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.process.kill()
    worker.process.wait()
    check("the killed worker left its mapping", os.path.exists(f"/dev/mapper/{worker.dm}.tmp"))
    made = ask(PROVISION, name="k", pin=PIN)
    check("after a kill the next provision clears up and works", made.code == "done", made)
    clean("made again")


def unfinished():
    path = f"{DIR}/half.img"
    for what, commands in (
            ("without a token", [["cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode",
                                  "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", path]]),
            ("without a keyslot", [["cryptsetup", "luksErase", "--batch-mode", path]])):
        if not os.path.exists(path):
            with open(path, "wb") as stream:
                stream.truncate(64 << 20)
        for command in commands:
            subprocess.run(command, input=PIN.encode(), check=True)
        before = subprocess.run(["sha256sum", path], capture_output=True).stdout
        status = ask(STATUS, name="half")
        check(f"a volume {what} is unfinished", status.unfinished and not status.provisioned, status)
        check(f"a volume {what} is not opened",
              ask(OPEN, name="half", pin=PIN).code == "not_provisioned")
        made = ask(PROVISION, name="half", pin=PIN)
        check(f"a volume {what} is not made anew", made.code == "already_exists"
              and "unfinished" in made.why, made)
        check(f"a volume {what} is not written to",
              subprocess.run(["sha256sum", path], capture_output=True).stdout == before)
    os.unlink(path)
    clean("unfinished")


def damaged():
    path = f"{DIR}/data.img"
    subprocess.run(["cp", "--sparse=never", path, f"{path}.good"], check=True)
    with open(path, "r+b") as stream:
        stream.write(secrets.token_bytes(64 << 10))
    before = subprocess.run(["sha256sum", path], capture_output=True).stdout
    opened = ask(OPEN, pin=PIN)
    check("a damaged header is an error with a reason", opened.code == "failed"
          and "damaged" in opened.what, opened)
    check("nothing is written to it",
          subprocess.run(["sha256sum", path], capture_output=True).stdout == before)
    os.rename(f"{path}.good", path)
    fifo = f"{DIR}/fifo.img"
    os.mkfifo(fifo)
    check("a pipe in place of the file is refused at once",
          ask(OPEN, name="fifo", pin=PIN).code in ("usage", "failed"))
    os.unlink(fifo)
    os.symlink(path, f"{DIR}/link.img")
    check("a link in place of the file is not followed",
          ask(OPEN, name="link", pin=PIN).code == "failed")
    os.unlink(f"{DIR}/link.img")
    clean("damaged")


def block_device():
    if not check("a spare disk is there", SPARE is not None):
        return
    options = {"name": "disk", "source": SPARE, "block": True}
    made = ask(PROVISION, pin=PIN, **options)
    check("provision on a block device", made.code == "done", made)
    again = ask(PROVISION, pin=PIN, **options)
    check("a block device that carries something is refused", again.code == "already_exists", again)
    opened = ask(OPEN, pin=PIN, **options)
    check("open a block device", opened.code == "done", opened)
    check("mount it", mount("pmos-t-disk"))
    umount()
    check("close it", ask(CLOSE, **options).code == "done")
    subprocess.run(["wipefs", "--all", "--quiet", SPARE])
    worker = Worker(PROVISION, pin=PIN, **options)
    worker.until("making the file system")
    worker.process.send_signal(signal.SIGTERM)
    stopped = worker.finish()
    check("an interrupted one is empty again", stopped.code == "cancelled"
          and not ask(STATUS, **options).unfinished, stopped)
    clean("block device")
    subprocess.run(["wipefs", "--all", "--quiet", SPARE])


def no_secret_seeps():
    worker = Worker(PROVISION, name="seep", pin=PIN, memory=64 << 20, time_ms=2000)
    worker.until("deriving the key")
    shown = b""
    for name in ("cmdline", "environ"):
        with open(f"/proc/{worker.process.pid}/{name}", "rb") as stream:
            shown += stream.read()
    check("the PIN is not in the worker's arguments or environment", shown and PIN.encode() not in shown)
    check("it has no network of its own",
          os.readlink(f"/proc/{worker.process.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
    worker.process.send_signal(signal.SIGTERM)
    check("it is still at work then", (stopped := worker.finish()).code == "cancelled", stopped)
    kernel = subprocess.run(["dmesg"], capture_output=True).stdout
    check("the PIN is not in the kernel's log", PIN.encode() not in kernel)


def main():
    os.makedirs(DIR, mode=0o700, exist_ok=True)
    for test in (round_trip, open_and_close, wrong_pin, in_use_elsewhere, half_made, device_key, disk_full,
                 lambda: interrupted(signal.SIGTERM, "term", some(2)),
                 lambda: interrupted("closed socket", "gone", some(1)),
                 lambda: interrupted(signal.SIGKILL, "kill", some(1)),
                 killed_and_made_again, unfinished, damaged, change.tells_all, change.passwd,
                 change.killed, header.backup_and_restore, header.damaged_headers,
                 header.damaged_keyslot, header.shortened, header.killed, erase.block_device, erase.together, erase.whatever_asks,
                 erase.half_rewritten, erase.apart, erase.apart_on_a_device, block_device,
                 no_secret_seeps):
        test()
    subprocess.run(["rm", "-rf", DIR])


main()
