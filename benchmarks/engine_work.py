"""One engine on one load of work, in a process of its own: `python benchmarks/engine_work.py KIND WORK.json`.

Prints one JSON object. Load, warm-up and steady state are timed apart; tokens are those that rows asked for and got.
`engine.py` writes the work and starts this; `KIND` is a function below. `cpu_s` is null where the engine has a process
of its own.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aigc.records import Completion, Prompt

Work = dict[str, Any]
"""`model` and `gguf` paths, `dtype`, `slots`, `device`, and `rows`: messages, text, new tokens, seed, schema.
`warm` are rows to make before. Where `captures` is true they are other ones, twice as many, and `_rounds` takes of them
what it needs."""
FALL = 16
"""In a warm-up on a GPU, of how many rows that are left one ends at a step."""


class Clock:
    """Seconds of each phase, and those that all processors gave this process while it was steady."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_s: float | None = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds[f"{name}_s"] = time.perf_counter() - began
        self.cpu_s = time.process_time() - cpu


def ours(work: Work, clock: Clock) -> Work:
    """This project's engine."""
    from aigc.engine import open_engine
    from aigc.engine.restart import belongs_apart
    from aigc.models import ModelRef
    from aigc.settings import EngineSettings

    if work.get("widths") == "every":
        _use_every_width()
    settings = EngineSettings(device=work["device"], dtype=work["dtype"], slots=work["slots"])
    engine = open_engine(settings, ModelRef(ref="benchmark", path=Path(work["model"]), digest="sha256:benchmark"))
    prompts = _prompts(work, work["rows"])
    before: list[Prompt] = []
    with clock.phase("load"):
        list(engine.generate(prompts[:1]))
    with clock.phase("warm"):
        for warm in _rounds(work, engine.info().slots):
            fine = {one.request_id for one in engine.generate(warm) if one.fault is None}
            before += [prompt for prompt in warm if prompt.request_id in fine]
    with clock.phase("steady"):
        made = list(engine.generate(prompts))
    info = engine.info()
    engine.close()
    if belongs_apart(settings):
        clock.cpu_s = None  # the engine's process had more phases than the steady one, and tells of none
    return _counted(work, prompts, made, before, clock.seconds["steady_s"]) | {
        "slots": info.slots, "device": info.device, "batch_invariant": info.batch_invariant}


def _rounds(work: Work, slots: int) -> list[list[Prompt]]:
    """What is made before anything is measured: on a GPU so much that the shapes of steps have come at least twice,
    since the second time a shape comes its graph is captured.

    Rows fill three quarters of the slots, or are as many as are measured. While they are read, steps are full and ask
    for ever more of them. None ends before all are read: a quarter of each step at least is left for that, which says
    how many steps it takes at most. Then at each step one in `FALL` of those that are left ends. Neighbouring widths
    are a third apart or more, so each comes four times. A full step that asks for few may come once only, as the first;
    so there are two rounds, of different prompts: what was read once is not read again.
    """
    from engine_roofline import tokens_to_read

    from aigc.engine.pages import PAGE

    if not work["captures"]:
        return [_prompts(work, work["warm"])]
    count = min(len(work["rows"]), 3 * slots // 4)
    rounds = [work["warm"][:count], work["warm"][-count:]]
    least = max(tokens_to_read(_encoded(work, _prompts(work, rows)), PAGE) for rows in rounds) // (slots - count) + 1
    lengths = [least + each for each in falling(count)]
    return [
        _prompts(work, [row | {"new": new} for row, new in zip(rows, lengths, strict=True)]) for rows in rounds
    ]


def falling(count: int) -> list[int]:
    """When each of `count` rows ends, in steps, so that at each one in `FALL` of those left does, or fewer: the first
    to begin end first, and the others began later."""
    return [math.ceil(FALL * math.log(count / (count - at))) for at in range(count)]


def _prompts(work: Work, rows: list[Work]) -> list[Prompt]:
    from aigc.records import Message, Prompt, Sampling

    return [
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
        for at, row in enumerate(rows)
    ]


def _counted(
    work: Work, prompts: list[Prompt], made: list[Completion], before: list[Prompt], steady_s: float
) -> Work:
    """Tokens, faults by their codes, and what the floor of the work is reckoned from: see `engine_roofline.Load`.

    `before` are prompts that had been read when the measurement began.
    """
    from engine_roofline import tokens_to_read

    from aigc.engine.pages import PAGE

    fine = {one.request_id for one in made if one.fault is None}
    tokens = _encoded(work, [prompt for prompt in prompts if prompt.request_id in fine])
    return {
        "tokens": sum(one.tokens_out for one in made),
        "tokens_in": sum(one.tokens_in for one in made),
        "tokens_read": tokens_to_read(tokens, PAGE, _encoded(work, before)),
        "context": sum(_context(one.tokens_in, one.tokens_out) for one in made),
        # Little's law: how many are there is how many come in a second, times how long each stays.
        "rows_in_flight": round(sum(one.generate_s for one in made) / steady_s, 1),
        "faults": Counter(one.fault.code for one in made if one.fault),
    }


def _context(tokens_in: int, tokens_out: int) -> int:
    """Positions read by all tokens of a row but the first, which is a part of reading the prompt."""
    after = max(0, tokens_out - 1)
    return after * tokens_in + after * (after + 1) // 2


def _encoded(work: Work, prompts: list[Prompt]) -> list[list[int]]:
    from aigc.engine.chat import ChatEncoder
    from aigc.engine.loader import load_tokenizer
    from aigc.settings import EngineSettings

    encoder = ChatEncoder(load_tokenizer(Path(work["model"]), EngineSettings()))
    return [encoder.encode(prompt, sys.maxsize) for prompt in prompts]


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
        pipe.generate([row["text"] for row in work["warm"]], configs[: len(work["warm"])])
    with clock.phase("steady"):
        answers = pipe.generate(texts, configs)
    written = [answer.m_generation_ids[0] for answer in answers]
    tokens = sum(
        len(tokenizer.encode(one, add_special_tokens=False).input_ids.data[0]) if isinstance(one, str) else len(one)
        for one in written
    )
    return {"tokens": tokens, "slots": work["slots"], "device": "cpu", "faults": {}}


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
    return {"tokens": tokens, "slots": 64, "device": work["device"], "faults": {}}


def generate_batch(work: Work, clock: Clock) -> Work:
    """transformers' own continuous batching."""
    import torch
    import transformers

    with clock.phase("load"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(work["model"])
        model = transformers.AutoModelForCausalLM.from_pretrained(
            work["model"], dtype=getattr(torch, work["peer_dtype"])
        ).to(work["device"])
    tokens, warm = ([tokenizer(row["text"])["input_ids"] for row in work[name]] for name in ("rows", "warm"))
    config = transformers.GenerationConfig(
        max_new_tokens=max(row["new"] for row in work["rows"]), do_sample=False,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )
    with clock.phase("warm"):
        model.generate_batch(warm[: len(tokens)], generation_config=config)
    with clock.phase("steady"):
        made = model.generate_batch(tokens, generation_config=config).values()
    failed = len(tokens) - sum(one.error is None for one in made)
    return {"tokens": sum(len(one.generated_tokens) for one in made), "slots": 0, "device": work["device"],
            "faults": {"no_answer": failed} if failed else {}}


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
    result["cpu_s"] = None if clock.cpu_s is None else round(clock.cpu_s, 1)
    usage = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result["peak_mb"] = max(each.ru_maxrss for each in usage) // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
