"""A peer that is known by its name, and an interface that somebody else renames."""

import os
import pathlib
import signal

from handset import check, ctl, note, run, status, until
from handset_uplink import FAR, PORT
from secure import asks, net_pid, net_status, udp_ports, use


def by_name(public):
    """First at an address that there is no way to."""
    note("a peer that has a name")
    hosts = pathlib.Path("/etc/hosts")
    before = hosts.read_text()
    try:
        hosts.write_text(f"{before}\n2001:db8:ffff::1 far.test\n{FAR} far.test\n")
        use(public, host="far.test")
        ctl("restart", "secure")
        check("it is found", until(asks, 60), net_status())
        check("where it is", net_status()["peers"][0]["endpoint"] == f"{FAR}:{PORT}", net_status())
    finally:
        hosts.write_text(before)
        use(public)
    ctl("restart", "secure")


def renamed(ports):
    note("somebody else renames the interface")
    check("there is a port of the tunnel's", until(lambda: udp_ports() > ports, 20), udp_ports())
    inside = ("nsenter", f"--net=/proc/{status('secure')['pid']}/ns/net", "ip")
    net = net_pid()
    os.kill(net, signal.SIGSTOP)
    try:
        for words in (("down",), ("name", "other"), ("up",)):
            name = "pmos0" if words != ("up",) else "other"
            check(" ".join(words), run(*inside, "link", "set", name, *words).returncode == 0)
    finally:
        os.kill(net, signal.SIGCONT)
    check("it is cut off, and told", until(lambda: net_status()["state"] != "up", 30), net_status())
    links = run(*inside, "-br", "link").stdout
    check("no interface is left, by any name", [line.split()[0] for line in links.splitlines()] == ["lo"], links)
    check("nor the port, nor the key", until(lambda: udp_ports() == ports, 20), udp_ports())
    ctl("restart", "secure")
    check("another start has another one", until(asks, 40), net_status())
