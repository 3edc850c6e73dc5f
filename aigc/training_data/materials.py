"""A run's rows as what data is made of: the prompt, the text that stands, and the texts that were refused.

Codes of rows that are left out, stable for ever:

    no_text         there is no text                        held            waits for a person, who has not decided
    undecided       no editor decided, and only editors' are wanted
    rejected        refused, so that it is only the worse of pairs
    in_conflict     its editors differ                      edited_as_text  fields were edited as one text
    changed_since   decided on another text than it is now  other_prompt    its prompt cannot be made again
    dialogue        its lines were requests of their own: none of them asked for the whole
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from aigc.asking import Asking, brief_of
from aigc.decided import Decided, read_decided
from aigc.errors import AigcError
from aigc.export import PARQUET
from aigc.hashing import digest
from aigc.past import Past
from aigc.provenance.stamps import output_digest
from aigc.records import Attempt, OutputValue, Prompt, Record, Value
from aigc.review.decisions import Decision
from aigc.review.ledger import Entry
from aigc.stamped import Stamped
from aigc.training_data.values import By

_REFUSED = ("retry", "reject")


class Refused(Value, frozen=True):
    """A text that was refused, by whom and why."""

    text: str
    by: By
    reasons: list[str]


@dataclass(frozen=True)
class Material:
    """What one record gives. `answer` is empty where no text stands; `original` is what an editor changed into it."""

    record: Record
    run_id: str
    prompt: Prompt
    keys: tuple[str, str]
    """By which a brief is known: its id and its content."""
    answer: str
    by: By
    original: str
    reasons: list[str]
    """Why the original was changed."""
    refused: list[Refused]


@dataclass(frozen=True)
class _Standing:
    """What became of the text that stands for a row."""

    answer: str = ""
    by: By = "editor"
    original: str = ""
    reasons: tuple[str, ...] = ()
    refused: Refused | None = None
    left_out: str = ""


class Opinions:
    """What editors said of a run's texts, there and in the runs before, and of texts that were made again since.

    Raises:
        StoreError: a ledger was changed, or a file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = read_decided(folder)
        self._before: dict[str, Decided] = {}
        self.standings = self._own.standing()
        self.ledgers = dict(self._own.heads)
        """By run, the digest that stands for all decisions there, of each whose decisions have a part in the data."""
        self.decisions = len(self._own.entries)

    def refusals(self, record: Record) -> list[Entry]:
        """The refusals upon which a text was made again; none where their run is gone."""
        found: list[Entry] = []
        for redone in record.redone or []:
            before = self._decided_in(redone.run_id)
            own = [entry for entry in before.of(redone.record_id) if entry.digest in redone.decisions]
            if own:
                self.ledgers |= {run_id: head for run_id, head in before.heads.items() if run_id not in self.ledgers}
                self.decisions += len(own)
            found += own
        return found

    def _decided_in(self, run_id: str) -> Decided:
        if run_id not in self._before:
            folder = self._folder.parent / run_id
            self._before[run_id] = read_decided(folder) if (folder / PARQUET).is_file() else Decided()
        return self._before[run_id]


def materials(past: Past, opinions: Opinions, left_out: Counter[str], *, reviewed_only: bool) -> Iterator[Material]:
    """The rows of a run that have something to teach. `left_out` counts the others.

    Raises:
        StoreError: the run's records cannot be read.
    """
    asker = _Asker(past)
    for _, row in past.rows():
        record = row.record
        attempt = record.attempt or (record.attempts[-1] if record.attempts else None)
        if attempt is None or not answer_of(attempt):
            left_out["no_text"] += 1
            continue
        if attempt.turns:
            left_out["dialogue"] += 1
            continue
        stands = opinions.standings.get(record.record_id)
        if stands and stands.decision is None:
            left_out["in_conflict"] += 1
            continue
        decision = stands.decision if stands else None
        if decision and decision.base != row.provenance.output:
            left_out["changed_since"] += 1
            decision = None
        found = _decided(attempt, decision) if decision else _undecided(record, attempt, reviewed_only=reviewed_only)
        others = [*_made_again(record, opinions.refusals(record)),
                  *([] if reviewed_only else _refused_before(record, attempt))]
        refused = [*([found.refused] if found.refused else []), *others]
        prompt = asker.first_prompt(row) if found.answer or refused else None
        reason = found.left_out if prompt or not (found.answer or refused) else "other_prompt"
        if reason:
            left_out[reason] += 1
        if prompt:
            yield Material(record, past.run.run_id, prompt, _keys(record), found.answer, found.by, found.original,
                           [*found.reasons], refused)


