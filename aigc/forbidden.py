"""Terms that the policy forbids in briefs, looked for in every row of a sheet."""

from __future__ import annotations

from collections import Counter

from aigc.errors import shown
from aigc.filters.matching import clean_terms, fold, stands_in
from aigc.injection import texts_of
from aigc.policy import Mentions
from aigc.records import Brief
from aigc.settings import Settings

EXAMPLES = 3


class Forbidden:
    """Counts what it sees of `policy.forbidden` and `types.NAME.policy.forbidden`."""

    def __init__(self, settings: Settings) -> None:
        self._common = clean_terms(settings.policy.forbidden)
        self._own = {name: clean_terms(part.policy.forbidden) for name, part in settings.types.items()}
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def see(self, brief: Brief) -> None:
        kind = brief.content_type
        lists = (("policy.forbidden", self._common), (f"types.{kind}.policy.forbidden", self._own.get(kind, [])))
        for key, terms in lists:
            if terms:
                self._look(brief, key, terms)

    @property
    def mentions(self) -> list[Mentions]:
        """What was seen so far."""
        return [Mentions(key=key, count=count, examples=self._examples[key]) for key, count in self._counts.items()]

    def _look(self, brief: Brief, key: str, terms: list[str]) -> None:
        for name, text in texts_of(brief).items():
            if name == "must_not_mention":  # forbids them too
                continue
            folded = fold(text)
            for term in terms:
                if stands_in(folded, term):
                    self._counts[key] += 1
                    examples = self._examples.setdefault(key, [])
                    if len(examples) < EXAMPLES:
                        examples.append(f"{shown(term)} in {brief.source.file} line {brief.source.line}, {name}")
