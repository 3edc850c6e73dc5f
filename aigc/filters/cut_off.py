"""The text stops before it is finished."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from aigc.content import PER_CHARACTER_LANGUAGES, base_language
from aigc.filters.verdicts import Count, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_NO_PROSE_LINE = re.compile(r"[#>|*\-+•]|\d+[.)、]|https?:|[^\s:：]{1,24}[:：]")
_GOES_ON = ",，、;；:：-—–(（"


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffFilter:
    """Fails texts and fields that met their limit; flags long prose that ends without an end mark, and repaired output.

    Only a limit that was met is proof. A slogan, a heading, hashtags or a signature end without a full stop and are
    whole, so prose is looked at from `prose_chars` on (a third of it in Chinese and Japanese) and never retried for it.
    """

    name: ClassVar[str] = "cut_off"
    action: FilterAction = "retry"
    prose_chars: Count = 300

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
        return Verdict(
            filter=self.name, action=asked(self.action), reason="field_cut_off", measured=name, limit=limit,
            message=f"Cut at the limit of characters: {', '.join(completion.cut_fields)}.",
            advice=wording(brief, en=f"The {name.replace('_', ' ')} was too long. Keep it short and finish it.",
                           zh="有的部分太长，没写完。请写短一些，并写完整。"),
        )

    def _breaks_off(self, text: str, language: str) -> bool:
        per_character = base_language(language) in PER_CHARACTER_LANGUAGES
        if not text or len(text) < self.prose_chars // (3 if per_character else 1):
            return False
        line = text[text.rfind("\n") + 1:].lstrip()
        is_prose = len(line) >= (20 if per_character else 40) and "#" not in line and not _NO_PROSE_LINE.match(line)
        return text[-1] in _GOES_ON or (text[-1].isalpha() and is_prose)
