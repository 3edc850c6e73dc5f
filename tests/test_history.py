"""Nights that were, and what they say of the next."""

from __future__ import annotations

import json
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from small_project import SHORT, Project, small_project

from aigc import cli
from aigc.errors import UsageError
from aigc.history import Night, forecast, nights
from aigc.provenance import RUN_FILE
from aigc.records import EngineInfo
from aigc.report import expected
from aigc.start import Request, start
from aigc.tally import DeviceUse, Forecast, Usage
from aigc.trends import draw


def a_night(run_id: str, tokens: int, seconds: float, *, digest: str = "sha256:m", **usage: Usage) -> Night:
    made = usage or {"note": Usage(rows=10, accepted=8, attempts=12, tokens_in=500, tokens_out=tokens)}
    plain = {"run_id": run_id, "tokens_out": tokens, "usage": made, "model": {"digest": digest},
             "timings": {"generate_s": seconds}}
    return msgspec.convert(plain, Night)


def of_machine(night: Night, *places: str, device: str = "", start_s: float = 0.0) -> Night:
    """The night on those engine processes, on such a device."""
    engine = EngineInfo(engine="local", model="m", model_digest="sha256:m", device=device)
    return msgspec.structs.replace(
        night, devices={place: DeviceUse() for place in places}, engines={"sha256:e": engine},
        timings=msgspec.structs.replace(night.timings, start_s=start_s),
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("bread", "rolls")
    return project


def test_a_run_tells_what_each_type_took(project: Project) -> None:
    run = project.run()
    [used] = run.usage.values()
    assert (used.rows, used.accepted, used.attempts) == (2, 2, 2)
    assert used.tokens_out == run.tokens_out > 0


def test_rows_that_were_taken_over_are_no_use_of_this_run(project: Project) -> None:
    project.run()
    project.products("bread", "rolls", "cake")
    assert project.run().usage["note"].rows == 1


def test_nights_are_finished_runs_newest_first_and_others_are_told(project: Project) -> None:
    first, second = project.run(), project.run(mode="new")
    (project.out / "broken").mkdir()
    (project.out / "broken" / RUN_FILE).write_bytes(b"\xff{")
    said: list[str] = []
    assert [night.run_id for night in nights(project.out, said.append)] == [second.run_id, first.run_id]
    assert len(said) == 1
    assert "broken" in said[0]


def test_a_night_of_an_older_version_has_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / RUN_FILE).write_text(json.dumps({"run_id": "old", "status": "finished", "rows": 3, "x": [1]}))
    [night] = nights(tmp_path)
    assert (night.rows, night.usage, night.took.tokens_per_s, night.cost(2.0)) == (3, {}, 0.0, 0.0)


def test_without_a_night_of_this_model_nothing_is_foretold() -> None:
    assert forecast({"note": 5}, 0, [], "sha256:m") is None
    assert forecast({"note": 5}, 0, [a_night("a", 1000, 10.0, digest="sha256:other")], "sha256:m") is None
    assert forecast({"note": 5}, 0, [a_night("a", 100, 10.0)], "sha256:m") is None  # too few tokens to tell of speed


def test_a_forecast_goes_by_what_each_type_took() -> None:
    night = a_night("a", 6000, 60.0, note=Usage(rows=10, accepted=8, attempts=12, tokens_out=1000),
                    story=Usage(rows=5, accepted=1, attempts=10, tokens_out=5000))
    found = forecast({"note": 20, "story": 10}, 7, [night], "sha256:m")
    assert found
    assert (found.rows, found.taken_over, found.texts, found.tokens_out, found.accepted) == (30, 7, 44, 12_000, 18)
    assert (found.seconds, found.basis, found.runs) == (120.0, "1 earlier run of this model", ["a"])


def test_a_type_that_was_never_made_counts_as_the_mean_of_the_others() -> None:
    found = forecast({"new": 10}, 0, [a_night("a", 1000, 10.0)], "sha256:m")
    assert found
    assert (found.tokens_out, found.texts, found.seconds) == (1000, 12, 10.0)


