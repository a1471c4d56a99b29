#!/bin/bash
# The phone comes up whole: systemd, bus, udev, disks, kernel features that pmos counts on.
. "$HANDSET_LIB"

equal "systemd reached running" running "$(systemctl is-system-running)"
equal "no unit failed" "" "$(systemctl --failed --no-legend)"
check "the system bus answers" busctl --system call org.freedesktop.DBus / \
    org.freedesktop.DBus GetId
equal "/var/lib/pmos is the data disk" "/dev/vdb ext4" "$(findmnt -no SOURCE,FSTYPE /var/lib/pmos)"
check "the spare disk is there" test -b /dev/disk/by-id/virtio-spare
equal "cgroup v2 alone is mounted" "cgroup2" "$(findmnt -rno FSTYPE /sys/fs/cgroup)"
for controller in cpu memory pids io; do
    matches "cgroup controller $controller" "\\b$controller\\b" "$(cat /sys/fs/cgroup/cgroup.controllers)"
done
for lsm in landlock yama apparmor bpf; do
    matches "LSM $lsm is active" "\\b$lsm\\b" "$(cat /sys/kernel/security/lsm)"
done
matches "freed memory is wiped" "init_on_free=1" "$(cat /proc/cmdline)"
for tool in bash python3 dmsetup losetup unshare nsenter ip cryptsetup jq strace; do
    check "the phone has $tool" command -v "$tool"
done
check "the group pmos exists" getent group pmos
equal "the journal is volatile" "" "$(find /var/log/journal -type f 2>/dev/null)"
