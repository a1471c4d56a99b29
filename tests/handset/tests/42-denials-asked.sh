#!/bin/bash
# What costs something to tell is told where the profile asks, with its line: limits of the cgroup,
# rules on arguments (also when pmosd dies meanwhile), capabilities, Landlock.
# timeout: 400
. "$HANDSET_LIB"

profile=/usr/share/pmos/profiles/personal.json
try() { python_in personal "$1"; }
cg=/sys/fs/cgroup/system.slice/pmos-modes.service/personal

borrow_profile "$profile"
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
    equal "doctor: $layer" ok "$said"
done
# One program is tried for each hook; this kernel's Landlock knows nothing of truncation (6.2).
matches "doctor: which is not seen" "seen \\(this kernel has no hook_file_truncate\\)$" \
    "$(jq -r '.[] | select(.subject == "denials by Landlock").message' <<<"$doctor")"
each() { # WHAT: of a call that is refused, outside of any mode
    note "$1: $(setpriv --reuid 65534 --clear-groups python3 -c 'import os, time
def refused():
    try: os.open("/etc/shadow", os.O_RDONLY)
    except OSError: pass
def each():
    begin = time.perf_counter()
    for i in range(3000): refused()
    return (time.perf_counter() - begin) / 3000 * 1e6
print(round(min(each() for i in range(5)), 1), "us for a file that two capabilities would open")')"
}
each "nobody is watched"
pmos_reset  # one that runs has the profile from before
check "personal starts" pmosctl start personal
each "a mode is watched"
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
refused='import socket, time
def refused(type):
    try: socket.socket(type, socket.SOCK_RAW)
    except OSError: pass
def each(type):
    begin = time.perf_counter()
    for i in range(300): refused(type)
    return (time.perf_counter() - begin) / 300 * 1e6
print("asked", *[round(min(each(type) for i in range(5)), 1) for type in (17,)], "us")'
note "a refused socket(2): $(try "$refused")"
listen
equal "the errno is the rule's" 97 "$(try "$packet")"
within 10 "it is told" seen '.what | startswith("socket(0x11")'
equal "as a guard's" seccomp-guard "$(detail '.what | startswith("socket(0x11")' rule)"
equal "by whom" python3 "$(detail '.what | startswith("socket(0x11")' program)"
heard
equal "a trial judges by the same filter" "errno 97 judge" "$(pmosctl policy try personal 'judge socket 17 3 0' 2>&1)"
equal "and lets in what that does" "ok 0" "$(pmosctl policy try personal 'judge socket 1 1 0' 2>&1)"

note "pmosd is killed again and again while a program is refused without end"
pmosctl exec personal -- python3 -c 'import os, socket, time, collections
seen = collections.Counter()
while not os.path.exists("/tmp/enough"):
    try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW); seen["let in"] += 1
    except OSError as e: seen[e.errno] += 1
open("/tmp/refusals", "w").write(repr(dict(seen)))' >/dev/null 2>&1 &
sleep 2
for _ in 1 2 3 4; do
    new_pmosd
done
inside=/proc/$(head -1 /sys/fs/cgroup/system.slice/pmos-modes.service/personal/cgroup.procs)/root/tmp
try 'open("/tmp/enough", "w")'
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
so_far -c 'select(.details.layer == "capability") | .details' | head -5
matches "by its name" '^CAP_DAC_' "$(detail '.layer == "capability"' what)"
equal "as not granted" capability-not-granted "$(detail '.layer == "capability" and .rule == "capability-not-granted"' rule)"
at_line "with its line" '.layer == "capability"' '"capabilities"'
heard

note "Landlock"
listen
# /proc and /dev are there to be read: nothing but Landlock keeps their owner from more.
try 'import os
try: open("/proc/self/comm", "w").write("x"); print("written")
except OSError as e: print(e)
try: os.mkdir("/dev/made"); print("made")
except OSError as e: print(e)'
within 10 "a refused write is told" seen '.layer == "landlock" and .what == "write comm"'
so_far -c 'select(.details.layer == "landlock") | .details' | head -5
equal "by whom" python3 "$(detail '.what == "write comm"' program)"
at_line "with its line" '.what == "write comm"' '^\{'
heard
listen
try 'for name in "comm", "oom_score_adj", "coredump_filter":
    try: open("/proc/self/" + name, "w")
    except OSError: pass'
for name in comm oom_score_adj coredump_filter; do
    within 10 "of three refused in one moment: $name" seen ".what == \"write $name\""
done
heard

note "more refusals than are told"
lost() { so_far -es 'any(.[]; .kind == "denials-lost" and .mode == "personal" and
    ((.details.times // "0") | tonumber) > 50)' >/dev/null; }
listen
# Different flags are different refusals, and each is told ten times a second.
try 'import os, itertools, time
extra = [os.O_APPEND, os.O_NONBLOCK, os.O_DSYNC, os.O_NOFOLLOW, os.O_DIRECT]
kinds = [mode | sum(some) for mode in (os.O_WRONLY, os.O_RDWR)
         for n in range(6) for some in itertools.combinations(extra, n)]
end = time.monotonic() + 3
while time.monotonic() < end:
    for flags in kinds:
        try: os.close(os.open("/proc/self/comm", flags)); print("opened")
        except OSError: pass'
within 20 "what is lost is told, and counted" lost
so_far -c 'select(.kind == "denials-lost")'
heard

note "in a cgroup that the mode has made"
listen
mkdir "$cg/child"
sh -c 'echo 0 >$1/cgroup.procs && exec setpriv --reuid 200000 --regid 200000 --clear-groups \
    tail -c1 /etc/shadow' sh "$cg/child" 2>/dev/null
within 10 "a refusal is told" seen '.layer == "capability" and .program == "tail"'
heard
rmdir "$cg/child"

note "without end"
try 'import os, socket, time
end = time.monotonic() + 8
for i in range(3): os.fork()
while time.monotonic() < end:
    try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    except OSError: pass' &
asking=$!
sleep 2
pid=$(systemctl show -P MainPID pmosd)
used() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; } # in hundredths of a second
begin=$(used)
sleep 4
used=$(($(used) - begin))
note "pmosd used $used of 400 hundredths of a second"
check "a mode that is refused without end takes a share of pmosd's time" test "$used" -lt 200
wait $asking

note "the last mode that is watched ends"
links() { grep -l 'link_type:.*tracing' /proc/"$pid"/fdinfo/* 2>/dev/null | wc -l; }
watching=$(links)
check "there are programs in the kernel" test "$watching" -gt 10
check "personal stops" pmosctl stop personal
equal "pmosd has not waited for the kernel to detach them" "$watching" "$(links)"
each "nobody is watched any more"

return_profile
pmos_reset
