#!/usr/bin/env python3
"""Every word that the panel says has a translation in every language that it has, with the same
places for numbers; and every file with such words is in POTFILES."""

import pathlib
import re
import subprocess
import sys
import tempfile

PANEL = pathlib.Path(__file__).resolve().parents[3] / "src/runtime/panel"


def messages(text):
    """{msgid: msgstr} of a file of gettext without plurals."""
    found = re.findall(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', text, re.MULTILINE)
    joined = [["".join(re.findall(r'"(.*)"', part)) for part in pair] for pair in found]
    return {key: value for key, value in joined if key}


def main():
    wrong = []
    sources = {path for path in PANEL.glob("*.cpp") if 'tr("' in path.read_text()}
    listed = set((PANEL / "po/POTFILES").read_text().split())
    if listed != {str(path.relative_to(PANEL.parents[2])) for path in sources}:
        wrong.append("POTFILES is not the list of files that say something")
    with tempfile.NamedTemporaryFile(suffix=".pot") as pot:
        subprocess.run(["xgettext", "--from-code=UTF-8", "--keyword=tr", "-o", pot.name, *sorted(sources)], check=True)
        said = messages(pathlib.Path(pot.name).read_text())
    for language in (PANEL / "po/LINGUAS").read_text().split():
        words = messages((PANEL / f"po/{language}.po").read_text())
        wrong += [f"{language}: no translation of '{key}'" for key in said if not words.get(key)]
        wrong += [f"{language}: nobody says '{key}'" for key in words if key not in said]
        wrong += [f"{language}: other places in '{key}'" for key in said
                  if re.findall(r"\{\w*\}", key) != re.findall(r"\{\w*\}", words.get(key, ""))]
    print("\n".join(wrong) or f"{len(said)} messages")
    return 1 if wrong or not said else 0


if __name__ == "__main__":
    sys.exit(main())
