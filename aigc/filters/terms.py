"""The words a brief demands, and the words that it or the whole run rules out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

from aigc.filters.files import find_file, kept, read
from aigc.filters.matching import TermList, clean_terms, fold, spans_of, stands_in
from aigc.filters.verdicts import FilterAction, asked, readable, wording
from aigc.records import Brief, Completion, Verdict

_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredTermsFilter:
    """Fails texts that leave out one of the brief's keywords. Plurals and possessives count as the keyword."""

    name: ClassVar[str] = "required_terms"
    action: FilterAction = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        terms, text = clean_terms(brief.limits.keywords), readable(completion)
        if not terms or not text.strip():
            return Verdict(filter=self.name, action="pass")
        folded = fold(text)
        missing = [term for term in terms if not stands_in(folded, term)]
        used, count = len(terms) - len(missing), len(terms)
        if not missing:
            return Verdict(filter=self.name, action="pass", measured=used, limit=count)
        return Verdict(
            filter=self.name, action=asked(self.action), reason="missing_keyword", measured=used, limit=count,
            message=f"The text uses {used} of {count} keywords; missing: {', '.join(missing)}.",
            advice=wording(brief, en=f"Use these words: {', '.join(missing)}.", zh=f"必须用到：{'、'.join(missing)}。"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenTermsFilter:
    """Fails texts that mention what the brief or the run rules out, as whole words with their plurals.

    `terms` and those of `file`, one a line, hold for every brief: competitors, words a house does not use. What a
    brief demands as its keyword is not ruled out by them.
    """

    name: ClassVar[str] = "forbidden_terms"
    action: FilterAction = "retry"
    terms: tuple[str, ...] = ()
    file: str = ""

    def opened(self, place: str, templates: Path | None) -> Self:
        if not self.file:
            return self
        path = find_file(self.file, templates, f"{place}.file")
        read(path, f"{place}.file")
        return replace(self, file=str(path))

    def files(self) -> tuple[Path, ...]:
        return (Path(self.file),) if self.file else ()

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        own, text = clean_terms(brief.limits.must_not_mention), readable(completion)
        listed = self._listed()
        count = len(own) + len(listed.terms if listed else ())
        if not count or not text.strip():
            return Verdict(filter=self.name, action="pass")
        folded = fold(text)
        found = [term for term in own if stands_in(folded, term)]
        if listed:
            known = {fold(term) for term in (*found, *brief.limits.keywords)}
            found += [term for term in listed.found_in(folded) if fold(term) not in known]
        if not found:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        named = found[:_NAMED]
        return Verdict(
            filter=self.name, action=asked(self.action), reason="forbidden_term", measured=len(found), limit=0,
            spans=spans_of(text, named),
            message=f"The text mentions {len(found)} of {count:,} terms ruled out: {', '.join(named)}.",
            advice=wording(brief, en=f"Do not mention: {', '.join(named)}.", zh=f"不要提到：{'、'.join(named)}。"),
        )

    def _listed(self) -> TermList | None:
        if not (self.terms or self.file):
            return None
        return _term_list(self.terms, self.file and kept(Path(self.file)).text)


@lru_cache(maxsize=32)
def _term_list(terms: tuple[str, ...], lines: str) -> TermList:
    """The terms given and those of a file's lines. A # alone begins a comment; with letters behind it, it is a term."""
    return TermList([*terms, *(line for line in lines.splitlines() if not re.match(r"\s*#(?:\s|$)", line))])
