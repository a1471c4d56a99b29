#!/bin/bash
# Bad input: profiles, images, PINs, volumes, a full disk. Each is a clear error, nothing is left.
# timeout: 400
. "$HANDSET_LIB"

profiles=/usr/share/pmos/profiles images=/usr/share/pmos/images volumes=/var/lib/pmos/volumes
pin=$RANDOM$RANDOM
modes=/sys/fs/cgroup/system.slice/pmos-modes.service

profile() { # MODE FIRST-UID COMMAND [MORE-JSON]: a mode without volumes
    printf '{"pmos": 1, "mode": "%s", "extends": ["blocks/hardened.json", "blocks/base-dev.json"],
        "root": {"image": "%s.erofs"}, "identity": {"uidRange": {"start": %s, "count": 65536}},
        "process": {"args": ["/bin/sh", "-c", "%s"]}%s}' "$1" "$1" "$2" "$3" "${4:-}" \
        >"$profiles/$1.json"
}

within 60 "personal is up" sh -c '! pmosctl status personal | grep -q ing\ .*ing'
check "personal runs" pmosctl start personal
check "personal is in front" pmosctl switch personal
pmosctl lock secure >/dev/null
front=$(field personal pid)
ln -f "$images/secure.erofs" "$images/third.erofs" 2>/dev/null || cp "$images/secure.erofs" "$images/third.erofs"
before=$(mktemp) after=$(mktemp)
# Where wrong PINs of this boot are remembered: it is there from the first one on.
check "a volume to begin with" fresh_secure 135790
expect_code 8 "and a first wrong PIN" with_pin 135791 unlock secure
check "and the right one" with_pin 135790 unlock secure --no-start
check "lock" pmosctl lock secure
snapshot "$before"

note "profiles"
printf '{ "pmos": 1, "mode": "third", "nonsense": true }' >"$profiles/third.json"
check "a broken profile does not stop the reload" reload
equal "its mode is disabled" disabled "$(field third state)"
matches "the reason has file, line and column" 'third\.json:1:[0-9]+: .*nonsense' "$(field third reason)"
expect_code 4 "it cannot be started" pmosctl start third
expect_code 1 "policy check says it too" pmosctl policy check
equal "the others are not touched" "running $front" "$(field personal state) $(field personal pid)"
equal "secure is not disabled" stopped "$(field secure state)"
printf '{ "pmos": 1, ' >"$profiles/third.json"
check "a torn profile" reload
equal "is disabled" disabled "$(field third state)"
head -c 100000 /dev/urandom >"$profiles/third.json"
check "noise for a profile" reload
equal "is disabled too" disabled "$(field third state)"
check "pmosd lives on" pmosctl exec personal -- true
profile third 200000 "sleep 100"
reload
equal "ids of another mode disable it" disabled "$(field third state)"
matches "and name the other" 'personal' "$(field third reason)"
equal "personal runs on" running "$(field personal state)"
profile third 400000 "echo third is up; sleep 1000" ', "resources": {"memory": {"max": "nonsense"}}'
reload
equal "a wrong value disables it" disabled "$(field third state)"
profile third 400000 "echo third is up; sleep 1000"
systemctl kill -s HUP --kill-whom=main pmosd
within 10 "SIGHUP reads a good one" state_is third stopped
check "third starts" pmosctl start third
pid=$(field third pid)
rm "$profiles/third.json"
reload
equal "without its profile it runs on" "running $pid" "$(field third state) $(field third pid)"
check "and can be stopped" pmosctl stop third
expect_code 4 "but not started" pmosctl start third
matches "with the reason" 'gone' "$(field third reason)"

note "images"
profile third 400000 "echo third is up; sleep 1000"
rm "$images/third.erofs"
reload
expect_code 13 "a missing image is 13" pmosctl start third
matches "and is named" 'third\.erofs' "$(pmosctl start third 2>&1)"
head -c 5000000 /dev/urandom >"$images/third.erofs"
reload
expect_fail "noise for an image is refused" pmosctl start third
matches "by name" 'third\.erofs' "$(pmosctl start third 2>&1)"
: >"$images/third.erofs"
expect_fail "an empty image is refused" pmosctl start third
equal "nothing is left in its cgroup" "" "$(ls -d "$modes/third" 2>/dev/null)"
rm -f "$images/third.erofs"
ln "$images/secure.erofs" "$images/third.erofs" 2>/dev/null || cp "$images/secure.erofs" "$images/third.erofs"

