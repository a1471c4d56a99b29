#!/bin/bash
# A mode that opens at boot by the TPM, with nobody there: as systemd-cryptenroll and cryptsetup have
# it, in both directions; and what is said, and opens it, when the phone is not as it was.
# boot: own
# timeout: 900
# tpm: yes
# turn: 3
. "$HANDSET_LIB"
export TPM2TOOLS_TCTI=device:/dev/tpmrm0

mode=personal
profile=/usr/share/pmos/profiles/personal.json
borrow_profile "$profile"
shipped=$(cat "$profile")
work=$(mktemp -d)
cd "$work" || exit 1
pin=$RANDOM$RANDOM$RANDOM

allow() {
    local before='"unlock": ["device-key"]'
    printf '%s\n' "${shipped/"$before"/"\"unlock\": [$1]${2:-}"}" >"$profile"
    grep -qF "[$1]" "$profile" && pmosctl reload
}
state() { pmosctl auth list personal --json | jq -r '.ways[] | select(.method == "tpm2").state'; }
token() { cryptsetup luksDump --dump-json-metadata "$image" | jq -r ".tokens[] | select(.type == \"systemd-tpm2\") | $1"; }
fresh() { pmosctl lock "$mode" --evict && rm -f /var/lib/pmos/{volumes,keys}/"$mode"-*; }
by_cryptsetup() { cryptsetup open --test-passphrase --token-only "$image"; }
extend() { tpm2_pcrextend "$1:sha256=$(printf %064x 1)"; }

note "made by its first start"
check "nothing is left of the volume before, nor of its key" fresh
check "the profile says so" allow '"tpm2", "recovery-key"'
matches "which check warns of" tpm-alone "$(pmosctl policy check "$profile" 2>&1)"
check "it starts" pmosctl start personal
image=$(pmosctl volume list personal --json | jq -r '.[0].source')
equal "by the TPM" tpm2 "$(ways)"
equal "while it boots the same" 'while PCR 7 is as it was' "$(state)"
equal "in systemd's form" '[7] sha256 false' "$(token '"\(."tpm2-pcrs" | tojson) \(."tpm2-pcr-bank") \(."tpm2-pin")"')"
check "no file has its key" sh -c '! ls /var/lib/pmos/keys/personal-data* 2>/dev/null'
check "cryptsetup opens by it" by_cryptsetup
check "lock" pmosctl lock personal
check "it is closed" sh -c '! test -e /dev/mapper/pmos-personal-data'
check "unlocking asks nobody" pmosctl unlock personal </dev/null
check "auth test does not either" pmosctl auth test personal </dev/null
check "a recovery key is enrolled, with nobody asked" \
    pmosctl auth enroll personal recovery-key --out-fd 4 4>key </dev/null
key=$(cat key)
check "it opens" auth "$key" test recovery-key
equal "where the TPM does too" 'recovery-key tpm2' "$(ways)"
says 2 "who wants that way has to enter it" 'no secret was given' \
    pmosctl auth test personal recovery-key
says 8 "another key opens nothing" refused auth "x$key" test
equal "and is counted" 1 "$(field personal failures)"
check "the TPM opens meanwhile" pmosctl auth test personal tpm2
equal "which says nothing of that key" 1 "$(field personal failures)"
check "the right one" auth "$key" test
equal "clears the count" 0 "$(field personal failures)"

note "pmosd begins anew, as at boot"
check "locked" pmosctl lock personal
check "pmosd starts again" systemctl restart pmosd
within 60 "the mode is up, with nobody there" state_is personal running

note "the phone is not as it was"
check "locked" pmosctl lock personal
check "PCR 7 is another" extend 7
says 14 "the TPM does not open it, and says why" 'PCR 7 has changed.*recovery key' \
    pmosctl unlock personal
expect_fail "nor does cryptsetup" by_cryptsetup
equal "nothing is counted" 0 "$(field personal failures)"
check "it is closed" sh -c '! test -e /dev/mapper/pmos-personal-data'
check "the recovery key opens it" with_pin "$key" unlock personal
check "what is of no use is taken away" auth "$key" remove tpm2
says 13 "the TPM has nothing of it" 'no keyslot that the TPM opens' pmosctl auth test personal
check "it is enrolled anew" auth "$key" enroll tpm2
check "lock" pmosctl lock personal
check "and opens again" pmosctl unlock personal

note "by systemd-cryptenroll"
check "ours goes" auth "$key" remove tpm2
check "lock" pmosctl lock personal
(umask 77 && printf %s "$key" >keyfile)
check "systemd enrolls the TPM" systemd-cryptenroll --unlock-key-file="$work/keyfile" \
    --tpm2-device=auto "$image"
equal "it is listed" 'recovery-key tpm2' "$(ways)"
check "pmos opens by it" pmosctl unlock personal
check "lock" pmosctl lock personal

note "a PIN beside it, and other PCRs"
check "the profile lets it" allow '"pin", "tpm2"' ', "tpm2": { "pcrs": [0, 7] }'
check "nothing is left" fresh
check "it is made with a PIN" with_pin "$pin" provision personal
equal "and the TPM" 'pin tpm2' "$(ways)"
equal "which looks at both" 'while PCR 0, 7 is as it was' "$(state)"
check "it opens with nobody there" pmosctl unlock personal
check "and by the PIN" auth "$pin" test pin
check "lock" pmosctl lock personal
check "PCR 0 is another" extend 0
says 14 "which is told" 'PCR 0 or 7 has changed' pmosctl unlock personal
check "the PIN opens it" with_pin "$pin" unlock personal
check "lock" pmosctl lock personal
check "PCRs need not be" allow '"pin", "tpm2"' ', "tpm2": { "pcrs": [] }'
check "the old way goes" auth "$pin" remove tpm2
check "another comes" auth "$pin" enroll tpm2
equal "of that kind" 'whatever was booted' "$(state)"
check "and opens" pmosctl unlock personal
check "lock" pmosctl lock personal
check "PCR 7 is another" extend 7
check "which it does not look at" pmosctl unlock personal

note "erased, and a cleared TPM"
cp "$image" saved
check "erase" pmosctl erase personal --yes
expect_fail "nothing is there" test -e "$image"
check "it is made anew" pmosctl unlock personal
check "lock" pmosctl lock personal
cp "$image" whole
cp saved "$image"
check "a copy from before opens, by this TPM: it lies in the header" pmosctl auth test personal tpm2
cp whole "$image"
check "the TPM is cleared" tpm2_clear
says 14 "and opens nothing" 'it has been cleared since, or is another one' pmosctl auth test personal
mv /dev/tpmrm0 /dev/tpmrm0.away
says 13 "as it does where it is not there" 'the TPM does not open.*tpmrm0' pmosctl auth test personal
mv /dev/tpmrm0.away /dev/tpmrm0

lacks "no secret is in the journal" "$pin|${key:0:26}" "$(journalctl -b --no-pager -u pmosd)"
check "nothing is left" fresh
return_profile
check "the shipped mode starts" pmosctl start personal
pmos_reset
cd / && rm -rf "$work"
