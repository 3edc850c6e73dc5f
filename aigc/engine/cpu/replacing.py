"""Modules of a model that other ones take the place of."""

from __future__ import annotations

from collections.abc import Callable

import torch


def replace_modules(model: torch.nn.Module, made: Callable[[torch.nn.Module], torch.nn.Module | None]) -> None:
    """Put what `made` gives in each module's place, and leave those for which it gives None.

    Modules are looked up by name, one at a time, so that the weights of one that was replaced are free at once.
    """
    for name in [name for name, _ in model.named_modules() if name]:
        try:
            module = model.get_submodule(name)
        except AttributeError:
            continue  # a part of one that was replaced
        if (other := made(module)) is not None:
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, other)