note "a process that ends"
profile third 400000 "exit 5"
reload
pmosctl start third >/dev/null 2>&1
within 10 "the mode has failed" state_is third failed
matches "with its exit status" 'status 5' "$(field third reason)"
equal "which is kept" 5 "$(field third exitStatus)"
for _ in 1 2 3 4 5 6 7 8 9 10; do pmosctl start third >/dev/null 2>&1; done
within 10 "ten times over" state_is third failed
within 5 "no cgroup is left" test ! -e "$modes/third"
profile third 400000 "exit 0"
reload
pmosctl start third >/dev/null 2>&1
within 10 "a process that ends well" state_is third stopped
profile third 400000 "sleep 1000" ', "hooks": {"preStart": ["no-such-hook"]}'
reload
expect_fail "a missing hook refuses the start" pmosctl start third
rm -f "$profiles/third.json" "$images/third.erofs"
reload

note "PINs and volumes"
check "secure has a volume" fresh_secure "$pin"
expect_code 8 "a wrong PIN is 8" with_pin "${pin}0" unlock secure
matches "and says so" 'refused' "$(with_pin "${pin}0" unlock secure 2>&1)"
expect_fail "an empty PIN is refused" with_pin "" unlock secure
expect_fail "a closed descriptor is refused" pmosctl unlock secure --pin-fd 9
expect_fail "a PIN of a MiB is refused" sh -c \
    'head -c 1048576 /dev/zero | tr "\0" 1 | pmosctl unlock secure --pin-fd 0'
check "the right one opens" with_pin "$pin" unlock secure --no-start
check "again is fine" with_pin "$pin" unlock secure --no-start
mkdir -p /tmp/held
check "somebody else holds the volume" mount /dev/mapper/pmos-secure-data /tmp/held
expect_code 9 "then lock says busy" pmosctl lock secure
umount /tmp/held && rmdir /tmp/held
check "and works afterwards" pmosctl lock secure
loop=$(losetup -f --show "$volumes/secure-data.luks")
printf %s "$pin" | cryptsetup open --type luks2 --key-file - "$loop" elsewhere
expect_fail "a volume that is open elsewhere is refused" with_pin "$pin" unlock secure
cryptsetup close elsewhere
losetup -d "$loop"
check "and opens when it is free" with_pin "$pin" unlock secure --no-start
check "lock" pmosctl lock secure
cp "$volumes/secure-data.luks" /var/lib/pmos/keep
dd if=/dev/urandom of="$volumes/secure-data.luks" bs=4096 count=4096 conv=notrunc status=none
expect_fail "a volume of noise is refused" with_pin "$pin" unlock secure
mv /var/lib/pmos/keep "$volumes/secure-data.luks"
check "the volume from before opens" with_pin "$pin" unlock secure --no-start
check "lock it" pmosctl lock secure

note "a file system that was damaged"
device=/dev/mapper/pmos-secure-data
# damage COMMAND: of debugfs; and e2fsck is to look at all of it.
damage() { printf '%s\n' "$1" 'ssv state 2' | debugfs -w -f - "$device" && sync; }
links() { debugfs -R 'stat /mode' "$device" 2>/dev/null | grep -o 'Links: [0-9]*'; }
# But for the superblock, where e2fsck counts what was written.
bytes() { tail -c +2049 "$device" | sha256sum; }
check "it is opened, not mounted" with_pin "$pin" unlock secure --no-start
links=$(links)
check "what can be repaired without asking" damage 'sif /mode links_count 77'
equal "is damaged" 'Links: 77' "$(links)"
check "the mode starts" pmosctl start secure
check "and stops" pmosctl stop secure
equal "it was repaired" "$links" "$(links)"
check "what needs a decision" damage 'clri <2>'
bytes=$(bytes)
says 1 "refuses the start" 'damage that needs a decision: run e2fsck .* by hand' pmosctl start secure
equal "and nothing is changed" "$bytes" "$(bytes)"
check "lock" pmosctl lock secure

note "a full disk"
rm -f "$volumes"/secure-*
fill=/var/lib/pmos/fill
free=$(df --output=avail -B1 /var/lib/pmos | tail -1)
fallocate -l $((free - 20 * 1024 * 1024)) $fill
expect_code 15 "provision says no space" with_pin "$pin" provision secure
equal "nothing half-made is left" "" "$(find $volumes -name 'secure*')"
rm -f $fill
check "with space it works" with_pin "$pin" provision secure
rm -f "$volumes"/secure-*

equal "personal never noticed" "running $front" "$(field personal state) $(field personal pid)"
snapshot "$after"
# The directory of a mode that is known stays for this boot.
# The root's tree is made ahead only by the pmosd that will start the mode; this is another one.
sed -i '\#run /run/pmos/modes/third#d; \#run /run/pmos/modes/personal/root#d' "$after"
sed -i '\#run /run/pmos/modes/personal/root#d' "$before"
compare "nothing is left behind" "$before" "$after"