def test_nights_of_different_sizes_tell_the_start_apart_from_the_speed() -> None:
    past = [a_night("a", 1000, 30.0), a_night("b", 9000, 110.0)]  # 20 s to start, then 100 tokens a second
    found = forecast({"note": 100}, 0, past, "sha256:m")
    assert found
    assert found.tokens_out == 50_000
    assert found.seconds == 520.0


def test_of_a_run_with_nothing_to_make_no_time_is_expected_and_none_is_missed() -> None:
    past = [of_machine(a_night("a", 1000, 30.0), start_s=5.0), a_night("b", 9000, 110.0)]  # any run takes some seconds
    for wanted in ({"note": 0}, {}):
        found = forecast(wanted, 44, past, "sha256:m")
        assert found
        assert (found.rows, found.seconds, found.gpu_hours) == (0, 0.0, 0.0)
    older = Forecast(rows=0, taken_over=44, texts=0, tokens_out=0, seconds=356.0, accepted=0, basis="")
    assert [msgspec.structs.replace(past[0], forecast=each).off for each in (found, older)] == [None, None]


def test_loading_the_model_is_no_part_of_the_speed() -> None:
    past = [of_machine(a_night("a", 1000, 50.0), start_s=40.0)]
    found = forecast({"note": 100}, 0, past, "sha256:m")
    assert found
    assert (found.tokens_out, found.seconds) == (10_000, 140.0)  # 40 s to load, then 100 tokens a second
    assert past[0].took.tokens_per_s == 100.0


def test_all_devices_of_a_run_count_and_more_of_them_make_it_shorter() -> None:
    gpus = [f"GPU {number} (NVIDIA L4)" for number in range(4)]
    past = [of_machine(a_night("a", 4000, 50.0), *gpus, device="NVIDIA L4", start_s=40.0)]
    assert past[0].gpu_hours == pytest.approx(4 * 50 / 3600)
    assert past[0].cost(9.0) == pytest.approx(0.5)
    for devices, seconds, hours in ((0, 50.0, 4 * 50 / 3600), (4, 50.0, 4 * 50 / 3600), (1, 80.0, 80 / 3600)):
        found = forecast({"note": 10}, 0, past, "sha256:m", "NVIDIA L4", devices)
        assert found
        assert (found.seconds, found.gpu_hours) == (pytest.approx(seconds), pytest.approx(hours))


@pytest.mark.parametrize(
    ("device", "places", "count"),
    [
        ("cpu", [], 1),
        ("cpu", ["process 1", "process 2"], 1),
        ("cpu", ["worker 1 on a", "worker 2 on a", "worker 3 on b"], 2),
        ("NVIDIA L4", [], 1),
        ("NVIDIA L4", ["GPU 0 (NVIDIA L4)", "GPU 1 (NVIDIA L4)"], 2),
        ("NVIDIA L4", ["worker 1 on a", "worker 2 on a"], 2),
    ],
)
def test_devices_are_gpus_or_machines_without_any(device: str, places: list[str], count: int) -> None:
    assert of_machine(a_night("a", 1000, 10.0), *places, device=device).device_count == count


def test_runs_on_another_device_are_not_gone_by() -> None:
    past = [of_machine(a_night("a", 1000, 10.0), device="NVIDIA L4"),
            of_machine(a_night("b", 1000, 99.0), device="cpu")]
    found = forecast({"note": 10}, 0, past, "sha256:m", "cpu")
    assert found
    assert (found.runs, found.basis) == (["b"], "1 earlier run of this model on cpu")
    assert forecast({"note": 10}, 0, past, "sha256:m", "NVIDIA H100") is None


