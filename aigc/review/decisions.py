"""An editor's decision on one text, and the reasons that it may have."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec
from msgspec import UNSET, UnsetType

from aigc.records import OutputValue, Value

Verb: TypeAlias = Literal["approve", "edit", "reject"]
"""What an editor does: take the text as it is, take it with other words, or refuse it."""
VERBS: tuple[Verb, ...] = get_args(Verb)
REASONS = ("facts_wrong", "off_brief", "tone_wrong", "language_poor", "repetitive", "too_long", "too_short", "unsafe",
           "legal", "duplicate", "other")
"""Why a text is refused or changed. Codes are stable for ever."""


class Decision(Value, frozen=True):
    """What one editor decided on one record. Nothing is ever changed in it: who thinks again decides again."""

    record_id: str
    run_id: str
    verb: Verb = msgspec.field(name="action")
    editor: str
    at: str
    """When the editor decided: UTC, ISO 8601 with milliseconds. Of a sheet, when it was imported."""
    base: str
    """Digest of the text that was decided on, as `Provenance.output` has it."""
    text: str = ""
    """The whole readable text as the editor wants it, of an edit."""
    fields: dict[str, OutputValue] = {}
    """All output fields as the editor wants them, of an edit by fields; the text is then laid out from them."""
    reason: str = ""
    note: str = ""
    """Words to colleagues and, where the text is made again, to the model."""
    final: bool | UnsetType = UNSET
    """Whether it is the final word on the record, as who imported it said: it settles what others decided before.

    Left out of JSON where it is not, so that the digests of decisions are what they were before there were final words.
    """


def says_the_same(one: Decision, other: Decision) -> bool:
    """Whether two decisions say the same of the same text, whenever that was, and are both final words or both none."""
    return msgspec.structs.replace(one, at="") == msgspec.structs.replace(other, at="")
