"""A model tuned on the data that `aigc dataset` made, compared with what it was, in a folder that a run takes.

    data, base ─▶ plan ─▶ measure the base ─▶ train ─▶ measure the tuned ─▶ compare ─▶ tuning.json

What each step gives is kept under work/ as soon as it is there. The same call goes on behind the last of them, so that
a process may be killed at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from aigc.disk import disk_errors, json_bytes, take_lock, write_atomically
from aigc.engine.threads import choose_waiting
from aigc.engine.tuning.values import Point, Trained
from aigc.errors import UsageError, writable
from aigc.hashing import digest, digest_file
from aigc.models import ModelRef, resolve
from aigc.provenance import FileFacts, now
from aigc.records import Value
from aigc.settings import EngineSettings
from aigc.training_data.reading import TrainingData, open_training_data
from aigc.training_data.values import Judging
from aigc.tuning.card import CARD, card
from aigc.tuning.comparison import AIMS, finding
from aigc.tuning.lessons import Lessons, lessons_of
from aigc.tuning.measuring import Exam, measure, shifts
from aigc.tuning.pictures import PICTURE, draw_loss
from aigc.tuning.recipes import Options, check, recipe_for, tokens_at_most, told_memory
from aigc.tuning.statement import (
    STATEMENT,
    BaseFacts,
    DataFacts,
    Measurements,
    Plan,
    Statement,
    keep,
    kept_measurements,
    kept_plan,
    kept_statement,
    kept_trained,
    versions,
)
from aigc.tuning.writing import chosen, open_court

FOLDER = "tuned"
PLAN, WORK, TEXTS = "plan.json", "work", "held_out.jsonl"
_NOT_THE_MODEL = {STATEMENT, CARD, PICTURE, PLAN, TEXTS}
NO_OPTIONS = Options()
Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What is to be made: of which data and which model, how, and where. `settings` are the engine's for both."""

    data: Path
    base: ModelRef
    settings: EngineSettings
    options: Options = NO_OPTIONS
    out: Path | None = None
    templates: Path | None = None


@dataclass(frozen=True)
class Tuned:
    """The folder of the tuned model, and what it was made of. `new` is False where it was there already."""

    folder: Path
    statement: Statement
    new: bool


class SideBySide(Value, frozen=True):
    """A held-out brief as both models wrote it."""

    source: str
    brief_id: str
    before: str
    after: str
    before_reasons: list[str]
    after_reasons: list[str]


def tune(order: Order, say: Say = lambda _: None, on_point: Callable[[Point, Plan], None] = lambda *_: None) -> Tuned:
    """Make the model that `order` asks for, or go on with making it.

    Raises:
        UsageError: the data, the templates or the folder are not what they have to be.
        ModelError: the model cannot be tuned.
        RunLocked: another process is at it.
        StoreError: the disk refused.
    """
    check(order.options)
    choose_waiting()
    data = open_training_data(order.data)
    identity = _identity(order.base.digest, data.statement.digest, order.options)
    folder = order.out or Path(FOLDER) / f"{_last(order.base.ref)}-{identity.partition(':')[2][:12]}"
    with disk_errors(folder, "nothing was changed"):
        folder.mkdir(parents=True, exist_ok=True)
    if there := _finished(folder, identity):
        _tidy(folder)
        return Tuned(folder, there, new=False)
    _refuse_other(folder, identity)
    lock = take_lock(folder / ".lock")
    try:
        return Tuned(folder, _tune(order, data, folder, say, on_point), new=True)
    finally:
        os.close(lock)


def _tune(
    order: Order, data: TrainingData, folder: Path, say: Say, on_point: Callable[[Point, Plan], None]
) -> Statement:
    work = folder / WORK
    plan, exam = _planned(order, data, folder, say)
    base = order.base
    say(_beginning(plan))
    if (before := kept_measurements(work / "base.json")) is None:
        say(f"Measuring {base.ref}.")
        before = measure(exam, base, order.settings, say)
        keep(work / "base.json", before)
    if (trained := kept_trained(work / "trained.json")) is None:
        say("Training.")
        trained = _trained(order, plan, exam.lessons, work, lambda point: on_point(point, plan))
        keep(work / "trained.json", trained)
    _put_in_place(work / "made", folder)
    tuned, settings = _as_a_run_takes_it(order, plan, folder)
    if (after := kept_measurements(work / "tuned.json")) is None:
        say("Measuring the tuned model.")
        after = measure(exam, tuned, settings, say)
        keep(work / "tuned.json", after)
    moved = shifts(exam, before, after, plan.recipe.method)
    statement = Statement(
        plan=plan, trained=trained, shifts=moved, finding=finding(moved, of=AIMS[plan.recipe.method]),
        digest=tuned.adapter.digest if tuned.adapter else tuned.digest,
        files=_files(folder), versions=versions(), finished_at=now(),
    )
    draw_loss(plan, trained, folder / PICTURE)
    _write_texts(before, after, folder / TEXTS)
    write_atomically(folder / CARD, lambda file: file.write(card(statement).encode()))
    keep(folder / STATEMENT, statement)
    _tidy(folder)
    return statement


def _beginning(plan: Plan) -> str:
    data, recipe = plan.data, plan.recipe
    what, held = ("answers", data.test) if recipe.method == "sft" else ("pairs", data.pairs)
    return (f"{data.lessons:,} {what} to learn, {data.validation:,} for validation, {held:,} held out; "
            f"{recipe.steps:,} steps of {recipe.batch} by {recipe.method}, {recipe.weights}, on {recipe.device}.")


