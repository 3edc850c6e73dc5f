"""A cluster of two machines, as Ray's own tests play it, of which one is lost."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from aigc import models
from aigc.engine.ray_engine import RayEngine
from aigc.engine.scripted import answer
from aigc.models import ModelRef
from aigc.records import Completion

from . import dying
from .test_ray import TWO

pytest.importorskip("ray", reason="Ray is not installed: pip install 'aigc[ray]'")
pytestmark = [
    pytest.mark.timeout(280), pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
]


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    tests = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def test_the_rows_of_a_machine_that_is_lost_are_made_by_the_other(
    machines: Any, llama: ModelRef, caplog: pytest.LogCaptureFixture
) -> None:
    second = machines.add_node(num_cpus=1)
    machines.wait_for_nodes()
    model = models.resolve(str(llama.folder()), trust_remote_code=False)
    settings, made = replace(TWO, ray_workers=0, ray_address=machines.address), list[Completion]()
    engine = RayEngine(settings, model, opener=dying.WAYS["slowly"])
    try:
        assert len(engine._workers) == 2, "one for each machine"
        for completion in engine.generate(dying.rows(40)):
            made.append(completion)
            if len(made) == 6:
                machines.remove_node(second, allow_graceful=False)
    finally:
        engine.close()
    assert Counter(c.request_id for c in made) == Counter(p.request_id for p in dying.rows(40))
    assert {c.request_id: c.text for c in made} == {p.request_id: answer(p) for p in dying.rows(40)}
    assert min(use.texts for use in engine.uses.values()) < 20 < max(use.texts for use in engine.uses.values())
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert " died with 6 in flight (" in said or " died with 7 in flight (" in said
