#!/bin/bash
# A signed policy on the phone: only a trusted key's, only newer ones, and back to the last good one
# when the new one does not come up.
# timeout: 300
. "$HANDSET_LIB"

desk=$(mktemp -d) trust=/etc/pmos/trust
status() { pmosctl policy status --json | jq -r ".$1 // \"\""; }
daemon() { systemctl show -P MainPID pmosd; }
another_daemon() { # PID: pmosd is up and is not that one
    local now
    now=$(daemon)
    [ "$now" != "$1" ] && [ "$now" != 0 ] && pmosctl status >/dev/null
}
bundle() { # VERSION [PROFILES]: signed, as $desk/VERSION
    pmosctl policy pack "${2:-/usr/share/pmos/profiles}" -o "$desk/$1" --name acme --version "$1" --root / &&
        pmosctl policy sign "$desk/$1" --key "$desk/k.key"
}
dies() { # pmosd is killed, and another is up
    local old
    old=$(daemon)
    kill -9 "$old"
    within 60 "another pmosd" another_daemon "$old"
}

pmosctl start personal >/dev/null
check "a key" pmosctl policy keygen "$desk/k"
check "a bundle of the phone's own policy" bundle 7
equal "a directory is read while nobody is trusted" directory "$(status source)"
expect_code 14 "and no bundle is taken" pmosctl policy install "$desk/7"

mkdir -p $trust && cp "$desk/k.pub" $trust/
check "reload" reload
equal "with a key nothing but a bundle will do" none "$(status source)"
expect_code 4 "no mode starts" pmosctl start secure
check "personal runs on" state_is personal running
check "install" pmosctl policy install "$desk/7"
equal "it is on trial" "7 trial 0" "$(status version) $(status state) $(status floor)"
equal "profiles come out of the bundle" acme@7/personal.json "$(field personal file)"
check "personal under it" pmosctl restart personal
check "to the front" pmosctl switch personal
check "confirm" pmosctl policy confirm
equal "it is the floor" "7 confirmed 7" "$(status version) $(status state) $(status floor)"
check "the slot lasts" test -s /var/lib/pmos/policy/a.bundle
expect_code 2 "a directory that nobody reads is not checked unasked" pmosctl policy check
check "named, it is" pmosctl policy check /usr/share/pmos/profiles

note "a bit of the image under it that is not what it was"
image=/usr/share/pmos/images/personal.erofs program=/usr/games/ninvaders
matches "it runs from a device of dm-verity" ' verity ' "$(dmsetup table pmos-personal.root)"
at=$(dump.erofs --path=$program -e $image | awk -F'[ .:|]+' '/^ *0:/ { print $6 }')
game() { pmosctl exec personal -- cat $program | sha256sum; }
whole=$(game)
pmosctl events --json >"$desk/events" &
listener=$!
sleep 1
flip $image "$((at + 100))"
matches "who reads it has an I/O error" 'Input/output error' \
    "$(pmosctl exec personal -- cat $program 2>&1 >/dev/null)"
within 10 "it is told, at the line of the bundle's profile" \
    jq -es 'any(.[]; .kind == "image-corrupt" and (.details.at | test("acme@7/personal\\.json:8:")))' \
    "$desk/events"
flip $image "$((at + 100))"
equal "mended, it reads again" "$whole" "$(game)"
kill $listener && wait $listener 2>/dev/null

note "what the phone uses, against files"
cp -r /usr/share/pmos/profiles "$desk/new"
equal "the bundle is of what is installed" "they mean the same" \
    "$(pmosctl policy diff phone /usr/share/pmos/profiles | tail -n 1)"
sed -i 's/"network": "loopback"/"network": "none"/' "$desk/new/personal.json"
expect_code 1 "a difference is told by the status" pmosctl policy diff phone "$desk/new"
matches "with the line of the bundle's file" 'phone/personal\.json:[0-9]+:[0-9]+' \
    "$(pmosctl policy diff phone "$desk/new")"
