#!/bin/bash
# What the rooms of pmos load or expect udev to load.
. "$HANDSET_LIB"

for module in dm_crypt dm_verity erofs loop vgem virtio_gpu wireguard nf_tables veth overlay evdev; do
    check "module $module" modprobe "$module"
done
within 5 "an input device" test -c /dev/input/event0
matches "the keyboard" "QEMU Virtio Keyboard" "$(cat /proc/bus/input/devices)"
matches "the tablet" "QEMU Virtio Tablet" "$(cat /proc/bus/input/devices)"
matches "the uplink has an address" "10\\.0\\.2\\.15" "$(ip -4 -o address show eth0)"
check "the uplink's other end is a neighbour" ip neighbour replace 10.0.2.2 dev eth0 nud permanent lladdr 52:55:0a:00:02:02
expect_fail "nothing behind the uplink answers" timeout 3 bash -c 'exec 3<>/dev/tcp/10.0.2.2/80'
