#!/bin/bash
# The version floor in the phone's TPM: a storage that was put back does not bring an old policy
# back, and a phone whose TPM is gone does not believe its storage.
# tpm: yes
# timeout: 300
. "$HANDSET_LIB"
export TPM2TOOLS_TCTI=device:/dev/tpmrm0

desk=$(mktemp -d) trust=/etc/pmos/trust state=/var/lib/pmos index=0x180706d
device=$(readlink -f /sys/class/tpm/tpm0/device)
driver=$(readlink -f "$device/driver")
status() { pmosctl policy status --json | jq -r ".$1 // \"\""; }
bundle() { # VERSION: signed, as $desk/VERSION
    pmosctl policy pack /usr/share/pmos/profiles -o "$desk/$1" --name acme --version "$1" --root / &&
        pmosctl policy sign "$desk/$1" --key "$desk/k.key"
}
confirmed() { # VERSION
    pmosctl policy install "$desk/$1" && pmosctl policy confirm
}
in_tpm() { # the version that the TPM has, in decimal
    local hex
    hex=$(tpm2_nvread $index -C $index | tail -c 8 | od -An -tx1 | tr -d ' \n')
    [ ${#hex} -eq 16 ] && printf '%d' "0x$hex"
}
with_pmosd_down() { # COMMAND...
    systemctl stop pmosd && "$@" && systemctl start pmosd
}
unplug() {
    echo "${device##*/}" >"$driver/unbind" && test ! -e /dev/tpmrm0
}
# Not as number 0: the kernel's IMA holds on to that one.
plug_in() {
    local node
    echo "${device##*/}" >"$driver/bind" && node=$(echo /dev/tpmrm[1-9]) &&
        test -c "$node" && ln -sfn "${node##*/}" /dev/tpmrm0
}
put_back() {
    find $state -mindepth 1 -delete && cp -a "$desk/old/." $state/
}

check "there is a TPM" test -c /dev/tpmrm0
lacks "pmosd does not talk to it" tss2 "$(ldd /usr/sbin/pmosd)"
matches "pmos-bundle does" tss2 "$(ldd /usr/libexec/pmos/pmos-bundle)"
check "a key" pmosctl policy keygen "$desk/k"
for version in 7 8 20261126; do check "bundle $version" bundle $version; done
lacks "nothing of pmos is in the TPM yet" "[0-9]" "$(tpm2_getcap handles-nv-index)"
mkdir -p $trust && cp "$desk/k.pub" $trust/
check "reload" reload
check "install" pmosctl policy install "$desk/7"
equal "on trial it is no floor" "0 file and TPM" "$(status floor) $(status floorKept)"
equal "nor in the TPM" 0 "$(in_tpm)"
check "confirm" pmosctl policy confirm
equal "it is the floor" "7 file and TPM" "$(status floor) $(status floorKept)"
equal "in the TPM as well" 7 "$(in_tpm)"
matches "doctor says so" 'floor 7 \(kept in file and TPM\)' "$(pmosctl doctor | grep policy)"
check "a copy of the storage" cp -a $state "$desk/old"
check "a newer policy, in an OCI layout" pmosctl policy copy "$desk/20261126" "oci:$desk/layout"
check "comes out of it" pmosctl policy install "$desk/layout:20261126"
check "and is confirmed" pmosctl policy confirm
equal "a version may leap" 20261126 "$(in_tpm)"

note "the whole storage is put back"
check "as it was" with_pmosd_down put_back
equal "no policy is used" none "$(status source)"
matches "because of the TPM" 'has used version 20261126' "$(status why)"
expect_fail "no mode starts" pmosctl start personal
expect_code 14 "what was good then is refused" pmosctl policy install "$desk/7"
expect_code 14 "and what is newer than that one" pmosctl policy install "$desk/8"
check "the newest is not" confirmed 20261126
equal "and is used" "20261126 confirmed 20261126" "$(status version) $(status state) $(status floor)"
check "a mode starts" pmosctl start personal

note "a storage that knows nothing of a TPM"
check "nothing but an old bundle" with_pmosd_down rm -rf $state/policy
expect_code 14 "is refused as well" pmosctl policy install "$desk/8"
check "the newest again" confirmed 20261126

note "the TPM is taken away"
check "gone" unplug
expect_fail "reload says so" pmosctl reload
equal "no policy is used" none "$(status source)"
matches "and why" 'floor of policies is not known' "$(status why)"
expect_fail "no other one is taken" pmosctl policy install "$desk/20261126"
check "pmosd starts without" systemctl restart pmosd
equal "and is as careful" none "$(status source)"
check "it comes back" plug_in
check "reload" reload
equal "as before" "20261126 confirmed file and TPM" "$(status version) $(status state) $(status floorKept)"

note "a storage that knows nothing of a TPM whose driver comes late"
late() {
    rm -rf $state/policy && unplug && { (sleep 6 && plug_in) & }
}
check "no record, and no driver yet" with_pmosd_down late
expect_code 14 "an old bundle is refused: the firmware names a TPM" pmosctl policy install "$desk/8"
wait
check "the newest is not" confirmed 20261126
equal "and the TPM keeps the floor" "20261126 file and TPM" "$(status version) $(status floorKept)"

note "the TPM is cleared"
check "as a repair does" tpm2_clear
expect_fail "reload says so" pmosctl reload
matches "it has lost the floor" 'the TPM has lost it' "$(status why)"
check "recovery, as written in docs/bundles.md" with_pmosd_down rm $state/policy/slots
check "the newest bundle" confirmed 20261126
equal "is the floor again" "20261126 file and TPM 20261126" \
    "$(status floor) $(status floorKept) $(in_tpm)"

note "a TPM that cannot be used"
check "its owner has a password" tpm2_changeauth -c owner secret
check "and the index is gone" with_pmosd_down sh -c \
    "tpm2_nvundefine $index -P secret && rm $state/policy/slots"
check "the floor is in the file" confirmed 20261126
equal "and status says why" "file" "$(status floorKept)"
matches "with the reason" 'cannot make the TPM' "$(status floorFault)"
matches "doctor warns" 'warning.*does not keep the floor' "$(pmosctl doctor | grep policy)"
check "made beforehand" tpm2_nvdefine $index -s 16 -a 'authread|authwrite|ownerread|no_da' -P secret
check "reload" reload
equal "it is used" "file and TPM 20261126" "$(status floorKept) $(in_tpm)"

rm -rf $trust $state/policy "$desk"
check "without a key the directory is read again" reload
pmos_reset
