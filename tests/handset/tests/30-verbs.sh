#!/bin/bash
# Every verb of pmosctl on the phone as it booted: what it does, what it says, how it exits.
# timeout: 300
. "$HANDSET_LIB"

pin=$RANDOM$RANDOM
work=$(mktemp -d)
cd "$work" || exit 1

check "personal runs" pmosctl start personal
check "personal is in front" pmosctl switch personal
check "the volume is made" fresh_secure "$pin"
equal "list names the modes" $'personal\nsecure' "$(pmosctl list)"

note "status"
pmosctl status --json >status.json
equal "status is an array of two" 2 "$(jq length status.json)"
equal "the promised fields have their types" \
    '["boolean","boolean","boolean","number","string","string"]' \
    "$(jq -c '[.[0] | .foreground, .locked, .provisioned, .pid, .mode, .state | type]' status.json)"
equal "personal is in front" true "$(field personal foreground)"
equal "secure is locked" 'true stopped' "$(field secure locked) $(field secure state)"
expect_code 3 "status of an unknown mode is 3" pmosctl status nosuch
lacks "a pipe gets no colours" $'\e' "$(pmosctl status)"
check "status of one mode" sh -c 'pmosctl status secure | grep -q secure'

note "start, stop, switch"
pid=$(field personal pid)
out=$(pmosctl start personal 2>&1)
equal "start of a running mode is 0" 0 $?
matches "and says so" 'running' "$out"
equal "and changes nothing" "$pid" "$(field personal pid)"
expect_code 7 "start of a locked mode is 7" pmosctl start secure
matches "with a hint" 'hint: .*unlock secure' "$(pmosctl start secure 2>&1)"
expect_code 7 "switch to a locked mode is 7" pmosctl switch secure
equal "and personal stays in front" true "$(field personal foreground)"
expect_code 8 "a wrong PIN is 8" with_pin "x$pin" unlock secure
expect_code 5 "provision refuses a volume that exists" with_pin "$pin" provision secure
check "unlock --no-start" with_pin "$pin" unlock secure --no-start
equal "opens and does not start" 'false stopped' "$(field secure locked) $(field secure state)"
check "switch starts what is unlocked" pmosctl switch secure
equal "secure is in front" 'running true' "$(field secure state) $(field secure foreground)"
equal "personal is frozen" 'frozen false' "$(field personal state) $(field personal foreground)"
equal "by the kernel too" 1 "$(grep -hc 'frozen 1' /sys/fs/cgroup/system.slice/pmos-modes.service/personal/cgroup.events)"
expect_code 125 "exec in a frozen mode is refused" pmosctl exec personal -- true
matches "with a hint" 'hint: .*switch personal' "$(pmosctl exec personal -- true 2>&1)"
check "lock" pmosctl lock secure
within 5 "personal is in front again" state_is personal running
check "unlock" with_pin "$pin" unlock secure
equal "starts" running "$(field secure state)"
before=$(field secure pid)
check "restart" pmosctl restart secure
lacks "has another process" "^$before\$" "$(field secure pid)"
check "stop" pmosctl stop secure
equal "leaves the volume open" 'false stopped' "$(field secure locked) $(field secure state)"
check "stop of a stopped mode" pmosctl stop secure
check "start again" pmosctl start secure
check "switch --none" pmosctl switch --none
equal "nobody is in front" 0 "$(pmosctl status --json | jq '[.[] | select(.foreground)] | length')"
check "switch back" pmosctl switch personal

