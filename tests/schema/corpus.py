#!/usr/bin/env python3
"""tests/schema/corpus.py PMOSCTL VALIDATOR: profiles and site policies that are good, bad in shape,
or bad in sense, judged by pmosctl and by a JSON Schema validator (python3-jsonschema or ajv). Both
must agree on every one, and on every mutation of the good ones. Exit 77 where the validator is
not there.

good/   no errors; the schema admits it
bad/    RULE.WHAT.json: pmosctl finds an error of that rule; the schema refuses it
sense/  RULE.WHAT.json: pmosctl finds an error of that rule that a schema cannot know of
"""

import copy
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
# An error of these rules is one of shape; but what a schema cannot count or look up stays ours.
SHAPE = {"wrong-type", "unknown-key", "unknown-class", "unknown-rlimit", "unknown-option",
         "unknown-group", "unknown-capability", "unknown-errno"}
failures = []


def fail(text):
    failures.append(text)
    print(f"FAIL {text}")


def skip(reason):
    print(reason)
    sys.exit(77)


def strip_comments(text):
    """JSON out of JSON with comments."""
    out, i, quoted = [], 0, False
    while i < len(text):
        c = text[i]
        if quoted:
            out.append(c)
            if c == "\\":
                i += 1
                out.append(text[i])
            quoted = c != '"'
        elif c == '"':
            quoted = True
            out.append(c)
        elif text.startswith("//", i):
            i = text.find("\n", i)
            continue
        elif text.startswith("/*", i):
            i = text.find("*/", i) + 2
            continue
        else:
            out.append(c)
        i += 1
    return "".join(out)


def python_validator(schema, names):
    try:
        import jsonschema
    except ImportError:
        # Debian's package is for Debian's interpreter, which need not be the first in PATH.
        if os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3"):
            sys.exit("python3-jsonschema is missing: ./dev setup installs it")
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    checker = jsonschema.Draft202012Validator(schema_of(schema))
    jsonschema.Draft202012Validator.check_schema(schema_of(schema))
    return {n: checker.is_valid(json.loads(pathlib.Path(n).read_text())) for n in names}


def ajv_validator(schema, names):
    modules = TOP / "build" / "npm" / "node_modules"
    done = subprocess.run(["node", HERE / "validate.js", modules, schema_file(schema)],
                          input="\n".join(names), stdout=subprocess.PIPE, text=True, check=True)
    verdicts = {}
    for line in done.stdout.splitlines():
        word, _, name = line.partition(" ")
        verdicts[name] = word == "good"
    return verdicts


def schema_file(kind):
    return TOP / "profiles" / "schema" / f"{kind}.schema.json"


def schema_of(kind):
    return json.loads(schema_file(kind).read_text())


def nodes(value, path=()):
    yield path, value
    items = value.items() if isinstance(value, dict) else (
        enumerate(value) if isinstance(value, list) else ())
    for key, child in items:
        yield from nodes(child, path + (key,))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def mutations(document):
    """Each value replaced by one of every other kind, each key removed, a key added to each object."""
    others = [None, True, -1, 3.5, "", "../x", [], {"x": 1}]
    for path, value in nodes(document):
        if not path or path[0] in ("$schema", "extends"):
            continue
        for other in others:
            if other == value and type(other) is type(value):
                continue
            changed = copy.deepcopy(document)
            at(changed, path[:-1])[path[-1]] = other
            yield changed
        if isinstance(path[-1], str):
            changed = copy.deepcopy(document)
            del at(changed, path[:-1])[path[-1]]
            yield changed
        if isinstance(value, dict):
            changed = copy.deepcopy(document)
            at(changed, path)["no-such-key"] = 1
            yield changed


