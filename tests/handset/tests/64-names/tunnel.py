"""Names of a mode with a tunnel: asked for inside it, and answered there; on the uplink is WireGuard."""

import json
import secrets

from beyond import DNS, SILENT, TLS_NAME
from handset import PROFILES, check, ctl, no_volume, note, pmosctl, replaced, until
from handset_uplink import FAR, INSIDE, PORT, Capture, beyond, is_tunnel, make_tunnel_end
from probes import PROBE

SHIPPED = (PROFILES / "secure.json").read_text()
PIN = secrets.token_hex(6)


def probe(*targets):
    done = pmosctl("exec", "secure", "--", "python3", "-c", PROBE, *targets)
    return json.loads(done.stdout) if done.returncode == 0 else {target: done.stderr for target in targets}


def use(public, servers):
    network = {"tunnel": {"name": "test", "addresses": [f"{INSIDE}/32"],
                          "peers": [{"publicKey": public, "endpoint": f"{FAR}:{PORT}", "allowedIPs": ["0.0.0.0/0"]}]},
               "dns": servers, "egress": {"allow": ["tcp/8080 to chat.example"]}}
    (PROFILES / "secure.json").write_text(replaced(SHIPPED, '"network": "none"', f'"network": {json.dumps(network)}'))
    ctl("reload")
    ctl("restart", "secure")
    ctl("switch", "secure")


def through_a_tunnel(server):
    public = make_tunnel_end()
    no_volume("secure")
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", "--no-start", pin=PIN)
    own = pmosctl("net", "key", "secure", "--new").stdout.strip()
    beyond("wg", "set", "wg0", "peer", own, "allowed-ips", f"{INSIDE}/32")
    try:
        for words, servers in (("through a tunnel", [DNS]), ("through a tunnel, over TLS", [f"{DNS}#{TLS_NAME}"]),
                               ("the first server says nothing, in the clear", [SILENT, DNS]),
                               ("and over TLS", [f"{SILENT}#{TLS_NAME}", f"{DNS}#{TLS_NAME}"])):
            note(words)
            use(public, servers)
            uplink, before = Capture("up0"), len(server.asked())
            reached = until(lambda: probe("chat.example")["chat.example"] == {"address": [FAR], "said": "word"}, 60)
            check("the name is reached", reached, probe("chat.example"))
            check("the server inside it was asked", "chat.example" in server.asked()[before:], server.asked()[before:])
            said = probe("elsewhere.example", FAR)
            check("another name is not", "error" in said["elsewhere.example"], said)
            check("nobody hears of it", "elsewhere.example" not in server.asked()[before:], server.asked()[before:])
            # ARP and IPv6's own are of the phone.
            seen = [packet for packet in uplink.take() if packet[0] >> 4 == 4]
            strangers = [packet[:64].hex() for packet in seen if not is_tunnel(packet)]
            check("on the uplink there is WireGuard, and nothing else", len(seen) > 4 and not strangers, strangers[:3])
    finally:
        (PROFILES / "secure.json").write_text(SHIPPED)
        ctl("reload")
        ctl("lock", "secure")
