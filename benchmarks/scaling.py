"""What engine processes beside each other are worth: one against several, on the same work and in turn.

    python benchmarks/scaling.py [--device cpu] [--processes 2] [--rows 128] [--new 64] [--rounds 2] [--json]

On a CPU three sides take turns: one process with all cores, one with the share of one of several, and several that
share the cores. On GPUs there are two: the first alone, and so many of them. Each side is a process of its own with
children of its own. Load is left out: a first round of as many rows as there are processes comes before the one that
is measured. Ratios in wall time are of the best of each side's rounds, those in tokens a processor second of their
medians; above a load of as many as there are cores, the second are the better figures. Texts must be the same on all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from engine import MODEL, always, briefs

from aigc.engine import open_engine, uses_of
from aigc.hashing import digest
from aigc.models import resolve
from aigc.records import Message, Prompt, Sampling
from aigc.settings import EngineSettings

TICKS_S = 1 / os.sysconf("SC_CLK_TCK")
Side = dict[str, Any]


def measure(side: Side) -> Side:
    """Tokens a second of one engine, in this process."""
    settings = EngineSettings(device=side["device"], processes=side["processes"], slots=side["slots"])
    engine = open_engine(settings, resolve(MODEL, trust_remote_code=False, fetch=False))
    try:
        list(engine.generate(_prompts(side["processes"], 8, first=side["rows"])))
        cpu_s, began_s, before = _processor_s(), time.perf_counter(), uses_of(engine)
        made = list(engine.generate(_prompts(side["rows"], side["new"])))
        took_s, cpu_s = time.perf_counter() - began_s, _processor_s() - cpu_s
        shares = {name: use.tokens_out - before[name].tokens_out for name, use in uses_of(engine).items()}
    finally:
        engine.close()
    tokens = sum(each.tokens_out for each in made)
    texts = {each.request_id: each.text for each in made if each.fault is None}
    return {"tokens": tokens, "faults": len(made) - len(texts), "tokens_per_s": tokens / took_s,
            "tokens_per_cpu_s": tokens / cpu_s, "shares": shares, "texts": digest(dict(sorted(texts.items())))}


def _prompts(count: int, new: int, first: int = 0) -> list[Prompt]:
    rows = briefs(count, always(new), first=first)
    return [
        Prompt(
            request_id=f"r{first + at}", messages=[Message(**message) for message in row["messages"]], seed=at,
            sampling=Sampling(temperature=0.0, max_new_tokens=new, min_new_tokens=new),
        )
        for at, row in enumerate(rows)
    ]


def _processor_s() -> float:
    """Processor seconds of this process and its children so far."""
    pids = [os.getpid(), *map(int, Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) * TICKS_S


def sides(args: argparse.Namespace) -> dict[str, Side]:
    work = {"device": args.device, "rows": args.rows, "new": args.new, "slots": args.slots}
    one, many = work | {"processes": 1}, work | {"processes": args.processes}
    if args.device == "cuda":
        return {"one GPU": one, f"{args.processes} GPUs": many}
    cores = len(os.sched_getaffinity(0))
    share = max(1, cores // args.processes)
    return {
        f"one process, {cores} threads": one | {"threads": cores},
        f"one process, {share} threads": one | {"threads": share},
        f"{args.processes} processes, {share} threads each": many | {"threads": share},
    }


def run(side: Side) -> Side:
    threads = {"OMP_NUM_THREADS": str(side["threads"])} if "threads" in side else {}
    command = [sys.executable, __file__, "--side", json.dumps(side)]
    done = subprocess.run(command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ratios(rounds: dict[str, list[Side]], processes: int) -> dict[str, float]:
    """`speedup` over all of the machine in one process, `efficiency` of one process's speed so many times."""
    speeds = [
        (max(each["tokens_per_s"] for each in made), median(each["tokens_per_cpu_s"] for each in made))
        for made in rounds.values()
    ]
    (whole, whole_cpu), (part, part_cpu), (many, many_cpu) = speeds[0], speeds[-2], speeds[-1]
    found = {"efficiency": many / part / processes, "efficiency_cpu": many_cpu / part_cpu}
    if len(speeds) == 3:
        found |= {"speedup": many / whole, "speedup_cpu": many_cpu / whole_cpu}
    return {name: round(value, 3) for name, value in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--slots", type=int, default=32, help="rows that each process has in flight")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--side", default="", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.side:
        print(json.dumps(measure(json.loads(args.side))))
        return
    rounds, loads = defaultdict[str, list[Side]](list), list[float]()
    for _ in range(args.rounds):
        for name, side in sides(args).items():
            loads.append(os.getloadavg()[0])
            made = run(side)
            print(f"{name:<34}{made['tokens_per_s']:7.1f} tokens/s {made['tokens_per_cpu_s']:7.1f} a processor second, "
                  f"load {loads[-1]:.1f} {made['shares'] or ''}", flush=True)
            rounds[name].append(made)
    every = [made for side in rounds.values() for made in side]
    same, faults = len({made["texts"] for made in every}) == 1, sum(made["faults"] for made in every)
    result = ratios(rounds, args.processes) | {"same_texts": same, "faults": faults}
    for key, value in result.items():
        print(f"{key:<28}{value}")
    if args.json:
        print(json.dumps(result | {"sides": rounds, "machine_load": loads}))
    if not same or faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
