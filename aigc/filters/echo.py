"""The text repeats its instructions or examples instead of following them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar

import msgspec

from aigc.content import PER_CHARACTER_LANGUAGES, base_language
from aigc.filters.verdicts import MAX_SPANS, FilterAction, Share, asked, leaf_texts, readable, wording
from aigc.records import Brief, Completion, Message, OutputValue, Span, Verdict

_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
"""A word, or a character of a script written without spaces; marks and case make no difference."""
_OWN_WORDS, _OWN_CHARACTERS = 3, 5
"""Runs of the brief's own cells from which on words are the brief's: shorter ones stand in any instruction."""
_MOSTLY_STRANGE = 1 / 3
"""A copied field of which more is the brief's own quotes the brief."""
_Gram = tuple[str, ...]
Positive = Annotated[int, msgspec.Meta(ge=2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoFilter:
    """The share of the text that stands word for word in the prompt, without what is quoted from the brief's cells.

    Counted are runs of `run_words` words (`run_characters` in languages written without spaces). A field that is
    whole in the prompt, at least half as long, fails alone: it is the description of the field, not its content.
    """

    name: ClassVar[str] = "echo"
    action: FilterAction = "retry"
    max_share: Share = 0.1
    run_words: Positive = 12
    run_characters: Positive = 16

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        return Verdict(filter=self.name, action="pass")

    def against(self, brief: Brief, completion: Completion, messages: Sequence[Message]) -> Verdict:
        text, prompt = readable(completion), [_line(message.content) for message in messages]
        per_character = base_language(brief.language) in PER_CHARACTER_LANGUAGES
        size = self.run_characters if per_character else self.run_words
        found = list(_UNIT.finditer(text))
        echoed = _echoed([match[0].lower() for match in found], prompt, size)
        fields = completion.content.fields if completion.content else {}
        copied = _copied(fields, prompt, size // 2)
        own = _own_grams(brief, per_character=per_character) if echoed or copied else set()
        echoed -= _own_places([match[0].lower() for match in found], own) if echoed else set()
        share = round(len(echoed) / len(found), 3) if found else 0.0
        if share > self.max_share:
            spans = _spans([found[at].span() for at in sorted(echoed)], gap=3)
            return self._failed(brief, "prompt_echo", share, self.max_share, spans,
                                f"{share:.0%} of the text stands word for word in the prompt.")
        if strange := [leaf for leaf in copied if _own_share(leaf, own) < _MOSTLY_STRANGE]:
            at = text.find(strange[0])
            spans = [Span(start=at, end=at + len(strange[0]))] if at >= 0 else []
            return self._failed(brief, "copied_instruction", len(strange), 0, spans,
                                f"{len(strange)} fields are a piece of the prompt, word for word.")
        return Verdict(filter=self.name, action="pass", measured=share, limit=self.max_share)

    def _failed(
        self, brief: Brief, reason: str, measured: float, limit: float, spans: list[Span], message: str
    ) -> Verdict:
        return Verdict(
            filter=self.name, action=asked(self.action), reason=reason, measured=measured, limit=limit,
            spans=spans[:MAX_SPANS], message=message,
            advice=wording(
                brief, en="Do not repeat these instructions. Follow them and write the text in your own words.",
                zh="不要照抄这里的要求和说明，请按要求用自己的话写出正文。"),
        )


def _units(text: str) -> list[str]:
    return _UNIT.findall(text.lower())


@lru_cache(maxsize=128)
def _line(text: str) -> str:
    """The units of a message with a space around each: what a piece of it is looked up in."""
    return f" {' '.join(_units(text))} "


def _grams(units: Sequence[str], size: int) -> Iterable[_Gram]:
    return zip(*(units[at:] for at in range(size)), strict=False)


def _own_grams(brief: Brief, *, per_character: bool) -> set[_Gram]:
    """Short runs of the brief's own cells: what stands there may be quoted."""
    size = _OWN_CHARACTERS if per_character else _OWN_WORDS
    limits = brief.limits
    cells: list[str] = [brief.tone, brief.audience, *limits.keywords, *limits.must_not_mention]
    for value in brief.fields.values():
        cells += [" ".join(value)] if isinstance(value, list) else [str(value)]
    grams: set[_Gram] = set()
    for cell in cells:
        units = _units(cell)
        grams.update(_grams(units, min(size, len(units))) if units else ())
    return grams


def _echoed(units: list[str], prompt: list[str], size: int) -> set[int]:
    """Places of the units in runs of `size` that stand in the prompt."""
    half = size // 2
    # Every run has a whole half that begins at a multiple of it; most texts have none in the prompt and are done.
    halves = (f" {' '.join(units[at:at + half])} " for at in range(0, len(units) - half + 1, half))
    if not any(piece in line for piece in halves for line in prompt):
        return set()
    known = {gram for line in prompt for gram in _grams(line.split(), size)}
    runs = (at for at, gram in enumerate(_grams(units, size)) if gram in known)
    return {place for at in runs for place in range(at, at + size)}


def _own_places(units: Sequence[str], own: set[_Gram]) -> set[int]:
    sizes = {len(gram) for gram in own}
    return {place for size in sizes for at, gram in enumerate(_grams(units, size)) if gram in own
            for place in range(at, at + size)}


def _own_share(leaf: str, own: set[_Gram]) -> float:
    units = _units(leaf)
    return len(_own_places(units, own)) / len(units)


def _copied(fields: dict[str, OutputValue], prompt: list[str], least: int) -> list[str]:
    """Texts of fields, of `least` words or more, that are whole in the prompt."""
    leaves = [leaf for value in fields.values() for leaf in leaf_texts(value)]
    return [leaf for leaf in leaves if _line(leaf).count(" ") > least and any(_line(leaf) in line for line in prompt)]


def _spans(places: list[tuple[int, int]], gap: int) -> list[Span]:
    """Neighbouring places as one span."""
    spans: list[list[int]] = []
    for start, end in places:
        if spans and start - spans[-1][1] <= gap:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    return [Span(start=start, end=end) for start, end in spans]
