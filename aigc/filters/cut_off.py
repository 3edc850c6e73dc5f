"""The text stops before it is finished."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from aigc.content import PER_CHARACTER_LANGUAGES, base_language
from aigc.filters.verdicts import Count, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_GOES_ON = ",，、;；:：-—–(（"
_END = re.compile(r"[.!?…。！？][\"”’')）\]*_]*$")
_END_INSIDE = re.compile(r"[^\d.][.!?][\"”’')]*\s+\S|[。！？…][”’」』）]*[^\s”’」』）]")
"""A sentence ends and another begins, in one line."""
_NO_SENTENCE = re.compile(r"[#>|\[]|\*\*.*\*\*$|https?:|.*(?:#\w|://)")
"""Headings, quotations, tables, labels in brackets, bold lines, hashtags and links need no full stop."""
_ITEM = re.compile(r"\s*(?:[*+•·-]|\d+[.)、．:：]|[（(]\d+[)）]|[一二三四五六七八九十]+、)\s*")
_LABEL = re.compile(r"[^\s:：][^:：\n]{0,24}[:：]")
_HALF_SENTENCE = re.compile(
    r"\b(?:the|a|an|and|or|but|of|to|your|our|their|his|its|my|is|are|was|were|be|been|that|which|who|whose|because"
    r"|if|when|while|than|as|with|from|into|can|could|will|would|should|may|might|must|has|have|had|not|it's|they|we)$",
    re.IGNORECASE)
"""Words that hardly any English sentence, title or signature ends with."""
_LONGEST_HALF = len("because") + 1
_SIGNATURE = re.compile(r"(?:敬上|谨上|谨启|启|编辑部|团队|公司|店|社|组|部|先生|女士|老师)$")
_PROSE_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffFilter:
    """Fails texts and fields that met their limit; flags prose that ends without an end mark, and repaired output.

    Only a limit that was met is proof. A slogan, a heading, hashtags or a signature end without a full stop and are
    whole, so prose is looked at from `prose_chars` on (a quarter of it in Chinese and Japanese), and only flagged.
    """

    name: ClassVar[str] = "cut_off"
    action: FilterAction = "retry"
    prose_chars: Count = 100

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        repaired = f" It was repaired: {completion.repaired}." if completion.repaired else ""
        text = readable(completion).rstrip()
        last = [Span(start=len(text) - 1, end=len(text))] if text else []
        if completion.finish_reason == "length":
            tokens = completion.tokens_out
            return Verdict(
                filter=self.name, action=asked(self.action), reason="cut_off", measured=tokens or None, spans=last,
                message=f"The text stopped at its token limit ({tokens} tokens), not at its end.{repaired}",
                advice=wording(brief, en="The last text was cut off before its end. Write a shorter one and finish it.",
                               zh="上一稿没写完就被截断了，请写得短一些，并写到结尾。"),
            )
        if completion.cut_fields:
            return self._cut_field(brief, completion)
        if repaired:
            return Verdict(filter=self.name, action=at_most_flag(self.action), reason="repaired",
                           measured=completion.repaired, message=f"The output was broken.{repaired}")
        if completion.content and not completion.content.fields and self._breaks_off(text, brief.language):
            return Verdict(
                filter=self.name, action=at_most_flag(self.action), reason="no_end_mark", measured=text[-1],
                spans=last, message=f"The last sentence of {len(text)} characters of prose has no end mark.",
            )
        return Verdict(filter=self.name, action="pass")

    def _cut_field(self, brief: Brief, completion: Completion) -> Verdict:
        name, limit = next(iter(completion.cut_fields.items()))
        fields = ", ".join(f"{field} ({most:,})" for field, most in completion.cut_fields.items())
        return Verdict(
            filter=self.name, action=asked(self.action), reason="field_cut_off", limit=limit,
            message=f"Cut at the limit of characters: {fields}.",
            advice=wording(brief, en=f"The {name.replace('_', ' ')} was too long. Keep it short and finish it.",
                           zh="有的部分太长，没写完。请写短一些，并写完整。"),
        )

    def _breaks_off(self, text: str, language: str) -> bool:
        per_character = base_language(language) in PER_CHARACTER_LANGUAGES
        *above, line = [line.strip() for line in text.split("\n") if line.strip()] or [""]
        if _HALF_SENTENCE.search(line[-_LONGEST_HALF:]) and not _NO_SENTENCE.match(line):
            return True
        if not text or len(text) < self.prose_chars // (4 if per_character else 1):
            return False
        if text[-1] in _GOES_ON:
            return True
        if not text[-1].isalpha() or _NO_SENTENCE.match(line):
            return False
        if line.count("“") > line.count("”"):
            return True
        return _is_unlike(line, above, shortest=20 if per_character else 40, fewest=1 if per_character else 2)


def _is_unlike(line: str, above: list[str], *, shortest: int, fewest: int) -> bool:
    """Whether `line`, which has no end mark, is of a kind that has one in this text.

    A line of `shortest` characters is prose; a shorter one where `fewest` lines or more have end marks.
    """
    item = _ITEM.match(line)
    body = line[item.end():] if item else line
    if _END_INSIDE.search(body) and not _is_name(re.split(r"[.!?。！？…]", body)[-1]):
        return True
    for kind in (_ITEM, _LABEL):
        if kind.match(line) and (kind is _ITEM or len(line) < 2 * shortest):
            return _mostly_ended([other for other in above if kind.match(other)], 2)
    if _is_name(line):
        return False
    prose = [other for other in above if not _NO_SENTENCE.match(other)]
    return len(line) >= shortest or (len(line) >= 3 and _mostly_ended(prose, fewest))


def _mostly_ended(lines: list[str], fewest: int) -> bool:
    ended = sum(bool(_END.search(line)) for line in lines)
    return ended >= fewest and ended >= _PROSE_SHARE * len(lines)


def _is_name(words: str) -> bool:
    """A signature or a title: a few words that all begin with a capital, but for short ones."""
    parts = words.split()
    return bool(_SIGNATURE.search(words)) or (
        0 < len(parts) <= 6 and words.isascii() and all(part[0].isupper() or len(part) <= 3 for part in parts))
