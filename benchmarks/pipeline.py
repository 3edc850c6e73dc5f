"""Everything but the model, at three sizes: how many rows a second, how much memory, and whether it stays so.

    python benchmarks/pipeline.py [--json] [--sizes 1000,10000,100000] [--keep FOLDER]

A sheet of products goes through all that `aigc run` does with it: reading and checking, a second reading while rows are
made, prompts, answers of about 110 words from ScriptedEngine, filters, retries, journal, all result files. Every size
has its own process, warmed up by a run of 200 rows that is not counted (imports, templates, the language model: told
as `start_s`). Seconds are wall time; `cpu_s` is what this process used of the processor, which a busy machine does
not stretch as much.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from aigc import asking, jury, pipeline, runs
from aigc.asking import Asking
from aigc.engine.scripted import ScriptedEngine
from aigc.hashing import digest
from aigc.job import Job
from aigc.models import ModelRef
from aigc.provenance.commitments import open_commitments
from aigc.provenance.stamps import Stamper
from aigc.records import Completion, Prompt
from aigc.runs import open_run
from aigc.settings_loading import load_settings
from aigc.store import Store

SIZES = (1_000, 10_000, 100_000)
MEASURED_ROWS = 10_000
"""Sizes below this are run several times, and the median stands for them: a second is soon disturbed."""
HEADINGS = (
    "id",
    "content_type",
    "language",
    "tone",
    "audience",
    "keywords",
    "must_not_mention",
    "max_words",
    "product",
    "brand",
    "facts",
    "price",
)
IN_LOOP = ("read", "render", "prompt", "engine", "output", "filters", "commit", "journal")
STAGES = ("survey", *IN_LOOP, "other", "stamp", "seal", "export")
PROVENANCE = ("commit", "stamp", "seal")
"""Stages that a run without provenance would not have."""
P = ParamSpec("P")
T = TypeVar("T")


def write_sheet(path: Path, rows: int) -> None:
    """Products such as a shop would list; one in 200 has no facts, and is invalid."""
    kinds = ("kettle", "lamp", "rucksack", "blanket", "chopping board", "raincoat", "notebook", "teapot", "stool")
    makers = ("Ovenbird", "Harrow & Tide", "Maison Brévaud", "Little Quarry", "Northmill", "Fennick")
    tones = ("warm, plain", "relaxed", "precise", "cheerful", "")
    facts = (
        "Weighs {n} g and fits into one hand",
        "Made of oiled oak and brushed steel",
        "Repaired free for {m} years",
        "Comes in {m} colours, each dyed with plants",
        "Packs flat in a box of {n} mm",
        "Washed by hand or at 40 °C",
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(HEADINGS)
        for row in range(rows):
            chosen = (facts[(row + at) % len(facts)] for at in range(3 + row % 3))
            given = (fact.format(n=120 + row % 880, m=2 + row % 7) for fact in chosen)
            sheet.writerow(
                (
                    f"sku-{row:06}",
                    "product_description",
                    "en",
                    tones[row % len(tones)],
                    "people who like useful things",
                    "" if row % 10 else "harbour",
                    "" if row % 4 else "cheap; guaranteed",
                    160 if row % 3 else "",
                    f"No. {row} {kinds[row % len(kinds)]}",
                    makers[row % len(makers)],
                    "" if row % 200 == 7 else "; ".join(given),
                    f"€{9 + row % 190}.50",
                )
            )


class Watch:
    """Seconds by stage. Around each call two readings of the clock, a third of a microsecond."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, stage: str, work: Callable[P, T]) -> Callable[P, T]:
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            started = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[stage] += time.perf_counter() - started

        return measured

    def each(self, stage: str, values: Iterator[T]) -> Iterator[T]:
        while True:
            with self.span(stage):
                value = next(values, None)
            if value is None:
                return
            yield value

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started


