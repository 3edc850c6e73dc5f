"""The lines of a dialogue: said by whose turn it is, none of them empty, none said before, each of a fit length."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from msgspec.structs import replace

from aigc.content import PER_CHARACTER_LANGUAGES, base_language, count_words
from aigc.dialogue import Said, places, said_in
from aigc.filters.language import LanguageFilter
from aigc.filters.verdicts import Count, FilterAction, Share, asked, readable, wording
from aigc.records import Brief, Completion, Content, Span, Verdict

_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
"""A word, or a Chinese or Japanese character."""
_RUN_WORDS, _RUN_CHARACTERS = 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsFilter:
    """Every line of a dialogue by itself and against those before it; what is no dialogue passes.

    A line fails that has no letter or digit; that names a speaker and a colon, or whose speaker had the line before;
    of fewer than `min_words` or more than `max_words` words (characters in Chinese and Japanese); in another language
    than the brief's, where it is long enough to tell; and one that was said before: of `repeat_words` words or more,
    of which a share over `max_repeated` stands in one earlier line, in runs of 3 words (4 characters).
    """

    name: ClassVar[str] = "turns"
    action: FilterAction = "retry"
    min_words: Count = 1
    max_words: Count = 90
    repeat_words: Count = 5
    max_repeated: Share = 0.6
    _language: ClassVar[LanguageFilter] = LanguageFilter()

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        said = said_in(completion.content.fields) if completion.content else []
        spans, names = places(readable(completion), said), {one.speaker for one in said}
        for at in range(len(said)):
            if problem := self.of_line(brief, said[: at + 1], names):
                return placed(problem, at, said[at].speaker, spans[at])
        return Verdict(filter=self.name, action="pass")

    def of_line(self, brief: Brief, said: Sequence[Said], names: Collection[str]) -> Verdict | None:
        """What is wrong with the last line of these, if something is. `names` are those of all who speak."""
        *before, last = said
        return (self._empty(brief, last) or self._speaker(brief, last, before, names) or self._length(brief, last)
                or self._foreign(brief, last) or self._repeated(brief, last, before))

    def _empty(self, brief: Brief, last: Said) -> Verdict | None:
        if _UNIT.search(last.line):
            return None
        return self._failed(brief, "empty_line", 0, 1, "The line has no letter or digit.",
                            "Say something: the line was empty.", "上一句是空的，请说出这句话。")

    def _speaker(self, brief: Brief, last: Said, before: Sequence[Said], names: Collection[str]) -> Verdict | None:
        if before and before[-1].speaker == last.speaker:
            return self._failed(brief, "wrong_speaker", last.speaker, None, "The same speaker had the line before.",
                                "Let the other one speak.", "请让另一个人说话。")
        labels = "|".join(re.escape(name) for name in sorted(names))
        found = re.search(rf"(?:^|[.!?。！？”\"]\s*)[\"“*]*({labels})\s*[:：]", last.line)
        if not found:
            return None
        return self._failed(brief, "wrong_speaker", found[1], None,
                            "The line names a speaker and a colon, as a script does.",
                            f"Say only what {last.speaker} says, without any name before it.",
                            f"只写{last.speaker}说的话，前面不要加名字。")

    def _length(self, brief: Brief, last: Said) -> Verdict | None:
        count = count_words(last.line, brief.language)
        unit = "characters" if base_language(brief.language) in PER_CHARACTER_LANGUAGES else "words"
        if self.max_words and count > self.max_words:
            return self._failed(brief, "line_too_long", count, self.max_words,
                                f"The line has {count} {unit}, over {self.max_words}.",
                                f"The line had {count} {unit}. Say it in at most {self.max_words}.",
                                f"上一句有 {count} 字，请控制在 {self.max_words} 字以内。")
        if count < self.min_words:
            return self._failed(brief, "line_too_short", count, self.min_words,
                                f"The line has {count} {unit}, under {self.min_words}.",
                                f"Say more: at least {self.min_words} {unit}.",
                                f"请多说一点，至少 {self.min_words} 字。")
        return None

    def _foreign(self, brief: Brief, last: Said) -> Verdict | None:
        line = Completion(request_id="", text=last.line, finish_reason="stop", content=Content(text=last.line))
        found = self._language(brief, line)
        if found.reason not in ("wrong_language", "wrong_variant"):
            return None
        return self._failed(brief, found.reason, found.measured, found.limit, found.message, found.advice, found.advice)

    def _repeated(self, brief: Brief, last: Said, before: Sequence[Said]) -> Verdict | None:
        per_character = base_language(brief.language) in PER_CHARACTER_LANGUAGES
        units = _UNIT.findall(last.line.lower())
        if not before or len(units) < self.repeat_words:
            return None
        size = min(_RUN_CHARACTERS if per_character else _RUN_WORDS, len(units))
        runs = _runs(units, size)
        share = max(len(runs & _runs(_UNIT.findall(one.line.lower()), size)) for one in before) / len(runs)
        if share <= self.max_repeated:
            return None
        return self._failed(brief, "repeated_line", round(share, 3), self.max_repeated,
                            f"{share:.0%} of the line was said in one before.",
                            "That was said before. Say something new that answers the last line.",
                            "这句话前面说过了，请接着对方的话说点新的。")

    def _failed(self, brief: Brief, reason: str, measured: float | str | None, limit: float | str | None,
                message: str, en: str, zh: str) -> Verdict:
        return Verdict(filter=self.name, action=asked(self.action), reason=reason, measured=measured, limit=limit,
                       message=message, advice=wording(brief, en=en, zh=zh))


def _runs(units: Sequence[str], size: int) -> set[tuple[str, ...]]:
    return set(zip(*(units[at:] for at in range(size)), strict=False))


def placed(verdict: Verdict, at: int, speaker: str, span: Span) -> Verdict:
    """A verdict on a line as one on the whole text, in which the line stands at `span`."""
    length = span.end - span.start
    if not length:
        return replace(verdict, message=f"Line {at + 1}, {speaker}: {verdict.message}", spans=[])
    shifted = [Span(start=span.start + min(one.start, length), end=span.start + min(one.end, length))
               for one in verdict.spans]
    return replace(verdict, message=f"Line {at + 1}, {speaker}: {verdict.message}", spans=shifted or [span])
