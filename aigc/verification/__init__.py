"""`aigc verify`: all that a run's manifest states is made again from its files, and every difference has its place.

    statement  manifest.json, run.json, SHA256SUMS and the run before
    rows       every row against its leaf, and the tree's root
    files      every file against its digest, and the line that differs
    succession manifests that took the place of others
    signatures who signed the manifest and the files
    decisions  what editors decided, as a chain
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aigc.disk import holder_of
from aigc.errors import DamagedManifest, RunLocked
from aigc.provenance.manifest import MANIFEST, Manifest, read_manifest
from aigc.store import LOCK
from aigc.verification.decisions import check_decisions
from aigc.verification.files import check_files, check_strange
from aigc.verification.findings import Check, Finding, Verification, concluded, together
from aigc.verification.rows import check_rows
from aigc.verification.signatures import check_signatures
from aigc.verification.statement import check_statement, run_of
from aigc.verification.succession import check_previous, check_succession

__all__ = ["Check", "Finding", "Verification", "verify"]


def verify(folder: Path, anchors: Sequence[Path] = (), *, is_signature_due: bool = False) -> Verification:
    """Look at a finished run as a whole. `anchors` are root certificates that may sign: never those the run names.

    A run whose own settings ask for a signature has to have one, and any where `is_signature_due`.

    Raises:
        StoreError: the folder holds no manifest, or one of another version.
        RunLocked: it was written while it was looked at.
        UsageError: an anchor's file cannot be used.
    """
    try:
        manifest, data = read_manifest(folder)
    except DamagedManifest as exc:
        return Verification(run_id=folder.name, checks=_nothing_but(exc.found, "the manifest cannot be read"))
    if other := run_of(folder, manifest):
        why = f"the manifest is not that of run {other}"
        return Verification(run_id=other, checks=_nothing_but(f"that of run {manifest.run.run_id}", why))
    found = _looked(folder, manifest, data, anchors, is_signature_due)
    if not found.holds:
        _refuse_unsettled(folder, data)
    return found


def _looked(
    folder: Path, manifest: Manifest, data: bytes, anchors: Sequence[Path], is_signature_due: bool
) -> Verification:
    rows = check_rows(folder, manifest)
    checks = [
        *check_statement(folder, manifest, data),
        rows,
        *check_files(folder, manifest, rows_hold=rows.status == "holds"),
        check_previous(folder, manifest, anchors),
        *check_succession(folder, manifest, anchors),
        *check_signatures(folder, manifest, data, anchors, is_due=is_signature_due),
        check_decisions(folder, manifest),
        *check_strange(folder, manifest),
    ]
    return Verification(run_id=manifest.run.run_id, checks=together(checks))


def _refuse_unsettled(folder: Path, data: bytes) -> None:
    """What is being written, by `aigc forget`, is neither as it was nor as it will be."""
    holder = holder_of(folder / LOCK)
    if not holder and (folder / MANIFEST).is_file() and (folder / MANIFEST).read_bytes() == data:
        return
    raise RunLocked(str(folder), f"that {holder or 'another process'} wrote it while it was looked at",
                    "one that no other process writes", "Wait until it has ended, then verify again.")


def _nothing_but(found: str, why: str) -> list[Check]:
    """A manifest that cannot be read, or is another run's, proves nothing, and nothing else can be proved by it."""
    finding = Finding(place=MANIFEST, found=found, expected="the run's own, as it was written")
    names = ("rows", "files", "previous run", "signature", "decisions")
    return [
        concluded("manifest", "", [finding]),
        *(Check(name=name, status="not checked", detail=why) for name in names),
    ]
