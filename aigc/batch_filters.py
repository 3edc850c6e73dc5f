"""The filters that run a model, as settings name them: a safety classifier, and a judge for types that have questions.

    find_filter_models ─▶ FilterModels, whose files are part of what decides a record ─▶ open_batch_filters

What can be refused is refused here, before a run; models are loaded at the first text that comes to them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from msgspec.structs import replace

from aigc import models
from aigc.content import ContentType
from aigc.engine import Engine, open_engine
from aigc.engine.judging import open_classifier, open_scorer
from aigc.filters import BatchFilter
from aigc.hashing import digest
from aigc.models import ModelRef
from aigc.records import Value
from aigc.rubric import Rubric
from aigc.safety import Safety, Unchecked
from aigc.safety.kinds import HEAD, format_of, kind_of, labels_of
from aigc.safety.readers import GuardReader, HeadReader, Reader, harmful_labels
from aigc.settings import EngineSettings, JudgeSettings, SafetySettings


class ModelFilter(BatchFilter, Protocol):
    """A batch filter with a model to release."""

    def close(self) -> None: ...


class FilterModels(Value, frozen=True):
    """The models that filters run, found and whole. No `judge` means the model that writes the texts."""

    classifier: ModelRef | None = None
    judge: ModelRef | None = None
    asking: list[str] = []
    """Content types of the sheet that have questions to a judge."""

    @property
    def asks_writer(self) -> bool:
        """Whether the model that writes texts also judges them."""
        return bool(self.asking) and self.judge is None

    def digest_for(self, content_type: str) -> str:
        """Digest of the files of those that read texts of a type; empty where only the writer does."""
        judge = self.judge if content_type in self.asking else None
        found = {name: model.digest for name, model in (("safety", self.classifier), ("judge", judge)) if model}
        return digest(found) if found else ""


def find_filter_models(
    safety: SafetySettings, judge: JudgeSettings, engine: EngineSettings,
    types: Mapping[str, ContentType], used: Collection[str], say: Callable[[str], None] = lambda _: None,
) -> FilterModels:
    """The models that settings name to judge texts of `used` content types. `say` is told what is fetched.

    Raises:
        ModelError: a model that is not here.
        EngineError: the server that serves the judge does not answer.
    """
    asking = sorted(name for name in used if types[name].judge.questions)
    return FilterModels(
        classifier=_resolved(safety.model, engine, say) if safety.model else None,
        judge=_judge_model(judge.model, engine, say) if asking and judge.model else None,
        asking=asking,
    )


def open_batch_filters(
    safety: SafetySettings, engine: EngineSettings, writer: ModelRef, found: FilterModels,
    types: Mapping[str, ContentType],
) -> list[ModelFilter]:
    """Safety first, also where no classifier is set: then it says so of every text. A judge where a type has questions.

    `writer` writes the texts; where it judges them too it does so in an engine of its own.

    Raises:
        ModelError: a model that is no classifier.
    """
    filters: list[ModelFilter] = [_safety(safety, engine, found.classifier)]
    if found.asking:
        filters.append(Rubric(types, _judge(engine, writer, found.judge)))
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


def _safety(settings: SafetySettings, engine: EngineSettings, classifier: ModelRef | None) -> ModelFilter:
    if classifier is None:
        return Unchecked(required=settings.required)
    own = replace(engine, name="local", slots=0, max_context=0, quantize="", adapter="")  # those are the writer's
    return Safety(settings, reader_for(settings, own, classifier))


def _judge(engine: EngineSettings, writer: ModelRef, judge: ModelRef | None) -> Callable[[], Engine]:
    if judge is None:
        return lambda: open_engine(engine.here, writer)
    own = replace(engine.here, adapter="")
    return lambda: open_engine(own, judge)


def _judge_model(name: str, engine: EngineSettings, say: Callable[[str], None]) -> ModelRef | None:
    """The model that a judge is named by; none in a rehearsal, which asks none."""
    match engine.name:
        case "scripted":
            return None
        case "openai":
            from aigc.engine.openai_server import served_model

            return served_model(engine, name)
        case "local":
            return _resolved(name, engine, say)


def _resolved(name: str, engine: EngineSettings, say: Callable[[str], None]) -> ModelRef:
    return models.resolve(name, trust_remote_code=engine.trust_remote_code, report=say)
