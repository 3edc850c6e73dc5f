"""One digest over all rows of a run, by which any one of them can be proved: the Merkle tree of RFC 6962, section 2.1.

A leaf is hashed with a zero byte before it, an inner node with a one, so that neither can be taken for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """The 32 bytes that stand for one entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf; memory holds one hash a level, whatever the number of leaves."""

    def __init__(self) -> None:
        self.leaves = 0
        self._whole: list[tuple[int, bytes]] = []
        """Height and hash of the whole trees so far, from the left: heights fall."""

    def add(self, leaf: bytes) -> None:
        """Add a leaf by its `leaf_hash`."""
        height = 0
        while self._whole and self._whole[-1][0] == height:
            leaf, height = _node(self._whole.pop()[1], leaf), height + 1
        self._whole.append((height, leaf))
        self.leaves += 1

    @property
    def root(self) -> bytes:
        """The tree's hash; of no leaves, the hash of nothing."""
        if not self._whole:
            return hashlib.sha256(b"").digest()
        found = self._whole[-1][1]
        for _, left in reversed(self._whole[:-1]):
            found = _node(left, found)
        return found


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's hash of these leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of RFC 6962, section 2.1.1: the hashes beside the way from a leaf to the root, lowest first.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root(leaves[:split])]


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether a leaf stands at `index` of the tree of `size` leaves whose root is `expected`: RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = _node(beside, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = _node(found, beside)
        at, last = at >> 1, last >> 1
    return last == 0 and found == expected


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
