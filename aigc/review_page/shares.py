"""Which rows go to which page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, TypeAlias

from aigc.errors import UsageError, shown
from aigc.records import Record, Value


class Split(Value, frozen=True):
    """How a run is shared out: one page, one for each content type, or one for each of `editors`."""

    by: Literal["run", "content_type", "editor"] = "run"
    editors: list[str] = []


class Share(Value, frozen=True):
    """What one page holds of a run: all, the texts of a type, or those of an editor."""

    name: str = ""
    editor: str = ""

    @property
    def slug(self) -> str:
        """The share's name as it stands in a file's name; empty for a whole run."""
        return re.sub(r"[^\w-]+", "-", self.name).strip("-")


WHOLE = Split()
Sharing: TypeAlias = Callable[[Record], Share]


def sharing(split: Split) -> Sharing:
    """A function that tells each record its share. An editor is given all variants of a brief.

    Raises:
        UsageError: editors whose pages would have one name, or none at all.
    """
    if split.by == "run":
        return lambda _: Share()
    if split.by == "content_type":
        return lambda record: Share(name=record.content_type)
    shares = [Share(name=name, editor=name) for name in split.editors]
    slugs = [share.slug.casefold() for share in shares]
    for share, slug in zip(shares, slugs, strict=True):
        if not slug or slugs.count(slug) > 1:
            raise UsageError("--editor", f"the name {shown(share.name)}, whose page would have no name of its own",
                             "names that differ in letters or digits", "Write it otherwise.")
    if not shares:
        raise UsageError("--editor", "no name", "the names of those who review", "Name each of them.")
    turn: dict[str, Share] = {}
    return lambda record: turn.setdefault(record.brief_id, shares[len(turn) % len(shares)])
