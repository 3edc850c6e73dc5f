"""`aigc run --out` with the address of shared storage, and `aigc storage`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from bad_inputs.cases import HEADER, Case, lay_out
from commands import Aigc

OUT = "memory://bucket/nightly"
WORK = Path(".aigc/shared/memory/bucket/nightly")


@pytest.fixture(autouse=True)
def _project() -> Iterator[None]:
    sheet = HEADER + "".join(f"b{index},note,Bread {index},5\n" for index in range(5))
    lay_out(Case("", "", 0, (), {"briefs.csv": sheet}), Path())
    yield
    fsspec.filesystem("memory").store.clear()


def test_a_run_is_copied_and_another_machine_brings_and_verifies_it(aigc: Aigc) -> None:
    shown = aigc("run", "briefs.csv", "--out", OUT, "--json")
    assert shown.code == 0, shown.err
    run = json.loads(shown.out)
    assert f"Copied to {OUT}/{run['run_id']}\n" in shown.err
    assert (run["settings"]["run"]["out"], run["settings"]["run"]["publish_to"]) == (str(WORK), OUT)
    assert aigc("storage", "list", "--out", OUT).out == f"{run['run_id']}  finished\n"
    assert aigc("show", "--out", OUT).code == 0, "of the working folder"
    shutil.rmtree(".aigc")
    assert aigc("storage", "pull", run["run_id"], "--out", OUT).out == f"{WORK / run['run_id']}\n"
    assert aigc("verify", run["run_id"], "--out", OUT).code == 0
    again = aigc("storage", "pull", run["run_id"], "--out", OUT)
    assert again.out == f"{WORK / run['run_id']}: nothing newer there\n"


def test_a_machine_without_a_copy_finds_that_there_is_nothing_to_do(aigc: Aigc) -> None:
    first = json.loads(aigc("run", "briefs.csv", "--out", OUT, "--json").out)
    shutil.rmtree(".aigc")
    shown = aigc("run", "briefs.csv", "--out", OUT, "--json")
    assert shown.err.startswith(f"{first['run_id']}: brought from {OUT}, finished\nNothing to do: ")
    assert json.loads(shown.out)["run_id"] == first["run_id"]
    assert (WORK / first["run_id"] / "accepted.csv").is_file()


def test_what_is_forgotten_here_is_forgotten_there(aigc: Aigc) -> None:
    run = json.loads(aigc("run", "briefs.csv", "--out", OUT, "--json").out)
    name, files = f"/bucket/nightly/{run['run_id']}/accepted.jsonl", fsspec.filesystem("memory").store
    text = next(row["text"] for row in map(json.loads, files[name].getvalue().splitlines()) if row["id"] == "b3")
    forgotten = aigc("forget", "--brief", "b3", "--out", OUT)
    assert forgotten.code == 0, forgotten.err
    assert forgotten.out.startswith(f"{run['run_id']}: 1 row and 1 text forgotten")
    assert "; in shared storage too" in forgotten.out
    assert aigc("verify", run["run_id"], "--out", OUT).code == 0
    assert [path for path, file in files.items() if text.encode() in file.getvalue()] == []


@pytest.mark.parametrize(("arguments", "message"), [
    (("storage", "list"),
     "--out: found no shared storage; expected its address, such as s3://bucket/folder. Name it, or set "
     "run.publish_to in aigc.toml."),
    (("storage", "pull", "none", "--out", OUT),
     f"{OUT}/none: found no run; expected a run's folder. Correct its name, or the address."),
    (("run", "briefs.csv", "--out", "nope://bucket/x"),
     "nope://bucket/x: found an error of the storage (ValueError: Protocol not known: nope); expected storage that "
     "reads and writes. Check the address, the rights and the network; then run again: the working folder has all "
     "rows."),
])
def test_what_cannot_be_done_is_told(aigc: Aigc, arguments: tuple[str, ...], message: str) -> None:
    shown = aigc(*arguments)
    assert shown.code in (1, 2)
    assert shown.err == f"aigc: {message}\n"
