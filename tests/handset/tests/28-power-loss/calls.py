"""Mappings and mounts by the libraries themselves. A program for each is what most of a moment went
into: in user-mode Linux it takes a tenth of a second to begin."""

import ctypes
import errno
import os
import time

CREATE, REMOVE = 0, 2  # libdevmapper.h

libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
dm = ctypes.CDLL("libdevmapper.so.1.02.1")
dm.dm_task_create.restype = ctypes.c_void_p
for call, arguments in (("destroy", []), ("run", []), ("retry_remove", []), ("set_name", [ctypes.c_char_p]),
                        ("set_cookie", [ctypes.POINTER(ctypes.c_uint32), ctypes.c_uint16]),
                        ("add_target", [ctypes.c_uint64] * 2 + [ctypes.c_char_p] * 2)):
    getattr(dm, f"dm_task_{call}").argtypes = [ctypes.c_void_p, *arguments]
dm.dm_udev_wait.argtypes = [ctypes.c_uint32]


def _task(kind, name, prepare):
    task, cookie = dm.dm_task_create(kind), ctypes.c_uint32()
    try:
        done = (dm.dm_task_set_name(task, name.encode()) and prepare(task) and
                dm.dm_task_set_cookie(task, cookie, 0) and dm.dm_task_run(task))
        # The node is udev's to make and to take away, or where there is none the library's.
        dm.dm_udev_wait(cookie)
    finally:
        dm.dm_task_destroy(task)
    dm.dm_lib_release()
    if not done:
        raise OSError(f"device-mapper: {'create' if kind == CREATE else 'remove'} {name}")


def map_device(name, size, target, arguments):
    """/dev/mapper/NAME, of that many bytes."""
    _task(CREATE, name, lambda task: dm.dm_task_add_target(task, 0, size >> 9, target.encode(), arguments.encode()))
    return f"/dev/mapper/{name}"


def unmap(name):
    _task(REMOVE, name, dm.dm_task_retry_remove)


def mount_ext4(device, at):
    if libc.mount(device.encode(), at.encode(), b"ext4", 0, None):
        raise OSError(ctypes.get_errno(), f"mount {device} at {at}: {os.strerror(ctypes.get_errno())}")


def unmount(at):
    """A volume's loop goes with its last user: udev may look at it for a moment longer."""
    deadline = time.monotonic() + 20
    while libc.umount2(at.encode(), 0):
        if ctypes.get_errno() != errno.EBUSY or time.monotonic() > deadline:
            raise OSError(ctypes.get_errno(), f"unmount {at}: {os.strerror(ctypes.get_errno())}")
        time.sleep(0.1)
