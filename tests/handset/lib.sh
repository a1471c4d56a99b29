# shellcheck shell=bash
# tests/handset/lib.sh: assertions for scripts that run on the phone. `. "$HANDSET_LIB"` first.
# Every check prints one line; the script's exit code is 1 when any check failed, and also when
# no check ran at all. Never stops at the first failure: `stop_if_failed` does, where that helps.

handset_checks=0
handset_failures=0

handset_ok() {
    handset_checks=$((handset_checks + 1))
    printf '  ok    %s\n' "$1"
}

handset_not_ok() {
    handset_checks=$((handset_checks + 1))
    handset_failures=$((handset_failures + 1))
    printf '  FAIL  %s\n' "$1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/        | /'
}

handset_end() {
    local code=$?
    [ "$code" -ne 77 ] || exit 77
    if [ "$handset_checks" -eq 0 ]; then
        echo "  FAIL  no check ran"
        exit 1
    fi
    [ "$handset_failures" -eq 0 ] || exit 1
    exit "$code"
}
trap handset_end EXIT

# check WHAT COMMAND...: COMMAND succeeds. Its output is shown only when it does not.
check() {
    local what=$1 output code=0
    shift
    output=$("$@" 2>&1) || code=$?
    if [ "$code" -eq 0 ]; then
        handset_ok "$what"
    else
        handset_not_ok "$what" "exit $code of: $*
$output"
    fi
}

# expect_fail WHAT COMMAND...: COMMAND fails, and not by being absent.
expect_fail() {
    local what=$1 output code=0
    shift
    output=$("$@" 2>&1) || code=$?
    case $code in
    0) handset_not_ok "$what" "succeeded: $*
$output" ;;
    126 | 127) handset_not_ok "$what" "could not even run: $*
$output" ;;
    *) handset_ok "$what" ;;
    esac
}

# expect_code N WHAT COMMAND...: COMMAND exits with N.
expect_code() {
    local wanted=$1 what=$2 output code=0
    shift 2
    output=$("$@" 2>&1) || code=$?
    if [ "$code" -eq "$wanted" ]; then
        handset_ok "$what"
    else
        handset_not_ok "$what" "exit $code, not $wanted, of: $*
$output"
    fi
}

# equal WHAT EXPECTED ACTUAL
equal() {
    if [ "$2" = "$3" ]; then
        handset_ok "$1"
    else
        handset_not_ok "$1" "expected: $2
actual:   $3"
    fi
}

# matches WHAT REGEX TEXT: the extended REGEX matches somewhere in TEXT. `lacks`: nowhere.
matches() {
    if grep -qE -- "$2" <<<"$3"; then
        handset_ok "$1"
    else
        handset_not_ok "$1" "no /$2/ in:
$3"
    fi
}

lacks() {
    if grep -qE -- "$2" <<<"$3"; then
        handset_not_ok "$1" "/$2/ is in:
$3"
    else
        handset_ok "$1"
    fi
}

# says CODE WHAT REGEX COMMAND...: COMMAND exits with that code, and says so.
says() {
    local code=0 output
    output=$("${@:4}" 2>&1) || code=$?
    matches "$2" "^$1: .*$3" "$code: ${output//$'\n'/ }"
}

# within SECONDS WHAT COMMAND...: COMMAND succeeds before that; tried ten times a second.
within() {
    local seconds=$1 what=$2 output='' end=$((SECONDS + $1))
    shift 2
    while [ "$SECONDS" -le "$end" ]; do
        if output=$("$@" 2>&1); then
            handset_ok "$what"
            return
        fi
        sleep 0.1
    done
    handset_not_ok "$what" "not within $seconds s: $*
$output"
}

note() { printf '  ..    %s\n' "$*"; }

stop_if_failed() { [ "$handset_failures" -eq 0 ] || exit 1; }

# skip REASON: ends the test as skipped. A test that can be run must not use it.
skip() {
    echo "$*"
    exit 77
}

# pmos_reset: every mode stopped, so that a test starts from the same state as the first one did.
pmos_reset() {
    check "all modes are stopped" pmosctl stop --all
}

# field MODE NAME: one value of `pmosctl status --json`. state_is MODE STATE: for within and check.
field() {
    pmosctl status --json |
        jq -r --arg mode "$1" --arg name "$2" '.[] | select(.mode == $mode) | .[$name]'
}

state_is() { [ "$(field "$1" state)" = "$2" ]; }

