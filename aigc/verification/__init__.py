"""`aigc verify`: all that a run's manifest states is made again from its files, and every difference has its place.

    statement  manifest.json, run.json, SHA256SUMS and the run before
    rows       every row against its leaf, and the tree's root
    files      every file against its digest, and the line that differs
    signatures who signed the manifest and the files
    decisions  what editors decided, as a chain
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aigc.errors import StoreError
from aigc.provenance.manifest import MANIFEST, read_manifest
from aigc.verification.decisions import check_decisions
from aigc.verification.files import check_files
from aigc.verification.findings import Check, Finding, Verification, concluded
from aigc.verification.rows import check_rows
from aigc.verification.signatures import check_signatures
from aigc.verification.statement import check_previous, check_statement

__all__ = ["Check", "Finding", "Verification", "verify"]


def verify(folder: Path, anchors: Sequence[Path] = (), *, is_signature_due: bool = False) -> Verification:
    """Look at a finished run as a whole. `anchors` are root certificates that may sign: never those the run names.

    A run whose own settings ask for a signature has to have one, and any where `is_signature_due`.

    Raises:
        StoreError: the folder holds no manifest, or one of another version.
        UsageError: an anchor's file cannot be used.
    """
    try:
        manifest, data = read_manifest(folder)
    except StoreError as exc:
        if not exc.found.startswith("a damaged"):
            raise
        return Verification(run_id=folder.name, checks=_unreadable(exc))
    rows = check_rows(folder, manifest)
    checks = [
        *check_statement(folder, manifest, data),
        rows,
        *check_files(folder, manifest, rows_hold=rows.status == "holds"),
        check_previous(folder, manifest),
        *check_signatures(folder, manifest, data, anchors, is_due=is_signature_due),
        check_decisions(folder, manifest),
    ]
    return Verification(run_id=manifest.run.run_id, checks=checks)


def _unreadable(exc: StoreError) -> list[Check]:
    """A manifest that cannot be read proves nothing, and nothing else can be proved by it."""
    finding = Finding(place=MANIFEST, found=exc.found, expected="the manifest as it was written")
    names, why = ("rows", "files", "previous run", "signature", "decisions"), "the manifest cannot be read"
    return [
        concluded("manifest", "", [finding]),
        *(Check(name=name, status="not checked", detail=why) for name in names),
    ]
