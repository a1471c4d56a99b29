#!/bin/bash
# What secure is refused names its programs and files: that stays in its own volume, in a part that
# it never sees, and reaches no journal.
# timeout: 300
. "$HANDSET_LIB"

pin=$RANDOM$RANDOM$RANDOM
mapping=/dev/mapper/pmos-secure-data
inside() { pmosctl exec secure -- "$@"; }
kept() { pmosctl logs secure --denials; }
# A program that calls itself that is killed for a system call. Its name is in no script: it is looked
# for in all that the phone has written down.
program=c$RANDOM$RANDOM
killed='import ctypes
ctypes.CDLL(None).prctl(15, NAME, 0, 0, 0)
ctypes.CDLL(None).syscall(0x40000000 | CALL)' # an x32 call
kill_in() { # MODE NAME [CALL]: the same call is told as a repetition
    local program=${killed/NAME/b\"$2\"}
    pmosctl exec "$1" -- python3 -c "${program/CALL/${3:-39}}" 2>/dev/null
}
told_live() { seen ".program == \"$1\""; }

check "a new volume" fresh_secure "$pin"
check "it opens and starts the mode" with_pin "$pin" unlock secure
check "to the front" pmosctl switch secure

note "what the mode sees of its volume"
check "it writes there" inside sh -c 'echo mine >/data/file; sync'
equal "its own files and no others" file "$(inside ls -A /data)"
equal "not by the directory above" "" "$(inside sh -c 'cd /data/.. && ls -d private mode' 2>/dev/null)"
matches "it is one mount" '^[0-9]+ [0-9]+ [0-9:]+ /mode /data ' "$(inside grep ' /data ' /proc/self/mountinfo)"
equal "and only one" 1 "$(inside grep -c 'pmos-secure-data\|/data ' /proc/self/mountinfo)"

note "a refusal"
listen
kill_in secure "$program"
within 10 "whoever listens is told, by name" told_live "$program"
heard
matches "it is kept" "denied layer='seccomp' .*verdict='killed' .*program='$program'" "$(kept)"
matches "as JSON" "$program" "$(pmosctl logs secure --denials --json | jq -r .line)"
journal() { journalctl -b --no-pager -o json | tr -d "\0"; }
matches "the journal has that there was one" 'denied secure layer=.seccomp. verdict=.killed.' "$(journal)"
lacks "and not whose" "$program" "$(journal)"
lacks "nor has the kernel's log" "$program" "$(dmesg)"
# The audit records of everybody else are where they were.
python3 -c 'import ctypes
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
ctypes.CDLL(None).prctl(22, 1, 0, 0, 0) # PR_SET_SECCOMP, strict
open("/")' 2>/dev/null
within 10 "which has the phone's own records" sh -c "dmesg | grep -q 'audit: type=1326 .* uid=0 '"

matches "doctor finds nobody else" "ok *private denials" "$(pmosctl doctor)"
python3 -c 'import socket, time
listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) # NETLINK_AUDIT
listener.bind((0, 1))
time.sleep(600)' &
listening=$!
within 10 "nor misses somebody" sh -c "pmosctl doctor | grep -q 'warning *private denials.*python3 hears'"
kill $listening

note "locked"
kill_in secure "$program" # the lock does not wait until that is told
check "a lock" pmosctl lock secure
expect_code 7 "then it is not to be had" kept
equal "nothing has it mounted" 0 "$(grep -c pmos-secure-data /proc/*/mountinfo | grep -vc ':0$')"
check "unlocked without a start" with_pin "$pin" unlock secure --no-start
matches "it is there" "program='$program'" "$(kept)"
place=$(mktemp -d)
check "the phone's root sees both parts" mount "$mapping" "$place"
equal "side by side" "lost+found mode private" "$(cd "$place" && echo *)"
equal "the private one is root's" "700 0 0" "$(stat -c '%a %u %g' "$place/private")"
equal "the mode's is its own" mine "$(cat "$place/mode/file")"
check "let go" umount "$place"

note "a mode that fills its volume"
check "start" pmosctl start secure
check "to the front" pmosctl switch secure
inside sh -c 'cat /dev/zero >/data/fill; sync' 2>/dev/null
expect_fail "it is full" inside sh -c 'echo more >/data/more && sync'
other=d$RANDOM$RANDOM
kill_in secure "$other" 102
within 20 "hides nothing" sh -c "pmosctl logs secure --denials | grep -q $other"
check "what it had is there" inside rm /data/fill

note "a mode without a secret of its own"
check "personal runs" pmosctl start personal
check "to the front" pmosctl switch personal
third=e$RANDOM$RANDOM
kill_in personal "$third"
within 10 "has its refusals in the journal" sh -c "journalctl -b --no-pager -u pmosd | grep -q \"program='$third'\""

rm -rf "$place"
pmos_reset
check "lock" pmosctl lock secure
