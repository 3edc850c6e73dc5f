"""The text misspells a name that its brief gives, or does not name what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aigc.filters.spelling import Miss, Name, is_named, misses, names_in
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_SHOWN = 5
_READ_CHARS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesFilter:
    """Fails texts in which a name of the brief's `fields` is misspelt, by a letter or two; flags those that may say
    another's name, since they say the brief's too.

    A text in which a name of `must_name` does not stand at all asks for `missing`, be it a part of the name.
    """

    name: ClassVar[str] = "names"
    action: FilterAction = "retry"
    fields: tuple[str, ...] = ("product", "brand", "name")
    must_name: tuple[str, ...] = ()
    missing: FilterAction = "flag"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)[:_READ_CHARS]
        if not text.strip():
            return Verdict(filter=self.name, action="pass")
        names = [name for field in self.fields for name in names_in(brief.fields.get(field))]
        if found := misses(text, names, _cells(brief), brief.language) if names else []:
            return self._misspelt(brief, found)
        wanted = [name for field in self.must_name for name in names_in(brief.fields.get(field))]
        absent = [name for name in wanted if not is_named(name, text)] if self.missing != "off" else []
        if absent:
            return self._absent(brief, absent)
        return Verdict(filter=self.name, action="pass")

    def _misspelt(self, brief: Brief, found: list[Miss]) -> Verdict:
        sure = [miss for miss in found if miss.sure]
        told = sure or found
        pairs = list(dict.fromkeys((miss.found, miss.right) for miss in told))[:_SHOWN]
        rights = list(dict.fromkeys(right for _, right in pairs))
        says = "is misspelt" if sure else "may be misspelt, unless another is meant"
        return Verdict(
            filter=self.name, action=(asked if sure else at_most_flag)(self.action), reason="misspelt_name",
            measured=len(told), limit=0,
            spans=[Span(start=miss.start, end=miss.end) for miss in told[:MAX_SPANS]],
            message=f"A name of the brief {says}: {', '.join(f'{wrong} for {right}' for wrong, right in pairs)}.",
            advice=wording(brief, en=f"Spell names exactly as the brief does: {', '.join(rights)}.",
                           zh=f"名称必须与资料一字不差：{'、'.join(rights)}。"),
        )

    def _absent(self, brief: Brief, absent: list[Name]) -> Verdict:
        wholes = list(dict.fromkeys(name.whole for name in absent))[:_SHOWN]
        return Verdict(
            filter=self.name, action=asked(self.missing), reason="missing_name", measured=0, limit=1,
            message=f"The text does not name {', '.join(wholes)}.",
            advice=wording(brief, en=f"Name it: {', '.join(wholes)}.", zh=f"必须写出名称：{'、'.join(wholes)}。"),
        )


def _cells(brief: Brief) -> str:
    """All that the brief says, a line an entry."""
    entries: list[str] = [brief.tone, brief.audience, *brief.limits.keywords]
    for value in brief.fields.values():
        entries += value if isinstance(value, list) else [str(value or "")]
    return "\n".join(entries)
