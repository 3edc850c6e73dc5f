"""Filters held against editors: how often both said the same, and which limits would have said it more often.

Nothing is changed: it is for a person to read and to set.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aigc.decided import read_decided
from aigc.limits import Found, Limit, Limits, Reading, best_limit
from aigc.past import Past, open_past
from aigc.records import FILTER_FAILURES, Record, Value, Verdict
from aigc.review.decisions import Decision
from aigc.review.standing import Standing
from aigc.stamped import Stamped

MIN_DECISIONS = 20
MIN_EACH = 5
"""Of approvals and of objections: below either nothing is proposed, and a share says little."""
_Z = 1.959963984540054
"""Of the normal distribution, for 95% between."""
CONCERNS: dict[str, tuple[str, ...]] = {
    "length": ("too_long", "too_short"), "repetition": ("repetitive", "language_poor"),
    "near_duplicate": ("duplicate",), "grounding": ("facts_wrong", "legal"), "tone": ("tone_wrong", "off_brief"),
    "language": ("language_poor", "off_brief"), "readability": ("language_poor", "tone_wrong"),
    "echo": ("repetitive", "off_brief"), "required_terms": ("off_brief",), "forbidden_terms": ("off_brief", "legal"),
    "names": ("facts_wrong", "off_brief"),
    "advertising": ("legal", "facts_wrong"), "personal_data": ("legal", "unsafe"), "secrets": ("legal", "unsafe"),
    "profanity": ("tone_wrong", "unsafe"), "safety": ("unsafe", "legal"), "cut_off": ("language_poor", "too_short"),
    "encoding": ("language_poor",), "markdown": ("language_poor", "off_brief"), "disclosure": ("legal",),
    "empty": ("too_short",), "format": ("off_brief", "language_poor"), "refusal": ("off_brief", "unsafe"),
    "meta_talk": ("off_brief", "language_poor"), "leftovers": ("off_brief", "language_poor"),
    "injection": ("off_brief", "unsafe"), "turns": ("off_brief", "too_long", "repetitive"),
}
"""Reasons of editors that a filter could have found; any, of a filter that is not named. `other` may be all of them."""
_UNTOLD = ("", "other")


class Interval(Value, frozen=True):
    """A share of a few, and between which shares of all it may lie (95%, after Wilson, JASA 22, 1927)."""

    share: float
    low: float
    high: float


class Agreement(Value, frozen=True):
    """What a filter said of texts that editors decided on. Objected: they refused or edited it.

    `aside` are objections for reasons that it could not have found: they say nothing of it. Precision is the share of
    objections among texts that it flagged, recall that of flagged ones among texts that were objected to.
    """

    filter: str
    flagged_objected: int
    flagged_approved: int
    passed_objected: int
    passed_approved: int
    aside: int
    precision: Interval | None
    recall: Interval | None
    too_few: bool

    @property
    def flagged(self) -> int:
        return self.flagged_objected + self.flagged_approved

    @property
    def decided(self) -> int:
        return self.flagged_objected + self.flagged_approved + self.passed_objected + self.passed_approved


class Calibration(Value, frozen=True):
    """`records` were decided on; of others it was not certain what editors say, or of which text."""

    runs: list[str]
    records: int
    in_conflict: int
    text_changed: int
    filters: list[Agreement]
    proposals: list[Limit]


@dataclass
class _Heard:
    """What was said of texts, by filter and by limit."""

    verdicts: defaultdict[str, list[tuple[bool, bool | None]]] = field(default_factory=lambda: defaultdict(list))
    readings: defaultdict[Found, list[Reading]] = field(default_factory=lambda: defaultdict(list))
    seen: set[str] = field(default_factory=set)
    in_conflict: int = 0
    text_changed: int = 0


def calibrate(folders: Sequence[Path]) -> Calibration:
    """Hold the filters of finished runs against what editors decided there. A record counts once: in the first of them.

    Raises:
        StoreError: a run, or a ledger, cannot be read.
    """
    heard, runs = _Heard(), list[str]()
    for folder in folders:
        past = open_past(folder)
        limits = Limits(past)
        runs.append(past.run.run_id)
        for row, stands in _decided(past):
            if row.record.record_id not in heard.seen:
                heard.seen.add(row.record.record_id)
                _hear(heard, limits, row, stands)
    filters = [_agreement(name, said) for name, said in sorted(heard.verdicts.items())]
    enough = {one.filter for one in filters if not one.too_few}
    proposals = [limit for found, readings in heard.readings.items()
                 if found.filter in enough and _is_enough(reading.objected for reading in readings)
                 and (limit := best_limit(found, readings))]
    counted = len(heard.seen) - heard.in_conflict - heard.text_changed
    return Calibration(runs=runs, records=counted, in_conflict=heard.in_conflict, text_changed=heard.text_changed,
                       filters=filters, proposals=sorted(proposals, key=lambda limit: limit.p_value))


def wilson(part: int, whole: int) -> Interval | None:
    """The share of `part` in `whole`, and the interval that it tells of; None of nothing."""
    if not whole:
        return None
    share, z2 = part / whole, _Z * _Z
    middle, width = share + z2 / (2 * whole), _Z * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    low, high = ((middle + sign * width) / (1 + z2 / whole) for sign in (-1, 1))
    return Interval(share=share, low=max(0.0, low), high=min(1.0, high))


def _decided(past: Past) -> Iterator[tuple[Stamped, Standing]]:
    standing = read_decided(past.folder).standing()
    for _, row in past.rows() if standing else ():
        if stands := standing.get(row.record.record_id):
            yield row, stands


def _hear(heard: _Heard, limits: Limits, row: Stamped, stands: Standing) -> None:
    if stands.decision is None:
        heard.in_conflict += 1
        return
    if stands.decision.base != row.provenance.output:
        heard.text_changed += 1
        return
    for name, verdicts in _by_filter(row.record).items():
        is_flagged = any(verdict.action != "pass" for verdict in verdicts)
        objected = _objected(name, stands.latest)
        heard.verdicts[name].append((is_flagged, objected))
        if objected is None:
            continue
        for found, measured in limits.of(row.record, verdicts):
            reading = Reading(record_id=row.record.record_id, content_type=row.record.content_type, measured=measured,
                              is_flagged=is_flagged, objected=objected)
            heard.readings[found].append(reading)


def _by_filter(record: Record) -> dict[str, list[Verdict]]:
    """The verdicts on the text that was decided on, by filter, without those that nobody gave."""
    found: dict[str, list[Verdict]] = {}
    for verdict in record.verdicts:
        if verdict.action != "not_run" and verdict.reason not in FILTER_FAILURES and verdict.filter != "score":
            found.setdefault(verdict.filter, []).append(verdict)
    return found


def _objected(name: str, latest: Sequence[Decision]) -> bool | None:
    """Whether editors objected to what the filter looks at; None where they objected to something else."""
    if all(decision.verb == "approve" for decision in latest):
        return False
    concerns = CONCERNS.get(name)
    found = [concerns is None or decision.reason in _UNTOLD or decision.reason in concerns for decision in latest]
    return True if any(found) else None


def _agreement(name: str, said: Sequence[tuple[bool, bool | None]]) -> Agreement:
    counts = {pair: said.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))}
    flagged, objected = counts[True, True] + counts[True, False], counts[True, True] + counts[False, True]
    return Agreement(
        filter=name, flagged_objected=counts[True, True], flagged_approved=counts[True, False],
        passed_objected=counts[False, True], passed_approved=counts[False, False],
        aside=sum(one is None for _, one in said),
        precision=wilson(counts[True, True], flagged), recall=wilson(counts[True, True], objected),
        too_few=not _is_enough(one for _, one in said if one is not None),
    )


def _is_enough(objected: Iterable[bool]) -> bool:
    all_of_them = [*objected]
    objections = sum(all_of_them)
    return len(all_of_them) >= MIN_DECISIONS and MIN_EACH <= objections <= len(all_of_them) - MIN_EACH
