"""What changes a mode's key and is cut short, and what ends it: of neither key is anything left once
the mode is locked, nor of one whose keys were destroyed while it ran."""

import json
import os
import subprocess
import time

from handset import check, ctl, note, pmosctl, status, until
from world import (MODE, VOLUME, absent, gone, joined, kill_worker, learn_key, memory, new_secret,
                   opened, present, secrets_, unlock, with_secret)

REENCRYPT = "pmosctl", "volume", "reencrypt", MODE, "--pin-fd", "0"


def reencryption_state():
    return json.loads(pmosctl("volume", "info", MODE, "--json").stdout)["reencryption"]


def killed_while_reencrypting():
    unlock()
    ctl("start", MODE)
    secrets_["the old key"] = secrets_["the key"]
    with joined("the PIN") as source:
        work = subprocess.Popen(REENCRYPT, stdin=source.stdout, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    check("it has begun", until(lambda: reencryption_state() != "none", 120))
    time.sleep(0.5)
    kill_worker()
    check("its worker is killed in the middle", work.wait(120) != 0 and reencryption_state() != "none",
          reencryption_state())
    note(f"then it is {status(MODE)['state']}, {'locked' if status(MODE)['locked'] else 'open'}")
    ctl("lock", "--evict", MODE)
    gone("locked after that")

    unlock()
    with_secret("the PIN", *REENCRYPT)
    check("it comes to its end", until(lambda: reencryption_state() == "none", 120))
    ctl("lock", "--evict", MODE)
    learn_key("the key", VOLUME, "-", pin="the PIN")
    check("the key is another one", secrets_["the key"] != secrets_["the old key"])
    gone("locked after its end")
    unlock()
    hits = memory()
    present("open by the new key", hits, "the key", "data schedule", "tweak schedule")
    absent("open by the new key", hits, "the old key")
    ctl("lock", "--evict", MODE)


def struck_while_open():
    """The last part: nothing opens the mode any more."""
    new_secret("the duress PIN", "text")
    with joined("the PIN") as pin, joined("the duress PIN") as panic:
        fd = panic.stdout.fileno()
        done = subprocess.run(["pmosctl", "duress", "set", MODE, "--pin-fd", "0", "--duress-pin-fd", str(fd)],
                              stdin=pin.stdout, pass_fds=[fd], capture_output=True, text=True, check=False)
    check("there is a duress PIN", done.returncode == 0, done.stderr)
    unlock()
    ctl("start", MODE)
    inside = opened("open before it is struck")
    with_secret("the duress PIN", "pmosctl", "auth", "test", MODE, "--pin-fd", "0", code=8)
    # It is evicted behind the answer.
    check("its mapping goes", until(lambda: not os.path.exists(f"/dev/mapper/pmos-{MODE}-data"), 60))
    gone("struck by the duress PIN", inside)
    absent("struck by the duress PIN", memory(), "the duress PIN", "the old key")
    unlock(code=8)


PARTS = (killed_while_reencrypting, struck_while_open)
