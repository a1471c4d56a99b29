"""The header of a volume: into a file and back, and what becomes of one that is damaged."""

import hashlib
import json
import os
import secrets
import signal
import subprocess
import time

from handset import check, note
from worker import *

FILE = f"{DIR}/header.backup"
IMAGE = f"{DIR}/data.img"
COPY = 16 << 10  # where the second copy of the metadata begins


def backup(path=FILE, **options):
    if os.path.exists(path):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    answer = ask(BACKUP, file=fd, **options)
    os.close(fd)
    return answer


def restore(path=FILE, **options):
    fd = os.open(path, os.O_RDONLY)
    answer = ask(RESTORE, file=fd, **options)
    os.close(fd)
    return answer


def spoil(*places, path=IMAGE):
    with open(path, "r+b") as stream:
        for at in places:
            stream.seek(at)
            stream.write(secrets.token_bytes(512))
        os.fsync(stream.fileno())


def sum_of(path, size=-1, from_=0):
    with open(path, "rb") as stream:
        stream.seek(from_)
        return hashlib.sha256(stream.read(size)).hexdigest()


def opens(pin=None, **options):
    answer = ask(OPEN, pin=pin or PIN, **options)
    ask(CLOSE, **options)
    return answer.code


def backup_and_restore():
    new = secrets.token_hex(8)
    made = backup()
    check("backup", made.code == "done", made)
    check("it has the header's size, and cryptsetup knows it", os.stat(FILE).st_size == 16 << 20
          and subprocess.run(["cryptsetup", "isLuks", "--type", "luks2", FILE]).returncode == 0)
    ask(PASSWD, pin=PIN, new=new)
    ask(OPEN, pin=new)
    refused = restore()
    check("restore to an open volume is refused", refused.code == "busy", refused)
    check("a backup of an open volume is fine", backup(f"{FILE}.open").code == "done")
    ask(CLOSE)
    done = restore()
    check("restore", done.code == "done", done)
    check("the secret of the backup opens, the later one no more",
          (opens(), opens(new)) == ("done", "wrong_secret"))
    check("no copy of a header is left on the phone", not os.listdir(f"{DIR}/headers/t"),
          os.listdir(f"{DIR}/headers/t"))
    opens()
    ask(PROVISION, name="else", pin=PIN)
    backup(f"{FILE}.else", name="else")
    before = sum_of(IMAGE, 16 << 20)
    for what, path in (("another volume", f"{FILE}.else"), ("no volume", "/etc/passwd")):
        refused = restore(path)
        check(f"a header of {what} is refused", refused.code in ("denied", "failed"), refused)
    subprocess.run(["cp", f"{FILE}.else", f"{FILE}.same"], check=True)
    spoil(0, COPY, path=f"{FILE}.same")
    check("a damaged backup is refused", restore(f"{FILE}.same").code == "failed")
    check("and nothing was written", sum_of(IMAGE, 16 << 20) == before)
    pipe, end = os.pipe()
    check("a pipe is no place for a header", ask(BACKUP, file=end).code == "usage")
    check("nor a source of one", ask(RESTORE, file=pipe).code == "usage")
    os.close(pipe), os.close(end)
    full_storage(before)
    os.unlink(f"{DIR}/else.img")
    clean("backup and restore")


