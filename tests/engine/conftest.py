from __future__ import annotations

import pytest

from aigc.models import ModelRef

from . import tiny


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return tiny.saved(tmp_path_factory.mktemp("llama"))
