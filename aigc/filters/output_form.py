"""The output does not have the form that its content type declares. Registered as `format`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from aigc.filters.verdicts import wording
from aigc.records import Brief, Completion, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatFilter:
    """Fails output that could not be read. It cannot be `off` or `flag`: a row without content is never accepted."""

    name: ClassVar[str] = "format"
    action: Literal["hold", "retry", "reject"] = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        if completion.content is not None:
            return Verdict(filter=self.name, action="pass")
        return Verdict(
            filter=self.name, action=self.action, reason="not_in_form",
            message=f"The output ({len(completion.text)} characters) does not have the form that its type declares.",
            advice=wording(
                brief, en="Answer only in the form asked for, with every field and nothing before or after it.",
                zh="只按要求的格式作答，字段齐全，前后不要有别的内容。"),
        )
