"""How likely a model is to say what it should, measured on the model as runs load it: adapter merged, own kernels."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

from aigc.engine.cards import hold_here
from aigc.engine.loader import load_model, loading
from aigc.engine.tuning.values import Likelihood, Tokens
from aigc.settings import EngineSettings

BATCH_TOKENS = 1024
"""Tokens of a batch, padding included: their logits over a vocabulary of 150,000 take 600 MB."""


def likelihoods(
    folder: Path,
    settings: EngineSettings,
    lessons: Mapping[str, Tokens],
    on_done: Callable[[int], None] = lambda _: None,
) -> dict[str, Likelihood]:
    """The likelihood of each lesson's answer, by its name. The model is loaded for it, and released.

    Raises:
        ModelError: the model cannot be loaded, or the memory has no room for it.
        EngineError: another process uses the GPU.
    """
    if not lessons:
        return {}
    hold_here(settings)
    with loading(str(folder)):
        model = load_model(folder, settings)
        found: dict[str, Likelihood] = {}
        for batch in _batches(lessons):
            found |= _measured(model, batch)
            on_done(len(found))
    del model
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return found


def _batches(lessons: Mapping[str, Tokens]) -> Iterator[dict[str, Tokens]]:
    """Lessons of like lengths together, each batch of at most `BATCH_TOKENS`, or of one lesson."""
    batch: dict[str, Tokens] = {}
    for name in sorted(lessons, key=lambda name: (_length(lessons[name]), name)):
        if batch and (len(batch) + 1) * _length(lessons[name]) > BATCH_TOKENS:
            yield batch
            batch = {}
        batch[name] = lessons[name]
    if batch:
        yield batch


@torch.inference_mode()
def _measured(model: torch.nn.Module, batch: Mapping[str, Tokens]) -> dict[str, Likelihood]:
    longest = max(map(_length, batch.values()))
    device = next(model.parameters()).device
    rows = [[*lesson.prompt, *lesson.answer] for lesson in batch.values()]
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    found = {}
    for at, (name, lesson) in enumerate(batch.items()):
        start, end = len(lesson.prompt), _length(lesson)
        said = logits[at, start - 1 : end - 1].float().log_softmax(-1)
        each = said.gather(-1, ids[at, start:end].unsqueeze(-1))
        found[name] = Likelihood(logprob=float(each.double().sum()), tokens=len(lesson.answer))
    return found


def _length(lesson: Tokens) -> int:
    return len(lesson.prompt) + len(lesson.answer)
