"""Which briefs are held out: decided by a hash of the brief, so that a brief stays where it is as data grows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from aigc.training_data.values import Split

LEAST_GROUPS = 3
"""With fewer briefs nothing can be held out."""
SHOWING, FIFTH = 6, 5
"""Held-out briefs that can show a difference, and the part of all briefs that they may be."""


def grouped(keys: Iterable[Collection[str]]) -> dict[str, str]:
    """The group of every key. Keys that were given together are in one group, which has the name of its least key.

    A brief has two keys, its id and its content: what was renamed stays with itself, and so does what was reworded.
    """
    parents: dict[str, str] = {}
    for together in keys:
        roots = sorted({_root(parents, key) for key in together})
        for root in roots:
            parents[root] = roots[0]
    return {key: _root(parents, key) for key in parents}


def split(groups: Collection[str], held_out: float) -> Mapping[str, Split]:
    """The split of every group: about the share `held_out` in test, and as many in validation.

    Of a few briefs more are held out than that, since of fewer than `SHOWING` nothing could be shown; of fewer than
    three none are.
    """
    ordered = sorted(set(groups), key=_place)
    if len(ordered) < LEAST_GROUPS or not held_out:
        return dict.fromkeys(ordered, "train")
    least = max(1, min(SHOWING, len(ordered) // FIFTH))
    tests = max(least, sum(_place(group)[0] < held_out for group in ordered))
    both = max(tests + least, sum(_place(group)[0] < 2 * held_out for group in ordered))
    tests, both = min(tests, len(ordered) - 2), min(both, len(ordered) - 1)
    found: dict[str, Split] = dict.fromkeys(ordered, "train")
    found |= dict.fromkeys(ordered[:both], "validation")
    found |= dict.fromkeys(ordered[:tests], "test")
    return found


def _root(parents: dict[str, str], key: str) -> str:
    root = key
    while parents.setdefault(root, root) != root:
        root = parents[root]
    while parents[key] != root:  # shorten the way for the next
        parents[key], key = root, parents[key]
    return root


def _place(group: str) -> tuple[float, str]:
    """Where a group lies between 0 and 1."""
    return int.from_bytes(hashlib.sha256(group.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64, group
