"""What a run took that was stopped and gone on with: every session counts once, and no figure mixes two spans."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from small_project import GOOD, SHORT, Project, interrupted, small_project

from aigc import cli
from aigc.console import show_result
from aigc.history import nights
from aigc.provenance import RUN_FILE, RunFile
from aigc.records import Completion, Prompt
from aigc.report import headline, report, this_session
from aigc.sessions import Session, together
from aigc.store import Store
from aigc.tally import Forecast

OF_SESSIONS = ("sessions", "whole", "attempts_before", "brief_count")
"""What run.json of an older version does not have."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("kettle", "lamp", "stool", "bowl", "chair", "cup")
    return project


def killed(project: Project, answers: int, text: str = GOOD) -> RunFile:
    """run.json of a run that is killed without warning after so many answers."""

    def script(prompt: Prompt) -> Completion:
        if len(project.prompts) > answers:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return Completion(request_id=prompt.request_id, text=text, finish_reason="stop", tokens_in=3, tokens_out=7,
                          generate_s=0.01)

    if (child := os.fork()) == 0:
        try:
            project.run(script, slots=1)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    return project.newest()


def written(project: Project, file: RunFile) -> dict[str, object]:
    found: dict[str, object] = json.loads((project.out / file.run_id / RUN_FILE).read_text())
    return found


def without_sessions(project: Project, file: RunFile, **changes: object) -> None:
    """run.json as a version wrote it that kept nothing of sessions."""
    plain = {name: value for name, value in written(project, file).items() if name not in OF_SESSIONS}
    (project.out / file.run_id / RUN_FILE).write_text(json.dumps({**plain, **changes}))


def test_a_run_that_was_killed_twice_tells_what_all_sessions_took(project: Project) -> None:
    for answers in (2, 1):
        assert killed(project, answers).status == "running"
    file = project.run()
    assert [each.ended for each in file.sessions] == ["killed", "killed", "finished"]
    assert [each.texts for each in file.sessions] == [2, 1, 3]
    assert [each.accepted for each in file.sessions] == [2, 1, 3]
    [used] = file.usage.values()
    assert (file.whole.attempts, file.whole.tokens_out) == (used.attempts, used.tokens_out)
    assert file.whole.tokens_in == used.tokens_in
    assert (file.whole.sessions, file.whole.not_known) == (3, 0)
    assert all(each.generate_s >= 0.01 * each.attempts for each in file.sessions[:2])
    assert file.whole.generate_s == pytest.approx(sum(each.generate_s for each in file.sessions))
    assert project.newest() == file


def test_a_session_that_could_tell_its_end_is_told_by_itself(project: Project) -> None:
    interrupted(project, 2, KeyboardInterrupt)
    stopped = interrupted(project, 1, OSError)
    assert [each.ended for each in stopped.sessions] == ["interrupted", "failed"]
    file = project.run()
    assert file.sessions[:2] == stopped.sessions
    assert [each.attempts for each in file.sessions] == [2, 1, 3]
    assert file.whole.tokens_out == sum(used.tokens_out for used in file.usage.values())


def test_attempts_that_were_kept_without_their_rows_are_told(project: Project) -> None:
    project.set("run", max_attempts=3)
    killed(project, 3, SHORT)
    file = project.run()
    assert (file.made_before, file.attempts_before) == (1, 0)
    killed_again = small_project(project.folder / "other")
    killed_again.set("run", max_attempts=3)
    killed(killed_again, 2, SHORT)
    other = killed_again.run()
    assert (other.made_before, other.attempts_before) == (0, 2)
    assert "| Made before the last session | 2 attempts |" in report(other)
    assert this_session(other).endswith("; before it 2 attempts.")
    assert [each.attempts for each in other.sessions] == [2, 3]
    for run in (file, other):  # an attempt stands in the journal alone, and once more with the row that it settled
        assert run.whole.attempts == sum(used.attempts for used in run.usage.values())


def test_attempts_of_other_runs_are_not_this_runs(project: Project) -> None:
    project.run()
    project.set("filters", length={"tolerance": 0.9})
    assert project.run().attempts_before == 0


