"""Runs inside a mode: tries what it is asked to, one JSON object a line, and says "yes", or how the
kernel refused. Judges nothing."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import resource
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
SYSCALL = {"add_key": 248, "keyctl": 250, "syslog": 103, "perf_event_open": 298, "mount_setattr": 442,
           "umount2": 166, "clock_settime": 227, "delete_module": 176, "swapon": 167,
           "kexec_load": 246, "open_by_handle_at": 304, "mknod": 133, "sysinfo": 99, "io_setup": 206, "io_destroy": 207}
held = []  # locks
listening = []


def call(name, *args):
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    r = libc.syscall(ctypes.c_long(SYSCALL[name]), *wide)
    if r < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return r


def bend(path):
    """What CAP_SYS_ADMIN and the calls of mounting would do to a mount: read-only and noexec off."""
    attributes = (ctypes.c_uint64 * 4)(0, 1 | 8, 0, 0)  # attr_clr: MOUNT_ATTR_RDONLY, NOEXEC
    try:
        call("mount_setattr", -100, path.encode(), 0, attributes, 32)
    except OSError:
        pass


def tree_read(path, token):
    with open(os.path.join(path, "marker"), encoding="ascii") as stream:
        return stream.read().strip() == token


def tree_write(path, _):
    bend(path)
    name = os.path.join(path, "written-%d" % os.getpid())
    with open(name, "w", encoding="ascii") as stream:
        stream.write("x")
    os.unlink(name)
    return True


def tree_execute(path, _):
    bend(path)
    pid = os.posix_spawn(os.path.join(path, "tool"), ["tool"], {})
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def tree_signal(path, _):
    fd = os.open(os.path.join(path, "marker"), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True  # somebody else's lock is a message too
    finally:
        os.close(fd)
    return True


def lock(path, _):
    fd = os.open(os.path.join(path, "marker"), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.append(fd)
    return True


def unlock(_path, _):
    while held:
        os.close(held.pop())
    return True


def locked(path, _):
    fd = os.open(os.path.join(path, "marker"), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def key_give(_path, token):
    key = call("add_key", b"user", token.encode(), token.encode(), len(token), -3)
    call("keyctl", 5, key, 0x3F3F3F3F)  # KEYCTL_SETPERM: others may read it
    return key


def key_read(serial, token):
    text = ctypes.create_string_buffer(64)
    size = call("keyctl", 11, int(serial), text, 64)
    return text.raw[:size].decode() == token


def log_read(_path, _):
    text = ctypes.create_string_buffer(65536)
    return call("syslog", 3, text, 65536) >= 0


def log_find(_path, token):
    text = ctypes.create_string_buffer(1 << 20)
    size = call("syslog", 3, text, 1 << 20)
    return token.encode() in text.raw[:size]


def log_write(_path, token):
    """A fault of a program is logged with its name."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(ValueError):  # a mode's stays as it is, and makes no core
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        libc.prctl(15, token.encode(), 0, 0, 0)
        ctypes.string_at(8)
    return os.WTERMSIG(os.waitpid(pid, 0)[1]) == 11


def cpu_events(_path, _):
    attributes = ctypes.create_string_buffer(128)
    ctypes.memmove(attributes, bytes([1, 0, 0, 0, 128]), 5)  # PERF_TYPE_SOFTWARE, size 128
    os.close(call("perf_event_open", attributes, -1, 0, -1, 0))
    return True


def aio(requests, _):
    """Takes requests of the machine's, and keeps them."""
    context = ctypes.c_ulong(0)
    call("io_setup", int(requests), ctypes.byref(context))
    listening.append(context)
    return True


def aio_end(_what, _):
    call("io_destroy", listening.pop().value)
    return True


def family(number, _):
    kinds = {31: socket.SOCK_SEQPACKET, 39: socket.SOCK_SEQPACKET, 42: socket.SOCK_DGRAM}
    socket.socket(int(number), kinds.get(int(number), socket.SOCK_STREAM)).close()
    return True


def vsock_listen(port, _):
    listener = socket.socket(40, socket.SOCK_STREAM)
    listener.bind((socket.VMADDR_CID_ANY, int(port)))
    listener.listen(8)
    listening.append(listener)
    return True


def vsock_connect(port, _):
    with socket.socket(40, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect((1, int(port)))  # VMADDR_CID_LOCAL
    return True


def events_open(_path, _):
    listener = socket.socket(16, socket.SOCK_DGRAM, 15)
    listener.bind((0, 1))
    listener.settimeout(5)
    listening.append(listener)
    return True


def events_hear(_path, _):
    with listening.pop() as listener:
        return b"@" in listener.recv(4096)


def initial(name, _):
    """What asks for a capability in the initial user namespace."""
    if name == "clock":
        call("clock_settime", 0, (ctypes.c_long * 2)(1, 0))
    elif name == "modules":
        call("delete_module", b"no_such_module", 0)
    elif name == "swap":
        call("swapon", b"/no/such/file", 0)
    elif name == "kexec":
        call("kexec_load", 0, 0, None, 0)
    else:
        handle = (ctypes.c_uint32 * 8)(8, 1)
        root = os.open("/", os.O_RDONLY)
        call("open_by_handle_at", root, handle, os.O_RDONLY)
    return True


def counter(path, _):
    if path == "sysinfo":
        return call("sysinfo", ctypes.create_string_buffer(256)) == 0
    try:
        if path != "/proc":
            call("umount2", path.encode(), 2)  # MNT_DETACH: takes a mask away, where it can be
    except OSError:
        pass
    if os.path.isdir(path):
        return any(os.scandir(path))
    # Where others' locks are hidden there is one at least: this one.
    with open("/tmp/lock", "w", encoding="ascii") as own, open(path, "rb") as stream:
        fcntl.flock(own, fcntl.LOCK_EX)
        return len(stream.read(256)) > 0


def device(path, _):
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY))
    return True


def device_made(numbers, _):
    major, minor = map(int, numbers.split(":"))
    node = "/tmp/node-%d" % os.getpid()
    call("mknod", node.encode(), 0o20666, os.makedev(major, minor))
    try:
        return device(node, None)
    finally:
        os.unlink(node)


def reach_address(address, _):
    host, port = address.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        client.connect((host, int(port)))
    return True


def answer(request):
    try:
        said = globals()[request["do"]](request["what"], request.get("token", ""))
        return said if isinstance(said, int) and not isinstance(said, bool) else "yes" if said else "no"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)


if __name__ == "__main__":
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
