"""The frozen values that flow from stage to stage: Brief, Prompt, Completion, Verdict, Attempt, Record."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from aigc.errors import problem_text

FieldValue: TypeAlias = str | int | float | bool | list[str] | None
"""A cell of a brief after its declared type was applied."""
OutputValue: TypeAlias = str | Sequence[str | dict[str, str]]
"""A field of a structured output: a text, a list of texts, or a list of small objects of texts."""

Action: TypeAlias = Literal["not_run", "pass", "flag", "hold", "retry", "reject"]
"""What a verdict asks for, weakest first. `not_run` asks for nothing: nobody has checked, and `message` says why."""
PASSING: tuple[Action, ...] = ("not_run", "pass")
"""Actions of verdicts that object to nothing."""
Outcome: TypeAlias = Literal["accepted", "held", "rejected", "exhausted", "short", "invalid", "failed"]
"""How a row ended: accepted; held for a person; rejected by a filter; its attempts used up; short of texts that the run
was not allowed to make; its brief invalid; or no text could be generated."""
UNFINISHED: tuple[Outcome, ...] = ("failed", "short")
"""Outcomes of rows that the next run makes."""
FILTER_FAILURES = ("filter_error", "safety_error", "judge_error")
"""Reasons of verdicts that tell of a filter which failed, not of the text."""
NOT_MADE = "not_made"
"""Reason of rows for which another text was wanted, and this run did not make it."""
UNFINISHED_REASONS = (*FILTER_FAILURES, NOT_MADE)
"""Reasons of rows that the next run goes on with, whatever their outcome."""
FinishReason: TypeAlias = Literal["stop", "length", "error"]
"""Why a text ended: by itself (end token, stop string, complete grammar), at its token limit, or not at all."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value with named fields, cheap to make and to write as JSON."""


class Source(Value, frozen=True):
    """Where a brief came from. `line` counts from 1 as an editor or a spreadsheet shows it."""

    file: str
    line: int


class Limits(Value, frozen=True):
    """What a brief demands of its text. Words are counted as words, or as characters in Chinese and Japanese."""

    min_words: int | None = None
    max_words: int | None = None
    keywords: list[str] = []
    must_not_mention: list[str] = []


class Brief(Value, frozen=True):
    """One row of a sheet, checked and typed."""

    row: int
    id: str
    content_type: str
    language: str
    fields: dict[str, FieldValue]
    limits: Limits
    source: Source
    tone: str = ""
    audience: str = ""
    variants: int = 1


class RowError(Value, frozen=True):
    """One reason why a row of a sheet cannot be a brief."""

    row: int
    id: str
    source: Source
    column: str
    code: str
    found: str
    expected: str
    remedy: str

    @property
    def message(self) -> str:
        place = f"{self.source.file} line {self.source.line}"
        return problem_text(f"{place}, {self.column}" if self.column else place, self.found, self.expected, self.remedy)


class InvalidRow(Value, frozen=True):
    """A row of a sheet that cannot be a brief, with every reason why."""

    row: int
    id: str
    content_type: str
    language: str
    source: Source
    errors: list[RowError]


class Message(Value, frozen=True):
    role: Literal["system", "user", "assistant"]
    content: str


class Sampling(Value, frozen=True):
    """How tokens are chosen. Temperature 0 takes the likeliest token; 0 or 1 switch the other limits off."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_new_tokens: int = 512
    min_new_tokens: int = 0
    """Tokens before which no end token may come. A JSON schema decides by itself when its answer is complete."""
    stop: list[str] = []
    watermark: str = ""
    """The mark that the text is given, by scheme, key and context: never a secret."""

    @property
    def identity(self) -> msgspec.Struct:
        """What ids are made of. A field younger than they are counts only where it is set: older ids stay the same."""
        unset = tuple(name for name in ("min_new_tokens", "watermark") if not getattr(self, name))
        return msgspec.convert(self, _sampling_without(unset), from_attributes=True) if unset else self


@cache
def _sampling_without(names: tuple[str, ...]) -> type[msgspec.Struct]:
    fields = [(field.name, field.type) for field in msgspec.structs.fields(Sampling) if field.name not in names]
    return msgspec.defstruct("_SamplingPart", fields)


class Prompt(Value, frozen=True):
    """One request to an engine. `request_id` is the digest of everything here that determines the text.

    `json_schema`, where given, is a JSON schema as text: the answer is constrained to it while it is decoded.
    """

    request_id: str
    messages: list[Message]
    sampling: Sampling
    seed: int
    attempt: int = 0
    json_schema: str | None = None
    logprob: bool = False
    """Whether the answer is to say how likely its text was. It changes nothing of the text."""


class Fault(Value, frozen=True):
    """Why one prompt gave no text. The row fails alone."""

    code: str
    found: str
    expected: str
    remedy: str


class Content(Value, frozen=True):
    """A completion as its content type reads it: the readable text and, for structured types, the fields.

    `disclosure` is the visible label, `place` where it goes; of an empty `place` nobody has decided.
    """

    text: str
    fields: dict[str, OutputValue] = {}
    disclosure: str = ""
    place: Literal["", "start", "end", "off"] = ""

    @property
    def published(self) -> str:
        """What readers are given: the text with its label. All that judges and measures takes `text`."""
        if not self.disclosure or not self.text.strip() or self.place not in ("start", "end"):
            return self.text
        parts = (self.disclosure, self.text) if self.place == "start" else (self.text, self.disclosure)
        return "\n\n".join(parts)


class Completion(Value, frozen=True):
    """What an engine gave for one prompt. Durations in seconds, tokens as the model counts them."""

    request_id: str
    text: str
    finish_reason: FinishReason
    tokens_in: int = 0
    tokens_out: int = 0
    logprob: float | None = None
    """Sum of the natural logarithms of its tokens' probabilities under the model, where the prompt asked for it."""
    generate_s: float = 0.0
    fault: Fault | None = None
    content: Content | None = None
    repaired: str = ""
    tokens_in_digest: str = ""
    tokens_out_digest: str = ""
    """Digests of the token ids that the model was given and that it gave; empty where the engine does not see them."""
    cut_fields: dict[str, int] = {}
    """Output fields that the grammar ended at their limit of characters, in the middle of what was being said."""


