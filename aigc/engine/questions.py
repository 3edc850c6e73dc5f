"""What a model that judges texts is asked, and what it answers: plain values, so that who asks needs no torch.

    Question ─▶ Classifier (a guard that writes its label) ─▶ Answer
    text     ─▶ Scorer (a model with a classification head) ─▶ Scores of each piece of the text
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aigc.records import Fault, Message, Value


class Question(Value, frozen=True):
    """Turns that a model judges, and the labels that its answer may begin with after `opening`.

    `variables` are what its chat template takes besides the turns. Where the labels of `go_on` together have at least
    the probability `go_on_from`, the model writes on from the likeliest of them, up to `more_tokens`.
    """

    messages: list[Message]
    labels: list[str]
    opening: str = ""
    variables: dict[str, str | bool | dict[str, str]] = {}
    go_on: list[str] = []
    go_on_from: float = 1.0
    more_tokens: int = 0


class Answer(Value, frozen=True):
    """Probabilities of the labels, which sum to 1, and what the model wrote after the one that it went on from."""

    probabilities: dict[str, float]
    rest: str = ""


class Scores(Value, frozen=True):
    """Probabilities of a piece's labels. Exclusive ones sum to 1; of others any number may hold."""

    probabilities: dict[str, float]
    exclusive: bool = True


class Classifier(Protocol):
    """A causal model that answers with a label."""

    def ask(self, questions: Sequence[Question]) -> list[Answer | Fault]:
        """An answer to each, in their order; a question that cannot be put fails alone.

        Raises:
            EngineError: the model can compute no more.
        """

    def close(self) -> None:
        """Release the model's memory."""


class Scorer(Protocol):
    """A model with a classification head."""

    def score(self, texts: Sequence[str]) -> list[list[Scores] | Fault]:
        """Scores of each piece of each text: one that is longer than the model reads is cut into pieces.

        Raises:
            EngineError: the model can compute no more.
        """

    def close(self) -> None:
        """Release the model's memory."""