# with_pin PIN VERB MODE [OPTION...]: provision or unlock with a PIN from a pipe.
with_pin() {
    local pin=$1
    shift
    pmosctl "$@" --pin-fd 3 3< <(printf '%s\n' "$pin")
}

# auth PIN VERB [ARGUMENT...]: `pmosctl auth VERB`, and ways: the methods that open the volume; of
# $mode, or secure.
auth() {
    local secret=$1 verb=$2
    shift 2
    pmosctl auth "$verb" "${mode:-secure}" "$@" --pin-fd 3 3< <(printf %s "$secret")
}

ways() {
    pmosctl auth list "${mode:-secure}" --json | jq -r '[.ways[].method] | sort | join(" ")'
}

# no_volume MODE: it is locked, and the files of its volumes are gone. fresh_secure PIN: secure has
# a new one that PIN opens, and is locked.
no_volume() { pmosctl lock "$1" >/dev/null && rm -f /var/lib/pmos/volumes/"$1"-*; }

fresh_secure() { no_volume secure && with_pin "$1" provision secure; }

# plug DIR: the FIDO2 authenticator of that directory is there (after modprobe uhid). unplug DIR.
plug() {
    python3 /usr/lib/handset/authenticator "$1" 2>"$1/error" &
    echo $! >"$1/pid"
    within 30 "$1 is plugged in" test -e "$1/ready"
}
unplug() { kill "$(cat "$1/pid")" && wait "$(cat "$1/pid")"; }

# flip FILE OFFSET: one bit of it, as failing storage would.
flip() {
    python3 - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 1]))
PY
    sync "$1" && echo 3 >/proc/sys/vm/drop_caches
}

# reload: pmosd has read the profiles again.
reload() { pmosctl reload >/dev/null; }

# borrow_profile FILE: it may be changed, until return_profile.
borrow_profile() {
    borrowed=$1 kept=$(mktemp)
    cp "$borrowed" "$kept"
}

return_profile() {
    cp "$kept" "$borrowed"
    rm -f "$kept"
    check "the profile is as it was" reload
}

# listen, until `heard`: the denials from now on, as JSON. seen CONDITION: jq's, on the details of
# one of them. so_far JQ-ARGUMENT...: what has come. detail CONDITION NAME: of the first such. at_line WHAT CONDITION REGEX: the line of
# the profile that it names matches.
listen() {
    denials=$(mktemp)
    pmosctl events --denials --json >"$denials" &
    listener=$!
    sleep 1
}

so_far() { jq "$@" "$denials"; }

seen() { so_far -es "any(.[]; .details | $1)" >/dev/null; }

detail() { so_far -r "select(.details | $1) | .details.$2" | head -1; }

at_line() {
    local at file line
    at=$(detail "$2" at)
    matches "$1" '^/usr/share/pmos/profiles/.*\.json:[0-9]+:[0-9]+$' "$at"
    file=${at%%:*} line=${at#*:}
    matches "$1: the line itself" "$3" "$(sed -n "${line%%:*}p" "$file")"
}

heard() {
    kill "$listener" && wait "$listener" 2>/dev/null
    rm -f "$denials"
}

# python_in MODE PROGRAM. new_pmosd: it is killed, and another serves.
python_in() { pmosctl exec "$1" -- python3 -c "$2"; }

new_pmosd() {
    local old
    old=$(systemctl show -P MainPID pmosd)
    kill -9 "$old"
    within 60 "another pmosd" sh -c "pmosctl status && [ \$(systemctl show -P MainPID pmosd) != $old ]"
}

# snapshot FILE: everything a mode could leave behind, as sorted lines; the script's own processes
# and groups are left out. compare WHAT A B: the two are the same; the difference is shown.
snapshot() { /usr/lib/handset/snapshot "$1"; }

compare() {
    local difference
    if difference=$(diff -U0 "$2" "$3" | grep -vE '^(---|\+\+\+|@@)'); then
        handset_not_ok "$1" "$difference"
    else
        handset_ok "$1"
    fi
}

# at COMMAND [PORT]: one exchange with a modem; prints its answer up to the final result.
at() {
    local port=${2:-/dev/pmos-modem} line
    exec 8<>"$port"
    stty -F "$port" raw -echo 115200 <&8
    printf 'AT%s\r' "$1" >&8
    while IFS= read -r -t 5 line <&8; do
        line=${line%$'\r'}
        [ -z "$line" ] || printf '%s\n' "$line"
        case $line in OK) exec 8>&- && return 0 ;; *ERROR*) exec 8>&- && return 1 ;; esac
    done
    exec 8>&-
    echo "no answer to AT$1" && return 2
}
