"""`aigc run` as a flow, with what its process spends on the run told apart from all that the flow adds to that.

In place of `python -m aigc`. The figures go to `overhead.json` in the working folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from aigc import cli
from aigc.runs import Run
from flows import sheet

P = ParamSpec("P")
T = TypeVar("T")


class Spent:
    """Seconds of the processor: of the run's own work, and of the whole process between first shard and last file."""

    def __init__(self) -> None:
        self.own_s = self.all_s = 0.0

    def of_run(self, clock: Callable[[], float], work: Callable[P, T]) -> Callable[P, T]:
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            began = clock()
            try:
                return work(*args, **kwargs)
            finally:
                self.own_s += clock() - began

        return measured

    def of_flow(self, work: Callable[P, T]) -> Callable[P, T]:
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.process_time()
            try:
                return work(*args, **kwargs)
            finally:
                self.all_s += time.process_time() - began

        return measured


def main() -> None:
    spent = Spent()
    # Rows are made in one thread, so whatever the others do is the flow's; files are written by several.
    vars_of_run = {"generate": time.thread_time, "finish": time.process_time}
    for name, clock in vars_of_run.items():
        setattr(Run, name, spent.of_run(clock, getattr(Run, name)))
    sheet._generated = spent.of_flow(sheet._generated)
    try:
        cli.main()
    finally:
        Path("overhead.json").write_text(json.dumps({"own_s": spent.own_s, "all_s": spent.all_s}))


if __name__ == "__main__":
    main()
