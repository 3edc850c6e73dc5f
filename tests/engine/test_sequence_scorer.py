"""Models with a classification head: scores as the model gives them, of every piece of a text, in any batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from aigc.engine.deaths import EngineDied
from aigc.engine.questions import Scores
from aigc.engine.sequence_scorer import OVERLAP, SequenceScorer
from aigc.errors import EngineError, ModelError
from aigc.models import ModelRef
from aigc.records import Fault
from aigc.settings import EngineSettings

from . import guards, tiny
from .test_classifier import IN_LOADING

TEXTS = ["Bread at seven.", "a", "海边的早晨，风很大。", "Come early for rye bread, or stay until noon."]
LABELS = ["ok", "toxic", "threat"]


def opened(ref: ModelRef) -> SequenceScorer:
    return SequenceScorer(EngineSettings(device="cpu"), ref)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return guards.scorer(tmp_path_factory.mktemp("bert"), LABELS)


def alone(ref: ModelRef, text: str) -> torch.Tensor:
    """Logits by the model's own forward pass over one text."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(ref.folder()).eval()
    with torch.inference_mode():
        return model(torch.tensor([tiny.tokenizer().encode(text, add_special_tokens=False)])).logits[0]


def pieces(scores: list[Scores] | Fault) -> list[Scores]:
    assert not isinstance(scores, Fault), scores
    return scores


def test_scores_of_one_label_among_several_sum_to_one_and_are_the_models(bert: ModelRef) -> None:
    for text, scores in zip(TEXTS, opened(bert).score(TEXTS), strict=True):
        (piece,) = pieces(scores)
        assert piece.exclusive
        assert list(piece.probabilities) == LABELS
        assert list(piece.probabilities.values()) == pytest.approx(alone(bert, text).softmax(-1).tolist(), abs=1e-5)


@pytest.mark.parametrize(("labels", "problem"), [
    (LABELS, "multi_label_classification"), (["toxic"], None),
], ids=["several labels may hold", "one label"])
def test_scores_of_labels_that_stand_alone_are_each_between_0_and_1(
    tmp_path: Path, labels: list[str], problem: str | None
) -> None:
    ref = guards.scorer(tmp_path, labels, problem=problem)
    for text, scores in zip(TEXTS, opened(ref).score(TEXTS), strict=True):
        (piece,) = pieces(scores)
        assert not piece.exclusive
        assert list(piece.probabilities.values()) == pytest.approx(alone(ref, text).sigmoid().tolist(), abs=1e-5)


def test_a_long_text_is_scored_to_its_end_in_pieces_that_overlap(bert: ModelRef) -> None:
    text = "".join(chr(97 + at % 26) for at in range(150))
    found = pieces(opened(bert).score([text])[0])
    step = 64 - 64 // OVERLAP
    starts = range(0, 150 - 64 + step, step)
    assert len(found) == len(starts)
    for start, piece in zip(starts, sorted(found, key=lambda each: each.probabilities["ok"]), strict=True):
        expected = sorted(alone(bert, text[at : at + 64]).softmax(-1)[0].item() for at in starts)
        assert piece.probabilities["ok"] == pytest.approx(expected[list(starts).index(start)], abs=1e-5)


def test_a_text_that_cannot_be_read_fails_alone(bert: ModelRef) -> None:
    first, bad, last = opened(bert).score(["a", "\ud800", "b"])
    assert isinstance(bad, Fault)
    assert bad.code == "not_encodable"
    assert pieces(first)
    assert pieces(last)


def test_lack_of_memory_makes_smaller_batches_and_every_score(bert: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    made, forward = opened(bert), SequenceScorer._forward
    expected = made.score(TEXTS)

    def short(self: SequenceScorer, batch: list[list[int]]) -> list[Scores]:
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, batch)

    monkeypatch.setattr(SequenceScorer, "_forward", short)
    for found, wanted in zip(made.score(TEXTS), expected, strict=True):
        assert pieces(found)[0].probabilities == pytest.approx(pieces(wanted)[0].probabilities, abs=1e-5)


def test_an_error_in_a_batch_is_the_engines_and_names_the_model(
    bert: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(bert)
    monkeypatch.setattr(SequenceScorer, "_forward", lambda *_: 1 / 0)
    with pytest.raises(EngineError, match=r"model bert\d*: found ZeroDivisionError as texts were scored"):
        made.score(TEXTS)


@pytest.mark.parametrize("place", [transformers.AutoTokenizer, transformers.AutoModelForSequenceClassification],
                         ids=["tokenizer", "model"])
@pytest.mark.parametrize(("exc", "kind", "message"), IN_LOADING, ids=[type(each[0]).__name__ for each in IN_LOADING])
def test_every_error_of_loading_is_told_with_its_remedy(
    bert: ModelRef, place: type, exc: Exception, kind: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise exc

    monkeypatch.setattr(place, "from_pretrained", fail)
    with pytest.raises(kind) as caught:
        opened(bert)
    if "files that do not load" not in str(caught.value):  # a reader of files has told it
        assert message in str(caught.value)
    assert caught.value.__cause__ is exc


def test_a_config_that_does_not_name_all_labels_is_told(tmp_path: Path) -> None:
    ref, config = guards.scorer(tmp_path, LABELS), tmp_path / "config.json"
    config.write_text(config.read_text().replace('"2": "threat"', '"7": "threat"'))
    with pytest.raises(ModelError, match=f"model {ref.ref}: found KeyError as it was loaded"):
        opened(ref)


def test_a_tokenizer_that_breaks_on_a_text_is_told(bert: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(bert)
    monkeypatch.setattr(type(made._tokenizer), "__call__", lambda *_, **__: 1 / 0)
    with pytest.raises(EngineError, match=r"model bert\d*: found ZeroDivisionError as texts were scored"):
        made.score(TEXTS)
    monkeypatch.setattr(type(made._tokenizer), "__call__", die)
    with pytest.raises(EngineDied):
        made.score(TEXTS)
    monkeypatch.setattr(torch.cuda, "empty_cache", die)  # a dead context refuses this too, and is not asked
    made._device = torch.device("cuda")
    made.close()


def die(*_: object, **__: object) -> None:
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def test_a_causal_model_with_a_head_is_scored_in_batches_though_its_config_names_no_padding(tmp_path: Path) -> None:
    config = transformers.LlamaConfig(
        vocab_size=259, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        id2label=dict(enumerate(LABELS)), max_position_embeddings=256,
    )
    torch.manual_seed(2)
    transformers.LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    tiny.tokenizer(chat=False).save_pretrained(tmp_path)
    ref = ModelRef(ref="llama", path=tmp_path)
    for text, scores in zip(TEXTS, opened(ref).score(TEXTS), strict=True):
        expected = alone(ref, text).softmax(-1).tolist()
        assert list(pieces(scores)[0].probabilities.values()) == pytest.approx(expected, abs=1e-5)


def test_a_folder_that_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="files that do not load as a classifier"):
        opened(ModelRef(ref="none", path=tmp_path))
