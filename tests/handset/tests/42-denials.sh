#!/bin/bash
# What the kernel refuses to a mode is told at once, with the line of the profile that decides.
. "$HANDSET_LIB"

profile=/usr/share/pmos/profiles/personal.json
told() { seen ".what == \"$1\""; }
of() { detail ".what == \"$1\"" "$2"; }
try() { python_in personal "$1"; }
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
    "$(so_far -r 'select(.details.verdict == "killed") | .mode + " " + .details.layer' | head -1)"
within 10 "what AppArmor refused too" seen '.layer == "apparmor"'
matches "and to what" '^open /proc/keys$' \
    "$(so_far -r 'select(.details.layer == "apparmor") | .details.what' | head -1)"
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
equal "as not granted" device-not-granted "$(of "$modem" rule)"
matches "at a line" 'profiles/.*\.json:[0-9]+:[0-9]+$' "$(of "$modem" at)"
heard
new_pmosd
listen
expect_fail "it may not have it now" open_in personal 200000
within 10 "and that is told by the new pmosd" told "$modem"
heard
chmod "$rights" "$modem"

note "other refusals where the profile asks for it"
borrow_profile "$profile"
sed -i 's/"seccomp": *{/"seccomp": { "flags": ["SECCOMP_FILTER_FLAG_LOG"],/' "$profile"
grep -q FLAG_LOG "$profile" || sed -i '0,/"pmos": 1,/s//"pmos": 1, "seccomp": { "flags": ["SECCOMP_FILTER_FLAG_LOG"] },/' "$profile"
check "the profile is sound" pmosctl policy check "$profile"
check "reload" reload
check "restart" pmosctl restart personal
check "to the front" pmosctl switch personal
listen
try "$ptrace_me"
within 10 "ptrace is told" told ptrace
equal "by which rule" seccomp-not-allowed "$(of ptrace rule)"
equal "by whom" python3 "$(of ptrace program)"
at_line "at the line of the list" '.what == "ptrace"' allow
matches "and what would allow it" '"ptrace"' "$(of ptrace hint)"
try 'import ctypes
for i in range(1000): ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)'
sleep 1
equal "a thousand more are not told one by one" 1 "$(so_far -r 'select(.details.what == "ptrace") | .kind' | wc -l)"
within 15 "but counted" seen '.what == "ptrace" and ((.times // "0") | tonumber) > 100'
try 'import ctypes; libc = ctypes.CDLL(None)
libc.prctl(15, b"\xff\x1b[2J", 0, 0, 0) # PR_SET_NAME
libc.syscall(169, 0)' 2>/dev/null # reboot
within 10 "a name that no terminal should see" told reboot
equal "is told, and made harmless" '\xff\x1b[2J' "$(of reboot program)"
try 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)' 2>/dev/null
within 10 "a guard is told" told socket
equal "as one" seccomp-guard "$(of socket rule)"
heard
matches "the journal has it as well" 'denied personal .*ptrace' "$(journalctl -u pmosd --no-pager -n 200)"

return_profile
pmos_reset
