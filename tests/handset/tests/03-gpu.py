#!/usr/bin/python3
"""A render node is there, and it really allocates: a dumb buffer on vgem's, mapped and written."""

import fcntl
import glob
import mmap
import os
import struct
import sys

DRM_IOCTL_VERSION = 0xC0406400
DRM_IOCTL_MODE_CREATE_DUMB = 0xC02064B2
DRM_IOCTL_MODE_MAP_DUMB = 0xC01064B3


def driver_of(node):
    name = os.path.basename(os.path.realpath(f"/sys/class/drm/{node}/device/driver"))
    return name if name != "driver" else "platform"


def allocate(path):
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    dumb = bytearray(struct.pack("IIIIIIQ", 64, 64, 32, 0, 0, 0, 0))
    fcntl.ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, dumb)
    handle, _, size = struct.unpack_from("IIQ", dumb, 16)
    where = bytearray(struct.pack("IIQ", handle, 0, 0))
    fcntl.ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, where)
    offset = struct.unpack_from("Q", where, 8)[0]
    with mmap.mmap(fd, size, offset=offset) as pixels:
        pixels[:4] = b"pmos"
        assert pixels[:4] == b"pmos", "the buffer does not keep what is written"
    os.close(fd)
    return size


def main():
    nodes = sorted(glob.glob("/dev/dri/renderD*"))
    assert len(nodes) == 2, f"render nodes: {nodes}"
    drivers = {driver_of(os.path.basename(node)) for node in nodes}
    print(f"  ok    render nodes {nodes}, drivers {sorted(drivers)}")
    assert "virtio_gpu" in drivers or "virtio-pci" in drivers, f"no virtio-gpu in {drivers}"
    card = next(c for c in sorted(glob.glob("/dev/dri/card*"))
                if "vgem" in os.path.realpath(f"/sys/class/drm/{os.path.basename(c)}"))
    print(f"  ok    {card} (vgem) allocated {allocate(card)} bytes")
    for node in nodes:
        info = os.stat(node)
        assert os.major(info.st_rdev) == 226, f"{node} is no DRM device"
    return 0


if __name__ == "__main__":
    sys.exit(main())
