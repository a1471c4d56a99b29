#!/bin/bash
# Processes that die at a bad moment, callers that come at once, a bus that goes away.
# kdf: shipped
# timeout: 400
# turn: 2
. "$HANDSET_LIB"

volumes=/var/lib/pmos/volumes
modes=/sys/fs/cgroup/system.slice/pmos-modes.service
pin=$RANDOM$RANDOM

daemon() { systemctl show -P MainPID pmosd; }
another_daemon() { # PID: pmosd is up and is not that one
    local now
    now=$(daemon)
    [ "$now" != "$1" ] && [ "$now" != 0 ] && pmosctl status >/dev/null
}
child() { pgrep -P "$(daemon)" -x "$1"; }
another_launcher() { # PID: a pmos-launch is up and is not that one
    local now
    now=$(child pmos-launch) && [ "$now" != "$1" ]
}
fds() { find "/proc/$1/fd" -mindepth 1 -printf '%l\n' | sed 's/:\[.*//' | sort; }
fds_are() { [ "$(fds "$(daemon)")" = "$1" ]; }
gone() { ! pgrep "$@" >/dev/null; } # as pgrep, which never finds itself
states() { # of the two modes of this test; an earlier one may have left a third
    pmosctl status --json |
        jq -r '[.[] | select(.mode == "personal" or .mode == "secure").state] | sort | join(" ")'
}
in_front() { pmosctl status --json | jq '[.[] | select(.foreground)] | length'; }
# By inode: once the mount namespace of a pmosd is gone, the path that the kernel shows begins at
# the root of the volumes' file system.
disk=$(stat -c '%Hd:%Ld' $volumes)
loops() {
    losetup --noheadings --list --output BACK-MAJ:MIN,BACK-INO |
        awk -v disk="$disk" '$1 == disk { print $2 }'
}
mappings() { dmsetup ls | awk '/^pmos-[a-z]*-/ { print $1 }' | sort; }

check "personal runs" pmosctl start personal
check "personal is in front" pmosctl switch personal
check "secure has a volume" fresh_secure "$pin"
check "secure runs" with_pin "$pin" unlock secure
stop_if_failed

note "a caller that dies in exec"
pmosctl exec personal -- sleep 987 </dev/null &
caller=$!
within 10 "the program runs" pgrep -fx 'sleep 987'
kill -9 $caller
wait $caller 2>/dev/null
within 4 "the program is gone after its caller" gone -fx 'sleep 987'
pmosctl exec personal -- sh -c 'trap "" HUP TERM; while :; do sleep 986; done' </dev/null &
caller=$!
within 10 "a stubborn one runs" pgrep -fx 'sleep 986'
kill -9 $caller
wait $caller 2>/dev/null
within 8 "its shell is gone as well" gone -f 'while :; do sleep 986'
# What it had started is the mode's now, as with any shell that ends.
pkill -9 -fx 'sleep 986'
check "personal still runs" state_is personal running

note "many callers"
pids=()
for i in $(seq 20); do
    case $((i % 5)) in
    0) pmosctl switch personal ;;
    1) pmosctl switch secure ;;
    2) pmosctl status --json ;;
    3) pmosctl start personal ;;
    4) pmosctl list ;;
    esac >/dev/null 2>&1 &
    pids+=($!)
done
bad=0
# Of several switches the last counts: one that it overtakes says so (16).
for pid in "${pids[@]}"; do wait "$pid" || [ $? = 16 ] || bad=$((bad + 1)); done
equal "twenty calls at once are all carried out, or overtaken" 0 $bad
equal "exactly one is in front" 1 "$(in_front)"
equal "one runs, one is frozen" 'frozen running' "$(states)"
pmosctl switch personal >/dev/null & one=$!
pmosctl switch secure >/dev/null & two=$!
wait $one && wait $two
equal "two switches at once both succeed" 0 $?
equal "exactly one is in front still" 1 "$(in_front)"
check "personal to the front" pmosctl switch personal

note "pmos-launch dies"
before=$(fds "$(daemon)")
launcher=$(child pmos-launch)
kill -9 "$launcher"
within 10 "it is started anew" another_launcher "$launcher"
check "exec works" pmosctl exec personal -- true
check "restart works" pmosctl restart secure
for _ in 1 2 3 4 5; do
    kill -9 "$(child pmos-launch)" 2>/dev/null
    sleep 0.3
