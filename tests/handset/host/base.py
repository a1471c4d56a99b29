"""Places, commands and the cache that the host's half shares. Knows nothing of phones."""

import contextlib
import fcntl
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import time
import zipapp

TOP = pathlib.Path(__file__).resolve().parents[3]
HANDSET = TOP / "tests" / "handset"
BUILD = TOP / "build" / "handset"
# All clones share it, as ./dev has it: what is in it is named by what it is made from.
CACHE = pathlib.Path(os.environ.get("PMOS_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pmos").resolve() / "handset"
UNUSED = 14 * 24 * 3600  # seconds after which a part of another version is dropped
DEBIAN = "bookworm"
# mke2fs, debugfs and modprobe are there, and a Debian user's PATH is not.
os.environ["PATH"] += ":/usr/sbin:/sbin"
# Multiplies every time limit, for a machine that is busy with other work.
PATIENCE = float(os.environ.get("HANDSET_PATIENCE", "1"))


class Failure(Exception):
    """An error for the person at the terminal: one line, and a hint where there is one."""

    def __init__(self, what, hint=None):
        super().__init__(what)
        self.hint = hint

    def __str__(self):
        return super().__str__() + (f"\nhint: {self.hint}" if self.hint else "")


def say(text):
    print(f"handset: {text}", file=sys.stderr, flush=True)


def call(command, **options):
    """Runs a command; its output goes to stderr, so that stdout stays the script's own."""
    done = subprocess.run([str(w) for w in command], stdout=sys.stderr, check=False, **options)
    if done.returncode != 0:
        raise Failure(f"'{command[0]}' failed with {done.returncode}")


def as_root(command):
    """The command with whatever makes it root's: file owners inside images need it."""
    if os.geteuid() == 0:
        return command
    if shutil.which("sudo") is None:
        raise Failure("making Debian images needs root", "run as root, or install sudo")
    return ["sudo", "--", *command]


def hash_of(*parts):
    """One hash over texts and files; a directory counts with all that is in it."""
    digest = hashlib.sha256()
    for part in parts:
        if not isinstance(part, pathlib.Path):
            digest.update(f"text {part}\n".encode())
            continue
        files = [part] if not part.is_dir() else sorted(part.rglob("*"))
        for path in files:
            digest.update(f"file {path.relative_to(part.parent)}\n".encode())
            if path.is_symlink():
                digest.update(os.readlink(path).encode())
            elif path.is_file():
                digest.update(f"{path.stat().st_mode:o}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(path):
    """One maker at a time: two phones started together wait for one image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cached(name, key, make, what):
    """CACHE/name-key, made by make(path) when it is not there yet; what nobody has used for long
    is dropped."""
    path = CACHE / f"{name[0]}-{key}{name[1]}"
    with locked(CACHE / "lock"):
        if not path.exists():
            say(f"making {what} (kept in {CACHE})")
            start = time.monotonic()
            make(path)
            for stale in CACHE.glob(f"{name[0]}-*"):
                if stale.stat().st_mtime < time.time() - UNUSED:
                    shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
            say(f"made {what} in {time.monotonic() - start:.0f} s")
        for part in CACHE.glob(f"{path.name}*"):
            os.utime(part)
    return path


def program(path):
    """The bytes of a script for the phone; a directory with __main__.py goes as one Python file."""
    if path.is_file():
        return path.read_bytes()
    if not (path / "__main__.py").is_file():
        raise Failure(f"there is no script '{path}'")
    archive = io.BytesIO()
    zipapp.create_archive(path, archive, interpreter="/usr/bin/python3",
                          filter=lambda name: name.suffix == ".py")
    return archive.getvalue()


def mirrors():
    """The host's own Debian mirrors as lines for mmdebstrap; none lets it take its default."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)",
         "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout
    lines = []
    for row in listing.splitlines():
        words = row.split()
        if len(words) == 4 and words[3] == "Debian" and words[1].startswith(DEBIAN):
            line = f"deb {words[0]} {words[1]} {words[2]}"
            if words[2] == "main" and line not in lines:
                lines.append(line)
    return lines
