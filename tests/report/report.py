#!/usr/bin/env python3
"""tests/report/report.py PMOSCTL OUT: policy report and policy map in a headless Chromium, wide and
as narrow as a phone, light and dark, on paper. Pictures of all of it stay in OUT. Exit 77, with the
reason, where there is no Chromium."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402
import sets  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = (HERE / "checks.js").read_text(encoding="utf-8")
WIDTHS = (1280, 360)
failures = []


def check(good, what):
    if not good:
        failures.append(what)
        print(f"FAIL {what}", flush=True)


def none_wrong(wrong, what):
    check(not wrong, f"{what}: {len(wrong)} wrong, such as {wrong[:3]}")


def pmosctl(program, *args):
    done = subprocess.run([program, "policy", *args], check=False, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"pmosctl policy {' '.join(args)}: {done.stderr.decode()}")
    return done.stdout


def look(tab, page, name, out):
    """One page in all its shapes."""
    url, backgrounds = page.as_uri(), []
    for width in WIDTHS:
        for dark in (False, True):
            what = f"{name}, {width} wide, {'dark' if dark else 'light'}"
            tab.look(width, 800, dark)
            tab.open(url)
            check(tab.requests() == [url], f"{what}: asked for {tab.requests()[1:4]}")
            for part in ("overflow", "drawing", "contrast", "sizes"):
                none_wrong(tab.ask(f"{CHECKS}.{part}()"), f"{what}: {part}")
            backgrounds.append(tuple(tab.ask(f"{CHECKS}.colours()")))
            none_wrong(tab.complaints(), f"{what}: console")
            tab.picture(out / f"{name}-{width}-{'dark' if dark else 'light'}.png")
    for part in ("links", "outline", "markup"):
        none_wrong(tab.ask(f"{CHECKS}.{part}()"), f"{name}: {part}")
    for light, dark in (backgrounds[0:2], backgrounds[2:4]):
        check(len(light) > 1 and all(a != b for a, b in zip(light, dark)),
              f"{name}: light and dark have the same colours: {light} {dark}")


def on_paper(tab, page, name):
    tab.look(718, 1000, dark=True, media="print")  # A4 within the browser's margins
    tab.open(page.as_uri())
    for part in ("overflow", "cut"):
        none_wrong(tab.ask(f"{CHECKS}.{part}()"), f"{name}, printed: {part}")
    check(tab.ask("getComputedStyle(document.querySelector('nav')).display") == "none",
          f"{name}: the links of the head are printed")
    # Ink is dark whatever the screen was.
    check(tab.ask(f"{CHECKS}.colours()")[0] == "rgb(255, 255, 255)", f"{name}: paper is not white")
    hidden = tab.ask("[...document.querySelectorAll('details > ul')]"
                     ".filter(e => e.getBoundingClientRect().height === 0).length")
    check(hidden == 0, f"{name}: {hidden} folded parts are not printed")
    paper = tab.paper()
    check(paper.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", paper)) > 0,
          f"{name}: nothing is printed")


def hostile_words(tab, name):
    words = tab.ask("document.body.textContent")
    none_wrong(tab.ask(f"{CHECKS}.order()"), f"{name}: order")
    for text in (sets.MARKUP, "</style><script>alert(2)</script>", "&amp;&#60;", "\\u{202e}txt",
                 "a\\u{200b}b\\u{2028}c"):
        check(text in words, f"{name}: {text!r} is not shown as it is")
    check(tab.ask("document.title").startswith("Policy report: "), f"{name}: another title")


def changed(page, directory, old, new):
    """A copy that has a fault, for the checks themselves to be checked by."""
    text = page.read_text(encoding="utf-8")
    if old not in text:
        sys.exit(f"the page has no {old!r} any more: this test must change with it")
    copy = pathlib.Path(directory) / "changed.html"
    copy.write_text(text.replace(old, new, 1), encoding="utf-8")
    return copy


def checks_can_fail(tab, page, directory):
    """Pages that are wrong must be found wrong."""
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page.read_text())[0]
    tries = {
        "overflow": ("</header>", "</header><svg width='900'></svg>"),
        "links": ('href="#s', 'href="#nowhere'),
        "contrast": ("--dim:#5c6370", "--dim:#aab0ba"),
        "sizes": (".kicker{", ".kicker{zoom:1;font-size:7px!important;"),
        "cut": ("</header>", "</header><div class='scroll'><svg width='900'></svg></div>"),
        "drawing": ('class="name" x="0"', 'class="name" x="-40"'),
        "outline": ("<h2>", "<h5>"),
        "markup": ("</header>", "</header><p>\u202e</p><iframe></iframe>"),
    }
    for part, (old, new) in tries.items():
        copy = changed(page, directory, old, new)
        # Without its policy, which would refuse a style that has been changed.
        copy.write_text(copy.read_text().replace(policy, ""))
        tab.look(1280 if part == "drawing" else 360, 800)
        tab.open(copy.as_uri())
        check(tab.ask(f"{CHECKS}.{part}()"), f"the check '{part}' finds no fault in a faulty page")
    harm = "</header><script>document.title='ran'</script><img src='http://127.0.0.1:9/x.png'>"
    tab.open(changed(page, directory, "</header>", harm).as_uri())
    check(tab.ask("document.title") != "ran", "a script has run in spite of the page's policy")
    check(len(tab.complaints()) >= 2, "the page's policy has refused nothing")
    tab.open(changed(page, directory, policy, harm).as_uri())
    check(tab.ask("document.title") == "ran" and len(tab.requests()) > 1,
          "without its policy a page can do no more than with it")


def drawing_alone(tab, program, directory, name, out):
    for dark in (False, True):
        svg = out / f"{name}.svg"
        svg.write_bytes(pmosctl(program, "map", "--svg", directory))
        tab.look(1280, 800, dark)
        tab.open(svg.as_uri())
        none_wrong(tab.complaints(), f"{name}.svg: console")
        check(tab.requests() == [svg.as_uri()], f"{name}.svg: asks for more")
        for part in ("contrast", "drawing"):
            none_wrong(tab.ask(f"{CHECKS}.{part}()"), f"{name}.svg, dark={dark}: {part}")
        paper = tab.ask("getComputedStyle(document.querySelector('svg > rect')).fill")
        check(paper == ("rgb(20, 22, 26)" if dark else "rgb(255, 255, 255)"),
              f"{name}.svg: its paper is {paper}")
        tab.picture(out / f"{name}-map-{'dark' if dark else 'light'}.png")


def graph(program, directory, name):
    dot = shutil.which("dot")
    if dot is None:
        sys.exit("graphviz is missing: ./dev setup installs it")
    text = pmosctl(program, "map", "--dot", directory)
    done = subprocess.run([dot, "-Tplain"], input=text, check=False, capture_output=True)
    check(done.returncode == 0 and not done.stderr, f"{name}: dot says {done.stderr[:300]}")
    kinds = [line.split()[0] for line in done.stdout.decode().splitlines() if line]
    modes, channels = len(re.findall(rb"^  m\d+ \[", text, re.M)), len(re.findall(rb"^  r\d+ \[", text, re.M))
    check(kinds.count("node") == modes + channels > 1,
          f"{name}: dot drew {kinds.count('node')} nodes of {modes + channels}")
    check(kinds.count("edge") == len(re.findall(rb"^  m\d+ -> r\d+ ", text, re.M)) > 0,
          f"{name}: dot drew {kinds.count('edge')} edges")


def pages(program, directory, out):
    """{name: (its page, its profiles)}"""
    made = {"shipped": str(HERE.parents[1] / "profiles")}
    for name in ("seven", "fifty", "longest", "hostile", "broken"):
        made[name] = getattr(sets, name)(os.path.join(directory, name))
    # What one set was before it became the other: modes that come and go, and words that mean harm.
    against = {"compared": (made["seven"], made["hostile"])}
    found = {}
    for name in [*made, *against]:
        profiles, before = against.get(name, (made.get(name), None))
        options = ["--against", before] if before else []
        page = out / f"{name}.html"
        begin = time.monotonic()
        pmosctl(program, "report", "-o", str(page), *options, profiles)
        print(f"{name}: {page.stat().st_size} bytes in {time.monotonic() - begin:.3f} s", flush=True)
        check(pmosctl(program, "report", "-o", "-", *options, profiles) == page.read_bytes(),
              f"{name}: twice the same profiles, and not the same page")
        found[name] = (page, profiles)
    return found


def main():
    program, out = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    chromium = browser.find()
    if chromium is None:
        print("skipped: no chromium (./dev setup installs it)")
        return 77
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="pmos-report-") as directory:
        found = pages(program, directory, out)
        tab = browser.Browser(chromium)
        try:
            for name, (page, profiles) in found.items():
                look(tab, page, name, out)
                if name in ("hostile", "broken"):
                    hostile_words(tab, name)
                check(tab.ask("document.querySelectorAll('#changes li').length > 5")
                      == (name == "compared"), f"{name}: changes, or none")
                on_paper(tab, page, name)
                if name not in ("broken", "compared"):
                    drawing_alone(tab, program, profiles, name, out)
                    graph(program, profiles, name)
            checks_can_fail(tab, found["seven"][0], directory)
            turned = changed(found["hostile"][0], directory, "unicode-bidi:bidi-override;", "")
            turned.write_text(re.sub("<meta http-equiv[^>]*>", "", turned.read_text()))
            tab.open(turned.as_uri())
            check(tab.ask(f"{CHECKS}.order()"), "the check 'order' finds no fault in a faulty page")
        finally:
            tab.close()
    print(f"{len(failures)} failures; pictures in {out}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
