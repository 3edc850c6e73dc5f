"""The files of a run against the digests of its manifest; where one differs, the first line that does."""

from __future__ import annotations

import tempfile
from itertools import zip_longest
from pathlib import Path

from aigc.errors import StoreError, shown
from aigc.export import ACCEPTED_CSV, ACCEPTED_JSONL, PARQUET, REJECTED_CSV, export
from aigc.hashing import digest_file
from aigc.labels.hidden import label_of
from aigc.parquet_rows import read_rows
from aigc.provenance import RUN_FILE, FileFacts
from aigc.provenance.manifest import MANIFEST, SIGNATURE, SUMS, Manifest
from aigc.report import report
from aigc.review.ledger import LEDGER
from aigc.review.ledger_head import HEAD
from aigc.store import JOURNAL, Store
from aigc.verification.copies import changed_copies
from aigc.verification.findings import Check, Finding, concluded

REPORT = "report.md"
MOST_NAMES = 20


def check_files(folder: Path, manifest: Manifest, *, rows_hold: bool) -> list[Check]:
    """A check for each file that the manifest tells. `rows_hold` is whether the other results can be made again."""
    return [_check_file(folder, facts, manifest, rows_hold) for facts in [*manifest.run.outputs, *manifest.files]]


def check_strange(folder: Path, manifest: Manifest) -> list[Check]:
    """What lies in the folder that the manifest does not tell: pages of reviewers, exports, or what somebody put in."""
    told = {facts.path for facts in [*manifest.run.outputs, *manifest.files]} | {RUN_FILE, MANIFEST, SIGNATURE, SUMS}
    told |= {LEDGER, HEAD}
    names = sorted(path.name for path in folder.iterdir() if path.name not in told and path.name[0] != ".")
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    detail = f"the manifest does not tell of them: {', '.join(map(shown, names[:MOST_NAMES]))}{more}"
    return [Check(name="other files", status="not checked", detail=detail)]


def _check_file(folder: Path, facts: FileFacts, manifest: Manifest, rows_hold: bool) -> Check:
    path = folder / facts.path
    if not path.is_file():
        gone = Finding(place=facts.path, found="no file", expected=f"a file of {facts.bytes:,} bytes")
        return concluded(facts.path, "", [gone])
    if digest_file(path) == facts.digest:
        rows = "" if facts.rows is None else f"{facts.rows:,} rows, "
        return Check(name=facts.path, status="holds", detail=f"{rows}{facts.bytes:,} bytes")
    found = f"other bytes ({path.stat().st_size:,} of them)"
    places = _places(folder, facts.path, manifest) if rows_hold or facts.path in (JOURNAL, REPORT) else []
    return concluded(facts.path, "", [
        Finding(place=place, found=found, expected=f"the {facts.bytes:,} bytes that were written")
        for place in places or [facts.path]
    ])


def _places(folder: Path, name: str, manifest: Manifest) -> list[str]:
    """Where a file was changed, as far as it can be told by making it again."""
    if name == JOURNAL:
        return _journal_places(folder)
    if name == REPORT:
        return [_first_line(folder / name, report(manifest.run).encode())]
    if name == PARQUET:
        return [*changed_copies(folder / name)]
    if name in (ACCEPTED_CSV, ACCEPTED_JSONL, REJECTED_CSV):
        with tempfile.TemporaryDirectory(prefix="aigc-verify-") as place:
            _export_again(folder, Path(place), manifest)
            return [_first_line(folder / name, (Path(place) / name).read_bytes())]
    return []


def _export_again(folder: Path, to: Path, manifest: Manifest) -> None:
    """The results' files once more, from the rows of records.parquet."""
    stamps = iter(read_rows(folder / PARQUET))
    records = (row.record for row in read_rows(folder / PARQUET))
    label = label_of(manifest.run.settings.labels, manifest.run.run_id)
    export(records, to, lambda _: next(stamps), manifest.columns, label)


def _first_line(path: Path, expected: bytes) -> str:
    """`name line N`, the first line that is not as it was."""
    pairs = zip_longest(path.read_bytes().split(b"\n"), expected.split(b"\n"))
    at = next((at for at, (one, other) in enumerate(pairs, 1) if one != other), None)
    return f"{path.name} line {at}" if at else path.name


def _journal_places(folder: Path) -> list[str]:
    try:
        with Store.read(folder) as store:
            torn = [f"{JOURNAL}, its last line"] if store.torn_bytes else []
            return [f"{JOURNAL} line {line}" for line in store.damaged] + torn
    except StoreError:
        return []
