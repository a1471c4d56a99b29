#!/bin/bash
# What costs something to tell is told where the profile asks, with its line: limits of the cgroup,
# rules on arguments (also when pmosd dies meanwhile), capabilities, Landlock.
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
detail() { jq -r "select(.details | $1) | .details.$2" "$seen" | head -1; }
heard() { kill $listener && wait $listener 2>/dev/null; }
try() { pmosctl exec personal -- python3 -c "$1"; }
at_line() { # WHAT CONDITION WORD: its line holds the word
    local at file line
    at=$(detail "$2" at)
    matches "$1" '^/usr/share/pmos/profiles/.*\.json:[0-9]+:[0-9]+$' "$at"
    file=${at%%:*} line=${at#*:}
    matches "$1: the line itself" "$3" "$(sed -n "${line%%:*}p" "$file")"
}

python3 - "$profile" <<'END'
import re, sys
text = open(sys.argv[1]).read()
ask = '''"denials": { "arguments": true, "capabilities": true, "landlock": true },
  "resources": { "memory": { "max": "160MiB" }, "pids": { "max": 48 } },
  '''
text = text.replace('"pmos": 1,', '"pmos": 1,\n  ' + ask, 1)
open(sys.argv[1], "w").write(text)
END
sed -n 1,30p "$profile"
check "the profile is sound" pmosctl policy check "$profile"
check "reload" reload
doctor=$(pmosctl doctor --json)
for layer in "denials of capabilities" "denials by Landlock" "denials by cgroup limits"; do
    said=$(jq -r ".[] | select(.subject == \"$layer\").severity" <<<"$doctor")
    case $layer in
    *Landlock) [ -n "$said" ] || continue ;; # a kernel without it has nothing to tell
    esac
    equal "doctor: $layer" ok "$said"
done
check "personal starts" pmosctl start personal
check "to the front" pmosctl switch personal
matches "its plan asks" seccompAnswer "$(pmosctl inspect personal)"

note "limits"
listen
try 'import os, time
for i in range(100):
    try:
        if os.fork() == 0: time.sleep(2); os._exit(0)
    except OSError as e: print(e)' >/dev/null
within 10 "pids.max is told" seen '.layer == "cgroup" and .rule == "limit-pids-max"'
equal "as refused" refused "$(detail '.rule == "limit-pids-max"' verdict)"
at_line "with its line" '.rule == "limit-pids-max"' pids
sleep 2
try 'x = b"x" * (400 << 20)' 2>/dev/null
within 10 "a kill for memory is told" seen '.rule == "limit-memory-max" and .verdict == "killed"'
at_line "with its line" '.verdict == "killed"' memory
heard

note "rules on arguments"
packet='import socket
try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except OSError as e: print(e.errno)'
listen
equal "the errno is the rule's" 97 "$(try "$packet")"
within 10 "it is told" seen '.what | startswith("socket(0x11")'
equal "as a guard's" seccomp-guard "$(detail '.what | startswith("socket(0x11")' rule)"
equal "by whom" python3 "$(detail '.what | startswith("socket(0x11")' program)"
heard
lacks "a trial judges by the same filter" "let in" "$(pmosctl policy try personal 'judge socket 17 3 0' 2>&1)"
matches "and lets in what that does" "let in" "$(pmosctl policy try personal 'judge socket 1 1 0' 2>&1)"

note "pmosd is killed again and again while a program is refused without end"
pmosctl exec personal -- python3 -c 'import socket, time, collections
seen = collections.Counter()
end = time.monotonic() + 12
while time.monotonic() < end:
    try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW); seen["let in"] += 1
    except OSError as e: seen[e.errno] += 1
open("/tmp/refusals", "w").write(repr(dict(seen)))' >/dev/null 2>&1 &
sleep 2
for _ in 1 2 3 4; do
    old=$(systemctl show -P MainPID pmosd)
    kill -9 "$old"
    within 20 "another pmosd" sh -c "pmosctl status && [ \$(systemctl show -P MainPID pmosd) != $old ]"
done
inside=/proc/$(head -1 /sys/fs/cgroup/system.slice/pmos-modes.service/personal/cgroup.procs)/root/tmp
within 40 "the loop came to its end" test -s "$inside/refusals"
refusals=$(cat "$inside/refusals")
note "what it got: $refusals"
lacks "none was let in" "let in" "$refusals"
matches "refused by the rule" '97: [0-9]+' "$refusals"
lacks "nor did one get ENOSYS: systemd kept the listener" '38:' "$refusals"
listen
equal "the new pmosd answers" 97 "$(try "$packet")"
within 15 "and tells" seen '.what | startswith("socket(0x11")'
heard

note "frozen meanwhile"
cg=/sys/fs/cgroup/system.slice/pmos-modes.service/personal
pmosctl exec personal -- python3 -c 'import time; time.sleep(1)
import socket
try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
except OSError as e: open("/tmp/after", "w").write(str(e.errno))' >/dev/null 2>&1 &
systemctl kill -s STOP --kill-whom=main pmosd
sleep 2
echo 1 >$cg/cgroup.freeze
sleep 1
systemctl kill -s CONT --kill-whom=main pmosd
sleep 1
echo 0 >$cg/cgroup.freeze
within 10 "the call that waited ends as it should" grep -q 97 "$inside/after"

note "capabilities"
listen
try 'import os
open("/tmp/closed", "w"); os.chmod("/tmp/closed", 0)
try: open("/tmp/closed")
except OSError as e: print(e)' >/dev/null 2>&1
within 10 "a capability is told" seen '.layer == "capability"'
jq -c 'select(.details.layer == "capability") | .details' "$seen" | head -5
matches "by its name" '^CAP_DAC_' "$(detail '.layer == "capability"' what)"
equal "as not granted" capability-not-granted "$(detail '.layer == "capability" and .rule == "capability-not-granted"' rule)"
at_line "with its line" '.layer == "capability"' '.'
heard

if [ -e /sys/kernel/security/lsm ] && grep -q landlock /sys/kernel/security/lsm; then
    note "Landlock"
    listen
    try 'import shutil, os
shutil.copy("/bin/true", "/tmp/true"); os.chmod("/tmp/true", 0o755)
try: os.execv("/tmp/true", ["true"])
except OSError as e: print(e)' >/dev/null 2>&1
    try 'open("/usr/refused", "w")' >/dev/null 2>&1
    within 10 "something of Landlock's is told" seen '.layer == "landlock"'
    jq -c 'select(.details.layer == "landlock") | .details' "$seen" | head -5
    heard
fi

cp "$kept" "$profile"
check "as it was" reload
rm -f "$kept" "$seen"
pmos_reset
