#!/usr/bin/env python3
"""pmos-panel on a screen that nobody sees, with clients that do all that they must not. Whatever they
do, it goes on: the others' windows are served, its memory is bounded, the strip is not held up.

usage: panel_test.py PMOS_PANEL [TEST...]
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "handset"))

from wayland import Client, Gone, Window  # noqa: E402

CORE = {"wl_compositor", "wl_subcompositor", "wl_shm", "wl_output", "xdg_wm_base"}
# All that a screen without a GPU has.
MORE = ["wl_data_device_manager", "wp_viewporter", "wp_presentation", "zxdg_decoration_manager_v1",
        "zwp_primary_selection_device_manager_v1", "zxdg_output_manager_v1"]
ROW = "ssutbbbasbybbbbbyt"


class Panel:
    def __init__(self, program):
        self.dir = tempfile.mkdtemp(prefix="pmos-panel-")
        self.log = open(f"{self.dir}/log", "w+b")
        self.process = subprocess.Popen([program, "--run", self.dir, "--headless", "360x720"], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.until(lambda: os.path.exists(f"{self.dir}/control"))

    def until(self, condition, seconds=30):
        end = time.monotonic() + seconds
        while not (said := condition()) and time.monotonic() < end:
            assert self.process.poll() is None, f"the panel has ended: {self.said()}"
            time.sleep(0.02)
        assert said, "it did not come to that"
        return said

    def said(self):
        self.log.flush()
        return pathlib.Path(f"{self.dir}/log").read_text(errors="replace")[-4000:]

    def call(self, member, *words):
        done = subprocess.run(["busctl", f"--address=unix:path={self.dir}/control", "--json=short", "call", "org.pmos.Panel1",
                               "/org/pmos/Panel1", "org.pmos.Panel1.Control", member, *words],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{member}: {done.stderr} {self.said()}"
        return json.loads(done.stdout)["data"] if done.stdout.strip() else None

    def table(self, *rows):
        """rows: (name, run, in front, protocols, input)."""
        words = [f"a({ROW})(sub)", str(len(rows))]
        for name, run, front, protocols, takes_input in rows:
            words += [name, name.title(), "1402304", str(run), "1", str(int(takes_input)), "0", str(len(protocols)), *protocols,
                      str(int(front)), "2", "0", "1", "0", "0", "0", "0", "0"]
        self.call("SetTable", *words, "", "100", "0")

    def socket(self, mode):
        return f"{self.dir}/modes/{mode}/wayland-0"

    def memory(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return int(text.split("Pss:")[1].split()[0])

    def answers_within(self, seconds=2):
        begun = time.monotonic()
        self.call("State")
        took = time.monotonic() - begun
        assert took < seconds, f"it answered after {took:.1f} s"

    def end(self):
        code = None
        if self.process.poll() is None:
            self.process.terminate()
            code = self.process.wait(30)
        said = self.said()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert code == 0, f"it ended with {self.process.returncode}: {said}"


@contextlib.contextmanager
def panel_with(program, protocols=("wp_viewporter",)):
    panel = Panel(program)
    panel.table(("alpha", 1, True, protocols, True), ("beta", 1, False, protocols, True))
    try:
        yield panel
    finally:
        panel.end()


def still_serves(panel):
    window = Window(Client(panel.socket("alpha")), 0x00FF00)
    window.client.roundtrip()
    other = Window(Client(panel.socket("beta")), 0x0000FF)
    other.client.roundtrip()
    panel.answers_within()


def test_offers_what_the_profile_lists(program):
    panel = Panel(program)
    panel.table(("alpha", 1, True, MORE, True), ("beta", 1, False, [], False))
    seen = {mode: set(Client(panel.socket(mode)).globals) for mode in ("alpha", "beta")}
    assert seen["alpha"] == CORE | set(MORE) | {"wl_seat"}, seen
    assert seen["beta"] == CORE, seen
    panel.end()


def test_binds_nothing_that_is_not_offered(program):
    """By its number, which a client may guess."""
    with panel_with(program) as panel:
        for name in range(40):
            client = Client(panel.socket("beta"))
            if name in (number for number, _ in client.globals.values()):
                continue
            with contextlib.suppress(Gone):
                client.send(client.registry, 0, struct.pack("<I", name) + client.text("wl_seat") + struct.pack("<II", 1, client.new()))
                client.roundtrip()
                raise AssertionError(f"global {name} could be bound")
        still_serves(panel)


def test_a_new_run_is_a_new_display(program):
    with panel_with(program) as panel:
        old = Window(Client(panel.socket("alpha")), 1)
        panel.table(("alpha", 2, True, [], True))
        try:
            old.client.roundtrip()
            raise AssertionError("a client of the last run is still there")
        except Gone:
            pass
        assert not os.path.exists(panel.socket("beta")), "a mode that has ended has a socket still"
        Window(Client(panel.socket("alpha")), 1).client.roundtrip()


def test_one_of_three_ends(program):
    """Its end asks whose the others' clients are."""
    panel = Panel(program)
    rows = [(name, 1, name == "alpha", [], True) for name in ("alpha", "berta", "carla")]
    panel.table(*rows)
    clients = [Window(Client(panel.socket(name)), 1) for name, *_ in rows]
    panel.table(*rows[1:])
    for window in clients[1:]:
        window.client.roundtrip()
    panel.table(rows[1])
    clients[1].client.roundtrip()
    panel.table(*rows)
    again = Window(Client(panel.socket("alpha")), 1)
    again.client.roundtrip()
    panel.end()


