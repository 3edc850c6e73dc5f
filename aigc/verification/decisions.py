"""The ledger of editors' decisions: that it is one chain, this run's, and goes as far as it ever did.

It grows after the manifest was written. How far it went is told by its own head, which whoever cuts the ledger can
change with it, and by the manifest of the next run, which he cannot where that is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from aigc.errors import StoreError
from aigc.export import PARQUET
from aigc.parquet_rows import ids_at
from aigc.provenance.manifest import MANIFEST, Decided, Manifest
from aigc.records import Value
from aigc.review.ledger import LEDGER, breaks, digests_of, forgotten, read_ledger
from aigc.review.ledger_head import HEAD, Head, cut_off, read_head
from aigc.verification.findings import Check, Finding, concluded

NAME = "decisions"
_ALL = "every decision that was imported"


def check_decisions(folder: Path, manifest: Manifest) -> Check:
    """That no decision was changed, left out, put in or cut off, and that all are on this run's texts."""
    try:
        broken = [Finding(place=f"{LEDGER} line {one.line}", found=one.found, expected=one.expected)
                  for one in breaks(folder)]
        broken = broken or [*_cut(folder, manifest.run.run_id)]
        if broken:
            return concluded(NAME, "", broken)
        head, digests = read_head(folder), digests_of(folder)
    except StoreError as exc:
        return concluded(NAME, "", [Finding(place=_name(exc), found=exc.found, expected=exc.expected)])
    if not digests:
        return Check(name=NAME, status="not checked", detail="no decision was imported")
    return _of_this_run(folder, manifest, "" if head else f"; no {HEAD} says that these are all")


def cut_since(folder: Path, told: Decided, teller: str) -> str:
    """What is wrong with a run's ledger by what a later manifest tells of it; empty where nothing is."""
    return cut_off(digests_of(folder), Head(lines=told.lines, digest=told.digest), teller)


def _cut(folder: Path, run_id: str) -> Iterator[Finding]:
    """What the manifests of later runs beside this one tell of its ledger, and is no longer there."""
    for path in sorted(folder.parent.glob(f"*/{MANIFEST}")):
        try:
            told = msgspec.json.decode(path.read_bytes(), type=_Witness).previous
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # that run's own verify tells of it
        teller = f"the manifest of {path.parent.name}"
        if told and told.run_id == run_id and (found := cut_since(folder, told.decisions, teller)):
            yield Finding(place=LEDGER, found=found, expected=_ALL)


def _of_this_run(folder: Path, manifest: Manifest, unsure: str) -> Check:
    try:
        ledger, gone = read_ledger(folder), forgotten(folder)
        rows = {row for one in manifest.forgotten for row in one.rows}
        kept = {one.record_id for one in gone} - (ids_at(folder / PARQUET, rows) if gone else set())
    except StoreError as exc:
        return concluded(NAME, "", [Finding(place=_name(exc), found=exc.found, expected=exc.expected)])
    strange = [Finding(place=LEDGER, found=f"decisions on run {run_id}",
                       expected=f"decisions on run {manifest.run.run_id}")
               for run_id in dict.fromkeys(decision.run_id for decision in ledger.decisions)
               if run_id != manifest.run.run_id]
    strange += [Finding(place=LEDGER, found=f"a forgotten decision on record {name}, which was not forgotten",
                        expected="every decision on it") for name in sorted(kept)]
    removed = f", {len(gone):,} more forgotten" if gone else ""
    detail = f"{len(ledger.entries):,} in one chain{removed}, up to {ledger.head[:19]}…{unsure}"
    return concluded(NAME, detail, strange)


def _name(exc: StoreError) -> str:
    return HEAD if exc.place.endswith(HEAD) else LEDGER


class _Before(Value, frozen=True):
    run_id: str
    decisions: Decided = Decided()


class _Witness(Value, frozen=True):
    """What of a later run's manifest is looked at."""

    previous: _Before | None = None
