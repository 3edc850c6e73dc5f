"""The ledger of editors' decisions: that it is one chain, and this run's. It grows after the manifest was written."""

from __future__ import annotations

from pathlib import Path

from aigc.errors import StoreError
from aigc.export import PARQUET
from aigc.parquet_rows import ids_at
from aigc.provenance.manifest import Manifest
from aigc.review.ledger import LEDGER, breaks, forgotten, read_ledger
from aigc.verification.findings import Check, Finding, concluded

NAME = "decisions"


def check_decisions(folder: Path, manifest: Manifest) -> Check:
    """That no decision was changed, left out or put in before the last one, and that all are on this run's texts."""
    if not (folder / LEDGER).is_file():
        return Check(name=NAME, status="not checked", detail="no decision was imported")
    try:
        broken = [Finding(place=f"{LEDGER} line {one.line}", found=one.found, expected=one.expected)
                  for one in breaks(folder)]
        if broken:
            return concluded(NAME, "", broken)
        ledger, gone = read_ledger(folder), forgotten(folder)
        rows = {row for one in manifest.forgotten for row in one.rows}
        kept = {one.record_id for one in gone} - (ids_at(folder / PARQUET, rows) if gone else set())
    except StoreError as exc:
        return concluded(NAME, "", [Finding(place=LEDGER, found=exc.found, expected=exc.expected)])
    expected = f"decisions on run {manifest.run.run_id}"
    strange = [Finding(place=LEDGER, found=f"decisions on run {run_id}", expected=expected)
               for run_id in dict.fromkeys(decision.run_id for decision in ledger.decisions)
               if run_id != manifest.run.run_id]
    strange += [Finding(place=LEDGER, found=f"a forgotten decision on record {name}, which was not forgotten",
                        expected="every decision on it") for name in sorted(kept)]
    removed = f", {len(gone):,} more forgotten" if gone else ""
    return concluded(NAME, f"{len(ledger.entries):,} in one chain{removed}, up to {ledger.head[:19]}…", strange)
