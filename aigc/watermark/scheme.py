"""What decides the noise of a token, in numpy. The engine computes the same integers with torch: `engine.noise`.

    key, salt of the row, last tokens ─▶ seed, counter ─▶ with the token's id ─▶ 52 bits, a number from 0 to 1

The salt is a row's own seed, folded: rows of another salt have other noise for the same tokens. Without it, all texts
in which a field begins alike would go on alike, since the context is the same in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SALTS = 1024
"""More make texts less alike that begin alike, and each one is a guess more for who does not know a text's."""
COUNTER_MASK = (1 << 24) - 1
"""The counter is as large as a position may be: above it the number of the draw has its bits."""
CHUNK, CHUNK_NOISE = 128, 1 << 31
"""Tokens that are drawn together where a row has no limits, and where the ids of such chunks begin."""
FACTORS = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
"""Of the 64-bit finaliser of Appleby's MurmurHash3."""
_MASK = 0xFFFFFFFF


def salt_of(seed: int) -> int:
    """The salt of the row with this seed."""
    return seed % SALTS


def context_sums(words: Sequence[Sequence[int]], contexts: Numbers) -> Numbers:
    """Sums of contexts [contexts, tokens] without their salt, uint64 [lanes, contexts].

    Multilinear hashing (Carter, Wegman 1979): of tokens below 2^18, two contexts have the same sum in a lane at most
    one time in 2^46, by chance of the key.
    """
    import numpy as np

    factors = _unsigned(words)
    tokens = contexts.astype(np.uint64)
    sums: Numbers = (factors[:, None, :-2] * tokens).sum(-1, dtype=np.uint64) + factors[:, -1:]
    return sums


def noise_keys(words: Sequence[Sequence[int]], sums: Numbers, salts: Numbers) -> tuple[Numbers, Numbers]:
    """Seeds and counters, uint64, of sums [lanes, contexts] under salts that broadcast with them."""
    import numpy as np

    factors = _unsigned(words)[:, -2]
    salted = salts.astype(np.uint64)
    seeds, counters = (_finalised(sums[lane] + factors[lane] * salted) for lane in range(2))
    return seeds, counters & np.uint64(COUNTER_MASK)


def uniforms(seeds: Numbers, counters: Numbers, ids: Numbers) -> Numbers:
    """The numbers between 0 and 1 of tokens or chunks, float64: `engine.noise.counter_hash`, spread over 2^52."""
    import numpy as np

    ids = ids.astype(np.uint64)
    low = _mix(_mix(_mix(seeds & np.uint64(_MASK)) ^ counters) ^ ids)
    high = _mix(_mix(_mix((seeds >> np.uint64(32)) ^ np.uint64(0x5BD1E995)) ^ low) ^ counters)
    bits = ((high >> np.uint64(6)) << np.uint64(26)) | (low >> np.uint64(6))
    found: Numbers = (bits.astype(np.float64) + 0.5) * 2.0**-52
    return found


def _unsigned(words: Sequence[Sequence[int]]) -> Numbers:
    import numpy as np

    return np.array(words, dtype=np.int64).view(np.uint64)


def _finalised(x: Numbers) -> Numbers:
    import numpy as np

    for factor in FACTORS:
        x = (x ^ (x >> np.uint64(33))) * np.uint64(factor)
    x ^= x >> np.uint64(33)
    return x


def _mix(x: Numbers) -> Numbers:
    import numpy as np

    mask = np.uint64(_MASK)
    x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x7FEB352D)) & mask
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(0x846CA68B)) & mask
    x ^= x >> np.uint64(16)
    return x
