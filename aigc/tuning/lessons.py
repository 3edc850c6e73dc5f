"""The data as lessons for one model: every answer of an example with what was said before it, cut into tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aigc.engine.tuning.values import Lesson, Tokens
from aigc.errors import BriefsError
from aigc.settings import EngineSettings
from aigc.training_data.reading import TrainingData
from aigc.training_data.values import Example, Pair


@dataclass(frozen=True)
class Lessons:
    """Lessons by name. `chosen` and `rejected` have the same names: the two answers of a pair."""

    train: Mapping[str, Tokens]
    validation: Mapping[str, Tokens]
    test: Mapping[str, Tokens]
    chosen: Mapping[str, Tokens]
    rejected: Mapping[str, Tokens]
    groups: Mapping[str, str]
    """The group of each lesson of test, and of each pair."""
    left_out: dict[str, int]


def lessons_of(data: TrainingData, folder: Path, settings: EngineSettings, max_tokens: int) -> Lessons:
    """The lessons for the model in `folder`.

    Raises:
        ModelError: its tokenizer cannot be loaded.
        BriefsError: there is none that it can learn.
    """
    from aigc.engine.tuning.tokens import LessonEncoder

    encoder = LessonEncoder(folder, settings)
    left_out: Counter[str] = Counter()

    def cut(lessons: Iterable[Lesson]) -> dict[str, Tokens]:
        found = {}
        for lesson in lessons:
            tokens = encoder.encode(lesson, max_tokens)
            if isinstance(tokens, Tokens):
                found[lesson.name] = tokens
            else:
                left_out[tokens.code] += 1
        return found

    test, pairs = [*_answers(data.examples("test"))], data.pairs("test")
    better, worse = [*_of_pairs(pairs, chosen=True)], [*_of_pairs(pairs, chosen=False)]
    chosen, rejected = cut(better), cut(worse)
    both = chosen.keys() & rejected.keys()
    found = Lessons(
        train=cut(_answers(data.examples("train"))), validation=cut(_answers(data.examples("validation"))),
        test=cut(test), chosen={name: chosen[name] for name in sorted(both)},
        rejected={name: rejected[name] for name in sorted(both)},
        groups={lesson.name: lesson.group for lesson in [*test, *better]}, left_out=dict(left_out),
    )
    if not found.train:
        why = "; ".join(f"{count:,} {code}" for code, count in left_out.items()) or "no example"
        raise BriefsError(str(data.folder), f"nothing to learn ({why})", "an example in train",
                          "Raise --max-tokens, or make data of more briefs.")
    return found


def _answers(examples: Iterable[Example]) -> Iterator[Lesson]:
    """Each answer is learned in the place where it was given: a later turn's prompt has the answers before it."""
    for row, example in enumerate(examples):
        for at, message in enumerate(example.messages):
            if message.role == "assistant":
                yield Lesson(name=f"{row} {example.source} {at}", group=example.group, prompt=example.messages[:at],
                             answer=message.content)


def _of_pairs(pairs: Iterable[Pair], *, chosen: bool) -> Iterator[Lesson]:
    for row, pair in enumerate(pairs):
        [answer] = pair.chosen if chosen else pair.rejected
        yield Lesson(name=f"pair {row}", group=pair.group, prompt=pair.prompt, answer=answer.content)