note "exec"
expect_code 0 "exit 0" pmosctl exec personal -- true
expect_code 3 "exit 3" pmosctl exec personal -- sh -c 'exit 3'
expect_code 143 "a signal is 128 and its number" pmosctl exec personal -- sh -c 'kill -TERM $$'
expect_code 127 "no such command is 127" pmosctl exec personal -- /no/such
expect_code 127 "nor one in the path" pmosctl exec personal -- nosuchprogram
expect_code 126 "what cannot be executed is 126" pmosctl exec personal -- /etc/passwd
expect_code 125 "an unknown mode is 125" pmosctl exec nosuch -- true
equal "a user" '1000 1000' "$(pmosctl exec personal -u 1000:1000 -- sh -c 'echo $(id -u) $(id -g)')"
equal "a directory" /tmp "$(pmosctl exec personal -w /tmp -- pwd)"
equal "an environment" yes "$(pmosctl exec personal -e SAY=yes -- sh -c 'echo "$SAY"')"
equal "standard error is apart" out "$(pmosctl exec personal -- sh -c 'echo out; echo err >&2' 2>/dev/null)"
head -c 10485760 /dev/urandom >big
pmosctl exec personal -- cat <big >back
check "10 MiB there and back" cmp big back
pmosctl exec personal -- true <big >/dev/null
equal "a command that does not read" 0 $?
pmosctl exec personal -- sleep 60 &
sleep 1
kill -TERM $!
wait $!
equal "SIGTERM goes to the command" 143 $?

note "terminal"
cat >terminal.py <<'PY'
import fcntl, os, pty, select, signal, struct, sys, termios, time

def session(command, keys=b""):
    pid, tty = pty.fork()
    if pid == 0:
        time.sleep(0.2)  # until the size is set
        os.execvp("pmosctl", ["pmosctl", "exec", "personal", "-t", "--", "sh", "-c", command])
    fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 97, 0, 0))
    out, sent, end = b"", False, time.monotonic() + 30
    while time.monotonic() < end:
        if keys and not sent and b"ready" in out:
            os.write(tty, keys)
            sent = True
        if select.select([tty], [], [], 0.1)[0]:
            try:
                data = os.read(tty, 4096)
            except OSError:
                break
            if not data:
                break
            out += data
    else:
        os.kill(pid, signal.SIGKILL)
    return out, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

out, code = session("tty; stty size; exit 9")
assert code == 9, (code, out)
assert b"/dev/pts/" in out and b"31 97" in out, out
out, code = session("trap 'echo got it; exit 4' INT; echo ready; while :; do sleep 0.1; done", b"\x03")
assert code == 4 and b"got it" in out, (code, out)
out, code = session("echo ready; cat >/dev/null; echo end", b"text\n\x04")
assert code == 0 and b"end" in out, (code, out)
PY
check "a pty of its own: size, ^C, ^D, exit code" python3 terminal.py

note "logs, events, inspect, doctor, version"
matches "logs" 'personal is up' "$(pmosctl logs personal)"
equal "logs -n" 1 "$(pmosctl logs personal -n 1 | wc -l)"
pmosctl events -n 3 >events.txt &
sleep 1
pmosctl stop secure
pmosctl start secure
check "events come" wait $!
equal "as many as asked for" 3 "$(wc -l <events.txt)"
matches "with the mode" 'secure' "$(cat events.txt)"
equal "inspect shows the plan" personal "$(pmosctl inspect personal | jq -r .plan.mode)"
equal "and its digest" "$(field personal planDigest)" "$(pmosctl inspect personal | jq -r .digest)"
check "doctor finds no error here" pmosctl doctor
check "doctor speaks JSON" sh -c 'pmosctl doctor --json | jq -e "length > 5"'
matches "version" '[0-9]+\.[0-9]+' "$(pmosctl version)"
check "policy check" pmosctl policy check
expect_code 2 "an unknown verb is 2" pmosctl nosuchverb
expect_code 3 "an unknown mode is 3" pmosctl start nosuch
expect_code 18 "no pmosd is 18" pmosctl --socket /run/nosuch status
pmos_reset
equal "stop --all closes the volumes" 'true true' "$(field secure locked) $(field personal locked)"
check "personal for the next test" pmosctl start personal
check "in front" pmosctl switch personal
rm -rf "$work"
