"""`aigc forget`: a brief's texts removed from every run, with what proves that the rest is as it was.

A forgotten row stays a row: its place, its ids and its leaf in the run's tree. Its brief, prompts' digests, texts and
verdicts go, from the results and from the journal, and what editors decided on them from the ledger of decisions. The
run gets a new manifest, which names the one it takes the place of, and that one is kept beside it; the root over all
rows stays the same. Each step can be done again: after a kill, the same command goes on.

Who signs the new manifest is for the user's own settings to say, never for the run's: what lies in a folder may name a
key, or a function to call, that somebody else chose.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from aigc.disk import take_lock, write_atomically
from aigc.errors import SettingsError, StoreError, UsageError, shown
from aigc.export import FILES, PARQUET, STAGING, ExportedFile, export
from aigc.forgotten_lines import forget_lines, read_forgotten
from aigc.hashing import digest_file
from aigc.labels.hidden import label_of
from aigc.parquet_rows import places_of_brief, read_rows
from aigc.past import Past, open_past
from aigc.proof import Sealed, open_run_signer, seal
from aigc.provenance import RUN_FILE, FileFacts, RunFacts, encode, now, read_run, runs
from aigc.provenance.manifest import (
    MANIFEST,
    SIGNATURE,
    Forgotten,
    decode_manifest,
    kept_name,
    manifest_digest,
    signature_of,
)
from aigc.publishing import FORGOTTEN
from aigc.publishing.placing import clear_exports, clear_half_written
from aigc.records import Limits, Record, RowError, Value
from aigc.review.ledger import forget_decisions
from aigc.settings import SigningSettings
from aigc.stamped import Provenance, Stamped
from aigc.storage import TEXTS_BESIDE, Place, share_forgotten
from aigc.store import JOURNAL, LOCK

if TYPE_CHECKING:
    from aigc.signing import Signer

LEFTOVERS = (".*.tmp", ".*.arriving", STAGING)
"""What processes leave that were killed while they wrote. The run's lock is held: nobody writes the run now."""


class Gone(Value, frozen=True):
    """What was removed from one run. `rows` are of the results, `attempts` all texts that the journal held."""

    run_id: str
    rows: int
    attempts: int
    removed: list[str] = []
    decisions: int = 0
    shared: bool = False
    """Whether its copy in shared storage was rewritten too."""
    removed_there: list[str] = []
    unknown_there: list[str] = []
    """Files beside that copy which nothing here knows, and which were left: they may hold the texts too."""


def forget(
    out: Path, brief_id: str, say: Callable[[str], None] = lambda _: None, signing: SigningSettings | None = None,
    place: Place | None = None,
) -> list[Gone]:
    """Remove all texts of a brief from all runs under `out`, and from their copies at `place`, the shared storage.

    A run that was signed is signed anew as `signing` says.

    Raises:
        UsageError: no run has such a brief.
        SettingsError: a run was signed, and `signing` does not sign.
        RunLocked: a run is being written.
        StoreError: a run that cannot be read or written, or is not as its manifest states; runs before it are done.
    """
    own = signing or SigningSettings()
    found = [gone for run in runs(out, say) if (gone := _forget_in(out / run.run_id, run, brief_id, own, place))]
    if not found:
        raise UsageError("--brief", f"{shown(brief_id)}, which is in none of the runs under {out}", "the id of a brief",
                         "Look it up in the column id of accepted.csv, or name the folder of its runs with --out.")
    return found


def _forget_in(
    folder: Path, run: RunFacts, brief_id: str, signing: SigningSettings, place: Place | None
) -> Gone | None:
    if not (folder / JOURNAL).is_file():
        return None
    lock = take_lock(folder / LOCK)
    try:
        _cleared(folder, LEFTOVERS)
        clear_half_written(folder)
        gone = _forgotten_in(folder, run, brief_id, signing)
        shared = None
        if place and (gone or read_forgotten(folder)):
            shared = share_forgotten(place, folder)
        if not gone or not shared:
            return gone
        return msgspec.structs.replace(gone, shared=True, removed_there=shared.removed, unknown_there=shared.unknown)
    finally:
        os.close(lock)


