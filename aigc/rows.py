"""A row of the results on its way: what it was asked, what came, its siblings, and when what came is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from aigc.filters import settle
from aigc.records import Attempt, Brief, InvalidRow, Message, Outcome, Prompt, Record, RowError, Verdict
from aigc.settings import RunSettings

SCORE = "score"
"""Name of the verdict that holds what a text was chosen by, where a row makes several to choose from."""
_LENGTH_POWER = 0.6
"""Length correction of Wu et al. 2016 (GNMT, equation 14): between a sum, which favours short texts, and a mean."""


@dataclass(slots=True)
class Row:
    """One variant of one brief, at place `order` of the results."""

    brief: Brief
    variant: int
    fingerprint: str
    order: int
    family: Family
    prompt: Prompt | None = None
    messages: list[Message] = field(default_factory=list)
    """What the model was asked for the newest text."""
    given: list[str] = field(default_factory=list)
    """Advice that the next prompt gives."""
    attempts: list[Attempt] = field(default_factory=list)
    made: dict[str, Attempt] = field(default_factory=dict)
    """Texts that were made for it before, by request."""
    kept: int = 0
    """Attempts that are in the journal."""

    def record(self, outcome: Outcome, chosen: int | None, errors: list[RowError], template_digest: str) -> Record:
        """What the row ends as."""
        brief = self.brief
        return Record(
            row=brief.row,
            brief_id=brief.id,
            variant=self.variant,
            content_type=brief.content_type,
            language=brief.language,
            outcome=outcome,
            source=brief.source,
            fingerprint=self.fingerprint,
            brief=brief.fields,
            limits=brief.limits,
            template_digest=template_digest,
            attempts=self.attempts,
            chosen=chosen,
            errors=errors,
        )

    def error(self, code: str, found: str, expected: str, remedy: str) -> RowError:
        """Why the row has no text, as errors of its line of the sheet are told."""
        brief = self.brief
        return RowError(
            row=brief.row, id=brief.id, source=brief.source, column="", code=code, found=found, expected=expected,
            remedy=remedy,
        )

    def spent(self, run: RunSettings) -> RowError:
        """That its texts have used up its tokens."""
        tokens, texts = sum(attempt.completion.tokens_out for attempt in self.attempts), len(self.attempts)
        found = f"{tokens:,} tokens in {texts} text{'' if texts == 1 else 's'} that did not pass"
        remedy = "Raise run.max_tokens_per_text, or change what the brief asks for."
        return self.error("token_budget", found, f"a good text within {run.max_tokens_per_text:,} tokens", remedy)


class Family:
    """The variants of one brief. A text is compared with those that stand before it, so they are judged in order."""

    def __init__(self, variants: int) -> None:
        self._texts: list[str | None] = [None] * variants
        self._settled = [False] * variants
        self._waiting: dict[int, Row] = {}

    def settle(self, variant: int, text: str | None) -> list[Row]:
        """A variant has its record, with this text where one stands. Returns the rows that waited for it."""
        self._texts[variant], self._settled[variant] = text, True
        ready = [number for number in sorted(self._waiting) if self.is_ready(number)]
        return [self._waiting.pop(number) for number in ready]

    def is_ready(self, variant: int) -> bool:
        """Whether all that stand before it are settled."""
        return all(self._settled[:variant])

    def wait(self, row: Row) -> None:
        self._waiting[row.variant] = row

    def before(self, variant: int) -> list[str]:
        """Texts that stand, of the variants before it and of those that an earlier run had settled."""
        return [text for number, text in enumerate(self._texts) if number != variant and text is not None]


def invalid_record(row: InvalidRow, fingerprint: str) -> Record:
    """What a row ends as that cannot be a brief."""
    return Record(
        row=row.row,
        brief_id=row.id,
        variant=0,
        content_type=row.content_type,
        language=row.language,
        outcome="invalid",
        source=row.source,
        fingerprint=fingerprint,
        errors=row.errors,
    )


def settled(attempts: Sequence[Attempt], run: RunSettings) -> tuple[Outcome, int | None] | None:
    """How a row ends, and the index of the text that stands for it; None where another text is to be made.

    A row makes texts until `best_of` of them pass, and takes the best; a text that is rejected ends a row that wants
    only one. It may make `max_attempts`, and one more for each further text that it has to choose from.
    """
    stands = [settle(attempt.verdicts, 0, 1) for attempt in attempts]
    passed = [at for at, stand in enumerate(stands) if stand in ("accepted", "held")]
    spent = len(attempts) >= run.max_attempts + run.best_of - 1 or is_spent(attempts, run)
    if len(passed) < run.best_of and not spent and not (stands[-1] == "rejected" and run.best_of == 1):
        return None
    if not passed:
        return ("rejected" if stands[-1] == "rejected" else "exhausted"), None
    # Accepted before held, then by score, then with the fewest flags, then the first.
    best = max(passed, key=lambda at: (stands[at] == "accepted", score_of(attempts[at]), -_flags(attempts[at]), -at))
    return ("accepted" if stands[best] == "accepted" else "held"), best


def is_spent(attempts: Sequence[Attempt], run: RunSettings) -> bool:
    """Whether a row's texts have used up its tokens."""
    limit = run.max_tokens_per_text
    return bool(limit) and sum(attempt.completion.tokens_out for attempt in attempts) >= limit


def scored(verdicts: list[Verdict], attempt: Attempt, run: RunSettings) -> list[Verdict]:
    """`verdicts` with the score of the attempt they are of, where texts are chosen by one."""
    score = _score(verdicts, attempt, run)
    if score is None:
        return verdicts
    message = f"Score by {run.score}: {score:.4f}."
    return [*verdicts, Verdict(filter=SCORE, action="pass", measured=round(score, 6), message=message)]


def score_of(attempt: Attempt) -> float:
    """What `scored` wrote; the lowest where it wrote nothing."""
    found = next((verdict.measured for verdict in attempt.verdicts if verdict.filter == SCORE), None)
    return float(found) if isinstance(found, int | float) else float("-inf")


def _score(verdicts: list[Verdict], attempt: Attempt, run: RunSettings) -> float | None:
    if run.best_of == 1 or not run.score:
        return None
    if run.score == "judge":
        found = next((verdict.measured for verdict in verdicts if verdict.filter == "judge"), None)
        return float(found) if isinstance(found, int | float) else None
    logprob, tokens = attempt.completion.logprob, attempt.completion.tokens_out
    return None if logprob is None else logprob / ((5 + tokens) / 6) ** _LENGTH_POWER


def _flags(attempt: Attempt) -> int:
    return sum(verdict.action == "flag" for verdict in attempt.verdicts)
