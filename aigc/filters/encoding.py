"""Characters that show as boxes, as nothing, or as another text than is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from aigc.characters import CONTROL, INVISIBLE, wrongly_decoded
from aigc.content import base_language
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "ur", "he", "yi", "ps", "sd", "ug", "dv"})
_FLAG_OF_A_REGION = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
_SUSPECT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U0010ffff]|[\ufe00-\ufe0f]{2}")
"""One of these stands in every text with a fault below, but for wrong decoding."""


class _Kind(NamedTuple):
    reason: str
    noun: str
    places: Callable[[str], Iterable[tuple[int, int]]]
    is_hint: bool = False


def _where(pattern: str) -> Callable[[str], Iterable[tuple[int, int]]]:
    compiled = re.compile(pattern)
    return lambda text: (match.span() for match in compiled.finditer(text))


def _hidden(text: str) -> Iterable[tuple[int, int]]:
    """Text written in tag characters or variation selectors, which only models read (ASCII smuggling)."""
    flags = [match.span() for match in _FLAG_OF_A_REGION.finditer(text)]
    for match in _HIDDEN.finditer(text):
        if not any(start <= match.start() < end for start, end in flags):
            yield match.span()


_HIDDEN = re.compile("[\U000e0000-\U000e007f]+|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}")
_KINDS = (
    _Kind("lone_surrogate", "halves of surrogate pairs", _where("[\ud800-\udfff]")),
    _Kind("replacement_character", "characters lost in decoding (U+FFFD)", _where("\ufffd")),
    _Kind("control_character", "control characters", lambda text: (match.span() for match in CONTROL.finditer(text))),
    _Kind("hidden_text", "runs of hidden characters", _hidden),
    _Kind("bidi_override", "characters that turn the direction of writing", _where("[\u202d\u202e]")),
    _Kind("bidi_mark", "marks of the direction of writing", _where("[\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069]"),
          is_hint=True),
    _Kind("zero_width", "invisible characters", lambda text: (match.span() for match in INVISIBLE.finditer(text)),
          is_hint=True),
    _Kind("private_use", "characters without a meaning of their own",
          _where("[\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff]"), is_hint=True),
)
_MOJIBAKE = _Kind("mojibake", "places decoded with the wrong table", wrongly_decoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingFilter:
    """Fails texts with control codes, lost or wrongly decoded characters, hidden text and turned direction.

    Marks of direction (but in languages written from right to left), zero-width and private-use characters are
    harmless more often than not and flag.
    """

    name: ClassVar[str] = "encoding"
    action: FilterAction = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        kinds = _KINDS if _SUSPECT.search(text) else ()
        for kind in (_MOJIBAKE, *kinds):
            if kind.reason == "bidi_mark" and base_language(brief.language) in _RIGHT_TO_LEFT:
                continue
            if places := list(kind.places(text)):
                return self._failed(brief, kind, text, places)
        return Verdict(filter=self.name, action="pass", measured=0, limit=0)

    def _failed(self, brief: Brief, kind: _Kind, text: str, places: list[tuple[int, int]]) -> Verdict:
        codes = dict.fromkeys(f"U+{ord(char):04X}" for start, end in places[:MAX_SPANS] for char in text[start:end])
        return Verdict(
            filter=self.name, action=(at_most_flag if kind.is_hint else asked)(self.action), reason=kind.reason,
            measured=len(places), limit=0, spans=[Span(start=start, end=end) for start, end in places[:MAX_SPANS]],
            message=f"The text has {len(places)} {kind.noun}, the first at character {places[0][0] + 1}: "
                    f"{', '.join(list(codes)[:5])}.",
            advice="" if kind.is_hint else wording(
                brief, en="Write in ordinary characters only, without control codes, hidden or garbled characters.",
                zh="只用普通文字书写，不要有控制符、隐藏字符或乱码。"),
        )
