"""Redo, export and report as their users meet them: from a run to what is published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aigc.cli import app
from aigc.errors import AigcError
from aigc.review.reviewable import reviewables

PROGRAM = [sys.executable, "-c", "from aigc.cli import main; main()"]
TEMPLATE = """
title = "Note"
languages = ["en"]
[fields.product]
required = true
[output]
format = "text"
"""
Aigc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def aigc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aigc:
    """Runs a command in a project of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    Path("templates/note").mkdir(parents=True)
    Path("templates/note/template.toml").write_text(TEMPLATE, "utf-8")
    Path("templates/note/system.j2").write_text("You write notes.\n", "utf-8")
    Path("templates/note/user.j2").write_text("Write about {{ product }}.\n", "utf-8")
    Path("aigc.toml").write_text('[engine]\nname = "scripted"\n', "utf-8")

    def call(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, AigcError):
            return done.exception.exit_code, done.stdout, str(done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return call


def briefs(*names: str) -> None:
    rows = "".join(f"{name},note,{name}\n" for name in names)
    Path("briefs.csv").write_text(f"id,content_type,product\n{rows}", "utf-8")


def made(aigc: Aigc) -> str:
    code, out, err = aigc("run", "briefs.csv", "--json")
    assert code == 0, err
    return str(json.loads(out)["run_id"])


def decisions(run_id: str, **said: tuple[str, str]) -> Path:
    """A file as review.html exports it; `kettle=("reject", "colder")` has a note."""
    rows = {row.record.brief_id: row for row in reviewables(Path("outputs") / run_id)}
    lines: list[dict[str, object]] = [{"aigc_review": 1, "run_id": run_id, "editor": "Ana"}]
    for name, (action, note) in said.items():
        reason = "tone_wrong" if action == "reject" else ""
        text = "An editor's own words about it." if action == "edit" else ""
        lines.append({"record_id": rows[name].record.record_id, "run_id": run_id, "action": action, "editor": "Ana",
                      "at": "2026-11-24T10:00:00.000Z", "base": rows[name].base, "reason": reason, "note": note,
                      "text": text})
    path = Path(f"{run_id}.jsonl")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_from_a_run_over_decisions_and_a_redo_to_an_export(aigc: Aigc) -> None:
    briefs("kettle", "lamp", "stool")
    first = made(aigc)
    file = decisions(first, kettle=("approve", ""), lamp=("reject", "colder"), stool=("edit", ""))
    assert aigc("review", "import", first, str(file))[0] == 0

    code, out, err = aigc("redo", first)
    assert code == 0, err
    second = out.splitlines()[-1].split()[-2]
    assert out.splitlines() == [
        f"1 refused text of {first} made again, 1 accepted: {Path('outputs') / second}",
        f"To review: aigc review files {second} --open"]

    code, out, _ = aigc("review", "status", second)
    assert out.splitlines()[:2] == [f"{second}: 2 of 3 texts decided, 1 open.", "  approved     2, 1 with an edit"]
    assert aigc("review", "import", second, str(decisions(second, lamp=("approve", ""))))[0] == 0

    code, out, err = aigc("export", second, "--approved", "--format", "jsonl", "--format", "markdown", "--to", "site")
    assert (code, out.splitlines()[-1]) == (0, "3 approved texts, 1 of them edited: site"), err
    rows = {row["id"]: row for row in map(json.loads, Path("site/approved.jsonl").read_text("utf-8").splitlines())}
    assert rows["stool"]["text"] == "An editor's own words about it."
    assert len(rows["lamp"]["provenance"]["decisions"]) == 2
    assert len([*Path("site/markdown/note").glob("*.md")]) == 3
    assert aigc("verify", second)[0] == 0

    code, out, _ = aigc("trace", "lamp")
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith(("Attempt", "Decision"))] == [
        "Attempt 1", "Decision of Ana", "Attempt 2, which stands for the row", "Decision of Ana"]


def test_every_row_is_in_the_last_line_and_what_to_know_first_is_on_stderr(aigc: Aigc) -> None:
    Path("briefs.csv").write_text(
        "id,content_type,product,variants\n" + "".join(f"p{at},note,kettle {at},2\n" for at in range(8)), "utf-8")
    run_id = made(aigc)
    file = decisions(run_id, **{f"p{at}": ("approve", "") for at in range(7)})
    rows = [row for row in reviewables(Path("outputs") / run_id) if row.record.variant == 0]
    more = [json.loads(line) for line in file.read_text("utf-8").splitlines()[1:]]
    for line, row in zip(more, rows, strict=False):
        line |= {"record_id": row.record.record_id, "base": row.base}
    file.write_text(file.read_text("utf-8") + "".join(json.dumps(line) + "\n" for line in more), "utf-8")
    assert aigc("review", "import", run_id, str(file))[0] == 0
    code, out, err = aigc("export", run_id, "--approved")
    assert (code, out) == (0, f"14 approved texts, of 16 rows; 2 undecided: outputs/{run_id}/approved\n")
    assert err.startswith("7 briefs have more than one approved text, and all of them are in it: "
                          "p0 (2), p1 (2), p2 (2), p3 (2), p4 (2) and 2 more. To publish one of each, reject")
    code, out, err = aigc("export", run_id)
    assert (code, out) == (0, f"16 accepted texts: outputs/{run_id}/accepted\n")
    assert err.startswith("2 texts that nobody decided on have no visible label. Where they inform the public on "
                          "matters of public interest, the EU's AI Act asks for one unless people review them and ")


