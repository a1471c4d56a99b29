"""The mode that has the tunnel, as its user and its programs see it."""

import json
import pathlib

from handset import PROFILES, ctl, pmosctl, replaced, run
from handset_uplink import FAR, INSIDE, PEER, PHONE, PORT

SHIPPED = (PROFILES / "secure.json").read_text()
ASK = ("import socket, sys\ns = socket.create_connection((sys.argv[1], 8080), 8)\ns.settimeout(8)\ns.sendall(b'word')\n"
       "sys.exit(s.recv(10) != b'word')\n")
# Beyond: says once what it hears.
ECHO = (f"import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
        f"s.bind(('{PEER}', 8080))\ns.listen(16)\nprint('ready', flush=True)\n"
        "while True:\n c = s.accept()[0]\n c.settimeout(5)\n try:\n  c.sendall(c.recv(100))\n except OSError:\n  pass\n c.close()\n")
# What a hostile program tries to reach, now and always.
TARGETS = json.dumps([[kind, address, port] for kind, port in (("udp", 51820), ("tcp", 8080)) for address in
                      (FAR, PHONE, "203.0.113.255", "10.0.2.2", "2001:db8:1::2", PEER)])


def use(public, keepalive=5, preshared=False, host=FAR):
    network = {"tunnel": {"name": "test", "addresses": [f"{INSIDE}/32"],
                          "peers": [{"publicKey": public, "endpoint": f"{host}:{PORT}", "allowedIPs": ["0.0.0.0/0"],
                                     "persistentKeepalive": keepalive, "presharedKey": preshared}]}}
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
