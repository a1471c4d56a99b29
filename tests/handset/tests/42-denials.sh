#!/bin/bash
# What the kernel refuses to a mode is told at once, with the line of the profile that decides.
. "$HANDSET_LIB"

profile=/usr/share/pmos/profiles/personal.json
kept=$(mktemp) seen=$(mktemp)
cp "$profile" "$kept"

listen() { # until `heard`: the denials from now on, as JSON
    : >"$seen"
    pmosctl events --denials --json >"$seen" &
    listener=$!
    sleep 1
}
seen() { jq -es "any(.[]; .details | $1)" "$seen" >/dev/null; } # a condition on one of them
told() { seen ".what == \"$1\""; }
detail() { jq -r "select(.details.what == \"$1\") | .details.$2" "$seen" | head -1; }
heard() { kill $listener && wait $listener 2>/dev/null; }
try() { pmosctl exec personal -- python3 -c "$1"; }
ptrace_me='import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)' # ptrace(TRACEME)

check "personal runs" pmosctl start personal
check "personal is in front" pmosctl switch personal

note "kills and AppArmor are told without asking"
listen
try 'open("/proc/keys")' 2>/dev/null
# An x32 call: its number has bit 30, and the filter ends whoever makes one.
try 'import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 39)' 2>/dev/null
within 10 "the kill is told" seen '.verdict == "killed"'
equal "it was seccomp in personal" "personal seccomp" \
    "$(jq -r 'select(.details.verdict == "killed") | .mode + " " + .details.layer' "$seen" | head -1)"
within 10 "what AppArmor refused too" seen '.layer == "apparmor"'
matches "and to what" '^open /proc/keys$' \
    "$(jq -r 'select(.details.layer == "apparmor") | .details.what' "$seen" | head -1)"
heard

note "devices"
# A mode has no node of what it was not granted, so one of the phone's is opened in its place.
modem=$(readlink -f /dev/pmos-modem)
rights=$(stat -c %a "$modem")
chmod 666 "$modem"
open_in() { # MODE FIRST-UID
    sh -c 'echo 0 >/sys/fs/cgroup/system.slice/pmos-modes.service/$1/cgroup.procs &&
        exec setpriv --reuid $2 --regid $2 --clear-groups head -c0 "$3"' sh "$1" "$2" "$modem"
}
listen
expect_fail "personal may not have the modem" open_in personal 200000
within 10 "that is told" told "$modem"
equal "as not granted" device-not-granted "$(detail "$modem" rule)"
matches "at a line" 'profiles/.*\.json:[0-9]+:[0-9]+$' "$(detail "$modem" at)"
heard
old=$(systemctl show -P MainPID pmosd)
kill -9 "$old"
within 30 "another pmosd" sh -c "pmosctl status && [ \$(systemctl show -P MainPID pmosd) != $old ]"
listen
expect_fail "it may not have it now" open_in personal 200000
within 10 "and that is told by the new pmosd" told "$modem"
heard
chmod "$rights" "$modem"

note "other refusals where the profile asks for it"
sed -i 's/"seccomp": *{/"seccomp": { "flags": ["SECCOMP_FILTER_FLAG_LOG"],/' "$profile"
grep -q FLAG_LOG "$profile" || sed -i '0,/"pmos": 1,/s//"pmos": 1, "seccomp": { "flags": ["SECCOMP_FILTER_FLAG_LOG"] },/' "$profile"
check "the profile is sound" pmosctl policy check "$profile"
check "reload" reload
check "restart" pmosctl restart personal
check "to the front" pmosctl switch personal
listen
try "$ptrace_me"
within 10 "ptrace is told" told ptrace
equal "by which rule" seccomp-not-allowed "$(detail ptrace rule)"
equal "by whom" python3 "$(detail ptrace program)"
at=$(detail ptrace at)
matches "at a line of a file" '^/usr/share/pmos/profiles/.*\.json:[0-9]+:[0-9]+$' "$at"
file=${at%%:*} line=${at#*:}
matches "which is the list" 'allow' "$(sed -n "${line%%:*}p" "$file")"
matches "and what would allow it" '"ptrace"' "$(detail ptrace hint)"
try 'import ctypes
for i in range(1000): ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)'
sleep 1
equal "a thousand more are not told one by one" 1 "$(jq -r 'select(.details.what == "ptrace") | .kind' "$seen" | wc -l)"
within 15 "but counted" seen '.what == "ptrace" and ((.times // "0") | tonumber) > 100'
try 'import ctypes; libc = ctypes.CDLL(None)
libc.prctl(15, b"\xff\x1b[2J", 0, 0, 0) # PR_SET_NAME
libc.syscall(169, 0)' 2>/dev/null # reboot
within 10 "a name that no terminal should see" told reboot
equal "is told, and made harmless" '\xff\x1b[2J' "$(detail reboot program)"
try 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)' 2>/dev/null
within 10 "a guard is told" told socket
equal "as one" seccomp-guard "$(detail socket rule)"
heard
matches "the journal has it as well" 'denied personal .*ptrace' "$(journalctl -u pmosd --no-pager -n 200)"

cp "$kept" "$profile"
check "as it was" reload
rm -f "$kept" "$seen"
pmos_reset