def test_an_approved_text_that_is_left_out_is_told_and_ends_with_three(aigc: Aigc) -> None:
    briefs("kettle", "lamp")
    run_id = made(aigc)
    aigc("review", "import", run_id, str(decisions(run_id, kettle=("approve", ""), lamp=("approve", ""))))
    other = decisions(run_id, lamp=("reject", ""))
    other.write_text(other.read_text("utf-8").replace('"Ana"', '"Bo"'), "utf-8")
    assert aigc("review", "import", run_id, str(other))[0] == 3
    code, out, _ = aigc("export", run_id, "--approved")
    assert code == 3
    assert out.splitlines()[0].startswith("lamp/0 (")
    assert out.splitlines()[-1] == (
        f"1 approved text, of 2 rows; 1 left out (in_conflict 1): outputs/{run_id}/approved")
    code, out, _ = aigc("export", run_id, "--approved", "--json")
    told = json.loads(out)
    assert (code, told["approved_left_out"], told["statement"]["left_out"]) == (3, True, {"in_conflict": 1})


def test_where_nothing_is_refused_nothing_is_made(aigc: Aigc) -> None:
    briefs("kettle")
    run_id = made(aigc)
    assert aigc("redo", run_id) == (0, f"No text of {run_id} stands refused: nothing is made.\n", "")
    code, out, _ = aigc("redo", run_id, "--json")
    assert (code, json.loads(out)) == (0, {"redo_of": run_id, "refused": 0, "accepted": 0, "stale": [], "folder": None,
                                           "run": None})
    assert [path.name for path in Path("outputs").iterdir() if path.is_dir()] == [run_id]


def test_a_csv_export_says_that_it_has_no_place_for_the_hidden_label(aigc: Aigc) -> None:
    briefs("kettle")
    run_id = made(aigc)
    code, out, _ = aigc("export", run_id, "--format", "csv")
    assert code == 0
    assert out.startswith("CSV has no place for the hidden label")


def test_a_run_without_decisions_has_nothing_approved(aigc: Aigc) -> None:
    briefs("kettle")
    run_id = made(aigc)
    code, _, err = aigc("export", run_id, "--approved")
    assert code == 2
    assert "found no text that stands approved" in err


def test_the_report_is_that_of_the_run(aigc: Aigc) -> None:
    briefs("kettle")
    run_id = made(aigc)
    report = Path("outputs", run_id, "report.md").read_text("utf-8")
    assert aigc("report") == (0, report, "")
    code, out, _ = aigc("report", run_id, "--json")
    assert (code, json.loads(out)) == (0, {"reports": {run_id: report}})


def test_a_calibration_says_what_it_saw_and_where_it_is_too_little(aigc: Aigc) -> None:
    briefs("kettle", "lamp")
    run_id = made(aigc)
    code, _, err = aigc("report", "--calibration")
    assert code == 2
    assert "no run that editors decided on" in err
    aigc("review", "import", run_id, str(decisions(run_id, kettle=("approve", ""), lamp=("reject", ""))))
    code, out, _ = aigc("report", "--calibration")
    assert code == 0
    assert out.splitlines()[0] == "2 texts that editors decided on, of 1 run."
    silent = next(line for line in out.splitlines() if line.startswith("Flagged none of these texts, with the obj"))
    assert "tone 1" in silent
    assert "No other limit would have agreed" in out
    found = json.loads(aigc("report", "--calibration", run_id, "--json")[1])
    assert (found["records"], found["proposals"]) == (2, [])


def test_a_redo_that_is_killed_goes_on_in_the_same_run(aigc: Aigc) -> None:
    """kill -9 in the middle of 600 texts: the same command makes the rest, and none of the others again."""
    names = [f"item{number}" for number in range(600)]
    briefs(*names)
    first = made(aigc)
    assert aigc("review", "import", first, str(decisions(first, **dict.fromkeys(names, ("reject", "colder")))))[0] == 0
    with subprocess.Popen([*PROGRAM, "redo", first, "--quiet"], env=os.environ, stderr=subprocess.DEVNULL) as process:
        folder = _redoing(process, first)
        process.send_signal(signal.SIGKILL)
    assert json.loads((folder / "run.json").read_text("utf-8"))["status"] == "running"
    code, out, err = aigc("redo", first, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["run"]["run_id"], told["refused"], told["accepted"]) == (folder.name, 600, 600)
    assert told["run"]["made_before"] >= 10
    assert aigc("verify", folder.name)[0] == 0


def _redoing(process: subprocess.Popen[bytes], first: str) -> Path:
    """The folder of the redo, once it has made some texts."""
    for _ in range(6000):
        for path in Path("outputs").glob("*/journal.jsonl"):
            if path.parent.name != first and path.read_bytes().count(b"\n") > 20:
                return path.parent
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    raise AssertionError("nothing was made within 30 s")
