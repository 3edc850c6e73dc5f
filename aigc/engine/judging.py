"""Opens the models that judge texts: with the GPU held, and torch loaded only then."""

from __future__ import annotations

from aigc.engine.questions import Classifier, Scorer
from aigc.models import ModelRef
from aigc.settings import EngineSettings


def open_classifier(settings: EngineSettings, model: ModelRef) -> Classifier:
    """Load a causal model.

    Raises:
        ModelError: it cannot be loaded.
        EngineError: another process uses the GPU.
    """
    from aigc.engine.cards import hold_here
    from aigc.engine.classifier import LabelClassifier

    hold_here(settings)
    return LabelClassifier(settings, model)


def open_scorer(settings: EngineSettings, model: ModelRef) -> Scorer:
    """Load a model with a classification head.

    Raises:
        ModelError: it cannot be loaded.
        EngineError: another process uses the GPU.
    """
    from aigc.engine.cards import hold_here
    from aigc.engine.sequence_scorer import SequenceScorer

    hold_here(settings)
    return SequenceScorer(settings, model)