done
within 10 "five more deaths do not matter" pmosctl exec personal -- true
within 5 "no descriptor of pmosd is left" fds_are "$before"

note "pmosd dies"
# Restarted in the background it runs: it freezes when it has once left the foreground.
check "secure was in front" pmosctl switch secure
check "and is not any more" pmosctl switch personal
personal=$(field personal pid) secure=$(field secure pid)
old=$(daemon)
kill -9 "$old"
within 30 "systemd starts it again" another_daemon "$old"
equal "personal lives on" "$personal running true" \
    "$(field personal pid) $(field personal state) $(field personal foreground)"
equal "secure lives on, frozen" "$secure frozen" "$(field secure pid) $(field secure state)"
check "exec in an adopted mode" pmosctl exec personal -- true
check "an adopted mode is switched to" pmosctl switch secure
check "exec there" pmosctl exec secure -- test -d /data
check "an adopted mode is stopped" pmosctl stop secure
check "its process is gone" test ! -e "/proc/$secure"
check "and started again" pmosctl start secure
check "lock" pmosctl lock secure
within 5 "personal is in front" state_is personal running

note "pmosd dies during a start"
for wait in 0.02 0.1 0.3; do
    check "an open volume" with_pin "$pin" unlock secure --no-start
    old=$(daemon)
    pmosctl start secure >/dev/null 2>&1 &
    caller=$!
    sleep $wait
    kill -9 "$old"
    wait $caller
    within 30 "pmosd is back" another_daemon "$old"
    within 10 "secure starts (killed after $wait s)" pmosctl start secure
    # Its processes and pmos-init are one tree below one pid; another start's would stand beside.
    equal "it is one mode" "$(field secure pid)" \
        "$(pgrep -x pmos-init | while read -r pid; do
            grep -q /secure "/proc/$pid/cgroup" && echo "$pid"
        done)"
    check "and locks" pmosctl lock secure
    lacks "no mapping is left" pmos-secure "$(mappings)"
done

note "pmosd dies during an unlock"
old=$(daemon)
with_pin "$pin" unlock secure --no-start >/dev/null 2>&1 &
caller=$!
within 10 "the worker is at work" pgrep -x pmos-volume
kill -9 "$old"
wait $caller
within 30 "pmosd is back" another_daemon "$old"
within 20 "the worker is gone" gone -x pmos-volume
equal "the mapping and what is said of it agree" "$(field secure locked)" \
    "$([ -e /dev/mapper/pmos-secure-data ] && echo false || echo true)"
check "unlock afterwards" with_pin "$pin" unlock secure
check "lock afterwards" pmosctl lock secure

note "pmosd dies during a provision"
rm -f $volumes/secure-*
old=$(daemon)
with_pin "$pin" provision secure >/dev/null 2>&1 &
caller=$!
within 10 "the worker is at work" pgrep -x pmos-volume
sleep 1
kill -9 "$old"
wait $caller
within 30 "pmosd is back" another_daemon "$old"
within 20 "the worker is gone" gone -x pmos-volume
if [ -e $volumes/secure-data.luks ]; then
    check "what has the final name is whole" with_pin "$pin" unlock secure --no-start
    check "lock" pmosctl lock secure
else
    check "provision afterwards" with_pin "$pin" provision secure
fi
equal "no temporary file is left" "" "$(find $volumes -name '*tmp*')"
equal "no mapping is left but personal's" pmos-personal-data "$(mappings)"
equal "no loop device is left but personal's" "$(stat -c %i $volumes/personal-data.luks)" "$(loops)"

