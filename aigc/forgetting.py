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
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import UNSET

from aigc.disk import take_lock, write_atomically
from aigc.errors import StoreError, UsageError, shown
from aigc.export import FILES, PARQUET, STAGING, ExportedFile, export
from aigc.hashing import digest_file
from aigc.labels.hidden import label_of
from aigc.parquet_rows import places_of_brief, read_rows
from aigc.past import Past, open_past
from aigc.proof import Sealed, open_run_signer, seal
from aigc.provenance import RUN_FILE, FileFacts, RunFacts, encode, now, read_run, runs
from aigc.provenance.manifest import MANIFEST, SIGNATURE, Forgotten, manifest_digest
from aigc.publishing import KINDS, STATEMENT
from aigc.records import Limits, Record, RowError, Value
from aigc.review.ledger import forget_decisions
from aigc.settings import SigningSettings
from aigc.stamped import Provenance, Stamped
from aigc.store import JOURNAL, LOCK, rewrite_journal

REASON = "forgotten"
TEXTS_BESIDE = ("review*.html", "review.xlsx", "review.csv")
"""Files with texts that are no results: they are removed, and can be written anew."""
LEFTOVERS = (".*.tmp", ".*.arriving", STAGING)
"""What processes leave that were killed while they wrote. The run's lock is held: nobody writes the run now."""


class Gone(Value, frozen=True):
    """What was removed from one run. `rows` are of the results, `attempts` all texts that the journal held."""

    run_id: str
    rows: int
    attempts: int
    removed: list[str] = []
    decisions: int = 0


def forget(
    out: Path, brief_id: str, say: Callable[[str], None] = lambda _: None, signing: SigningSettings | None = None
) -> list[Gone]:
    """Remove all texts of a brief from all runs under `out`.

    A run that was signed is signed anew as `signing` says, where it is enabled: the key that signed it may be gone.

    Raises:
        UsageError: no run has such a brief.
        RunLocked: a run is being written.
        StoreError: a run that cannot be read or written, or is not as its manifest states; runs before it are done.
    """
    found = [gone for run in runs(out, say) if (gone := _forget_in(out / run.run_id, run, brief_id, signing))]
    if not found:
        raise UsageError("--brief", f"{shown(brief_id)}, which is in none of the runs under {out}", "the id of a brief",
                         "Look it up in the column id of accepted.csv, or name the folder of its runs with --out.")
    return found


def _forget_in(folder: Path, run: RunFacts, brief_id: str, signing: SigningSettings | None) -> Gone | None:
    if not (folder / JOURNAL).is_file():
        return None
    lock = take_lock(folder / LOCK)
    try:
        _cleared(folder, LEFTOVERS)
        if run.status != "finished":
            return _forget_unfinished(folder, run.run_id, brief_id)
        places = places_of_brief(folder / PARQUET, brief_id)
        return _forget_rows(open_past(folder), places, brief_id, signing) if places else None
    finally:
        os.close(lock)


def _forget_unfinished(folder: Path, run_id: str, brief_id: str) -> Gone | None:
    """A run that is to go on. One that failed at its end has results already; they are written again then."""
    removed = []
    if (folder / PARQUET).is_file() and places_of_brief(folder / PARQUET, brief_id):
        removed = _cleared(folder, (*TEXTS_BESIDE, *reversed(FILES)))  # the one that tells of the brief goes last
    attempts = _forget_in_journal(folder, brief_id)
    return Gone(run_id=run_id, rows=0, attempts=attempts, removed=removed) if attempts or removed else None