def test_popups(program):
    with panel_with(program) as panel:
        window = Window(Client(panel.socket("alpha")), 1)
        client = window.client
        for parent in (window.xdg, 0):
            with contextlib.suppress(Gone):
                surface, xdg, popup, positioner = (client.new() for _ in range(4))
                client.send(window.compositor, 0, struct.pack("<I", surface))
                client.send(window.shell, 1, struct.pack("<I", positioner))
                client.send(positioner, 1, struct.pack("<ii", 100, 50))
                client.send(positioner, 2, struct.pack("<iiii", 10, 10, 20, 20))
                client.send(window.shell, 2, struct.pack("<II", xdg, surface))
                configured = []
                client.handlers[xdg] = lambda opcode, body, xdg=xdg, configured=configured: (
                    client.send(xdg, 4, body), configured.append(body))
                client.send(xdg, 2, struct.pack("<III", popup, parent, positioner))
                client.send(surface, 6)
                client.roundtrip()
                assert configured or parent == 0, "a popup is not configured"
                buffer, fd = window.buffer(100, 50)
                os.close(fd)
                client.send(surface, 1, struct.pack("<Iii", buffer, 0, 0))
                client.send(surface, 6)
                client.roundtrip()
                client.send(popup, 0)
                client.send(xdg, 0)
                client.roundtrip()
        still_serves(panel)


def test_garbage(program):
    with panel_with(program) as panel:
        chance = random.Random(1)
        for _ in range(300):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(panel.socket("alpha"))
                with contextlib.suppress(OSError):
                    raw.sendall(chance.randbytes(chance.randrange(1, 5000)))
        still_serves(panel)


def test_requests_with_wrong_arguments(program):
    """Well-formed messages to objects that are there, with whatever in them."""
    with panel_with(program) as panel:
        chance = random.Random(2)
        for _ in range(400):
            with contextlib.suppress(Gone, OSError):
                client = Client(panel.socket("alpha"))
                window = Window(client, 0xFF0000)
                for _ in range(20):
                    obj = chance.choice([window.surface, window.xdg, window.toplevel, window.shell, window.shm,
                                         window.compositor, client.registry, 1, window.seat])
                    words = [chance.choice([0, 1, window.surface, window.xdg, client.next, 0x7FFFFFFF, 0xFFFFFFFF,
                                            chance.getrandbits(32)]) for _ in range(chance.randrange(0, 7))]
                    client.send(obj, chance.randrange(0, 15), struct.pack(f"<{len(words)}I", *words))
                client.roundtrip(5)
        still_serves(panel)


