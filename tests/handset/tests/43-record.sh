#!/bin/bash
# A mode with too short a list of system calls is recorded; what is proposed lets it run.
. "$HANDSET_LIB"

profiles=/usr/share/pmos/profiles
profile=$profiles/personal.json
work=$(mktemp -d)
cp "$profile" "$profiles/site.json" "$work"

# Opens files, maps libraries, makes a directory, sockets and a child: none of it is in the list.
program='import os, socket, subprocess, sys, time
os.makedirs(\"/data/made/here\", exist_ok=True); open(\"/data/made/here/x\", \"w\").write(\"y\")
a, b = socket.socketpair(); a.send(b\"z\"); b.recv(1)
subprocess.run([\"/bin/true\"], check=True)
print(\"all of it worked\", flush=True); time.sleep(1000)'
args=$(tr '\n' ';' <<<"$program" | sed 's/;$//')
python3 - "$profile" "$args" <<'PY'
import re, sys
path, program = sys.argv[1:]
text = open(path).read()
text, one = re.subn(r'"args": \[.*\],', lambda m: '"args": ["/usr/bin/python3", "-c", "%s"],' % program, text)
text, two = re.subn(r'("devices": )', r'// Too short.\n  "seccomp": { "allow": ["@basic-io"], "flags": ["SECCOMP_FILTER_FLAG_LOG"] },\n  \1', text)
text, three = re.subn(r'"autostart": true', '"autostart": false', text)
assert (one, two, three) == (1, 1, 1)
open(path, "w").write(text)
PY
record() { # in the background: $recorder is pmosctl itself
    pmosctl policy record personal "$@" >"$work/diff" 2>"$work/notes" &
    recorder=$!
}
recording() { [ "$(field personal recording)" = true ]; }
works() { pmosctl logs personal | grep -q 'all of it worked'; }
ended() { [ "$(field personal pid)" = 0 ]; }
lock() { pmosctl lock personal; } # which drops its log

note "as it ships"
record
wait $recorder
equal "no mode is recorded" 14 $?
matches "by the owner's line" 'site.json:[0-9]+' "$(cat "$work/notes")"
# From here on a developer's phone.
sed -i '/"production": true,/d' "$profiles/site.json"

note "too short a list"
check "personal is locked" lock
check "the profile is sound" pmosctl policy check "$profile"
check "reload" reload
pmosctl start personal
within 20 "the program cannot live" state_is personal failed
check "locked again" lock

note "a recording"
pmosctl events --json >"$work/events" &
listener=$!
sleep 1
record --for 25s
within 20 "everybody can see it" recording
matches "status says so" 'running, RECORDING' "$(pmosctl status)"
within 30 "what is refused is let through" works
check "a program that enters is recorded too" pmosctl exec personal -- \
    /usr/bin/python3 -c 'import os, ctypes; os.sync(); ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)
import socket
try: socket.socket(16, 3, 15) # netlink, kobject uevents: guarded
except OSError: pass
else: raise SystemExit("a guard was let down")'
expect_fail "a mode that runs is not recorded" pmosctl policy record personal
check "stop ends it" pmosctl stop personal
wait $recorder
equal "and its caller has an answer" 0 $?
kill $listener
wait $listener 2>/dev/null
equal "it was told, and its end" $'recording\nrecorded' \
    "$(jq -r 'select(.mode == "personal") | .kind' "$work/events" | grep '^record.*ing$\|^recorded$')"
matches "the journal has it" 'recording personal' "$(journalctl -u pmosd --no-pager -n 100)"
equal "the ordinary state is back" 'stopped false' "$(field personal state) $(field personal recording)"

note "the proposal"
cat "$work/diff" "$work/notes"
matches "it adds to the list" '"openat"' "$(cat "$work/diff")"
matches "with what ends a program" '"@default"' "$(cat "$work/diff")"
matches "and what was entered" '"sync"' "$(cat "$work/diff")"
lacks "and not what defeats the walls" 'ptrace' "$(cat "$work/diff")"
matches "which is said" 'ptrace was refused while recording too' "$(cat "$work/notes")"
matches "as are guards, with their arguments" 'socket\(0x10, _, 0xf\) was refused' "$(cat "$work/notes")"
check "the diff applies" python3 - "$profile" "$work/diff" <<'PY'
import re, sys
path, diff = sys.argv[1:]
old, new, at = open(path).readlines(), [], 0
for line in open(diff).readlines()[2:]:
    if line[0] == "@":
        start = int(re.match(r"@@ -(\d+)", line).group(1)) - 1
        new += old[at:start]
        at = start
    elif line[0] == "+":
        new.append(line[1:])
    else:
        assert old[at] == line[1:], (old[at], line)
        at += 1
        if line[0] == " ":
            new.append(line[1:])
open(path, "w").write("".join(new + old[at:]))
PY
matches "comments are kept" '// Too short' "$(cat "$profile")"
check "it is sound" pmosctl policy check "$profile"
check "reload" reload
check "no log of before" lock
sleep 11 # what was refused before is counted for ten seconds, and told then
pmosctl events --denials --json >"$work/denials" &
listener=$!
sleep 1
check "start" pmosctl start personal
within 30 "the program lives under its filter" works
sleep 1
kill $listener
wait $listener 2>/dev/null
equal "and is refused nothing" "" "$(jq -c 'select(.details.layer == "seccomp") | .details' "$work/denials")"
check "stop" pmosctl stop personal

note "who ends it"
record --for 60s
within 20 "another recording" recording
kill -9 $recorder
wait $recorder 2>/dev/null
within 20 "ends with its caller" ended
record --for 60s
within 20 "a third" recording
old=$(systemctl show -P MainPID pmosd)
kill -9 "$old"
within 30 "another pmosd" sh -c "pmosctl status && [ \$(systemctl show -P MainPID pmosd) != $old ]"
wait $recorder
within 20 "does not adopt a recording" ended
within 10 "nothing of it runs" sh -c '! grep -q 1 /sys/fs/cgroup/system.slice/pmos-modes.service/personal/cgroup.events'

note "production"
record --for 60s
within 20 "a fourth" recording
expect_code 9 "what is recorded is not tried: its filter is another" pmosctl policy try personal 'judge ptrace'
cp "$work/site.json" "$profiles"
check "the mark comes, by a reload" reload
wait $recorder
equal "and ends the recording" 14 $?
matches "by its line" 'site.json:[0-9]+' "$(cat "$work/notes")"
within 20 "nothing of it runs" ended

cp "$work/personal.json" "$work/site.json" "$profiles"
check "as it was" reload
rm -rf "$work"
pmos_reset
