"""For tests of the phone's network, where this is the module `handset_attack`: the program of a mode that
tries every way out, ATTACK. Arguments: what it tries to reach, JSON of [kind, address, port]; how many seconds
it waits for an answer; "once", and it prints what became of each as JSON, or "always"."""

ATTACK = r'''
import ctypes, errno, fcntl, json, os, socket, struct, sys
TARGETS, PATIENCE, HOW = json.loads(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
V4 = list(dict.fromkeys(address for _, address, _ in TARGETS if ":" not in address))[:3] + ["8.8.8.8"]
SHORT = min(PATIENCE, 0.3)
def attempt(action, *words):
    try:
        return action(*words) or "done"
    except socket.timeout:
        return "nothing"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def opened(address, kind, patience=SHORT):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    s.settimeout(patience)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return s
def talk(s, address, port):
    s.connect((address, port))
    s.send(b"word")
    return "echo" if s.recv(10) == b"word" else "other"
def tcp(address, port):
    with opened(address, socket.SOCK_STREAM, PATIENCE) as s:
        return talk(s, address, port)
def udp(address, port):
    with opened(address, socket.SOCK_DGRAM, PATIENCE) as s:
        return talk(s, address, port)
def spoofed(address):
    with opened(address, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND
        s.bind(("198.51.100.7", 0))
        s.sendto(b"word", (address, 8080))
def by_device(device, address):
    with opened(address, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, 25, device)  # SO_BINDTODEVICE
        return talk(s, address, 8080)
def by_route(through, address):
    with opened(address, socket.SOCK_DGRAM) as s:  # loose source route, RFC 791
        s.setsockopt(socket.SOL_IP, 4, b"\x83\x07\x04" + socket.inet_aton(through) + b"\0")
        return talk(s, address, 8080)
def question(address):
    with opened(address, socket.SOCK_DGRAM) as s:
        s.connect((address, 53))
        s.send(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + b"\4leak\7example\0\0\1\0\1")
        return "echo" if s.recv(99) else "other"
def group(address):
    with opened(address, socket.SOCK_DGRAM) as s:
        s.sendto(b"word", (address, 5353))
def make(*words):
    socket.socket(*words).close()
def tun():
    with open("/dev/net/tun", "r+b", buffering=0) as f:
        fcntl.ioctl(f, 0x400454CA, struct.pack("16sH22x", b"t0", 1))
libc = ctypes.CDLL(None, use_errno=True)
def unshare(flag):
    if libc.unshare(flag):
        raise OSError(ctypes.get_errno(), "unshare")
def link_down():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"pmos0", 0))  # SIOCSIFFLAGS: down
def once():
    out = {f"{kind} {address} {port}": attempt({"tcp": tcp, "udp": udp}[kind], address, port)
           for kind, address, port in TARGETS}
    for address in V4:
        out["DNS " + address] = attempt(question, address)
        out["spoofed " + address] = attempt(spoofed, address)
        out["source route " + address] = attempt(by_route, address, V4[-1])
        for device in ("lo", "pmos0", "up0", "eth0"):
            out[f"{device} {address}"] = attempt(by_device, device.encode(), address)
    for address in ("224.0.0.251", "255.255.255.255", "ff02::fb", "fe80::1"):
        out["group " + address] = attempt(group, address)
    out["raw"] = attempt(make, socket.AF_INET, socket.SOCK_RAW, 1)
    out["raw6"] = attempt(make, socket.AF_INET6, socket.SOCK_RAW, 58)
    out["packet"] = attempt(make, socket.AF_PACKET, socket.SOCK_RAW, 3)
    out["tun"] = attempt(tun)
    out["newnet"] = attempt(unshare, 0x40000000)
    out["newuser and newnet"] = attempt(unshare, 0x50000000)
    out["link down"] = attempt(link_down)
    return out
while HOW == "always":
    once()
print(json.dumps(once()))
'''

# What no mode is let have at all.
NEVER = ("raw", "raw6", "packet", "tun", "newnet", "newuser and newnet", "link down")
