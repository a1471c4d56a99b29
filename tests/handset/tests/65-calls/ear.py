"""Who listens: all packets at a link, what they are, and what is to be heard in them."""

import array
import ctypes
import socket
import struct
import sys
import threading
import time

from beyond import FAR, INSIDE, PEER, PORT

SIP, RTP = 5060, range(10000, 10021)
CLONE_NEWNET = 0x40000000


class Capture:
    """All packets at a link, of both directions, from the head of IP on."""

    def __init__(self, link, netns=None):
        self.packets, self.lock, ready = [], threading.Lock(), threading.Event()

        def listen():
            if netns:  # of this thread alone
                with open(f"/run/netns/{netns}", "rb") as there:
                    if ctypes.CDLL(None).setns(there.fileno(), CLONE_NEWNET) != 0:
                        sys.exit("setns")
            with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)) as s:
                s.bind((link, 0))
                ready.set()
                while True:
                    packet = s.recv(65535)
                    with self.lock:
                        self.packets.append(packet)

        threading.Thread(target=listen, daemon=True).start()
        if not ready.wait(20):
            sys.exit(f"no capture at {link}")

    def take(self):
        time.sleep(0.5)
        with self.lock:
            taken, self.packets = self.packets, []
        return taken


def udp_of(packet):
    """(source, its port, destination, its port, what is in it), or None."""
    head = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP or len(packet) < head + 8:
        return None
    source, to = struct.unpack("!HH", packet[head:head + 4])
    return socket.inet_ntoa(packet[12:16]), source, socket.inet_ntoa(packet[16:20]), to, packet[head + 8:]


def is_wireguard(packet):
    udp = udp_of(packet)
    return udp and (udp[2:4] == (FAR, PORT) or udp[0:2] == (FAR, PORT)) and udp[4][0] in (1, 2, 3, 4) and \
        udp[4][1:4] == bytes(3)


def kind_of(packet):
    """Of what was seen inside the tunnel."""
    # That a port is closed, of who has hung up.
    if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_ICMP and packet[20:22] == b"\x03\x03":
        return "ICMP"
    udp = udp_of(packet)
    if not udp or {udp[0], udp[2]} != {INSIDE, PEER}:
        return "something else"
    _, source, _, to, data = udp
    if SIP in (source, to):
        return "SIP"
    if source not in RTP or to not in RTP or len(data) < 13:
        return "something else"
    if data[0] >> 6 == 2:
        return "RTCP" if 200 <= data[1] <= 204 else "RTP"
    return "DTLS" if 20 <= data[0] <= 63 else "something else"


def linear(octet):
    """A sample of PCMU (G.711)."""
    octet = ~octet & 255
    value = (((octet & 15) << 3) + 132 << ((octet & 112) >> 4)) - 132
    return -value if octet & 128 else value


PCMU = [linear(octet) for octet in range(256)]


def listened_to(packets, source):
    """What somebody inside the tunnel makes of that end's voice, who takes it for plain PCMU: the 20 ms of
    each packet, and not the ten bytes by which SRTP signs them."""
    voice = array.array("h")
    for packet in packets:
        if kind_of(packet) == "RTP" and udp_of(packet)[0] == source:
            voice.extend(PCMU[octet] for octet in udp_of(packet)[4][12:12 + 160])
    return voice
