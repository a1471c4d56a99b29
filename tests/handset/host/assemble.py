"""Puts the phone's disks together from cached parts. Never starts the phone."""

import dataclasses
import json
import os
import pathlib
import shutil
import stat
import subprocess
import time

from . import base

PHONE = base.HANDSET / "phone"
MODES = ("personal", "secure")
# What the bytes of a sealed image depend on, beside the image.
SEALERS = [base.TOP / "cli" / "image_make.cpp", *sorted((base.TOP / "src" / "base").glob("verity*"))]
# Debian has moved these below /usr; a path written through them would miss the link.
MERGED = ("bin", "sbin", "lib", "lib64")


@dataclasses.dataclass
class Parts:
    """What a phone boots from."""

    kernel: pathlib.Path
    initrd: pathlib.Path
    root: pathlib.Path


def kernel():
    key = base.hash_of(PHONE / "kernel", PHONE / "modules")
    return base.cached(
        ("kernel", ""), key, lambda path: base.call([PHONE / "kernel", path]), "the kernel"
    )


def bootable(directory):
    elf = directory / "vmlinux"
    return elf if elf.exists() else directory / "vmlinuz"


def initrd(kernel_dir):
    key = base.hash_of(PHONE / "initrd", PHONE / "init", kernel_dir.name)
    return base.cached(
        ("initrd", ".zst"), key,
        lambda path: base.call([PHONE / "initrd", kernel_dir, path]), "the initramfs",
    )


def own(*paths):
    if os.geteuid() != 0:
        base.call(base.as_root(["chown", f"{os.getuid()}:{os.getgid()}", *paths]))


def userland(kernel_dir):
    key = base.hash_of(PHONE / "base", PHONE / "packages", kernel_dir.name)

    def make(path):
        base.call(base.as_root([PHONE / "base", kernel_dir, path, *base.mirrors()]))
        own(path, f"{path}.list")

    return base.cached(("userland", ".ext4"), key, make, "the phone's userland")


def mode_image(mode):
    images = base.HANDSET / "images"
    key = base.hash_of(images / "build", images / f"{mode}.packages")

    def make(path):
        base.call(base.as_root([images / "build", mode, "--out", path]))
        own(path)

    return base.cached((f"image-{mode}", ".erofs"), key, make, f"the image of {mode}")


