"""A row of the results on its way: what it was asked, what came, its siblings, and when what came is enough."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from msgspec import UNSET

from aigc.again import Again
from aigc.dialogue import line_tokens
from aigc.filters import settle
from aigc.records import (
    FILTER_FAILURES,
    NOT_MADE,
    Attempt,
    Brief,
    Fault,
    InvalidRow,
    Message,
    Outcome,
    Prompt,
    Record,
    RowError,
    Verdict,
)
from aigc.settings import RunSettings

SCORE = "score"
"""Name of the verdict that holds what a text was chosen by, where a row makes several to choose from."""
PASSED: tuple[Outcome, ...] = ("accepted", "held")
"""What becomes of a text that passed, the better first."""
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
    again: Again | None = None
    """What it begins with, where its text was refused by an editor."""
    prompt: Prompt | None = None
    messages: list[Message] = field(default_factory=list)
    """What the model was asked for the newest text."""
    given: list[str] = field(default_factory=list)
    """Advice that the next prompt gives."""
    attempts: list[Attempt] = field(default_factory=list)
    made: dict[str, Attempt] = field(default_factory=dict)
    """Texts that were made for it before, by request."""
    made_here: frozenset[str] = frozenset()
    """Requests of those that an earlier session of this run made."""
    heard: int = 0
    """Attempts that have all their verdicts."""
    kept: int = 0
    """Attempts that are in the journal."""

    def __post_init__(self) -> None:
        if self.again:
            self.attempts = [*self.again.attempts]
            self.heard = self.kept = len(self.attempts)

    @property
    def begun_with(self) -> int:
        """Attempts of an earlier run, on which an editor has decided: they count for nothing here."""
        return len(self.again.attempts) if self.again else 0

    @property
    def advice(self) -> list[str]:
        """What each of its prompts tells the model, whatever filters say of a text."""
        return self.again.advice if self.again else []

    @property
    def own_attempts(self) -> list[Attempt]:
        return self.attempts[self.begun_with:]

    @property
    def stands(self) -> list[Outcome | None]:
        """What its verdicts make of each text that was heard; `exhausted` where they ask for another."""
        return [settle(attempt.verdicts, 0, 1) if at >= self.begun_with else None
                for at, attempt in enumerate(self.attempts[: self.heard])]

    @property
    def passed(self) -> int:
        """How many of its texts passed."""
        return sum(stand in PASSED for stand in self.stands)

    def record(self, ending: Ending, template_digest: str) -> Record:
        """What the row ends as."""
        brief = self.brief
        return Record(
            row=brief.row,
            brief_id=brief.id,
            variant=self.variant,
            content_type=brief.content_type,
            language=brief.language,
            outcome=ending.outcome,
            source=brief.source,
            fingerprint=self.fingerprint,
            brief=brief.fields,
            limits=brief.limits,
            tone=brief.tone,
            audience=brief.audience,
            template_digest=template_digest,
            attempts=self.attempts,
            chosen=ending.chosen,
            errors=ending.errors,
            redone=self.again.redone if self.again else UNSET,
        )

    def error(self, code: str, found: str, expected: str, remedy: str) -> RowError:
        """Why the row has no text, as errors of its line of the sheet are told."""
        brief = self.brief
        return RowError(
            row=brief.row, id=brief.id, source=brief.source, column="", code=code, found=found, expected=expected,
            remedy=remedy,
        )

    def spent(self, run: RunSettings) -> RowError:
        """That it may make no more, and has not as many good texts as are wanted."""
        texts, passed = len(self.own_attempts), self.passed
        made = f"{texts} text{'' if texts == 1 else 's'}"
        made += f", of which {passed} passed" if passed else " that did not pass"
        wanted = _good_texts(run.best_of)
        if not _is_out_of_tokens(self, run):
            remedy = "Raise run.max_attempts, or lower run.best_of."
            return self.error("few_texts", made, f"{wanted} in {_most_attempts(run)} attempts", remedy)
        found, remedy = f"{_tokens(self):,} tokens in {made}", "Raise run.max_tokens_per_text, or change the brief."
        return self.error("token_budget", found, f"{wanted} within {run.max_tokens_per_text:,} tokens", remedy)

    def not_made(self, why: str, run: RunSettings) -> RowError:
        """That another text was wanted, and why this run did not make it."""
        among = f"{self.passed} of {run.best_of} texts to choose from: " if self.passed else ""
        return self.error(NOT_MADE, f"{among}{why}", "leave to make another text", "Run again.")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a row ends: with the text at index `chosen`, where one stands, and with what there is to say."""

    outcome: Outcome
    chosen: int | None = None
    errors: list[RowError] = field(default_factory=list)


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


