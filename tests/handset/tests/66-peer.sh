#!/bin/bash
# What the README of the handset says of a tunnel, as a developer does it.
# timeout: 300
. "$HANDSET_LIB"

pin=$RANDOM$RANDOM$RANDOM
profile=/usr/share/pmos/profiles/secure.json
fetch='import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())'

check "the other end is there since boot" systemctl is-active handset-peer
check "a new volume" fresh_secure "$pin"
check "it opens" with_pin "$pin" unlock secure --no-start
key=$(pmosctl net key secure --new)
network=$(handset-peer add "$key")
borrow_profile "$profile"
PMOS_NETWORK=$network python3 - "$profile" <<'END'
import os, pathlib, sys
path = pathlib.Path(sys.argv[1])
path.write_text(path.read_text().replace('"network": "none"', os.environ["PMOS_NETWORK"], 1))
END
check "the profile is read" pmosctl reload
check "the mode starts" pmosctl start secure
check "to the front" pmosctl switch secure
equal "what is behind the tunnel answers" "this came through the tunnel" \
    "$(pmosctl exec secure -- python3 -c "$fetch" http://10.99.0.1/)"
matches "net status knows the peer" "handshake .* ago" "$(pmosctl net status secure)"
expect_fail "nothing else is reached" pmosctl exec secure -- python3 -c "$fetch" http://192.0.2.2/
check "stopped" pmosctl stop secure
return_profile
check "nothing of the mode is left" no_volume secure
systemctl stop handset-greeter
