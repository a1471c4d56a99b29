"""A keyboard and a touch screen that a test on the phone plays, as the kernel has them from real ones
(linux/uinput.h, Documentation/input/multi-touch-protocol.rst, protocol B)."""

import fcntl
import os
import struct
import subprocess
import time

SYN, KEY, ABS = 0, 1, 3
BTN_TOUCH, SLOT, MT_X, MT_Y, TRACKING = 0x14A, 0x2F, 0x35, 0x36, 0x39
SET_EVBIT, SET_KEYBIT, SET_ABSBIT, SET_PROPBIT = (0x40045564, 0x40045565, 0x40045567, 0x4004556E)
DEV_SETUP, ABS_SETUP, DEV_CREATE = 0x405C5503, 0x401C5504, 0x5501
DIRECT = 1


class Device:
    def __init__(self, name, keys, axes=(), direct=False):
        subprocess.run(["modprobe", "uinput"], check=True)
        self.fd = os.open("/dev/uinput", os.O_WRONLY | os.O_CLOEXEC)
        fcntl.ioctl(self.fd, SET_EVBIT, KEY)
        for key in keys:
            fcntl.ioctl(self.fd, SET_KEYBIT, key)
        if axes:
            fcntl.ioctl(self.fd, SET_EVBIT, ABS)
        for axis, most in axes:
            fcntl.ioctl(self.fd, SET_ABSBIT, axis)
            fcntl.ioctl(self.fd, ABS_SETUP, struct.pack("Hxxiiiiii", axis, 0, 0, most, 0, 0, 10))
        if direct:
            fcntl.ioctl(self.fd, SET_PROPBIT, DIRECT)
        fcntl.ioctl(self.fd, DEV_SETUP, struct.pack("HHHH80sI", 3, 1, 1, 1, name.encode(), 0))
        fcntl.ioctl(self.fd, DEV_CREATE)
        subprocess.run(["udevadm", "settle"], check=True)
        time.sleep(1)  # whoever hears of it opens it

    def send(self, *events):
        """All at one moment."""
        os.write(self.fd, b"".join(struct.pack("qqHHi", 0, 0, *event) for event in (*events, (SYN, 0, 0))))

    def close(self):
        os.close(self.fd)


class Keyboard(Device):
    def __init__(self):
        super().__init__("test keyboard", range(1, 128))

    def press(self, key):
        self.send((KEY, key, 1))
        self.send((KEY, key, 0))


class TouchScreen(Device):
    """Coordinates are the screen's pixels."""

    def __init__(self, width, height):
        super().__init__("test touch screen", [BTN_TOUCH], [(0, width - 1), (1, height - 1), (SLOT, 4), (MT_X, width - 1),
                                                            (MT_Y, height - 1), (TRACKING, 65535)], direct=True)
        self.next = 1

    def down(self, x, y, slot=0):
        self.send((ABS, SLOT, slot), (ABS, TRACKING, self.next), (ABS, MT_X, x), (ABS, MT_Y, y), (ABS, 0, x), (ABS, 1, y),
                  (KEY, BTN_TOUCH, 1))
        self.next += 1

    def move(self, x, y, slot=0):
        self.send((ABS, SLOT, slot), (ABS, MT_X, x), (ABS, MT_Y, y), (ABS, 0, x), (ABS, 1, y))

    def up(self, slot=0):
        self.send((ABS, SLOT, slot), (ABS, TRACKING, -1), (KEY, BTN_TOUCH, 0))

    def tap(self, x, y):
        self.down(x, y)
        self.up()
