#!/bin/bash
# An authenticator opens a volume: enrolled by pmos and opened by cryptsetup, enrolled by
# systemd-cryptenroll and opened by pmos. It gets no PIN that is not for it, and nobody hangs who
# waits for a touch.
# timeout: 900
# turn: 1
. "$HANDSET_LIB"

profile=/usr/share/pmos/profiles/secure.json
shipped=$(cat "$profile")
borrow_profile "$profile"
pin=$RANDOM$RANDOM$RANDOM
own=$RANDOM$RANDOM$RANDOM
others=$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
cd "$work" || exit 1

person() { echo "$2" >"$1/touch"; } # does that at the next touch
heard() { grep -c "$2" "$1/log"; }
mkdir mine others third
printf %s "$own" >mine/pin
printf %s "$others" >others/pin
touch mine/log others/log

slots() { pmosctl auth list secure --json | jq -r '.ways[] | select(.method == "fido2").keyslot'; }
state() { pmosctl auth list secure --json | jq -r '.ways[] | select(.method == "fido2").state'; }
failures() { field secure failures; }
by_key() { auth "$1" test fido2; }
enroll() { auth "${2-$pin}" enroll fido2 --new-pin-fd 4 4< <(printf %s "$1"); }
by_cryptsetup() { printf '%s\n' "$1" | cryptsetup open --test-passphrase --token-only "$image"; }
allow() {
    local before='"unlock": ["pin"]'
    printf '%s\n' "${shipped/"$before"/"\"unlock\": [$1]"}" >"$profile"
    grep -qF "[$1]" "$profile" && pmosctl reload
}
by_systemd() {
    CREDENTIALS_DIRECTORY=$work/credentials systemd-cryptenroll --fido2-device=auto \
        --unlock-key-file="$work/keyfile" "$@" "$image"
}

# blinks LINES: mine, for what came after so many lines of its log.
blinks() {
    within 30 "it blinks" sh -c "tail -n +$(($1 + 1)) mine/log | grep -Eqx 'getAssertion|makeCredential'"
}

# interrupt SECRET NEW COMMAND...: of pmosctl, while mine blinks. NEW is on 4, for --new-pin-fd.
interrupt() {
    local secret=$1 new=$2 before waits
    shift 2
    before=$(wc -l <mine/log)
    # A shell gives its background commands a SIGINT that is ignored.
    env --default-signal=INT pmosctl "$@" --pin-fd 3 \
        3< <(printf %s "$secret") 4< <(printf %s "$new") 2>"$work/said" &
    waits=$!
    blinks "$before"
    kill -INT "$waits"
    wait "$waits"
    equal "Ctrl-C ends '$1 $2'" 130 $?
    within 10 "also at the authenticator" sh -c "tail -n +$((before + 1)) mine/log | grep -q cancelled"
    within 10 "and the worker" sh -c '! pgrep -x pmos-volume'
}

# closed: nothing of the mode's volume is open.
closed() {
    equal "it stays locked" true "$(field secure locked)"
    expect_fail "no mapping is left" sh -c 'ls /dev/mapper/ | grep secure'
    expect_fail "nor a loop device" sh -c 'losetup --list | grep volumes/secure'
    equal "and nothing is counted" 0 "$(failures)"
}

modprobe uhid || exit 1
lacks "pmosd does not talk to it" fido2 "$(ldd /usr/sbin/pmosd)"
matches "pmos-volume does" fido2 "$(ldd /usr/libexec/pmos/pmos-volume)"
check "the volume is made" fresh_secure "$pin"
image=$(pmosctl volume list secure --json | jq -r '.[0].source')

note "enrolled by pmos"
plug mine
expect_code 14 "the profile does not let it open" enroll "$own"
check "the profile lets it" allow '"pin", "fido2"'
expect_code 8 "its wrong PIN enrolls nothing" enroll "x$own"
person mine never
interrupt "$pin" "$own" auth enroll secure fido2 --new-pin-fd 4
equal "which enrolls nothing" pin "$(ways)"
person mine yes
check "it is enrolled" enroll "$own"
equal "by two touches" 2 "$(heard mine touched)"
equal "it is listed" 'fido2 pin' "$(ways)"
equal "with what it wants" 'its PIN and a touch' "$(state)"
expect_code 5 "once" enroll "$own"
check "pmos opens by it" by_key "$own"
check "cryptsetup too" by_cryptsetup "$own"
expect_fail "not by another PIN" by_cryptsetup "$pin"
check "the mode starts by it" with_pin "$own" unlock secure
equal "it runs" running "$(field secure state)"
check "lock" pmosctl lock secure
fresh=$RANDOM$RANDOM$RANDOM
check "with it a forgotten PIN is replaced" pmosctl volume passwd secure --pin-fd 3 --new-pin-fd 4 \
    3< <(printf %s "$own") 4< <(printf %s "$fresh")
expect_code 8 "which opens no more" auth "$pin" test pin
pin=$fresh
check "the new one opens" auth "$pin" test pin

