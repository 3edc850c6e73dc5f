"""The registry, the settings of filters, and what becomes of their verdicts."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import dataclass, fields
from typing import ClassVar

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, unread
from msgspec.structs import replace

from aigc.errors import SettingsError
from aigc.filters import FILTERS, FilterAction, build_filters, feedback, judge, settle
from aigc.records import Action, Brief, Completion, Fault, Limits, Outcome, Verdict
from aigc.settings import FilterTables

ORDER = [
    "empty",
    "format",
    "encoding",
    "cut_off",
    "length",
    "repetition",
    "turns",
    "refusal",
    "meta_talk",
    "leftovers",
    "markdown",
    "language",
    "required_terms",
    "names",
    "forbidden_terms",
    "injection",
    "profanity",
    "echo",
    "readability",
    "tone",
    "advertising",
    "grounding",
    "secrets",
    "personal_data",
    "disclosure",
]
ON = [name for name in ORDER if name not in ("readability", "advertising", "grounding")]
"""Filters that run unless settings say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreaksOnTheText:
    name: ClassVar[str] = "breaks"
    action: FilterAction = "retry"

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        raise LookupError(completion.text)


def test_every_filter_is_registered_under_its_own_name_in_the_order_of_the_docs() -> None:
    assert list(FILTERS) == ORDER
    assert all(kind.name == name for name, kind in FILTERS.items())


@pytest.mark.parametrize("name", ORDER)
def test_every_filter_has_an_action_and_cannot_be_changed(name: str) -> None:
    item = FILTERS[name]()
    assert "action" in {field.name for field in fields(item)}  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        item.action = "flag"  # type: ignore[misc]


@pytest.mark.parametrize(("language", "text"), [("en", GOOD_EN), ("zh", GOOD_ZH)])
def test_a_good_text_passes_every_filter(language: str, text: str) -> None:
    brief = a_brief(language, limits=Limits(min_words=60, max_words=200))
    verdicts = judge(brief, a_completion(text), build_filters({}, "aigc.toml"))
    assert [verdict.filter for verdict in verdicts] == ON
    assert {verdict.action for verdict in verdicts} == {"pass"}
    assert all(not (v.message or v.advice or v.reason or v.spans) for v in verdicts)


def test_an_editor_sees_every_reason_not_the_first() -> None:
    text = "Dear [Your Name], " + "buy our tea now. " * 40
    brief = a_brief(limits=Limits(max_words=50, keywords=["oolong"], must_not_mention=["buy"]))
    verdicts = judge(brief, a_completion(text), build_filters({}, "aigc.toml"))
    assert [v.reason for v in verdicts if v.action != "pass"] == [
        "too_long",
        "repeated_tail",
        "placeholder",
        "missing_keyword",
        "forbidden_term",
    ]


def test_tables_change_thresholds_and_actions_and_leave_the_rest() -> None:
    tables: FilterTables = {"length": {"tolerance": 0.1, "action": "hold"}, "leftovers": {"allowed": ["{{name}}"]}}
    built = {item.name: item for item in build_filters(tables, "aigc.toml")}
    assert built["length"] == FILTERS["length"](tolerance=0.1, action="hold")
    assert built["leftovers"] == FILTERS["leftovers"](allowed=("{{name}}",))
    assert built["empty"] == FILTERS["empty"]()


