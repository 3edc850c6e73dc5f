"""The libraries that the data is for open it as it lies, without a network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from reviewed_runs import answer, decide, made_of, project_of, text_of

from aigc.training_data.values import SPLITS

datasets = pytest.importorskip("datasets")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of data with pairs in two splits at least."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    project = project_of(tmp_path)
    file = project.run(answer)
    for row in ("kettle", "lamp", "stool", "basket", "ladder", "mirror"):
        decide(project, file, row, "edit", text=f"{text_of(row)} Made to last.")
    return made_of(project, file, held_out=0.3)[0].folder


def test_datasets_finds_each_split_by_the_card(made: Path, tmp_path: Path) -> None:
    found = datasets.load_dataset(str(made), "sft", cache_dir=str(tmp_path / "cache"))
    assert {*found} == {*SPLITS}
    assert sum(rows.num_rows for rows in found.values()) == 12
    assert set(datasets.get_dataset_config_names(str(made))) == {"sft", "preferences"}


def test_trl_takes_both_kinds_of_rows_for_conversations(made: Path, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl.data_utils", reason="needs trl: pip install 'aigc[finetune]'")
    examples = datasets.load_dataset(str(made), "sft", cache_dir=str(tmp_path / "cache"))["train"]
    pairs = datasets.load_dataset(str(made), "preferences", cache_dir=str(tmp_path / "cache"))
    pairs = next(iter(pairs.values()))
    assert trl.is_conversational(examples[0])
    assert trl.is_conversational({name: pairs[0][name] for name in ("prompt", "chosen", "rejected")})
    assert [turn["role"] for turn in examples[0]["messages"]] == ["system", "user", "assistant"]
