"""Every row of records.parquet against its leaf, and the tree of all leaves against the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from aigc.errors import StoreError
from aigc.export import PARQUET
from aigc.parquet_rows import read_rows
from aigc.proof import stamper_of
from aigc.provenance.manifest import Manifest
from aigc.provenance.merkle import Tree
from aigc.provenance.stamps import leaf_bytes, leaf_of, told_leaf
from aigc.records import Attempt, Record
from aigc.stamped import Stamped
from aigc.verification.findings import Check, Finding, concluded, differing
from aigc.verification.originals import Originals

NAME = "rows"


def check_rows(folder: Path, manifest: Manifest) -> Check:
    """That all rows are there, each as it was made."""
    tree, findings, kept = Tree(), list[Finding](), list[Finding]()
    forgotten = {row for one in manifest.forgotten for row in one.rows}
    try:
        for number, row in enumerate(read_rows(folder / PARQUET)):
            own = leaf_of(row.record, row.provenance)
            is_forgotten = number in forgotten
            tree.add(told_leaf(row.leaf) if is_forgotten else leaf_bytes(own))
            if is_forgotten and (row.record.attempts or row.record.brief):
                kept.append(Finding(place=place_of(number, row), found="a brief or a text", expected="a forgotten row"))
            if own != row.leaf and not is_forgotten:
                findings.append(Finding(place=place_of(number, row), found="another leaf", expected="the row's own"))
    except StoreError as exc:
        place = PARQUET + exc.place.removeprefix(str(folder / PARQUET))  # with its row, where it is one that is told
        return concluded(NAME, "", [Finding(place=place, found=exc.found, expected="the records as they were")])
    expected = manifest.rows
    if tree.leaves != expected.count:
        found = Finding(place=PARQUET, found=f"{tree.leaves:,} rows", expected=f"{expected.count:,}")
        return concluded(NAME, "", [found])
    if kept:
        return concluded(NAME, "", kept)
    if not findings and tree.root.hex() == expected.merkle_root:
        gone = f", {len(forgotten):,} of them forgotten" if forgotten else ""
        return Check(name=NAME, status="holds", detail=f"{tree.leaves:,} rows, by the tree's root{gone}")
    if tree.root.hex() == expected.merkle_root:  # the rows are right, so their leaves are not
        return concluded(NAME, "", [msgspec.structs.replace(one, place=f"{one.place}, field leaf") for one in findings])
    return concluded(NAME, "", list(_changed_rows(folder, manifest, forgotten)) or [_somewhere()])


def _changed_rows(folder: Path, manifest: Manifest, forgotten: set[int]) -> Iterator[Finding]:
    """Rows that differ from what the journal keeps of them, with the fields that do."""
    stamper = stamper_of(manifest)
    with Originals.read(folder) as originals:
        for number, row in enumerate(read_rows(folder / PARQUET)):
            if number in forgotten:
                continue
            original = originals.of(row.record)
            if original is None:
                if leaf_of(row.record, row.provenance) != row.leaf or originals.is_whole:
                    yield Finding(place=place_of(number, row), found="a row that the journal does not keep",
                                  expected="the row as it was made")
                continue
            made = stamper.stamp(original)
            for path in _differences(row, made):
                yield Finding(place=f"{place_of(number, row)}, field {path}", found="another value",
                              expected="the one that was made")


def _differences(row: Stamped, made: Stamped) -> list[str]:
    """Fields that differ. Marks of near-duplicates stand only in the results: they count last."""
    found, expected = _unmarked(row.record), _unmarked(made.record)
    if _is_held_by_a_mark(row.record) and made.record.outcome == "accepted":
        found = msgspec.structs.replace(found, outcome="accepted")
    paths = differing(found, expected) + [f"provenance.{path}" for path in differing(row.provenance, made.provenance)]
    if paths or leaf_of(row.record, row.provenance) == row.leaf:
        return paths
    return differing(row.record, made.record) or ["leaf"]


def _is_held_by_a_mark(record: Record) -> bool:
    # Of all attempts: which one was chosen may be what was changed.
    verdicts = (verdict for attempt in record.attempts for verdict in attempt.verdicts)
    marks = (verdict for verdict in verdicts if verdict.filter == "near_duplicate")
    return record.outcome == "held" and any(mark.action == "hold" for mark in marks)


def _unmarked(record: Record) -> Record:
    return msgspec.structs.replace(record, attempts=[_without_marks(attempt) for attempt in record.attempts])


def _without_marks(attempt: Attempt) -> Attempt:
    verdicts = [verdict for verdict in attempt.verdicts if verdict.filter != "near_duplicate"]
    return msgspec.structs.replace(attempt, verdicts=verdicts)


def place_of(number: int, row: Stamped) -> str:
    """Where a row is, which is counted from 0: in the file and in the sheet."""
    return f"{PARQUET} row {number + 1} (line {row.record.source.line} of the sheet, variant {row.record.variant})"


def _somewhere() -> Finding:
    found = "rows that are not those of the manifest, and a journal that does not tell which"
    return Finding(place=PARQUET, found=found, expected="the rows as they were made")
