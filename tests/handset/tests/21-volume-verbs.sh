#!/bin/bash
# The verbs on single volumes by pmosctl, on the phone as it booted: what they do and say, over the
# bus and with a running mode.
# timeout: 900
. "$HANDSET_LIB"

pin=$RANDOM$RANDOM
new=$RANDOM$RANDOM
work=$(mktemp -d)
cd "$work" || exit 1

told() { pmosctl volume info secure --json | jq -r ".$1"; }
passwd() { pmosctl volume passwd secure --pin-fd 3 --new-pin-fd 4 3< <(printf %s "$1") 4< <(printf %s "$2"); }

note "list and info"
check "the volume is made" fresh_secure "$pin"
matches "list shows it closed" '^secure +data +closed' "$(pmosctl volume list)"
equal "list as JSON" 'secure data closed' \
    "$(pmosctl volume list secure --json | jq -r '.[0] | "\(.mode) \(.name) \(.state)"')"
equal "info of a closed one" 'closed aes-xts-plain64 512 none' \
    "$(told state) $(told cipher) $(told keyBits) $(told integrity)"
check "it is opened, and its mode started" with_pin "$pin" unlock secure
equal "info of an open one" open "$(told state)"
check "with what is used of it" test "$(told used)" -gt 0
expect_code 13 "a volume that is not there" pmosctl volume info secure nothing
expect_code 3 "a mode that is not there" pmosctl volume info nosuch data

note "passwd"
expect_code 8 "a wrong PIN" passwd "x$pin" "$new"
check "a new PIN while the mode runs" passwd "$pin" "$new"
equal "and it still runs" running "$(field secure state)"
check "lock" pmosctl lock secure
expect_code 8 "the old PIN opens it no more" with_pin "$pin" unlock secure
check "the new one does" with_pin "$new" unlock secure --no-start
equal "one keyslot is left" 1 "$(pmosctl volume info secure --json | jq '.keyslots | length')"
lacks "no PIN is in the journal" "$pin|$new" "$(journalctl -b --no-pager -u pmosd)"

note "backup and restore"
check "backup" pmosctl volume backup secure data header
matches "with a warning" 'erased' "$(pmosctl volume backup secure data header2 2>&1)"
expect_code 5 "a file that is there is not overwritten" pmosctl volume backup secure data header
expect_code 9 "restore to an open volume" pmosctl volume restore secure data header --yes
check "lock" pmosctl lock secure
check "the PIN is changed back" passwd "$new" "$pin"
expect_code 2 "restore without consent" pmosctl volume restore secure data header </dev/null
check "restore" pmosctl volume restore secure data header --yes
expect_code 8 "the later PIN opens it no more" with_pin "$pin" unlock secure
check "that of the backup does" with_pin "$new" unlock secure
check "lock" pmosctl lock secure
head -c 16777216 /dev/zero >nothing
expect_code 1 "what is no header" pmosctl volume restore secure data nothing --yes
useradd -G pmos volume-member
expect_code 14 "a header is for root only" \
    setpriv --reuid volume-member --regid volume-member --init-groups \
    pmosctl --bus volume backup secure data /tmp/volume-member.header
check "who may call pmosd may look" setpriv --reuid volume-member --regid volume-member \
    --init-groups pmosctl --bus volume info secure
userdel volume-member
rm -f /tmp/volume-member.header
equal "no header is left behind" '' "$(find /var/lib/pmos/headers -type f 2>/dev/null)"
note "resize and wipe-free"
image=$(pmosctl volume list secure --json | jq -r '.[0].source')
size() { stat -c %s "$image"; }
resize() { pmosctl volume resize secure data "$2" --pin-fd 3 3< <(printf %s "$1"); }
before=$(size)
larger=$((before + 67108864))
expect_code 7 "a closed volume does not grow" resize "$new" "$larger"
check "it is opened, and its mode started" with_pin "$new" unlock secure
expect_code 0 "a file in it" pmosctl exec secure -- sh -c 'echo kept >/data/kept'
blocks() { pmosctl exec secure -- stat -f -c %b /data; }
had=$(blocks)
expect_code 8 "a wrong PIN does not grow it" resize "x$new" "$larger"
expect_code 12 "it does not become smaller" resize "$new" $((before - 4096))
expect_code 15 "nor larger than its storage" resize "$new" 1TiB
equal "nothing of that changed the file" "$before" "$(size)"
# A shell gives its background commands a SIGINT that is ignored.
env --default-signal=INT pmosctl volume resize secure data "$larger" --pin-fd 3 \
    3< <(printf %s "$new") >out 2>progress &
growing=$!
until [ -s progress ] || ! kill -0 $growing 2>/dev/null; do :; done
kill -INT $growing
wait $growing
matches "Ctrl-C ends it at whatever step it was, or it was done" '^(130|0)$' $?
within 10 "and the work" sh -c '! pgrep -x pmos-volume'
note "it left $(size) bytes of $larger"
equal "the mode has what it had" kept "$(pmosctl exec secure -- cat /data/kept)"
check "repeated, it grows while the mode runs" resize "$new" "$larger"
equal "the file has the size asked for" "$larger" "$(size)"
check "the mode has the room" test "$(blocks)" -gt $((had + 12000))
equal "and what it had" kept "$(pmosctl exec secure -- cat /data/kept)"
check "the same once more is fine" resize "$new" "$larger"
canary=$(head -c 24 /dev/urandom | base64)
pmosctl exec secure -- sh -c "yes '$canary' | head -c 20000000 >/data/gone; sync; rm /data/gone; sync"
device=/dev/mapper/pmos-secure-data
lines=$(grep -caF "$canary" "$device")
check "positive control: what was deleted is still there" test "$lines" -gt 500000
check "wipe-free while the mode runs" pmosctl volume wipe-free secure
echo 3 >/proc/sys/vm/drop_caches
left=$(grep -caF "$canary" "$device")
check "of what was deleted no more is left than ext4 keeps for itself" test $((left * 5)) -lt "$lines"
note "$left of $lines lines of it are"
equal "and what was not deleted is there" kept "$(pmosctl exec secure -- cat /data/kept)"
env --default-signal=INT pmosctl volume wipe-free secure >out 2>progress &
wipe=$!
within 10 "it is at work" grep -q overwriting progress
expect_code 9 "a second one meanwhile is refused" pmosctl volume wipe-free secure
kill -INT $wipe
wait $wipe
equal "Ctrl-C ends pmosctl" 130 $?
within 10 "and the work" sh -c '! pgrep -x pmos-volume'
within 10 "and gives the room back" sh -c 'pmosctl volume wipe-free secure 2>progress'
pmosctl volume wipe-free secure >out 2>progress &
wipe=$!
within 10 "it is at work" grep -q overwriting progress
check "lock does not wait for it" pmosctl lock secure
wait $wipe
equal "which is told that it was cut short" 16 $?
check "after all of it the volume opens, checked" with_pin "$new" unlock secure
equal "with what it had" kept "$(pmosctl exec secure -- cat /data/kept)"
check "lock" pmosctl lock secure
pmos_reset
rm -rf "$work"
