"""What guards of each kind are asked, and what their published answers mean."""

from __future__ import annotations

import pytest

from aigc.engine.questions import Question
from aigc.records import Fault, Message
from aigc.safety.formats import (
    GraniteGuardian,
    GuardFormat,
    LlamaGuard,
    Pair,
    Qwen3Guard,
    Reading,
    ShieldGemma,
    llama_guard_codes,
)
from aigc.safety.readers import GuardReader
from aigc.safety.taxonomy import GRANITE_GUARDIAN, HARMS, HEAD_LABELS, LLAMA_GUARD, LLAMA_GUARD_3_CODES, QWEN3GUARD

from .scripted import FAULT, Guard

PAIR = Pair(prompt="Write an ad.", text="Bread at seven.")
FORMATS: dict[str, GuardFormat] = {
    "qwen3guard": Qwen3Guard(0.5),
    "llama_guard": LlamaGuard(0.5, LLAMA_GUARD_3_CODES),
    "shieldgemma": ShieldGemma(0.5),
    "granite_guardian": GraniteGuardian(0.5),
    "granite_guardian 3.3": GraniteGuardian(0.5, judges=True),
}


def read(form: GuardFormat, guard: Guard) -> Reading:
    (reading,) = GuardReader(form, guard, 0.5).read([PAIR])
    assert isinstance(reading, Reading)
    return reading


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_text_is_judged_as_the_answer_to_its_prompt_or_without_one_as_a_users(form: GuardFormat) -> None:
    answered = [Message(role="user", content="Write an ad."), Message(role="assistant", content="Bread at seven.")]
    assert {tuple(question.messages) for question in form.first(PAIR)} == {tuple(answered)}
    alone = form.first(Pair(prompt="", text="Bread at seven."))
    assert {tuple(question.messages) for question in alone} == {(Message(role="user", content="Bread at seven."),)}


@pytest.mark.parametrize(("rest", "categories", "native"), [
    ("\nCategories: None\nRefusal: No", ["other"], "Unsafe"),
    ("\nCategories: Violent\nRefusal: No", ["violence"], "Unsafe: Violent"),
    ("\nCategories: PII, Unethical Acts\nRefusal: Yes", ["privacy", "hate"], "Unsafe: PII, Unethical Acts"),
    ("\nCategories: Suicide & Self-Harm", ["self_harm"], "Unsafe: Suicide & Self-Harm"),
    ("\nCategories: Sexual Content or Sexual Acts, Jailbreak\n", ["sexual", "jailbreak"],
     "Unsafe: Sexual Content or Sexual Acts, Jailbreak"),
    ("\nCategories: Something New", ["other"], "Unsafe: Something New"),
    ("\nCategories:", ["other"], "Unsafe"),
    ("", ["other"], "Unsafe"),
    ("\nCategories: Violent, Viol", ["violence", "other"], "Unsafe: Violent, Viol"),
], ids=["none", "one", "two, and a refusal", "no third line", "long names", "unknown", "empty line", "nothing", "cut"])
def test_qwen3guard_names_its_categories_in_a_line(rest: str, categories: list[str], native: str) -> None:
    reading = read(Qwen3Guard(0.5), Guard(lambda _: ({" Unsafe": 0.9, " Controversial": 0.06}, rest)))
    assert (reading.harm, reading.doubt) == (0.9, pytest.approx(0.96))
    assert (reading.categories, reading.native) == (categories, native)


def test_what_qwen3guard_calls_controversial_is_doubt_and_no_harm() -> None:
    guard = Guard(lambda _: ({" Unsafe": 0.1, " Controversial": 0.7}, "\nCategories: Politically Sensitive Topics"))
    reading = read(Qwen3Guard(0.5), guard)
    assert (reading.harm, reading.doubt) == (0.1, pytest.approx(0.8))
    assert (reading.categories, reading.native) == (["politics"], "Controversial: Politically Sensitive Topics")


def test_qwen3guard_is_asked_for_the_label_behind_its_opening_and_goes_on_from_what_is_not_safe() -> None:
    (question,) = Qwen3Guard(0.3).first(PAIR)
    assert (question.opening, question.labels) == ("Safety:", [" Safe", " Unsafe", " Controversial"])
    assert (question.go_on, question.go_on_from) == ([" Unsafe", " Controversial"], 0.3)
    assert question.more_tokens > 20


@pytest.mark.parametrize(("rest", "categories", "native"), [
    ("\nS1", ["violence"], "unsafe: S1"),
    ("\nS10,S1", ["hate", "violence"], "unsafe: S10, S1"),
    ("\nS4", ["sexual_minors"], "unsafe: S4"),
    ("\nS2, S14", ["crime"], "unsafe: S2, S14"),
    ("\nS99", ["other"], "unsafe: S99"),
    ("", ["other"], "unsafe"),
], ids=["one", "a longer code first", "minors", "two of one house", "unknown", "nothing"])
def test_llama_guard_names_its_categories_by_code(rest: str, categories: list[str], native: str) -> None:
    reading = read(LlamaGuard(0.5, LLAMA_GUARD_3_CODES), Guard(lambda _: ({"unsafe": 0.8}, rest)))
    assert (reading.harm, reading.doubt) == (0.8, 0.8)
    assert (reading.categories, reading.native) == (categories, native)


LLAMA_GUARD_2 = "S4: Child Sexual Exploitation.\nS5: Specialized Advice.\nS10: Suicide & Self-Harm.\n<END"


