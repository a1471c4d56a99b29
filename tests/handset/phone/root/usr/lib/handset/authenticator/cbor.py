"""As much of CBOR (RFC 8949) as CTAP2 has: no floats, no tags, nothing of unknown length."""

import struct


def head(major, number):
    for size, code in ((24, None), (1 << 8, ">B"), (1 << 16, ">H"), (1 << 32, ">I")):
        if number < size:
            if code is None:
                return bytes([major << 5 | number])
            return bytes([major << 5 | 23 + struct.calcsize(code).bit_length()]) + struct.pack(code, number)
    raise ValueError(number)


def encode(value):
    if isinstance(value, bool):
        return bytes([0xF5 if value else 0xF4])
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    # CTAP2's order: by type, then the shorter one first.
    items = sorted(((encode(key), encode(item)) for key, item in value.items()),
                   key=lambda pair: (pair[0][0] >> 5, len(pair[0]), pair[0]))
    return head(5, len(items)) + b"".join(key + item for key, item in items)


def take(data, at):
    """The value at that place, and where the next one is."""
    major, short = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return {20: False, 21: True, 22: None}[short], at
    size = {24: 1, 25: 2, 26: 4}.get(short, 0)
    number = int.from_bytes(data[at:at + size], "big") if size else short
    at += size
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        text = data[at:at + number]
        return bytes(text) if major == 2 else text.decode(), at + number
    items = []
    for _ in range(number * (1 if major == 4 else 2)):
        item, at = take(data, at)
        items.append(item)
    return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at


def decode(data):
    value, end = take(data, 0)
    if end != len(data):
        raise ValueError("more than one value")
    return value
