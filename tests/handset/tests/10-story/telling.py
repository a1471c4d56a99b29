"""The narrator: steps, checks, times and the table at the end. Never touches the phone."""

import sys
import time
import traceback


def plain(value):
    """A value as one would say it."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in sorted(value.items())) or "none"
    if isinstance(value, (tuple, list, set, frozenset)):
        words = [plain(item) for item in value]
        return ", ".join(sorted(words) if isinstance(value, (set, frozenset)) else words) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


class Telling:
    """Prints a line a check. A check that fails stops nothing, and the story ends with 1."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.started = time.monotonic()
        self.steps = []  # dicts: name, shown, checks, failed, seconds

    def _line(self, text):
        print(f"[{time.monotonic() - self.started:6.1f}s] {text}", file=self.out, flush=True)

    def say(self, text):
        self._line(text)

    def command(self, words):
        self._line(f"  $ {words}")

    def block(self, text):
        """What a program printed, as it printed it."""
        for line in text.rstrip("\n").splitlines():
            print(f"{'':10}| {line.rstrip()}", file=self.out)
        self.out.flush()

    def check(self, what, held, expected="", seen=""):
        step = self.steps[-1]
        step["checks"] += 1
        if held:
            self._line(f"  ok      {what}" + (f": {seen}" if seen != "" else ""))
            return True
        step["failed"].append(what)
        self._line(f"  FAILED  {what}")
        if expected != "":
            self.block(f"expected: {expected}")
        self.block(f"seen:     {seen}")
        return False

    def equal(self, what, expected, seen):
        return self.check(what, expected == seen, plain(expected), plain(seen))

    def tell(self, name, shown, function, *args):
        """One step. What it raises is a failure of this step alone."""
        step = {"name": name, "shown": shown, "checks": 0, "failed": [], "seconds": 0.0}
        self.steps.append(step)
        print(file=self.out)
        self._line(f"{len(self.steps)}. {name}")
        start = time.monotonic()
        try:
            function(self, *args)
        except Exception as error:  # any: the steps after this one are told all the same
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.check(f"'{name}' is told to its end", False, "no exception",
                       f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})")
        if step["checks"] == 0:
            self.check(f"'{name}' checks something", False, "a check", "none")
        step["seconds"] = time.monotonic() - start

    def table(self):
        print(file=self.out)
        width = max(len(step["shown"]) for step in self.steps)
        rows = [f"{'':2} {'shown':{width}}  {'checks':>6}  {'time':>7}  result"]
        for number, step in enumerate(self.steps, 1):
            result = f"FAILED ({len(step['failed'])})" if step["failed"] else "ok"
            rows.append(f"{number:2} {step['shown']:{width}}  {step['checks']:6}  "
                        f"{step['seconds']:6.1f}s  {result}")
        rows.insert(1, "-" * max(len(row) for row in rows))
        print("\n".join(rows), file=self.out, flush=True)

    def exit_code(self):
        return 1 if not self.steps or any(step["failed"] for step in self.steps) else 0
