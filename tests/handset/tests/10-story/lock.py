"""Step 7: what a locked mode leaves is ciphertext, and a wrong PIN opens nothing."""

import os
import secrets

import life
import phone
import screen
from life import PERSONAL, SECURE

CANARIES = 200


def tell_lock(tell, facts):
    life.switch(tell, SECURE)
    volume = phone.inspect(SECURE)["plan"]["volumes"][0]
    source, mapped = volume["source"], f"/dev/mapper/{volume['dmName']}"
    canary = "CANARY" + secrets.token_hex(16)
    phone.inside(SECURE, "leave", "secret", f"{canary}\n" * CANARIES)
    in_clear = count(mapped, canary)
    tell.check("what secure wrote stands in its open volume, seen through the mapping",
               in_clear >= CANARIES, f"at least {CANARIES} times", f"{in_clear} times")
    cgroup = phone.mode_cgroup(SECURE)
    tell.command("pmosctl lock secure")
    done = phone.ctl("lock", SECURE)
    tell.check("secure is locked", done.code == 0, "exit code 0", done.text)
    check_gone(tell, cgroup, mapped)
    check_ciphertext(tell, source, canary)
    refuse_wrong_pin(tell, facts, mapped)
    tell.say(screen.picture("locked").out.strip())
    rows = phone.status()
    tell.equal("personal is thawed and back in front", ("running", "foreground", "open"),
               life.said(rows[PERSONAL]))


def count(path, needle):
    """How often the needle stands in a file or device; a piece at a time, none cut in two."""
    found, rest, needle = 0, b"", needle.encode()
    with open(path, "rb", buffering=0) as file:
        while part := file.read(1 << 22):
            data = rest + part
            found += data.count(needle)
            rest = data[len(data) - len(needle) + 1:]
    return found


def check_gone(tell, cgroup, mapped):
    row = phone.status()[SECURE]
    tell.equal("secure", ("stopped", "background", "locked"), life.said(row))
    tell.check("its cgroup is gone, and with it its processes", not cgroup.exists(), "gone",
               "gone" if not cgroup.exists() else f"{cgroup} holds {phone.pids_below(cgroup)}")
    ids = phone.inspect(SECURE)["plan"]["uidMap"][0]
    tell.equal("no process has one of its ids", [],
               phone.pids_with_uid(ids["outside"], ids["count"]))
    tell.check("its mapping is gone", not os.path.exists(mapped), "gone",
               "gone" if not os.path.exists(mapped) else phone.run("dmsetup", "ls").text)


def check_ciphertext(tell, source, canary):
    tell.command(f"cryptsetup luksDump {source}")
    dump = phone.run("cryptsetup", "luksDump", source)
    wanted = ("Version:", "cipher:", "PBKDF:", "Memory:")
    tell.block("\n".join(line for line in dump.out.splitlines() if line.strip().startswith(wanted)))
    tell.check("the host reads the header: LUKS2, one key slot by Argon2id",
               dump.code == 0 and "argon2id" in dump.out, "a LUKS2 header",
               "yes" if dump.code == 0 else dump.text)
    size = os.stat(source).st_size
    found = count(source, canary)
    tell.check("and of what secure wrote it reads nothing", found == 0, "0 times",
               f"{found} times in {size >> 20} MiB")
    first = data_offset(dump.out)
    with open(source, "rb") as file:
        file.seek(first)
        block = file.read(1 << 20)
    written = [block[i:i + 4096] for i in range(0, len(block), 4096) if any(block[i:i + 4096])]
    most = max((sector.count(bytes([value])) for sector in written for value in set(sector)),
               default=0)
    # 4096 even draws put a value about 16 times; plaintext metadata repeats one in the thousands.
    tell.check("its sectors look like noise", bool(written) and most < 64,
               "no byte value 64 times in 4096",
               f"{len(written)} written sectors, no value more than {most} times in 4096")


def data_offset(dump):
    for line in dump.splitlines():
        if line.strip().startswith("offset:") and line.split()[-1] == "[bytes]":
            return int(line.split()[1])
    raise RuntimeError("luksDump names no data segment")


def refuse_wrong_pin(tell, facts, mapped):
    wrong = f"{(int(facts.pin) + 1) % 10**8:08}"
    tell.command("pmosctl unlock secure             (a wrong PIN, typed)")
    done = phone.typed(["pmosctl", "unlock", SECURE], [wrong])
    tell.block(phone.screen_text(done.out))
    tell.equal("a wrong PIN is refused (exit code 8)", 8, done.code)
    said = phone.screen_text(done.out)
    tell.check("with a message that says what is wrong",
               "pmosctl:" in said and ("PIN" in said or "secret" in said), "a message", "yes")
    tell.check("and opens nothing", not os.path.exists(mapped), "no mapping", "no mapping")
    empty = phone.ctl_with_pin("", "unlock", SECURE)
    tell.check("an empty PIN is refused too", empty.code not in (0, 124), "an error",
               f"exit code {empty.code}: {empty.text.splitlines()[0] if empty.text else ''}")
