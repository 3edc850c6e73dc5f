"""The filters that run a model, as settings name them: a safety classifier, and a judge for types that have questions.

What can be refused is refused here, before a run; models are loaded at the first text that comes to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec.structs import replace

from aigc import models
from aigc.content import ContentType
from aigc.engine import Engine, open_engine
from aigc.engine.questions import open_classifier, open_scorer
from aigc.filters import BatchFilter
from aigc.models import ModelRef
from aigc.rubric import Rubric
from aigc.safety import Safety, Unchecked
from aigc.safety.kinds import HEAD, format_of, kind_of, labels_of
from aigc.safety.readers import GuardReader, HeadReader, Reader, harmful_labels
from aigc.settings import EngineSettings, JudgeSettings, SafetySettings


class ModelFilter(BatchFilter, Protocol):
    """A batch filter with a model to release."""

    def close(self) -> None: ...


def open_batch_filters(
    safety: SafetySettings, judge: JudgeSettings, engine: EngineSettings, model: ModelRef,
    types: Mapping[str, ContentType], say: Callable[[str], None] = lambda _: None,
) -> list[ModelFilter]:
    """Safety first, also where no classifier is set: then it says so of every text. A judge where a type has questions.

    `model` writes the texts; it judges them too where `judge` names no other, in an engine of its own. `say` is told
    what is fetched.

    Raises:
        ModelError: a model that is not here, or that is no classifier.
    """
    filters: list[ModelFilter] = [_safety(safety, engine, say)]
    if any(kind.judge.questions for kind in types.values()):
        filters.append(Rubric(types, _judge(judge, engine, model, say)))
    return filters


def reader_for(settings: SafetySettings, engine: EngineSettings, model: ModelRef) -> Callable[[], Reader]:
    """How to load the classifier in `model`. What kind it is is found out now, from its files; no weight is read.

    Raises:
        ModelError: its files do not say what kind it is, or which of its labels are harm.
    """
    folder = model.folder()
    kind = kind_of(folder, settings.kind)
    if kind == HEAD:
        harmful_labels(labels_of(folder))
        return lambda: HeadReader(open_scorer(engine, model), settings.threshold)
    form = format_of(kind, folder, settings.threshold)
    return lambda: GuardReader(form, open_classifier(engine, model), settings.threshold)


def _safety(settings: SafetySettings, engine: EngineSettings, say: Callable[[str], None]) -> ModelFilter:
    if not settings.model:
        return Unchecked(required=settings.required)
    own = replace(engine, name="local", slots=0, max_context=0, quantize="", adapter="")  # those are the writer's
    model = models.resolve(settings.model, trust_remote_code=engine.trust_remote_code, report=say)
    return Safety(settings, reader_for(settings, own, model))


def _judge(
    settings: JudgeSettings, engine: EngineSettings, writer: ModelRef, say: Callable[[str], None]
) -> Callable[[], Engine]:
    if not settings.model or engine.name == "scripted":
        return lambda: open_engine(engine, writer)
    if engine.name == "openai":
        from aigc.engine.openai_server import served_model

        served = served_model(engine, settings.model)
        return lambda: open_engine(engine, served)
    own = replace(engine, adapter="")
    model = models.resolve(settings.model, trust_remote_code=engine.trust_remote_code, report=say)
    return lambda: open_engine(own, model)
