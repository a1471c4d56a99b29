#!/bin/bash
# The mode images are erofs, hold a usable userland, and are no copies of each other.
. "$HANDSET_LIB"

before=$(mktemp)
after=$(mktemp)
pmos_reset  # personal starts with the phone, and may be making its volume still
snapshot "$before"
top=$(mktemp -d)
for mode in personal secure; do
    image=/usr/share/pmos/images/$mode.erofs
    mkdir "$top/$mode"
    check "$mode mounts as erofs" mount -t erofs -o ro,loop "$image" "$top/$mode"
    stop_if_failed
    equal "$mode says who it is" "$mode" "$(cat "$top/$mode/etc/pmos-mode")"
    for directory in data proc dev sys tmp run mnt var/tmp; do
        check "$mode has /$directory" test -d "$top/$mode/$directory"
    done
    for tool in sh cat grep python3 unshare mount ps; do
        check "$mode has $tool" chroot "$top/$mode" sh -c "command -v $tool"
    done
    check "$mode: python3 has socket, ctypes, fcntl" chroot "$top/$mode" \
        python3 -c 'import ctypes, fcntl, json, mmap, socket, struct, subprocess'
    expect_fail "$mode is read-only" touch "$top/$mode/etc/x"
done
check "personal has its game" test -x "$top/personal/usr/games/ninvaders"
check "secure has gpg" chroot "$top/secure" gpg --version
expect_fail "personal has no gpg" test -e "$top/personal/usr/bin/gpg"
expect_fail "secure has no game" test -e "$top/secure/usr/games/ninvaders"
expect_fail "the files differ" cmp -s /usr/share/pmos/images/personal.erofs /usr/share/pmos/images/secure.erofs
umount "$top"/*
rmdir "$top"/* "$top"
snapshot "$after"
compare "mounting left nothing behind" "$before" "$after"
