"""What a few rows say of all: the arithmetic, and probes of a sheet that are kept nowhere."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_project import Project, small_project

from aigc import cli
from aigc.jury import NOBODY
from aigc.models import ModelRef
from aigc.probe import Round, Seen, foretold, probe

FIRST = Round(completions=100, tokens_out=20_000, judged=100, accepted=60, again=20)
SEEN = Seen(start_s=10.0, took_s=40.0, in_engine_s=2_000.0, in_flight=50, rounds=[FIRST])
"""50 rows at a time, of 200 tokens at 10 tokens a second each; a fifth of the texts is to be made again."""
ROWS = 300


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIGC_ENGINE_NAME", "scripted")
    project = small_project(tmp_path)
    project.products(*(f"kettle {number}" for number in range(ROWS)))
    project.set("engine", name="scripted")
    return project


def test_a_full_engine_makes_so_many_rows_at_a_time() -> None:
    assert (SEEN.row_tokens_per_s, SEEN.tokens_per_s, SEEN.tokens_each(FIRST)) == (10.0, 500.0, 200.0)


def test_an_engine_that_waits_for_all_else_is_as_fast_as_all_else() -> None:
    assert replace(SEEN, in_engine_s=2.0, took_s=100.0).tokens_per_s == 200.0
    assert replace(SEEN, in_engine_s=0.0, took_s=100.0).tokens_per_s == 200.0


def test_rows_that_were_left_count_for_as_long_as_they_had_been_made() -> None:
    short_ones_ended = Round(completions=10, tokens_out=1_000, left=10, left_s=400.0, judged=10)
    seen = replace(SEEN, in_engine_s=100.0, rounds=[short_ones_ended])
    assert seen.tokens_each(short_ones_ended) == 500.0  # 1,000 that ended and 400 s at 10 a second, of 10 that ended


def test_a_forecast_counts_retries_the_start_and_the_last_rows(project: Project) -> None:
    found = foretold(SEEN, project.job(), {"note": 1_000}, 7)
    most = project.job().settings.run.max_attempts
    texts = 1_000 * sum(0.2**attempt for attempt in range(most))
    assert most > 1
    assert (found.rows, found.taken_over, found.devices, found.runs) == (1_000, 7, 1, [])
    assert (found.texts, found.tokens_out, found.accepted) == (round(texts), round(200 * texts), round(0.6 * texts))
    assert found.seconds == pytest.approx(10.0 + 200 * texts / 500 + 10.0, abs=0.1)
    assert found.basis == "a probe of 100 attempts in 40 s"


def test_where_nothing_is_to_be_made_it_takes_no_time(project: Project) -> None:
    found = foretold(SEEN, project.job(), {"note": 0}, 7)
    assert (found.rows, found.taken_over, found.texts, found.seconds) == (0, 7, 0, 0.0)


def test_a_second_attempt_is_as_it_was_seen_and_not_as_a_first(project: Project) -> None:
    first = Round(completions=100, tokens_out=20_000, judged=100, accepted=50, again=50)
    second = Round(completions=40, tokens_out=12_000, judged=40, accepted=10, again=30)
    found = foretold(replace(SEEN, rounds=[first, second]), project.job(), {"note": 1_000}, 0)
    assert project.job().settings.run.max_attempts == 3
    assert found.accepted == 500 + 125 + round(375 / 4)  # the third, of which none was seen, as the second
    assert found.texts == 1_000 + 500 + 375
    assert found.tokens_out == 1_000 * 200 + 500 * 300 + 375 * 300


def test_few_second_attempts_count_with_the_first_ones(project: Project) -> None:
    one = Round(completions=1, tokens_out=200, judged=1, again=1)
    found = foretold(replace(SEEN, rounds=[FIRST, one]), project.job(), {"note": 1_000}, 0)
    again = 21 / 101
    assert found.texts == round(1_000 + 200 + 200 * again)
    assert found.accepted == round(600 + (200 + 200 * again) * 60 / 101)


def test_a_short_sheet_takes_as_long_as_a_row_that_is_made_again(project: Project) -> None:
    found = foretold(SEEN, project.job(), {"note": 25}, 0)
    assert found.seconds == pytest.approx(10.0 + 20.0 * 3 + 10.0)  # three texts of 20 s, one after the other
    once = foretold(replace(SEEN, rounds=[replace(FIRST, again=0)]), project.job(), {"note": 25}, 0)
    assert once.seconds == pytest.approx(10.0 + 20.0 + 10.0)


def test_a_model_whose_texts_never_pass_takes_all_attempts(project: Project) -> None:
    never = replace(SEEN, rounds=[replace(FIRST, accepted=0, again=100)])
    found = foretold(never, project.job(), {"note": 10}, 0)
    assert (found.texts, found.accepted) == (10 * project.job().settings.run.max_attempts, 0)


def test_rows_are_taken_from_all_over_the_sheet_until_time_is_up(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = ModelRef(ref="scripted", digest="sha256:s")
    assert probe(project.job(), ROWS, scripted, NOBODY).completions >= ROWS
    monkeypatch.setattr("aigc.probe.FEED_S", 0.0)
    fed = probe(project.job(), ROWS, scripted, NOBODY)
    assert fed.completions < ROWS
    assert sum(each.left for each in fed.rounds) == 0, "rows that were begun came to their end"
    monkeypatch.setattr("aigc.probe.END_S", 0.0)
    ended = probe(project.job(), ROWS, scripted, NOBODY)
    assert ended.in_flight > 4
    assert ended.completions == -(-ended.in_flight // 2), "half of the first filling"
    assert sum(each.left for each in ended.rounds) > 0
    monkeypatch.setattr("aigc.probe.MOST_S", 0.0)
    assert probe(project.job(), ROWS, scripted, NOBODY).completions == 1


@pytest.mark.usefixtures("project")
def test_a_dry_run_with_a_probe_tells_what_a_run_takes_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert "--probe makes some texts first" in said(["--dry-run"], monkeypatch, capsys)
    told = said(["--probe"], monkeypatch, capsys)
    assert f"Expected: {ROWS} texts to make, in about " in told
    assert " By a probe of " in told
    forecast = json.loads(said(["--dry-run", "--probe", "--json"], monkeypatch, capsys))["forecast"]
    assert forecast["rows"] == ROWS
    assert forecast["tokens_out"] > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_probe_of_a_sheet_that_is_made_makes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.products("kettle", "lamp")
    for options in (["--quiet"], ["--probe"]):
        monkeypatch.setattr(sys, "argv", ["aigc", "run", "briefs.csv", *options])
        with pytest.raises(SystemExit):
            cli.main()
        told = capsys.readouterr()
    assert "Expected: nothing to make; 2 texts there already." in told.out
    assert "Making some texts" not in told.err


def said(options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["aigc", "run", "briefs.csv", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    return capsys.readouterr().out
