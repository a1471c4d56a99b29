#!/bin/bash
# A PIN with the TPM's help: wrong ones are counted where no rolled back storage takes them back,
# and what was destroyed there no saved header opens. systemd's enrolments open too.
# pmos throws the password of the TPM's lockout away: who had it after that could not clear it.
# boot: own
# timeout: 1800
# tpm: yes
# turn: 2
. "$HANDSET_LIB"
export TPM2TOOLS_TCTI=device:/dev/tpmrm0

profile=/usr/share/pmos/profiles/secure.json
shipped=$(cat "$profile")
attempts=/var/lib/pmos/attempts/secure
pin=$RANDOM$RANDOM$RANDOM
own=$RANDOM$RANDOM$RANDOM
new=$RANDOM$RANDOM$RANDOM
work=$(mktemp -d)
cd "$work" || exit 1
borrow_profile "$profile"

state() { pmosctl auth list secure --json | jq -r '.ways[] | select(.token == "pmos-tpm").state'; }
# Those that the TPM has of pmos, asked past pmos.
indices() { tpm2_getcap handles-nv-index | grep -ci 0x18071; }
forget() {
    local index
    for index in $(tpm2_getcap handles-nv-index | grep -oi '0x18071[0-9a-f]*'); do
        tpm2_nvundefine -C o "$index" || return
    done
}
# What the first index of all counts.
in_tpm() { echo $((16#$(tpm2_nvread 0x1807100 -C o | head -c 4 | od -An -tx1 | tr -d ' \n'))); }
enroll() { auth "$1" enroll "$3" --new-pin-fd 4 4< <(printf %s "$2"); }
enroll_tpm() { enroll "$1" "$2" tpm2+pin; }
allow() {
    local before='"unlock": ["pin"]'
    printf '%s\n' "${shipped/"$before"/"\"unlock\": [$1]${2:-}"}" >"$profile"
    grep -qF "[$1]${2:-}" "$profile" && pmosctl reload
}
throttle=', "tpm2": { "throttle": true }'
refusals() { pmosctl auth list secure --json | jq -r '.ways[] | .refusal | select(. != null and . != "")'; }

note "enrolled beside a PIN"
equal "nothing of pmos is in the TPM yet" 0 "$(indices)"
check "the volume is made" fresh_secure "$pin"
image=$(pmosctl volume list secure --json | jq -r '.[0].source')
expect_code 14 "the profile does not let it open" enroll_tpm "$pin" "$new"
check "the profile lets more open it" allow '"pin", "tpm2+pin", "recovery-key"'
check "a PIN with the TPM is enrolled" enroll_tpm "$pin" "$new"
check "a recovery key too" auth "$pin" enroll recovery-key --out-fd 4 4>key
key=$(cat key)
equal "all are listed" 'pin recovery-key tpm2+pin' "$(ways)"
equal "two indices are in the TPM" 2 "$(indices)"
check "the new PIN opens by the TPM" auth "$new" test tpm2+pin
check "the old one by itself" auth "$pin" test
equal "which is no wrong one for the TPM" 0 "$(in_tpm)"
check "the old one is taken away" auth "$new" remove pin
check "the profile demands the TPM" allow '"tpm2+pin", "recovery-key"'
check "the mode starts by it" with_pin "$new" unlock secure
equal "it runs" running "$(field secure state)"
check "lock" pmosctl lock secure
expect_code 8 "cryptsetup does not open by the PIN" \
    sh -c "printf %s '$new' | cryptsetup open --test-passphrase --key-file - '$image' || exit 8"

note "wrong ones"
cp -a "$attempts" attempts
expect_code 8 "one is refused" auth wrong-01 test
equal "and counted by the TPM" 1 "$(in_tpm)"
equal "as pmos says" '1 of 20 wrong PINs' "$(state)"
expect_code 8 "the same again" auth wrong-01 test
equal "is not" 1 "$(in_tpm)"
expect_code 8 "nor is one that is too short" auth no test
equal "of course" 1 "$(in_tpm)"
check "the right one" auth "$new" test
equal "sets the count back" 0 "$(in_tpm)"

note "the storage is put back before each"
refused=0
for i in $(seq 1 20); do
    rm -rf "$attempts" && cp -a attempts "$attempts"
    auth "wrong-1$i" test >/dev/null 2>&1
    [ $? -eq 8 ] && refused=$((refused + 1))
done
equal "each is refused" 20 "$refused"
equal "and counted" 20 "$(in_tpm)"
rm -rf "$attempts" && cp -a attempts "$attempts"
expect_code 19 "then not even the right one is accepted" auth "$new" test
matches "and it is said why" 'to no PIN any more' "$(auth "$new" test 2>&1)"
equal "listed as well" 'the TPM accepts no PIN any more' "$(state)"
check "the recovery key opens it still" auth "$key" test
check "and takes it away" auth "$key" remove tpm2+pin
equal "also out of the TPM" 0 "$(indices)"

note "a header that was saved"
check "enrolled anew" enroll_tpm "$key" "$new"
check "it opens" auth "$new" test
cp "$image" saved
check "another PIN in its place" pmosctl volume passwd secure --pin-fd 3 --new-pin-fd 4 \
    3< <(printf %s "$new") 4< <(printf %s "$pin")
equal "in the TPM as well" 2 "$(indices)"
expect_code 8 "the old one is wrong" auth "$new" test
check "the new one opens" auth "$pin" test
check "it is taken away" auth "$key" remove tpm2+pin
cp saved "$image"
expect_code 13 "in the saved header the right PIN opens nothing" auth "$new" test tpm2+pin
equal "for the TPM has nothing" 'the TPM has its share no more' "$(state)"
check "the recovery key opens it" auth "$key" test

note "by systemd-cryptenroll"
check "what is useless goes" auth "$key" remove tpm2+pin
(umask 77 && printf %s "$key" >keyfile)
check "systemd enrolls a PIN with the TPM" env NEWPIN="$pin" systemd-cryptenroll \
    --unlock-key-file="$work/keyfile" --tpm2-device=/dev/tpmrm0 --tpm2-with-pin=yes \
    --tpm2-pcrs=7 "$image"
equal "it is listed" 'recovery-key tpm2+pin' "$(ways)"
check "pmos opens by it" with_pin "$pin" unlock secure --no-start
check "lock" pmosctl lock secure
expect_code 8 "not by another" auth "x$pin" test
check "the profile demands that the TPM counts" allow '"tpm2+pin", "recovery-key"' "$throttle"
expect_code 13 "systemd's way opens no more" auth "$pin" test tpm2+pin
matches "and it is said why" 'a share that the TPM can destroy' "$(refusals)"
expect_code 8 "whatever is asked for" auth "$pin" test
check "what nobody guesses does" auth "$key" test
check "it is replaced" auth "$key" remove tpm2+pin
check "by a PIN that pmos enrolls" enroll_tpm "$key" "$pin"
check "which opens" auth "$pin" test
equal "and nothing is refused" '' "$(refusals)"

note "an authenticator beside it"
modprobe uhid
mkdir key-ring
printf %s "$own" >key-ring/pin
touch key-ring/log
check "the profile lets all three" allow '"pin", "tpm2+pin", "fido2"'
check "what was there goes, out of the TPM too" pmosctl erase secure --yes
check "the volume is made" fresh_secure "$pin"
check "with the TPM" enroll_tpm "$pin" "$new"
plug key-ring
expect_code 8 "the authenticator's PIN is none before it is enrolled" auth "$own" test
check "nor is it in the way of enrolling it" enroll "$pin" "$own" fido2
equal "all are listed" 'fido2 pin tpm2+pin' "$(ways)"
for secret in "$pin" "$new" "$own"; do
    check "each opens it" with_pin "$secret" unlock secure --no-start
    check "lock" pmosctl lock secure
done
expect_code 8 "the authenticator's PIN is none of the TPM's" auth "$own" test tpm2+pin
expect_code 8 "nor by itself" auth "$own" test pin
expect_code 8 "the TPM's none of the authenticator's" auth "$new" test fido2
expect_code 8 "and a wrong one is none of any" auth wrong-01 test
equal "the TPM counted those that came to it" 2 "$(in_tpm)"
equal "and pmos each once" 3 "$(field secure failures)"
check "the plain one is taken away, by the authenticator" auth "$own" remove pin
expect_code 13 "and opens no more" auth "$pin" test pin
check "the TPM's does" auth "$new" test tpm2+pin
check "the authenticator's too" auth "$own" test fido2
unplug key-ring
expect_code 8 "unplugged it does not" auth "$own" test
plug key-ring
check "and what was wrong then opens now" auth "$own" test
unplug key-ring
check "the TPM's without it too" auth "$new" test
equal "nothing is counted" '0 0' "$(in_tpm) $(field secure failures)"
check "the authenticator is taken away, by the TPM" auth "$new" remove fido2
equal "nothing else is left" tpm2+pin "$(ways)"
expect_code 14 "as the last way, which stays" auth "$new" remove tpm2+pin

note "a volume that is made with the TPM"
check "the one before goes" pmosctl erase secure --yes
check "the profile names nothing else" allow '"tpm2+pin"'
check "it is made" fresh_secure "$pin"
equal "with that way alone" 'tpm2+pin' "$(ways)"
check "it opens and starts the mode" with_pin "$pin" unlock secure
check "lock" pmosctl lock secure

note "what destroys it"
check "a duress PIN is set" pmosctl duress set secure --pin-fd 3 --duress-pin-fd 4 \
    3< <(printf %s "$pin") 4< <(printf %s "$new")
equal "the TPM has its share" 2 "$(indices)"
expect_code 8 "it is refused as a wrong one" auth "$new" test
equal "and the share is gone" 0 "$(indices)"
expect_code 13 "the right PIN opens nothing any more" auth "$pin" test
check "erased" pmosctl erase secure --yes
check "made anew" fresh_secure "$pin"
equal "with a share" 2 "$(indices)"
cp "$image" saved
check "erased again" pmosctl erase secure --yes
equal "and the share with it" 0 "$(indices)"
check "and made anew" fresh_secure "$pin"
cp "$image" whole
cp saved "$image"
expect_code 13 "a copy of the storage from before opens nothing" auth "$pin" test
cp whole "$image"
check "the TPM's owner takes away what it has of pmos" forget
expect_code 13 "and nothing opens it any more" auth "$pin" test

note "a TPM that is not there, does not answer, or is in its lockout"
check "erased" pmosctl erase secure --yes
check "made anew" fresh_secure "$pin"
mv /dev/tpmrm0 /dev/tpmrm0.away
expect_code 13 "not there" auth "$pin" test
mv /dev/tpmrm0.away /dev/tpmrm0
check "and there again" auth "$pin" test
late=/run/late-tpm
modprobe tpm_vtpm_proxy
python3 /usr/lib/handset/late-tpm $late >$late.number &
late_tpm=$!
within 20 "another TPM comes" test -s $late.number
number=$(cat $late.number)
within 20 "with its nodes" test -e "/dev/tpmrm$number"
mv /dev/tpmrm0 /dev/tpmrm0.away
ln -s "tpmrm$number" /dev/tpmrm0
check "it opens by that one too" auth "$pin" test
# The kernel has limits of its own, and pmos twenty seconds.
touch $late
expect_code 17 "it does not answer" auth "$pin" test
check "pmosd serves meanwhile" pmosctl status
rm $late
within 90 "and answers again" auth "$pin" test
rm /dev/tpmrm0
kill $late_tpm
wait $late_tpm
mv /dev/tpmrm0.away /dev/tpmrm0
within 20 "as before" auth "$pin" test
equal "nothing is counted" '0 0' "$(in_tpm) $(field secure failures)"
# Somebody else's secret, wrong as often as pmos lets it be.
check "an index of somebody else" tpm2_nvdefine -Q 0x1500016 -C o -s 8 -p right -a 'authread|ownerwrite'
locked() { tpm2_nvread -C 0x1500016 -P wrong 0x1500016 2>&1 | grep -qi 'lockout'; }
within 120 "its wrong secrets bring the TPM into its lockout" locked
says 9 "then the right PIN is not judged" 'locked after wrong secrets, not only those of pmos' \
    auth "$pin" test
equal "nor counted" 0 "$(field secure failures)"

lacks "no secret is in the journal" "$pin|$new|$own|${key:0:26}" "$(journalctl -b --no-pager -u pmosd)"
return_profile
pmos_reset
rm -rf "$work"