def test_of_a_session_that_was_killed_before_its_first_text_nothing_is_guessed(project: Project) -> None:
    killed(project, 0)
    killed(project, 2)
    file = project.run()
    assert [each.is_known for each in file.sessions] == [False, True, True]
    assert (file.whole.sessions, file.whole.not_known, file.whole.attempts) == (3, 1, 6)
    assert " of 2 sessions " in headline(file)
    assert ", and what other sessions took is not known" in headline(file)
    assert " | killed | not known |  |  |  |  |  |" in report(file)
    assert "| All that is known |" in report(file)


def test_a_speed_is_tokens_of_some_sessions_over_the_time_of_the_same_ones() -> None:
    first = Session(began_at="a", ended="killed", tokens_out=300, generate_s=13.0, start_s=10.0)
    lost = Session(began_at="b", ended="killed", is_known=False)
    last = Session(began_at="c", ended="finished", tokens_out=100, generate_s=6.0, start_s=5.0, devices=4)
    took = together([first, lost, last])
    assert (took.tokens_out, took.work_s, took.tokens_per_s) == (400, 4.0, 100.0)
    assert (took.generate_s, took.device_s) == (19.0, 13.0 + 4 * 6.0)
    assert (took.sessions, took.not_known) == (3, 1)
    assert together([lost]).tokens_per_s == 0.0


def test_report_and_history_have_the_same_figures(project: Project) -> None:
    killed(project, 3)
    file = project.run()
    [night] = nights(project.out)
    assert night.took == file.took == file.whole
    assert f"{file.took.tokens_per_s:,.0f} tokens/s" in headline(file)
    assert night.gpu_hours == file.whole.device_s / 3600 > file.timings.generate_s / 3600


def test_what_was_expected_stands_beside_what_came_of_the_same_session(project: Project) -> None:
    killed(project, 4)
    file = project.run()
    told = report(replace(file, forecast=Forecast(
        rows=2, taken_over=4, texts=2, tokens_out=48, seconds=file.session.generate_s, accepted=2, basis="it")))
    assert "| Texts expected, made in the last session | 2, 2 |" in told
    assert f"| Tokens expected, made in the last session | 48, {file.tokens_out} |" in told
    assert "| Accepted expected, found in the last session | 100%, 100% of texts made |" in told
    assert ", +0% (by it) |" in told


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_an_unfinished_run_of_an_older_version_is_read_from_its_journal(project: Project, status: str) -> None:
    without_sessions(project, killed(project, 2), status=status)
    file = project.run()
    assert [(each.ended, each.texts, each.attempts, each.is_known) for each in file.sessions] == [
        ("killed" if status == "running" else status, 2, 2, True), ("finished", 4, 4, True)]
    assert file.whole.tokens_out == sum(used.tokens_out for used in file.usage.values())


def test_what_an_older_version_did_not_keep_is_not_known(project: Project) -> None:
    before = killed(project, 2)
    without_sessions(project, killed(project, 1))
    file = project.run()
    assert [(each.began_at, each.ended, each.attempts) for each in file.sessions][:2] == [
        (before.started_at, "unknown", 0), (file.sessions[1].began_at, "killed", 1)]
    assert (file.whole.not_known, file.whole.attempts) == (1, 4)


@pytest.mark.parametrize(("began_at", "sessions", "told"), [
    ("2026-11-24T01:43:00.000+00:00", 1, "900 tokens in 10.0 s (2.0 s to begin, then 112 tokens/s)."),
    ("2026-11-24T02:00:00.000+00:00", 2, "900 tokens in 10.0 s of 1 session (2.0 s to begin, then 112 tokens/s), "
                                         "and what other sessions took is not known."),
])
def test_a_finished_run_of_an_older_version_tells_what_is_known(
    project: Project, began_at: str, sessions: int, told: str
) -> None:
    file = project.run()
    without_sessions(project, file, started_at="2026-11-24T01:43:00.000+00:00", session_at=began_at, tokens_out=900,
                     timings={"generate_s": 10.0, "start_s": 2.0}, settings={})
    old = project.newest()
    assert len(old.all_sessions) == sessions
    assert told in headline(old)
    assert nights(project.out)[0].took.not_known == sessions - 1


