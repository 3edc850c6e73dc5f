"""The data as lessons for one model: every answer of an example with what was said before it, cut into tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aigc.engine.tuning.values import Lesson, Method, PairTokens, Taught, Tokens
from aigc.errors import BriefsError
from aigc.settings import EngineSettings
from aigc.training_data.reading import TrainingData
from aigc.training_data.values import Example, Pair, Split

_NO_PAIR = "Pairs come of what editors edit and refuse (aigc review import, aigc redo); or leave --method dpo out."


@dataclass(frozen=True)
class Lessons:
    """What is taught, and what is held out, by name. `chosen` and `rejected` have the same names: a pair's answers."""

    taught: Taught
    test: Mapping[str, Tokens]
    chosen: Mapping[str, Tokens]
    rejected: Mapping[str, Tokens]
    groups: Mapping[str, str]
    """The group of each lesson of test, and of each pair."""
    left_out: dict[str, int]


def lessons_of(
    data: TrainingData, folder: Path, settings: EngineSettings, max_tokens: int, method: Method
) -> Lessons:
    """The lessons for the model in `folder`: examples or pairs, by the method.

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

    def both(pairs: Sequence[Pair]) -> tuple[dict[str, Tokens], dict[str, Tokens]]:
        chosen, rejected = cut(_of_pairs(pairs, chosen=True)), cut(_of_pairs(pairs, chosen=False))
        names = sorted(chosen.keys() & rejected.keys())
        return {name: chosen[name] for name in names}, {name: rejected[name] for name in names}

    def taught(split: Split) -> list[Tokens] | list[PairTokens]:
        if method == "sft":
            return [*cut(_answers(data.examples(split))).values()]
        chosen, rejected = both(data.pairs(split))
        return [PairTokens(prompt=chosen[name].prompt, chosen=chosen[name].answer, rejected=rejected[name].answer)
                for name in chosen]

    test, pairs = [*_answers(data.examples("test"))], data.pairs("test")
    learned = Taught(taught("train"), taught("validation"))
    chosen, rejected = both(pairs)
    found = Lessons(
        taught=learned, test=cut(test), chosen=chosen, rejected=rejected,
        groups={lesson.name: lesson.group for lesson in [*test, *_of_pairs(pairs, chosen=True)]},
        left_out=dict(left_out),
    )
    if not learned.train:
        kind = "an example" if method == "sft" else "a pair"
        why = "; ".join(f"{count:,} {code}" for code, count in left_out.items()) or f"no {kind.partition(' ')[2]}"
        remedy = "Raise --max-tokens, or make data of more briefs." if method == "sft" or left_out else _NO_PAIR
        raise BriefsError(str(data.folder), f"nothing to learn ({why})", f"{kind} in train", remedy)
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
