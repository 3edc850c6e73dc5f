"""`aigc forget`: a brief's texts removed from every run, with what proves that the rest is as it was.

A forgotten row stays a row: its place, its ids and its leaf in the run's tree. Its brief, prompts' digests, texts and
verdicts go, from the results and from the journal, and what editors decided on them from the ledger of decisions. The
run gets a new manifest, which names the one it takes the place of; the root over all rows stays the same. Each step can
be done again: after a kill, the same command goes on.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import UNSET

from aigc.disk import take_lock, write_atomically
from aigc.errors import UsageError, shown
from aigc.export import PARQUET, ExportedFile, export
from aigc.labels.hidden import label_of
from aigc.parquet_rows import read_rows
from aigc.past import Past, open_past
from aigc.proof import Sealed, open_run_signer, seal
from aigc.provenance import RUN_FILE, FileFacts, RunFacts, encode, now, runs
from aigc.provenance.manifest import Forgotten, manifest_digest
from aigc.publishing import KINDS, STATEMENT
from aigc.records import Limits, Record, RowError, Value
from aigc.review.ledger import forget_decisions
from aigc.stamped import Provenance, Stamped
from aigc.store import JOURNAL, LOCK, rewrite_journal

REASON = "forgotten"
TEXTS_BESIDE = ("review*.html", "review.xlsx", "review.csv")
"""Files with texts that are no results: they are removed, and can be written anew."""


class Gone(Value, frozen=True):
    """What was removed from one run. `rows` are of the results, `attempts` all texts that the journal held."""

    run_id: str
    rows: int
    attempts: int
    removed: list[str] = []
    decisions: int = 0


def forget(out: Path, brief_id: str, say: Callable[[str], None] = lambda _: None) -> list[Gone]:
    """Remove all texts of a brief from all runs under `out`.

    Raises:
        UsageError: no run has such a brief.
        RunLocked: a run is being written.
        StoreError: a run that cannot be read or written; runs before it are done.
    """
    found = [gone for run in runs(out, say) if (gone := _forget_in(out / run.run_id, run, brief_id))]
    if not found:
        raise UsageError("--brief", f"{shown(brief_id)}, which is in none of the runs under {out}", "the id of a brief",
                         "Look it up in the column id of accepted.csv, or name the folder of its runs with --out.")
    return found


def _forget_in(folder: Path, run: RunFacts, brief_id: str) -> Gone | None:
    if not (folder / JOURNAL).is_file():
        return None
    lock = take_lock(folder / LOCK)
    try:
        if run.status != "finished":
            attempts = _forget_in_journal(folder, brief_id)
            return Gone(run_id=run.run_id, rows=0, attempts=attempts) if attempts else None
        places = [at for at, row in enumerate(read_rows(folder / PARQUET)) if row.record.brief_id == brief_id]
        return _forget_rows(open_past(folder), places, brief_id) if places else None
    finally:
        os.close(lock)


def _forget_rows(past: Past, places: list[int], brief_id: str) -> Gone:
    """A finished run: results, journal, what stands beside, and the manifest last."""
    folder, manifest, gone = past.folder, past.manifest, {*places}
    signer = open_run_signer(past.run.settings)  # before anything is changed: it may be gone, or have expired
    at = now()
    rows = (_blank(row, at) if place in gone else row for place, row in enumerate(read_rows(folder / PARQUET)))
    records, stamps = itertools.tee(rows)
    run = past.run
    label = label_of(run.settings.labels, run.run_id)
    record_ids = {row.record.record_id for _, row in past.rows(gone)}
    exported = export((row.record for row in records), folder, lambda _: next(stamps), manifest.columns, label)
    attempts = _forget_in_journal(folder, brief_id)
    decisions = forget_decisions(folder, record_ids, at)
    beside = [path for name in (*TEXTS_BESIDE, *KINDS) for path in sorted(folder.glob(name))]
    removed = [path.name for path in beside if _removed(path)]
    known = {one.rows[0]: one for one in manifest.forgotten if one.rows}
    forgotten = [*manifest.forgotten] if places[0] in known else [*manifest.forgotten, Forgotten(rows=places, at=at)]
    run = seal(
        folder,
        msgspec.structs.replace(run, outputs=[_facts(file) for file in exported.files]),
        Sealed(rows=manifest.rows, filters=manifest.filters, columns=manifest.columns, previous=manifest.previous,
               supersedes=[manifest_digest(past.manifest_bytes), *manifest.supersedes], forgotten=forgotten),
        signer,
    )
    write_atomically(folder / RUN_FILE, lambda file: file.write(encode(run)))
    return Gone(run_id=run.run_id, rows=len(places), attempts=attempts, removed=removed, decisions=decisions)


def _blank(row: Stamped, at: str) -> Stamped:
    """The row without anything that was the brief's or the model's; its leaf stays."""
    return Stamped(record=blank_record(row.record, at), provenance=_blank_provenance(row.provenance), leaf=row.leaf)


def blank_record(record: Record, at: str) -> Record:
    """What stays of a record: where it stands, and that it was forgotten."""
    error = RowError(
        row=record.row, id=record.brief_id, source=record.source, column="", code=REASON,
        found=f"texts that were removed at {at}", expected="a brief that may be kept", remedy="None is needed.",
    )
    return msgspec.structs.replace(record, brief={}, limits=Limits(), tone="", audience="", attempts=[], chosen=None,
                                   fingerprint="", errors=[error], redone=UNSET)


def _blank_provenance(made: Provenance) -> Provenance:
    """Without digests from which a short text or prompt could be guessed; the commitment to the prompt stays."""
    return msgspec.structs.replace(
        made, request_id="", output="", tokens_in_digest="", tokens_out_digest="", seed="", visible_label=False,
        hidden_label=False, decisions=[],
    )


def _forget_in_journal(folder: Path, brief_id: str) -> int:
    """Take a brief's attempts out of a journal. Returns how many there were."""
    at = now()
    return rewrite_journal(folder, brief_id, lambda record: blank_record(record, at))


def _facts(file: ExportedFile) -> FileFacts:
    return FileFacts(path=file.name, digest=file.digest, bytes=file.size, rows=file.rows)


def _removed(path: Path) -> bool:
    """Remove a file, or a folder of texts that were exported."""
    if path.is_file():
        path.unlink()
    elif (path / STATEMENT).is_file():
        shutil.rmtree(path)
    else:
        return False
    return True
