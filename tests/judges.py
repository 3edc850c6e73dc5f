"""Who judges in tests of the loop: a comparison word for word, a guard that runs no model, and one that breaks."""

from __future__ import annotations

from collections.abc import Sequence

from small_project import Project

from aigc.filters import BatchFilter, Case
from aigc.jury import Judges
from aigc.panel import Panel
from aigc.records import Brief, Completion, Record, Verdict

OTHER = "It keeps the water hot for hours, and its handle stays cool enough for a child to hold it."
THIRD = "Nobody who has poured from this spout wants another one, for it never drips on a clean table."


def alike(_: Brief, completion: Completion, siblings: Sequence[str]) -> Verdict:
    """Compares a text with its siblings, word for word."""
    text = completion.content.text if completion.content else ""
    if text in siblings:
        return Verdict(filter="near_duplicate", action="retry", reason="near_duplicate", advice="Write another.")
    return Verdict(filter="near_duplicate", action="pass", measured=len(siblings))


class Guard:
    """A filter that runs a model: it objects to texts with a word in them. `batches` are the sizes it was asked."""

    name = "guard"

    def __init__(self, word: str = "forbidden", action: str = "reject") -> None:
        self.word, self.action, self.batches = word, action, list[int]()

    def check(self, cases: list[Case]) -> list[Verdict]:
        self.batches.append(len(cases))
        return [self._verdict(case) for case in cases]

    def _verdict(self, case: Case) -> Verdict:
        bad = self.word in case.completion.text
        return Verdict(filter="guard", action=self.action if bad else "pass", reason="unsafe" if bad else "")  # type: ignore[arg-type]


class Broken:
    name = "guard"

    def check(self, cases: list[Case]) -> list[Verdict]:
        raise LookupError(cases[0].completion.text)


def judged_by(project: Project, *, compare: bool = False, batch: Sequence[BatchFilter] = ()) -> None:
    project.panel = Panel(Judges(alike if compare else None, batch))


def outcomes(records: Sequence[Record]) -> list[str]:
    return [record.outcome for record in records]
