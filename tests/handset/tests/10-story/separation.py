"""Step 5: a program in each mode reports what it sees; side by side the two share nothing."""

import itertools

import life
import phone
from life import PERSONAL, SECURE

PHONE = "the phone"
ORDER = (PERSONAL, SECURE, PHONE)
HARDWARE = ("/dev/dri/", "/dev/ttyS", "/dev/snd/", "/dev/video", "/dev/input/", "/dev/pmos-")


def tell_separation(tell, facts):
    seen_data = look_around(tell, facts)
    reports = facts.reports
    print_side_by_side(tell, reports)
    check_identity(tell, reports)
    check_confinement(tell, reports)
    check_surroundings(tell, reports)
    tell.equal("secure sees only its own file in /data", ["from-secure"], seen_data[SECURE])
    tell.equal("personal sees only its own file in /data", ["from-personal"], seen_data[PERSONAL])


def look_around(tell, facts):
    """The background mode is frozen: each is brought to the front for its turn."""
    data = {}
    for mode in (SECURE, PERSONAL, SECURE):
        life.switch(tell, mode)
        if mode in facts.reports:  # once more, after the other has written
            data[mode] = phone.inside(mode, "look")
            continue
        tell.command(f"pmosctl exec {mode} -- python3 - report   (< inside.py)")
        facts.reports[mode] = phone.inside(mode, "report")
        facts.reports[mode]["expected"] = own_processes(mode)
        data[mode] = phone.inside(mode, "leave", f"from-{mode}", f"written in {mode}\n")
    facts.reports[PHONE] = phone.own_report()
    return data


def own_processes(mode):
    """The mode's processes as the phone counts them, by the pids that they have inside."""
    return sorted(phone.inner_pid(pid) for pid in phone.pids_below(phone.mode_cgroup(mode)))


def clock(report, reports):
    apart = report["boot_clock"] - reports[PHONE]["boot_clock"]
    return f"{apart / 3600:+.1f} h" if abs(apart) > 1800 else "as the phone's"


def hardware(report):
    return sorted(path for path in report["devices"] if path.startswith(HARDWARE))


def rows_of(reports):
    def row(name, value):
        return [name] + [value(reports[who]) for who in ORDER]

    def processes(report):
        return f"{len(report['processes'])}, PID 1 is {report['init']}"

    yield row("hostname", lambda r: r["hostname"])
    yield row("processes seen", processes)
    yield row("root is, outside", lambda r: "uid {1}, {2} ids".format(*r["uid_map"]))
    yield row("capabilities eff/bnd", lambda r: "{CapEff:.10}/{CapBnd:.10}".format(
        **{k: f"{int(v, 16):x}" for k, v in r["capabilities"].items()}))
    yield row("seccomp, no_new_privs", lambda r: f"{r['seccomp']}, {r['no_new_privs']}")
    yield row("mounts", lambda r: f"{len(r['mounts'])}, {len(writable(r))} of them writable")
    yield row("device nodes", lambda r: f"{len(r['devices'])}")
    yield row("hardware in /dev", lambda r: " ".join(p[5:] for p in hardware(r)[:3])
              + (f" (+{len(hardware(r)) - 3})" if len(hardware(r)) > 3 else "") or "none")
    yield row("network links", lambda r: " ".join(sorted(r["links"])) or "none")
    yield row("boot clock", lambda r: clock(r, reports))
    for name in phone.NAMESPACES:
        yield row(f"{name} namespace", lambda r, name=name: str(r["namespaces"][name]))


def print_side_by_side(tell, reports):
    rows = [["what a program sees", *ORDER], *rows_of(reports)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    tell.block("\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)) for row in rows))


def writable(report):
    """Writable file systems by device; a single node of the kernel's, bound in, is none."""
    return {m["device"]: m["target"] for m in report["mounts"] if m["writable"] and m["directory"]}


def pairs(reports):
    return itertools.combinations(ORDER, 2)


def check_identity(tell, reports):
    shared = [f"{kind}: {a} and {b}" for kind in phone.NAMESPACES for a, b in pairs(reports)
              if reports[a]["namespaces"][kind] == reports[b]["namespaces"][kind]]
    tell.check("no namespace of the eight is shared, pair by pair", not shared,
               "24 different pairs", "; ".join(shared) or "24 of 24 pairs differ")
    names = {reports[who]["hostname"] for who in ORDER}
    tell.check("three hostnames", len(names) == 3, "3 different", ", ".join(sorted(names)))
    ranges = {who: reports[who]["uid_map"] for who in (PERSONAL, SECURE)}
    (_, first, count), (_, second, other) = sorted(ranges.values(), key=lambda r: r[1])
    tell.check("the id ranges do not meet, and root's is in neither",
               first > 0 and first + count <= second and other > 0, "disjoint, not from 0",
               f"{first} to {first + count - 1}, {second} to {second + other - 1}")
    for mode in (PERSONAL, SECURE):
        report = reports[mode]
        tell.equal(f"PID 1 in {mode}", "pmos-init", report["init"])
        others = sorted(int(p) for p in report["processes"] if int(p) != report["pid"])
        tell.equal(f"{mode} sees its own processes and no other", report["expected"], others)


def check_confinement(tell, reports):
    for mode in (PERSONAL, SECURE):
        report = reports[mode]
        sets = {int(value, 16) for value in report["capabilities"].values()}
        tell.check(f"in {mode} root has no capability in any of its five sets", sets == {0},
                   "all 0", "all 0" if sets == {0} else life.shown_json(report["capabilities"]))
        tell.equal(f"in {mode} seccomp filters and no_new_privs is set", ("2", "1"),
                   (report["seccomp"], report["no_new_privs"]))


def check_surroundings(tell, reports):
    for a, b in pairs(reports):
        both = sorted({*writable(reports[a])} & {*writable(reports[b])})
        tell.check(f"{a} and {b} share no writable file system", not both, "none in common",
                   ", ".join(f"{writable(reports[a])[d]} ({d})" for d in both) or "none in common")
    devices = [{*hardware(reports[mode])} for mode in (PERSONAL, SECURE)]
    tell.equal("no piece of hardware is in both", [], sorted(devices[0] & devices[1]))
    for mode in (PERSONAL, SECURE):
        strangers = {*reports[mode]["links"]} - {"lo"}
        tell.equal(f"{mode} has no network link but lo", set(), strangers)
        wanted = phone.inspect(mode)["plan"]["timeOffsets"]["boottime"]
        apart = reports[mode]["boot_clock"] - reports[PHONE]["boot_clock"]
        tell.check(f"the boot clock in {mode} is off by what its profile says",
                   abs(apart - wanted) < 60, f"{wanted} s", f"{wanted} s")
