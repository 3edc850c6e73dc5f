"""Which briefs are held out: decided by a hash of the brief, so that a brief stays where it is as data grows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from aigc.training_data.values import Split

LEAST_GROUPS = 3
"""With fewer briefs nothing can be held out."""


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
    """The split of every group: about the share `held_out` in test, as many in validation, and of both at least one.

    Where there are fewer than three, all are for training.
    """
    ordered = sorted(set(groups), key=_place)
    if len(ordered) < LEAST_GROUPS or not held_out:
        return dict.fromkeys(ordered, "train")
    tests = max(1, sum(_place(group)[0] < held_out for group in ordered))
    both = max(tests + 1, sum(_place(group)[0] < 2 * held_out for group in ordered))
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