class Contest:
    def __init__(self, pmosctl, validator, work):
        self.pmosctl, self.validator, self.work = pmosctl, validator, work

    def files(self, kind, documents):
        """One directory for each document: files of one directory are checked together."""
        names = []
        for document in documents:
            directory = self.work / f"{kind}-{len(os.listdir(self.work))}"
            directory.mkdir()
            if kind == "site":
                # A site policy is judged beside a profile.
                shutil.copy(HERE / "corpus/profile/good/smallest.json", directory / "a.json")
            file = directory / ("site.json" if kind == "site" else "a.json")
            file.write_text(json.dumps(document))
            names.append(str(file))
        return names

    def corpus(self, kind):
        listing = sorted((HERE / "corpus" / kind).glob("*/*.json"))
        assert len(listing) >= 8, "an empty corpus proves nothing"
        names = self.files(kind, [json.loads(f.read_text()) for f in listing])
        rules, admitted = self.judge(kind, names)
        for source, name in zip(listing, names):
            verdict, rule = source.parent.name, source.name.partition(".")[0]
            shown = source.relative_to(HERE)
            if verdict == "good" and rules[name]:
                fail(f"{shown}: pmosctl finds {rules[name]}")
            if verdict != "good" and rule not in rules[name]:
                fail(f"{shown}: pmosctl finds {rules[name]}, not {rule}")
            if admitted[name] != (verdict != "bad"):
                fail(f"{shown}: the schema {'admits' if admitted[name] else 'refuses'} it")
        print(f"{kind}: {len(names)} files agree" if not failures else f"{kind}: see above")

    def judge(self, kind, names):
        targets = [str(pathlib.Path(n).parent) for n in names]
        rules = {}
        for begin in range(0, len(names), 500):
            found = ours(self.pmosctl, targets[begin:begin + 500])
            rules.update({n: found.get(n, []) for n in names[begin:begin + 500]})
        return rules, self.validator(kind, names)

    def mutants(self, kind):
        documents = []
        for file in sorted((HERE / "corpus" / kind / "good").glob("*.json")):
            documents += mutations(json.loads(file.read_text()))
        names = self.files(kind, documents)
        rules, admitted = self.judge(kind, names)
        refused = 0
        for name, document in zip(names, documents):
            refused += not admitted[name]
            if not admitted[name] and not rules[name]:
                fail(f"the schema refuses what pmosctl takes: {json.dumps(document)}")
            if admitted[name] and SHAPE & set(rules[name]):
                fail(f"pmosctl finds {rules[name]} where the schema sees none: "
                     f"{json.dumps(document)}")
        print(f"{kind}: {len(names)} mutations, {refused} refused by the schema")

    def shipped(self):
        documents = {"profile": [], "site": [], "test": []}
        for file in sorted((TOP / "profiles").glob("**/*.json")):
            if file.parent.name != "schema":
                kind = ("test" if file.parent.name == "tests"
                        else "site" if file.name == "site.json" else "profile")
                documents[kind].append((file, json.loads(strip_comments(file.read_text()))))
        for kind, pairs in documents.items():
            assert pairs
            names = self.files(kind, [document for _, document in pairs])
            admitted = self.validator(kind, names)
            for (file, _), name in zip(pairs, names):
                if not admitted[name]:
                    fail(f"the schema refuses {file.relative_to(TOP)}")


def ours(pmosctl, directories):
    """Rules of the errors of each file."""
    done = subprocess.run([pmosctl, "policy", "check", "--json", *directories], check=False,
                          stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"pmosctl failed: {done.returncode}")
    rules = {}
    for finding in json.loads(done.stdout):
        if finding["severity"] == "error":
            rules.setdefault(finding["file"], []).append(finding["rule"])
    return rules


def main():
    pmosctl, name = sys.argv[1:]
    if name == "ajv":
        if not (TOP / "build" / "npm" / "node_modules" / "ajv").is_dir() or not shutil.which("node"):
            skip("ajv is not installed: npm could not be reached, or ./dev test was not used")
        validator = ajv_validator
    else:
        validator = python_validator
    with tempfile.TemporaryDirectory() as work:
        contest = Contest(pmosctl, validator, pathlib.Path(work))
        for kind in ("profile", "site"):
            contest.corpus(kind)
            contest.mutants(kind)
        contest.shipped()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
