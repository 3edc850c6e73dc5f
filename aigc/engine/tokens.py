"""A text as the ids that a model's tokenizer cuts it into; no weight is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aigc.settings import EngineSettings


def open_tokenizer(folder: Path, settings: EngineSettings) -> Callable[[str], list[int]]:
    """What cuts a text as the model in `folder` would have said it, with no token added.

    Raises:
        ModelError: there is no tokenizer that loads.
    """
    from aigc.engine.loader import load_tokenizer

    tokenizer = load_tokenizer(folder, settings)

    def cut(text: str) -> list[int]:
        whole = text.encode("utf-8", "replace").decode()  # no tokenizer takes a lone surrogate
        return tokenizer.encode(whole, add_special_tokens=False)

    return cut
