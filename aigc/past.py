"""A finished run looked at again: its statement, its rows, and what its model was asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aigc.asking import Asking
from aigc.dialogue import stands
from aigc.errors import StoreError, UsageError, nearest, shown
from aigc.export import PARQUET
from aigc.packs import Packs, load_packs
from aigc.parquet_rows import leaves, read_rows, rows_named
from aigc.provenance import RunFile, runs
from aigc.provenance.manifest import Manifest, read_manifest
from aigc.records import Attempt, Prompt
from aigc.stamped import Stamped


@dataclass(frozen=True)
class Past:
    """A finished run. Its template packs may be gone or changed since; then no prompt can be made again."""

    folder: Path
    manifest: Manifest
    manifest_bytes: bytes

    @property
    def run(self) -> RunFile:
        return self.manifest.run

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[tuple[int, Stamped]]:
        """The rows with their places, all or those `wanted`."""
        for place, row in enumerate(read_rows(self.folder / PARQUET)):
            if wanted is None or place in wanted:
                yield place, row

    def leaves(self) -> list[str | None]:
        """What each row tells as its leaf."""
        return leaves(self.folder / PARQUET)

    @cached_property
    def packs(self) -> Packs:
        """The template packs, as they are now.

        Raises:
            AigcError: they are gone or broken.
        """
        return load_packs(Path(self.run.settings.run.templates))

    def prompt_of(self, row: Stamped, attempt: Attempt) -> Prompt:
        """What the model was asked for an attempt, made again: its `request_id` proves that it is the same.

        Raises:
            UsageError: the templates or the program's own words have changed since.
            AigcError: the templates are gone.
        """
        prompt = self._asking(row).prompt_of(row.record, attempt, self._key(row))
        return self._proved(row, prompt, attempt)

    def prompts_of(self, row: Stamped, attempt: Attempt) -> list[tuple[Prompt, Attempt]]:
        """The requests that an attempt's text was made from, each with what came: of a dialogue one for each line.

        Raises as `prompt_of` does.
        """
        if not attempt.turns:
            return [(self.prompt_of(row, attempt), attempt)]
        return [(prompt, turn) for prompt, turn in self.tries_of(row, attempt) if stands(turn)]

    def tries_of(self, row: Stamped, attempt: Attempt) -> list[tuple[Prompt, Attempt]]:
        """The requests of all tries at the lines of a dialogue, each with what came; raises as `prompt_of` does."""
        found = self._asking(row).line_prompts_of(row.record, attempt, self._key(row))
        return [(self._proved(row, prompt, turn), turn) for prompt, turn in found]

    def _asking(self, row: Stamped) -> Asking:
        record = row.record
        place = f"templates/{record.content_type}"
        pack = self.packs.get(record.content_type)
        if pack is None or pack.type.digest != record.template_digest:
            found = "no such content type" if pack is None else "other templates than the text was made with"
            raise UsageError(place, found, "the templates as they were", "Bring them back from version control.")
        return Asking(self.run.settings, self.packs)

    def _key(self, row: Stamped) -> str:
        return f"{row.provenance.model_digest} {self.run.settings.engine.precision}"

    def _proved(self, row: Stamped, prompt: Prompt, attempt: Attempt) -> Prompt:
        if prompt.request_id != attempt.request_id:
            found = "another request than the text was made from"
            remedy = f"Take the version of aigc that made it: {self.manifest.code.version}."
            raise UsageError(f"record {row.record.record_id}", found, f"request {attempt.request_id}", remedy)
        return prompt


def open_past(folder: Path) -> Past:
    """The finished run in `folder`.

    Raises:
        StoreError: it has no manifest, or one that cannot be read.
    """
    manifest, data = read_manifest(folder)
    return Past(folder, manifest, data)


def find_record(
    out: Path, name: str, run: str | None = None, say: Callable[[str], None] = lambda _: None
) -> tuple[Past, int, Stamped]:
    """The record that `name` means, in `run` or in the newest run under `out` that has it.

    Raises:
        UsageError: none has it, or it means several rows of one run.
    """
    for folder in _folders(out, run, say):
        try:
            places = rows_named(folder / PARQUET, name)
            past = open_past(folder) if places else None
        except StoreError as exc:
            if run is not None:
                raise
            say(f"{exc} This run is passed over.")
            continue
        if past is None:
            continue
        if len(places) > 1:
            remedy = f"Name one: {name}/0 to {name}/{len(places) - 1}, or a record id."
            raise UsageError("RECORD", f"{shown(name)}, which means {len(places)} rows", "one row", remedy)
        return past, places[0], next(row for _, row in past.rows(places))
    where = f"run {run}" if run else f"the runs under {out}"
    expected = "a record id (or its first 8 characters), a brief id, or `brief id/variant`"
    raise UsageError("RECORD", f"{shown(name)}, which is in none of {where}", expected,
                     "Look it up in the column record_id of accepted.csv, or name the folder of its runs with --out.")


def _folders(out: Path, run: str | None, say: Callable[[str], None]) -> list[Path]:
    if run is None:
        return [out / found.run_id for found in runs(out, say) if found.status == "finished"]
    folder = Path(run) if Path(run).is_dir() else out / run
    if not folder.is_dir():
        known = sorted(path.parent.name for path in out.glob("*/run.json"))
        raise UsageError("--run", f"{shown(run)}, which is no run", f"a run under {out}",
                         f"Correct it.{nearest(run, known)}")
    return [folder]


