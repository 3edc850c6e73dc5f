"""A signing identity, and a signer that has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from aigc.settings import SigningSettings
from aigc.signing import Signer, new_identity, open_signer


@dataclass(frozen=True)
class House:
    """Who signs, and what others check it by."""

    signer: Signer
    folder: Path

    @property
    def anchors(self) -> list[Path]:
        return [self.folder / "anchor.pem"]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return a_house(tmp_path_factory.mktemp("house") / "key")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Somebody else who says the same name."""
    return a_house(tmp_path_factory.mktemp("stranger") / "key")


def a_house(folder: Path) -> House:
    new_identity(folder, "Example News", 365)
    return House(open_signer(SigningSettings(identity=str(folder))), folder)
