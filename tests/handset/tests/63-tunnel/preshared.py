"""A peer with a preshared key: no start without the key, and no word from who has another."""

import os
import signal

from handset import check, ctl, note, pmosctl, run, until
from handset_uplink import beyond
from secure import asks, net_pid, net_status, use


def keep(public, key, *more):
    return run("pmosctl", "net", "key", "secure", "--peer", public, "--import", *more, input=key)


def at_the_other_end(own, key):
    """None: no key."""
    source = {"input": key} if key else {}
    done = beyond("wg", "set", "wg0", "peer", own, "preshared-key", "/dev/stdin" if key else "/dev/null", **source)
    check("the other end has it", done.returncode == 0, done.stderr)


def preshared(public, own):
    note("a preshared key")
    ctl("stop", "secure")
    use(public, preshared=True)
    refused = pmosctl("start", "secure")
    check("without it the mode does not start", refused.returncode == 13 and f"--peer {public} --import" in refused.stderr,
          (refused.returncode, refused.stderr))
    key, other = (run("wg", "genpsk").stdout for _ in range(2))
    check("what is none is refused", keep(public, "none\n").returncode == 2)
    done = keep(public, key)
    check("it is told by its peer", done.stdout.strip() == public, (done.stdout, done.stderr))
    check("and not replaced without a yes", keep(public, other).returncode == 5)
    ctl("start", "secure")
    ctl("switch", "secure")
    check("who has none does not answer", not asks() and net_status()["peers"][0]["handshake"] == 0, net_status())
    at_the_other_end(own, key)
    check("who has it does", until(asks, 40), net_status())
    old = net_pid()
    os.kill(old, signal.SIGKILL)
    until(lambda: net_pid() not in (0, old) and net_status()["state"] == "up", 40)
    check("another pmos-net has it still", until(asks, 40), net_status())
    check("another key is used at once", keep(public, other, "--yes").returncode == 0 and not asks(), net_status())
    at_the_other_end(own, other)
    check("with whoever has that one", until(asks, 40), net_status())
    use(public)
    ctl("restart", "secure")
    at_the_other_end(own, None)
    check("and without any once the profile has none", until(asks, 40), net_status())
