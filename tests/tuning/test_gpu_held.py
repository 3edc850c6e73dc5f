"""Tuning takes the lock of its GPU first, as all work there does, and keeps to one. The driver's list is played."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import tiny

pytest.importorskip("trl", reason="needs trl: pip install 'aigc[finetune]'")

from aigc.engine import cards
from aigc.engine.cards import Card
from aigc.engine.tuning.likelihood import likelihoods
from aigc.engine.tuning.trainer import Place, refuse_other_gpu, train
from aigc.engine.tuning.values import Recipe, Taught, Tokens
from aigc.errors import EngineError, SettingsError
from aigc.models import ModelRef
from aigc.settings import EngineSettings

GPU = EngineSettings(device="cuda")
LESSON = Tokens(prompt=[1, 2], answer=[3])
RECIPE = Recipe(
    method="sft", weights="lora", steps=1, batch=1, learning_rate=0.1, warmup_steps=0, check_every=1, patience=1,
    max_tokens=9, rank=1, alpha=1, dropout=0.0, beta=0.0, seed=0, device="cuda", dtype="bfloat16",
)
HOLDER = """
import sys
from aigc.engine.cards import Card, Hold
hold = Hold([Card(number=0, uuid="GPU-0", name="Played")])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A process that has the only GPU."""
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cards, "visible_cards", lambda: [Card(number=0, uuid="GPU-0", name="Played")])
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.kill()


@pytest.fixture
def model(tmp_path: Path) -> ModelRef:
    return tiny.saved(tmp_path / "model")


def test_neither_training_nor_measuring_begins_on_a_gpu_that_another_uses(
    held: int, model: ModelRef, tmp_path: Path
) -> None:
    place = Place(checkpoints=tmp_path / "checkpoints", made=tmp_path / "made", base_name="base")
    with pytest.raises(EngineError, match=rf"GPU 0 \(Played\): found process {held} on .* at work on it"):
        train(model.folder(), GPU, RECIPE, Taught([LESSON], []), place)
    with pytest.raises(EngineError, match=rf"GPU 0 \(Played\): found process {held} on .* at work on it"):
        likelihoods(model.folder(), GPU, {"one": LESSON})
    assert not place.checkpoints.exists()


@pytest.mark.parametrize("devices", ["all", "0", "0,2"])
def test_tuning_takes_cudas_first_gpu(
    held: int, model: ModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str
) -> None:
    free = [Card(number=number, uuid=f"GPU-{number}", name="Free") for number in (1, 2)]
    monkeypatch.setattr(cards, "visible_cards", lambda: [Card(number=0, uuid="GPU-0", name="Played"), *free])
    place = Place(checkpoints=tmp_path / "checkpoints", made=tmp_path / "made", base_name="base")
    with pytest.raises(EngineError, match=rf"GPU 0 \(Played\): found process {held} on .* at work on it"):
        train(model.folder(), EngineSettings(device="cuda", devices=devices), RECIPE, Taught([LESSON], []), place)


def test_tuning_on_another_gpu_is_refused_with_the_way_to_have_it() -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_other_gpu(EngineSettings(device="cuda", devices="1,0"))
    assert str(caught.value) == (
        "key engine.devices: found '1,0'; expected `all` or `0` first, for tuning. Show the GPU alone: "
        'CUDA_VISIBLE_DEVICES=N, with engine.devices = "all".'
    )
