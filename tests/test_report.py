"""report.md and the lines a terminal shows: what happened, in figures that add up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from small_project import MODEL

from aigc.provenance import FileFacts, ModelFacts, RunFile, Timings
from aigc.report import duration, headline, outcome_lines, report, share
from aigc.report_words import reason_words
from aigc.settings import Settings
from aigc.tally import DeviceUse

RUN = RunFile(
    run_id="2026-11-24-0143-briefs-k3f9",
    status="finished",
    briefs="/work/briefs.csv",
    job="sha256:j",
    settings=Settings(),
    model=ModelFacts(ref=MODEL.ref, digest="sha256:0123456789abcdef"),
    started_at="2026-11-24T01:43:00.000+00:00",
    finished_at="2026-11-24T02:43:00.000+00:00",
    timings=Timings(generate_s=125.0),
    rows=1_250,
    tokens_out=250_000,
    skipped_rows=3,
    taken_over=12,
    made_before=7,
    attempts_before=1,
    brief_count=1_100,
    earlier={"before": 12},
    outcomes={"held": 200, "accepted": 1_000, "invalid": 50},
    acceptance={"note": {"accepted": 1_000, "held": 200}, "": {"invalid": 50}},
    reasons={"missing_required": {"invalid": 50}, "too_short": {"held": 150, "accepted": 20},
             "of_the_house": {"held": 1}},
    not_run={"safety": {"accepted": 1_000, "held": 200}},
    outputs=[FileFacts(path="accepted.csv", digest="sha256:a", bytes=1, rows=1_000)],
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (4.13, "4.1 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (200.4, "3 min 20 s"),
        (3_599.6, "1 h 00 min"),
        (3_720, "1 h 02 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_are_told_as_people_tell_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("part", "whole", "text"), [(1, 3, "33%"), (0, 5, "0%"), (5, 5, "100%"), (0, 0, "–")])
def test_a_share_of_nothing_is_a_dash(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def test_the_headline_tells_counts_and_speed() -> None:
    assert headline(RUN) == (
        "1,000 of 1,250 texts accepted (80%), 250,000 tokens in 2 min 05 s (2,000 tokens/s); "
        "12 texts taken over from earlier runs."
    )


def test_one_of_a_thing_is_told_as_one() -> None:
    run = replace(RUN, rows=1, tokens_out=1, taken_over=1, outcomes={"accepted": 1}, timings=Timings(generate_s=2.0))
    assert headline(run) == (
        "1 of 1 text accepted (100%), 1 token in 2.0 s (0.5 tokens/s); 1 text taken over from earlier runs."
    )


def test_outcomes_come_in_a_fixed_order_with_their_meaning() -> None:
    assert outcome_lines(RUN) == [
        "accepted 1,000: no filter objected",
        "held 200: waits for a person's decision",
        "invalid 50: the brief itself is wrong",
        "safety not run on 1,200: nobody looked for harm, since safety.model is not set",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "# Run 2026-11-24-0143-briefs-k3f9",
        "| Sheet | `/work/briefs.csv` |",
        "| Briefs | 1,100 |",
        "| Briefs of the sheet left out by rule | 3 |",
        "| Texts taken over unchanged | 12 from before |",
        "| Made before the last session | 7 texts, and 1 attempt at others |",
        "| accepted | 1,000 | no filter objected |",
        "| Content type | Texts | accepted | held | invalid | Share accepted |",
        "| note | 1,200 | 1,000 | 200 | 0 | 83% |",
        "| (none) | 50 | 0 | 0 | 50 | 0% |",
        "| shorter than its limit | `too_short` | 170 | held 150, accepted 20 |",
        "| of the house | `of_the_house` | 1 | held 1 |",
        "## Not checked",
        "| `safety` | 1,200 | accepted 1,000, held 200 | nobody looked for harm, since safety.model is not set |",
        "| [accepted.csv](accepted.csv) | 1,000 |",
    ],
)
def test_the_report_tells(line: str) -> None:
    assert line in report(RUN).splitlines()


def test_the_time_of_making_texts_stands_apart_from_that_of_reading_and_writing() -> None:
    timed = report(replace(RUN, timings=Timings(survey_s=0.7, generate_s=12.8, start_s=2.0, export_s=0.9)))
    assert ("| Time | 12.8 s of making texts; besides, 0.7 s of reading the sheet, 0.9 s of writing the results |"
            in timed.splitlines())


def test_where_every_filter_ran_nothing_is_said_of_it() -> None:
    checked = replace(RUN, not_run={})
    assert "Not checked" not in report(checked)
    assert not any("not run" in line for line in outcome_lines(checked))


@pytest.mark.parametrize(("page", "heading", "column"), [
    ("filters.md", "## The filters", 2), ("briefs.md", "## Codes", 1), ("results.md", "## Reasons", 2)])
def test_every_code_that_the_docs_tell_has_words(page: str, heading: str, column: int) -> None:
    text = (Path(__file__).parent.parent / "docs" / page).read_text("utf-8").partition(f"{heading}\n")[2]
    table = [line.split("|") for line in re.split(r"\n###? ", text)[0].splitlines() if line.startswith("|")]
    codes = {code for cells in table for code in re.findall(r"`([a-z_]+)`", cells[column])}
    ours = {"flag", "hold", "retry", "reject", "off", "slots", "openai"}
    assert len(codes) > 10
    assert [code for code in codes - ours if not reason_words(code)] == []


@pytest.mark.parametrize(("code", "words"), [
    ("too_short", "shorter than its limit"),
    ("unsafe_self_harm", "the classifier for harm found: self harm"),
    ("judge_on_brief", "the judge's answer to on brief was not the good one"),
    ("a_pack_of_the_house", ""),
])
def test_a_reason_is_told_in_words(code: str, words: str) -> None:
    assert reason_words(code) == words


def test_reasons_come_with_the_commonest_first() -> None:
    text = report(RUN)
    assert text.index("`too_short`") < text.index("`missing_required`")


def test_a_name_with_a_bar_or_a_line_break_stays_in_its_cell() -> None:
    assert (
        "| Sheet | `/work/a\\|b c.csv` |"
        in report(
            RunFile(**{name: getattr(RUN, name) for name in RUN.__struct_fields__} | {"briefs": "/work/a|b\nc.csv"})
        ).splitlines()
    )


@pytest.mark.parametrize(
    ("troubles", "told"),
    [
        ({}, ["| Process | Texts | Tokens | Busy | Speed |", "| GPU 0 | 30 | 3,000 | 10.0 s | 300 tokens/s |",
              "| GPU 1 | 20 | 2,000 | 10.0 s | 200 tokens/s |"]),
        ({"deaths": 2}, ["| Process | Texts | Tokens | Busy | Speed | Troubles |",
                         "| GPU 0 | 30 | 3,000 | 10.0 s | 300 tokens/s |  |",
                         "| GPU 1 | 20 | 2,000 | 10.0 s | 200 tokens/s | died 2 times |"]),
        ({"texts": 0, "tokens_out": 0, "busy_s": 0.0, "deaths": 1, "is_left_out": True},
         ["| Process | Texts | Tokens | Busy | Speed | Troubles |", "| GPU 0 | 30 | 3,000 | 10.0 s | 300 tokens/s |  |",
          "| GPU 1 | 0 | 0 | 0.0 s | – | died once, left out |"]),
    ],
)
def test_each_process_is_told_with_its_troubles(troubles: dict[str, int | float | bool], told: list[str]) -> None:
    second = replace(DeviceUse(texts=20, tokens_out=2_000, busy_s=10.0), **troubles)
    devices = {"GPU 0": DeviceUse(texts=30, tokens_out=3_000, busy_s=10.0), "GPU 1": second}
    text = report(replace(RUN, devices=devices))
    table = text.partition("## Processes")[2].partition("## Files")[0].strip().splitlines()[2:]
    assert [table[0], *table[2:]] == told