def ended(row: Row, run: RunSettings) -> Ending | None:
    """How a row ends by the verdicts on its texts; None where another text is to be made.

    A row makes texts until `best_of` of them pass, and takes the best; a text that is rejected ends a row that wants
    only one. It may make `max_attempts`, and one more for each further text that it has to choose from.
    """
    best, is_rejected = _best(row), row.stands[-1] == "rejected"
    if best and row.passed >= run.best_of:
        return best
    if len(row.own_attempts) < _most_attempts(run) and not _is_out_of_tokens(row, run):
        return Ending("rejected") if is_rejected and run.best_of == 1 else None
    if best:
        return replace(best, errors=[row.spent(run)])
    if is_rejected:
        return Ending("rejected")
    return Ending("exhausted", errors=[row.spent(run)] if _is_out_of_tokens(row, run) else [])


def broken_off(row: Row, outcome: Outcome, error: RowError) -> Ending:
    """How a row ends for which no other text can be made: with the best of those that passed, else as `outcome`."""
    return replace(_best(row) or Ending(outcome), errors=[error])


def failed(row: Row, fault: Fault, run: RunSettings) -> Ending:
    """How a row ends whose newest text could not be made: that of a row with no other says why by itself."""
    best = _best(row)
    if best is None:
        return Ending("failed")
    found = f"{row.passed} of {run.best_of} texts to choose from, then {fault.code}: {fault.found}"
    return replace(best, errors=[row.error(NOT_MADE, found, _good_texts(run.best_of), fault.remedy)])


def _best(row: Row) -> Ending | None:
    """The best of the texts that passed: accepted before held, then by score, then with the fewest flags, or the first.

    Scores count where all have one. A text made before any was asked for has none, and is not the worse for it.
    """
    stands = row.stands
    for outcome in PASSED:
        among = [at for at, stand in enumerate(stands) if stand == outcome]
        scores = {at: score for at in among if (score := score_of(row.attempts[at])) is not None}
        known = scores if len(scores) == len(among) else {}
        if among:
            best = max(among, key=lambda at: (known.get(at, 0.0), -_flags(row.attempts[at]), -at))
            return Ending(outcome, best)
    return None


def _most_attempts(run: RunSettings) -> int:
    return run.max_attempts + run.best_of - 1


def _good_texts(number: int) -> str:
    return "a good text" if number == 1 else f"{number} good texts"


def _tokens(row: Row) -> int:
    return sum(attempt.completion.tokens_out for attempt in row.own_attempts)


def _is_out_of_tokens(row: Row, run: RunSettings) -> bool:
    return 0 < run.max_tokens_per_text <= _tokens(row)


def scored(verdicts: list[Verdict], attempt: Attempt, run: RunSettings) -> list[Verdict]:
    """`verdicts` with the score of the attempt they are of, where texts are chosen by one; or that it has none."""
    if run.best_of == 1 or not run.score:
        return verdicts
    score = _score(verdicts, attempt, run)
    if score is not None:
        message = f"Score by {run.score}: {score:.4f}."
        return [*verdicts, Verdict(filter=SCORE, action="pass", measured=round(score, 6), message=message)]
    if settle(verdicts, 0, 1) not in PASSED:  # nobody asks for the score of a text that is no candidate
        return verdicts
    message = f"No score by {run.score}. Where this text is one of those to choose from, scores do not decide."
    return [*verdicts, Verdict(filter=SCORE, action="not_run", message=message)]


def score_of(attempt: Attempt) -> float | None:
    """What `scored` wrote; None where the text has no score."""
    found = next((verdict.measured for verdict in attempt.verdicts if verdict.filter == SCORE), None)
    return float(found) if isinstance(found, int | float) else None


def _score(verdicts: list[Verdict], attempt: Attempt, run: RunSettings) -> float | None:
    if run.score == "judge":
        whole = (one for one in verdicts if one.filter == "judge" and one.reason not in FILTER_FAILURES)
        found = next((verdict.measured for verdict in whole), None)
        return float(found) if isinstance(found, int | float) else None
    logprob, tokens = attempt.completion.logprob, line_tokens(attempt)
    return None if logprob is None else logprob / ((5 + tokens) / 6) ** _LENGTH_POWER


def _flags(attempt: Attempt) -> int:
    return sum(verdict.action == "flag" for verdict in attempt.verdicts)