def full_storage(before):
    os.makedirs(f"{DIR}/small", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", f"{DIR}/small"], check=True)
    full = restore(undo=f"{DIR}/small/t/data")
    check("without room for the present header nothing is restored", full.code == "no_space", full)
    check("nothing was written, and nothing is left", sum_of(IMAGE, 16 << 20) == before
          and not os.listdir(f"{DIR}/small/t"), os.listdir(f"{DIR}/small/t"))
    out = os.open(f"{DIR}/small/backup", os.O_WRONLY | os.O_CREAT)
    full = ask(BACKUP, file=out)
    os.close(out)
    check("nor is there half a backup called a whole one", full.code == "no_space", full)
    subprocess.run(["umount", f"{DIR}/small"], check=True)


def damaged_headers():
    backup()
    # Each time the other copy is the only good one, so the one before must have been mended.
    for what, place in (("first", 0), ("second", COPY), ("first again", 0)):
        spoil(place)
        check(f"with the {what} copy damaged it opens", opens() == "done")
    spoil(0, COPY)
    before = sum_of(IMAGE)
    lost = ask(OPEN, pin=PIN)
    check("with both damaged it says so, and of a backup", lost.code == "failed"
          and "damaged" in lost.what and "backup" in lost.fix, lost)
    check("and writes nothing", sum_of(IMAGE) == before)
    check("its header cannot be backed up", backup(f"{FILE}.bad").code != "done")
    check("another volume's is not taken for it", restore(f"{FILE}.else").code == "denied")
    done = restore()
    check("its own brings it back", done.code == "done" and opens() == "done", done)
    subprocess.run(["cp", "--sparse=never", IMAGE, f"{DIR}/foreign.img"], check=True)
    subprocess.run(["mkfs.ext4", "-qF", f"{DIR}/foreign.img"], check=True)
    before = sum_of(f"{DIR}/foreign.img")
    foreign = ask(OPEN, name="foreign", pin=PIN)
    check("a foreign file system over it is left alone", foreign.code in ("failed", "not_provisioned")
          and sum_of(f"{DIR}/foreign.img") == before, foreign)
    os.unlink(f"{DIR}/foreign.img")
    clean("damaged headers")


def area_of_the_pin():
    """Where its keyslot lies: that of the token which says that the volume is whole."""
    dump = subprocess.run(["cryptsetup", "luksDump", "--dump-json-metadata", IMAGE], capture_output=True,
                          text=True, check=True).stdout
    found = json.loads(dump)
    keyslot = next(t["keyslots"][0] for t in found["tokens"].values() if t["type"] == "pmos")
    area = found["keyslots"][keyslot]["area"]
    return int(area["offset"]), int(area["size"])


def damaged_keyslot():
    """A sector of it is enough. Nothing tells it from a keyslot of another PIN."""
    way = {"methods": "pin|recovery-key", "factor": "recovery-key"}
    reader, writer = os.pipe()
    made = ask(ENROLL, pin=PIN, file=writer, **way)
    os.close(writer)
    with open(reader, encoding="ascii") as pipe:
        key = pipe.read().strip()
    check("a recovery key beside the PIN", made.code == "done" and key, made)
    backup()
    offset, size = area_of_the_pin()
    data = sum_of(IMAGE, from_=16 << 20)
    spoil(offset + size // 2)
    lost = ask(OPEN, pin=PIN, methods=way["methods"])
    check("with its keyslot damaged the PIN is refused as a wrong one", lost.code == "wrong_secret"
          and not lost.why, lost)
    with open(f"{DIR}/attempts/t/a", encoding="ascii") as record:
        check("and counted as one", "failures 1\n" in record.read())
    check("the data was not touched", sum_of(IMAGE, from_=16 << 20) == data)
    check("the recovery key opens it", opens(key, methods=way["methods"]) == "done")
    done = restore()
    check("a header that was saved mends it", done.code == "done", done)
    check("then the PIN opens it as ever, and so does the key",
          (opens(), opens(key, methods=way["methods"])) == ("done", "done"))
    gone = ask(REMOVE, pin=PIN, **way)
    check("the recovery key goes", gone.code == "done", gone)
    clean("damaged keyslot")


def shortened():
    """A file that has lost its end: an old backup, a copy that was cut short."""
    short = f"{DIR}/short.img"
    subprocess.run(["cp", "--sparse=never", IMAGE, short], check=True)
    os.truncate(short, 40 << 20)
    before = sum_of(short)
    lost = ask(OPEN, pin=PIN, source=short)
    check("a volume that has lost its end is not opened", lost.code == "failed"
          and "lost its end" in lost.what, lost)
    check("nothing is written to it", sum_of(short) == before)
    os.truncate(short, 8 << 20)
    lost = ask(OPEN, pin=PIN, source=short)
    check("nor one that ends within its header", lost.code in ("failed", "not_provisioned"), lost)
    os.unlink(short)
    clean("shortened")


def killed():
    """A restore that is cut short has not happened; one that was done is whole."""
    moments = 30 if os.environ.get("HANDSET_SOAK") else 4
    new, undone = secrets.token_hex(8), 0
    backup()
    ask(PASSWD, pin=PIN, new=new)
    backup(f"{FILE}.new")
    for moment in range(moments):
        fd = os.open(FILE, os.O_RDONLY)
        worker = Worker(RESTORE, file=fd)
        os.close(fd)
        worker.until("keeping the present header" if moment % 2 else "writing the header")
        time.sleep(0.02 * moment / moments * (20 if moment % 2 else 4))
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()
        worker.socket.close()
        codes = opens(new), opens(PIN)
        undone += codes[0] == "done"
        check(f"killed at moment {moment}: the one header or the other",
              codes in (("done", "wrong_secret"), ("wrong_secret", "done")), codes)
        check("and no copy is left", not os.listdir(f"{DIR}/headers/t"), os.listdir(f"{DIR}/headers/t"))
        opens(new if codes[0] == "done" else PIN)
        restore(f"{FILE}.new")
    note(f"of {moments} kills {undone} left the header from before")
    # A kill in the midst of the writing, made: half of another header, and the copy beside it.
    os.makedirs(f"{DIR}/headers/t", exist_ok=True)
    with open(IMAGE, "rb") as image, open(f"{DIR}/headers/t/data", "wb") as kept:
        kept.write(image.read(16 << 20))
    spoil(*range(0, 12 << 20, 4096))
    check("half a header is put back by the next opening", opens(new) == "done")
    check("the copy beside it goes", not os.listdir(f"{DIR}/headers/t"))
    check("back to the first secret", restore().code == "done" and opens(PIN) == "done")
    clean("killed while it was restored")
