"""`aigc reproduce`: texts made again on this machine, and compared byte by byte."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import closing

import msgspec

from aigc.engine import open_engine
from aigc.errors import StoreError, UsageError
from aigc.models import ModelRef, resolve
from aigc.past import Past
from aigc.provenance.environment import CodeFacts, code_facts
from aigc.provenance.manifest import read_manifest
from aigc.records import Attempt, Completion, EngineInfo, Prompt, Value
from aigc.settings import Settings
from aigc.stamped import Stamped
from aigc.watermark import open_mark

_OWN = ("url", "key_variable", "trust_remote_code", "concurrency", "timeout_s", "max_retries")
"""Settings of an engine that no text depends on, and that reach out of this program."""


class Reproduced(Value, frozen=True):
    """One text made again. `first_difference` is the first character that differs, None where none does."""

    record_id: str
    row: int
    attempt: int
    is_same: bool
    first_difference: int | None = None
    tokens_same: bool | None = None
    """Whether the token ids are the same; None where one of the engines does not tell them."""
    problem: str = ""


class Reproduction(Value, frozen=True):
    """What came of making texts again. `differences` are those between the machine that made them and this one."""

    run_id: str
    differences: list[str]
    rows: list[Reproduced]

    @property
    def is_same(self) -> bool:
        return all(row.is_same for row in self.rows)


def sample(past: Past, count: int, seed: int = 0) -> list[int]:
    """Places of `count` rows that have a text, drawn by chance; all where there are no more."""
    places = [place for place, row in past.rows() if _attempt(row)]
    if not places:
        raise UsageError(f"run {past.run.run_id}", "no row with a text", "a text to make again", "Name another run.")
    return sorted(random.Random(seed).sample(places, min(count, len(places))))


def settings_here(run: Settings, own: Settings) -> Settings:
    """A run's settings with what is for the user alone to say: which server is asked and with whose key, whether a
    model's own program may run, where the watermark's key lies. A run's folder may come from anybody."""
    engine = msgspec.structs.replace(run.engine, **{name: getattr(own.engine, name) for name in _OWN})
    mark = msgspec.structs.replace(run.watermark, key_file=own.watermark.key_file)
    return msgspec.structs.replace(run, engine=engine, watermark=mark)


def model_here(settings: Settings, own: Settings, report: Callable[[str], None]) -> ModelRef:
    """The model of a run in this machine's cache or folders. Only one that the user's own settings name too is fetched
    from the hub.

    Raises:
        ModelError: it is not here, or cannot be used.
    """
    engine, name = settings.engine, settings.run.model
    return resolve(name, trust_remote_code=engine.trust_remote_code, adapter=engine.adapter,
                   fetch=name == own.run.model, report=report)


def reproduce(
    past: Past,
    places: Sequence[int],
    model: ModelRef,
    settings: Settings,
    on_differences: Callable[[list[str]], None] = lambda _: None,
    on_text: Callable[[int], None] = lambda _: None,
) -> Reproduction:
    """Make the texts of rows again with the model of their run and the engine of `settings`, and compare.

    `on_differences` is told what differs in the stack before the first text is made, `on_text` each text that was.

    Raises:
        UsageError: the model's files are others, a row has no text, or what it was asked cannot be made again.
        AigcError: the engine cannot be opened.
    """
    if model.digest != past.run.model.digest:
        raise UsageError(f"model {past.run.model.ref}", f"files of digest {model.digest}", past.run.model.digest,
                         "Bring back the model that the run was made with.")
    wanted = dict(past.rows({*places}))
    asked = {place: _requests(past, place, row) for place, row in wanted.items()}
    prompts = {prompt.request_id: prompt for requests in asked.values() for prompt, _ in requests}
    made = dict[str, Completion]()
    mark = open_mark(settings.watermark, settings.engine.name)
    here = msgspec.structs.replace(settings.engine.here, devices="all", processes=0)  # another machine has other GPUs
    with closing(open_engine(here, model, mark)) as engine:
        made_by = [attempt.engine for requests in asked.values() for _, attempt in requests]
        differences = stack_differences(past, [*wanted.values()], made_by, engine.info())
        on_differences(differences)
        for completion in engine.generate(iter(prompts.values())):
            made[completion.request_id] = completion
            on_text(len(made))
    rows = [_together([_compared(place, wanted[place], attempt, made.get(prompt.request_id))
                       for prompt, attempt in requests]) for place, requests in asked.items()]
    return Reproduction(run_id=past.run.run_id, differences=differences, rows=rows)


