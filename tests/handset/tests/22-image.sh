#!/bin/bash
# A mode's image that dm-verity vouches for: what was changed on the storage is an I/O error and an
# event, never other code; and nothing of it is left behind.
# timeout: 400
# turn: 3
. "$HANDSET_LIB"

profiles=/usr/share/pmos/profiles images=/usr/share/pmos/images
work=$(mktemp -d) before=$(mktemp) after=$(mktemp)
tree=$work/tree seen=$work/seen image=$images/sealed.erofs

plant() { # a userland of the phone's own programs, and a file of noise
    local program library
    mkdir -p "$tree"/{data,proc,dev,sys,tmp,run,mnt,etc,var/tmp,usr/bin,usr/lib64,usr/share}
    ln -s usr/bin "$tree/bin" && ln -s usr/lib "$tree/lib" && ln -s usr/lib64 "$tree/lib64"
    for program in sh cat sleep sha256sum true test; do
        cp -L "$(type -P $program)" "$tree/usr/bin/$program"
        ldd "$(type -P $program)" | grep -o '/lib[^ ]*' | while read -r library; do
            install -D "$(readlink -f "$library")" "$tree/usr$library"
        done
    done
    head -c 1M /dev/urandom >"$tree/usr/share/noise"
    chmod -R a+rX "$tree"
}
command='sleep 1000'
profile() { # ROOT-HASH [MORE [AND-MORE]]: the mode's profile, more of 'verity' and of 'root'
    printf '%s\n' '{' ' "pmos": 1, "mode": "sealed",' \
        ' "extends": ["blocks/hardened.json", "blocks/base-dev.json"],' \
        ' "root": { "image": "sealed.erofs",' \
        "  \"verity\": { \"rootHash\": \"$1\"${2:-} }${3:-} }," \
        ' "identity": { "uidRange": { "start": 500000, "count": 65536 } },' \
        " \"process\": { \"args\": [\"/bin/sh\", \"-c\", \"$command\"] }" '}' >"$profiles/.new"
    mv "$profiles/.new" "$profiles/sealed.json"
}
offset_of_noise() {
    python3 -c 'import sys; print(open(sys.argv[1], "rb").read().index(open(sys.argv[2], "rb").read(64)))' \
        "$image" "$tree/usr/share/noise"
}
noise() { pmosctl exec sealed -- cat /usr/share/noise | sha256sum; }
told() { jq -es "any(.[]; .kind == \"image-corrupt\" and (.details | $1))" "$seen" >/dev/null; }
no_device() { ! dmsetup ls | grep -q sealed && ! losetup -l | grep -q sealed; }
one_device() { [ "$(dmsetup ls | grep -c sealed)" = 1 ]; }
daemon() { systemctl show -P MainPID pmosd; }
another_daemon() { [ "$(daemon)" != "$1" ] && [ "$(daemon)" != 0 ] && pmosctl status >/dev/null; }

plant
# At boot it may still be on its way.
check "personal is up" pmosctl start personal
pmos_reset
snapshot "$before"

note "making"
check "an image of a directory" pmosctl image build "$tree" -o "$image" --json
hash=$(pmosctl image build "$tree" -o "$image" --json | jq -r .rootHash)
data=$(($(od -An -tu4 -j1060 -N4 "$image") * 4096))
matches "it has a root hash" '^[0-9a-f]{64}$' "$hash"
check "pmosctl finds it whole" pmosctl image verify "$image" --root-hash "$hash"
check "so does veritysetup" veritysetup verify "$image" "$image" "$hash" --hash-offset=$data
stop_if_failed

note "running"
profile "$hash"
check "the profile is taken" reload
lacks "check has no word on its image, nor on the others'" unverified-image \
    "$(pmosctl policy check $profiles)"
check "the mode starts" pmosctl start sealed
matches "from a device of dm-verity" "verity .*$hash" "$(dmsetup table pmos-sealed.root)"
equal "its contents are what was put in" "$(sha256sum <"$tree/usr/share/noise")" "$(noise)"
matches "doctor says so" 'image of sealed.*verified' "$(pmosctl doctor)"
# As a pmosd leaves it that is killed between making a device and opening it.
check "half a mapping" dmsetup create pmos-gone.root --notable
old=$(daemon)
kill -9 "$old"
within 60 "another pmosd" another_daemon "$old"
check "has it still" state_is sealed running
expect_fail "and has cleared the half" dmsetup info pmos-gone.root
equal "on the same device" "$(sha256sum <"$tree/usr/share/noise")" "$(noise)"
check "stop" pmosctl stop sealed
check "start" pmosctl start sealed
within 20 "there is one device, not two" one_device

note "a bit that is not the image's"
pmosctl events --json >"$seen" &
listener=$!
at=$(offset_of_noise)
sleep 1
flip "$image" "$at"
matches "who reads it has an I/O error" 'Input/output error' \
    "$(pmosctl exec sealed -- cat /usr/share/noise 2>&1 >/dev/null)"
within 10 "it is told, with its block" told ".block == \"$((at / 4096))\" and .part == \"data\""
within 10 "and with the line that says what is meant" told \
    '.at | test("sealed\\.json:5:[0-9]+$")'
equal "the mode runs on" running "$(field sealed state)"
check "and all else of it is there" pmosctl exec sealed -- true
matches "doctor warns" 'image of sealed.*1 block not as' "$(pmosctl doctor)"
matches "verify finds the block" "block $((at / 4096)) at" "$(pmosctl image verify "$image" 2>&1)"
expect_fail "and fails" pmosctl image verify "$image" --root-hash "$hash"
flip "$image" "$at"
equal "mended, it reads again" "$(sha256sum <"$tree/usr/share/noise")" "$(noise)"
kill $listener && wait $listener 2>/dev/null
check "locking lets go of it, and mounts it anew" pmosctl lock sealed
matches "doctor has nothing against it now" 'ok +image of sealed' "$(pmosctl start sealed && pmosctl doctor)"