def _forgotten_in(folder: Path, run: RunFacts, brief_id: str, signing: SigningSettings) -> Gone | None:
    if run.status != "finished":
        return _forget_unfinished(folder, run.run_id, brief_id)
    places = places_of_brief(folder / PARQUET, brief_id)
    return _forget_rows(_last_whole(folder), places, brief_id, signing) if places else None


def _forget_unfinished(folder: Path, run_id: str, brief_id: str) -> Gone | None:
    """A run that is to go on. One that failed at its end has results already; they are written again then."""
    removed = []
    if (folder / PARQUET).is_file() and places_of_brief(folder / PARQUET, brief_id):
        removed = _cleared(folder, (*TEXTS_BESIDE, *reversed(FILES)))  # the one that tells of the brief goes last
    attempts = _forget_in_journal(folder, brief_id)
    return Gone(run_id=run_id, rows=0, attempts=attempts, removed=removed) if attempts or removed else None


def _last_whole(folder: Path) -> Past:
    """The run by the manifest that run.json names: a kill can fall between the next manifest and that."""
    past, named = open_past(folder), read_run(folder).manifest
    kept = folder / kept_name(len(past.manifest.supersedes))
    if past.manifest.supersedes[:1] != [named] or not kept.is_file():
        return past
    data = kept.read_bytes()
    return Past(folder, decode_manifest(data, str(kept)), data)


def _forget_rows(past: Past, places: list[int], brief_id: str, signing: SigningSettings) -> Gone:
    """A finished run: results, journal, what stands beside, and the manifest last."""
    folder, manifest, gone = past.folder, past.manifest, {*places}
    signer = _signer(past, signing)  # before anything is changed: it may be gone, or have expired
    _refuse_changed(past, places, signing)
    at, run = now(), past.run
    record_ids = {row.record.record_id for _, row in past.rows(gone)}
    if _is_done(past, gone):
        decisions = forget_decisions(folder, record_ids, at)
        return Gone(run_id=run.run_id, rows=len(places), attempts=0, decisions=decisions,
                    removed=[*_cleared(folder, TEXTS_BESIDE), *clear_exports(folder)])
    _keep(past)
    rows = (_blank(row, at) if place in gone else row for place, row in enumerate(read_rows(folder / PARQUET)))
    records, stamps = itertools.tee(rows)
    label = label_of(run.settings.labels, run.run_id)
    exported = export((row.record for row in records), folder, lambda _: next(stamps), manifest.columns, label)
    attempts = _forget_in_journal(folder, brief_id)
    decisions = forget_decisions(folder, record_ids, at)
    removed = [*_cleared(folder, TEXTS_BESIDE), *clear_exports(folder)]
    run = seal(
        folder,
        msgspec.structs.replace(run, outputs=[_facts(file) for file in exported.files]),
        Sealed(rows=manifest.rows, filters=manifest.filters, columns=manifest.columns, previous=manifest.previous,
               supersedes=[manifest_digest(past.manifest_bytes), *manifest.supersedes],
               forgotten=[*manifest.forgotten, Forgotten(rows=places, at=at)],
               code=manifest.code, environment=manifest.environment),
        signer,
    )
    write_atomically(folder / RUN_FILE, lambda file: file.write(encode(run)))
    return Gone(run_id=run.run_id, rows=len(places), attempts=attempts, removed=removed, decisions=decisions)


