"""The progress on a flow run's page: shown soon, then seldom enough for the server's event feed."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from aigc.tally import Tally
from flows import watch as watch_module
from flows.watch import Watch


class CountingClient:
    """Prefect's client, as far as progress asks of it."""

    def __init__(self) -> None:
        self.shown: list[float] = []

    def update_artifact(self, _: object, artifact: Any) -> None:
        self.shown.append(float(artifact.data))


def looked_at(seconds: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is shown of a run that makes a text a second, looked at every two."""
    client, watch, now = CountingClient(), Watch(), [1000.0]
    watch._artifact = uuid4()
    monkeypatch.setattr(watch_module.time, "monotonic", lambda: now[0])
    for second in range(0, seconds, 2):
        now[0] = 1000.0 + second
        watch.see(Tally(total=100, done=second))
        watch._show_progress(client)  # type: ignore[arg-type]
    return client.shown


def test_progress_is_shown_at_the_first_look_and_then_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked_at(31, monkeypatch) == [0, 10, 20, 30]
