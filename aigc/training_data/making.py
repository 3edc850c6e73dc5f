"""From runs and dialogues to the folder of training data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aigc.dataset.croissant import is_rehearsal
from aigc.disk import disk_errors
from aigc.errors import BriefsError, StoreError, UsageError
from aigc.export import PARQUET
from aigc.hashing import digest_file
from aigc.past import Past, open_past
from aigc.provenance.manifest import manifest_digest
from aigc.training_data.building import build
from aigc.training_data.card import LEFT_OUT
from aigc.training_data.dialogues import read_dialogues
from aigc.training_data.materials import Material, Opinions, materials
from aigc.training_data.values import Judging, RunSource
from aigc.training_data.writing import Made, Sources, write

MOST_HELD_OUT = 0.4
"""For each of validation and test: the rest has to be the most."""


@dataclass(frozen=True)
class Order:
    """What is to be made: of which runs' folders and files of dialogues, and how."""

    runs: Sequence[Path]
    dialogues: Sequence[Path] = ()
    out: Path | None = None
    held_out: float = 0.1
    reviewed_only: bool = False


def make(order: Order, say: Callable[[str], None] = lambda _: None) -> Made:
    """Make the data that `order` asks for.

    Raises:
        UsageError: nothing to make data of, or a folder that holds something else.
        BriefsError: there is nothing in it to learn from.
        StoreError: a run or a file cannot be read, or the disk refused.
    """
    _check(order)
    left_out: Counter[str] = Counter()
    found: list[Material] = []
    runs: list[RunSource] = []
    judging: dict[str, Judging] = {}
    for folder in order.runs:
        past = open_past(folder)
        _refuse_changed(past)
        opinions = Opinions(folder)
        say(f"Reading {past.run.run_id}.")
        own = [*materials(past, opinions, left_out, reviewed_only=order.reviewed_only)]
        found += own
        runs.append(_source(past, opinions, len(own)))
        if own:
            judging[past.run.run_id] = _judging(past, {material.record.content_type for material in own})
    files = [read_dialogues(path) for path in order.dialogues]
    built = build(found, files, order.held_out)
    built.left_out += left_out
    if not any(built.examples.values()):
        raise _nothing(built.left_out, order)
    return write(built, Sources(runs, files, judging, order.held_out, order.reviewed_only), order.out)


def _check(order: Order) -> None:
    if not order.runs and not order.dialogues:
        raise UsageError("RUN", "none", "the runs, or with --dialogues the files, to make data of",
                         "Name one: `aigc show` tells the newest run.")
    if not 0 <= order.held_out <= MOST_HELD_OUT:
        raise UsageError("--held-out", f"{order.held_out:g}", f"a share from 0 to {MOST_HELD_OUT}", "Correct it.")
    names = [path.resolve() for path in [*order.runs, *order.dialogues]]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise UsageError("RUN", f"{double.name} twice", "each once", "Name it once.")


def _refuse_changed(past: Past) -> None:
    """Raise StoreError where the records are not those that the run's manifest states: the data would tell untruths."""
    stated = {file.path: file.digest for file in past.run.outputs}.get(PARQUET, "")
    with disk_errors(past.folder / PARQUET, "nothing was changed"):
        found = digest_file(past.folder / PARQUET)
    if found != stated:
        raise StoreError(str(past.folder / PARQUET), "other bytes than the run's manifest states", stated,
                         f"See what was changed: aigc verify {past.run.run_id}. Restore the file from a copy.")


def _source(past: Past, opinions: Opinions, records: int) -> RunSource:
    run = past.run
    return RunSource(
        run_id=run.run_id, manifest=manifest_digest(past.manifest_bytes), ledgers=opinions.ledgers,
        decisions=opinions.decisions, model=_last(run.model.ref), model_digest=run.model.digest,
        model_licence=run.model.licence, licence=run.settings.dataset.licence, rehearsal=is_rehearsal(run),
        records=records,
    )


def _judging(past: Past, used: set[str]) -> Judging:
    """Of types with a row whose prompt could be made again, so that the packs are there."""
    settings = past.run.settings
    types = {name: past.packs[name].type for name in sorted(used)}
    return Judging(
        templates=settings.run.templates,
        template_digests={name: kind.digest for name, kind in types.items()},
        filters={name: settings.filters_for(name, kind.filters) for name, kind in types.items()},
        visible=settings.labels.visible,
    )


def _last(ref: str) -> str:
    """A model's name without the folder where it lies, which may name a person."""
    return Path(ref).name if ref.startswith(("/", ".", "~")) else ref


def _nothing(left_out: Counter[str], order: Order) -> BriefsError:
    why = "; ".join(f"{count:,} {code} ({LEFT_OUT[code]})" for code, count in left_out.most_common())
    place = ", ".join(path.name for path in [*order.runs, *order.dialogues])
    remedy = "Import editors' decisions (aigc review import), or leave --reviewed-only out." if order.reviewed_only \
        else "Name runs with accepted texts, and bring their templates back."
    return BriefsError(place, f"nothing to learn from: {why or 'no rows'}", "an accepted or approved text", remedy)
