#!/bin/bash
# Volumes as profiles may want them: ciphers, key derivation, discards, flags, integrity, and what
# they stand on (a file, a partition, a device as LVM makes them). By pmosctl, on real dm-crypt.
# boot: own
# timeout: 900
# turn: 3
. "$HANDSET_LIB"

pin=$RANDOM$RANDOM
image=/var/lib/pmos/volumes/secure-data.luks
device=/dev/mapper/pmos-secure-data
profile=/usr/share/pmos/profiles/secure.json
site=/usr/share/pmos/profiles/site.json
shipped=$(cat $profile) demands=$(cat $site)
work=$(mktemp -d)

# wants LUKS [SIZE-OR-SOURCE [ON-LOCK]]: secure's volume is to be so, and is not made yet.
wants() {
    pmosctl lock --evict secure >/dev/null
    rm -f "$image"
    same "$@"
}
# same ...: the profile says so, and the volume stays.
same() {
    sed -e "s|\"size\": \"64MiB\"|${2:-\"size\": \"64MiB\"}|" \
        -e "s|\"cipher\": \"aes-xts-plain64\", \"keySize\": 512|$1|" \
        -e 's|"1MiB", "timeMs": 100|"32MiB", "timeMs": 200|' \
        -e "s|\"onLock\": \"evict\"|\"onLock\": \"${3:-evict}\"|" \
        <<<"$shipped" >$profile
    reload
}
told() { pmosctl volume info secure --json | jq -r ".$1"; }
table() { dmsetup table pmos-secure-data; }
inside() { pmosctl exec secure -- "$@"; }

borrow_profile $profile

note "ciphers"
check "adiantum" wants '"cipher": "xchacha12,aes-adiantum-plain64", "keySize": 256'
check "is made" with_pin "$pin" provision secure
check "and opened" with_pin "$pin" unlock secure --no-start
equal "the header says so" 'xchacha12,aes-adiantum-plain64 256' "$(told cipher) $(told keyBits)"
matches "and the kernel" 'adiantum' "$(table)"
wants '"cipher": "xchacha12,aes-adiantum-plain64", "keySize": 512'
expect_fail "with a key of 512 bits it is refused" pmosctl policy check "$profile"
matches "with a hint" 'keySize.: 256' "$(pmosctl policy check "$profile" 2>&1)"
wants '"cipher": "sm4-xts-plain64", "keySize": 256'
matches "doctor names a cipher that this kernel lacks" 'xts\(sm4\).*volume .data.' "$(pmosctl doctor)"
matches "and what to do" 'CONFIG_CRYPTO_SM4' "$(pmosctl doctor)"
expect_code 4 "nothing is made with it" with_pin "$pin" provision secure
check "there is no file of it" test ! -e "$image"

note "key derivation"
wants '"cipher": "aes-xts-plain64"'
matches "doctor tells what a guess takes" 'argon2id with up to 32 MiB, 2 lanes, for 200 ms' "$(pmosctl doctor)"
check "it is made" with_pin "$pin" provision secure
equal "with as many lanes" 2 "$(told 'keyslots."0".lanes')"
check "and no more memory" test "$(told 'keyslots."0".memory')" -le 33554432

note "flags"
check "it is opened" with_pin "$pin" unlock secure
flags=$(told flags)
note "chosen for this device: ${flags:-none}"
equal "the header keeps what is shown" "$flags" \
    "$(cryptsetup luksDump "$image" | sed -n 's/^Flags:[[:space:]]*//p' | sed 's/(no flags)//; s/ *$//')"
