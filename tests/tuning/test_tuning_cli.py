"""`aigc dataset` and `aigc finetune` as they are called: what is said, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lessons_of_style import a_model, dialogues, held_out_numbers
from reviewed_runs import answer, decide, project_of, text_of
from small_project import Project
from tuning_commands import Call


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path)


def test_dataset_says_what_it_made_what_it_left_out_and_what_comes_next(aigc: Call, project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "lamp", "edit", text=f"{text_of('lamp')} Made to last.")
    decide(project, file, "stool", "reject", reason="off_brief")
    shown = aigc("dataset", file.run_id, "--out", "data")
    assert shown.code == 0
    assert f"Reading {file.run_id}." in shown.err
    assert shown.out.splitlines() == [
        "  held_out.jsonl                    2 rows",
        "  preferences/test.jsonl             1 row",
        "  sft/test.jsonl                    2 rows",
        "  sft/train.jsonl                   7 rows",
        "  sft/validation.jsonl              2 rows",
        "  left out: 1 rejected (refused: the worse side of a pair at most)",
        "Briefs and dialogues: 8 train, 2 validation, 2 test.",
        f"data: digest {json.loads((project.folder / 'data' / 'dataset.json').read_text())['digest'][:19]}…",
        "Next: aigc finetune data --base MODEL",
    ]
    again = aigc("dataset", project.out / file.run_id, "--out", "data", "--json")
    assert json.loads(again.out)["new"] is False


def test_dataset_ends_with_3_where_lines_of_dialogues_were_bad(aigc: Call, tmp_path: Path) -> None:
    good = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    (tmp_path / "talk.jsonl").write_text(json.dumps(good) + "\nbroken\n")
    shown = aigc("dataset", "--dialogues", "talk.jsonl", "--out", "data")
    assert shown.code == 3
    assert "talk.jsonl line 2: found no JSON that can be read; expected a JSON object on one line" in shown.err
    assert "Too few to hold any out: a model tuned on this cannot be shown to be better." in shown.out
    found = json.loads(aigc("dataset", "--dialogues", "talk.jsonl", "--out", "data", "--json").out)
    assert [line["line"] for line in found["bad_lines"]] == [2]


def test_dataset_of_nothing_is_a_mistake_of_the_command_line(aigc: Call) -> None:
    shown = aigc("dataset")
    assert (shown.code, shown.err) == (2, "aigc: RUN: found none; expected the runs, or with --dialogues the files, to "
                                          "make data of. Name one: `aigc show` tells the newest run.\n")


@pytest.fixture
def libraries() -> None:
    for name in ("trl", "matplotlib"):
        pytest.importorskip(name, reason=f"needs {name}: pip install 'aigc[finetune]'")


@pytest.mark.usefixtures("libraries")
def test_finetune_tells_how_it_goes_and_what_it_found(aigc: Call, tmp_path: Path) -> None:
    data, base = dialogues(tmp_path), a_model(tmp_path / "base").folder()
    command = ("finetune", data, "--base", base, "--out", "out", "--learning-rate", "0.01", "--epochs", "4")
    shown = aigc(*command)
    assert shown.code == 0, shown.err
    held = len(held_out_numbers(data))
    assert f"{held} held out; " in shown.err
    assert "Training.\n" in shown.err
    assert ", on validation " in shown.err
    assert " s left" in shown.err
    lines = shown.out.splitlines()
    assert lines[1].startswith("  loss of held-out answers ")
    assert lines[2].startswith("Better than its base on the held-out briefs, by more than chance. loss of held-out")
    assert lines[-1] == f"Next: aigc run BRIEFS --model {base} --adapter out"
    again = aigc(*command, "--json")
    found = json.loads(again.out)
    assert (again.code, found["new"], found["finding"]["call"], again.err) == (0, False, "better", "")


@pytest.mark.usefixtures("libraries")
def test_finetune_ends_with_3_where_nothing_is_shown_to_be_better(aigc: Call, tmp_path: Path) -> None:
    data, base = dialogues(tmp_path), a_model(tmp_path / "base").folder()
    shown = aigc("finetune", data, "--base", base, "--learning-rate", "1e-9", "--epochs", "1", "--batch", "12", "-q")
    assert shown.code == 3
    assert shown.err == ""
    assert "Not shown to be better than its base." in shown.out
    assert "Next:" not in shown.out
    [folder] = (tmp_path / "tuned").iterdir()
    assert folder.name.startswith("base-")
    assert "**Not shown to be better than its base.**" in (folder / "README.md").read_text()


def test_finetune_without_its_libraries_names_the_extra(
    aigc: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    data, base = dialogues(tmp_path), a_model(tmp_path / "base").folder()
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "trl" else real(name, *more))
    shown = aigc("finetune", data, "--base", base)
    assert (shown.code, shown.err) == (1, "aigc: aigc finetune: found no trl here; expected the libraries that tune "
                                          "models. Install them: pip install 'aigc[finetune]'\n")
