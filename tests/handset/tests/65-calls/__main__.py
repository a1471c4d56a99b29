#!/usr/bin/env python3
# boot: own
# timeout: 600
# turn: 2
"""Calls of a mode with blocks/encrypted-calls.json: baresip in secure mode speaks through the tunnel with
a second phone, a namespace with the tunnel's other end and a baresip of its own. Each end plays a tone
and records what it hears. Who listens at the uplink has WireGuard; who listens inside the tunnel has the
tone where a call is plain, and nothing of it where it is encrypted. Of the modem the mode has 112."""

import json
import secrets
import socket

from ear import RTP, kind_of, listened_to
from handset import PROFILES, check, ctl, no_volume, note, pmosctl, replaced, run, stop_if_failed
from handset_sound import hears, signs_of
from handset_uplink import FAR, INSIDE, NS, PEER, PORT, Capture, beyond, is_tunnel, make_tunnel_end, make_uplink, udp_of
from modem import modem
from telephone import FAR_HZ, OWN_HZ, PLACE, ROOT, SecondPhone, call, heard_inside, make_tones

SHIPPED = (PROFILES / "secure.json").read_text()
PIN = secrets.token_hex(6)


def talk(encryption, uplink, tunnel):
    """A call in which each hears the other. Returns what was seen inside the tunnel."""
    uplink.take(), tunnel.take()
    second = SecondPhone(encryption)
    try:
        said = call(encryption)
    finally:
        second.end()
    seen, outside = tunnel.take(), uplink.take()
    own, far = signs_of(heard_inside(), FAR_HZ), signs_of(second.heard(), OWN_HZ)
    check("secure hears the second phone's tone", hears(own), (own, said))
    check("the second phone hears secure's", hears(far), (far, second.said()))
    strangers = [packet[:64].hex() for packet in outside if not is_tunnel(packet)]
    check("at the uplink there is WireGuard", len(outside) > 100, len(outside))
    check("and nothing else", not strangers, strangers[:5])
    kinds = [kind_of(packet) for packet in seen]
    note(", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))), " inside the tunnel")
    check("in the tunnel the call is seen", kinds.count("SIP") >= 4 and kinds.count("RTP") > 100)
    check("and nothing that is no part of it", "something else" not in kinds,
          [packet[:64].hex() for packet in seen if kind_of(packet) == "something else"][:5])
    return seen


def tones_in(seen):
    """Of each end's voice as it is seen in the tunnel, by tenths of a second."""
    return [signs_of(listened_to(seen, source), hz) for source, hz in ((INSIDE, OWN_HZ), (PEER, FAR_HZ))]


def calls(uplink, tunnel, public):
    note("a plain call")
    seen = talk("", uplink, tunnel)
    signs = tones_in(seen)
    check("who listens in the tunnel hears both", all(hears(one) for one in signs), signs)
    stop_if_failed()

    for encryption, words in (("srtp-mand", "SRTP, its keys in the SIP (SDES)"), ("dtls_srtp", "SRTP, its keys by DTLS")):
        note(f"an encrypted call: {words}")
        if encryption == "dtls_srtp":
            # Who is called begins, and the caller has sent nothing yet that this could answer.
            use(public, inbound=[f"udp/{RTP[0]}-{RTP[-1]} from {PEER}/32"])
            ctl("restart", "secure")
            ctl("switch", "secure")
        seen = talk(encryption, uplink, tunnel)
        signs = tones_in(seen)
        check("who listens in the tunnel hears neither", all(len(one) >= 8 and "T" not in one for one in signs), signs)
        signed = {len(udp_of(packet)[4]) for packet in seen if kind_of(packet) == "RTP"}
        check("every packet is signed", signed == {12 + 160 + 10}, signed)
        sip = b"".join(udp_of(packet)[4] for packet in seen if kind_of(packet) == "SIP")
        check("who calls whom is there to read", b"sip:second@" in sip and b"sip:secure@" in sip)
        check("with SDES the key is as well" if encryption == "srtp-mand" else "with DTLS no key is",
              (b"inline:" in sip) == (encryption == "srtp-mand"), sip)

    note("the second phone speaks plain only")
    uplink.take(), tunnel.take()
    second = SecondPhone("")
    said = call("srtp-mand")
    second.end()
    kinds = [kind_of(packet) for packet in tunnel.take()]
    check("it was called", "SIP" in kinds, (kinds, said))
    check("there is no call rather than a plain one", "RTP" not in kinds and "established" not in said, (kinds, said))


def use(public, **rules):
    network = {"tunnel": {"name": "test", "addresses": [f"{INSIDE}/32"],
                          "peers": [{"publicKey": public, "endpoint": f"{FAR}:{PORT}", "allowedIPs": ["0.0.0.0/0"]}]}, **rules}
    text = replaced(SHIPPED, '"blocks/base-dev.json"]', '"blocks/base-dev.json", "blocks/encrypted-calls.json"]')
    start, end = text.index('  "devices": {'), text.index('  "network": "none"')
    text = text[:start] + f'  "network": {json.dumps(network)}' + text[end + len('  "network": "none"'):]
    (PROFILES / "secure.json").write_text(text)
    ctl("reload")


def main():
    PLACE.mkdir()
    ROOT.mkdir()
    PLACE.chmod(0o755)
    make_uplink(silent=True)
    public = make_tunnel_end()
    make_tones()
    run("mount", "-t", "erofs", "-o", "ro,loop", "/usr/share/pmos/images/secure.erofs", ROOT)
    run("mount", "-t", "tmpfs", "tmpfs", ROOT / "tmp")
    no_volume("secure")
    ctl("provision", "secure", pin=PIN)
    ctl("unlock", "secure", "--no-start", pin=PIN)
    own = pmosctl("net", "key", "secure", "--new").stdout.strip()
    beyond("wg", "set", "wg0", "peer", own, "allowed-ips", f"{INSIDE}/32")
    try:
        use(public)
        uplink, tunnel = Capture("up0"), Capture("wg0", NS)
        ctl("start", "secure")
        ctl("switch", "secure")
        stop_if_failed()
        calls(uplink, tunnel, public)
        modem()
        note("what the capture is worth")
        uplink.take()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leak:
            leak.sendto(b"LEAK", (FAR, 9))
        check("it sees what is no tunnel", [packet for packet in uplink.take() if not is_tunnel(packet)])
    finally:
        (PROFILES / "secure.json").write_text(SHIPPED)
        ctl("reload")
        run("umount", ROOT / "tmp")
        run("umount", ROOT)


main()
