#!/bin/bash
# timeout: 240
# What the evaluator says of both modes, and what the kernel does.
. "$HANDSET_LIB"

pin=4711
fresh_secure "$pin" >/dev/null 2>&1
pmosctl start personal >/dev/null
with_pin "$pin" unlock secure >/dev/null
# Only who leaves the foreground is frozen.
pmosctl switch personal >/dev/null
pmosctl switch secure >/dev/null

try() { pmosctl policy try "$@" 2>&1; }

# pmos-try: judged calls are not carried out, files are neither left nor run.
equal "the filter is asked, the call is not made" "ok 0 errno 1 judge errno 38 judge" \
    "$(try secure 'judge exit_group 1' 'judge ptrace' 'judge clone3' | xargs)"
equal "nothing can be executed where the mode writes" "errno 13 execute" \
    "$(try secure 'execute /data')"
equal "nothing is left there" "" \
    "$(pmosctl exec secure -T -- find /data -name '.pmos-try*')"
equal "a program of the image is loaded, and ends before it runs" "ok 0" \
    "$(try secure 'execute /usr/bin/env')"
equal "what is tried has no other rights than the mode" "errno 30 open errno 1 mount_setattr" \
    "$(try secure 'write /usr/bin/env' 'remount /' | xargs)"
expect_code 10 "a frozen mode is not tried" pmosctl policy try personal 'read /'
expect_code 2 "a call that does not exist is named" pmosctl policy try secure 'judge ptrac'

# The same promises, by the evaluator and by the kernel.
results=$(mktemp)
pmosctl switch personal >/dev/null
check "the promises hold, and the kernel agrees" sh -c \
    "pmosctl policy test --on-device --json >$results"
by() { jq "[.[] | select($1)] | length" "$results"; }
equal "0 disagreements" 0 "$(by '.device.verdict == "disagrees"')"
equal "nothing fails" 0 "$(by '.outcome != "passed"')"
check "most was tried" test "$(by '.device.verdict == "agrees"')" -gt 100
equal "the mode that was in front is there again" true "$(field personal foreground)"
note "not tried: $(jq -r '[.[] | select(.device.verdict == "not-tried") | .device.says] | group_by(.)
    | map("\(.[0]) (\(length))") | join("; ")' "$results")"

# What did not run has not passed.
pmosctl switch personal >/dev/null
check "secure is stopped" pmosctl stop secure
told=$(pmosctl policy test --on-device 2>&1)
equal "tests of a mode that is stopped are no pass" 11 $?
matches "which is said, with their number" 'NOT UP  secure: [0-9]+ not tried: it is stopped' "$told"
matches "and one mode alone is asked" 'LEFT OUT secure: [0-9]+ not tried: .* it is stopped' \
    "$(pmosctl policy test --on-device --mode personal 2>&1)"
check "which passes without the other" pmosctl policy test --on-device --mode personal
check "secure again" pmosctl start secure

# A mode that is frozen while it is tried.
pmosctl switch secure >/dev/null
mkfifo "$results.in"
pmosctl policy try secure <"$results.in" >"$results.out" 2>&1 &
trying=$!
exec 9>"$results.in"
echo 'read /' >&9
within 20 "it answers" grep -q '^ok' "$results.out"
pmosctl switch personal >/dev/null
echo 'read /' >&9
wait $trying
equal "is not waited for without end" 17 $?
exec 9>&-
rm "$results.in" "$results.out"

# A lie must be found out: the tests of a directory whose profile is not the one that runs.
lie=$(mktemp -d)
cp -r /usr/share/pmos/profiles/. "$lie"
sed -i 's/"network": "none"/"network": "loopback"/' "$lie/secure.json"
cat >"$lie/tests/promises.json" <<'LIE'
{ "pmos": 1, "expect": [{ "why": "a lie", "modes": ["secure"], "connect": ["127.0.0.1:80"],
                          "is": "allowed" }] }
LIE
told=$(pmosctl policy test --on-device "$lie" 2>&1)
matches "the kernel is seen to differ" 'DIFFERS secure: connect 127.0.0.1:80' "$told"
matches "and to say what" 'the evaluator says allowed, the kernel: errno 101 connect' "$told"
expect_code 1 "which fails" pmosctl policy test --on-device "$lie"
rm -r "$lie" "$results"