class Span(Value, frozen=True):
    """Characters `start:end` of the readable text that a verdict points at."""

    start: int
    end: int


class Verdict(Value, frozen=True):
    """What one filter measured, against which limit, and what it asks for.

    `reason` is a stable snake_case code, empty on a pass. `message` is for people; `advice` is what a retry's prompt
    tells the model, in the brief's language.
    """

    filter: str
    action: Action
    reason: str = ""
    measured: float | str | None = None
    limit: float | str | None = None
    spans: list[Span] = []
    message: str = ""
    advice: str = ""


class Attempt(Value, frozen=True):
    """One generation for a row, with its verdicts. `created_at` is UTC, ISO 8601."""

    number: int
    request_id: str
    seed: int
    sampling: Sampling
    completion: Completion
    verdicts: list[Verdict]
    created_at: str
    engine: str
    """Digest of the `EngineInfo` that made it; run.json holds the value."""
    feedback: list[str] = []
    prompt_commitment: str = ""
    """`hmac-sha256:<run id>:<hex>` of the messages that the model was given: see `aigc.provenance.commitments`."""
    turns: list[Attempt] | UnsetType = UNSET
    """Of a dialogue every attempt at each of its lines, in order; any other text is made by one request."""


class EngineInfo(Value, frozen=True):
    """What made a text, as far as the same text can be expected again from the same values."""

    engine: str
    model: str
    model_digest: str
    dtype: str = ""
    device: str = ""
    slots: int = 0
    batch_invariant: bool = True
    versions: dict[str, str] = {}
    watermark: str | UnsetType = UNSET
    """The mark that it can give texts, as `Sampling.watermark` names it; without one digests are as they ever were."""


class Redone(Value, frozen=True):
    """That editors refused a row's text, and it was made again: what the record had been, and upon which decisions."""

    record_id: str
    run_id: str
    """The run whose text was refused."""
    attempts: int
    """Attempts that it had then; those that follow were made since."""
    decisions: list[str]
    """Digests of the refusals, as ledgers of decisions have them."""


class Record(Value, frozen=True):
    """One row of the results: one brief × one variant, whatever became of it."""

    row: int
    brief_id: str
    variant: int
    content_type: str
    language: str
    outcome: Outcome
    source: Source
    fingerprint: str
    """Digest of all that decides this record: brief, template, sampling, seed, model, filters, attempts allowed."""
    template_digest: str = ""
    brief: dict[str, FieldValue] = {}
    limits: Limits = Limits()
    tone: str = ""
    audience: str = ""
    attempts: list[Attempt] = []
    chosen: int | None = None
    """Index in `attempts` of the text that stands for the row; None where there is none."""
    errors: list[RowError] = []
    taken_from: str = ""
    """Run id of the earlier run this record was taken over from, if it was."""
    record_id: str = ""
    """A UUID of version 7 (RFC 9562), given when the row is settled and kept when the record is taken over."""
    redone: list[Redone] | UnsetType = UNSET
    """Of a row whose text was refused and made again, each time that it was, oldest first."""

    @property
    def begun_with(self) -> int:
        """Attempts that stand before those of its own: texts that editors refused, and what led to them."""
        return self.redone[-1].attempts if self.redone else 0

    @property
    def is_unfinished(self) -> bool:
        """Whether the next run goes on with it: to make its text, or further ones, or to ask a filter that failed."""
        return self.outcome in UNFINISHED or not set(UNFINISHED_REASONS).isdisjoint(self.reasons)

    @property
    def attempt(self) -> Attempt | None:
        return None if self.chosen is None else self.attempts[self.chosen]

    @property
    def content(self) -> Content | None:
        return self.attempt.completion.content if self.attempt else None

    @property
    def verdicts(self) -> list[Verdict]:
        """Verdicts on the text that stands for the row, else on the last attempt."""
        shown = self.attempt or (self.attempts[-1] if self.attempts else None)
        return shown.verdicts if shown else []

    @property
    def reasons(self) -> list[str]:
        """Reason codes of the failed verdicts, row errors or the fault, in order, without doubles."""
        codes = [error.code for error in self.errors] + [v.reason for v in self.verdicts if v.action not in PASSING]
        if not codes and self.attempts and self.attempts[-1].completion.fault:
            codes = [self.attempts[-1].completion.fault.code]
        return list(dict.fromkeys(codes))