@pytest.mark.parametrize(
    ("changes", "price", "told"),
    [
        ({}, 0.0, "Expected: 1,000 texts to make, in about 1 h 15 min (1.25 hours of a device); 80% accepted, in 1,200 "
                  "attempts, 100,000 tokens. By 1 earlier run of this model."),
        ({"devices": 4, "taken_over": 50}, 2.0,
         "Expected: 1,000 texts to make, 50 more there already, in about 1 h 15 min (5.00 hours of 4 devices together, "
         "which cost 10.00); 80% accepted, in 1,200 attempts, 100,000 tokens. By 1 earlier run of this "
         "model."),
        ({"seconds": 12.0}, 2.0, "Expected: 1,000 texts to make, in about 10 s; 80% accepted, in 1,200 attempts, "
                                 "100,000 tokens. By 1 earlier run of this model."),
        ({"rows": 0, "taken_over": 7}, 0.0, "Expected: nothing to make; 7 texts there already."),
    ],
)
def test_what_is_expected_is_told_in_a_sentence(changes: dict[str, int | float], price: float, told: str) -> None:
    plain = Forecast(rows=1000, taken_over=0, texts=1200, tokens_out=100_000, seconds=4500.0, accepted=800,
                     basis="1 earlier run of this model")
    assert expected(msgspec.structs.replace(plain, **changes), price) == told


def test_nights_that_contradict_each_other_are_taken_in_proportion() -> None:
    past = [a_night("a", 1000, 50.0), a_night("b", 9000, 10.0)]
    found = forecast({"note": 20}, 0, past, "sha256:m")
    assert found
    assert found.seconds == pytest.approx(found.tokens_out * 30 / 5000)


def test_only_the_newest_nights_count() -> None:
    past = [a_night(str(at), 1000, 10.0) for at in range(9)]
    found = forecast({"note": 10}, 0, past, "sha256:m")
    assert found
    assert found.runs == ["0", "1", "2", "3", "4"]


def test_the_error_of_a_forecast_is_a_share_of_it() -> None:
    found = forecast({"note": 10}, 0, [a_night("a", 1000, 10.0)], "sha256:m")
    assert found
    assert [found.error(took) for took in (12.0, 8.0)] == pytest.approx([0.2, -0.2])
    assert found.gpu_hours == pytest.approx(10 / 3600)


def test_a_run_is_told_what_it_is_expected_to_take_and_its_report_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIGC_ENGINE_NAME", "scripted")
    sheet = Path(__file__).parent.parent / "inputs" / "briefs.csv"
    told = []
    for seed in (0, 1):
        request = Request(briefs=str(sheet), overrides={"run": {"seed": seed}})
        with start(request) as started:
            assert started.run
            told += [expected(started.file.forecast)] if started.file.forecast else []
            for shard in started.shards():
                started.run.generate(shard)
            file = started.run.finish()
    assert len(told) == 1  # the first run had nothing to go by
    assert told[0].startswith("Expected: 44 texts to make, in about ")
    assert file.forecast
    assert abs(file.forecast.tokens_out / file.tokens_out - 1) < 0.25
    written = (tmp_path / "outputs" / file.run_id / "report.md").read_text("utf-8")
    assert "| Time of making texts expected, taken |" in written


def test_rows_that_are_there_already_are_not_expected_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIGC_ENGINE_NAME", "scripted")
    shutil.copytree(Path(__file__).parent.parent / "inputs", tmp_path / "inputs")
    for limit in (30, None):
        with start(Request(briefs="inputs/briefs.csv", limit=limit)) as started:
            assert started.run
            for shard in started.shards():
                started.run.generate(shard)
            file = started.run.finish()
    assert file.forecast
    assert (file.forecast.taken_over, file.forecast.rows) == (file.taken_over, file.rows - file.taken_over)


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize(("ending", "starts"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"),
                                                ("html", b"<!doctype html>")])