def answer_of(attempt: Attempt) -> str:
    """What a model has to say to give this text: JSON for a type with fields, the readable text for any other.

    JSON is the model's own wherever it could be read without a repair.
    """
    completion = attempt.completion
    if completion.fault or completion.content is None:
        return "" if completion.fault else completion.text.strip()
    if not completion.content.fields:
        return completion.content.text.strip()
    return spelled(completion.content.fields) if completion.repaired else completion.text.strip()


def spelled(fields: dict[str, OutputValue]) -> str:
    """Fields as the engine's grammar spells them."""
    return json.dumps(fields, ensure_ascii=False)


def _decided(attempt: Attempt, decision: Decision) -> _Standing:
    text, reasons = answer_of(attempt), tuple(filter(None, [decision.reason]))
    if decision.verb == "reject":
        return _Standing(refused=Refused(text=text, by="editor", reasons=[*reasons]), left_out="rejected")
    if decision.verb == "approve":
        return _Standing(answer=text)
    if decision.fields:
        return _Standing(answer=spelled(decision.fields), original=text, reasons=reasons)
    content = attempt.completion.content
    if content and content.fields:  # which words belong to which field, a text cannot say
        return _Standing(left_out="edited_as_text")
    return _Standing(answer=decision.text.strip(), original=text, reasons=reasons)


def _undecided(record: Record, attempt: Attempt, *, reviewed_only: bool) -> _Standing:
    if reviewed_only:
        return _Standing(left_out="undecided")
    if record.outcome == "accepted":
        return _Standing(answer=answer_of(attempt), by="filters")
    if reasons := _objections(attempt):
        return _Standing(refused=Refused(text=answer_of(attempt), by="filters", reasons=reasons), left_out="rejected")
    return _Standing(left_out="held" if record.outcome == "held" else "undecided")


def _made_again(record: Record, refusals: Sequence[Entry]) -> list[Refused]:
    """The texts that editors refused before this one was made, known by the digest that they were decided on."""
    found: dict[str, Refused] = {}
    for attempt in record.attempts[: record.begun_with]:
        content = attempt.completion.content
        base = output_digest(content.text if content else attempt.completion.text)
        own = [entry.decision for entry in refusals if entry.decision.base == base]
        if own and (text := answer_of(attempt)):
            reasons = [decision.reason for decision in own if decision.reason]
            found[base] = Refused(text=text, by="editor", reasons=list(dict.fromkeys(reasons)))
    return [*found.values()]


def _refused_before(record: Record, shown: Attempt) -> list[Refused]:
    """The other attempts whose texts the filters refused."""
    others = (attempt for attempt in record.attempts if attempt is not shown)
    return [Refused(text=text, by="filters", reasons=reasons)
            for attempt in others if (reasons := _objections(attempt)) and (text := answer_of(attempt))]


def _objections(attempt: Attempt) -> list[str]:
    return list(dict.fromkeys(verdict.reason for verdict in attempt.verdicts if verdict.action in _REFUSED))


def _keys(record: Record) -> tuple[str, str]:
    content = digest([record.content_type, record.language, record.brief, record.limits, record.tone, record.audience])
    return f"brief {record.content_type} {record.brief_id}", f"content {content}"


class _Asker:
    """The prompts of a run's rows, made again as they were at the first attempt."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._asking: Asking | None = None

    def first_prompt(self, row: Stamped) -> Prompt | None:
        """The prompt of the first attempt; None where it cannot be made again as it was.

        A retry's prompt quotes what was wrong with a text that the data does not hold, and no later brief will.
        """
        attempt = row.record.attempts[0]
        try:
            prompt = self._past.prompt_of(row, attempt)
            if not attempt.feedback:
                return prompt
            self._asking = self._asking or Asking(self._past.run.settings, self._past.packs)
            return replace(prompt, messages=self._asking.messages(brief_of(row.record)))
        except AigcError:  # templates that are gone or others: what was left out is counted and told
            return None
