"""Claims that advertising law rules out or wants proof of, from term packs that users edit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from aigc.filters.files import find_terms, read
from aigc.filters.term_packs import Claims, Place, term_pack
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, at_most_flag, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

_SHOWN = 5
_READ_CHARS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertisingFilter:
    """Marks claims of `packs`: names of files in `_shared/terms/` of the templates folder, or paths of such files.

    What is denied (`not the best`) is no claim, nor what is `allowed`. What the brief itself says is flagged at most,
    since the model was told to say it. Off unless a content type asks for it.
    """

    name: ClassVar[str] = "advertising"
    action: FilterAction = "off"
    packs: tuple[str, ...] = ("advertising_zh", "advertising_en")
    allowed: tuple[str, ...] = ()

    def opened(self, place: str, templates: Path | None) -> Self:
        paths = [find_terms(name, templates, f"{place}.packs") for name in self.packs]
        for path in paths:
            read(path, f"{place}.packs")
            term_pack(path)
        return replace(self, packs=tuple(map(str, paths)))

    def files(self) -> tuple[Path, ...]:
        paths = [Path(name) for name in self.packs]
        return tuple(path if path.is_absolute() else find_terms(str(path), None, self.name) for path in paths)

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)[:_READ_CHARS]
        found = [place for path in self.files() for place in term_pack(path).places(text)]
        if found:
            found = self._objected(brief, text, found)
        if not found:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        claims = found[0].claims
        told = dict.fromkeys(f"{_words(text, place)} ({place.claims.source})" for place in found)
        words = [*dict.fromkeys(_words(text, place) for place in found if place.claims is claims)][:_SHOWN]
        action = at_most_flag if all(_is_said(brief, _words(text, place)) for place in found) else asked
        return Verdict(
            filter=self.name, action=action(self.action), reason=claims.reason, measured=len(found), limit=0,
            spans=[Span(start=place.start, end=place.end) for place in found[:MAX_SPANS]],
            message=f"Words that advertising rules forbid or want proof of: {'; '.join([*told][:_SHOWN])}.",
            advice=wording(brief, en=f"{_advice(claims, 'en')}: {', '.join(words)}.",
                           zh=f"{_advice(claims, 'zh')}：{'、'.join(words)}。"),
        )

    def _objected(self, brief: Brief, text: str, found: list[Place]) -> list[Place]:
        allowed = {term.lower() for term in self.allowed}
        kept = [place for place in found if _words(text, place).lower() not in allowed
                and not (place.claims.brief_may_say and _is_said(brief, _words(text, place)))]
        return sorted(kept, key=lambda place: _is_said(brief, _words(text, place)))


def _words(text: str, place: Place) -> str:
    return text[place.start:place.end]


def _is_said(brief: Brief, words: str) -> bool:
    said = [*map(str, brief.fields.values()), *brief.limits.keywords]
    return any(words.lower() in cell.lower() for cell in said)


def _advice(claims: Claims, language: str) -> str:
    return claims.advice.get(language) or claims.why
