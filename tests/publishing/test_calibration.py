"""Filters held against editors: counts and intervals by the literature, proposals only where they are no chance."""

from __future__ import annotations

from pathlib import Path

import pytest
from editing import decide
from msgspec.structs import replace
from small_project import Project, small_project

from aigc.calibration import CONCERNS, MIN_DECISIONS, Agreement, Calibration, calibrate, wilson
from aigc.filters import FILTERS
from aigc.limits import Found, Limit, Reading, best_limit, roundest, sign_test
from aigc.provenance import RunFile
from aigc.records import Prompt
from aigc.report_cli import _lines
from aigc.review.decisions import REASONS, Verb

SENTENCE = "It is made of steel and holds a litre of water for tea. "
NAMES = [f"item{number}" for number in range(24)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


@pytest.mark.parametrize(("part", "whole", "low", "high"), [
    (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662),
])
def test_intervals_are_wilsons(part: int, whole: int, low: float, high: float) -> None:
    """The last is the example of Newcombe (Statistics in Medicine 17, 1998), table I, method 3."""
    found = wilson(part, whole)
    assert found
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_of_nothing_there_is_no_share() -> None:
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("better", "worse", "probability"), [(7, 0, 1 / 128), (5, 1, 7 / 64), (0, 0, 1.0)])
def test_the_sign_test_is_exact(better: int, worse: int, probability: float) -> None:
    assert sign_test(better, worse) == probability


@pytest.mark.parametrize(("low", "high", "between"), [
    (0.31, 0.38, 0.34), (0.1, 0.9, 0.5), (3.0, 17.0, 10.0), (1.234, 1.235, 1.2345), (-0.2, 0.1, 0.0),
])
def test_a_limit_between_two_measures_has_few_digits(low: float, high: float, between: float) -> None:
    assert roundest(low, high) == between


SHARE = Found("echo", "filters.echo.max_share", 0.2, is_whole=False)


def a_reading(measured: float, *, flagged: bool, objected: bool) -> Reading:
    return Reading(record_id=f"r{measured}", content_type="note", measured=measured, is_flagged=flagged,
                   objected=objected)


def test_a_limit_is_proposed_where_editors_let_more_pass() -> None:
    """Up to 0.31 all was approved, from 0.38 on all refused; today's limit flags from 0.2 on."""
    readings = [a_reading(at / 100, flagged=at > 20, objected=at >= 38) for at in range(1, 32)]
    readings += [a_reading(at / 100, flagged=True, objected=True) for at in range(38, 48)]
    found = best_limit(SHARE, readings)
    assert found
    assert (found.proposed, found.passes, found.now) == (0.34, "at_most", 0.2)
    assert (found.decided, found.agreed_now, found.agreed_then) == (41, 30, 41)
    assert found.improved == ["r0.21", "r0.22", "r0.23", "r0.24", "r0.25"]
    assert found.worsened == []
    assert found.p_value == 0.000488, "one in 2 to the 11th"


def test_what_may_be_chance_is_not_proposed() -> None:
    readings = [a_reading(at / 100, flagged=at > 20, objected=at > 24) for at in range(1, 48)]
    assert best_limit(SHARE, readings) is None, "four texts of 47"


def test_a_limit_from_below_is_known_by_its_verdicts() -> None:
    least = Found("repetition", "filters.repetition.min_distinct", 0.5, is_whole=False)
    readings = [a_reading(at / 100, flagged=at < 50, objected=at < 40) for at in range(20, 80)]
    found = best_limit(least, readings)
    assert found
    assert (found.passes, found.agreed_then) == ("at_least", 60)
    assert 0.39 < found.proposed < 0.4


def test_verdicts_that_do_not_follow_from_the_limit_alone_propose_nothing() -> None:
    readings = [a_reading(at / 100, flagged=at % 2 == 0, objected=at > 30) for at in range(1, 60)]
    assert best_limit(SHARE, readings) is None


def test_nothing_is_proposed_that_the_setting_cannot_be() -> None:
    """All is objected to: only a share under 0 would flag it all."""
    readings = [a_reading(0.0, flagged=False, objected=True) for _ in range(30)]
    readings += [a_reading(0.3, flagged=True, objected=True)]
    assert best_limit(SHARE, readings) is None


def words(prompt: Prompt) -> str:
    """A note of as many words as its item's number asks for: from 12 to 58."""
    number = next(number for number, name in enumerate(NAMES) if f"about {name}." in prompt.messages[-1].content)
    return " ".join((f"The {NAMES[number]} is here. " + SENTENCE * 9).split()[: 12 + 2 * number])


def run_of_lengths(project: Project) -> RunFile:
    """Texts of 12 to 58 words, where at most 30 are asked for; a longer one is flagged."""
    project.set("filters", length={"action": "flag"}, repetition={"action": "off"}, near_duplicate={"action": "off"})
    project.products(*NAMES)
    return project.run(words)


def judged(project: Project, file: RunFile, limit: int) -> None:
    """An editor who finds a text too long from so many words on."""
    for number, name in enumerate(NAMES):
        verb: Verb = "reject" if 12 + 2 * number > limit else "approve"
        decide(project, file, name, verb, reason="too_long" if verb == "reject" else "")


def of(found: list[Agreement], name: str) -> Agreement:
    return next(one for one in found if one.filter == name)