def _planned(order: Order, data: TrainingData, folder: Path, say: Say) -> tuple[Plan, Exam]:
    """The plan, which stays what it was when it was made, and what both models are measured by."""
    from aigc.engine.tuning.machine import machine_for

    base, options = order.base, order.options
    machine = machine_for(base.folder(), order.settings)
    if kept_trained(folder / WORK / "trained.json") is None and (memory := told_memory(options, machine)):
        say(memory)
    kept = kept_plan(folder / PLAN)
    most = kept.recipe.max_tokens if kept else tokens_at_most(options, machine)
    lessons = lessons_of(data, base.folder(), order.settings, most, options.method)
    held_out = chosen(data.held_out(), options.eval_texts)
    used = {held.run_id for held in held_out}
    judging: dict[str, Judging] = {run_id: one for run_id, one in data.statement.judging.items() if run_id in used}
    exam = Exam(lessons, held_out, open_court(judging, order.templates))
    if kept:
        return kept, exam
    plan = Plan(
        base=BaseFacts(ref=_last(base.ref), digest=base.digest, licence=base.licence, files=base.files),
        data=_data_facts(data, lessons), options=options,
        recipe=recipe_for(options, len(lessons.taught.train), machine), started_at=now(),
    )
    (folder / WORK).mkdir(exist_ok=True)
    keep(folder / PLAN, plan)
    return plan, exam


def _data_facts(data: TrainingData, lessons: Lessons) -> DataFacts:
    statement = data.statement
    return DataFacts(
        digest=statement.digest, runs={run.run_id: run.manifest for run in statement.runs},
        dialogues={file.file: file.digest for file in statement.dialogues}, lessons=len(lessons.taught.train),
        validation=len(lessons.taught.validation), test=len(lessons.test), pairs=len(lessons.chosen),
        left_out=lessons.left_out,
    )


def _trained(
    order: Order, plan: Plan, lessons: Lessons, work: Path, on_point: Callable[[Point], None]
) -> Trained:
    from aigc.engine.tuning.trainer import Place, train

    shutil.rmtree(work / "made", ignore_errors=True)
    place = Place(checkpoints=work / "checkpoints", made=work / "made", base_name=plan.base.ref)
    done = train(order.base.folder(), order.settings, plan.recipe, lessons.taught, place, on_point)
    if plan.recipe.weights == "full":
        from aigc.models.weights import DECISIVE

        for name in DECISIVE:  # the tokenizer as it was, byte for byte
            source = order.base.folder() / name
            if source.is_file() and name not in ("config.json", "generation_config.json"):
                shutil.copyfile(source, work / "made" / name)
    return done


def _put_in_place(made: Path, folder: Path) -> None:
    """Move what was made to where a run takes it from; of one that was killed while it moved, the rest."""
    with disk_errors(folder, "what was made is under work/"):
        for path in sorted(made.iterdir()) if made.is_dir() else []:
            path.chmod((folder / PLAN).stat().st_mode)  # safetensors' own are for this user alone
            path.replace(folder / path.name)


def _as_a_run_takes_it(order: Order, plan: Plan, folder: Path) -> tuple[ModelRef, EngineSettings]:
    """The tuned model, found as `aigc run` finds it."""
    allowed = order.settings.trust_remote_code
    if plan.recipe.weights == "full":
        return resolve(str(folder), trust_remote_code=allowed), order.settings
    tuned = resolve(order.base.ref, trust_remote_code=allowed, adapter=str(folder))
    return tuned, replace(order.settings, adapter=str(folder))


def _files(folder: Path) -> list[FileFacts]:
    """The files of the model itself."""
    paths = sorted(path for path in folder.iterdir()
                   if path.is_file() and path.name not in _NOT_THE_MODEL and not path.name.startswith("."))
    return [FileFacts(path=path.name, digest=digest_file(path), bytes=path.stat().st_size) for path in paths]


def _write_texts(before: Measurements, after: Measurements, path: Path) -> None:
    rows = [
        SideBySide(source=old.source, brief_id=old.brief_id, before=old.text, after=new.text,
                   before_reasons=old.reasons, after_reasons=new.reasons)
        for old, new in zip(before.texts, after.texts, strict=True)
    ]
    if rows:
        write_atomically(path, lambda file: file.write(b"".join(json_bytes(row) + b"\n" for row in rows)))


def _finished(folder: Path, identity: str) -> Statement | None:
    """The statement of this very tuning, where it has finished."""
    there = kept_statement(folder / STATEMENT)
    return there if there and _identity_of(there.plan) == identity else None


def _tidy(folder: Path) -> None:
    """Remove what only a tuning that is being made needs."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    (folder / PLAN).unlink(missing_ok=True)


def _refuse_other(folder: Path, identity: str) -> None:
    """Raise UsageError where `folder` holds something else than a beginning of this tuning."""
    remedy = "Name another folder, or give the same options as when it was begun."
    found = kept_statement(folder / STATEMENT)
    plan = found.plan if found else kept_plan(folder / PLAN)
    if plan and _identity_of(plan) != identity:
        raise UsageError("--out", f"{writable(folder)}, a tuning of other data, options or base",
                         "a new folder, or that of this tuning", remedy)
    strange = [path.name for path in folder.iterdir() if path.name not in (".lock", WORK)]
    if strange and not plan:
        raise UsageError("--out", f"{writable(folder)}, which holds something else", "a new or empty folder", remedy)


def _identity_of(plan: Plan) -> str:
    return _identity(plan.base.digest, plan.data.digest, plan.options)


def _identity(base: str, data: str, options: Options) -> str:
    """What a tuning is known by."""
    return digest([base, data, msgspec.convert(msgspec.to_builtins(options), Options)])  # 4 epochs are 4.0


def _last(ref: str) -> str:
    """A model's name without the folder where it lies, which may name a person."""
    return Path(ref).name if Path(ref).expanduser().exists() else ref