def test_many_surfaces(program):
    with panel_with(program) as panel:
        before = panel.memory()
        clients = []
        with contextlib.suppress(Gone):
            for _ in range(8):
                client = Client(panel.socket("alpha"))
                clients.append(client)
                compositor = client.bind("wl_compositor", 4)
                for _ in range(6000):
                    client.send(compositor, 0, struct.pack("<I", client.new()))
                client.roundtrip()
                raise AssertionError("nobody minds 6000 surfaces")
        grown = panel.memory() - before
        # ASan's own memory is in it, and what it keeps of what was freed.
        assert grown < 200 * 1024, f"{grown} KiB more"
        del clients
        still_serves(panel)


def test_many_clients(program):
    with panel_with(program) as panel:
        doors = []
        for _ in range(200):
            door = socket.socket(socket.AF_UNIX)
            door.connect(panel.socket("alpha"))
            doors.append(door)
        time.sleep(0.5)
        fds = len(os.listdir(f"/proc/{panel.process.pid}/fd"))
        assert fds < 160, fds  # two for each that is let in
        Window(Client(panel.socket("beta")), 1).client.roundtrip()
        for door in doors:
            door.close()
        panel.until(lambda: len(os.listdir(f"/proc/{panel.process.pid}/fd")) < 40)
        still_serves(panel)


def test_never_reads(program):
    with panel_with(program) as panel:
        client = Client(panel.socket("alpha"))
        with contextlib.suppress(Gone, OSError):
            client.socket.settimeout(3)
            for _ in range(200_000):
                client.send(1, 0, struct.pack("<I", client.new()))
        still_serves(panel)


def test_buffers(program):
    """Of absurd sizes, of memory that is not there, or is taken away while it is drawn."""
    with panel_with(program) as panel:
        for size, offset, width, height, stride in ((1 << 30, 0, 16384, 16384, 65536), (4096, 0, 1000, 1000, 4000),
                                                     (4096, 0, -1, 10, 40), (4096, 0, 10, 10, 1), (4096, 4090, 10, 10, 40),
                                                     (4096, 0, 0x7FFFFFFF, 0x7FFFFFFF, 4), (0, 0, 1, 1, 4)):
            with contextlib.suppress(Gone):
                window = Window(Client(panel.socket("alpha")), 1)
                client = window.client
                fd = os.memfd_create("buffer")
                os.ftruncate(fd, min(size, 1 << 20) if size < 1 << 30 else size)
                pool, buffer = client.new(), client.new()
                client.send(window.shm, 0, struct.pack("<Ii", pool, size), [fd])
                client.send(pool, 0, struct.pack("<IiiiiI", buffer, offset, width, height, stride, 1))
                client.send(window.surface, 1, struct.pack("<Iii", buffer, 0, 0))
                client.send(window.surface, 2, struct.pack("<iiii", 0, 0, 1 << 30, 1 << 30))
                client.send(window.surface, 6)
                client.roundtrip()
                time.sleep(0.1)
                os.ftruncate(fd, 0)
                client.send(window.surface, 2, struct.pack("<iiii", 0, 0, 1 << 30, 1 << 30))
                client.send(window.surface, 6)
                time.sleep(0.1)
                client.roundtrip()
        still_serves(panel)


def test_regions_without_end(program):
    """A region of so many rectangles that to count them takes long."""
    with panel_with(program) as panel:
        window = Window(Client(panel.socket("alpha")), 1)
        client = window.client
        region = client.new()
        client.send(window.compositor, 1, struct.pack("<I", region))
        slowest = 0
        with contextlib.suppress(Gone):
            for i in range(30_000):
                client.send(region, 1, struct.pack("<iiii", i % 300 * 3, i // 300 * 3, 1, 1))
                if i % 1000 == 999:
                    client.send(window.surface, 4, struct.pack("<I", region))
                    client.send(window.surface, 6)
                    begun = time.monotonic()
                    panel.answers_within(5)
                    slowest = max(slowest, time.monotonic() - begun)
        print(f"slowest answer while a region grew: {slowest * 1000:.0f} ms")
        assert slowest < 1, slowest
        still_serves(panel)


def main():
    program, *wanted = sys.argv[1:]
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    failed = []
    for name, test in tests.items():
        if wanted and name not in wanted:
            continue
        begun = time.monotonic()
        try:
            test(program)
            print(f"ok   {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Exception as error:  # noqa: BLE001  a test that fails must not keep the others from running
            failed.append(name)
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
