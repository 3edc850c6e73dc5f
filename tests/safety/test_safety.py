"""Verdicts on harm: what is found, by how much, and that nothing which could not be read ever passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aigc.errors import ModelError
from aigc.records import Fault, Verdict
from aigc.safety import MOST_FAILURES, Safety, Unchecked
from aigc.safety.formats import Qwen3Guard
from aigc.safety.readers import GuardReader, HeadReader, Reader
from aigc.settings import SafetySettings

from .scripted import FAULT, Broken, Guard, Head, a_case

HARMLESS = [
    "How to kill a process on Linux.", "A knife that slices bread without crumbs.", "Shoot the sunrise from the pier.",
    "怎么杀死一个后台进程。", "这把刀切面包不掉渣。", "爆款炸鸡，香到爆炸。",
]
HARMFUL = {"He should die": "Violent", "去死吧": "Violent", "her number is": "PII"}
SAFE = {" Safe": 0.98, " Unsafe": 0.01}


def guard(question: object) -> tuple[dict[str, float], str]:
    text = question.messages[-1].content  # type: ignore[attr-defined]
    native = next((native for part, native in HARMFUL.items() if part in text), "")
    if "election" in text:
        return {" Unsafe": 0.2, " Controversial": 0.6}, "\nCategories: Politically Sensitive Topics"
    return ({" Unsafe": 0.93, " Controversial": 0.04}, f"\nCategories: {native}") if native else (SAFE, "")


def opened(reader: Reader | Callable[[], Reader], **settings: object) -> Safety:
    made = SafetySettings(model="m", **settings)  # type: ignore[arg-type]
    return Safety(made, reader if callable(reader) else lambda: reader)


def by_guard(**settings: object) -> Safety:
    threshold = float(settings.get("threshold", 0.5))  # type: ignore[arg-type]
    return opened(GuardReader(Qwen3Guard(threshold), Guard(guard), threshold), **settings)


def verdict(safety: Safety, text: str, **case: str) -> Verdict:
    (found,) = safety.check([a_case(text, **case)])
    return found


@pytest.mark.parametrize("text", HARMLESS)
def test_what_the_classifier_finds_safe_passes_with_its_share(text: str) -> None:
    found = verdict(by_guard(), text)
    assert (found.filter, found.action, found.reason) == ("safety", "pass", "")
    assert (found.measured, found.limit) == (0.01, 0.5)


@pytest.mark.parametrize(("text", "action", "reason", "message"), [
    ("He should die for it.", "hold", "unsafe_violence",
     "The classifier finds violence (Unsafe: Violent) with probability 0.93; the limit is 0.50."),
    ("去死吧，别再来了。", "hold", "unsafe_violence",
     "The classifier finds violence (Unsafe: Violent) with probability 0.93; the limit is 0.50."),
    ("Call her, her number is 555.", "flag", "unsafe_privacy",
     "The classifier finds personal data (Unsafe: PII) with probability 0.93; the limit is 0.50."),
    ("Who should win the election?", "flag", "unsafe_politics",
     "The classifier finds what some would call sensitive politics (Controversial: Politically Sensitive Topics) with "
     "probability 0.80; the limit is 0.50."),
])
def test_what_it_finds_harmful_is_told_with_its_category_and_its_own_label(
    text: str, action: str, reason: str, message: str
) -> None:
    found = verdict(by_guard(), text)
    assert (found.action, found.reason, found.message) == (action, reason, message)


def test_a_category_asks_for_what_settings_say() -> None:
    actions = {"violence": "reject", "politics": "retry", "privacy": "off"}
    assert verdict(by_guard(actions=actions), "He should die.").action == "reject"
    assert verdict(by_guard(actions=actions), "the election").action == "flag", "doubt is never more"
    off = verdict(by_guard(actions=actions), "her number is 5")
    assert (off.action, off.reason, off.measured) == ("pass", "", 0.93)


def test_of_several_categories_the_one_that_asks_for_most_decides() -> None:
    script = Guard(lambda _: ({" Unsafe": 0.9}, "\nCategories: PII, Violent"))
    safety = opened(GuardReader(Qwen3Guard(0.5), script, 0.5), actions={"violence": "retry"})
    found = verdict(safety, "text")
    assert (found.action, found.reason, found.advice) == ("retry", "unsafe_violence", "Write it without violence.")
    assert verdict(safety, "文字", language="zh").advice == "内容中不要出现暴力。"


def test_a_lower_threshold_finds_more() -> None:
    assert verdict(by_guard(threshold=0.15), "the election").action == "flag"
    assert verdict(by_guard(threshold=0.15, actions={"politics": "hold"}), "the election").action == "hold"
    assert verdict(by_guard(threshold=0.95), "her number is 5").action == "flag", "Unsafe and Controversial together"
    assert verdict(by_guard(threshold=0.99), "her number is 5").action == "pass"


def test_texts_of_a_batch_keep_their_verdicts_and_empty_ones_are_not_asked_about() -> None:
    script = Guard(guard)
    safety = opened(GuardReader(Qwen3Guard(0.5), script, 0.5))
    found = safety.check([a_case(text) for text in ("Bread.", "", "He should die.", " \n", "her number is")])
    assert [one.reason for one in found] == ["", "", "unsafe_violence", "", "unsafe_privacy"]
    assert len(script.asked[0]) == 3
    assert safety.check([]) == []


def test_what_was_asked_of_the_model_is_context_and_the_text_is_judged() -> None:
    script = Guard(guard)
    opened(GuardReader(Qwen3Guard(0.5), script, 0.5)).check([a_case("Bread.", prompt="Describe the bread.")])
    assert [message.content for message in script.asked[0][0].messages] == ["Describe the bread.", "Bread."]


def broken_open() -> Reader:
    raise ModelError("model guard", "weights that do not fit the memory", "room for them", "Take a smaller one.")


@pytest.mark.parametrize("reader", [
    GuardReader(Qwen3Guard(0.5), Broken(), 0.5), HeadReader(Broken(), 0.5), broken_open,
], ids=["a guard that fails", "a head that fails", "a model that does not load"])
def test_a_classifier_that_fails_holds_every_text_and_passes_none(reader: Reader | Callable[[], Reader]) -> None:
    safety = opened(reader)
    for found in safety.check([a_case(text) for text in HARMLESS]):
        assert (found.action, found.reason) == ("hold", "safety_error")
        assert found.message.startswith("The classifier could not judge this text (")
        assert found.message.endswith("). Read it yourself.")


def test_a_text_that_cannot_be_put_to_it_is_held_alone() -> None:
    def script(question: object) -> tuple[dict[str, float], str] | Fault:
        return FAULT if "long" in question.messages[-1].content else guard(question)  # type: ignore[attr-defined]

    found = opened(GuardReader(Qwen3Guard(0.5), Guard(script), 0.5)).check([a_case("a"), a_case("long"), a_case("b")])
    assert [one.action for one in found] == ["pass", "hold", "pass"]
    assert found[1].message == (
        "The classifier could not judge this text (a question of 9,999 tokens). Read it yourself."
    )


def test_a_classifier_is_loaded_at_the_first_text_tried_again_after_a_failure_and_given_up_after_several() -> None:
    opens: list[int] = []

    def failing() -> Reader:
        opens.append(1)
        return GuardReader(Qwen3Guard(0.5), Broken(), 0.5) if len(opens) != 2 else by_guard()._open()

    safety = opened(failing)
    assert opens == []
    assert [verdict(safety, "a").action for _ in range(3)] == ["hold", "pass", "pass"]
    safety._reader = None
    for _ in range(MOST_FAILURES + 2):
        assert verdict(safety, "a").reason == "safety_error"
    assert len(opens) == 2 + MOST_FAILURES


def test_closing_releases_the_model() -> None:
    script = Guard(guard)
    safety = opened(GuardReader(Qwen3Guard(0.5), script, 0.5))
    safety.close()
    safety.check([a_case("a")])
    safety.close()
    assert script.closed


@pytest.mark.parametrize(("required", "action", "reason"), [(False, "not_run", ""), (True, "hold", "safety_not_run")])
def test_without_a_classifier_the_verdict_says_that_nobody_has_checked(
    required: bool, action: str, reason: str
) -> None:
    for found in Unchecked(required=required).check([a_case("He should die."), a_case("Bread.")]):
        assert (found.filter, found.action, found.reason, found.measured) == ("safety", action, reason, None)
        assert found.message == "No classifier is set (safety.model), so nobody has checked this text for harm."


@pytest.mark.parametrize(("pieces", "exclusive", "action", "reason", "measured"), [
    ([{"neutral": 0.9, "toxic": 0.1}], True, "pass", "", 0.1),
    ([{"neutral": 0.2, "toxic": 0.5, "threat": 0.3}], True, "hold", "unsafe_harassment", 0.8),
    ([{"neutral": 0.9, "threat": 0.1}, {"neutral": 0.1, "threat": 0.9}, {"neutral": 1.0, "threat": 0.0}], True, "hold",
     "unsafe_violence", 0.9),
    ([{"toxic": 0.6, "obscene": 0.55, "threat": 0.4}], False, "hold", "unsafe_harassment", 0.6),
    ([{"toxic": 0.4, "obscene": 0.4, "threat": 0.4}], False, "pass", "", 0.4),
    ([{"OK": 0.05, "S3": 0.95}], True, "reject", "unsafe_sexual_minors", 0.95),
], ids=["safe", "shares of harm add up", "the worst piece counts", "labels that stand alone", "none of them alone",
        "letters"])
def test_a_classification_head_is_read_by_its_labels(
    pieces: list[dict[str, float]], exclusive: bool, action: str, reason: str, measured: float
) -> None:
    found = verdict(opened(HeadReader(Head(lambda _: list(pieces), exclusive=exclusive), 0.5)), "text")
    assert (found.action, found.reason, found.measured) == (action, reason, measured)


@pytest.mark.parametrize("labels", [["LABEL_0", "LABEL_1"], ["positive", "negative"], ["safe"]])
def test_labels_that_say_nothing_of_harm_pass_no_text(labels: list[str]) -> None:
    shares = {label: 1 / len(labels) for label in labels}
    found = verdict(opened(HeadReader(Head(lambda _: [shares]), 0.5)), "text")
    assert (found.action, found.reason) == ("hold", "safety_error")
    assert "labels that say nothing of harm" in found.message
