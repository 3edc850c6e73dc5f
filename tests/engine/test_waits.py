"""Nothing that chooses tokens asks the device for an answer. Here it is seen by the operations, with torch's own watch
on a GPU in `test_gpu.py`."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from torch.utils._python_dispatch import TorchDispatchMode

from aigc.engine.batch import Batch, Step
from aigc.engine.local import LocalEngine
from aigc.models import ModelRef
from aigc.records import Prompt
from aigc.settings import EngineSettings
from aigc.watermark import Mark

from . import tiny
from .test_local_engine import SCHEMA

MARK = Mark(bytes(range(16)), 3)
WAYS: dict[str, dict[str, object]] = {
    "greedy": {"temperature": 0.0, "top_k": 0},
    "listed": {"top_k": 40},
    "all limits": {"top_k": 100, "top_p": 0.9, "min_p": 0.02},
    "drawn": {"top_k": 0},
    "drawn above a limit": {"top_k": 0, "min_p": 0.05},
    "penalised": {"top_k": 40, "repetition_penalty": 1.3},
}
NUCLEUS: dict[str, object] = {"top_k": 0, "top_p": 0.9}
_WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "item", "_unique2", "unique_dim"}


class NoWaits(TorchDispatchMode):
    """Fails at operations whose result the host needs before it can go on."""

    def __torch_dispatch__(
        self, func: torch._ops.OpOverload, types: object, args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        name = func.overloadpacket.__name__
        indexes = args[1] if name in ("index", "index_put", "index_put_") else []
        masks = [each for each in indexes if each is not None and each.dtype == torch.bool]  # type: ignore[attr-defined]
        assert name not in _WAITS, name
        assert not masks, f"{name} with a mask, whose number of hits is waited for"
        return func(*args, **(kwargs or {}))


def wide(folder: Path) -> ModelRef:
    """A tiny model of so many tokens that no way of choosing weighs them all."""
    return tiny.saved(folder, vocab_size=5000)


def rows(mark: Mark | None = None) -> list[Prompt]:
    """Two of every way of choosing, one of them told how likely its tokens were, and one held to a grammar. Those that
    chance decides have the mark."""
    made = list[Prompt]()
    for name, sampling in WAYS.items():
        own = {"watermark": mark.ref} if mark and sampling.get("temperature") != 0.0 else {}
        asked = tiny.prompt(name, max_new_tokens=200, min_new_tokens=200, **sampling, **own)
        made += [asked, replace(asked, request_id=f"{name}, told", logprob=True)]
    return [*made, tiny.prompt("held", schema=SCHEMA, max_new_tokens=200)]


def begun(engine: LocalEngine, prompts: list[Prompt]) -> Batch:
    """A batch whose prompts are read and whose steps have come a few times: graphs are captured at the second."""
    batch = engine._open_batch(engine._load())
    for prompt in prompts:
        assert batch.admit(prompt) is None
    while any(row.unread for row in batch.rows.values()):
        go_on(batch, 1)
    go_on(batch, 8)
    return batch


def go_on(batch: Batch, steps: int) -> None:
    """Launch steps, each before the one before is collected."""
    under_way = deque[Step]()
    for _ in range(steps):
        if step := batch.launch():
            under_way.append(step)
        if len(under_way) > 1:
            batch.collect(under_way.popleft())
    while under_way:
        batch.collect(under_way.popleft())


@pytest.mark.parametrize("mark", [None, MARK], ids=["unmarked", "marked"])
def test_no_way_of_choosing_but_one_waits_for_the_device(tmp_path: Path, mark: Mark | None) -> None:
    engine = LocalEngine(EngineSettings(device="cpu", dtype="float32", slots=16), wide(tmp_path), mark=mark)
    batch = begun(engine, rows(mark))
    assert all(row.tokens for row in batch.rows.values())
    assert len(batch.rows) >= 2 * len(WAYS)
    with NoWaits():
        go_on(batch, 8)
        assert batch.admit(tiny.prompt("one more", **WAYS["penalised"])) is None


def test_a_row_that_top_p_alone_limits_waits(tmp_path: Path) -> None:
    """As `docs/engine.md` says; it also shows that the test above can fail."""
    engine = LocalEngine(EngineSettings(device="cpu", dtype="float32", slots=4), wide(tmp_path))
    batch = begun(engine, [tiny.prompt("a", max_new_tokens=200, min_new_tokens=200, **NUCLEUS)])
    with NoWaits(), pytest.raises(AssertionError, match="nonzero"):
        go_on(batch, 1)
