"""What became of a run's rows, counted while they stream to its files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from aigc.records import Record, Value
from aigc.tally import Usage


class Counts(Value, frozen=True):
    """What became of a run's rows. The last three count them by outcome: `{"ad_copy": {"held": 3}}`.

    `not_run` are rows whose text a filter did not check, by filter.
    """

    rows: int
    attempts: int
    tokens_out: int
    flagged: int
    outcomes: dict[str, int]
    content_types: dict[str, dict[str, int]]
    reasons: dict[str, dict[str, int]]
    not_run: dict[str, dict[str, int]]
    usage: dict[str, Usage] = {}
    """By content type, what rows took that were not taken over."""


class ExportTally:
    """Counts kept while the records stream by, and the output fields met on the way."""

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = dict.fromkeys(columns)
        self.rows = self.accepted = self.flagged = self.attempts = self.tokens_out = 0
        self._outcomes: Counter[str] = Counter()
        self._content_types: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._not_run: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._usage: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, record: Record) -> None:
        self.rows += 1
        self.attempts += len(record.attempts)
        self.tokens_out += sum(attempt.completion.tokens_out for attempt in record.attempts)
        self._outcomes[record.outcome] += 1
        self._content_types[record.content_type][record.outcome] += 1
        self.flagged += record.outcome == "accepted" and bool(record.reasons)
        for reason in record.reasons:
            self._reasons[reason][record.outcome] += 1
        if not record.taken_from:
            self._use(record)
        for verdict in record.verdicts:
            if verdict.action == "not_run":
                self._not_run[verdict.filter][record.outcome] += 1

    def _use(self, record: Record) -> None:
        used = self._usage[record.content_type]
        made = [attempt.completion for attempt in record.attempts[record.begun_with:]]
        used["rows"] += 1
        used["accepted"] += record.outcome == "accepted"
        used["attempts"] += len(made)
        used["tokens_in"] += sum(completion.tokens_in for completion in made)
        used["tokens_out"] += sum(completion.tokens_out for completion in made)

    def add_accepted(self, fields: Iterable[str]) -> None:
        self.accepted += 1
        self.columns.update(dict.fromkeys(fields))

    def counts(self) -> Counts:
        return Counts(
            rows=self.rows, attempts=self.attempts, flagged=self.flagged, tokens_out=self.tokens_out,
            outcomes=dict(self._outcomes),
            content_types={name: dict(outcomes) for name, outcomes in self._content_types.items()},
            reasons={name: dict(outcomes) for name, outcomes in self._reasons.items()},
            not_run={name: dict(outcomes) for name, outcomes in self._not_run.items()},
            usage={name: Usage(**used) for name, used in self._usage.items()},
        )
