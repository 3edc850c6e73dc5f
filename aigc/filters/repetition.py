"""A text that goes round in circles."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from aigc.content import PER_CHARACTER_LANGUAGES, base_language
from aigc.filters.verdicts import Count, FilterAction, Share, asked, at_most_flag, leaf_texts, readable, wording
from aigc.records import Brief, Completion, OutputValue, Span, Verdict

_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
"""A Chinese or Japanese character, or a whole word between them: Latin letters counted singly recur far more."""
_NGRAM_WORDS, _NGRAM_CHARACTERS = 4, 6
_PROBE_CHARS = 8
_UNSPACED_CHARS = 20
"""Characters a space from which on a text counts as written without spaces; German has 7, a list of URLs 30."""
_MIN_TAIL_CHARS = 40
"""A chorus of la-la-la is shorter; a model that loops goes on to its limit. Halved in Chinese and Japanese."""
_ZLIB_CHARS, _MIN_ZLIB_BYTES = 1 << 16, 600
_CERTAIN_DISTINCT = 0.95
"""Above this share of distinct n-grams no prose was seen to reach a zlib ratio of 3, so it is not compressed."""
_RULE = re.compile(r"[-_=*~.·…|+#\s]*")
"""A line to write on or to part sections with, which may be as long as it likes."""
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionFilter:
    """Three proofs of a loop, and one hint.

    Distinct n-grams (4 words; 6 characters in Chinese and Japanese) under `min_distinct`, from `min_ngrams` on;
    a tail that repeats a stretch of up to `tail_period_chars` at least `tail_repeats` times over more than
    `tail_share` of the text; list entries equal to each other, or equal texts of `min_field_chars` in two fields
    (shorter ones, such as speakers' names, recur rightly). A zlib ratio over `max_zlib_ratio` only flags.
    """

    name: ClassVar[str] = "repetition"
    action: FilterAction = "retry"
    min_distinct: Share = 0.7
    min_ngrams: Annotated[int, msgspec.Meta(ge=1)] = 40
    tail_period_chars: Annotated[int, msgspec.Meta(ge=1, le=2000)] = 200
    tail_repeats: Annotated[int, msgspec.Meta(ge=2)] = 3
    tail_share: Share = 0.1
    max_zlib_ratio: Annotated[float, msgspec.Meta(ge=1)] = 3.0
    min_field_chars: Count = 24

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        if not text.strip():
            return Verdict(filter=self.name, action="pass")
        fields = completion.content.fields if completion.content else {}
        per_character = base_language(brief.language) in PER_CHARACTER_LANGUAGES
        distinct, count = _distinct_ngrams(text, per_character=per_character)
        measurable = count >= self.min_ngrams
        if tail := self._tail(text, fields, per_character=per_character):
            return self._failed_tail(brief, text, *tail)
        if measurable and distinct < self.min_distinct:
            return self._failed(
                brief, "distinct_ngrams_low", distinct, self.min_distinct, [],
                f"Only {distinct:.0%} of its {count} runs of words differ; a text that moves on has "
                f"{self.min_distinct:.0%} or more.")
        if same := self._same_field(fields):
            return self._failed(brief, "repeated_field", 2, 1, _span_of_second(text, same),
                                f"Two fields or entries are the same {len(same)} characters.")
        ratio = 0.0 if measurable and distinct >= _CERTAIN_DISTINCT else _zlib_ratio(text)
        if ratio > self.max_zlib_ratio:
            return self._failed(brief, "compressible", round(ratio, 2), self.max_zlib_ratio, [],
                                f"It compresses {ratio:.1f} to 1, which hints at repetition.", is_hint=True)
        return Verdict(filter=self.name, action="pass", measured=distinct if measurable else None,
                       limit=self.min_distinct)

    def _failed(
        self, brief: Brief, reason: str, measured: float, limit: float, spans: list[Span], why: str, *,
        is_hint: bool = False,
    ) -> Verdict:
        return Verdict(
            filter=self.name, action=(at_most_flag if is_hint else asked)(self.action), reason=reason,
            measured=measured, limit=limit, spans=spans,
            message=f"The text {'may repeat' if is_hint else 'repeats'} itself. {why}",
            advice="" if is_hint else wording(
                brief, en="The last text repeated itself. Say each thing once, in new words.",
                zh="上一稿内容重复，请每个意思只说一次，换用不同的说法。"),
        )

    def _failed_tail(self, brief: Brief, text: str, part: str, period: int, chars: int) -> Verdict:
        start = text.rfind(part[-chars:])
        return self._failed(
            brief, "repeated_tail", round(chars / len(part), 3), self.tail_share,
            [Span(start=start, end=start + chars)] if start >= 0 else [],
            f"Its last {chars} characters are the same {period} characters {chars // period} times.")

    def _tail(
        self, text: str, fields: dict[str, OutputValue], *, per_character: bool
    ) -> tuple[str, int, int] | None:
        """The text or field that ends in a loop, the loop's period and its length in characters."""
        shortest = _MIN_TAIL_CHARS // (2 if per_character else 1)
        for whole in (text, *(leaf for value in fields.values() for leaf in leaf_texts(value))):
            part = whole.rstrip()
            if len(part) < shortest:
                continue
            period, chars = _loop_at_end(part, self.tail_period_chars, self.tail_repeats)
            if chars >= shortest and chars > self.tail_share * len(part) and not _RULE.fullmatch(part[-period:]):
                return part, period, chars
        return None

    def _same_field(self, fields: dict[str, OutputValue]) -> str:
        """The first text that stands twice: a list's entry, whatever its length, or any long text."""
        long_texts: set[str] = set()
        for value in fields.values():
            entries: set[tuple[str, ...]] = set()
            for entry in [value] if isinstance(value, str) else value:
                texts = [entry] if isinstance(entry, str) else list(entry.values())
                keys = [" ".join(text.split()).casefold() for text in texts]
                for text, key in zip(texts, keys, strict=True):
                    if key and (tuple(keys) in entries or (len(key) >= self.min_field_chars and key in long_texts)):
                        return text
                entries.add(tuple(keys))
                long_texts.update(keys)
        return ""


def _distinct_ngrams(text: str, *, per_character: bool) -> tuple[float, int]:
    """The share of distinct n-grams, and how many n-grams there are."""
    lower = text.lower()
    units: Sequence[str] = lower.split()
    size = _NGRAM_WORDS
    if per_character or _has_no_spaces(text, units):
        units, size = _UNIT.findall(lower), _NGRAM_CHARACTERS
        if _has_no_spaces(text, units):  # Thai, or one endless word
            units = _NO_LETTERS.sub("", lower)
    count = len(units) - size + 1
    distinct = len(set(zip(*(units[at:] for at in range(size)), strict=False)))
    return (round(distinct / count, 4), count) if count > 0 else (1.0, 0)


def _has_no_spaces(text: str, units: Sequence[str]) -> bool:
    return len(text) > _UNSPACED_CHARS * len(units)


def _loop_at_end(text: str, max_period: int, repeats: int) -> tuple[int, int]:
    """Period and length of the stretch that repeats at the end of `text`; (0, 0) if none does."""
    end = len(text)
    for period in _periods(text, max_period):
        span = repeats * period
        if span > end:
            break
        if text[end - span:end - period] == text[end - span + period:]:
            unit, chars = text[end - period:], span
            while chars + period <= end and text.startswith(unit, end - chars - period):
                chars += period
            return period, chars
    return 0, 0


def _periods(text: str, max_period: int) -> Iterator[int]:
    """Distances at which the last characters stood before, nearest first: the only periods a loop can have.

    A search for a probe, where a regular expression with a backreference would be quadratic.
    """
    end = len(text)
    probe = text[-_PROBE_CHARS:]
    low = max(end - max_period - _PROBE_CHARS, 0)
    at = text.rfind(probe, low, end - 1)
    while at >= 0:
        yield end - len(probe) - at
        at = text.rfind(probe, low, at + len(probe) - 1)


def _zlib_ratio(text: str) -> float:
    data = text[:_ZLIB_CHARS].encode("utf-8", "surrogatepass")
    return len(data) / len(zlib.compress(data, 1)) if len(data) >= _MIN_ZLIB_BYTES else 0.0


def _span_of_second(text: str, part: str) -> list[Span]:
    first = text.find(part)
    second = text.find(part, first + len(part)) if first >= 0 else -1
    return [Span(start=second, end=second + len(part))] if second >= 0 else []