check "the new policy as a bundle" bundle 8 "$desk/new"
expect_code 1 "a bundle that is not installed yet" pmosctl policy diff phone "$desk/8"
equal "as what it holds" "$(pmosctl policy diff --json phone "$desk/new" | jq -c '[.[] | {what, turn, mode}]')" \
    "$(pmosctl policy diff --json phone "$desk/8" | jq -c '[.[] | {what, turn, mode}]')"
check "the one that is" pmosctl policy diff phone "$desk/7"
expect_code 1 "the system bus answers too" pmosctl --bus policy diff phone "$desk/8"
cp "$desk/new/personal.json" /usr/share/pmos/profiles/new.json
equal "no directory is asked" 0 "$(pmosctl policy diff --json phone "$desk/7" | jq length)"
rm /usr/share/pmos/profiles/new.json

note "a full storage at the start"
check "a newer one" bundle 8
check "is installed" pmosctl policy install "$desk/8"
mv /var/lib/pmos/policy /var/lib/pmos/kept && mkdir -m 0700 /var/lib/pmos/policy
systemctl stop pmosd
mount -t tmpfs -o size=1m,mode=0700 none /var/lib/pmos/policy
cp -a /var/lib/pmos/kept/. /var/lib/pmos/policy/
head -c 2m /dev/zero >/var/lib/pmos/policy/filler 2>/dev/null
systemctl start pmosd
equal "the good one is used" "7 confirmed 7" "$(status version) $(status state) $(status floor)"
matches "status says why" 'cannot be counted' "$(status fellBack)"
check "reject, with room" sh -c 'rm /var/lib/pmos/policy/filler && pmosctl policy reject'
systemctl stop pmosd
umount /var/lib/pmos/policy && rm -r /var/lib/pmos/policy
mv /var/lib/pmos/kept /var/lib/pmos/policy
systemctl start pmosd
# While it starts by itself, or just has: it comes up all the same.
check "back on the phone's own storage" pmosctl policy reject
within 60 "personal comes up" state_is personal running

note "keys that are taken away"
mv $trust/k.pub "$desk/away.pub"
expect_fail "nobody is trusted" pmosctl reload
equal "and no directory is opened" none "$(status source)"
mv "$desk/away.pub" $trust/k.pub
check "the key again" reload
equal "and the policy" "7 confirmed" "$(status version) $(status state)"

note "what may not be installed"
check "an older one" bundle 6
expect_code 14 "is refused" pmosctl policy install "$desk/6"
cp "$desk/7" "$desk/bad" && printf x | dd of="$desk/bad" bs=1 seek=400 conv=notrunc status=none
expect_code 2 "and one that was changed" pmosctl policy install "$desk/bad"
mkfifo "$desk/fifo"
expect_fail "and a pipe" pmosctl policy install "$desk/fifo"
cp -r /usr/share/pmos/profiles "$desk/other"
sed -i 's,"gpu": *"render","gpu": "full",' "$desk/other/personal.json"
check "a policy that this build cannot enforce" bundle 8 "$desk/other"
expect_code 12 "is refused with its line" pmosctl policy install "$desk/8"
equal "the one from before is used" "7 confirmed" "$(status version) $(status state)"

note "a policy that does not come up"
check "a newer one" bundle 9
check "is installed" pmosctl policy install "$desk/9"
for _ in 1 2 3; do
    equal "it is tried" "9 trial" "$(status version) $(status state)"
    dies
done
equal "the third death was one too many" "7 confirmed 7" "$(status version) $(status state) $(status floor)"
matches "status says why" 'did not come up' "$(status fellBack)"
matches "doctor too" 'given up' "$(pmosctl doctor | grep policy)"
matches "and the journal" 'policy-fell-back' "$(journalctl -u pmosd --no-pager -n 300)"
check "personal never noticed" state_is personal running

note "a policy that works"
check "it is installed again" pmosctl policy install "$desk/9"
check "a mode runs under it" pmosctl restart personal
check "confirm" pmosctl policy confirm
equal "the floor has risen" "9 9" "$(status version) $(status floor)"
expect_code 14 "and what was good is too old now" pmosctl policy install "$desk/7"

rm -rf $trust /var/lib/pmos/policy "$desk"
check "without a key the directory is read again" reload
equal "as before" directory "$(status source)"
pmos_reset