def test_trends_are_drawn_the_same_each_time(tmp_path: Path, ending: str, starts: bytes, count: int) -> None:
    pytest.importorskip("matplotlib")
    past = [dated(a_night(str(at), 1000 * (at % 3), 10.0, digest=f"sha256:{at // 20}"), at) for at in range(count)]
    for name in ("one", "other"):
        draw(past, tmp_path / f"{name}.{ending}", 2.0, [["Run", "Model"], ["a", "<b> & $c$"]], ["≥ & so on"])
    drawn = (tmp_path / f"one.{ending}").read_bytes()
    assert drawn.startswith(starts)
    if ending == "html":
        assert b"<td>&lt;b&gt; &amp; $c$</td>" in drawn
        assert "<p>≥ &amp; so on</p>" in drawn.decode()
        assert b"<svg" in drawn
        assert b"http-equiv" not in drawn
        assert b"src=" not in drawn
    if ending == "png":
        assert drawn == (tmp_path / f"other.{ending}").read_bytes()


def dated(night: Night, day: int) -> Night:
    finished = datetime(2026, 10, 1, 2, tzinfo=UTC) + timedelta(days=day)
    model = msgspec.structs.replace(night.model, ref="<model> $1$")
    return msgspec.structs.replace(night, finished_at=finished.isoformat(), model=model, rows=10)


@pytest.mark.parametrize("step", [timedelta(minutes=4), timedelta(days=4)])
def test_runs_of_an_evening_fill_the_width_as_those_of_a_year_do(tmp_path: Path, step: timedelta) -> None:
    pytest.importorskip("matplotlib")
    began, night = datetime(2026, 10, 1, 2, tzinfo=UTC), dated(a_night("a", 1000, 10.0), 0)
    past = [msgspec.structs.replace(night, finished_at=(began + at * step).isoformat()) for at in range(4)]
    draw(past, tmp_path / "trend.svg")
    bar = r'd="M ([\d.]+) [\d.]+ \nL \1 [\d.]+ \n" clip-path[^>]*stroke-width: 4"'
    bars = [float(at) for at in dict.fromkeys(re.findall(bar, (tmp_path / "trend.svg").read_text()))]
    assert len(bars) == 4
    assert bars[-1] - bars[0] > 400


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--plot: found .*trend.gif; expected a file ending in .png"):
        draw([a_night("a", 1000, 10.0)], tmp_path / "trend.gif")


def test_history_lists_nights_with_what_was_expected_and_what_they_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aigc.toml").write_text("[monitoring]\nprice_per_gpu_hour = 3.6\n")
    for at, seconds in enumerate((100.0, 220.0)):
        folder = tmp_path / "outputs" / f"2026-11-2{at}-0200-briefs"
        folder.mkdir(parents=True)
        (folder / RUN_FILE).write_text(json.dumps({
            "run_id": "x", "status": "finished", "finished_at": f"2026-11-2{at}T02:10:00+00:00", "rows": 1000,
            "outcomes": {"accepted": 800}, "tokens_out": 9000, "model": {"ref": "/models/mine", "digest": "sha256:m"},
            "timings": {"generate_s": seconds, "start_s": 10.0},
            **({"forecast": {"rows": 1000, "taken_over": 0, "texts": 1, "tokens_out": 1, "seconds": 200.0,
                             "accepted": 1, "basis": ""}} if at else {}),
        }))
    monkeypatch.setattr(sys, "argv", ["aigc", "history"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.splitlines() == [
        "Run                     Texts  Accepted  Tokens/s        Took    Expected   Off  Cost  Model",
        "2026-11-21-0200-briefs  1,000       80%        43  3 min 40 s  3 min 20 s  +10%  0.22  mine",
        "2026-11-20-0200-briefs  1,000       80%       100  1 min 40 s           –     –  0.10  mine",
        "2 runs: 2,000 texts made, 80% accepted, 0.09 hours of devices, cost 0.32.",
    ]


def test_all_nights_together_count_each_text_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.run()
    project.products("bread", "rolls", "cake", "tart")
    second = project.run(lambda _: SHORT)
    assert (second.rows, second.taken_over, second.outcomes) == (4, 2, {"accepted": 2, "exhausted": 2})
    monkeypatch.setattr(sys, "argv", ["aigc", "history", "--out", str(project.out)])
    with pytest.raises(SystemExit):
        cli.main()
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("2 runs: 4 texts made (and 2 taken over, not counted again), 50% accepted, ")
