#!/usr/bin/env python3
"""pmosctl image build, import and verify, held against the field's own tools: what they make is what
fsck.erofs reads and veritysetup verifies, and a changed bit is found by both."""

import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

PMOSCTL, UNPACK = sys.argv.pop(1), sys.argv.pop(1)
BLOCK = 4096
# Of a build with sanitizers: pmos-unpack forbids itself the /proc that a search for leaks reads.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"


def tar_of(entries):
    """entries: {name: bytes, or ("link", target), or None for a directory}"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, what in entries.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if what is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(what, tuple):
                info.type, info.linkname = tarfile.SYMTYPE, what[1]
            else:
                info.size = len(what)
            tar.addfile(info, io.BytesIO(what if isinstance(what, bytes) else b""))
    return out.getvalue()


def make_layout(path, layers, tag="1"):
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    config = {"architecture": "amd64", "os": "linux", "config": {},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                "layers": [blob(l, "application/vnd.oci.image.layer.v1.tar") for l in layers]}
    described = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    described["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return manifest


class Image(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pmos-image-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.out = self.top / "a.erofs"
        random.seed(7)
        self.noise = random.randbytes(3 * 1024 * 1024)

    def pmosctl(self, *args, code=0):
        done = subprocess.run([PMOSCTL, "image", *args], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def make(self, verb, source, out=None, *options):
        return json.loads(self.pmosctl(verb, str(source), "-o", str(out or self.out), "--json",
                                       "--unpacker", UNPACK, *options))

    def tree(self):
        tree = self.top / "tree"
        (tree / "usr/bin").mkdir(parents=True)
        (tree / "usr/share").mkdir()
        (tree / "usr/share/noise").write_bytes(self.noise)
        (tree / "usr/bin/run").write_text("#!/bin/sh\n")
        (tree / "bin").symlink_to("usr/bin")
        os.link(tree / "usr/bin/run", tree / "usr/bin/same")
        return tree

    def contents(self, image):
        into = self.top / f"into{time.monotonic_ns()}"
        subprocess.run(["fsck.erofs", f"--extract={into}", image], check=True, capture_output=True)
        return into

    def erofs_size(self, image):
        return int.from_bytes(image.read_bytes()[1060:1064], "little") * BLOCK

    def veritysetup(self, image, root_hash, tree=None):
        offset = [] if tree else [f"--hash-offset={self.erofs_size(image)}"]
        return subprocess.run(["veritysetup", "verify", image, tree or image, root_hash, *offset],
                              capture_output=True, text=True, check=False)

    def flip(self, path, at):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    def test_a_directory(self):
        made = self.make("build", self.tree())
        self.assertEqual(self.out.stat().st_size, made["size"])
        self.assertEqual((self.contents(self.out) / "usr/share/noise").read_bytes(), self.noise)
        done = self.veritysetup(self.out, made["rootHash"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("every block", self.pmosctl("verify", str(self.out), "--root-hash", made["rootHash"]))
        text = self.pmosctl("build", str(self.top / "tree"), "-o", str(self.out))
        lines = json.loads("{" + text[text.index('"root"'):] + "}")
        self.assertEqual(lines, {"root": {"image": "a.erofs", "verity": {"rootHash": made["rootHash"]}}})

    def test_the_same_bytes_each_time(self):
        self.make("build", self.tree())
        for path in [self.top / "tree", *(self.top / "tree").rglob("*")]:
            os.utime(path, (1, 1), follow_symlinks=False)
        again = self.top / "b.erofs"
        os.rename(self.top / "tree", self.top / "elsewhere")
        self.make("build", self.top / "elsewhere", again)
        self.assertEqual(self.out.read_bytes(), again.read_bytes())

    def test_a_changed_bit_is_found(self):
        made = self.make("build", self.tree())
        at = self.out.read_bytes().index(self.noise[:64])
        self.flip(self.out, at)
        said = self.pmosctl("verify", str(self.out), code=1)
        self.assertIn(f"block {at // BLOCK} at byte {at // BLOCK * BLOCK}", said)
        self.assertIn("1 block", said)
        self.assertNotEqual(self.veritysetup(self.out, made["rootHash"]).returncode, 0)
        self.flip(self.out, at)
        size = self.erofs_size(self.out)
        for where, words in ((size, "no superblock"), (size + 200, "another"), (size + BLOCK + 5, "is not the image"),
                             (self.out.stat().st_size - 5000, "of the hashes")):
            with self.subTest(where - size):
                self.flip(self.out, where)
                code = subprocess.run([PMOSCTL, "image", "verify", self.out, "--root-hash", made["rootHash"]],
                                      capture_output=True, check=False)
                # The superblock's salt and padding are covered by the root hash or mean nothing.
                if words != "another":
                    self.assertIn(words, (code.stdout + code.stderr).decode())
                    self.assertEqual(code.returncode, 1)
                self.flip(self.out, where)
        self.pmosctl("verify", str(self.out), "--root-hash", "0" * 64, code=1)
        self.pmosctl("verify", str(self.out), "--root-hash", "0", code=2)
        os.truncate(self.out, self.out.stat().st_size - 1)
        self.assertIn("cut off", self.pmosctl("verify", str(self.out), code=1))

    def test_hashes_apart(self):
        tree = self.top / "a.hashes"
        made = self.make("build", self.tree(), None, "--hash-image", str(tree))
        self.assertEqual(self.out.stat().st_size, self.erofs_size(self.out))
        self.assertEqual(self.veritysetup(self.out, made["rootHash"], tree).returncode, 0)
        self.pmosctl("verify", str(self.out), "--hash-image", str(tree), "--root-hash", made["rootHash"])

    def test_sizes_of_trees(self):
        # One block, one level, and one block more than a level has.
        for blocks in (1, 2, 127, 128, 129, 128 * 128 + 1):
            with self.subTest(blocks):
                plain = self.top / "plain.erofs"
                data = bytearray(blocks * BLOCK)
                data[1024:1028] = (0xe0f5e1e2).to_bytes(4, "little")
                data[1036], data[1060:1064] = 12, blocks.to_bytes(4, "little")
                plain.write_bytes(data)
                made = self.make("build", plain)
                self.assertEqual(self.veritysetup(self.out, made["rootHash"]).returncode, 0)
                self.pmosctl("verify", str(self.out), "--root-hash", made["rootHash"])

    def test_an_erofs_is_taken_as_it_is(self):
        first = self.make("build", self.tree())
        again = self.top / "again.erofs"
        self.assertEqual(self.make("build", self.out, again), {**first, "image": str(again)})

    def test_an_archive(self):
        archive = self.top / "a.tar"
        archive.write_bytes(tar_of({"usr/bin": None, "usr/bin/x": b"x", "bin": ("link", "usr/bin")}))
        self.make("build", archive)
        self.assertEqual(sorted(p.name for p in self.contents(self.out).iterdir()), ["bin", "usr"])
        archive.write_bytes(tar_of({"../x": b"x"}))
        self.assertIn("leads out", self.pmosctl("build", str(archive), "-o", str(self.out), "--unpacker", UNPACK, code=1))
        self.assertEqual(sorted(p.name for p in self.top.iterdir() if p.name.startswith("a.erofs")), ["a.erofs"])

    def test_an_oci_image(self):
        layout = self.top / "layout"
        make_layout(layout, [tar_of({"usr/share/a": b"1", "usr/share/b": b"1", "lib": ("link", "usr/lib"), "usr/lib": None}),
                             tar_of({"usr/share/.wh.a": b"", "lib/c": b"2"})])
        made = self.make("import", f"{layout}:1")
        self.assertEqual(self.veritysetup(self.out, made["rootHash"]).returncode, 0)
        into = self.contents(self.out)
        self.assertEqual(sorted(str(p.relative_to(into)) for p in into.rglob("*") if p.is_file()),
                         ["usr/lib/c", "usr/share/b"])
        packed = self.top / "packed"
        for compression in ("gzip", "zstd"):
            with self.subTest(compression):
                shutil.rmtree(packed, ignore_errors=True)
                subprocess.run(["skopeo", "copy", "--quiet", "--dest-compress-format", compression, f"oci:{layout}:1",
                                f"oci:{packed}:x"], check=True, capture_output=True)
                self.assertEqual(self.make("import", f"oci:{packed}")["rootHash"], made["rootHash"])
        self.assertIn("import", self.pmosctl("build", str(layout), "-o", str(self.out), code=2))

    def test_an_oci_image_that_is_not_what_it_says(self):
        layout = self.top / "layout"
        manifest = make_layout(layout, [tar_of({"a": b"1"})])
        blob = layout / "blobs/sha256" / manifest["layers"][0]["digest"][7:]
        good = blob.read_bytes()
        blob.write_bytes(good.replace(b"1", b"2", 1))
        self.assertIn("not what the layout names", self.pmosctl("import", str(layout), "-o", str(self.out), code=1))
        blob.unlink()
        blob.symlink_to("/etc/passwd")
        self.pmosctl("import", str(layout), "-o", str(self.out), code=1)
        self.pmosctl("import", f"{layout}:none", "-o", str(self.out), code=13)
        self.assertFalse(self.out.exists())

    def test_an_interruption_leaves_nothing(self):
        slow = self.top / "slow"
        slow.write_text("#!/bin/sh\nexec sleep 60\n")
        slow.chmod(0o755)
        archive = self.top / "a.tar"
        archive.write_bytes(tar_of({"a": b"x"}))
        work = subprocess.Popen([PMOSCTL, "image", "build", archive, "-o", self.out, "--unpacker", slow],
                                stderr=subprocess.PIPE)
        self.addCleanup(work.kill)
        end = time.monotonic() + 60
        while not list(self.top.glob("a.erofs.*/tree")):
            self.assertTrue(work.poll() is None and time.monotonic() < end, "it does not unpack")
            time.sleep(0.02)
        work.send_signal(signal.SIGINT)
        _, said = work.communicate(timeout=20)
        self.assertNotEqual(work.returncode, 0)
        self.assertIn(b"interrupted", said)
        self.assertEqual(list(self.top.glob("a.erofs*")), [])


if __name__ == "__main__":
    unittest.main()