def sealed_image(mode, pmosctl):
    """(the image with its dm-verity hashes, its root hash), as a vendor ships it."""
    plain = mode_image(mode)
    key = base.hash_of(plain.name, *SEALERS)

    def make(path):
        part = path.with_suffix(".part")
        done = subprocess.run([pmosctl, "image", "build", plain, "-o", part, "--json"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise base.Failure(f"the image of {mode} cannot be sealed: {done.stderr.strip()}")
        pathlib.Path(f"{path}.hash").write_text(json.loads(done.stdout)["rootHash"])
        part.rename(path)

    image = base.cached((f"sealed-{mode}", ".erofs"), key, make, f"the sealed image of {mode}")
    return image, pathlib.Path(f"{image}.hash").read_text()


def seal_profile(path, image, root_hash):
    """The profiles in git know no image's hash: who makes the images writes it in."""
    plain = f'"root": {{ "image": "{image}" }}'
    verity = f'"verity": {{ "rootHash": "{root_hash}" }}'
    text = path.read_text()
    if text.count(plain) != 1:
        raise base.Failure(f"'{path}' has no line '{plain}' to add a root hash to")
    path.write_text(text.replace(plain, plain.replace(" }", f", {verity} }}")))


def install(variant):
    """Builds pmos and installs it as a package would, into a directory."""
    base.call([base.TOP / "dev", "build", "--variant", variant])
    return base.BUILD / f"dest-{variant}"


def units_to_enable(dest):
    """(link, target) for every unit of pmos that its [Install] section wants started."""
    links = []
    for unit in sorted(dest.glob("*/lib/systemd/system/*")) + sorted(
        dest.glob("lib/systemd/system/*")
    ):
        for line in unit.read_text().splitlines():
            key, _, value = line.partition("=")
            kind = {"WantedBy": "wants", "RequiredBy": "requires"}.get(key.strip())
            for target in value.split() if kind else []:
                links.append((f"etc/systemd/system/{target}.{kind}/{unit.name}",
                              f"/usr/lib/systemd/system/{unit.name}"))
    return links


def merged(path):
    return f"usr/{path}" if path.split("/", 1)[0] in MERGED else path


def layers(dest):
    """{path on the phone: file here, or text of a symbolic link} of all that is not Debian's."""
    wanted = {}
    for tree in (PHONE / "root", dest):
        for path in sorted(tree.rglob("*")):
            name = merged(str(path.relative_to(tree)))
            if path.is_symlink():
                wanted[name] = os.readlink(path)
            elif path.is_file():
                wanted[name] = path
    for link, target in units_to_enable(dest):
        wanted[link] = target
    wanted["usr/lib/handset/lib.sh"] = base.HANDSET / "lib.sh"
    wanted["usr/lib/handset/python/handset.py"] = base.HANDSET / "lib.py"
    for name in ("attack", "sound", "uinput", "uplink", "wayland"):
        wanted[f"usr/lib/handset/python/handset_{name}.py"] = base.HANDSET / f"{name}.py"
    for path in sorted((base.HANDSET / "modem" / "atsim").glob("*.py")):
        wanted[f"usr/lib/handset/atsim/{path.name}"] = path
    for mode in MODES:
        image, root_hash = sealed_image(mode, dest / "usr/bin/pmosctl")
        wanted[f"usr/share/pmos/images/{mode}.erofs"] = image
        seal_profile(dest / f"usr/share/pmos/profiles/{mode}.json", f"{mode}.erofs", root_hash)
    return wanted


def debugfs_script(wanted, present):
    """The commands that write the layers into an ext4 image without mounting it."""
    lines = []
    made = {name for name, kind in present.items() if kind in "dl"}

    def directory(name):
        if name in made or not name:
            return
        directory(name.rpartition("/")[0])
        lines.append(f"mkdir /{name}")
        made.add(name)

    for name, source in wanted.items():
        parent, _, leaf = name.rpartition("/")
        directory(parent)
        lines.append(f"cd /{parent}")
        if name in present:
            lines.append(f"rm {leaf}")
        if isinstance(source, str):
            lines.append(f"symlink {leaf} {source}")
            continue
        mode = stat.S_IMODE(source.stat().st_mode) & 0o755 | 0o444
        lines += [f"write {source} {leaf}", f"sif {leaf} mode 0{stat.S_IFREG | mode:o}",
                  f"sif {leaf} uid 0", f"sif {leaf} gid 0"]
    return "\n".join(lines) + "\n"


def write_layers(image, wanted, listing):
    present = {}
    for row in listing.read_text().splitlines():
        kind, _, name = row.partition(" /")
        present[name] = kind
    script = image.with_suffix(".debugfs")
    script.write_text(debugfs_script(wanted, present))
    done = subprocess.run(["debugfs", "-w", "-f", script, image], capture_output=True, text=True,
                          check=False)
    wrong = [line for line in done.stderr.splitlines() if not line.startswith("debugfs 1.")]
    if done.returncode != 0 or wrong:
        raise base.Failure(f"debugfs cannot write {image}: {wrong[:3]}", f"see {script}")
    check = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    if check.returncode != 0:
        raise base.Failure(f"{image} is damaged after assembly:\n{check.stdout}")
    script.unlink()


def root_disk(kernel_dir, variant):
    dest = install(variant)
    debian = userland(kernel_dir)
    wanted = layers(dest)
    image = base.BUILD / f"root-{variant}.ext4"
    stamp = image.with_suffix(".key")
    key = base.hash_of(
        debian.name, *[f"{n} {s if isinstance(s, str) else s.name}" for n, s in wanted.items()],
        *[s for s in wanted.values() if not isinstance(s, str) and s.suffix != ".erofs"],
    )
    if image.exists() and stamp.exists() and stamp.read_text() == key:
        return image
    start = time.monotonic()
    part = image.with_suffix(".part")
    part.unlink(missing_ok=True)
    base.call(["cp", "--reflink=auto", "--sparse=always", debian, part])
    write_layers(part, wanted, debian.with_name(debian.name + ".list"))
    part.rename(image)
    stamp.write_text(key)
    base.say(f"assembled the {variant} phone in {time.monotonic() - start:.1f} s")
    return image


def assemble(variant):
    """One at a time, from the building on: each phone's root is renamed under the others' feet."""
    with base.locked(base.BUILD / "lock"):
        kernel_dir = kernel()
        return Parts(bootable(kernel_dir), initrd(kernel_dir), root_disk(kernel_dir, variant))


def data_disk(path, size="2G"):
    """The phone's data partition: ext4, empty."""
    if path.exists():
        return path
    with open(path, "wb") as file:
        file.truncate(int(size[:-1]) << 30)
    base.call(["mke2fs", "-q", "-t", "ext4", "-O", "verity", "-m", "0", "-L", "pmos-data",
               "-E", "lazy_itable_init=1,lazy_journal_init=1", path])
    return path


def spare_disk(path):
    """An empty disk, for volumes that want a block device."""
    with open(path, "wb") as file:
        file.truncate(256 << 20)
    return path


def sweep(directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