def test_history_says_of_which_sessions_its_columns_are(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(project, 0)
    killed(project, 3)
    file = project.run()
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(sys, "argv", ["aigc", "history", "--price", "2"])
    with pytest.raises(SystemExit):
        cli.main()
    heads, night, _, *notes = capsys.readouterr().out.splitlines()
    assert heads.split() == ["Run", "Texts", "Accepted", "Tokens/s", "Took", "Sessions", "Expected", "Off", "Cost",
                             "Model"]
    assert night.split()[:4] == [file.run_id, "6", "100%", f"{file.took.tokens_per_s:,.0f}"]
    assert night.split()[4] == "≥"
    assert notes == [
        "Of a run of several sessions, Expected and Off are of the last one, all else is of the whole run.",
        "≥: of some sessions nobody can tell any more what they took.",
    ]


def test_a_run_in_one_go_has_nothing_to_tell_of_sessions(project: Project) -> None:
    file = project.run()
    assert file.whole.attempts == file.sessions[0].attempts == 6
    assert this_session(file) == ""
    assert not any(word in report(file) for word in ("session", "Sessions", "Made before"))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_session_without_a_text_was_all_beginning(
    project: Project, stop: type[BaseException]
) -> None:
    file = interrupted(project, 0, stop)
    [session] = file.sessions
    assert session.generate_s == session.start_s
    assert session.spent.tokens_per_s == 0.0




def test_a_run_that_was_stopped_is_shown_with_what_it_has_so_far(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(project, 2)
    file = interrupted(project, 3, KeyboardInterrupt)
    show_result(project.out / file.run_id, file, as_json=False)
    told = r"\n  made 5 texts, 86 tokens in \d\.\d s of 2 sessions \(.*tokens/s\)\n"  # 2 of 7 tokens, 3 of 24
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file.run_id}: interrupted. The command that started it, without --new, goes on from")
    assert "\n  so far 5 of 6 texts\n" in shown
    assert re.search(told, shown)
    again = killed(project, 0)
    assert again.sessions[-1].tokens_out == 0  # it cannot be known yet, and is no part of what is told
    show_result(project.out / file.run_id, again, as_json=False)
    assert re.search(told.replace("made", "before the latest session"), capsys.readouterr().out)


def test_a_run_that_was_killed_is_not_shown_as_running_and_one_at_work_names_its_process(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    file = killed(project, 2)
    show_result(project.out / file.run_id, file, as_json=False)
    goes_on = "The command that started it, without --new, goes on from there."
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file.run_id}: stopped without closing. {goes_on}\n")
    assert shown.endswith("\n  so far 2 of 6 texts\n")
    with Store.open(project.out / file.run_id):
        show_result(project.out / file.run_id, file, as_json=False)
    shown = capsys.readouterr().out
    assert shown.startswith(f"{file.run_id}: running, by process {os.getpid()} on ")
    assert goes_on not in shown


def test_texts_that_were_taken_over_are_told_among_those_that_are_done(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.run()
    project.products("kettle", "lamp", "stool", "bowl", "chair", "cup", "jug", "tray", "vase")
    file = interrupted(project, 2, KeyboardInterrupt)
    show_result(project.out / file.run_id, file, as_json=False)
    assert "\n  so far 8 of 9 texts, 6 of them taken over\n  made 2 texts, " in capsys.readouterr().out


def test_of_an_older_version_no_figure_of_the_whole_run_stands_beside_one_of_a_session(project: Project) -> None:
    killed(project, 4)
    file = project.run()
    without_sessions(project, file, settings={}, forecast={
        "rows": 2, "taken_over": 4, "texts": 2, "tokens_out": 48, "seconds": 1.0, "accepted": 2, "basis": "it"})
    told = report(project.newest())
    assert "| Texts expected, made in the last session | 2, 2 |" in told
    assert f"| Tokens expected, made in the last session | 48, {file.tokens_out} |" in told
    assert "Accepted expected" not in told
    assert f" | finished | – | – | {file.tokens_out} | " in told
