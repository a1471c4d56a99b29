#!/bin/bash
# The verbs on single volumes by pmosctl, on the phone as it booted: what they do and say, over the
# bus and with a running mode.
# timeout: 400
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
pmos_reset
rm -rf "$work"
