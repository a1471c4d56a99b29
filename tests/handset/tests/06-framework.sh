#!/bin/bash
# The assertions themselves: a check that cannot fail would make every other test worthless.
. "$HANDSET_LIB"

run() { # SCRIPT: its output, then its exit code on the last line
    local code=0
    bash -c ". '$HANDSET_LIB'; $1" 2>&1 || code=$?
    echo "exit $code"
}

matches "a good check passes" '^exit 0$' "$(run 'check yes true')"
matches "a bad check fails" '^exit 1$' "$(run 'check no false; check yes true')"
matches "a failure shows the output" '\| why$' "$(run 'check no sh -c "echo why; exit 3"')"
matches "no check at all fails" '^exit 1$' "$(run 'true')"
matches "an expected failure passes" '^exit 0$' "$(run 'expect_fail no false')"
matches "an unexpected success fails" '^exit 1$' "$(run 'expect_fail no true')"
matches "a missing command is no expected failure" '^exit 1$' "$(run 'expect_fail no /no/such')"
matches "unequal fails" '^exit 1$' "$(run 'equal x a b')"
matches "a skip says why" '^because$' "$(run 'skip because')"
matches "a skip is 77" '^exit 77$' "$(run 'skip because')"
matches "a script that dies is not passed" '^exit 4$' "$(run 'check yes true; exit 4')"
before=$(mktemp)
after=$(mktemp)
snapshot "$before"
snapshot "$after"
compare "two looks at the same phone agree" "$before" "$after"
for leak in 'mount -t tmpfs leak /mnt' 'mkdir /sys/fs/cgroup/leak' 'ip link add leak type dummy' \
    'ip netns add leak' 'losetup /dev/loop7 /usr/share/pmos/images/secure.erofs' \
    'dmsetup create leak --table "0 8 zero"' 'keyctl add user leak value @u'; do
    bash -c "$leak" >/dev/null
    snapshot "$after"
    if cmp -s "$before" "$after"; then
        check "a snapshot sees: $leak" false
    else
        check "a snapshot sees: $leak" true
    fi
    case $leak in
    mount*) umount /mnt ;;
    mkdir*) rmdir /sys/fs/cgroup/leak ;;
    'ip link'*) ip link del leak ;;
    'ip netns'*) ip netns del leak ;;
    losetup*) losetup -d /dev/loop7 ;;
    dmsetup*) dmsetup remove leak ;;
    keyctl*) keyctl unlink "$(keyctl search @u user leak)" @u >/dev/null ;;
    esac
done
snapshot "$after"
compare "all leaks are cleaned up" "$before" "$after"
check "the host keeps a file" handset-host save /etc/hostname framework.txt
check "the host takes the screen" handset-host screendump framework.png
expect_fail "the host refuses an unknown verb" handset-host no-such-verb
