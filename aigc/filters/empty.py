"""No text at all, or a field of a structured output left blank."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.verdicts import FilterAction, asked, leaf_texts, wording
from aigc.records import Brief, Completion, Verdict

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyFilter:
    """Fails texts without a letter or digit. Output that could not be read as its type is `format`'s to report."""

    name: ClassVar[str] = "empty"
    action: FilterAction = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        content = completion.content
        if not _LETTER_OR_DIGIT.search(content.text if content else completion.text):
            return Verdict(
                filter=self.name, action=asked(self.action), reason="empty", measured=0, limit=1,
                message="The text is empty: it has no letter or digit.",
                advice=wording(brief, en="The last answer was empty. Write the whole text.",
                               zh="上一稿没有内容，请写出完整的正文。"),
            )
        blank = [name for name, value in content.fields.items() if _is_blank(leaf_texts(value))] if content else []
        if not blank:
            return Verdict(filter=self.name, action="pass")
        names = ", ".join(blank)
        return Verdict(
            filter=self.name, action=asked(self.action), reason="empty_field", measured=len(blank), limit=0,
            message=f"{len(blank)} of the fields are blank: {names}.",
            advice=wording(brief, en=f"Fill in every field. These were blank: {names}.",
                           zh=f"每个字段都要填写。上一稿这些字段是空的：{names}。"),
        )


def _is_blank(texts: list[str]) -> bool:
    return not texts or not all(map(_LETTER_OR_DIGIT.search, texts))