def _refuse_changed(past: Past, places: list[int], signing: SigningSettings) -> None:
    """Refuse a run that is not as its manifest states: a new manifest, and its signature, would cover that up.

    Where a kill left it in the middle of forgetting these rows, its files are others, and the manifest alone counts.
    """
    folder = past.folder
    wrong = [] if read_run(folder).manifest == manifest_digest(past.manifest_bytes) else [MANIFEST]
    wrong += [] if not past.run.settings.signing.enabled or _is_signed(past, signing) else [SIGNATURE]
    if not any(row.record.reasons == [FORGOTTEN] for _, row in past.rows({*places})):
        told = {file.path: file.digest for file in [*past.run.outputs, *past.manifest.files]}
        wrong += [name for name in (PARQUET, JOURNAL) if told.get(name) != digest_file(folder / name)]
    if wrong:
        raise StoreError(str(folder), f"{', '.join(wrong)} not as the run left it", "a run that holds",
                         "Nothing was changed. If `aigc forget` was killed here, run that command again first. Else "
                         "see `aigc verify`, and restore what it names from a copy; or remove the whole folder.")


def _is_done(past: Past, places: set[int]) -> bool:
    """Whether these rows were forgotten before, and every file is as the manifest tells it."""
    told = [*past.run.outputs, *past.manifest.files]
    return places <= {row for one in past.manifest.forgotten for row in one.rows} and all(
        (past.folder / file.path).is_file() and digest_file(past.folder / file.path) == file.digest for file in told
    )


def _is_signed(past: Past, signing: SigningSettings) -> bool:
    """Whether somebody signed the manifest who is trusted here; his certificate may have expired since."""
    from aigc.signing import check_signature, trusted_anchors

    kept = signature_of(kept_name(len(past.manifest.supersedes) + 1))
    paths = [path for path in (past.folder / SIGNATURE, past.folder / kept) if path.is_file()]
    found = (check_signature(past.manifest_bytes, path.read_bytes(), trusted_anchors(signing)) for path in paths)
    return any(check.status in ("valid", "expired") for check in found)


def _signer(past: Past, signing: SigningSettings) -> Signer | None:
    """Who signs the new manifest of a run; None where it was not signed."""
    settings = past.run.settings
    if not settings.signing.enabled:
        return None
    if not signing.enabled:
        raise SettingsError("settings, key signing.enabled", f"false, and run {past.run.run_id} is signed",
                            "a key to sign what is left of it", "Set AIGC_SIGNING_ENABLED=true, or name a key in "
                            "aigc.toml: that of the run is not taken from its folder.")
    return open_run_signer(msgspec.structs.replace(settings, signing=signing))


def _keep(past: Past) -> None:
    """Keep the manifest and its signature beside the one that takes its place: by them `aigc verify` knows that
    nothing but these rows was changed."""
    folder, name = past.folder, kept_name(len(past.manifest.supersedes) + 1)
    if (folder / name).is_file() and (folder / name).read_bytes() == past.manifest_bytes:
        return  # a kill came later than this, and the signature beside it may be another manifest's by now
    if (folder / SIGNATURE).is_file():
        signature = (folder / SIGNATURE).read_bytes()
        write_atomically(folder / signature_of(name), lambda file: file.write(signature))
    write_atomically(folder / name, lambda file: file.write(past.manifest_bytes))


def _blank(row: Stamped, at: str) -> Stamped:
    """The row without anything that was the brief's or the model's; its leaf stays."""
    return Stamped(record=blank_record(row.record, at), provenance=_blank_provenance(row.provenance), leaf=row.leaf)


def blank_record(record: Record, at: str) -> Record:
    """What stays of a record: where it stands, and that it was forgotten."""
    error = RowError(
        row=record.row, id=record.brief_id, source=record.source, column="", code=FORGOTTEN,
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
    return forget_lines(folder, brief_id, lambda record: blank_record(record, at))


def _facts(file: ExportedFile) -> FileFacts:
    return FileFacts(path=file.name, digest=file.digest, bytes=file.size, rows=file.rows)


def _cleared(folder: Path, names: Iterable[str]) -> list[str]:
    """Remove all of a folder that has one of these names. Returns what was there, in the order in which it went."""
    beside = [path for name in names for path in sorted(folder.glob(name))]
    return [path.name for path in beside if _removed(path)]


def _removed(path: Path) -> bool:
    """Remove a file, or the folder that a run left which was killed while it wrote its results."""
    if path.is_file():
        path.unlink()
    elif path.name == STAGING:
        shutil.rmtree(path)
    else:
        return False
    return True