note "pmos-volume dies"
nothing_half_made() {
    equal "$1: no temporary file" "" "$(find $volumes -name '*tmp*')"
    equal "$1: no mapping but personal's" pmos-personal-data "$(mappings)"
    equal "$1: no loop device but personal's" "$(stat -c %i $volumes/personal-data.luks)" "$(loops)"
}
# stop_worker_when MOMENT CALL: CALL starts one in the background as $caller; its worker is stopped
# while MOMENT holds, as $worker. Looked at once it stands still, so that the moment is certain:
# a worker that was quicker than this goes on, and CALL makes another.
stop_worker_when() {
    local moment=$1 call=$2 supervisor state
    supervisor=$(daemon)
    for _ in $(seq 10); do
        $call
        until worker=$(pgrep -P "$supervisor" -x pmos-volume) || ! kill -0 $caller 2>/dev/null; do
            sleep 0.01
        done
        # Nothing is started in between: a phone is slow at that.
        until $moment || [ ! -e "/proc/$worker/exe" ]; do :; done
        if kill -STOP "$worker" 2>/dev/null; then
            for _ in $(seq 100); do
                state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$worker/status" 2>/dev/null)
                case $state in [TZX] | '') break ;; esac
                sleep 0.05
            done
            [ "$state" = T ] && $moment && return 0
            kill -CONT "$worker" 2>/dev/null
        fi
        wait $caller
    done
    return 1
}
provide() {
    pmosctl lock secure >/dev/null
    rm -f $volumes/secure-*
    with_pin "$pin" provision secure >/run/provision.out 2>&1 &
    caller=$!
}
open_it() {
    pmosctl lock secure >/dev/null
    with_pin "$pin" unlock secure >/run/provision.out 2>&1 &
    caller=$!
}
half_made() { [ -e /dev/mapper/pmos-secure-data.tmp ]; }
unopened() { [ ! -e /dev/mapper/pmos-secure-data ]; }
stop_worker_when half_made provide
check "a worker that has mapped a new volume" test $? -eq 0
kill -9 "$worker"
wait $caller
check "the caller is told" test $? -ne 0
matches "in words" 'volume worker died' "$(cat /run/provision.out)"
nothing_half_made "in a provision"
stop_worker_when half_made provide
check "another" test $? -eq 0
old=$(daemon)
kill -9 "$old" "$worker"
wait $caller
within 30 "pmosd, killed with it, is back" another_daemon "$old"
within 20 "it has cleared up" test ! -e /dev/mapper/pmos-secure-data.tmp
within 20 "by a worker that ends" gone -x pmos-volume
nothing_half_made "in a provision, with pmosd"
check "provision afterwards" with_pin "$pin" provision secure
stop_worker_when unopened open_it
check "a worker that has yet to open it" test $? -eq 0
kill -9 "$worker"
wait $caller
check "the caller of an unlock is told" test $? -ne 0
nothing_half_made "in an unlock"
equal "it stays locked" true "$(field secure locked)"

note "SIGTERM during a start"
check "an open volume" with_pin "$pin" unlock secure --no-start
pmosctl start secure >/dev/null 2>&1 &
caller=$!
sleep 0.05
systemctl stop pmosd
wait $caller
equal "pmosd ends well" success "$(systemctl show -P Result pmosd)"
equal "no mode is left" "" \
    "$(find $modes -mindepth 1 -maxdepth 1 -type d ! -name holder -printf '%f\n')"
equal "no mapping is left" "" "$(mappings)"
equal "no loop device is left" "" "$(loops)"
check "no process of pmos is left" gone 'pmos-(launch|volume|init)'
check "pmosd starts" systemctl start pmosd
within 60 "personal comes by itself" state_is personal running

note "the bus"
useradd -r -G pmos pmos-member
useradd -r pmos-stranger
as() { setpriv --reuid "$1" --regid "$1" --init-groups -- "${@:2}"; }
check "a member of the group may ask" as pmos-member pmosctl --bus status
check "and act" as pmos-member pmosctl --bus exec personal -- true
expect_code 14 "others may not" as pmos-stranger pmosctl --bus status
matches "AccessDenied to them" 'AccessDenied|Access denied' "$(as pmos-stranger \
    busctl call org.pmos.Runtime1 /org/pmos/Runtime1 org.pmos.Runtime1.Manager StopAll 2>&1)"
expect_fail "nor by the private socket" as pmos-member pmosctl --socket /run/pmos/private status
matches "the API can be introspected" '(^|\n)\.Exec ' \
    "$(busctl introspect org.pmos.Runtime1 /org/pmos/Runtime1/mode/personal)"
pid=$(daemon)
systemctl stop dbus.socket dbus 2>/dev/null
check "the private socket works with no bus" pmosctl status
check "exec too" pmosctl exec personal -- true
systemctl start dbus.socket dbus
equal "pmosd is the same" "$pid" "$(daemon)"
within 20 "and comes back to the bus" pmosctl --bus status
userdel pmos-member
userdel pmos-stranger
pmos_reset
