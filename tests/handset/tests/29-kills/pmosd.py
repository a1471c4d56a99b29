"""The kills of pmosd, with a worker under it."""

import os
import secrets
import signal
import subprocess

from handset import another_pmosd, main_pid, pmosctl, start, status
from kills import each, outlives

MODE = "secure"


class Daemon:
    """The same with pmosd, which dies while its worker is at work; another takes over."""

    def __init__(self):
        self.pins, self.took, self.size = [secrets.token_hex(6)], {}, 64
        self.anew()

    def anew(self):
        pmosctl("erase", MODE, "--yes")
        made = pmosctl("provision", MODE, pin=self.pins[0])
        if made.returncode != 0:
            raise SystemExit(f"provision: {made.stderr}")

    def kill(self, *words, **pins):
        pid = main_pid()
        caller = start(*words, **pins)
        alive = outlives(caller, self.took, words)
        os.kill(pid, signal.SIGKILL)
        caller.communicate()
        another_pmosd(pid)
        return alive

    def opens(self):
        pmosctl("lock", MODE)
        for pin in self.pins:
            subprocess.run(["sh", "-c", f"rm -f /var/lib/pmos/attempts/{MODE}/?"], check=True)
            opened = pmosctl("unlock", MODE, "--no-start", pin=pin)
            if opened.returncode == 0:
                pmosctl("lock", MODE)
                self.pins = [pin]
                return ""
        return f"nothing opens: {opened.stderr}"

    def unlock(self):
        return self.kill("unlock", MODE, "--no-start", pin=self.pins[0]), self.opens()

    def passwd(self):
        self.pins.insert(0, secrets.token_hex(6))
        return self.kill("volume", "passwd", MODE, pin=self.pins[1], new_pin=self.pins[0]), self.opens()

    def lock(self):
        pmosctl("unlock", MODE, "--no-start", pin=self.pins[0])
        return self.kill("lock", MODE), self.opens()

    def provision(self):
        pmosctl("erase", MODE, "--yes")
        alive = self.kill("provision", MODE, pin=self.pins[0])
        if status(MODE)["provisioned"]:
            return alive, self.opens()
        self.anew()
        return alive, ""

    def opened(self, *words, **pins):
        pmosctl("unlock", MODE, "--no-start", pin=self.pins[0])
        return self.kill("volume", *words, **pins), self.opens()

    def resize(self):
        self.size += 1
        return self.opened("resize", MODE, "data", f"{self.size}MiB", pin=self.pins[0])

    def reencrypt(self):
        return self.opened("reencrypt", MODE, pin=self.pins[0])

    def wipe_free(self):
        return self.opened("wipe-free", MODE, "data")

    def restore(self):
        header = "/run/header"
        subprocess.run(["rm", "-f", header], check=True)
        saved = pmosctl("volume", "backup", MODE, "data", header)
        alive = self.kill("volume", "restore", MODE, "data", header, "--yes")
        return alive, self.opens() or (saved.stderr if saved.returncode != 0 else "")

    def erase(self):
        alive = self.kill("erase", MODE, "--yes")
        row = status(MODE)
        wrong = "" if row["provisioned"] or not os.path.exists("/var/lib/pmos/volumes/secure-data.luks") else row
        again = pmosctl("erase", MODE, "--yes")
        if again.returncode != 0:
            wrong = again.stderr
        self.anew()
        return alive, wrong


def daemon():
    phone = Daemon()
    for name in ("provision", "unlock", "lock", "passwd", "resize", "wipe_free", "restore", "reencrypt",
                 "erase"):
        each(f"pmosd, {name}", getattr(phone, name))
    pmosctl("erase", MODE, "--yes")
