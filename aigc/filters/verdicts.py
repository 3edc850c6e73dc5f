"""What filters share: their shape, what a failed check asks for, and how verdicts settle an attempt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal, Protocol, TypeAlias

import msgspec

from aigc.content import base_language
from aigc.records import Action, Brief, Completion, Message, Outcome, OutputValue, Value, Verdict

FilterAction: TypeAlias = Literal["off", "flag", "hold", "retry", "reject"]
"""What a filter asks for when its check fails. `off` leaves the filter out."""
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""A part of a whole, 0 to 1."""
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


MAX_SPANS = 50
"""A verdict shows where; on a text that is nothing but placeholders, fifty places are enough."""


class Filter(Protocol):
    """A frozen dataclass whose fields are its thresholds. It never changes the text and keeps no state.

    A verdict's `reason` is a stable code, `message` is for an editor, `advice` for the model, in the brief's language.
    """

    name: ClassVar[str]

    @property
    def action(self) -> FilterAction: ...

    def __call__(self, brief: Brief, completion: Completion) -> Verdict: ...


class PromptFilter(Filter, Protocol):
    """A filter that also reads what the model was asked; called plainly it knows of no prompt."""

    def against(self, brief: Brief, completion: Completion, messages: Sequence[Message]) -> Verdict: ...


class Case(Value, frozen=True):
    """A text with all that is known of it: what it was asked for by whom, and in which words."""

    brief: Brief
    completion: Completion
    messages: list[Message]


class BatchFilter(Protocol):
    """A filter that runs a model, which takes many texts at once. It is asked last, of texts that all others passed."""

    @property
    def name(self) -> str: ...

    def check(self, cases: Sequence[Case]) -> list[Verdict]:
        """A verdict for each case, in their order."""


def asked(action: FilterAction) -> Action:
    """What a failed check asks for: a filter that is off only measures."""
    return "pass" if action == "off" else action


def at_most_flag(action: FilterAction) -> Action:
    """For evidence too weak to spend an attempt on."""
    return "pass" if action == "off" else "flag"


def readable(completion: Completion) -> str:
    """The text that a reader sees; empty where the output could not be read as its type."""
    return completion.content.text if completion.content else ""


def wording(brief: Brief, *, en: str, zh: str) -> str:
    """`zh` for Chinese briefs, `en` for all others: models follow English in any language."""
    return zh if base_language(brief.language) == "zh" else en


def leaf_texts(value: OutputValue) -> list[str]:
    """Every text inside one field of a structured output, in order."""
    if isinstance(value, str):
        return [value]
    return [text for entry in value for text in ([entry] if isinstance(entry, str) else entry.values())]


def settle(verdicts: Iterable[Verdict], attempt: int, max_attempts: int) -> Outcome | None:
    """How an attempt ends: the strictest verdict decides, None means to try again.

    `attempt` counts from 0. A completion with a fault has no verdicts and is not settled here: its row failed.
    """
    actions = {verdict.action for verdict in verdicts}
    if "reject" in actions:
        return "rejected"
    if "retry" in actions:
        return None if attempt + 1 < max_attempts else "exhausted"
    return "held" if "hold" in actions else "accepted"


def feedback(verdicts: Sequence[Verdict]) -> list[str]:
    """What to tell the model before it tries again: the advice of each retry verdict, in order, without doubles."""
    return list(dict.fromkeys(verdict.advice for verdict in verdicts if verdict.action == "retry" and verdict.advice))