def test_a_filter_is_held_against_editors_and_its_tolerance_proposed(project: Project) -> None:
    file = run_of_lengths(project)
    judged(project, file, 44)
    found = calibrate([project.out / file.run_id])
    assert (found.records, found.in_conflict, found.text_changed) == (24, 0, 0)
    length = of(found.filters, "length")
    assert (length.flagged_objected, length.flagged_approved, length.passed_objected, length.passed_approved) == (
        7, 7, 0, 10)
    assert length.precision
    assert length.precision.share == 0.5
    assert length.recall
    assert length.recall.share == 1.0
    assert not length.too_few
    (limit,) = found.proposals
    assert limit.key == "filters.length.tolerance"
    assert (limit.now, limit.proposed, limit.agreed_now, limit.agreed_then) == (0.0, 0.5, 17, 24)


def test_the_proposed_limit_is_one_that_filters_take_and_then_agree_by(project: Project) -> None:
    file = run_of_lengths(project)
    judged(project, file, 44)
    (limit,) = calibrate([project.out / file.run_id]).proposals
    project.set("filters", length={"action": "flag", "tolerance": limit.proposed})
    again = project.run(words)
    flagged = [record.brief_id for record in project.records(again) if "too_long" in record.reasons]
    assert flagged == [name for number, name in enumerate(NAMES) if 12 + 2 * number > 44]


def test_an_objection_for_what_a_filter_cannot_find_says_nothing_of_it(project: Project) -> None:
    file = run_of_lengths(project)
    for name in NAMES:
        decide(project, file, name, "reject", reason="facts_wrong")
    length = of(calibrate([project.out / file.run_id]).filters, "length")
    assert (length.decided, length.aside, length.precision) == (0, 24, None)


def test_too_few_decisions_are_said_to_be_and_propose_nothing(project: Project) -> None:
    file = run_of_lengths(project)
    for number, name in enumerate(NAMES[: MIN_DECISIONS - 1]):
        verb: Verb = "reject" if number > 12 else "approve"
        decide(project, file, name, verb, reason="too_long" if verb == "reject" else "")
    found = calibrate([project.out / file.run_id])
    assert of(found.filters, "length").too_few
    assert found.proposals == []


def test_conflicts_are_counted_and_left_out_and_a_record_counts_once(project: Project) -> None:
    file = run_of_lengths(project)
    judged(project, file, 44)
    decide(project, file, NAMES[0], "reject", reason="other", editor="Bo")
    project.products(*NAMES, "item99")
    later = project.run(lambda prompt: SENTENCE if "item99" in prompt.messages[-1].content else words(prompt))
    found = calibrate([project.out / later.run_id, project.out / file.run_id])
    assert (found.records, found.in_conflict) == (23, 1)
    assert found.runs == [later.run_id, file.run_id]


def test_a_text_that_was_edited_counts_as_objected_to(project: Project) -> None:
    file = run_of_lengths(project)
    for name in NAMES:
        decide(project, file, name, "edit", text=f"Another text of {name}.")
    length = of(calibrate([project.out / file.run_id]).filters, "length")
    assert (length.flagged_objected, length.passed_objected) == (14, 10)


def test_nothing_is_changed_by_looking(project: Project) -> None:
    file = run_of_lengths(project)
    judged(project, file, 44)
    folder = project.out / file.run_id
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    calibrate([folder])
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert replace(file) == file


def test_a_page_has_a_line_for_each_filter_that_spoke_and_one_for_those_that_did_not() -> None:
    def of(name: str, flagged: int, approved: int, missed: int, *, few: bool = False) -> Agreement:
        return Agreement(filter=name, flagged_objected=flagged, flagged_approved=approved, passed_objected=missed,
                         passed_approved=30, aside=0, precision=wilson(flagged, flagged + approved),
                         recall=wilson(flagged, flagged + missed), too_few=few)

    filters = [of("echo", 0, 0, 2), of("empty", 0, 0, 0), of("length", 9, 1, 0), of("markdown", 1, 0, 0, few=True),
               of("tone", 20, 5, 5)]
    lines = [*_lines(Calibration(runs=["a"], records=70, in_conflict=0, text_changed=0, filters=filters, proposals=[]))]
    at = lines.index("filter               objected  approved   objected  approved  precision        recall")
    assert [line.split()[:6] for line in lines[at + 1 : at + 4]] == [
        ["tone", "20", "5", "5", "30", "80%"], ["length", "9", "1", "0", "30", "90%"],
        ["markdown", "*", "1", "0", "0", "30"]]
    assert "* too few to say: fewer than 20 decisions, or than 5 of either kind (1 filter)." in lines
    assert "Flagged none of these texts, with the objections that they could have found: echo 2." in lines
    assert "Flagged none of these texts, and no editor objected to what they look for: empty." in lines


@pytest.mark.parametrize("name", [*FILTERS, "near_duplicate", "safety"])
def test_every_filter_has_the_reasons_that_it_could_have_found(name: str) -> None:
    assert set(CONCERNS[name]) <= set(REASONS)


def test_a_proposal_says_what_would_change_how_sure_it_is_and_how_to_look_at_it() -> None:
    limit = Limit(filter="length", key="filters.length.tolerance", passes="at_most", now=0.1, proposed=0.3, decided=24,
                  agreed_now=12, agreed_then=23, p_value=0.001953, content_types=["note"], improved=["r1", "r2"],
                  worsened=["r9"])
    found = Calibration(runs=["a"], records=24, in_conflict=1, text_changed=2, filters=[], proposals=[limit])
    assert [*_lines(found)][-5:] == [
        "filters.length.tolerance = 0.3 in place of 0.1 (at most that passes), by texts of note:",
        "  it would agree with editors on 23 of 24 texts, now on 12; by chance alone with probability 0.0020",
        "  editors and that limit against today's, records: r1, r2",
        "  editors and today's limit against that, records: r9",
        "Nothing was changed. aigc trace RECORD shows one; aigc judge RUN tries other limits and makes no text.",
    ]
