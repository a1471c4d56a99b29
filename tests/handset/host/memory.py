"""Looks for secrets in the phone's whole memory, from outside. Never sends a secret to the phone:
what is looked for comes as two shares, whose exclusive-or it is, so that asking leaves no trace."""

import mmap
import pathlib
import re
import tempfile

from .base import Failure


def _sbox():
    """AES's substitution, from its definition in GF(2^8)."""
    box, p, q = [0] * 256, 1, 1
    while True:
        p = p ^ ((p << 1) & 0xFF) ^ (0x1B if p & 0x80 else 0)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        q ^= 0x09 if q & 0x80 else 0
        x = q
        for turn in range(1, 5):
            x ^= (q << turn | q >> (8 - turn)) & 0xFF
        box[p] = x ^ 0x63
        if p == 1:
            box[0] = 0x63
            return bytes(box)


SBOX = _sbox()


def _twice(x):
    return (x << 1) ^ (0x11B if x & 0x80 else 0)


def _times(x, factor):
    total = 0
    while factor:
        total ^= x if factor & 1 else 0
        x, factor = _twice(x), factor >> 1
    return total


def encryption_rounds(key):
    """The round keys of AES, 16 bytes each, as a kernel keeps them."""
    words = [key[i:i + 4] for i in range(0, len(key), 4)]
    count, constant = len(words), 1
    for i in range(count, 4 * (count + 7)):
        word = words[-1]
        if i % count == 0:
            word = bytes(SBOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _twice(constant)
        elif count > 6 and i % count == 4:
            word = bytes(SBOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(words[i - count], word)))
    return [b"".join(words[i:i + 4]) for i in range(0, len(words), 4)]


def decryption_rounds(key):
    """Of the equivalent inverse cipher: all but the first and the last are mixed."""
    def mixed(word):
        return bytes(_times(word[i], 14) ^ _times(word[(i + 1) % 4], 11) ^
                     _times(word[(i + 2) % 4], 13) ^ _times(word[(i + 3) % 4], 9)
                     for i in range(4))
    rounds = encryption_rounds(key)
    return [b"".join(mixed(r[i:i + 4]) for i in range(0, 16, 4)) for r in rounds[1:-1]]


def spellings(kind, secret):
    """{name: bytes to look for}, of one secret."""
    if kind == "text":
        return {"plain": secret, "utf-16": secret.decode().encode("utf-16-le"),
                "hex": secret.hex().encode()}
    if kind == "bytes":
        return {"plain": secret, "hex": secret.hex().encode()}
    if kind != "xts":
        raise Failure(f"'{kind}' is no kind of secret", "text, bytes or xts")
    half = len(secret) // 2
    found = {"whole": secret, "hex": secret.hex().encode()}
    for name, key in (("data", secret[:half]), ("tweak", secret[half:])):
        found[f"{name} half"] = key
        # The key's own bytes are the first rounds; they count as the half. Of the rest every other
        # round: no piece of two is missed, in half the time.
        for i, part in enumerate(encryption_rounds(key)[len(key) // 16::2]):
            found[f"{name} schedule {i}"] = part
        for i, part in enumerate(decryption_rounds(key)[::2]):
            found[f"{name} inverse schedule {i}"] = part
    return found


def self_test():
    """FIPS 197, appendix A.3: a schedule that is wrong would be found nowhere, and prove nothing."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    if encryption_rounds(key)[14].hex() != "fe4890d1e6188d0b046df344706c631e":
        raise Failure("the AES key schedule is computed wrongly")
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    if encryption_rounds(key)[10].hex() != "d014f9a8c9ee2589e13f0cc8b6630ca6":
        raise Failure("the AES key schedule is computed wrongly")


class Pages:
    """What is not empty of a dump, page after page: most of a phone that wipes what it frees is."""

    SIZE = 4096

    def __init__(self, memory):
        empty = bytes(self.SIZE)
        self.numbers = [n for n in range(len(memory) // self.SIZE)
                        if memory[n * self.SIZE:(n + 1) * self.SIZE] != empty]
        self.data = b"".join(memory[n * self.SIZE:(n + 1) * self.SIZE] for n in self.numbers)

    def find(self, wanted):
        """Offsets in data."""
        at = self.data.find(wanted)
        while at >= 0:
            yield at
            at = self.data.find(wanted, at + 1)

    def address(self, at):
        return self.numbers[at // self.SIZE] * self.SIZE + at % self.SIZE


def surroundings(memory, at, length):
    """What stands around a hit, for the person who has to find out whose it is."""
    part = memory[max(0, at - 64):at] + b"<HIT>" + memory[at + length:at + length + 64]
    return re.sub(r"\.{3,}", "..", "".join(chr(b) if 32 <= b < 127 else "." for b in part))


def search(pages, secrets):
    """{secret: {spelling: [(address, surroundings)]}} of what is there; rounds are summed up."""
    hits = {}
    for name, (kind, secret) in secrets.items():
        for spelling, wanted in spellings(kind, secret).items():
            for at in pages.find(wanted):
                entry = hits.setdefault(name, {}).setdefault(re.sub(r" \d+$", "", spelling), [])
                entry.append((pages.address(at), surroundings(pages.data, at, len(wanted))))
    return hits


def dump(monitor, size):
    """The phone stands still meanwhile."""
    with tempfile.TemporaryDirectory(prefix="pmos-dump-") as directory:
        path = pathlib.Path(directory) / "memory"
        monitor.ask("stop")
        try:
            monitor.ask("pmemsave", val=0, size=size, filename=str(path))
        finally:
            monitor.ask("cont")
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            if len(memory) != size:
                raise Failure(f"the dump has {len(memory)} bytes, not {size}")
            return Pages(memory)


def dump_and_search(monitor, size, wanted):
    """wanted: {name: [kind, share, share]}, shares in hex."""
    self_test()
    secrets = {}
    for name, (kind, one, other) in wanted.items():
        a, b = bytes.fromhex(one), bytes.fromhex(other)
        if len(a) != len(b) or len(a) < 16:
            raise Failure(f"the shares of '{name}' do not fit, or are too short to be sure of a hit")
        secrets[name] = (kind, bytes(x ^ y for x, y in zip(a, b)))
    hits = search(dump(monitor, size), secrets)
    return {name: {spelling: {"count": len(places), "places": [[hex(a), s] for a, s in places[:8]]}
                   for spelling, places in found.items()} for name, found in hits.items()}
