"""What reached a disk and in which order: the log of dm-log-writes, and the disk as it would be if
the power had gone at one moment of it. drivers/md/dm-log-writes.c has the format."""

import random
import struct

MAGIC, VERSION = 0x6A736677736872, 1
SUPER, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


class Write:
    def __init__(self, at, size, flags, data, mark):
        self.at, self.size, self.flags, self.data, self.mark = at, size, flags, data, mark

    def touches(self, places):
        return any(self.at < end and self.at + self.size > begin for begin, end in places)

    @property
    def settles(self):
        """What was written before it is on the disk, whatever comes."""
        return bool(self.flags & (FLUSH | FUA))


def read_log(path):
    with open(path, "rb") as log:
        magic, version, count, unit = SUPER.unpack(log.read(SUPER.size))
        assert (magic, version) == (MAGIC, VERSION), (magic, version)
        place, writes = unit, []
        for _ in range(count):
            log.seek(place)
            sector, sectors, flags, length = ENTRY.unpack(log.read(ENTRY.size))
            mark = log.read(length).decode() if flags & MARK else ""
            place += unit
            data = b""
            if not flags & (DISCARD | MARK):
                log.seek(place)
                data = log.read(sectors * unit)
                place += len(data)
            writes.append(Write(sector * unit, sectors * unit, flags, data, mark))
        return writes


def put(disk, write):
    data = write.data or bytes(write.size)  # of what is discarded nothing is left
    disk[write.at:write.at + len(data)] = data


class Moments:
    """Goes through a log once. Each moment: the number of writes that are done, what happened to
    those after them, the last mark before it, and a function for how the disk differs then from
    `disk`, which has all writes so far: (place, bytes), in this order."""

    def __init__(self, disk, writes, seed):
        self.writes, self.random = writes, random.Random(seed)
        self.disk = disk
        self.settled = bytearray(disk)  # as of the last write that settled what was before it

    def __iter__(self):
        mark, loose = "", []
        for number, write in enumerate(self.writes):
            if write.mark:
                mark = write.mark
                yield number, "whole", mark, list
                continue
            if len(write.data) > 512:
                yield number, "torn", mark, lambda w=write: self._torn(w)
            put(self.disk, write)
            loose.append(write)
            yield number, "whole", mark, list
            if write.settles:
                for done in loose:
                    put(self.settled, done)
                loose = []
            elif len(loose) > 1:
                yield number, "some", mark, lambda some=tuple(loose): self._some(some)

    def _torn(self, write):
        """A sector, the disk's own unit, is written wholly or not at all."""
        return [(write.at, write.data[:512 * self.random.randrange(1, len(write.data) // 512)])]

    def _some(self, loose):
        """Of what nothing has settled yet, any part may be there, in any order."""
        before = [(w.at, bytes(self.settled[w.at:w.at + w.size])) for w in loose]
        return before + [(w.at, w.data or bytes(w.size)) for w in loose
                         if self.random.random() < 0.5]