class WatchedEngine(ScriptedEngine):
    """The time an answer takes to be made up is no one's but the benchmark's: it is told apart."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(slots=64)
        self._watch = watch

    def _complete(self, prompt: Prompt) -> Completion:
        with self._watch.span("engine"):
            return super()._complete(prompt)


def run_once(sheet: Path, out: Path) -> dict[str, float]:
    """One whole run. Returns seconds by stage, `wall_s`, `cpu_s`, `rows` and `attempts`.

    Opening the job (twelve content types read and compiled) is the same for any sheet, and told apart as `open`.
    """
    watch = Watch()
    settings = load_settings(None, {"run": {"out": str(out), "max_attempts": 2}}, {})
    with watch.span("open"):
        job, model = Job(sheet, settings), ModelRef(ref="scripted", digest=digest("scripted"))
    cpu, wall = time.process_time(), time.perf_counter()
    with watch.span("survey"):
        survey = job.survey()
    commit = watch.timed("commit", open_commitments(out / "secret").of)
    with instrumented(watch), open_run(job, model, WatchedEngine(watch), [], commit=commit) as run:
        run.begin(survey)
        with watch.span("generate"):
            run.generate(watch.each("read", job.rows()))
        with watch.span("export"):
            file = run.finish()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rest = watch.seconds.pop("generate") - sum(watch.seconds[stage] for stage in IN_LOOP)
    watch.seconds["export"] -= watch.seconds["stamp"] + watch.seconds["seal"]
    return {
        **watch.seconds,
        "other": rest,
        "wall_s": wall,
        "cpu_s": cpu,
        "rows": file.rows,
        "attempts": run.tally.attempts,
    }


@contextmanager
def instrumented(watch: Watch) -> Iterator[None]:
    """Stages of the loop with a watch around them."""
    stages: tuple[tuple[object, str, str], ...] = (
        (Asking, "messages", "render"),
        (asking, "make_prompt", "prompt"),
        (pipeline, "read_output", "output"),
        (jury, "judge", "filters"),
        (Stamper, "stamp", "stamp"),
        (runs, "seal", "seal"),
        (Store, "append", "journal"),
        (Store, "append_attempt", "journal"),
    )
    plain = [getattr(owner, name) for owner, name, _ in stages]
    for (owner, name, stage), work in zip(stages, plain, strict=True):
        setattr(owner, name, watch.timed(stage, work))
    try:
        yield
    finally:
        for (owner, name, _), work in zip(stages, plain, strict=True):
            setattr(owner, name, work)


def measure(rows: int, folder: Path) -> dict[str, float]:
    """One size, in this process: the warm-up, then the median of the runs counted."""
    started = time.perf_counter()
    write_sheet(folder / "warm.csv", 200)
    run_once(folder / "warm.csv", folder / "warm")
    start_s = time.perf_counter() - started
    sheet = folder / "products.csv"
    write_sheet(sheet, rows)
    runs = [run_once(sheet, folder / f"out-{turn}") for turn in range(5 if rows < MEASURED_ROWS else 1)]
    middle = statistics.median_low([run["wall_s"] for run in runs])
    figures = next(run for run in runs if run["wall_s"] == middle)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        **figures,
        "start_s": start_s,
        "peak_mb": peak_mb,
        "rows_per_s": rows / figures["wall_s"],
        "rows_per_cpu_s": rows / figures["cpu_s"],
        "provenance_share": sum(figures.get(stage, 0.0) for stage in PROVENANCE) / figures["wall_s"],
    }


def in_own_process(rows: int, keep: Path | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="aigc-pipeline-") as temporary:
        folder = keep / str(rows) if keep else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--one", str(rows), "--keep", str(folder)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def show(results: dict[int, dict[str, float]]) -> None:
    """A table: a line a stage, a column a size, microseconds a row."""
    print(f"{'µs a row':<14}" + "".join(f"{size:>12,}" for size in results))
    for stage in STAGES:
        print(f"{stage:<14}" + "".join(f"{1e6 * r.get(stage, 0.0) / n:>12.1f}" for n, r in results.items()))
    for name, of in (("wall", "wall_s"), ("processor", "cpu_s")):
        print(f"{name:<14}" + "".join(f"{1e6 * r[of] / n:>12.1f}" for n, r in results.items()))
    for name in ("rows_per_s", "rows_per_cpu_s", "peak_mb", "attempts"):
        print(f"{name:<14}" + "".join(f"{figures[name]:>12,.0f}" for figures in results.values()))
    for name in ("start_s", "open", "provenance_share"):
        print(f"{name:<14}" + "".join(f"{figures[name]:>12,.2f}" for figures in results.values()))


def summary(results: dict[int, dict[str, float]]) -> dict[str, object]:
    largest = results[max(results)]
    each_s = {size: figures["wall_s"] / size for size, figures in results.items()}
    each_cpu_s = {size: figures["cpu_s"] / size for size, figures in results.items()}
    return {
        "rows_per_s": round(largest["rows_per_s"]),
        "rows_per_cpu_s": round(largest["rows_per_cpu_s"]),
        "peak_mb": round(largest["peak_mb"]),
        "provenance_share": round(largest["provenance_share"], 4),
        "spread": spread(each_s),
        "spread_cpu": spread(each_cpu_s),
        "load": [round(load, 2) for load in os.getloadavg()],
        "sizes": {size: {name: round(value, 4) for name, value in each.items()} for size, each in results.items()},
    }


def spread(per_row: dict[int, float]) -> float:
    """How much longer a row takes at the slowest size than at the fastest."""
    return round(max(per_row.values()) / min(per_row.values()) - 1, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="rows, comma-separated")
    parser.add_argument("--keep", type=Path, help="folder for sheets and results, which are otherwise removed")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.keep)))
        return
    results = {size: in_own_process(size, options.keep) for size in map(int, options.sizes.split(","))}
    show(results)
    if options.json:
        print(json.dumps(summary(results)))


if __name__ == "__main__":
    main()
