"""Steps 1 to 4 and 8: the phone boots, a mode is made, opened, brought to the front; all ends."""

import json
import secrets
import time

import ledger
import phone
import screen

PERSONAL, SECURE = "personal", "secure"

class Facts:
    """What one step learns and a later one, or the picture, needs."""

    def __init__(self):
        self.pin = f"{secrets.randbelow(10**8):08}"
        self.start_ms = None
        self.before = None
        self.reports = {}
        self.devices = {}


def said(row):
    """What a row of status says, in words."""
    return (row["state"], "foreground" if row["foreground"] else "background",
            "locked" if row["locked"] else "open")


def unit(name, *properties):
    shown = phone.run("systemctl", "show", name, "--property", ",".join(properties)).out
    return dict(line.partition("=")[::2] for line in shown.splitlines())


def boot(tell, facts):
    tell.equal("systemd has brought the phone up", "running",
               phone.run("systemctl", "is-system-running", "--wait").out.strip())
    pmosd = unit("pmosd.service", "ActiveState", "Type", "NRestarts",
                 "ExecMainStartTimestampMonotonic")
    tell.equal("pmosd.service is active, Type=notify, on its first run", ("active", "notify", "0"),
               (pmosd["ActiveState"], pmosd["Type"], pmosd["NRestarts"]))

    def in_front():
        row = phone.status().get(PERSONAL, {})
        return row.get("state") == "running" and row.get("foreground")

    phone.within(30, in_front)
    row = phone.status()[PERSONAL]
    tell.check("personal starts by itself, as its profile says", row["autostart"], "autostart",
               "autostart")
    tell.equal("it is in the foreground, on a volume made at this first boot",
               ("running", "foreground", "open"), said(row))
    # StartedAt counts on CLOCK_BOOTTIME, systemd's stamp on CLOCK_MONOTONIC.
    apart = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    started = int(pmosd["ExecMainStartTimestampMonotonic"]) / 1e3 + apart * 1e3
    took = row["startedAt"] / 1e3 - started
    tell.check("from pmosd's start to personal's first process", row["startedAt"] > 0 and took > 0,
               "a positive time", f"{took:.0f} ms, making its volume included")
    facts.start_ms = took


def baseline(tell, facts):
    """What "before" means in step 8: every mode stopped once, personal not yet started again."""
    tell.command("pmosctl stop --all")
    done = phone.ctl("stop", "--all")
    tell.equal("all modes are stopped, for the list of 'before'", 0, done.code)
    phone.within(10, lambda: not any(row["pid"] for row in phone.status().values()))
    facts.before = ledger.take()
    for category, phones in (("dm", {}), ("loop", {}), ("netns", {"office": 1})):
        tell.equal(f"{ledger.KINDS[category]}, for 'before': the phone's own", phones, facts.before[category])
    tell.command("pmosctl switch personal")
    done = phone.ctl("switch", PERSONAL)
    tell.check("personal is started again", done.code == 0, "exit code 0", done.text)


def status(tell, facts):
    baseline(tell, facts)
    tell.command("pmosctl status")
    done = phone.ctl("status")
    tell.block(done.text)
    tell.equal("status answers", 0, done.code)
    rows = phone.status()
    tell.equal("both modes are there", {PERSONAL, SECURE}, set(rows) & {PERSONAL, SECURE})
    tell.equal("personal", ("running", "foreground", "open"), said(rows[PERSONAL]))
    tell.equal("secure", ("stopped", "background", "locked"), said(rows[SECURE]))


