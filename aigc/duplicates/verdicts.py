"""Whether a text is too like others: versions of its own brief, what was published before, the rest of its run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from aigc.content import base_language
from aigc.duplicates.index import CorpusIndex
from aigc.duplicates.neighbours import Neighbours
from aigc.duplicates.shared import shared_spans
from aigc.duplicates.texts import MIN_SHINGLES, Text, alike
from aigc.hashing import digest, seed_of
from aigc.records import Brief, Completion, FieldValue, Limits, Record, Verdict

DuplicateAction: TypeAlias = Literal["off", "flag", "hold", "retry", "reject"]
ElsewhereAction: TypeAlias = Literal["off", "flag", "hold"]
Similarity: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]

NAME = REASON = "near_duplicate"
_STRICTEST_FIRST: tuple[Literal["reject", "retry", "hold", "flag"], ...] = ("reject", "retry", "hold", "flag")
_ADVICE = "Write it differently from the other versions: another opening, another structure."
_ADVICE_ZH = "请写得与其他版本不同：换一种开头，换一种结构。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """`action` is asked for of a text like another version of its brief, `elsewhere` of one like any other text.

    A similarity over `max_similarity` is too much; `texts.alike` says what it measures.
    """

    action: DuplicateAction = "retry"
    elsewhere: ElsewhereAction = "flag"
    max_similarity: Similarity = 0.5


class Records(Protocol):
    """A run's records in the sheet's order, as often as they are asked for."""

    def __getitem__(self, at: int, /) -> Record: ...
    def __iter__(self) -> Iterator[Record]: ...


def neighbours(records: Records) -> Neighbours[int]:
    """No texts yet; those of `records` join by their places."""

    def read(at: int) -> Text:
        record = records[at]
        return Text.of(record.content.text if record.content else "", _given(record.brief, record.limits))

    return Neighbours(read)


class _Likeness(NamedTuple):
    """A text that another is too much like: where it is, and the text itself."""

    action: DuplicateAction
    similarity: float
    place: str
    text: str


class Duplicates:
    """Compares the texts of a run. `corpus` is as it was when the run began.

    `own_runs` are earlier runs of the same sheet. Their texts are not looked at: this run has those rows itself.
    """

    def __init__(
        self, thresholds: Thresholds, corpus: CorpusIndex | None = None, own_runs: Collection[str] = ()
    ) -> None:
        self._thresholds, self._own_runs = thresholds, frozenset(own_runs)
        self._corpus = corpus if thresholds.elsewhere != "off" else None

    @property
    def digest(self) -> str:
        """Digest of all that decides a verdict beside its arguments, for a row's fingerprint."""
        corpus = self._corpus.digest_without(self._own_runs) if self._corpus else ""
        return digest([self._thresholds, corpus])

    def verdict(self, brief: Brief, completion: Completion, siblings: Sequence[str]) -> Verdict:
        """Compare a text with `siblings`, other texts of its brief, and with the corpus."""
        text = completion.content.text if completion.content else ""
        if not text.strip():
            return Verdict(filter=NAME, action="pass")
        limit, given = self._thresholds.max_similarity, _given(brief.fields, brief.limits)
        own = Text.of(text, given)
        similar = [(alike(own, Text.of(sibling, given), limit), sibling) for sibling in siblings]
        nearest, sibling = max(similar, key=itemgetter(0), default=(0.0, ""))
        failed = []
        if nearest > limit:
            failed.append(_Likeness(self._thresholds.action, nearest, "another version of this brief", sibling))
        partly = ""
        if self._corpus:
            looked = self._corpus.nearest_of(own, over=limit, without=self._own_runs, not_of=brief.id)
            if found := looked.nearest:
                failed.append(_Likeness(self._thresholds.elsewhere, found.similarity, found.place, found.text))
            else:
                partly = _partly("the corpus", looked.compared, looked.maybe)
        return self._verdict(failed, nearest, text, brief.language, partly)

    def in_run(self, records: Records) -> Iterator[Record]:
        """`records`, each marked where its text is like one before it, of another brief of the same run.

        They must come in the sheet's order, so that the same run is marked alike whenever it is. Memory grows by 450
        bytes a text: those that may be like another are read again.
        """
        seen = neighbours(records)
        return (self.marked(records, at, record, seen) for at, record in enumerate(records))

    def marked(self, records: Records, at: int, record: Record, seen: Neighbours[int]) -> Record:
        """The record at a place of `records`, marked where its text is like one of `seen`, which it then joins."""
        if self._thresholds.elsewhere == "off":
            return record
        text = record.content.text if record.content and record.outcome in ("accepted", "held") else ""
        own = Text.of(text, _given(record.brief, record.limits))
        if len(own.shingles) < MIN_SHINGLES:
            return record
        brief = seed_of(record.brief_id)  # a number is 8 bytes, and two briefs that share one are not to be had
        found = seen.nearest_of(own, over=self._thresholds.max_similarity, group=brief)
        seen.add_prepared(at, own, brief)
        if found.nearest is None:
            partly = _partly("this run", found.compared, found.maybe)
            return with_verdict(record, Verdict(filter=NAME, action="pass", message=partly)) if partly else record
        there, similarity = records[found.nearest.key], found.nearest.similarity
        place = f"brief {there.brief_id}, variant {there.variant}, of this run"
        likeness = _Likeness(self._thresholds.elsewhere, similarity, place, found.nearest.text)
        return with_verdict(record, self._verdict([likeness], similarity, text, record.language))

    def _verdict(
        self, failed: list[_Likeness], measured: float, text: str, language: str, partly: str = ""
    ) -> Verdict:
        limit = self._thresholds.max_similarity
        actions = [one.action for one in failed]
        action = next((action for action in _STRICTEST_FIRST if action in actions), None)
        if action is None:  # also where all that failed is off
            return Verdict(filter=NAME, action="pass", measured=round(measured, 3), limit=limit, message=partly)
        first = next(one for one in failed if one.action == action)
        told = [f"The text is like {one.place}: similarity {one.similarity:.2f}, at most {limit:g}." for one in failed]
        return Verdict(
            filter=NAME, action=action, reason=REASON, measured=round(first.similarity, 3), limit=limit,
            spans=shared_spans(text, first.text), message=" ".join(told),
            advice=_ADVICE_ZH if base_language(language) == "zh" else _ADVICE,
        )


