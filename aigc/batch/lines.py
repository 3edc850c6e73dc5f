"""The requests file, read line by line as often as needed, each time with the same bytes or not at all."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b, sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from aigc.batch.requests import LONGEST_LINE, custom_id_of
from aigc.errors import BatchError, UsageError, writable

_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line that is not blank. `number` counts all lines from 1; `repeated`: an earlier one has its custom_id."""

    number: int
    data: bytes
    repeated: bool

    @property
    def key(self) -> str:
        """Names the line in results, each time that they are made the same: 32 hex digits."""
        return sha256(b"%d\n" % self.number + self.data).hexdigest()[:32]


class RequestFile:
    """A batch file. Memory holds one line of it, and 8 bytes for each while it is surveyed, one afterwards.

    Raises:
        UsageError: it is not a file that can be read more than once.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            found = "something that is no file" if path.exists() else "no file"
            raise UsageError(writable(path), found, "a file of requests (.jsonl)", "Correct the path.")
        self.path = path
        self.total = 0
        """Number of lines that are not blank, known from `survey` on."""
        self._repeated = b""
        self._digest = ""

    def survey(self) -> int:
        """Read the whole file once for the custom_ids that stand twice; returns the number of its requests.

        A custom_id is known by a hash of 64 bits: of a million, two different ones are taken for the same with a
        likelihood of 3 in 100 million.
        """
        hashes, self._digest = array("Q"), ""
        for line in self._read():
            name = custom_id_of(line.data)
            own = f"\1{name}".encode() if name else b"\0%d" % line.number
            hashes.append(int.from_bytes(blake2b(own, digest_size=8).digest()))
        self.total, self._repeated = len(hashes), _repeated(hashes)
        return self.total

    def place(self, line: Line) -> str:
        return f"{writable(self.path.name)} line {line.number}"

    def lines(self) -> Iterator[Line]:
        """The lines that are not blank, in order, after `survey`.

        Raises:
            BatchError: the file is no longer as it was surveyed.
        """
        for index, line in enumerate(self._read()):
            if index >= self.total:
                raise self.changed()
            yield line._replace(repeated=self._repeated[index] > 0)

    def _read(self) -> Iterator[Line]:
        sha = sha256()
        with self.path.open("rb") as file:
            number = 0
            while data := file.readline(LONGEST_LINE + 1):
                sha.update(data)
                if len(data) > LONGEST_LINE and not data.endswith(b"\n"):
                    for rest in _rest_of_line(file):
                        sha.update(rest)
                number += 1
                if number == 1:
                    data = data.removeprefix(_BOM)
                if not data.isspace() and data:
                    yield Line(number, data, False)
        if self._digest not in ("", sha.hexdigest()):
            raise self.changed()
        self._digest = sha.hexdigest()

    def changed(self) -> BatchError:
        """The error to raise where the file turns out to be another than was surveyed."""
        return BatchError(writable(self.path), "that the file changed while it was worked on",
                          "a file that stays as it is until the batch has ended",
                          "The answers made so far are kept: run the same command again.")


def _rest_of_line(file: BinaryIO) -> Iterator[bytes]:
    while rest := file.readline(1 << 20):
        yield rest
        if rest.endswith(b"\n"):
            return


def _repeated(hashes: array[int]) -> bytes:
    """A byte for each hash: 1 where an earlier one is equal."""
    import numpy as np

    every = np.frombuffer(hashes, dtype=np.uint64)
    order = np.argsort(every, kind="stable")
    found = np.zeros(len(every), dtype=np.uint8)
    found[order[1:]] = every[order[1:]] == every[order[:-1]]
    return found.tobytes()
