"""What is measured of a model, base or tuned, on what was held out: answers, pairs, and texts of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aigc.engine.tuning.values import Likelihood, Method
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from aigc.training_data.values import HeldOut
from aigc.tuning.comparison import Measured, Shift, shift
from aigc.tuning.lessons import Lessons
from aigc.tuning.statement import Measurements
from aigc.tuning.writing import Court, Written, write_texts


@dataclass(frozen=True)
class Exam:
    """What both models are given."""

    lessons: Lessons
    held_out: Sequence[HeldOut]
    court: Court


def measure(
    exam: Exam, model: ModelRef, settings: EngineSettings, say: Callable[[str], None] = lambda _: None
) -> Measurements:
    """Measure one model. `settings` name the adapter, where it is one.

    Raises:
        AigcError: the model cannot be loaded, or the engine cannot go on.
    """
    from aigc.engine.tuning.likelihood import likelihoods

    lessons = exam.lessons
    keyed = {**{f"test {name}": tokens for name, tokens in lessons.test.items()},
             **{f"chosen {name}": tokens for name, tokens in lessons.chosen.items()},
             **{f"rejected {name}": tokens for name, tokens in lessons.rejected.items()}}
    found = likelihoods(model.folder(), settings, keyed)  # of all at once: the model is loaded once
    parts = {part: {name.partition(" ")[2]: each for name, each in found.items() if name.partition(" ")[0] == part}
             for part in ("test", "chosen", "rejected")}
    texts: list[Written] = []
    if exam.held_out:
        say(f"Writing {len(exam.held_out):,} held-out texts.")
        texts = write_texts(exam.held_out, model, settings, exam.court)
    return Measurements(answers=parts["test"], chosen=parts["chosen"], rejected=parts["rejected"], texts=texts)


def shifts(exam: Exam, before: Measurements, after: Measurements, method: Method) -> list[Shift]:
    """Each measure before and after; those that nothing was held out for are left out."""
    groups = exam.lessons.groups
    found = [
        shift("loss", _losses(before.answers, groups), _losses(after.answers, groups)),
        shift("accepted", _accepted(before.texts), _accepted(after.texts)),
        shift("preferred", _preferred(before, groups), _preferred(after, groups)),
    ]
    if method == "dpo":
        found = [shift("lead", _leads(before, groups), _leads(after, groups)), *found]
    return [one for one in found if one]


def _losses(answers: Mapping[str, Likelihood], groups: Mapping[str, str]) -> list[Measured]:
    return [Measured(group=groups[name], value=answers[name].loss) for name in sorted(answers)]


def _accepted(texts: Sequence[Written]) -> list[Measured]:
    return [Measured(group=text.group, value=float(text.accepted)) for text in texts]


def _preferred(model: Measurements, groups: Mapping[str, str]) -> list[Measured]:
    """Whether the better answer of a pair is the likelier one, token for token: else the shorter would win."""
    return [
        Measured(group=groups[name], value=float(model.chosen[name].loss < model.rejected[name].loss))
        for name in sorted(model.chosen)
    ]


def _leads(model: Measurements, groups: Mapping[str, str]) -> list[Measured]:
    """How much likelier the better answer of a pair is: its loss under that of the worse one."""
    return [Measured(group=groups[name], value=model.rejected[name].loss - model.chosen[name].loss)
            for name in sorted(model.chosen)]
