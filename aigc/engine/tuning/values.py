"""What is to be learned, how a model is tuned, and how that went. No library is needed to read these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aigc.records import Message, Value

Method: TypeAlias = Literal["sft", "dpo"]
"""What is learned: to give the answers of examples, or to prefer the better answer of a pair to the worse."""
Weights: TypeAlias = Literal["lora", "full"]


class Lesson(Value, frozen=True):
    """A prompt and the answer to it that is to become likelier. `name` is for messages, `group` keeps briefs apart."""

    name: str
    group: str
    prompt: list[Message]
    answer: str


class Tokens(Value, frozen=True):
    """A lesson as a model's tokenizer cuts it: what the model is given, and what it is to say, its end included."""

    prompt: list[int]
    answer: list[int]


class PairTokens(Value, frozen=True):
    """Two answers to one prompt, the better and the worse, as a model's tokenizer cuts them."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True)
class Taught:
    """What is taught: to `train` by, and by which it is told when to stop. All pairs where the method is of pairs."""

    train: Sequence[Tokens | PairTokens]
    validation: Sequence[Tokens | PairTokens]


class Recipe(Value, frozen=True):
    """How a model is tuned. `batch` is in lessons, everything with `steps` or `every` in steps of the optimizer."""

    method: Method
    weights: Weights
    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    check_every: int
    """Steps between two looks at the loss on validation; at each a checkpoint is kept."""
    patience: int
    """Looks without a lower loss after which it stops."""
    max_tokens: int
    """Lessons that are longer are left out: a text that is cut teaches to stop in the middle."""
    rank: int
    alpha: int
    dropout: float
    beta: float
    """How dear it is to leave the base, where pairs are learned from; 0 elsewhere."""
    seed: int
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16"]


class Point(Value, frozen=True):
    """The loss of a step: of its own lessons, or of those for validation."""

    step: int
    train: float | None = None
    validation: float | None = None


class Trained(Value, frozen=True):
    """How it went. `best_step` is the step whose weights were kept."""

    steps: int
    best_step: int
    points: list[Point]
    stopped_early: bool
    parameters: int
    trained_parameters: int


class Likelihood(Value, frozen=True):
    """How likely an answer is under a model: the sum of its tokens' natural logarithms, and their number."""

    logprob: float
    tokens: int

    @property
    def loss(self) -> float:
        return -self.logprob / max(1, self.tokens)
