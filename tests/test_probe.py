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
from aigc.probe import Seen, foretold, probe

SEEN = Seen(start_s=10.0, took_s=40.0, completions=100, tokens_out=20_000, in_engine_s=2_000.0, left=0, left_s=0.0,
            in_flight=50, rounds=100, accepted=60, again=20)
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
    assert (SEEN.row_tokens_per_s, SEEN.tokens_per_s, SEEN.tokens_each) == (10.0, 500.0, 200.0)


def test_an_engine_that_waits_for_all_else_is_as_fast_as_all_else() -> None:
    assert replace(SEEN, in_engine_s=2.0, took_s=100.0).tokens_per_s == 200.0
    assert replace(SEEN, in_engine_s=0.0, took_s=100.0).tokens_per_s == 200.0


def test_rows_that_were_left_count_for_as_long_as_they_had_been_made() -> None:
    short_ones_ended = replace(SEEN, completions=10, tokens_out=1_000, in_engine_s=100.0, left=10, left_s=400.0)
    assert short_ones_ended.tokens_each == 300.0  # 100 of one that ended, and 400 s at 10 tokens a second, of 20
    assert replace(SEEN, left=10, left_s=1.1).tokens_each == pytest.approx(200.1)


def test_a_forecast_counts_retries_the_start_and_the_last_rows(project: Project) -> None:
    found = foretold(SEEN, project.job(), {"note": 1_000}, 7)
    most = project.job().settings.run.max_attempts
    texts = 1_000 * sum(0.2**attempt for attempt in range(most))
    assert most > 1
    assert (found.rows, found.taken_over, found.devices, found.runs) == (1_000, 7, 1, [])
    assert (found.texts, found.tokens_out, found.accepted) == (round(texts), round(200 * texts), round(0.6 * texts))
    assert found.seconds == pytest.approx(10.0 + 200 * texts / 500 + 10.0, abs=0.1)
    assert found.basis == "a probe of 100 texts in 40 s"


def test_a_short_sheet_takes_as_long_as_a_row_that_is_made_again(project: Project) -> None:
    found = foretold(SEEN, project.job(), {"note": 25}, 0)
    assert found.seconds == pytest.approx(10.0 + 20.0 * 3 + 10.0)  # three texts of 20 s, one after the other
    once = foretold(replace(SEEN, again=0), project.job(), {"note": 25}, 0)
    assert once.seconds == pytest.approx(10.0 + 20.0 + 10.0)


def test_a_model_whose_texts_never_pass_takes_all_attempts(project: Project) -> None:
    found = foretold(replace(SEEN, accepted=0, again=100), project.job(), {"note": 10}, 0)
    assert (found.texts, found.accepted) == (10 * project.job().settings.run.max_attempts, 0)


def test_rows_are_taken_from_all_over_the_sheet_until_time_is_up(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = ModelRef(ref="scripted", digest="sha256:s")
    assert probe(project.job(), ROWS, scripted, NOBODY).completions >= ROWS
    monkeypatch.setattr("aigc.probe.FEED_S", 0.0)
    fed = probe(project.job(), ROWS, scripted, NOBODY)
    assert fed.completions < ROWS
    assert fed.left == 0, "rows that were begun came to their end"
    monkeypatch.setattr("aigc.probe.END_S", 0.0)
    ended = probe(project.job(), ROWS, scripted, NOBODY)
    assert ended.in_flight > 4
    assert ended.completions == -(-ended.in_flight // 2), "half of the first filling"
    assert ended.left > 0
    monkeypatch.setattr("aigc.probe.MOST_S", 0.0)
    assert probe(project.job(), ROWS, scripted, NOBODY).completions == 1


@pytest.mark.usefixtures("project")
def test_a_dry_run_with_a_probe_tells_what_a_run_takes_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert "--probe makes some rows first" in said(["--dry-run"], monkeypatch, capsys)
    told = said(["--probe"], monkeypatch, capsys)
    assert f"Expected: {ROWS} rows to make, in about " in told
    assert " By a probe of " in told
    forecast = json.loads(said(["--dry-run", "--probe", "--json"], monkeypatch, capsys))["forecast"]
    assert forecast["rows"] == ROWS
    assert forecast["tokens_out"] > 0
    assert sorted(tmp_path.rglob("*")) == before


def said(options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["aigc", "run", "briefs.csv", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    return capsys.readouterr().out
