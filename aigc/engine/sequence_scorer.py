"""A model with a classification head, asked about many texts at once: padded batches of like lengths.

What such a model reads is short, so a long text is read in pieces that overlap.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import torch

from aigc.engine.deaths import EngineDied, first_line, is_deadly
from aigc.engine.loader import BESIDE_THE_WRITER, device_for, loading
from aigc.engine.questions import Scores
from aigc.engine.sizing import is_out_of_memory
from aigc.errors import EngineError, ModelError
from aigc.models import ModelRef
from aigc.records import Fault
from aigc.settings import EngineSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 16_384
"""Tokens of a batch, padding included."""
PIECE_TOKENS = 512
"""Tokens of a piece, where the model reads as many: what such models were trained on."""
OVERLAP = 4
"""A piece repeats this part (a fourth) of the one before, so that no sentence is only seen cut."""
_UNSTATED = 1_000_000
"""Tokenizers that know no length state an astronomical one."""

_log = logging.getLogger(__name__)


class _Reads(Protocol):
    """The part of a tokenizer that cuts texts into pieces."""

    pad_token_id: int | None
    model_max_length: int

    def __call__(self, text: str, **options: object) -> Mapping[str, list[list[int]]]: ...


class SequenceScorer:
    """Scores texts with the model of a folder, which is loaded at once.

    Raises:
        ModelError: the model cannot be loaded.
        EngineDied: the device's context is dead.
    """

    def __init__(self, settings: EngineSettings, ref: ModelRef) -> None:
        self._place = f"model {ref.ref}"
        with loading(self._place, BESIDE_THE_WRITER):
            self._device = device_for(settings)
            self._model, self._tokenizer = _load(ref.folder(), settings, self._device)
            config = self._model.config
            self._labels = [str(config.id2label[at]) for at in range(config.num_labels)]
            self._exclusive = config.num_labels > 1 and config.problem_type != "multi_label_classification"
            positions = int(getattr(config, "max_position_embeddings", 0) or PIECE_TOKENS)
            self._piece_tokens = _piece_tokens(self._tokenizer.model_max_length, positions)
        self._died = False
        self._batch_tokens = BATCH_TOKENS
        if self._tokenizer.pad_token_id is None:
            self._batch_tokens = 1  # without padding each piece goes by itself
        elif config.pad_token_id is None:
            config.pad_token_id = self._tokenizer.pad_token_id  # or a causal model refuses batches

    def score(self, texts: Sequence[str]) -> list[list[Scores] | Fault]:
        """See `Scorer.score`."""
        try:
            pieces = [self._pieces(text) for text in texts]
        except Exception as exc:
            raise self._stopped(exc) from exc
        flat = [(at, piece) for at, own in enumerate(pieces) if not isinstance(own, Fault) for piece in own]
        flat.sort(key=lambda each: len(each[1]))
        found: list[list[Scores]] = [[] for _ in texts]
        for batch in self._batches(flat):
            for (at, _), scores in zip(batch, self._scored([piece for _, piece in batch]), strict=True):
                found[at].append(scores)
        return [own if isinstance(own, Fault) else _finite(found[at]) for at, own in enumerate(pieces)]

    def close(self) -> None:
        del self._model
        gc.collect()
        if self._device.type == "cuda" and not self._died:  # a dead context refuses this too
            torch.cuda.empty_cache()

    def _pieces(self, text: str) -> list[list[int]] | Fault:
        try:
            encoded = self._tokenizer(
                text, truncation=True, max_length=self._piece_tokens, stride=self._piece_tokens // OVERLAP,
                return_overflowing_tokens=True, verbose=False,
            )
        except (UnicodeEncodeError, TypeError):
            return _NOT_ENCODABLE
        return [list(piece) for piece in encoded["input_ids"]]

    def _batches(self, flat: list[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
        """Pieces in batches, shortest first. `_batch_tokens` is read anew for each: it shrinks where memory ends."""
        start = 0
        while start < len(flat):
            end = start + 1
            while end < len(flat) and (end + 1 - start) * len(flat[end][1]) <= self._batch_tokens:
                end += 1
            yield flat[start:end]
            start = end

    def _scored(self, pieces: list[list[int]]) -> list[Scores]:
        try:
            return self._forward(pieces)
        except (MemoryError, RuntimeError) as exc:
            if not is_out_of_memory(exc) or len(pieces) == 1:
                raise self._stopped(exc) from exc
        except Exception as exc:
            raise self._stopped(exc) from exc
        # Out here, where the error is gone: its traceback held the batch's tensors.
        half = len(pieces) // 2
        self._batch_tokens = half * len(pieces[-1])
        _log.warning("out of memory: texts are scored %d at a time", half)
        return self._scored(pieces[:half]) + self._scored(pieces[half:])

    @torch.inference_mode()
    def _forward(self, pieces: list[list[int]]) -> list[Scores]:
        longest, padding = max(map(len, pieces)), self._tokenizer.pad_token_id or 0
        ids = [piece + [padding] * (longest - len(piece)) for piece in pieces]
        mask = [[1] * len(piece) + [0] * (longest - len(piece)) for piece in pieces]
        given = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        logits = self._model(**{name: values.to(self._device) for name, values in given.items()}).logits.float()
        shares = logits.softmax(-1) if self._exclusive else logits.sigmoid()
        return [
            Scores(probabilities=dict(zip(self._labels, row, strict=True)), exclusive=self._exclusive)
            for row in cast("list[list[float]]", shares.tolist())
        ]

    def _stopped(self, exc: Exception) -> EngineError:
        if is_out_of_memory(exc):
            return EngineError(self._place, "no memory left to judge texts", "room for it", BESIDE_THE_WRITER)
        if is_deadly(exc):
            self._died = True
            return EngineDied(first_line(exc))
        found = f"{type(exc).__name__} as texts were scored"
        return EngineError(self._place, found, "a step that computes", "Take another model for [safety].")


def _load(folder: Path, settings: EngineSettings, device: torch.device) -> tuple[PreTrainedModel, _Reads]:
    """On the CPU in float32: such models are small, and bfloat16 is no faster for them there."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    given = {"local_files_only": True, "trust_remote_code": settings.trust_remote_code}
    dtype = torch.float32 if device.type == "cpu" else getattr(torch, settings.dtype)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **given)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, **given
        ).to(device)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError) as exc:
        if is_out_of_memory(exc) or is_deadly(exc):
            raise  # the files are right
        found = f"files that do not load as a classifier ({type(exc).__name__}: {first_line(exc)})"
        expected = "a folder with safetensors and a classification head"
        raise ModelError(str(folder), found, expected, "Fetch it again, or take another model.") from exc
    if not tokenizer.is_fast:
        found, expected = "a tokenizer that cannot cut texts into pieces", "one with a tokenizer.json"
        raise ModelError(str(folder), found, expected, "Take another model.")
    return cast("PreTrainedModel", model.eval()), cast("_Reads", tokenizer)


def _piece_tokens(stated: int, positions: int) -> int:
    """What the tokenizer states, else the model's positions, two fewer: RoBERTa's begin behind its padding's."""
    return min(stated if stated < _UNSTATED else max(1, positions - 2), PIECE_TOKENS)


def _finite(scores: list[Scores]) -> list[Scores] | Fault:
    numbers = [number for piece in scores for number in piece.probabilities.values()]
    return scores if all(number == number for number in numbers) else _NOT_FINITE


_NOT_ENCODABLE = Fault(
    code="not_encodable",
    found="text that the tokenizer cannot encode",
    expected="valid Unicode",
    remedy="Read the text yourself.",
)
_NOT_FINITE = Fault(
    code="no_label",
    found="no finite probability of a label",
    expected="one of each",
    remedy="Take another model, or another engine.dtype.",
)
