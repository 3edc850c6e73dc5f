"""Held-out briefs written by a model through the house's engine, and judged by the filters that their run had.

First attempts only, with the seeds that the run had. Near-duplicates and models that judge are left out: the first need
the other texts of a run, the second would be a judge that has to be the same in years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from aigc.engine import open_engine
from aigc.errors import UsageError, writable
from aigc.filters import Filter, build_filters, judge, settle
from aigc.hashing import digest
from aigc.models import ModelRef
from aigc.outputs import read_output
from aigc.packs import Packs, load_packs
from aigc.records import PASSING, Completion, Value
from aigc.settings import EngineSettings
from aigc.training_data.values import HeldOut, Judging


class Written(Value, frozen=True):
    """A text that a model wrote for a held-out brief, and what the filters made of it."""

    source: str
    group: str
    brief_id: str
    text: str
    accepted: bool
    reasons: list[str]


@dataclass(frozen=True)
class Court:
    """The packs and filters of each run's content types."""

    packs: Mapping[str, Packs]
    judging: Mapping[str, Judging]
    filters: Mapping[tuple[str, str], tuple[Filter, ...]]

    def judged(self, held: HeldOut, completion: Completion) -> Written:
        brief, run_id = held.brief, held.run_id
        pack = self.packs[run_id][brief.content_type]
        read = read_output(completion, pack, brief.language, self.judging[run_id].visible)
        verdicts = judge(brief, read, self.filters[run_id, brief.content_type], held.prompt.messages)
        accepted = read.fault is None and settle(verdicts, 0, 1) == "accepted"
        reasons = [read.fault.code] if read.fault else [each.reason for each in verdicts if each.action not in PASSING]
        return Written(source=held.source, group=held.group, brief_id=brief.id, accepted=accepted,
                       text=read.content.text if read.content else read.text, reasons=list(dict.fromkeys(reasons)))


def open_court(judging: Mapping[str, Judging], templates: Path | None) -> Court:
    """The filters of all runs, with the template packs in `templates`, else in the folders that the runs had.

    Raises:
        UsageError: the templates are gone, or are others than those that the texts were made with.
        SettingsError: a filter's file is gone.
    """
    packs = {run_id: _packs(one, templates) for run_id, one in judging.items()}
    filters = {
        (run_id, name): build_filters(tables, f"run {run_id}, content type {name}", _folder(one, templates))
        for run_id, one in judging.items() for name, tables in one.filters.items()
    }
    return Court(packs, judging, filters)


def chosen(held_out: Iterable[HeldOut], most: int) -> list[HeldOut]:
    """At most so many of the held-out briefs, the same ones every time."""
    ordered = sorted(held_out, key=lambda held: digest([held.group, held.source]))
    return ordered[:most]


def write_texts(
    held_out: Sequence[HeldOut], model: ModelRef, settings: EngineSettings, court: Court,
    on_done: Callable[[int], None] = lambda _: None,
) -> list[Written]:
    """A text of the model for each, in their order. Texts get no watermark: its key is not here.

    Raises:
        AigcError: the engine cannot go on.
    """
    prompts = [
        replace(held.prompt, request_id=str(at), sampling=replace(held.prompt.sampling, watermark=""))
        for at, held in enumerate(held_out)
    ]
    found: dict[int, Written] = {}
    with closing(open_engine(settings, model)) as engine:
        for completion in engine.generate(iter(prompts)):
            at = int(completion.request_id)
            found[at] = court.judged(held_out[at], completion)
            on_done(len(found))
    return [found[at] for at in sorted(found)]


def _folder(judging: Judging, templates: Path | None) -> Path:
    return templates or Path(judging.templates)


def _packs(judging: Judging, templates: Path | None) -> Packs:
    folder = _folder(judging, templates)
    remedy = "Name their folder with --templates, or leave texts out with --eval-texts 0."
    if not folder.is_dir():
        raise UsageError("--templates", f"no folder {writable(folder)}", "the templates by which texts are read and "
                         "judged", remedy)
    packs = load_packs(folder)
    for name, wanted in judging.template_digests.items():
        if name not in packs or packs[name].type.digest != wanted:
            found = "no such content type" if name not in packs else "other templates than the data was made with"
            raise UsageError(f"{writable(folder)}/{name}", found, "the templates as they were",
                             f"Bring them back from version control. {remedy}")
    return packs
