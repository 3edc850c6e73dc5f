"""`aigc review` as people use it: files out, decisions in, how far it has come."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from small_project import GOOD, Project, interrupted, small_project

from aigc import cli
from aigc.trace import page, trace

Rows = list[dict[str, str]]


class Shown(NamedTuple):
    code: int
    out: str
    err: str


Aigc = Callable[..., Shown]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return small_project(tmp_path)


@pytest.fixture
def run_id(project: Project) -> str:
    return project.run(lambda prompt: f"{GOOD} {prompt.messages[-1].content}").run_id


@pytest.fixture
def aigc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Aigc:
    def call(*arguments: str) -> Shown:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["aigc", "review", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Shown(int(ended.value.code or 0), out, err)

    return call


def change(path: Path, how: Callable[[Rows], object], to: str = "") -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    how(rows)
    back = Path(to) if to else path
    with back.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(back)


def deciding(*decisions: str) -> Callable[[Rows], None]:
    def how(rows: Rows) -> None:
        for row, decision in zip(rows, decisions, strict=False):
            row["decision"] = decision
            row["reason"] = "other" if decision == "reject" else ""

    return how


def test_files_are_written_into_the_runs_folder_and_say_what_to_do_next(aigc: Aigc, run_id: str) -> None:
    shown = aigc("files")
    folder = Path("outputs") / run_id
    assert shown.code == 0
    assert shown.out.splitlines()[0] == f"outputs/{run_id}/review.xlsx"
    assert shown.out.splitlines()[-1] == f"3 texts to review. What comes back: aigc review import {run_id} FILE"
    assert {path.name for path in folder.glob("review.*")} >= {"review.xlsx", "review.csv"}
    told = json.loads(aigc("files", run_id, "--format", "csv", "--language", "zh", "--json").out)
    assert told == {"run_id": run_id, "language": "zh", "texts": 3, "files": [f"outputs/{run_id}/review.csv"]}
    assert (folder / "review.csv").read_text("utf-8-sig").startswith('"编号","版本","决定"')


def test_an_import_tells_what_was_taken_and_what_not_and_its_code_says_so(aigc: Aigc, run_id: str) -> None:
    aigc("files", "--format", "csv")
    folder = Path("outputs") / run_id
    good = change(folder / "review.csv", deciding("approve", "", "reject"), "ana.csv")
    shown = aigc("import", run_id, good, "--editor", "Ana")
    assert (shown.code, shown.out) == (0, (
        "ana.csv: 2 decisions of Ana taken, 0 known already, 0 not taken.\n"
        f"Next: aigc review status {run_id}\n"))
    shown = aigc("import", run_id, good, "--editor", "Ana")
    assert (shown.code, shown.out.splitlines()[0]) == (
        0, "ana.csv: 0 decisions of Ana taken, 2 known already, 0 not taken. Nothing is changed.")
    bad = change(folder / "review.csv", deciding("reject", "aprove", "reject"), "bo.csv")
    shown = aigc("import", run_id, bad, "--editor", "Bo")
    assert shown.code == 3
    lines = shown.out.splitlines()
    assert lines[1].startswith("  bo.csv")
    assert "id 'lamp'" in lines[1]
    assert ": found the decision 'aprove'; expected one of approve, " in lines[1]
    assert "id 'kettle'" in lines[5]
    assert lines[5].endswith(": Bo: reject, where Ana: approve")
    assert [lines[0], *lines[2:5], *lines[6:]] == [
        "Not taken (1)",
        "    Correct the cell. Did you mean 'approve'?",
        "",
        "Taken, but in conflict (1)",
        "",
        "bo.csv: 2 decisions of Bo taken, 0 known already, 1 not taken.",
        "Next: correct what was not taken in that file, and import the file again.",
        "To settle 1 text in conflict, one of the editors decides again in new files:",
        f"  aigc review files {run_id} --open",
        "or a chief editor does, whose file brings the final word:",
        f"  aigc review import {run_id} FILE --final",
        f"Then: aigc review status {run_id}",
    ]
    told = json.loads(aigc("import", run_id, bad, "--editor", "Bo", "--json").out)
    assert (told["taken"], told["known"], [one["code"] for one in told["problems"]]) == (0, 2, ["unknown_decision"])
    assert {"place", "code", "found", "expected", "remedy", "taken"} == told["problems"][0].keys()


@pytest.mark.parametrize(("arguments", "message"), [
    (("import", "RUN", "none.csv"), "FILE: found 'none.csv', which is no file"),
    (("import", "RUN", "a.csv"), "found nobody's name; expected the name of the editor who decided"),
    (("import", "no-run", "a.csv"), "RUN: found 'no-run', which is no run"),
    (("status", "no-run"), "RUN: found 'no-run', which is no run"),
])
def test_a_wrong_call_ends_with_2(aigc: Aigc, run_id: str, arguments: tuple[str, ...], message: str) -> None:
    aigc("files", "--format", "csv")
    change(Path("outputs") / run_id / "review.csv", deciding("approve"), "a.csv")
    shown = aigc(*(run_id if word == "RUN" else word for word in arguments))
    assert (shown.code, message in shown.err) == (2, True), shown.err


def test_a_run_that_did_not_finish_is_not_reviewed(aigc: Aigc, project: Project) -> None:
    run_id = interrupted(project, 1).run_id
    shown = aigc("files", run_id)
    assert shown.code == 2
    assert f"found {run_id}, which is failed; expected a finished run" in shown.err


def test_the_status_says_what_is_done_by_whom_and_where_they_differ(aigc: Aigc, run_id: str) -> None:
    aigc("files", "--format", "csv")
    path = Path("outputs") / run_id / "review.csv"
    shown = aigc("status")
    assert (shown.code, shown.out) == (0, f"{run_id}: 0 of 3 texts decided, 3 open.\n")
    for editor, decisions in (("Ana", ("approve", "reject", "")), ("Bo", ("approve", "approve", ""))):
        aigc("import", run_id, change(path, deciding(*decisions), f"{editor}.csv"), "--editor", editor)
    lines = aigc("status").out.splitlines()
    assert lines == [
        f"{run_id}: 1 of 3 texts decided, 1 open, 1 in conflict.",
        "  approved     1",
        "  in conflict  1: not approved until the editors agree",
        "Ana: approve 1, reject 1",
        "Bo: approve 2",
        "Ana and Bo: 2 texts in common, agreed on what to do with 50%, Cohen's kappa 0.00 (too few texts to say)",
        "",
        "In conflict (1)",
        "  lamp/0: Ana reject (other), Bo approve",
        "To settle 1 text in conflict, one of the editors decides again in new files:",
        f"  aigc review files {run_id} --open",
        "or a chief editor does, whose file brings the final word:",
        f"  aigc review import {run_id} FILE --final",
    ]
    told = json.loads(aigc("status", run_id, "--json").out)
    assert (told["done"], told["open"], told["in_conflict"], told["by_editor"]["Bo"]) == (1, 1, 1, {"approve": 2})


def test_a_chief_editors_file_settles_and_the_story_of_the_text_says_so(aigc: Aigc, run_id: str) -> None:
    aigc("files", "--format", "csv")
    path = Path("outputs") / run_id / "review.csv"
    for editor, decision in (("Ana", "approve"), ("Bo", "reject")):
        aigc("import", run_id, change(path, deciding(decision), f"{editor}.csv"), "--editor", editor)
    shown = aigc("import", run_id, change(path, deciding("approve"), "mei.csv"), "--editor", "Mei", "--final")
    assert (shown.code, shown.out.splitlines()) == (0, [
        "mei.csv: 1 decision of Mei taken, 0 known already, 0 not taken.",
        "They are the final word; others said otherwise on 1 text.",
        f"Next: aigc review status {run_id}",
    ])
    lines = aigc("status").out.splitlines()
    assert lines[0] == f"{run_id}: 1 of 3 texts decided, 2 open."
    assert lines[-2] == "Final word of Mei: 1 text"
    story = "\n".join(page(trace(Path("outputs"), "kettle")))
    assert "Decision of Bo: reject, other, " in story
    assert "Final word of Mei: approve, " in story
    assert story.endswith("By what editors decided, it stands approved: the final word of Mei.")
    shown = aigc("import", run_id, change(path, deciding("reject"), "cy.csv"), "--editor", "Cy")
    assert ": Cy: reject, where Ana: approve, Mei: approve (final word)" in shown.out
    told = json.loads(aigc("status", run_id, "--json").out)
    assert (told["in_conflict"], told["final"], told["conflicts"][0]["latest"][1]["final"]) == (1, {}, True)


def test_files_of_what_is_open_leave_out_what_is_decided(aigc: Aigc, run_id: str) -> None:
    aigc("files", "--format", "csv")
    path = Path("outputs") / run_id / "review.csv"
    aigc("import", run_id, change(path, deciding("approve", "approve", ""), "a.csv"), "--editor", "Ana")
    aigc("import", run_id, change(path, deciding("reject", "", ""), "b.csv"), "--editor", "Bo")
    assert aigc("files", "--open", "--format", "csv").out.splitlines()[-1].startswith("2 texts to review.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["kettle", "stool"]


def test_an_editors_work_is_not_written_over(aigc: Aigc, run_id: str) -> None:
    aigc("files", "--format", "csv")
    path = Path("outputs") / run_id / "review.csv"
    change(path, deciding("approve"))
    shown = aigc("files", "--format", "csv")
    assert shown.code == 2
    assert "review.csv: found decisions that were not imported; expected a file without any. Import it" in shown.err
    assert aigc("import", run_id, str(path), "--editor", "Ana").code == 0
    assert aigc("files", "--format", "csv").code == 0
    path.write_bytes(b"something else")
    assert aigc("files", "--format", "csv").code == 2
    assert aigc("files", "--format", "csv", "--overwrite").code == 0
