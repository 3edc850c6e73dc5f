r"""The lines of a journal, and where each row's lines are.

`journal.jsonl` is append-only. Its first line is `{"journal":1,"run_id":…}`; every other line is

    <crc32, 8 hex>\t<row key, 32 hex>\t<fingerprint, 16 hex>\t<JSON>\n

where the crc covers all that follows its tab, newline included. A row key stands for brief id and variant. A settled
row carries a `Record` and a hash of its fingerprint; an attempt that did not settle its row carries a
`PendingAttempt` and sixteen zeros. Opening a journal therefore decodes no JSON. Bodies stay on disk; memory holds
about 160 bytes a row.
"""

from __future__ import annotations

import re
from array import array
from binascii import unhexlify
from collections.abc import Iterator
from hashlib import blake2b
from zlib import crc32

from aigc.records import Attempt, Value

VERSION = 1
PENDING = 0
"""In place of a fingerprint's hash: the line is an attempt, not a settled row."""
_KEY = slice(9, 41)
_FINGERPRINT = slice(42, 58)
BODY = slice(59, -1)
_HEAD = re.compile(rb"[0-9a-f]{8}\t[0-9a-f]{32}\t[0-9a-f]{16}\t")


class Header(Value, frozen=True):
    journal: int
    run_id: str = ""


class PendingAttempt(Value, frozen=True):
    """An attempt that did not settle its row: the row is tried again, or the run ended before its verdict."""

    brief_id: str
    variant: int
    attempt: Attempt


class Index:
    """Where the lines of each row are. A row's lines form a chain from the newest to the oldest."""

    def __init__(self) -> None:
        self.offsets, self.sizes, self.fingerprints = array("Q"), array("I"), array("Q")
        self.settled = 0
        self._previous = array("i")
        self._newest: dict[bytes, int] = {}  # row key → newest line times 2, plus 1 once the row is settled

    def add(self, key: bytes, fingerprint: int, offset: int, size: int) -> int:
        """Note a line; returns its number."""
        newest = self._newest.get(key, -2)
        settled = newest & 1 or fingerprint != PENDING
        self.settled += settled > newest & 1
        self._newest[key] = len(self.offsets) << 1 | settled
        self._previous.append(newest >> 1)
        self.offsets.append(offset)
        self.sizes.append(size)
        self.fingerprints.append(fingerprint)
        return len(self.offsets) - 1

    def lines(self, key: bytes) -> Iterator[int]:
        """Numbers of the row's lines, newest first."""
        line = self._newest.get(key, -2) >> 1
        while line >= 0:
            yield line
            line = self._previous[line]

    def is_settled(self, line: int) -> bool:
        """Whether there is such a line and it holds a settled row."""
        return 0 <= line < len(self.offsets) and self.fingerprints[line] != PENDING


def encode_line(key: bytes, fingerprint: int, body: bytes) -> bytes:
    rest = b"%b\t%016x\t%b\n" % (key.hex().encode(), fingerprint, body)
    return b"%08x\t%b" % (crc32(rest), rest)


def is_whole(line: bytes) -> bool:
    """Whether a line is as it was written: anybody can make a sum that is right, so its head is looked at too."""
    return line[:9] == b"%08x\t" % crc32(line[9:]) and _HEAD.match(line) is not None


def key_and_fingerprint(line: bytes) -> tuple[bytes, int]:
    """Row key and hash of the fingerprint of a whole line."""
    return unhexlify(line[_KEY]), int(line[_FINGERPRINT], 16)


def row_key(brief_id: str, variant: int) -> bytes:
    return blake2b(f"{brief_id}\0{variant}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def fingerprint_hash(fingerprint: str) -> int:
    return int.from_bytes(blake2b(fingerprint.encode(), digest_size=8).digest()) or 1
