#!/bin/bash
# Who can open a volume: recovery key and escrow beside the PIN, made and used by pmosctl, read and
# made by systemd-cryptenroll; wrong ones of any kind are counted, and the last way in stays.
# timeout: 1200
# turn: 2
. "$HANDSET_LIB"

profile=/usr/share/pmos/profiles/secure.json
shipped=$(cat "$profile")
# A pair for this test only.
public='iKbvcLLn8N0QCoRCD3aOOofumpQan+JGcxbyNCcHGmQ='
private='EAt/kZauKtruL+ARu9V82mIXXyDZugea0TKfWg1an24='
pin=$RANDOM$RANDOM
new=$RANDOM$RANDOM
work=$(mktemp -d)
cd "$work" || exit 1

slot_of() { pmosctl auth list secure --json | jq -r ".ways[] | select(.method == \"$1\").keyslot"; }
failures() { field secure failures; }
tokens() { pmosctl volume info secure --json | jq -r '[.tokens[]] | sort | join(" ")'; }
enroll_recovery() { auth "$1" enroll recovery-key --out-fd 4 4>"$2"; }
allow() {
    local before='"unlock": ["pin"]'
    printf '%s\n' "${shipped/"$before"/"$1"}" >"$profile"
    grep -qF "$1" "$profile" && pmosctl reload
}

note "a volume as the shipped profile makes it"
check "the volume is made" fresh_secure "$pin"
equal "its PIN opens it, and nothing else" pin "$(ways)"
image=$(pmosctl volume list secure --json | jq -r '.[0].source')
expect_code 14 "the profile does not let a recovery key open it" enroll_recovery "$pin" key
expect_code 14 "its PIN is the last way in" auth "$pin" remove pin
check "the PIN is tried, and opens nothing" auth "$pin" test
equal "it is locked still" true "$(field secure locked)"

note "a recovery key"
check "the profile lets more open it" allow '"unlock": ["pin", "recovery-key"]'
expect_code 8 "a wrong PIN enrolls none" enroll_recovery "x$pin" key
equal "and is counted" 1 "$(failures)"
check "a recovery key is enrolled" enroll_recovery "$pin" key
equal "which clears the count" 0 "$(failures)"
key=$(cat key)
matches "it is 64 letters of modhex" '^([cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}$' "$key"
equal "both ways are listed" 'pin recovery-key' "$(ways)"
matches "to people too" '^recovery-key +1 +systemd-recovery' "$(pmosctl auth list secure)"
equal "its token is systemd's" 'pmos pmos-duress systemd-recovery' "$(tokens)"
expect_code 5 "a second one is refused" enroll_recovery "$pin" key2
check "cryptsetup opens by it" sh -c "printf %s '$key' | cryptsetup open --test-passphrase --key-file - '$image'"
first=${key:0:1}
expect_code 8 "a wrong one is refused" auth "$([ "$first" = c ] && echo b || echo c)${key:1}" test
equal "and counted" 1 "$(failures)"
expect_code 8 "what is none is refused where one is asked for" auth "$pin" test recovery-key
equal "and counted" 2 "$(failures)"
check "in capitals, without dashes, it opens the volume and starts the mode" \
    with_pin "$(tr -d - <<<"${key^^}")" unlock secure
equal "the mode runs" running "$(field secure state)"
equal "the count is cleared" 0 "$(failures)"
check "lock" pmosctl lock secure

note "a PIN that was forgotten"
check "the recovery key puts a new one in its place" pmosctl volume passwd secure \
    --pin-fd 3 --new-pin-fd 4 3< <(printf %s "$key") 4< <(printf %s "$new")
expect_code 8 "the old one opens nothing" auth "$pin" test
check "the new one does" auth "$new" test pin
check "and the recovery key still does" auth "$key" test recovery-key
equal "there is nothing else" 'pin recovery-key' "$(ways)"

note "by systemd-cryptenroll, and away again"
check "the recovery key is taken away" auth "$new" remove recovery-key
equal "the PIN is left" 'pin / pmos pmos-duress' "$(ways) / $(tokens)"
expect_code 8 "the key opens nothing any more" auth "$key" test
theirs=$(PASSWORD=$new systemd-cryptenroll --recovery-key "$image" 2>/dev/null)
equal "systemd's is listed" 'pin recovery-key' "$(ways)"
check "systemd's opens the volume" with_pin "$theirs" unlock secure --no-start
check "lock" pmosctl lock secure
check "it is taken away by its keyslot, itself the secret" auth "$theirs" remove "$(slot_of recovery-key)"
expect_code 13 "twice it is not there" auth "$new" remove recovery-key

note "escrow"
check "the profile demands one" allow "\"unlock\": [\"pin\"], \"escrow\": \"$public\""
check "a volume from before gets it" auth "$new" enroll escrow
equal "it is listed" 'escrow pin' "$(ways)"
listed=$(pmosctl auth list secure --json)
print=$(base64 -d <<<"$public" | sha256sum | cut -d' ' -f1)
equal "with the key's fingerprint" "$print $print" \
    "$(jq -r '.escrow + " " + (.ways[] | select(.method == "escrow").key)' <<<"$listed")"
matches "and since when" '^20[0-9-]+T[0-9:]+Z$' \
    "$(jq -r '.ways[] | select(.method == "escrow").since' <<<"$listed")"
expect_code 14 "it cannot be taken away" auth "$new" remove escrow
expect_code 14 "it does not count as a way in" auth "$new" remove pin
printf '%s\n' "$private" >private
head -c 32 /dev/urandom | base64 >other
sealed=$(jq -r '.ways[] | select(.method == "escrow").sealed' <<<"$listed")
expect_code 8 "another private key unseals nothing" \
    sh -c "pmosctl auth open-escrow other '$sealed' --out-fd 4 4>held"
check "the holder unseals it" sh -c "pmosctl auth open-escrow private '$sealed' --out-fd 4 4>held"
check "what was in it opens the volume" with_pin "$(cat held)" unlock secure --no-start
check "lock" pmosctl lock secure
check "a new volume has it from the beginning" fresh_secure "$pin"
equal "it is listed" 'escrow pin' "$(ways)"

note "an enrollment that is killed at any moment"
check "the profile lets a recovery key open it" allow '"unlock": ["pin", "recovery-key"]'
marks='' lost=0
for i in 1 2 3 4 5 6; do
    enroll_recovery "$pin" "killed$i" 2>errors &
    enrolling=$!
    sleep "$((RANDOM % 4)).$((RANDOM % 10))"
    pkill -9 -x pmos-volume
    wait $enrolling
    with_pin "$pin" unlock secure --no-start >out 2>&1 || lost=$((lost + 1))
    pmosctl lock secure >/dev/null
    marks+=$(tokens | grep -o pmos-enroll)
    # One that was told stays, and opens.
    case $(ways) in
    *recovery-key*) auth "$pin" remove recovery-key >/dev/null || lost=$((lost + 1)) ;;
    esac
done
equal "the PIN opened it each time" 0 "$lost"
equal "no mark of it stays" '' "$marks"
equal "nor a keyslot" 'escrow pin' "$(ways)"

lacks "no secret is in the journal" "$pin|$new|${key:0:26}|${theirs:0:26}|$(cut -c 1-26 held)" \
    "$(journalctl -b --no-pager -u pmosd)"
check "the shipped profile is back" allow '"unlock": ["pin"]'
pmos_reset
rm -rf "$work"