note "wrong PINs"
wrong=$(heard mine 'wrong PIN')
says 8 "one is refused, and the authenticator counts" 'leaves 7 attempts' by_key wrong-1
equal "pmos too" 1 "$(failures)"
expect_code 8 "the same again" by_key wrong-1
equal "does not get there" $((wrong + 1)) "$(heard mine 'wrong PIN')"
check "the right one" by_key "$own"
equal "clears the count" 0 "$(failures)"
expect_code 8 "another" by_key wrong-2
expect_code 8 "one more" by_key wrong-3
expect_code 9 "the third in a row blocks it" by_key wrong-4
says 9 "even for the right one" 'unplug it and plug it in again' by_key "$own"
unplug mine
says 13 "unplugged it opens nothing" 'no authenticator is plugged in' by_key "$own"
plug mine
check "plugged in again it opens" by_key "$own"

note "who does not touch"
person mine late
expect_code 17 "in time" by_key "$own"
person mine no
expect_code 16 "but refuses" by_key "$own"
person mine never
interrupt "$own" '' auth test secure fido2
interrupt "$own" "x$pin" volume passwd secure --new-pin-fd 4
check "the PIN is what it was" auth "$pin" test pin
began=$SECONDS
says 17 "nobody at all" 'nobody touched it within 30 s' by_key "$own"
check "is given up" test $((SECONDS - began)) -lt 50
before=$(wc -l <mine/log)
by_key "$own" 2>said &
waits=$!
blinks "$before"
unplug mine
wait "$waits"
equal "unplugged meanwhile it opens nothing" 13 $?
matches "and that is said" 'taken away' "$(cat said)"
equal "nothing of that is counted" 0 "$(failures)"
person mine yes
plug mine

note "another one"
unplug mine
plug others
says 13 "does not open" 'was not enrolled for it' by_key "$own"
plug mine
check "beside it the right one does" by_key "$own"
plug third
says 9 "of two new ones none is enrolled" '2 new authenticators' enroll "$others"
equal "the other one got no PIN" 0 "$(heard others PIN)"
unplug others
says 12 "one without a PIN is not enrolled" 'has no PIN' enroll "$others"
unplug third
plug others
first=$(slots)
check "beside the one that opens already it is enrolled" enroll "$others"
equal "both are listed" 'fido2 fido2 pin' "$(ways)"
unplug mine
check "it opens" by_key "$others"
check "the second is taken away" auth "$pin" remove "$(slots | grep -vx "$first")"
expect_code 13 "and opens no more" by_key "$others"
unplug others

note "those that do nothing without their PIN"
touch mine/silent others/silent
plug mine
check "one opens" by_key "$own"
before=$(heard others PIN)
plug others
says 9 "of two neither gets it" 'do not say which' by_key "$own"
unplug mine
rm mine/silent
plug mine
check "beside the right one that says so" by_key "$own"
equal "the other one got no PIN" "$before" "$(heard others PIN)"
unplug others
rm others/silent

note "enrolled by systemd-cryptenroll"
check "the first is taken away" auth "$pin" remove fido2
equal "nothing else is left" pin "$(ways)"
mkdir credentials
printf %s "$own" >credentials/fido2-pin
printf %s "$pin" >keyfile
check "systemd enrolls it" by_systemd
equal "it is listed" 'its PIN and a touch' "$(state)"
check "pmos opens by it" with_pin "$own" unlock secure --no-start
check "lock" pmosctl lock secure
expect_code 8 "not by another PIN" by_key wrong-5
check "one without a PIN is enrolled beside it" by_systemd --fido2-with-client-pin=no
matches "and not used" 'asks for no PIN' "$(state)"
check "the first opens" by_key "$own"

note "a volume that is made with it"
check "the profile names nothing else" allow '"fido2"'
matches "which check warns of" lone-authenticator "$(pmosctl policy check "$profile" 2>&1)"
check "there is none" no_volume secure
person mine never
interrupt "$own" '' provision secure
expect_fail "nothing is made" sh -c 'ls /var/lib/pmos/volumes | grep secure'
closed
person mine yes
check "it is made" fresh_secure "$own"
equal "with that way alone" fido2 "$(ways)"
expect_code 14 "which stays" auth "$own" remove fido2
person mine never
interrupt "$own" '' unlock secure
closed

note "locked while it blinks"
before=$(wc -l <mine/log)
with_pin "$own" unlock secure 2>said &
waits=$!
blinks "$before"
began=$SECONDS
check "lock does not wait for a person" pmosctl lock secure
check "as it did not" test $((SECONDS - began)) -lt 20
wait "$waits"
equal "the unlock is called off" 16 $?
matches "and told why" 'unlock was called off: the mode is being locked' "$(cat said)"
closed
person mine yes
check "the mode starts by it" with_pin "$own" unlock secure
check "lock" pmosctl lock secure
plug others
check "who has opened by it enrolls a second one" enroll "$others" "$own"
unplug mine
check "which opens alone" by_key "$others"
unplug others
jq '.retries = 1' mine/store.json >once && mv once mine/store.json
plug mine
says 19 "the last wrong PIN blocks it" 'no PIN any more' by_key wrong-6
expect_code 19 "for the right one too" by_key "$own"
unplug mine

lacks "no secret is in the journal" "$pin|$own|$others" "$(journalctl -b --no-pager)"
no_volume secure
return_profile
pmos_reset
cd / && rm -rf "$work"