for flag in no-read-workqueue no-write-workqueue same-cpu-crypt submit-from-crypt-cpus; do
    name=${flag//-/_}
    equal "the kernel has $flag where the header has it" "$(grep -c -- "$flag" <<<"$flags")" \
        "$(table | grep -c "$name")"
done
lacks "no discards" allow_discards "$(table)"

note "discards"
expect_code 12 "no trim where the profile says never" pmosctl volume trim secure
check "the profile says trim" same '"cipher": "aes-xts-plain64", "discards": "trim"'
matches "which check warns of" told-discards "$(pmosctl policy check "$profile" 2>&1)"
expect_code 12 "one that was opened before takes none yet" pmosctl volume trim secure
check "lock" pmosctl lock secure
check "unlock" with_pin "$pin" unlock secure
matches "now it does" allow_discards "$(table)"
matches "as its header says" allow-discards "$(told flags)"
lacks "but not by itself" discard "$(inside grep ' /data ' /proc/self/mountinfo)"
inside sh -c 'head -c 20000000 /dev/urandom >/data/gone; echo kept >/data/kept; sync; rm /data/gone; sync'
room() { echo $(($(stat -c %b "$image") / 2)); }
before=$(room)
matches "trim" 'told of [0-9.]+ MiB free' "$(pmosctl volume trim secure)"
check "the host has the room back" test $((before - $(room))) -gt 15000
equal "what was not deleted is there" kept "$(inside cat /data/kept)"
check "the profile says online" same '"cipher": "aes-xts-plain64", "discards": "online"'
check "lock" pmosctl lock secure
check "unlock" with_pin "$pin" unlock secure
matches "the file system discards by itself" discard "$(inside grep ' /data ' /proc/self/mountinfo)"
check "the profile says never again" same '"cipher": "aes-xts-plain64"'
check "lock" pmosctl lock secure
check "unlock" with_pin "$pin" unlock secure
lacks "then it does no more" discard "$(table) $(told flags) $(inside grep ' /data ' /proc/self/mountinfo)"

note "integrity"
check "hmac-sha256" wants '"cipher": "aes-xts-plain64", "integrity": "hmac-sha256"'
with_pin "$pin" provision secure >"$work/out" 2>"$work/progress" &
making=$!
within 60 "its tags are being written" grep -q 'writing the tags' "$work/progress"
pkill -KILL -x pmos-volume
wait $making
within 10 "killed in that, nothing of it is left" \
    sh -c '! dmsetup ls | grep -q pmos-secure- && ! ls /var/lib/pmos/volumes | grep -q secure'
check "it is made" with_pin "$pin" provision secure
check "unlock" with_pin "$pin" unlock secure
equal "info" 'hmac(sha256) 512' "$(told integrity) $(told keyBits)"
inside sh -c 'head -c 4096 /dev/urandom >/data/flip; echo kept >/data/kept; sync'
block=$(debugfs -R 'bmap /mode/flip 0' "$device" 2>"$work/debugfs")
expect_code 12 "it does not grow" sh -c "printf %s $pin | pmosctl volume resize secure data 128MiB --pin-fd 0"
cat >"$work/sector.py" <<'PY'
import sys
with open("/dev/mapper/pmos-secure-data_dif", "rb") as stream:
    stream.seek(int(sys.argv[1]) * 4096)
    open(sys.argv[2], "wb").write(stream.read(4096))
PY
check "its ciphertext is looked at" python3 "$work/sector.py" "$block" "$work/sector"
check "lock" pmosctl lock secure
equal "no mapping is left" '' "$(dmsetup ls | grep pmos-secure-)"
cat >"$work/flip.py" <<'PY'
import sys
image, sector = sys.argv[1], open(sys.argv[2], "rb").read()
with open(image, "r+b") as stream:
    data, at, flipped = stream.read(), -1, 0
    while (at := data.find(sector, at + 1)) >= 0:
        stream.seek(at + 100)
        stream.write(bytes([sector[100] ^ 1]))
        flipped += 1
sys.exit(0 if flipped else 1)
PY
check "one bit of it is flipped in the file" python3 "$work/flip.py" "$image" "$work/sector"
check "the volume opens" with_pin "$pin" unlock secure
expect_fail "what was changed is an error" inside cat /data/flip
matches "of the storage" 'I/O error|Input/output|protection' "$(inside cat /data/flip 2>&1)"
equal "the rest is there" kept "$(inside cat /data/kept)"
check "lock" pmosctl lock secure
echo "${demands/\"onLock\": \"evict\",/}" >$site
check "suspended instead" wants '"cipher": "aes-xts-plain64", "integrity": "hmac-sha256"' '' suspend
check "it is made" with_pin "$pin" provision secure
check "opened" with_pin "$pin" unlock secure
inside sh -c 'echo kept >/data/kept; sync'
check "suspended" pmosctl lock secure
equal "and told so" suspended "$(pmosctl volume list secure --json | jq -r '.[0].state')"
check "and resumed" with_pin "$pin" unlock secure
equal "with what it had" kept "$(inside cat /data/kept)"
check "suspended again" pmosctl lock secure
check "and evicted" pmosctl lock --evict secure
equal "no mapping is left" '' "$(dmsetup ls | grep pmos-secure-)"

echo "$demands" >$site

note "a header apart"
mkdir -p /srv/card
header=/srv/card/secure.header
apart="\"cipher\": \"aes-xts-plain64\", \"header\": \"$header\""
passwd() { pmosctl volume passwd secure --pin-fd 3 --new-pin-fd 4 3< <(printf %s "$1") 4< <(printf %s "$2"); }
digest() { cryptsetup luksDump --dump-json-metadata "$1" | jq -r '[.digests[].digest] | join(" ")'; }
# another_key HEADER PIN: of the volume, which is written anew with it.
another_key() {
    local before
    before=$(digest "$1")
    check "another key, and all of it written anew" with_pin "$2" volume reencrypt secure
    check "the key is another one" test "$before" != "$(digest "$1")"
    equal "nothing is being written any more" none "$(told reencryption)"
}
check "in a file of its own" wants "$apart" '"size": "32MiB"'
check "it is made" with_pin "$pin" provision secure
equal "root's alone" '600 16777216' "$(stat -c '%a %s' "$header")"
equal "the volume itself carries nothing known" 2 "$(blkid -p "$image" >/dev/null; echo $?)"
check "it opens" with_pin "$pin" unlock secure
inside sh -c 'echo kept >/data/kept; sync'
equal "info of it open" 'open 16777216' "$(told state) $(told dataOffset)"
check "a new PIN while it is open" passwd "$pin" "x$pin"
check "it grows" sh -c "printf %s x$pin | pmosctl volume resize secure data 40MiB --pin-fd 0"
check "lock" pmosctl lock secure
check "backup" pmosctl volume backup secure data "$work/header"
check "the PIN is changed back" passwd "x$pin" "$pin"
check "restore" pmosctl volume restore secure data "$work/header" --yes
expect_code 8 "the later PIN opens it no more" with_pin "$pin" unlock secure
mv "$header" "$header.away"
expect_code 13 "without its header it is not opened" with_pin "x$pin" unlock secure
matches "and told by name" "header of .* is not there" "$(with_pin "x$pin" unlock secure 2>&1)"
expect_code 13 "nor looked at" pmosctl volume info secure
expect_code 5 "nor made anew" with_pin "$pin" provision secure
mv "$header.away" "$header"
check "with it, and the PIN of the backup, it opens" with_pin "x$pin" unlock secure
equal "with what it had" kept "$(inside cat /data/kept)"
another_key "$header" "x$pin"
check "lock" pmosctl lock secure
equal "no header is kept of it" '' "$(find /var/lib/pmos/headers -type f)"
check "by its new key it opens" with_pin "x$pin" unlock secure
equal "with what it had" kept "$(inside cat /data/kept)"
check "lock" pmosctl lock secure
rm "$image"
expect_code 5 "a header that is there is not overwritten" with_pin "$pin" provision secure
rm "$header"

note "a partition, and a device as LVM makes them"
spare=$(readlink -f /dev/disk/by-id/virtio-spare)
python3 - "$spare" <<'PY'
import struct, sys
entry = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 2048, 48 * 2048)
with open(sys.argv[1], "r+b") as disk:
    disk.write(b"\0" * 440 + struct.pack("<IH", 0x706d6f73, 0) + entry + b"\0" * 48 + b"\x55\xaa")