def test_a_filter_that_is_off_is_left_out() -> None:
    assert [item.name for item in build_filters({"empty": {"action": "off"}}, "aigc.toml")] == ON[1:]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"lenght": {}},
            "aigc.toml, key filters.lenght: found an unknown filter; expected one of "
            + ", ".join([*ORDER, "near_duplicate"])
            + ". Remove it or correct its name. Did you mean 'length'?",
        ),
        (
            {"length": {"tolernce": 1}},
            "aigc.toml, key filters.length.tolernce: found an unknown key; expected one of action, "
            "tolerance. Remove it or correct its name. Did you mean 'tolerance'?",
        ),
        (
            {"length": {"name": "x"}},
            "aigc.toml, key filters.length.name: found an unknown key; expected one of action, "
            "tolerance. Remove it or correct its name.",
        ),
        (
            {"length": {"tolerance": "a"}},
            "aigc.toml, key filters.length.tolerance: found 'a'; expected a number. Correct the value.",
        ),
        (
            {"length": {"tolerance": 2.0}},
            "aigc.toml, key filters.length.tolerance: found '2.0'; expected a number at most 1.0. Correct the value.",
        ),
        (
            {"length": {"tolerance": float("nan")}},
            "aigc.toml, key filters.length.tolerance: found nan; expected a finite number. Correct the value.",
        ),
        (
            {"repetition": {"min_ngrams": 0}},
            "aigc.toml, key filters.repetition.min_ngrams: found '0'; expected a whole number at least 1. "
            "Correct the value.",
        ),
        (
            {"length": {"action": "drop"}},
            "aigc.toml, key filters.length.action: found 'drop'; expected one of off, flag, hold, "
            "retry, reject. Correct the value.",
        ),
        (
            {"format": {"action": "off"}},
            "aigc.toml, key filters.format.action: found 'off'; expected one of hold, retry, reject. "
            "Correct the value.",
        ),
        (
            {"leftovers": {"allowed": "{{name}}"}},
            "aigc.toml, key filters.leftovers.allowed: found '{{name}}'; expected a list. Correct the value.",
        ),
    ],
)
def test_a_wrong_filter_setting_is_refused_with_its_place_and_remedy(tables: FilterTables, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_filters(tables, "aigc.toml")
    assert str(caught.value) == message


def test_a_filter_that_raises_holds_the_text_and_hides_it_from_the_log(caplog: pytest.LogCaptureFixture) -> None:
    filters = [FILTERS["empty"](), BreaksOnTheText(), FILTERS["length"]()]
    with caplog.at_level(logging.ERROR):
        verdicts = judge(a_brief(), a_completion("a secret text"), filters)
    assert [v.filter for v in verdicts] == ["empty", "breaks", "length"]
    assert (verdicts[1].action, verdicts[1].reason) == ("hold", "filter_error")
    assert verdicts[1].message == (
        "The filter breaks failed with LookupError, so nobody has checked this. Read the text yourself."
    )
    assert "filter breaks raised LookupError at " in caplog.text
    assert "request-0" in caplog.text
    assert "secret" not in caplog.text


def test_a_completion_with_a_fault_gets_no_verdicts() -> None:
    fault = Fault(code="too_long", found="9,000 tokens", expected="at most 8,192", remedy="Shorten the brief.")
    assert judge(a_brief(), replace(a_completion(), fault=fault), build_filters({}, "aigc.toml")) == []


@pytest.mark.parametrize("completion", [a_completion(""), a_completion(" \n "), unread(""), unread("not JSON")])
@pytest.mark.parametrize("language", ["en", "zh", "fr", "xx", ""])
def test_only_empty_and_format_speak_where_there_is_no_text(completion: Completion, language: str) -> None:
    brief = a_brief(language, limits=Limits(min_words=5, keywords=["tea"], must_not_mention=["tea"]))
    failed = {v.filter for v in judge(brief, completion, build_filters({}, "aigc.toml")) if v.action != "pass"}
    assert failed
    assert failed <= {"empty", "format"}


@pytest.mark.parametrize(
    ("actions", "attempt", "outcome"),
    [
        ([], 0, "accepted"),
        (["pass", "pass"], 0, "accepted"),
        (["pass", "flag"], 0, "accepted"),
        (["flag", "hold"], 0, "held"),
        (["hold", "retry"], 0, None),
        (["hold", "retry"], 1, None),
        (["hold", "retry"], 2, "exhausted"),
        (["retry"], 7, "exhausted"),
        (["retry", "reject", "hold"], 0, "rejected"),
    ],
)
def test_the_strictest_verdict_settles_an_attempt(actions: list[Action], attempt: int, outcome: Outcome | None) -> None:
    verdicts = [Verdict(filter="x", action=action) for action in actions]
    assert settle(verdicts, attempt, max_attempts=3) == outcome


def test_feedback_is_the_advice_of_retry_verdicts_in_order_without_doubles() -> None:
    verdicts = [
        Verdict(filter="a", action="retry", advice="Write less."),
        Verdict(filter="b", action="flag", advice="Smile."),
        Verdict(filter="c", action="retry", advice="Say it once."),
        Verdict(filter="d", action="retry", advice="Write less."),
        Verdict(filter="e", action="retry"),
        Verdict(filter="f", action="hold", advice="Wait."),
    ]
    assert feedback(verdicts) == ["Write less.", "Say it once."]


def test_importing_the_filters_loads_no_language_model() -> None:
    code = "import sys, aigc.filters; sys.exit('py3langid' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
