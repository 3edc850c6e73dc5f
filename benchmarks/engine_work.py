"""One engine on one load of work, in a process of its own: `python benchmarks/engine_work.py KIND WORK.json`.

Prints one JSON object. Load, warm-up and steady state are timed apart; tokens are those that rows asked for and got.
`engine.py` writes the work and starts this; `KIND` is a function below.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Work = dict[str, Any]
"""`model` and `gguf` paths, `dtype`, `slots`, `device`, and `rows`: messages, text, new tokens, seed, schema."""


class Clock:
    """Seconds of each phase, and of all processors while it was steady."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_s = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds[f"{name}_s"] = time.perf_counter() - began
        self.cpu_s = time.process_time() - cpu


def ours(work: Work, clock: Clock) -> Work:
    """This project's engine."""
    from aigc.engine import open_engine
    from aigc.models import ModelRef
    from aigc.records import Message, Prompt, Sampling
    from aigc.settings import EngineSettings

    if work.get("widths") == "every":
        _use_every_width()
    settings = EngineSettings(device=work["device"], dtype=work["dtype"], slots=work["slots"])
    engine = open_engine(settings, ModelRef(ref="benchmark", path=Path(work["model"]), digest="sha256:benchmark"))
    prompts = [
        Prompt(
            request_id=str(at),
            messages=[Message(**message) for message in row["messages"]],
            sampling=Sampling(
                temperature=work["temperature"], top_k=work["top_k"], max_new_tokens=row["new"],
                min_new_tokens=row["new"] if work["fixed"] else 0,
            ),
            seed=at,
            json_schema=row.get("schema"),
        )
        for at, row in enumerate(work["rows"])
    ]
    with clock.phase("load"):
        list(engine.generate(prompts[:1]))
    with clock.phase("warm"):
        list(engine.generate(prompts[: work["warm_rows"]]))
    with clock.phase("steady"):
        made = list(engine.generate(prompts))
    info = engine.info()
    engine.close()
    faults = sum(one.fault is not None for one in made)
    return {"tokens": sum(one.tokens_out for one in made), "tokens_in": sum(one.tokens_in for one in made),
            "faults": faults, "slots": info.slots, "device": info.device, "batch_invariant": info.batch_invariant}


def _use_every_width() -> None:
    """Steps of exactly as many tokens as there are: what a mode would do that promises no bytes."""
    from aigc.engine.runners import PagedRunner

    find = PagedRunner.find_widths

    def every(self: PagedRunner) -> None:
        find(self)
        self.widths = list(range(1, self.slots + 1))

    PagedRunner.find_widths = every  # type: ignore[method-assign]


def openvino(work: Work, clock: Clock) -> Work:
    """OpenVINO GenAI's continuous batching, from the GGUF file that the model's folder was made of."""
    import openvino_genai as genai

    with clock.phase("load"):
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_seqs = 2, work["slots"]
        scheduler.max_num_batched_tokens = max(256, work["slots"])
        scheduler.enable_prefix_caching = True
        pipe = genai.ContinuousBatchingPipeline(work["gguf"], scheduler, "CPU")
    tokenizer = pipe.get_tokenizer()
    texts, configs = [row["text"] for row in work["rows"]], []
    for row in work["rows"]:
        config = genai.GenerationConfig()
        config.max_new_tokens, config.do_sample, config.apply_chat_template = row["new"], False, False
        configs.append(config)
    with clock.phase("warm"):
        pipe.generate(texts[: work["warm_rows"]], configs[: work["warm_rows"]])
    with clock.phase("steady"):
        answers = pipe.generate(texts, configs)
    written = [answer.m_generation_ids[0] for answer in answers]
    tokens = sum(
        len(tokenizer.encode(one, add_special_tokens=False).input_ids.data[0]) if isinstance(one, str) else len(one)
        for one in written
    )
    return {"tokens": tokens, "slots": work["slots"], "device": "cpu"}


def generate(work: Work, clock: Clock) -> Work:
    """transformers' `generate` in batches of 64 in the order of arrival; each batch runs to its longest row."""
    import torch
    import transformers

    with clock.phase("load"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(work["model"], padding_side="left")
        model = transformers.AutoModelForCausalLM.from_pretrained(
            work["model"], dtype=getattr(torch, work["peer_dtype"])
        ).to(work["device"])

    def run(rows: list[Work]) -> int:
        batch = tokenizer([row["text"] for row in rows], return_tensors="pt", padding=True).to(work["device"])
        longest = max(row["new"] for row in rows)
        out = model.generate(**batch, do_sample=False, max_new_tokens=longest, pad_token_id=tokenizer.pad_token_id,
                             min_new_tokens=longest if work["fixed"] else None)
        made = out[:, batch["input_ids"].shape[1] :]
        return sum(_until_end(one, row["new"], tokenizer) for one, row in zip(made.tolist(), rows, strict=True))

    with clock.phase("warm"):
        run([{**row, "new": 4} for row in work["rows"][:64]])
    with clock.phase("steady"):
        tokens = sum(run(work["rows"][at : at + 64]) for at in range(0, len(work["rows"]), 64))
    return {"tokens": tokens, "slots": 64, "device": work["device"]}


def generate_batch(work: Work, clock: Clock) -> Work:
    """transformers' own continuous batching."""
    import torch
    import transformers

    with clock.phase("load"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(work["model"])
        model = transformers.AutoModelForCausalLM.from_pretrained(
            work["model"], dtype=getattr(torch, work["peer_dtype"])
        ).to(work["device"])
    tokens = [tokenizer(row["text"])["input_ids"] for row in work["rows"]]
    config = transformers.GenerationConfig(
        max_new_tokens=max(row["new"] for row in work["rows"]), do_sample=False,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )
    with clock.phase("warm"):
        model.generate_batch(tokens[: work["warm_rows"]], generation_config=config)
    with clock.phase("steady"):
        made = model.generate_batch(tokens, generation_config=config)
    return {"tokens": sum(len(one.generated_tokens) for one in made.values()), "slots": 0, "device": work["device"]}


def _until_end(tokens: list[int], most: int, tokenizer: Any) -> int:
    own = tokens[:most]
    return own.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in own else len(own)


KINDS: dict[str, Callable[[Work, Clock], Work]] = {
    "ours": ours, "openvino": openvino, "generate": generate, "generate_batch": generate_batch,
}


def main() -> None:
    kind, path = sys.argv[1:]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    work, clock = json.loads(Path(path).read_text("utf-8")), Clock()
    result = KINDS[kind](work, clock)
    result |= {name: round(seconds, 3) for name, seconds in clock.seconds.items()}
    result["tokens_per_s"] = round(result["tokens"] / clock.seconds["steady_s"], 1)
    result["cpu_s"] = round(clock.cpu_s, 1)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
