"""Lock by eviction: nothing of the mode is left in memory."""

from handset import ctl
from world import MODE, OURS, absent, gone, kill_daemon, memory, new_secret, opened, present, unlock


def evict():
    absent("provisioned and not opened", memory(), *OURS)
    unlock()
    ctl("start", MODE)
    inside = opened("open")
    ctl("stop", MODE)
    inside.wait(20)
    inside.stdout.close()
    present("stopped, not locked", memory(), "the key", "data schedule")
    ctl("lock", MODE)
    gone("locked")
    unlock()
    ctl("start", MODE)
    inside = opened("open again")
    ctl("lock", MODE)
    gone("locked while it ran", inside)


def wrong_pin():
    new_secret("a wrong PIN", "text")
    unlock("a wrong PIN", code=8)
    absent("after a wrong PIN", memory(), "a wrong PIN", "the key")


def daemon_killed():
    unlock()
    ctl("start", MODE)
    inside = opened("open for a pmosd that is killed")
    kill_daemon()
    ctl("lock", MODE)
    gone("locked by the next pmosd", inside)


PARTS = (evict, wrong_pin, daemon_killed)
