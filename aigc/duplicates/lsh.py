"""Which of many texts could be like a given one: MinHash signatures, and tables of their bands in sorted arrays.

A signature is 128 numbers; two texts agree in as many of them as they are alike. It is cut into 32 bands of 4: texts
that agree in a whole band are candidates, which those alike by 0.5 become in 87 cases of 100, by 0.6 in 99, by 0.7 in
9,999 of 10,000. The last byte of each number is kept as well, which tells how like candidates are before their texts
are read. A row of a table is one integer (band, hash of its numbers, text), so that a table is one sorted array: made
by a sort, merged by a sort, read from a mapped file as from memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes: TypeAlias = NDArray[np.uint64]
    Signatures: TypeAlias = NDArray[np.uint32]
    """One row a text."""
    Sketches: TypeAlias = NDArray[np.uint8]
    """The last bytes of signatures."""
    Ids: TypeAlias = NDArray[np.int64]

BANDS, BAND_ROWS, SEED = 32, 4, 1
PERMUTATIONS = BANDS * BAND_ROWS
_ID_BITS, _BAND_SHIFT = 27, 59
MOST_TEXTS = 1 << _ID_BITS
MOST_IN_A_BAND = 512
"""Texts taken from one band of a table, the oldest. More agree only in what many texts say; the other bands, in which
their own words decide, find those that are copies."""
SLACK = 0.15
"""How far below the limit an estimate may lie: 3.4 standard deviations of one from 128 numbers at 0.5."""
_MULTIPLIER = 0x9E3779B97F4A7C15


def scheme() -> str:
    """Names how signatures are made; those of another version of the library cannot be compared."""
    from rensa import RMinHash

    return f"rensa r-minhash {RMinHash.ALGORITHM_VERSION}, {BANDS}x{BAND_ROWS}, seed {SEED}"


def signatures(sets: Sequence[Hashes]) -> Signatures:
    """The signature of each set of shingles. An empty set has one that means nothing."""
    import numpy as np
    from rensa import RMinHash

    offsets = np.zeros(len(sets) + 1, np.uint64)
    offsets[1:] = np.cumsum([len(found) for found in sets])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), offsets, PERMUTATIONS, SEED)
    return np.array(matrix.to_rows(), np.uint32)


def sketches(found: Signatures) -> Sketches:
    import numpy as np

    return (found & 0xFF).astype(np.uint8)


def table(found: Signatures, first: int) -> Hashes:
    """The table of texts numbered from `first`."""
    import numpy as np

    ids = np.arange(first, first + len(found), dtype=np.uint64)
    return np.sort((_keys(found) | ids).ravel())


def merged(tables: Sequence[Hashes]) -> Iterator[Hashes]:
    """One table of several, a band at a time, in order."""
    import numpy as np

    sizes = [len(part) // BANDS for part in tables]  # every text is once in every band
    for band in range(BANDS):
        rows = [part[band * size : (band + 1) * size] for part, size in zip(tables, sizes, strict=True)]
        yield np.sort(np.concatenate(rows))


def due(sizes: Sequence[int]) -> int:
    """How many of the last tables of these sizes should be made one: a search costs as much in a small table."""
    count, total = 1, sum(sizes[-1:])
    while count < len(sizes) and sizes[-count - 1] < 8 * total:
        total += sizes[-count - 1]
        count += 1
    return count


def likeliest(tables: Sequence[Hashes], kept: Sketches, signature: Signatures, over: float) -> Ids:
    """Numbers of the texts that may be more than `over` like the one with this signature, the likeliest first.

    `kept` has a row for each text; the last ones may be in no table yet.
    """
    import numpy as np

    in_tables = sum(len(part) for part in tables) // BANDS
    ids = np.concatenate([_candidates(tables, signature), np.arange(in_tables, len(kept))])
    estimated = _estimates(kept[ids], sketches(signature))
    near = estimated >= over - SLACK
    ids, estimated = ids[near], estimated[near]
    chosen: Ids = ids[np.lexsort((ids, -estimated))]
    return chosen


def _candidates(tables: Sequence[Hashes], signature: Signatures) -> Ids:
    """Texts in `tables` that agree with one signature in a band, by number."""
    import numpy as np

    keys = _keys(signature[np.newaxis]).ravel()
    found = [np.empty(0, np.uint64)]
    for part in tables:
        starts = np.searchsorted(part, keys)
        ends = np.searchsorted(part, keys + np.uint64(MOST_TEXTS))
        for place in np.flatnonzero(ends > starts):
            start = starts[place]
            found.append(part[start : min(ends[place], start + MOST_IN_A_BAND)])
    return np.unique(np.concatenate(found) & np.uint64(MOST_TEXTS - 1)).astype(np.int64)


def _estimates(kept: Sketches, sketch: Sketches) -> NDArray[np.float64]:
    """About how like each of `kept` is to the text with this sketch, corrected for bytes that agree by chance."""
    agreeing: NDArray[np.float64] = (kept == sketch).mean(axis=1)
    return (agreeing - 1 / 256) / (255 / 256)


def _keys(found: Signatures) -> Hashes:
    """Band and hash of each band of each signature, bands first; the place of the text's number is left 0."""
    import numpy as np

    rows = found.reshape(len(found), BANDS, BAND_ROWS).astype(np.uint64)
    hashed = rows[:, :, 0]
    for row in range(1, BAND_ROWS):
        hashed = hashed * np.uint64(_MULTIPLIER) + rows[:, :, row]
    hashed = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(_MULTIPLIER) >> np.uint64(32)
    bands = np.arange(BANDS, dtype=np.uint64) << np.uint64(_BAND_SHIFT)
    return np.ascontiguousarray((hashed << np.uint64(_ID_BITS) | bands).T)
