from __future__ import annotations

import random
import time

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, default, marked, verdict_of

from aigc.records import OutputValue

CHORUS = (
    "Morning on the harbour wall,\nI hear the bakers call.\n\n[Chorus]\nOh, bread and light, bread and light,\n"
    "warm before the end of night.\n\nGulls are circling for a crust,\nwindows white with flour dust.\n\n[Chorus]\n"
    "Oh, bread and light, bread and light,\nwarm before the end of night.\n\nNoon has come and trays are bare,\n"
    "still the sweetness fills the air.\nLa la la, la la la, la la la!"
)


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("en", GOOD_EN + " It keeps for days." * 12, "repeated_tail"),
        ("en", "So we wait. " * 30, "repeated_tail"),
        ("en", "ha" * 200, "repeated_tail"),
        ("en", GOOD_EN + "!" * 120, "repeated_tail"),
        ("zh", GOOD_ZH + "能放四天，" * 10, "repeated_tail"),
        ("zh", "好喝的茶，" * 30, "repeated_tail"),
        (
            "en",
            " ".join(f"The tea is very good for you and for all of us, number {n}." for n in range(20)),
            "distinct_ngrams_low",
        ),
        (
            "zh",
            "".join(f"第{n}杯茶香气浓郁回味悠长值得您细细品尝。" for n in "一二三四五六七八九十"),
            "distinct_ngrams_low",
        ),
    ],
)
def test_loops_are_caught(language: str, text: str, reason: str) -> None:
    verdict = verdict_of("repetition", text, language)
    assert (verdict.action, verdict.reason) == ("retry", reason)
    assert verdict.message.startswith("The text repeats itself. ")
    assert verdict.advice == (
        "上一稿内容重复，请每个意思只说一次，换用不同的说法。"
        if language == "zh"
        else "The last text repeated itself. Say each thing once, in new words."
    )


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN),
        ("zh", GOOD_ZH),
        ("en", CHORUS),
        ("en", "Tea. Tea. Tea."),
        ("en", "Wait..."),
        ("zh", "哈哈哈哈哈哈"),
        ("en", GOOD_EN + "\n\n" + "-" * 80),
        ("en", "Name: " + "_" * 60),
        ("en", "https://harbour.example/" + "bread/rye/seeded"),
        ("zh", "一杯茶，一本书，一个下午。茶是好茶，书是旧书，人是故人。"),
    ],
)
def test_choruses_laughter_and_rules_are_no_loops(language: str, text: str) -> None:
    assert verdict_of("repetition", text, language).action == "pass"


def test_the_span_of_a_repeated_tail_is_the_tail() -> None:
    text = GOOD_EN + " It keeps for days." * 12 + "\n"
    verdict = verdict_of("repetition", text)
    assert marked(verdict, text) == [" It keeps for days." * 12]
    assert verdict.message == "The text repeats itself. Its last 228 characters are the same 19 characters 12 times."


@pytest.mark.parametrize(
    "fields",
    [
        {"choices": ["Yes, I will.", "No.", "yes,  i will."]},
        {"headline": "Bread worth getting up early for", "body": "Bread worth getting up early for"},
        {"lines": [{"speaker": "Mara", "line": "Run!"}, {"speaker": "Mara", "line": "Run!"}]},
    ],
)
def test_equal_entries_are_caught(fields: dict[str, OutputValue]) -> None:
    verdict = default("repetition")(a_brief(), a_completion("Yes, I will. Yes, I will.", fields=fields))
    assert (verdict.action, verdict.reason, verdict.measured) == ("retry", "repeated_field", 2)


def test_the_span_of_a_repeated_entry_is_its_second_place() -> None:
    completion = a_completion("1. Go on.\n2. Go on.", fields={"choices": ["Go on.", "Go on."]})
    verdict = default("repetition")(a_brief(), completion)
    assert [(span.start, span.end) for span in verdict.spans] == [(13, 19)]


def test_speakers_and_short_labels_may_recur() -> None:
    fields: dict[str, OutputValue] = {
        "lines": [{"speaker": "Mara", "line": "Run!"}, {"speaker": "Mara", "line": "Now."}],
        "button": "Go",
        "tag": "Go",
    }
    assert default("repetition")(a_brief(), a_completion("Run! Now.", fields=fields)).action == "pass"


def test_a_field_that_loops_is_caught_inside_a_longer_layout() -> None:
    body = "Fresh bread. " * 8
    verdict = default("repetition")(a_brief(), a_completion(f"{GOOD_EN}\n\n{body}\n\n{GOOD_ZH}", fields={"body": body}))
    assert verdict.reason == "repeated_tail"


def test_compression_alone_only_flags() -> None:
    words = ["wholesomeness", "thoroughbred", "breadcrumbs", "neighbourhood", "harbourmaster", "watercolour"]
    text = " ".join(random.Random(1).choices(words, k=200))
    verdict = verdict_of("repetition", text)
    assert (verdict.action, verdict.reason, verdict.advice) == ("flag", "compressible", "")


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "a" + " " * 10**6 + "b", "a.a," * 250_000, "[" * 10**6, "<think>" * 140_000]
)
def test_a_megabyte_is_judged_in_bounded_time(text: str) -> None:
    started = time.perf_counter()
    for name in ("repetition", "leftovers", "refusal", "cut_off"):
        verdict_of(name, text)
    assert time.perf_counter() - started < 10
