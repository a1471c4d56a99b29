#!/usr/bin/env bash
# tests: the volume-check hook against an e2fsck of ours, by every exit status that matters.
# usage: volume_check_test.sh HOOK
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# The hook with its two fixed places turned to ours; a character device stands for the volume.
# shellcheck disable=SC2016  # the dollar is the hook's
sed -e "s|^fsck=.*|fsck=$work/e2fsck|" -e 's|\[ ! -b "\$device" \]|[ ! -e "$device" ]|' \
    -e "s|/dev/mapper/|$work/|" "$1" >"$work/hook"
: >"$work/pmos-secure-data"
state="{\"pmosHook\":1,\"volumes\":[{\"name\":\"data\",\"device\":\"$work/pmos-secure-data\"}]}"

# expect WHAT STATUS MESSAGE-PATTERN STATE
expect() {
    local status=0 said
    said=$(printf '%s\n' "$4" | sh "$work/hook" 2>&1) || status=$?
    # shellcheck disable=SC2053  # a pattern is meant
    if [ "$status" != "$2" ] || [[ $said != $3 ]]; then
        echo "FAIL $1: status $status, said '$said'"
        failed=1
    fi
}

for code in 0 1 2 3; do
    printf '#!/bin/sh\n[ "$*" = "-p %s" ] || exit 99\nexit %s\n' "$work/pmos-secure-data" "$code" \
        >"$work/e2fsck"
    chmod +x "$work/e2fsck"
    expect "e2fsck $code is fine" 0 "" "$state"
done
for code in 4 5; do
    printf '#!/bin/sh\necho UNEXPECTED INCONSISTENCY\nexit %s\n' "$code" >"$work/e2fsck"
    expect "e2fsck $code refuses" 1 "*INCONSISTENCY*needs a decision*" "$state"
done
printf '#!/bin/sh\nexit 8\n' >"$work/e2fsck"
expect "e2fsck 8 refuses" 1 "*could not be checked*" "$state"
expect "a device that is not open refuses" 1 "*is not open*" "${state/secure-data/other}"
expect "a state without volumes refuses" 1 "no volume*" "{}"
expect "no state refuses" 1 "no volume*" ""
# As e2fsck itself: SIGTERM is a wish, and what it writes then must not be cut off.
# Not a shell, which cannot catch what was ignored when it began.
cat >"$work/e2fsck" <<EOF
#!/usr/bin/env python3
import signal, sys, time
def leave_off(*_):
    time.sleep(0.5)
    open("$work/left-off", "w").close()
    sys.exit(32)
signal.signal(signal.SIGTERM, leave_off)
open("$work/at-work", "w").close()
time.sleep(20)
EOF
printf '%s\n' "$state" >"$work/state"
setsid sh "$work/hook" <"$work/state" >"$work/said" 2>&1 &
hook=$!
for _ in $(seq 200); do
    [ ! -e "$work/at-work" ] || break
    sleep 0.1
done
kill -TERM -- "-$hook"
status=0
wait $hook || status=$?
if [ "$status" != 1 ] || [ ! -e "$work/left-off" ] || ! grep -q 'ended with 32' "$work/said"; then
    echo "FAIL SIGTERM to all: status $status, said '$(cat "$work/said")'"
    failed=1
fi
rm "$work/e2fsck"
expect "no e2fsck refuses" 1 "*install e2fsprogs*" "$state"
exit "$failed"
