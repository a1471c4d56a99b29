#!/usr/bin/env python3
"""pmos-unpack and archives that want more than they may: whatever they name, nothing outside the
directory is touched, and what cannot be is refused by name."""

import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

UNPACK = sys.argv.pop(1)

# Of a build with sanitizers: pmos-unpack forbids itself the /proc that a search for leaks reads.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"


class Archive:
    """A tar of entries in the order in which they are added."""

    def __init__(self, compression=""):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w:" + compression, format=tarfile.PAX_FORMAT)

    def add(self, name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644, uid=0, gid=0):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(data), link
        info.mode, info.uid, info.gid = mode, uid, gid
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def done(self):
        self.tar.close()
        return self.bytes.getvalue()


class Unpack(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="pmos-unpack-"))
        self.into = self.top / "into"
        self.into.mkdir()
        self.outside = self.top / "outside"
        self.outside.write_text("untouched")

    def tearDown(self):
        self.assertEqual(self.outside.read_text(), "untouched")
        self.assertEqual(sorted(p.name for p in self.top.iterdir()), ["into", "outside"])
        shutil.rmtree(self.top)

    def run_it(self, archive, *options):
        data = archive.done() if isinstance(archive, Archive) else archive
        return subprocess.run([UNPACK, *options, self.into], input=data, capture_output=True, check=False)

    def good(self, archive, *options):
        done = self.run_it(archive, *options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def refused(self, archive, words, *options):
        done = self.run_it(archive, *options)
        self.assertEqual(done.returncode, 2, done.stderr.decode())
        self.assertIn(words, done.stderr.decode())

    def layer(self, archive):
        return self.good(archive, "--layer")

    def names(self):
        return sorted(str(p.relative_to(self.into)) for p in self.into.rglob("*"))

    def test_what_is_ordinary(self):
        for compression in ("", "gz", "xz"):
            with self.subTest(compression):
                shutil.rmtree(self.into)
                self.into.mkdir()
                self.good(Archive(compression)
                          .add("./", tarfile.DIRTYPE, mode=0o755)
                          .add("a/b/c", data=b"deep", mode=0o4755)
                          .add("a/link", tarfile.SYMTYPE, link="b/c")
                          .add("a/same", tarfile.LNKTYPE, link="a/b/c")
                          .add("ü/ß", data=b"x"))
                self.assertEqual((self.into / "a/link").read_text(), "deep")
                self.assertEqual((self.into / "a/b/c").stat().st_mode & 0o7777, 0o4755)
                self.assertEqual((self.into / "a/b/c").stat().st_ino, (self.into / "a/same").stat().st_ino)
                self.assertEqual(self.names(), ["a", "a/b", "a/b/c", "a/link", "a/same", "ü", "ü/ß"])

    def test_zstd(self):
        plain = Archive().add("a", data=b"x" * 5000).done()
        packed = subprocess.run(["zstd", "-q", "-c"], input=plain, capture_output=True, check=True).stdout
        self.good(packed)
        self.assertEqual((self.into / "a").stat().st_size, 5000)

    def test_owners(self):
        if os.geteuid() != 0:
            self.refused(Archive().add("a", uid=5), "only root can keep that")
            return
        self.good(Archive().add("a", uid=5, gid=6))
        self.assertEqual(((self.into / "a").stat().st_uid, (self.into / "a").stat().st_gid), (5, 6))
        self.good(Archive().add("a", uid=5, gid=6), "--all-root")
        self.assertEqual((self.into / "a").stat().st_uid, 0)
        self.refused(Archive().add("a", uid=2**32 - 1), "cannot be")

    def test_paths_that_lead_out(self):
        self.refused(Archive().add("../outside", data=b"x"), "'../outside' is not unpacked")
        self.refused(Archive().add("a/../../outside", data=b"x"), "leads out")
        self.refused(Archive().add("/etc/passwd", data=b"x"), "absolute")
        self.refused(Archive().add("a", tarfile.LNKTYPE, link="../outside"), "not there")
        self.refused(Archive().add("a", tarfile.LNKTYPE, link="/" + str(self.outside)), "not there")

    def test_links_that_lead_out(self):
        # A link may say anything; what goes through it stays inside.
        self.good(Archive().add("up", tarfile.SYMTYPE, link="../..").add("up/outside", data=b"x"))
        self.assertEqual((self.into / "outside").read_text(), "x")
        self.good(Archive().add("abs", tarfile.SYMTYPE, link=str(self.top)).add("real", tarfile.DIRTYPE))
        done = self.run_it(Archive().add("abs/outside", data=b"x"))
        self.assertNotEqual(done.returncode, 0)
        self.refused(Archive().add("leak", tarfile.LNKTYPE, link="up/../outside2"), "not there")

    def test_a_link_is_replaced_not_followed(self):
        self.good(Archive().add("f", tarfile.SYMTYPE, link=str(self.outside)).add("f", data=b"mine"))
        self.assertFalse((self.into / "f").is_symlink())
        self.good(Archive().add("d", tarfile.SYMTYPE, link="..").add("d", tarfile.DIRTYPE).add("d/outside", data=b"x"))
        self.assertEqual(self.names(), ["d", "d/outside", "f"])
        self.refused(Archive().add("s", tarfile.SYMTYPE, link=str(self.outside)).add("h", tarfile.LNKTYPE, link="s/x"),
                     "not there")

    def test_loops_and_files_in_the_way(self):
        loop = Archive().add("a", tarfile.SYMTYPE, link="b").add("b", tarfile.SYMTYPE, link="a").add("a/x", data=b"x")
        self.assertEqual(self.run_it(loop).returncode, 1)
        self.assertEqual(self.run_it(Archive().add("f", data=b"x").add("f/x", data=b"x")).returncode, 1)

    def test_devices_are_left_out_by_name(self):
        said = self.good(Archive().add("dev/sda", tarfile.BLKTYPE).add("dev/null", tarfile.CHRTYPE)
                         .add("pipe", tarfile.FIFOTYPE).add("ok", data=b"x"))
        self.assertIn("'dev/sda'", said)
        self.assertEqual(len(said.splitlines()), 3)
        self.assertEqual(self.names(), ["ok"])

    def test_what_is_too_much(self):
        self.refused(Archive().add("big", data=b"x" * 5000), "more than 4096 bytes", "--limit", "4096")
        two = Archive().add("a", data=b"x" * 3000).add("b", data=b"x" * 3000)
        self.refused(two, "'b' is not unpacked", "--limit", "4096")
        # A sparse file of a tebibyte in a few hundred bytes (GNU.sparse 1.0 in pax).
        bytes_ = io.BytesIO()
        tar = tarfile.open(fileobj=bytes_, mode="w", format=tarfile.PAX_FORMAT)
        info = tarfile.TarInfo("GNUSparseFile.0/huge")
        block = b"1\n1099511627000\n1\n".ljust(512, b"\0") + b"x"
        info.size = len(block)
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "huge",
                            "GNU.sparse.realsize": str(2**40)}
        tar.addfile(info, io.BytesIO(block))
        tar.close()
        self.refused(bytes_.getvalue(), "'huge' is not unpacked")

    def test_what_is_no_archive(self):
        for data in (b"", b"nonsense" * 200, os.urandom(4096)):
            done = self.run_it(data)
            self.assertIn(done.returncode, (0, 2) if data == b"" else (2,), done.stderr.decode())
        whole = Archive().add("a", data=os.urandom(20000)).done()
        self.refused(whole[:8000], "cannot be read")

    def test_the_same_name_twice(self):
        self.good(Archive().add("a", data=b"1").add("a", data=b"22").add("a/", tarfile.DIRTYPE).add("a/b", data=b"3"))
        self.assertEqual(self.names(), ["a", "a/b"])
        self.good(Archive().add("a", data=b"4"))
        self.assertEqual((self.into / "a").read_text(), "4")

    def test_whiteouts(self):
        self.layer(Archive().add("d/a", data=b"1").add("d/b", data=b"1").add("e/x/y", data=b"1").add("f", data=b"1"))
        self.layer(Archive().add("d/.wh.a").add("d/c", data=b"2").add(".wh.f").add("e/new", data=b"2")
                   .add("e/.wh..wh..opq").add(".wh.never"))
        self.assertEqual(self.names(), ["d", "d/b", "d/c", "e", "e/new"])

    def test_whiteouts_mean_lower_layers(self):
        self.layer(Archive().add("d/old", data=b"1"))
        self.layer(Archive().add("d/new", data=b"2").add(".wh.d").add("g", data=b"2").add(".wh.g"))
        self.assertEqual(self.names(), ["d", "d/new", "g"])

    def test_whiteouts_lead_nowhere_else(self):
        self.layer(Archive().add("up", tarfile.SYMTYPE, link=".."))
        self.layer(Archive().add("up/.wh.outside").add("no/.wh.x").add("no/.wh..wh..opq"))
        for name in (".wh...", ".wh..", ".wh.", ".wh..wh.plnk"):
            self.refused(Archive().add(name), "no whiteout", "--layer")
        self.refused(Archive().add("../.wh.outside"), "leads out", "--layer")
        # Of a plain archive they are names like others.
        self.good(Archive().add(".wh.a", data=b"x"))
        self.assertIn(".wh.a", self.names())


if __name__ == "__main__":
    unittest.main()
