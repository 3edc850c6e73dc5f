"""What a run shows while it works: figures that are right, and a time left only once it is no guess."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import GOOD, SHORT, Power, small_project

from aigc.progress import BEFORE, LEAST_MADE, Lines, figures, left_s, open_progress
from aigc.records import Completion, Prompt
from aigc.report import about, speed
from aigc.tally import Tally


def tally(*, done: int, began_ago_s: float = 10.0, loaded_in_s: float = 0.0, **values: int) -> Tally:
    """A run of 100 rows whose first text was begun a while ago, and whose model was loaded before that."""
    now_s = time.monotonic()
    found = Tally(total=100, done=done, started_s=now_s - began_ago_s - loaded_in_s, began_s=now_s - began_ago_s)
    found.outcomes = Counter(accepted=done)
    found.attempts = values.pop("attempts", done)
    for name, value in values.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(("so_far", "seconds"), [
    ({"done": 1}, None),
    ({"done": LEAST_MADE - 1}, None),
    ({"done": 20}, 40.0),
    ({"done": 20, "loaded_in_s": 600}, 40.0),
    ({"done": 20, "in_flight": 64}, None),
    ({"done": 64, "in_flight": 64}, 5.6),
    ({"done": 60, "made_before": 40}, 20.0),
    ({"done": 45, "made_before": 40}, None),
    ({"done": 60, "attempts": 20}, 20.0),
    ({"done": 100}, None),
], ids=["one row", "few rows", "enough", "loading left out", "fewer than at a time", "as many as at a time",
        "made before left out", "too few beside made before", "replayed and refused left out", "all"])
def test_a_time_left_is_told_once_it_is_no_guess(so_far: dict[str, int], seconds: float | None) -> None:
    shown = tally(**so_far)
    found = left_s(shown)
    assert found == (seconds and pytest.approx(seconds, rel=0.05))
    assert figures(shown).endswith("left") == (seconds is not None)


@pytest.mark.parametrize(("seconds", "told"), [
    (0.3, "5 s"), (37.2, "35 s"), (58.0, "1 min"), (63.0, "1 min"), (201.0, "3 min 20 s"), (598.0, "10 min"),
    (843.0, "14 min"), (4_000.0, "1 h 07 min"), (7_200.0, "2 h 00 min"),
])
def test_a_time_left_is_told_no_more_finely_than_it_is_known(seconds: float, told: str) -> None:
    assert about(seconds) == told


@pytest.mark.parametrize("term", ["", "dumb"])
def test_without_a_terminal_there_are_plain_lines(
    term: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", term)
    with open_progress(quiet=False) as progress:
        for done in (1, 50, 100):
            progress(tally(done=done, tokens_out=500))
    assert capsys.readouterr().err == "100/100 texts · 100 accepted · 50 tokens/s\n"


def test_a_log_is_told_that_the_first_row_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("aigc.progress.LINE_EVERY_S", 0.02)
    deadline, told = time.monotonic() + 30, ""
    with Lines():
        while told.count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
            told += capsys.readouterr().err
    assert set(told.splitlines()) == {f"{BEFORE} · 0 s"}


def test_bad_rows_count_for_nothing_in_it() -> None:
    shown = tally(done=60, attempts=20)
    shown.outcomes = Counter(invalid=50, accepted=10)
    assert left_s(shown) == pytest.approx(40.0, rel=0.02)


def test_no_figure_is_told_before_the_first_text_is_there() -> None:
    shown = Tally(total=100, done=30, made_before=30)
    assert figures(shown) == "0 accepted · 30 made before"


@pytest.mark.parametrize(("tokens", "told"), [(10, "1.0 tokens/s"), (4, "0.4 tokens/s"), (15_000, "1,500 tokens/s")])
def test_tokens_a_second_are_told_down_to_tenths_where_they_are_few(tokens: int, told: str) -> None:
    assert speed(tokens, 10.0) == told
    assert figures(tally(done=2, tokens_out=tokens)).endswith(" tokens/s")


def first_too_short(stop_after: int = 99) -> Callable[[Prompt], str | Completion]:
    """A script whose every first attempt is too short; the machine stops after so many texts."""
    left = iter(range(stop_after))

    def script(prompt: Prompt) -> str | Completion:
        if next(left, None) is None:
            raise Power
        text = GOOD if prompt.attempt else SHORT
        return Completion(request_id="", text=text, finish_reason="stop", tokens_out=2, generate_s=3.0)

    return script


def test_a_resumed_run_shows_the_retries_of_all_its_sessions(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    with pytest.raises(Power), project.opened(project.engine(first_too_short(stop_after=4), slots=1)) as (job, run):
        run.generate(job.rows())
    assert (run.tally.retries, run.tally.made_before) == (2, 0)
    with project.opened(project.engine(first_too_short(), slots=1)) as (job, run):
        run.generate(job.rows())
    assert (run.tally.made_before, run.tally.retries) == (2, 3)


def test_a_texts_own_seconds_are_part_of_the_rate_and_what_came_before_it_is_not(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    with project.opened(project.engine(first_too_short())) as (job, run):
        run.generate(job.rows())
    assert run.tally.began_s is not None
    assert 3.0 <= time.monotonic() - run.tally.began_s < 60
