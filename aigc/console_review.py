"""What `aigc review` says in a terminal: what came of an import, and how far a review has come."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import typer

from aigc.errors import ascii_controls
from aigc.report import counted
from aigc.review.agreement import Agreement
from aigc.review.decisions import Decision
from aigc.review.intake import Reported, Taken
from aigc.review.status import Conflict, Status
from aigc.review.words import REASON_WORDS, VERB_WORDS

SHOWN = 25
"""Rows and conflicts of a kind that a terminal shows; `--json` has all."""
_Heading: TypeAlias = Literal["Not taken", "Taken, but in conflict", "Taken, with a remark", "To know"]
_VERBS, _REASONS = VERB_WORDS["en"], REASON_WORDS["en"]


def say_lines(lines: Iterable[str]) -> None:
    """Each line; in a terminal none wider than it is, what goes on being set in. Names in it command no terminal."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in map(ascii_controls, lines):
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        is_wide = len(indent) < width < len(line)
        for part in textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False,
                                  break_on_hyphens=False) if is_wide else [line]:
            typer.echo(part)


def import_lines(taken: Taken) -> Iterator[str]:
    """What came of an import: first what was not taken, last how many were, and what to do next."""
    told = [*taken.problems, *taken.notices]
    in_conflict = [one for one in told if one.code == "conflict"]
    kinds: dict[_Heading, list[Reported]] = {
        "Not taken": [one for one in taken.problems if not one.taken],
        "Taken, but in conflict": in_conflict,
        "Taken, with a remark": [one for one in told if one.taken and one.code != "conflict"],
        "To know": [one for one in taken.notices if not one.taken],
    }
    for heading, reports in kinds.items():
        if reports:
            yield f"{heading} ({len(reports):,})"
            yield from _reports(heading, reports)
            yield ""
    yield from _sum(taken)
    yield from _next(taken)


def status_lines(status: Status) -> Iterator[str]:
    """How far a review has come, who decided what, where they differ, and what settles it."""
    conflicts = f", {status.in_conflict:,} in conflict" if status.in_conflict else ""
    texts = counted(status.records, "text")
    yield f"{status.run_id}: {status.done:,} of {texts} decided, {status.open:,} open{conflicts}."
    if status.approved:
        yield f"  approved     {status.approved:,}" + (f", {status.edited:,} with an edit" if status.edited else "")
    if status.rejected:
        yield f"  rejected     {status.rejected:,}" + _reasons(status.reasons_rejected)
    if status.in_conflict:
        yield f"  in conflict  {status.in_conflict:,}: not approved until the editors agree"
    if status.gone:
        yield f"  {counted(status.gone, 'record')} decided on that the run has no text of any more"
    for editor, counts in status.by_editor.items():
        yield f"{editor}: " + ", ".join(f"{word} {counts[verb]:,}" for verb, word in _VERBS.items() if verb in counts)
    for editor, count in status.final.items():
        yield f"Final word of {editor}: {counted(count, 'text')}"
    yield from _agreements(status.agreement)
    if several := status.several_approved:
        have = f"{counted(several, 'brief')} {'has' if several == 1 else 'have'}"
        yield f"{have} more than one approved variant: export takes all of them."
    yield from _conflicts(status)


def _reasons(counts: Mapping[str, int]) -> str:
    """Of the texts beside which they stand: a text of which editors gave two reasons counts for both."""
    return ": " * bool(counts) + ", ".join(f"{_REASONS.get(code, code)} {count:,}" for code, count in counts.items())


def _reports(heading: _Heading, reports: Sequence[Reported]) -> Iterator[str]:
    """What is said of rows; a remedy that several have stands once, below them. What ends conflicts is told at last."""
    by_remedy: dict[str, list[Reported]] = {}
    for report in reports[:SHOWN]:
        by_remedy.setdefault(report.remedy, []).append(report)
    for remedy, same in by_remedy.items():
        for report in same:
            said = f"found {report.found}; expected {report.expected}" if heading == "Not taken" else report.found
            yield f"  {report.place}: {said}"
        if heading != "Taken, but in conflict":
            yield f"    {remedy}"
    if len(reports) > SHOWN:
        yield f"  … and {len(reports) - SHOWN:,} more: --json has all."


def _sum(taken: Taken) -> Iterator[str]:
    by = f" of {', '.join(taken.editors)}" if taken.editors else ""
    nothing = "" if taken.taken or taken.not_taken else " Nothing is changed."
    yield (f"{taken.source}: {counted(taken.taken, 'decision')}{by} taken, {taken.known:,} known already, "
           f"{taken.not_taken:,} not taken.{nothing}")
    if taken.final and taken.taken:
        texts = counted(taken.overruling, "text")
        yield "They are the final word" + (f"; others said otherwise on {texts}." if taken.overruling else ".")


def _next(taken: Taken) -> Iterator[str]:
    if taken.not_taken:
        yield "Next: correct what was not taken in that file, and import the file again."
    if taken.in_conflict:
        yield from _settling(taken.run_id, taken.in_conflict)
    yield f"{'Then' if taken.not_taken or taken.in_conflict else 'Next'}: aigc review status {taken.run_id}"


def _settling(run_id: str, count: int) -> Iterator[str]:
    """How conflicts are ended."""
    yield f"To settle {counted(count, 'text')} in conflict, one of the editors decides again in new files:"
    yield f"  aigc review files {run_id} --open"
    yield "or a chief editor does, whose file brings the final word:"
    yield f"  aigc review import {run_id} FILE --final"


def _agreements(found: Sequence[Agreement]) -> Iterator[str]:
    for agreement in found:
        name = {"cohen": "Cohen's", "fleiss": "Fleiss'"}[agreement.method]
        words = "" if agreement.same == agreement.agreed else f" (with the same words: {agreement.same:.0%})"
        kappa = "not defined" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        yield (f"{' and '.join(agreement.editors)}: {counted(agreement.records, 'text')} in common, "
               f"agreed on what to do with {agreement.agreed:.0%}{words}, {name} kappa {kappa} ({agreement.strength})")
    if any(agreement.is_on_scale for agreement in found):
        yield "  Words for kappa are those of Landis and Koch, 1977."


def _conflicts(status: Status) -> Iterator[str]:
    if not status.conflicts:
        return
    yield ""
    yield f"In conflict ({status.in_conflict:,})"
    for conflict in status.conflicts[:SHOWN]:
        yield f"  {_name(conflict)}: " + ", ".join(map(_said, conflict.latest))
    if len(status.conflicts) > SHOWN:
        yield f"  … and {len(status.conflicts) - SHOWN:,} more: --json has all."
    yield from _settling(status.run_id, status.in_conflict)


def _name(conflict: Conflict) -> str:
    """`lamp/0 Desk lamp`: as `aigc trace` takes it, with what the brief is about where the id does not say so."""
    title = f" “{conflict.title}”" if conflict.title and conflict.title != conflict.brief_id else ""
    return f"{conflict.brief_id}/{conflict.variant}{title}"


def _said(decision: Decision) -> str:
    more = [_REASONS.get(decision.reason, decision.reason)] if decision.reason else []
    more += ["final word"] if decision.final else []
    return f"{decision.editor} {_VERBS[decision.verb]}" + (f" ({', '.join(more)})" if more else "")