PY
blockdev --rereadpt "$spare"
udevadm settle
part=/dev/disk/by-partuuid/706d6f73-01
check "the partition is there" test -b "$part"
check "it is the volume's" wants '"cipher": "aes-xts-plain64"' "\"source\": { \"device\": \"$part\" }"
check "it is made" with_pin "$pin" provision secure
check "and opened" with_pin "$pin" unlock secure
inside sh -c 'echo kept >/data/kept; sync'
equal "info names it as the profile does" "$part" "$(told source)"
matches "the kernel has it" "^0 [0-9]+ crypt .* $(stat -Lc '%Hr:%Lr' "$part") " "$(table)"
check "stop" pmosctl stop secure
same '"cipher": "aes-xts-plain64"' "\"source\": { \"device\": \"${spare}1\" }"
check "by its other name it is the same, and open" with_pin "$pin" unlock secure --no-start
check "lock" pmosctl lock secure
another_key "$part" "$pin"
check "and so it opens" with_pin "$pin" unlock secure
equal "with what it had" kept "$(inside cat /data/kept)"
check "lock" pmosctl lock secure
expect_code 5 "it is not made a second time" with_pin "$pin" provision secure
wipefs --all --quiet "$part"
check "with its header apart" wants "$apart" "\"source\": { \"device\": \"$part\" }"
check "it is made" with_pin "$pin" provision secure
check "and opened" with_pin "$pin" unlock secure
inside sh -c 'echo kept >/data/kept; sync'
check "lock" pmosctl lock secure
mv "$header" "$header.away"
expect_code 13 "without its header it is not opened" with_pin "$pin" unlock secure
expect_code 5 "nor made anew" with_pin "$pin" provision secure
mv "$header.away" "$header"
check "with it it opens" with_pin "$pin" unlock secure
equal "with what it had" kept "$(inside cat /data/kept)"
check "lock" pmosctl lock secure
rm -r /srv/card
dd if=/dev/zero of="$part" bs=512 count=1 status=none
dmsetup create vg-lv --table "0 $((40 * 2048)) linear ${spare}1 4096"
udevadm settle
mkdir -p /dev/vg && ln -s ../mapper/vg-lv /dev/vg/lv
check "a logical volume is the volume's" wants '"cipher": "aes-xts-plain64"' '"source": { "device": "/dev/vg/lv" }'
check "it is made" with_pin "$pin" provision secure
check "and opened" with_pin "$pin" unlock secure
inside sh -c 'echo kept >/data/kept; sync'
check "lock" pmosctl lock secure
check "and opened again" with_pin "$pin" unlock secure
equal "with what it had" kept "$(inside cat /data/kept)"
check "lock" pmosctl lock secure
check "nothing holds it" dmsetup remove --retry vg-lv
rm -r /dev/vg
dd if=/dev/zero of="$spare" bs=1M count=8 status=none
blockdev --rereadpt "$spare"

return_profile
rm -rf "$work"
pmos_reset