def _forget_rows(past: Past, places: list[int], brief_id: str, signing: SigningSettings | None) -> Gone:
    """A finished run: results, journal, what stands beside, and the manifest last."""
    folder, manifest, gone = past.folder, past.manifest, {*places}
    settings = past.run.settings
    if settings.signing.enabled and signing and signing.enabled:
        settings = msgspec.structs.replace(settings, signing=signing)
    signer = open_run_signer(settings)  # before anything is changed: it may be gone, or have expired
    _refuse_changed(past, places, settings.signing)
    at = now()
    rows = (_blank(row, at) if place in gone else row for place, row in enumerate(read_rows(folder / PARQUET)))
    records, stamps = itertools.tee(rows)
    run = past.run
    label = label_of(run.settings.labels, run.run_id)
    record_ids = {row.record.record_id for _, row in past.rows(gone)}
    exported = export((row.record for row in records), folder, lambda _: next(stamps), manifest.columns, label)
    attempts = _forget_in_journal(folder, brief_id)
    decisions = forget_decisions(folder, record_ids, at)
    removed = _cleared(folder, (*TEXTS_BESIDE, *KINDS))
    known = {one.rows[0]: one for one in manifest.forgotten if one.rows}
    forgotten = [*manifest.forgotten] if places[0] in known else [*manifest.forgotten, Forgotten(rows=places, at=at)]
    run = seal(
        folder,
        msgspec.structs.replace(run, outputs=[_facts(file) for file in exported.files]),
        Sealed(rows=manifest.rows, filters=manifest.filters, columns=manifest.columns, previous=manifest.previous,
               supersedes=[manifest_digest(past.manifest_bytes), *manifest.supersedes], forgotten=forgotten,
               code=manifest.code, environment=manifest.environment),
        signer,
    )
    write_atomically(folder / RUN_FILE, lambda file: file.write(encode(run)))
    return Gone(run_id=run.run_id, rows=len(places), attempts=attempts, removed=removed, decisions=decisions)


def _refuse_changed(past: Past, places: list[int], signing: SigningSettings) -> None:
    """Refuse a run that is not as its manifest states: a new manifest, and its signature, would cover that up.

    Where a kill left it in the middle of forgetting these rows, its files are others, and the manifest alone counts.
    """
    folder, own = past.folder, manifest_digest(past.manifest_bytes)
    is_begun = any(row.record.reasons == [REASON] for _, row in past.rows({*places}))
    before = past.manifest.supersedes[:1] if is_begun else []  # run.json is written after the manifest
    wrong = [] if read_run(folder).manifest in (own, *before) else [MANIFEST]
    if not is_begun:
        told = {file.path: file.digest for file in [*past.run.outputs, *past.manifest.files]}
        wrong += [name for name in (PARQUET, JOURNAL) if told.get(name) != digest_file(folder / name)]
        wrong += [] if not past.run.settings.signing.enabled or _is_signed(past, signing) else [SIGNATURE]
    if wrong:
        raise StoreError(str(folder), f"{', '.join(wrong)} not as the run left it", "a run that holds",
                         "Nothing was changed. If `aigc forget` was killed here, run that command again first. Else "
                         "see `aigc verify`, and restore what it names from a copy; or remove the whole folder.")


def _is_signed(past: Past, signing: SigningSettings) -> bool:
    """Whether somebody signed the manifest who is trusted here; his certificate may have expired since."""
    from aigc.signing import check_signature, trusted_anchors

    path = past.folder / SIGNATURE
    if not path.is_file():
        return False
    return check_signature(past.manifest_bytes, path.read_bytes(), trusted_anchors(signing)).status in (
        "valid", "expired"
    )


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


def _cleared(folder: Path, names: Iterable[str]) -> list[str]:
    """Remove all of a folder that has one of these names. Returns what was there, in the order in which it went."""
    beside = [path for name in names for path in sorted(folder.glob(name))]
    return [path.name for path in beside if _removed(path)]


def _removed(path: Path) -> bool:
    """Remove a file, or a folder of texts: one that were exported to, or that an export left which was killed."""
    if path.is_file():
        path.unlink()
    elif (path / STATEMENT).is_file() or path.name == STAGING:
        shutil.rmtree(path)
    else:
        return False
    return True
