"""Filters that run a model, as settings name them: what is refused before a run, and what a text meets."""

from __future__ import annotations

from pathlib import Path

import pytest
from filters.filter_cases import GOOD_EN, a_brief, a_completion
from msgspec.structs import replace

from aigc.batch_filters import find_filter_models, open_batch_filters
from aigc.content import ContentType, JudgeQuestion, JudgeSpec, Length, Output
from aigc.errors import ModelError
from aigc.filters import Case
from aigc.models import ModelRef
from aigc.records import Message, Sampling
from aigc.settings import EngineSettings, JudgeSettings, SafetySettings

WRITER = ModelRef(ref="scripted", digest="sha256:s")
PLAIN = ContentType(
    name="ad_copy", title="Ad", summary="", languages=["en"], fields={}, output=Output(), length=Length(),
    sampling=Sampling(), filters={}, digest="sha256:t",
)
ASKING = replace(PLAIN, judge=JudgeSpec(questions=[JudgeQuestion(id="facts", text="Does it keep to the facts?")]))
CASE = Case(brief=a_brief(), completion=a_completion(GOOD_EN), messages=[Message(role="user", content="Write.")])
SCRIPTED = EngineSettings(name="scripted")


def actions(
    safety: SafetySettings, kind: ContentType = PLAIN, engine: EngineSettings = SCRIPTED
) -> dict[str, tuple[str, str]]:
    """Action and reason of each filter on one text."""
    types = {"ad_copy": kind}
    found = find_filter_models(safety, JudgeSettings(), engine, types, types)
    filters = open_batch_filters(safety, engine, WRITER, found, types)
    try:
        return {item.name: (found.action, found.reason) for item in filters for found in item.check([CASE])}
    finally:
        for item in filters:
            item.close()


def test_without_settings_or_questions_the_one_verdict_is_that_nobody_has_checked() -> None:
    assert actions(SafetySettings()) == {"safety": ("not_run", "")}
    assert actions(SafetySettings(required=True)) == {"safety": ("hold", "safety_not_run")}


def test_a_type_with_questions_has_them_answered() -> None:
    assert actions(SafetySettings(), ASKING) == {"safety": ("not_run", ""), "judge": ("pass", "")}


def test_what_cannot_be_is_refused_before_any_text(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found no such model"):
        actions(SafetySettings(model=str(tmp_path / "absent")))


def test_a_writer_is_no_classifier(tmp_path: Path) -> None:
    from engine import tiny

    tiny.saved(tmp_path)
    with pytest.raises(ModelError, match="found no classifier that is known by its files"):
        actions(SafetySettings(model=str(tmp_path)))


@pytest.mark.parametrize("made", ["guard", "head"])
def test_a_classifier_is_found_by_its_folder_and_reads_the_text(tmp_path: Path, made: str) -> None:
    from engine import guards

    if made == "guard":
        guards.guard(tmp_path, *guards.TEMPLATES["llama_guard"])
    else:
        guards.scorer(tmp_path, ["neutral", "toxic"])
    safety = SafetySettings(model=str(tmp_path), threshold=0.0)
    engine = EngineSettings(name="scripted", device="cpu", dtype="float32")
    action, reason = actions(safety, engine=engine)["safety"]
    assert action in ("hold", "flag", "reject")
    assert reason.startswith("unsafe_")
