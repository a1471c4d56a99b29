"""The mode that has the tunnel, as its user and its programs see it."""

import json
import pathlib

from handset import PROFILES, ctl, pmosctl, replaced, run
from handset_uplink import FAR, INSIDE, PEER, PORT

SHIPPED = (PROFILES / "secure.json").read_text()
ASK = ("import socket, sys\ns = socket.create_connection((sys.argv[1], 8080), 8)\ns.settimeout(8)\ns.sendall(b'word')\n"
       "sys.exit(s.recv(10) != b'word')\n")
# Beyond: says once what it hears.
ECHO = (f"import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        f"s.bind(('{PEER}', 8080))\ns.listen(16)\nprint('ready', flush=True)\n"
        "while True:\n c = s.accept()[0]\n c.settimeout(5)\n try:\n  c.sendall(c.recv(100))\n except OSError:\n  pass\n c.close()\n")
# Does all that it can to be heard on the uplink, until it is killed.
HOSTILE = r'''
import socket, sys, time
def tries():
    for address in (sys.argv[1], "203.0.113.1", "203.0.113.255", "10.0.2.2", "8.8.8.8", "255.255.255.255", "224.0.0.251", "10.8.0.1"):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            for device in (b"", b"pmos0", b"lo", b"up0", b"eth0"):
                try:
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.setblocking(False)
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                        s.setsockopt(socket.SOL_IP, 15, 1)
                        if device:
                            s.setsockopt(socket.SOL_SOCKET, 25, device)
                        s.connect((address, 51820 if kind == socket.SOCK_DGRAM else 8080))
                        s.send(b"LEAK" * 8)
                except OSError:
                    pass
    for address in ("ff02::1", "2001:db8:1::2", "fe80::1"):
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.sendto(b"LEAK" * 8, (address, 8080))
        except OSError:
            pass
while True:
    tries()
    time.sleep(0.05)
'''


def use(public, keepalive=5):
    network = {"tunnel": {"name": "test", "addresses": [f"{INSIDE}/32"],
                          "peers": [{"publicKey": public, "endpoint": f"{FAR}:{PORT}", "allowedIPs": ["0.0.0.0/0"],
                                     "persistentKeepalive": keepalive}]}}
    (PROFILES / "secure.json").write_text(replaced(SHIPPED, '"network": "none"', f'"network": {json.dumps(network)}'))
    ctl("reload")


def asks():
    return pmosctl("exec", "secure", "--", "python3", "-c", ASK, PEER).returncode == 0


def net_pid():
    return int(run("systemctl", "show", "-P", "MainPID", "pmos-net").stdout)


def net_status():
    done = pmosctl("net", "status", "secure", "--json")
    return json.loads(done.stdout)[0] if done.returncode == 0 else {"state": done.stderr, "peers": []}


def udp_ports():
    """Also those that the kernel has for itself, as WireGuard does."""
    return len(pathlib.Path("/proc/net/udp").read_text().splitlines())
