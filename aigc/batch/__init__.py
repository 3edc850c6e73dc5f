"""OpenAI batch files on any engine: `requests.jsonl` in, `results.jsonl` out, in the order of the requests.

    RequestFile ─▶ read_request ─▶ ChatRequest ─▶ Prompts ─▶ engine ─▶ journal ─▶ ResultLine
                        └────────▶ Refusal ───────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aigc.batch.lines import RequestFile
from aigc.batch.run import Batch, Counts, Meaning
from aigc.disk import disk_errors
from aigc.engine import open_engine
from aigc.errors import BatchError, UsageError, writable
from aigc.models import ModelRef
from aigc.records import EngineInfo, Sampling, Value
from aigc.settings import Settings
from aigc.settings_loading import load_settings
from aigc.settings_ranges import check_sampling
from aigc.settings_reading import Table
from aigc.start import default_config, find_model
from aigc.store import JOURNAL, Store
from aigc.tally import Tally
from aigc.watermark import open_mark

__all__ = ["BatchOrder", "BatchSummary", "journal_folder", "run_batch"]


class BatchOrder(Value, frozen=True):
    """What a person asked for: the arguments of `aigc batch`. `overrides` are settings given on the command line.

    `names` are those that requests may give the model, instead of its own.
    """

    requests: Path
    output: Path
    errors: Path | None = None
    config: Path | None = None
    overrides: dict[str, Table] = {}
    names: list[str] = []

    def settings(self) -> Settings:
        return load_settings(self.config or default_config(), self.overrides)


class BatchSummary(Value, frozen=True):
    """How a batch ended. Tokens are those of this session; `made_before` counts requests that an earlier one made."""

    requests: str
    output: str
    errors: str | None
    request_counts: Counts
    made_before: int
    tokens_in: int
    tokens_out: int
    elapsed_s: float
    engine: EngineInfo


def run_batch(
    order: BatchOrder, on_request: Callable[[Tally], None] = lambda _: None, say: Callable[[str], None] = lambda _: None
) -> BatchSummary:
    """Answer every request of the file and write the results once none is missing.

    Raises:
        AigcError: of what refuses: paths, the file as a whole, settings, the model, the engine or the disk.
    """
    settings, requests = order.settings(), _checked(order)
    mark = open_mark(settings.watermark, settings.engine.name)
    sampling = settings.sampling.over(Sampling(temperature=1.0, watermark=mark.ref if mark else ""))
    check_sampling(sampling, "settings, table sampling")
    if not requests.survey():
        raise BatchError(writable(order.requests), "no request", "one JSON object on each line", "Add requests.")
    model = find_model(settings, [], say)
    names = order.names or list(dict.fromkeys([settings.run.model, model.ref]))  # as vLLM has it
    meaning = Meaning(defaults=sampling, models=names, text_key=_text_key(settings, model), seed=settings.run.seed)
    with _open_store(order.output, say) as store:
        engine = open_engine(settings.engine, model, mark)
        try:
            batch = Batch(requests, meaning, engine, store, on_request)
            batch.generate()
            info = engine.info()
        finally:
            engine.close()
        return _summary(order, batch, info)


def journal_folder(output: Path) -> Path:
    """Where the answers are kept from the moment they are made."""
    return output.with_name(output.name + ".journal")


def _summary(order: BatchOrder, batch: Batch, info: EngineInfo) -> BatchSummary:
    counts, tally = batch.write(order.output, order.errors), batch.tally
    return BatchSummary(
        requests=writable(order.requests), output=writable(order.output),
        errors=writable(order.errors) if order.errors else None, request_counts=counts, made_before=tally.made_before,
        tokens_in=tally.tokens_in, tokens_out=tally.tokens_out, elapsed_s=round(tally.elapsed_s, 3), engine=info,
    )


def _checked(order: BatchOrder) -> RequestFile:
    """The requests file, once it is clear that nothing writes over it."""
    requests = RequestFile(order.requests)
    taken = {order.requests.resolve(): "REQUESTS"}
    for option, path in (("--output", order.output), ("--errors", order.errors)):
        if path is None:
            continue
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise UsageError(option, f"something that is no file at {writable(path)}", "a file", "Give another name.")
        if other := taken.get(path.resolve()):
            raise UsageError(option, f"the same file as {other}", "a file of its own", "Give another name.")
        taken[path.resolve()] = option
    return requests


def _text_key(settings: Settings, model: ModelRef) -> str:
    """What stands for engine and model in a request's identity: files and the arithmetic's precision."""
    return f"{settings.engine.name} {model.digest} {settings.engine.precision}"


def _open_store(output: Path, say: Callable[[str], None]) -> Store:
    folder = journal_folder(output)
    with disk_errors(output.parent, "nothing was written"):
        output.parent.mkdir(parents=True, exist_ok=True)
    store = Store.open(folder) if (folder / JOURNAL).exists() else Store.create(folder)
    if store.torn_bytes:
        say("journal: the last line was torn and is dropped; its answer is made again")
    if store.damaged:
        say(f"journal: {len(store.damaged):,} damaged lines left out; what they held is made again")
    return store
