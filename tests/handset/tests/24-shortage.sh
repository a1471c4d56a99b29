#!/bin/bash
# What a volume needs of the phone is not to be had: memory for the key derivation, which the kernel
# refuses (it commits no more) or takes back (the worker is killed), and loop devices. Each is said,
# says nothing of the PIN unless it must, leaves nothing, and is over when there is enough again.
# boot: own
# timeout: 300
# turn: 2
. "$HANDSET_LIB"

pin=$RANDOM$RANDOM$RANDOM
image=/var/lib/pmos/volumes/secure-data.luks
away=/dev/loop-control.away

unlock() { with_pin "${1-$pin}" unlock secure --no-start; }
failures() { field secure failures; }
pmosd() { systemctl show -P MainPID pmosd; }
# nothing_left FAILURES
nothing_left() {
    equal "it stays locked" true "$(field secure locked)"
    expect_fail "no mapping is left" sh -c 'ls /dev/mapper | grep secure-'
    within 10 "nor a loop device" sh -c '! losetup --list | grep -q volumes/secure'
    expect_fail "nor a worker" pgrep -x pmos-volume
    equal "wrong PINs: $1" "$1" "$(failures)"
}
opens() {
    check "with enough of it the PIN opens" unlock
    check "lock" pmosctl lock secure
    equal "and nothing is counted" 0 "$(failures)"
}
# As strict as it can be: what is in use, and this much more.
commit_only() {
    local used
    used=$(awk '/^Committed_AS/ { print $2 }' /proc/meminfo)
    sysctl -qw vm.overcommit_kbytes=$((used + $1 * 1024)) vm.overcommit_memory=2
}
commit_freely() { sysctl -qw vm.overcommit_memory=0; }

check "the volume is made" fresh_secure "$pin"
printf %s "$pin" >key
check "its key derivation takes 64 MiB" cryptsetup luksConvertKey "$image" --key-file key \
    --key-slot 0 --pbkdf argon2id --pbkdf-memory 65536 --pbkdf-force-iterations 4 --pbkdf-parallel 1

note "the kernel commits no more memory"
check "48 MiB are left" commit_only 48
says 15 "it is not opened" 'not enough memory for the key derivation.*stop a mode' unlock
commit_freely
nothing_left 0
opens

note "the worker is killed for want of memory"
serves=$(pmosd)
check "pmosd and its workers have 48 MiB" systemctl set-property --runtime pmosd.service MemoryMax=48M
says 1 "it is not opened" 'killed.*no memory.*counted as wrong.*stop a mode' unlock
equal "pmosd serves on" "$serves" "$(pmosd)"
matches "it was the kernel" 'Memory cgroup out of memory.*pmos-volume' "$(dmesg)"
check "there is no such limit any more" systemctl set-property --runtime pmosd.service MemoryMax=infinity
nothing_left 1
opens

note "no loop device is to be had"
mv /dev/loop-control $away
says 12 "it is not opened" "no '/dev/loop-control'.*load the kernel module" unlock
nothing_left 0
mv $away /dev/loop-control
opens
mv /dev/loop-control $away
check "there is no volume" no_volume secure
says 12 "none is made" "no '/dev/loop-control'.*load the kernel module" with_pin "$pin" provision secure
equal "nor a part of one" '' "$(find /var/lib/pmos/volumes -name 'secure*')"
mv $away /dev/loop-control
check "with it one is made" with_pin "$pin" provision secure

lacks "the PIN is not in the journal" "$pin" "$(journalctl -b --no-pager)"
rm -f key
no_volume secure
pmos_reset
