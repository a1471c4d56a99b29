"""Texts as PDUs (3GPP 23.040, 23.038): what the network delivers, what the phone submits."""

import time

GSM7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# What follows an escape (0x1b).
GSM7_MORE = {"^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E,
             "|": 0x40, "€": 0x65, "\f": 0x0A}
CENTRE = "+15550000"
SEVEN_BITS, UCS2 = 0, 8


def septets(text):
    """The text in the GSM alphabet, one code a septet; None when it has characters beside it."""
    codes = []
    for char in text:
        if char in GSM7_MORE:
            codes += [0x1B, GSM7_MORE[char]]
        elif char in GSM7 and char != "\x1b":
            codes.append(GSM7.index(char))
        else:
            return None
    return codes


def characters(codes):
    text, escaped = "", False
    more = {code: char for char, code in GSM7_MORE.items()}
    for code in codes:
        if escaped:
            text, escaped = text + more.get(code, "?"), False
        elif code == 0x1B:
            escaped = True
        else:
            text += GSM7[code]
    return text


def pack(codes, skip=0):
    """Septets into octets, after `skip` bits that are someone else's."""
    bits = sum(code << (7 * i + skip) for i, code in enumerate(codes))
    return bits.to_bytes((7 * len(codes) + skip + 7) // 8, "little")


def unpack(data, count):
    bits = int.from_bytes(data, "little")
    return [bits >> (7 * i) & 0x7F for i in range(count)]


def swapped(digits):
    """Half octets, the first digit in the low one."""
    digits += "F" * (len(digits) % 2)
    return bytes(int(digits[i + 1] + digits[i], 16) for i in range(0, len(digits), 2))


def unswapped(data, count):
    return "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in data)[:count]


def address(number):
    """Length in digits, kind and digits, as in a PDU."""
    digits = number.lstrip("+")
    return bytes([len(digits), 0x91 if number.startswith("+") else 0x81]) + swapped(digits)


def now():
    """Year to second, and the zone: UTC."""
    return swapped(time.strftime("%y%m%d%H%M%S", time.gmtime()) + "00")


def parts(text):
    """[(coding, user data's length, user data)]: one, or several that say they belong together."""
    codes = septets(text)
    coding = UCS2 if codes is None else SEVEN_BITS
    units = text.encode("utf-16-be") if codes is None else codes
    alone, each = (140, 134) if coding == UCS2 else (160, 153)
    if len(units) <= alone:
        data = bytes(units) if coding == UCS2 else pack(units)
        return [(coding, len(units), data)]
    pieces = [units[i:i + each] for i in range(0, len(units), each)]
    reference = sum(text.encode()) & 0xFF
    found = []
    for number, piece in enumerate(pieces, 1):
        header = bytes([5, 0, 3, reference, len(pieces), number])
        if coding == UCS2:
            found.append((coding, 6 + len(piece), header + bytes(piece)))
        else:  # seven septets are the header's, and one bit fills the last of them
            found.append((coding, 7 + len(piece), header + pack(piece, skip=1)))
    return found


def deliver(number, text):
    """The PDUs, in hex, with which the network delivers a text."""
    centre = address(CENTRE)[1:]
    messages = parts(text)
    first = 0x44 if len(messages) > 1 else 0x04  # SMS-DELIVER, no more to come, header or not
    return [
        (bytes([len(centre)]) + centre + bytes([first]) + address(number) + bytes([0, coding])
         + now() + bytes([length]) + data).hex().upper()
        for coding, length, data in messages
    ]


def submitted(pdu):
    """(number, text) of a PDU, in hex, that the phone sends; "[1/2] " is before a part of a text."""
    data = bytes.fromhex(pdu)
    data = data[1 + data[0]:]  # the service centre's address
    first, digits, kind = data[0], data[2], data[3]
    if first & 3 != 1:
        raise ValueError("not an SMS-SUBMIT")
    end = 4 + (digits + 1) // 2
    number = ("+" if kind & 0x70 == 0x10 else "") + unswapped(data[4:end], digits)
    coding = data[end + 1]
    validity = {0: 0, 2: 1}.get(first >> 3 & 3, 7)
    length, data = data[end + 2 + validity], data[end + 3 + validity:]
    header, part = 0, ""
    if first & 0x40:
        header = 1 + data[0]
        if data[1] in (0, 8):  # parts of one text
            part = f"[{data[header - 1]}/{data[header - 2]}] "
    if coding & 0x0C == UCS2:
        return number, part + data[header:length].decode("utf-16-be")
    if coding & 0x0C == 4:
        return number, part + data[header:length].hex()
    skipped = (header * 8 + 6) // 7
    return number, part + characters(unpack(data, length)[skipped:])


def length_of(pdu):
    """The length that 27.005 wants: without the service centre's address before it."""
    data = bytes.fromhex(pdu)
    return len(data) - 1 - int(pdu[:2], 16)
