"""Terms that the policy forbids in briefs, looked for in every row of a sheet."""

from __future__ import annotations

from collections import Counter

from aigc.errors import shown
from aigc.filters.matching import TermList, fold
from aigc.injection import texts_of
from aigc.policy import Mentions
from aigc.records import Brief
from aigc.settings import Settings

EXAMPLES = 3


class Forbidden:
    """Counts what it sees of `policy.forbidden` and `types.NAME.policy.forbidden`."""

    def __init__(self, settings: Settings) -> None:
        self._common = _term_list(settings.policy.forbidden)
        self._own = {name: _term_list(part.policy.forbidden) for name, part in settings.types.items()}
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def see(self, brief: Brief) -> None:
        kind = brief.content_type
        for key, terms in (("policy.forbidden", self._common), (f"types.{kind}.policy.forbidden", self._own.get(kind))):
            if terms:
                self._look(brief, key, terms)

    @property
    def mentions(self) -> list[Mentions]:
        """What was seen so far."""
        return [Mentions(key=key, count=count, examples=self._examples[key]) for key, count in self._counts.items()]

    def _look(self, brief: Brief, key: str, terms: TermList) -> None:
        for name, text in texts_of(brief).items():
            if name == "must_not_mention":  # forbids them too
                continue
            for term in terms.found_in(fold(text)):
                self._counts[key] += 1
                examples = self._examples.setdefault(key, [])
                if len(examples) < EXAMPLES:
                    examples.append(f"{shown(term)} in {brief.source.file} line {brief.source.line}, {name}")


def _term_list(terms: list[str]) -> TermList | None:
    """The terms, to be looked for in one go; None without any, so that nothing is loaded for them."""
    return TermList(terms) if terms else None
