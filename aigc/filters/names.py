"""The text misspells a name that its brief gives, or does not name what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec.structs import replace

from aigc.filters.spelling import Miss, Name, is_named, misses, names_in
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_SHOWN = 5
_STRICTEST_FIRST = ("reject", "retry", "hold", "flag", "pass")
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
        found = misses(text, names, _cells(brief), brief.language) if names else []
        absent = [] if self.missing == "off" else self._unnamed(brief, text, found)
        failed = [self._misspelt(brief, found)] if found else []
        failed += [self._absent(brief, absent)] if absent else []
        if not failed:
            return Verdict(filter=self.name, action="pass")
        strictest = min(failed, key=lambda verdict: _STRICTEST_FIRST.index(verdict.action))
        return replace(strictest, message=" ".join(verdict.message for verdict in failed))

    def _unnamed(self, brief: Brief, text: str, found: list[Miss]) -> list[Name]:
        """Names that must stand in the text and do not, not even misspelt."""
        misspelt = {miss.right for miss in found if miss.sure}
        wanted = [name for field in self.must_name for name in names_in(brief.fields.get(field))]
        return [name for name in wanted if not misspelt & {*name.words, *name.runs} and not is_named(name, text)]

    def _misspelt(self, brief: Brief, found: list[Miss]) -> Verdict:
        sure, doubtful = [miss for miss in found if miss.sure], [miss for miss in found if not miss.sure]
        told = sure or doubtful
        rights = list(dict.fromkeys(right for _, right in _pairs(told)))
        return Verdict(
            filter=self.name, action=(asked if sure else at_most_flag)(self.action), reason="misspelt_name",
            measured=len(told), limit=0,
            spans=[Span(start=miss.start, end=miss.end) for miss in sorted([*sure, *doubtful][:MAX_SPANS])],
            message=" ".join([*_told(sure, "is misspelt"),
                              *_told(doubtful, "may be misspelt, unless another is meant")]),
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


def _pairs(found: list[Miss]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((miss.found, miss.right) for miss in found))[:_SHOWN]


def _told(found: list[Miss], says: str) -> list[str]:
    """A sentence of these, none of none."""
    pairs = ", ".join(f"{wrong} for {right}" for wrong, right in _pairs(found))
    return [f"A name of the brief {says}: {pairs}."] if pairs else []


def _cells(brief: Brief) -> str:
    """All that the brief says, a line an entry."""
    entries: list[str] = [brief.tone, brief.audience, *brief.limits.keywords]
    for value in brief.fields.values():
        entries += value if isinstance(value, list) else [str(value or "")]
    return "\n".join(entries)
