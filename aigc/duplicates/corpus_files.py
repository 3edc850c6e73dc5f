"""The files of a corpus, and what they hold.

    corpus.json        which sources count, and how much of the other files is theirs; always whole
    texts.jsonl        a line a text: <crc32, 8 hex>\\t<JSON>\\n; the truth, from which all below can be made again
    places.u64         where each line begins
    sketches.u8        128 bytes a text
    bands-A-N.u64      a table of N texts from number A on (see `lsh`)

Files only grow at their ends, and what lies beyond the figures of corpus.json does not count: a writer that is killed
leaves the corpus as it was.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from zlib import crc32

import msgspec

from aigc.disk import disk_errors, json_bytes
from aigc.duplicates.lsh import BANDS, PERMUTATIONS, scheme
from aigc.duplicates.texts import SCHEME, Text
from aigc.errors import StoreError
from aigc.records import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORPUS = Path(".aigc/corpus")
"""Where a project keeps its corpus, beside aigc.toml: it outlives any folder of runs."""
MANIFEST, TEXTS, PLACES, SKETCHES = "corpus.json", "texts.jsonl", "places.u64", "sketches.u8"
ITEM_BYTES = {PLACES: 8, SKETCHES: PERMUTATIONS}
"""Bytes a text has in the files that give each the same."""
VERSION = 1
Kind: TypeAlias = Literal["file", "run"]
AGAIN = "Restore it from a copy, or delete the folder and add its files again."


class Source(Value, frozen=True):
    """A file or a run whose texts are in the corpus: `texts` of them, from number `first` on.

    `digest` is over the texts as they are kept, `origin` over what they were read from. `added_at` is UTC, ISO 8601.
    """

    name: str
    kind: Kind
    origin: str
    digest: str
    first: int
    texts: int
    left_out: int
    """Texts that were too short to be told apart."""
    added_at: str


class Manifest(Value, frozen=True):
    """What counts. `log_bytes` is how much of texts.jsonl, `texts` how many items of the other files."""

    corpus: int = VERSION
    scheme: str = ""
    texts: int = 0
    log_bytes: int = 0
    sources: list[Source] = []
    tables: list[str] = []


class Line(Value, frozen=True):
    """A text as it is kept: normalised; `masks` are starts and ends of what its brief gave, one after the other."""

    text: str
    line: int = 0
    brief_id: str = ""
    variant: int | None = None
    masks: list[int] = []

    @property
    def prepared(self) -> Text:
        return Text(self.text, masks=list(zip(self.masks[::2], self.masks[1::2], strict=True)))


_line = msgspec.json.Decoder(Line)


def whole_scheme() -> str:
    """Names how a corpus's shingles and signatures are made; those of another way cannot be compared."""
    return f"{SCHEME}; {scheme()}"


def read_manifest(folder: Path) -> Manifest:
    """What counts of the corpus in `folder`; nothing where there is none.

    Raises:
        StoreError: it is missing beside texts, damaged, of another version, or the disk refuses.
    """
    path = folder / MANIFEST
    with disk_errors(path, "nothing was changed"):
        if not path.exists() and not (folder / TEXTS).exists():
            return Manifest()
        data = path.read_bytes()
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as exc:
        raise StoreError(str(path), "no list of a corpus's sources", f"a corpus of version {VERSION}", AGAIN) from exc
    if manifest.corpus != VERSION:
        raise StoreError(str(path), f"a corpus of version {manifest.corpus}", f"version {VERSION}",
                         "Use the version of aigc that made it, or delete the folder and add its files again.")
    return manifest


def encode_line(line: Line) -> bytes:
    rest = json_bytes(line) + b"\n"
    return b"%08x\t%b" % (crc32(rest), rest)


def decode_line(data: bytes, path: Path, number: int) -> Line:
    """The text that is kept on a line; StoreError where the line is not as it was written."""
    if data[:9] != b"%08x\t" % crc32(data[9:]):
        raise StoreError(str(path), f"a damaged line (text {number + 1:,})", "lines as they were written", AGAIN)
    return _line.decode(data[9:])


def table_name(first: int, texts: int) -> str:
    return f"bands-{first}-{texts}.u64"


def table_texts(name: str) -> int:
    """How many texts a table is of."""
    return int(name.removesuffix(".u64").rpartition("-")[2])


def open_table(folder: Path, name: str) -> NDArray[Any]:
    return mapped(folder / name, "uint64", table_texts(name) * BANDS)


def mapped(path: Path, dtype: str, items: int) -> NDArray[Any]:
    """The first `items` numbers of a file, read as they are needed. StoreError where it has fewer."""
    import numpy as np

    if not items:
        return np.empty(0, dtype)
    found, wanted = path.stat().st_size, items * np.dtype(dtype).itemsize
    if found < wanted:
        raise StoreError(str(path), f"{found:,} bytes", f"{wanted:,} at least", AGAIN)
    # A view, since a memmap's own methods are slower than an array's.
    return np.memmap(path, dtype, "r", shape=(items,)).view(np.ndarray)


def open_texts(folder: Path, manifest: Manifest) -> int:
    """A descriptor of the texts to read from."""
    fd = os.open(folder / TEXTS, os.O_RDONLY)
    if (found := os.fstat(fd).st_size) < manifest.log_bytes:
        os.close(fd)
        raise StoreError(str(folder / TEXTS), f"{found:,} bytes", f"{manifest.log_bytes:,} at least", AGAIN)
    return fd