note "what does not start"
other=$(printf '%s' "$hash" | tr 0-9a-f 1-9a-f0)
pmosctl stop sealed >/dev/null
profile "$other"
reload
said=$(pmosctl start sealed 2>&1)
matches "another root hash is refused at its line" 'sealed\.json:5:[0-9]+' "$said"
matches "with the one that the image has" "$hash" "$said"
equal "the mode does not run" false "$([ "$(field sealed pid)" = 0 ] && echo false)"
within 20 "no device is left" no_device
profile 00
reload
matches "what is no root hash disables it" '64 hex digits|not a root hash' "$(field sealed reason)"
profile "$hash"
flip "$image" $((data + 4096 + 7))
reload
expect_fail "damaged hashes refuse it" pmosctl start sealed
flip "$image" $((data + 4096 + 7))
flip "$image" 1030
reload
expect_fail "and a damaged superblock of erofs" pmosctl start sealed
within 20 "no device is left" no_device
flip "$image" 1030
truncate -s $data "$image"
reload
matches "an image without hashes is refused" 'verity tree' "$(pmosctl start sealed 2>&1)"
within 20 "no device is left" no_device

note "hashes in a file of their own"
check "they are made" pmosctl image build "$image" -o "$image" --hash-image "$images/sealed.hashes"
profile "$hash" ', "hashImage": "sealed.hashes"'
reload
check "the mode starts" pmosctl start sealed
equal "and is the same" "$(sha256sum <"$tree/usr/share/noise")" "$(noise)"

note "an image that does not become ready"
cp "$image" "$images/old.erofs" && cp "$images/sealed.hashes" "$images/old.hashes"
echo 'exit 3' >"$tree/etc/start"
new=$(pmosctl image build "$tree" -o "$image" --json | jq -r .rootHash)
pmosctl stop sealed >/dev/null
fallen() { jq -es 'any(.[]; .kind == "image-fell-back")' "$seen" >/dev/null; }
command='if [ -e /etc/start ]; then exit 3; fi; sleep 1000'
profile "$new" '' ', "fallback": { "image": "old.erofs", "verity":
    { "rootHash": "'"$hash"'", "hashImage": "old.hashes" } }, "readyAfter": "20s"'
reload
pmosctl events --json >"$seen" &
listener=$!
sleep 1
check "the new one is started" pmosctl start sealed
within 20 "and when its process fails, it is told" fallen
within 20 "the mode runs" state_is sealed running
matches "from the old one" "verity .*$hash" "$(dmsetup table)"
expect_fail "which has not what failed" pmosctl exec sealed -- test -e /etc/start
matches "doctor warns" 'image of sealed.*was not ready' "$(pmosctl doctor)"
old=$(daemon)
pmosctl stop sealed >/dev/null
kill -9 "$old"
wait $listener 2>/dev/null # it ends with its pmosd
within 60 "another pmosd" another_daemon "$old"
check "starts it" pmosctl start sealed
matches "from the old one at once" "verity .*$hash" "$(dmsetup table)"
rm "$tree/etc/start" && echo fixed >"$tree/etc/fixed"
pmosctl stop sealed >/dev/null
new=$(pmosctl image build "$tree" -o "$image" --json | jq -r .rootHash)
profile "$new" '' ', "fallback": { "image": "old.erofs", "verity":
    { "rootHash": "'"$hash"'", "hashImage": "old.hashes" } }, "readyAfter": "20s"'
check "another image" reload
check "is tried" pmosctl start sealed
check "and is what runs" pmosctl exec sealed -- test -e /etc/fixed
pmosctl stop sealed >/dev/null
rm "$image"
pmosctl lock sealed >/dev/null
check "an image that is gone" pmosctl start sealed
matches "is no reason not to start" "verity .*$hash" "$(dmsetup table)"
pmosctl lock sealed >/dev/null
rm -f /var/lib/pmos/images/sealed "$images/old.erofs" "$images/old.hashes"
hash=$(pmosctl image build "$tree" -o "$image" --json | jq -r .rootHash)
command='sleep 1000'
profile "$hash"
reload

note "what it costs"
ms() { # the median of five starts and stops, as the caller sees a start
    for _ in 1 2 3 4 5; do
        pmosctl stop sealed >/dev/null
        sleep 0.5
        python3 -c 'import subprocess, time
t = time.monotonic(); subprocess.run(["pmosctl", "start", "sealed"], check=True)
print(int((time.monotonic() - t) * 1000))'
    done | grep -x '[0-9]*' | sort -n | sed -n 3p
}
verified=$(ms)
sed -i 's/"image": "sealed.erofs",/"image": "sealed.erofs" },/; /"verity"/d' "$profiles/sealed.json"
reload
matches "check notes that nothing verifies it now" 'sealed.*unverified-image' \
    "$(pmosctl policy check $profiles)"
pmosctl stop sealed >/dev/null
note "pmosctl start, image verified: $verified ms, not verified: $(ms) ms"

pmosctl lock sealed >/dev/null
rm -rf "$profiles/sealed.json" "$image" "$images/sealed.hashes" "$work"
reload
within 20 "no device is left" no_device
old=$(daemon)
systemctl restart pmosd # which forgets a mode that has no profile
within 60 "another pmosd" another_daemon "$old"
within 60 "which starts personal" state_is personal running
pmos_reset
snapshot "$after"
compare "nothing is left behind" "$before" "$after"