def provision(tell, facts):
    tell.command("pmosctl provision secure          (typed on a terminal)")
    start = time.monotonic()
    done = phone.typed(["pmosctl", "provision", SECURE], [facts.pin, facts.pin])
    took = time.monotonic() - start
    tell.block(phone.screen_text(done.out))
    tell.check("the volume is made", done.code == 0, "exit code 0",
               f"{took:.1f} s" if done.code == 0 else f"exit code {done.code}")
    tell.check("the terminal asked for the PIN, twice", done.out.count("PIN") >= 2, "two prompts",
               f"{done.out.count('PIN')} prompts")
    tell.check("it drew a progress bar", "%" in done.out, "a bar",
               "yes" if "%" in done.out else phone.screen_text(done.out))
    tell.check("and never echoed the PIN", facts.pin not in done.out, "no PIN on the screen",
               "nothing of it")
    source = phone.inspect(SECURE)["plan"]["volumes"][0]["source"]
    kind = phone.run("blkid", "-p", "-o", "value", "-s", "TYPE", "-s", "VERSION", source)
    tell.equal(f"{source} is LUKS version 2", {"crypto_LUKS", "2"}, set(kind.out.split()))
    again = phone.ctl_with_pin(facts.pin, "provision", SECURE)
    tell.equal("making it once more is refused (exit code 5)", 5, again.code)
    tell.block(again.text)


def unlock(tell, facts):
    screen.tell_pad(tell)
    tell.command("pmosctl unlock secure --pin-fd N   (the PIN comes by descriptor)")
    start = time.monotonic()
    done = phone.ctl_with_pin(facts.pin, "unlock", SECURE)
    took = time.monotonic() - start
    tell.block(done.text)
    tell.check("secure is open and starts", done.code == 0, "exit code 0",
               f"{took:.1f} s, most of it Argon2id" if done.code == 0 else done.text)
    tell.command("pmosctl switch secure")
    start = time.monotonic()
    done = phone.ctl("switch", SECURE)
    took = time.monotonic() - start
    tell.check("the phone switches", done.code == 0, "exit code 0",
               f"{took * 1000:.0f} ms with the command itself" if done.code == 0 else done.text)
    tell.block(phone.ctl("status").text)
    rows = phone.status()
    tell.equal("secure", ("running", "foreground", "open"), said(rows[SECURE]))
    tell.equal("personal", ("frozen", "background", "open"), said(rows[PERSONAL]))
    tell.equal("as its profile says of the background", "freeze",
               phone.inspect(PERSONAL)["plan"]["session"]["background"])
    events = (phone.mode_cgroup(PERSONAL) / "cgroup.events").read_text().split()
    tell.equal("the kernel says so too", "1", events[events.index("frozen") + 1])
    refused = phone.ctl("exec", PERSONAL, "--", "true")
    tell.check("exec into the frozen mode is refused, with a hint (exit code 125)",
               refused.code == 125 and "hint:" in refused.err, "exit code 125 and a hint",
               f"exit code {refused.code}")
    tell.block(refused.text)
    tell.check("secure has a window", screen.window(SECURE).code == 0)
    phone.within(20, lambda: screen.state() == "mode secure")
    tell.equal("the panel shows secure, and nothing of personal", "mode secure", screen.state())
    tell.say(screen.picture("secure").out.strip())


def stop_all(tell, facts):
    tell.command("pmosctl stop --all")
    done = phone.ctl("stop", "--all")
    tell.check("everything stops", done.code == 0, "exit code 0", done.text)
    rows = phone.status()
    tell.equal("both modes", {m: ("stopped", "background", "locked") for m in rows},
               {m: said(row) for m, row in rows.items()})
    after = ledger.take()
    tell.say("  compared with the list made in step 2, when all modes were stopped:")
    for kind, name in ledger.KINDS.items():
        before, now = facts.before[kind], after[kind]
        tell.check(f"{name} are what they were", before == now, f"{sum(before.values())}, the same",
                   sum(now.values()) if before == now
                   else "; ".join(ledger.differences(before, now)))
    maps = {m: phone.inspect(m)["plan"]["uidMap"] for m in rows}
    left = {m: phone.pids_with_uid(entry["outside"], entry["count"])
            for m, entries in maps.items() for entry in entries}
    tell.equal("no process has an id of any mode", {m: [] for m in rows}, left)


def switch(tell, mode):
    """A step on the way: silent unless it fails."""
    done = phone.ctl("switch", mode)
    if done.code != 0:
        tell.check(f"switch to {mode}", False, "exit code 0", f"{done.code}: {done.text}")


def shown_json(value):
    return json.dumps(value, sort_keys=True)