@pytest.mark.parametrize(("template", "code", "category"), [
    (LLAMA_GUARD_2, "S4", "sexual_minors"),
    (LLAMA_GUARD_2, "S5", "advice"),
    (LLAMA_GUARD_2, "S10", "self_harm"),
    ('({"S3": "Sex Crimes.", "S4": "Child Exploitation.", "S5": "Defamation."})', "S5", "defamation"),
    ("S13: Elections.\nS14: Code Interpreter Abuse.\n<END UNSAFE", "S14", "crime"),
    ('{"S1": "My custom category."}', "S1", "other"),
    ("no policy at all", "S9", "weapons"),
], ids=["Llama Guard 2: minors", "advice", "self-harm", "a mapping", "Llama Guard 3", "a custom policy", "none"])
def test_codes_mean_what_the_policy_in_the_chat_template_says(template: str, code: str, category: str) -> None:
    assert llama_guard_codes(template)[code] == category


def test_shieldgemma_is_asked_about_one_guideline_at_a_time_in_its_cards_words() -> None:
    questions = ShieldGemma(0.5).first(PAIR)
    guidelines = [str(question.variables["guideline"]) for question in questions]
    assert len(set(guidelines)) == 4
    assert guidelines[2].startswith('"No Hate Speech": The chatbot shall not generate content that targeting identity')
    assert all(question.labels == ["Yes", "No"] and question.opening == "" for question in questions)
    alone = ShieldGemma(0.5).first(Pair(prompt="", text="a"))
    start = '"No Harassment": The prompt shall not contain or seek generation of content that is malicious'
    assert str(alone[1].variables["guideline"]).startswith(start)


def guideline(shares: dict[str, float]) -> Guard:
    def script(question: Question) -> tuple[dict[str, float], str]:
        name = str(question.variables["guideline"])
        return {"Yes": next((share for part, share in shares.items() if part in name), 0.01)}, ""

    return Guard(script)


@pytest.mark.parametrize(("shares", "harm", "categories"), [
    ({"Hate": 0.9, "Harassment": 0.6}, 0.9, ["hate", "harassment"]),
    ({"Dangerous": 0.7}, 0.7, ["violence"]),
    ({"Sexually": 0.2}, 0.2, ["sexual"]),
])
def test_a_text_is_as_harmful_as_the_guideline_that_it_breaks_most(
    shares: dict[str, float], harm: float, categories: list[str]
) -> None:
    reading = read(ShieldGemma(0.5), guideline(shares))
    assert (reading.harm, reading.categories) == (harm, categories)


def risks(shares: dict[str, float], yes: str = "Yes") -> Guard:
    def script(question: Question) -> tuple[dict[str, float], str]:
        config = question.variables["guardian_config"]
        assert isinstance(config, dict)
        (risk,) = config.values()
        return {yes: shares.get(risk, 0.02)}, ""

    return Guard(script)


def test_granite_guardian_is_asked_for_kinds_of_risk_only_where_it_finds_harm() -> None:
    harmless, harmful = risks({"violence": 0.9}), risks({"harm": 0.8, "violence": 0.9, "social_bias": 0.6})
    assert read(GraniteGuardian(0.5), harmless).harm == 0.02
    assert [len(asked) for asked in harmless.asked] == [1, 0]
    reading = read(GraniteGuardian(0.5), harmful)
    assert [len(asked) for asked in harmful.asked] == [1, len(GRANITE_GUARDIAN)]
    assert (reading.harm, reading.categories) == (0.8, ["violence", "hate"])
    assert reading.native == "Yes: violence, social_bias"


def test_harm_of_no_kind_that_granite_guardian_has_is_other() -> None:
    assert read(GraniteGuardian(0.5), risks({"harm": 0.8})).categories == ["other"]


def test_granite_guardian_3_3_answers_between_tags_to_criteria() -> None:
    (question,) = GraniteGuardian(0.5, judges=True).first(PAIR)
    assert question.variables == {"guardian_config": {"criteria_id": "harm"}, "think": False}
    assert (question.opening, question.labels) == ("<think>\n</think>\n<score>", [" yes", " no"])
    guard = risks({"harm": 0.7, "sexual_content": 0.9}, yes=" yes")
    assert read(GraniteGuardian(0.5, judges=True), guard).categories == ["sexual"]


def test_a_fault_is_of_its_text_alone_and_where_harm_is_known_it_is_known_without_its_kind() -> None:
    def script(question: Question) -> tuple[dict[str, float], str] | Fault:
        if "violence" in str(question.variables) or question.messages[-1].content == "long":
            return FAULT
        return {"Yes": 0.9}, ""

    pairs = [Pair(prompt="p", text="long"), Pair(prompt="p", text="short")]
    fault, reading = GuardReader(GraniteGuardian(0.5), Guard(script), 0.5).read(pairs)
    assert fault == FAULT
    assert isinstance(reading, Reading)
    assert (reading.harm, reading.categories) == (0.9, ["other"])


def test_every_native_label_has_a_category_of_the_house() -> None:
    for houses in (QWEN3GUARD, LLAMA_GUARD, LLAMA_GUARD_3_CODES, GRANITE_GUARDIAN, HEAD_LABELS):
        assert set(houses.values()) <= set(HARMS)
    assert len(LLAMA_GUARD_3_CODES) == 14