def _partly(where: str, compared: int, maybe: int) -> str:
    """What is told of a text that was not compared with all that may be like it, so that it is not taken for more."""
    if compared >= maybe:
        return ""
    return (f"Compared with the {compared} likeliest of {maybe:,} or more texts of {where} that may be like it, and "
            "like none of these.")


def is_compared_in_part(record: Record) -> bool:
    """Whether a text of which nothing was found was not compared with all that may be like it."""
    told = [verdict for verdict in record.verdicts if verdict.filter == NAME]
    return any(verdict.message for verdict in told) and all(verdict.action == "pass" for verdict in told)


def _given(fields: Mapping[str, FieldValue], limits: Limits) -> dict[str, FieldValue]:
    """What every text of a brief may have from it, and most must."""
    return {**fields, "keywords": [*_listed(fields.get("keywords")), *limits.keywords]}


def _listed(value: FieldValue) -> list[str]:
    return value if isinstance(value, list) else [] if value is None else [str(value)]


def with_verdict(record: Record, verdict: Verdict) -> Record:
    attempts = [
        msgspec.structs.replace(attempt, verdicts=[*attempt.verdicts, verdict]) if place == record.chosen else attempt
        for place, attempt in enumerate(record.attempts)
    ]
    outcome = "held" if verdict.action == "hold" else record.outcome
    return msgspec.structs.replace(record, attempts=attempts, outcome=outcome)
