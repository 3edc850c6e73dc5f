"""The model on a Ray cluster beside one process on the same processors, and this project's workers beside Ray Data.

    python benchmarks/cluster.py [--json] [--rows 160] [--rounds 2] [--parts two whole data]

A cluster of this machine alone, with two processors. All sides make the same rows, of 16 to 128 new tokens, with the
default model; two sides are loaded at a time and take turns, so that what else the machine does meets both. Told are
ratios of the seconds that rows take, without loading.

    two_to_one     one process with two threads over two workers with one each
    whole_to_one   one process with two threads over one worker with both: what the way over Ray costs
    ours_to_data   Ray Data's map_batches over two workers of its own, over ours: its batches run empty before the next
    differing      texts that any side made otherwise than the first
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from msgspec.structs import replace

from aigc.engine import Engine, open_engine
from aigc.models import ModelRef, resolve
from aigc.records import Message, Prompt, Sampling
from aigc.settings import DEFAULT_MODEL, EngineSettings

HERE = EngineSettings(device="cpu", slots=48, max_context=1024)
THERE = replace(HERE, on="ray")
SUBJECTS = ("a mug", "a lamp", "a stool", "a kettle", "a rug", "a clock", "a chair", "a coat")
Texts = dict[str, str]
Side = Callable[[], tuple[float, Texts]]
"""Makes all rows, and tells the seconds that took."""


def prompts(rows: int) -> list[Prompt]:
    return [
        Prompt(
            request_id=f"r{row}", seed=7 * row,
            messages=[Message(role="user", content=f"Write {row + 3} facts about {SUBJECTS[row % len(SUBJECTS)]}.")],
            sampling=Sampling(temperature=0.7, top_k=50, max_new_tokens=16 + 16 * (5 * row % 8)),
        )
        for row in range(rows)
    ]


def timed(engine: Engine, work: list[Prompt]) -> tuple[float, Texts]:
    began_s = time.perf_counter()
    made = {one.request_id: one.text for one in engine.generate(work)}
    return time.perf_counter() - began_s, made


@contextmanager
def cluster() -> Iterator[None]:
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        yield
    finally:
        ray.shutdown()


class Sides:
    """Two sides that take turns. Texts of all are held against the first that came."""

    def __init__(self, rows: int, rounds: int) -> None:
        self.work, self._rounds = prompts(rows), rounds
        self._first: Texts = {}
        self.differing = 0

    def ratio(self, name: str, one: Side, other: Side) -> float:
        """The median over rounds of the seconds of `one` over those of `other`."""
        ratios = []
        for _ in range(self._rounds):
            first, second = self._noted(one), self._noted(other)
            ratios.append(first / second)
            print(f"{name:<8} {first:7.1f} s to {second:7.1f} s: {first / second:.2f}", flush=True)
        return round(statistics.median(ratios), 3)

    def _noted(self, side: Side) -> float:
        seconds, made = side()
        self._first = self._first or made
        self.differing += sum(made.get(row) != text for row, text in self._first.items())
        return seconds


class DataWriter:
    """What Ray Data calls with a batch: the engine of the house on all of it, to its end."""

    def __init__(self, model: ModelRef) -> None:
        self._engine = open_engine(HERE, model)
        list(self._engine.generate(prompts(2)))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import msgspec

        began_s = time.time()
        work = [msgspec.json.decode(each, type=Prompt) for each in batch["prompt"]]
        made = list(self._engine.generate(work))
        ended_s = time.time()
        return {"row": [each.request_id for each in made], "text": [each.text for each in made],
                "began_s": [began_s] * len(made), "ended_s": [ended_s] * len(made)}


def by_data(model: ModelRef, work: list[Prompt]) -> tuple[float, Texts]:
    """Seconds from the first batch's start to the last one's end: loading is left out."""
    import msgspec
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_items([{"prompt": msgspec.json.encode(each)} for each in work], override_num_blocks=len(work))
    made = rows.map_batches(
        DataWriter, fn_constructor_args=(model,), batch_size=HERE.slots, compute=ray.data.ActorPoolStrategy(size=2),
        num_cpus=1,
    ).take_all()
    seconds = max(each["ended_s"] for each in made) - min(each["began_s"] for each in made)
    return seconds, {each["row"]: each["text"] for each in made}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--parts", nargs="*", default=["two", "whole", "data"])
    options = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}  # as a run's own cluster has them
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    model, sides, found = resolve(DEFAULT_MODEL, trust_remote_code=False), Sides(options.rows, options.rounds), {}
    load = [os.getloadavg()[0]]
    warm = prompts(4)
    with cluster(), closing(open_engine(HERE, model)) as one:
        timed(one, warm)
        if "two" in options.parts:
            with closing(open_engine(replace(THERE, ray_workers=2), model)) as two:
                timed(two, warm)
                found["two_to_one"] = sides.ratio(
                    "two", lambda: timed(one, sides.work), lambda: timed(two, sides.work))
        if "whole" in options.parts:
            with closing(open_engine(replace(THERE, ray_workers=1), model)) as whole:
                timed(whole, warm)
                found["whole_to_one"] = sides.ratio(
                    "whole", lambda: timed(one, sides.work), lambda: timed(whole, sides.work))
    if "data" in options.parts:
        with cluster():
            def ours() -> tuple[float, Texts]:
                with closing(open_engine(replace(THERE, ray_workers=2), model)) as two:
                    timed(two, warm)
                    return timed(two, sides.work)

            found["ours_to_data"] = sides.ratio("data", lambda: by_data(model, sides.work), ours)
    load.append(os.getloadavg()[0])
    found |= {"differing": sides.differing, "rows": options.rows, "load": [round(each, 1) for each in load]}
    for name, value in found.items():
        print(f"{name:<16} {value}")
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