def stack_differences(past: Past, rows: Sequence[Stamped], made_by: Sequence[str], info: EngineInfo) -> list[str]:
    """What of code, libraries and engine is not as it was, each as `torch: 2.9.1, now 2.10.0`.

    A row that was taken over is told by the run that made it; `made_by` are digests of the engines of its attempts.
    """
    lines: list[str] = []
    pairs: list[tuple[str, object, object]] = []
    for run_id in dict.fromkeys(row.provenance.run_id for row in rows):
        code = _code_of(past, run_id)
        pairs += _code_pairs(code, code_facts()) if code else []
        lines += [] if code else [f"code: that of run {run_id}, which is not here, so nobody knows"]
    for name in dict.fromkeys(made_by):
        engine = past.run.engines.get(name)
        pairs += _engine_pairs(engine, info) if engine else []
        lines += [] if engine else [f"engine: {name[:19]}, of which the run tells nothing"]
    return list(dict.fromkeys([*lines, *(f"{name}: {old}, now {new}" for name, old, new in pairs if old != new)]))


def _code_of(past: Past, run_id: str) -> CodeFacts | None:
    """The program that a run was made with; None where the run is no longer beside this one."""
    if run_id == past.run.run_id:
        return past.manifest.code
    try:
        return read_manifest(past.folder.parent / run_id)[0].code
    except StoreError:
        return None


def _code_pairs(before: CodeFacts, now: CodeFacts) -> list[tuple[str, object, object]]:
    own = [("aigc", before.version, now.version)]
    if before.commit and now.commit:
        changed = "+, and changes to it that may be others" if before.dirty and now.dirty else "+" * bool(now.dirty)
        own += [("commit", before.commit[:12] + "+" * bool(before.dirty), now.commit[:12] + changed)]
    return [*own, ("installed packages", before.packages[:19], now.packages[:19])]


def _engine_pairs(before: EngineInfo, now: EngineInfo) -> list[tuple[str, object, object]]:
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(now)
    versions = {**old.pop("versions"), **new["versions"]}
    plain = [(name, old[name], new.get(name)) for name in old if name in ("engine", "dtype", "device", "slots")]
    return plain + [(name, before.versions.get(name, "none"), new["versions"].get(name, "none")) for name in versions]


def _attempt(row: Stamped) -> Attempt | None:
    """The attempt whose text stands for the row, else its last with a text."""
    record = row.record
    with_text = [attempt for attempt in record.attempts if not attempt.completion.fault]
    return record.attempt or (with_text[-1] if with_text else None)


def _requests(past: Past, place: int, row: Stamped) -> list[tuple[Prompt, Attempt]]:
    """The requests that a row's text was made from: one, or of a dialogue one for each line."""
    attempt = _attempt(row)
    if attempt is None:
        name = row.record.record_id or f"row {place + 1}"
        raise UsageError(f"record {name}", "no text", "a row with a text", "Name another record.")
    return past.prompts_of(row, attempt)


def _together(parts: list[Reproduced]) -> Reproduced:
    """What came of a row that was made from these: the first that differs, else the first."""
    return next((part for part in parts if not part.is_same), parts[0])


def _compared(place: int, row: Stamped, attempt: Attempt, made: Completion | None) -> Reproduced:
    own = Reproduced(record_id=row.record.record_id, row=place + 1, attempt=attempt.number, is_same=False)
    if made is None:
        return msgspec.structs.replace(own, problem="the engine gave no answer")
    if made.fault:
        return msgspec.structs.replace(own, problem=f"{made.fault.code}: {made.fault.found}")
    old, new = attempt.completion, made
    digests = old.tokens_out_digest, new.tokens_out_digest
    tokens_same = digests[0] == digests[1] if all(digests) else None
    if old.text == new.text:
        return msgspec.structs.replace(own, is_same=True, tokens_same=tokens_same)
    pairs = zip(old.text, new.text, strict=False)
    at = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(old.text), len(new.text)))
    return msgspec.structs.replace(own, first_difference=at, tokens_same=tokens_same)
