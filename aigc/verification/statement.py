"""The manifest and what repeats it: its own form, run.json and SHA256SUMS."""

from __future__ import annotations

from pathlib import Path

import msgspec

from aigc.errors import StoreError
from aigc.export import PARQUET
from aigc.hashing import digest_file
from aigc.journal import Header
from aigc.parquet_rows import made_by
from aigc.provenance import RUN_FILE, RunFile, encode, read_run
from aigc.provenance.manifest import MANIFEST, SUMS, Manifest, encode_plain, manifest_digest, sums
from aigc.store import JOURNAL
from aigc.verification.findings import Check, Finding, concluded, differing


def check_statement(folder: Path, manifest: Manifest, data: bytes) -> list[Check]:
    """Checks of manifest.json, run.json and SHA256SUMS against each other. Two that agree outvote the third."""
    own = manifest_digest(data)
    run, run_findings = _run_file(folder, msgspec.json.decode(data)["run"])
    told, sums_findings = _sums(folder, manifest)
    witnesses = [run.manifest if run else "", told.get(MANIFEST, "")]
    findings = _form(manifest, data)
    if own not in witnesses:
        findings.append(Finding(place=MANIFEST, found="other bytes", expected="those whose digest run.json tells"))
    elif run and run.manifest != own:
        place = f"{RUN_FILE}, field manifest"
        run_findings.append(Finding(place=place, found="another digest", expected="that of manifest.json"))
    if run:
        expected = msgspec.structs.replace(manifest.run, manifest=run.manifest)
        run_findings += _run_differences(run, expected, is_outvoted=own not in witnesses)
    return [
        concluded("manifest", "canonical, and the one that run.json names", findings),
        concluded("run.json", "as the manifest tells it", run_findings),
        concluded(SUMS, "as the manifest tells it", sums_findings),
    ]


def run_of(folder: Path, manifest: Manifest) -> str:
    """The run that a folder is of by its journal and by all rows that were made in it, where that is not the
    manifest's. One that only one of them tells is left to the other checks: it may be what was changed."""
    try:
        with (folder / JOURNAL).open("rb") as lines:
            own = msgspec.json.decode(lines.readline(), type=Header).run_id
        made = made_by(folder / PARQUET)
    except (OSError, StoreError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""  # what is gone or cut off is told by the check of its file
    return own if made == {own} and own != manifest.run.run_id else ""


def _form(manifest: Manifest, data: bytes) -> list[Finding]:
    if encode_plain(_as_told(msgspec.to_builtins(manifest), msgspec.json.decode(data))) == data:
        return []
    return [Finding(place=MANIFEST, found="what aigc does not write so", expected="canonical JSON of known fields")]


def _run_file(folder: Path, in_manifest: dict[str, object]) -> tuple[RunFile | None, list[Finding]]:
    """run.json, and what is not as aigc writes it. It has the fields that the manifest's own copy of it has."""
    expected = "run.json as it was written"
    try:
        run = read_run(folder)
    except StoreError as exc:
        return None, [Finding(place=RUN_FILE, found=exc.found, expected=expected)]
    written = _as_told(msgspec.to_builtins(run), in_manifest)
    if (folder / RUN_FILE).read_bytes() != encode(written):
        return run, [Finding(place=RUN_FILE, found="what aigc does not write so", expected=expected)]
    return run, []


def _as_told(known: object, told: object) -> object:
    """What is `known`, without the fields that `told` does not have: it was written before aigc knew of them."""
    if isinstance(known, dict) and isinstance(told, dict):
        return {name: _as_told(value, told[name]) for name, value in known.items() if name in told}
    if isinstance(known, list) and isinstance(told, list) and len(known) == len(told):
        return [_as_told(one, other) for one, other in zip(known, told, strict=True)]
    return known


def _run_differences(run: RunFile, expected: RunFile, *, is_outvoted: bool) -> list[Finding]:
    """Fields in which run.json and the manifest differ; told of the manifest where that is what was changed."""
    place, other = (f"{MANIFEST}, field run", RUN_FILE) if is_outvoted else (f"{RUN_FILE}, field", MANIFEST)
    joint = "." if is_outvoted else " "
    return [Finding(place=f"{place}{joint}{path}", found="another value", expected=f"the one of {other}")
            for path in differing(run, expected)]


def _sums(folder: Path, manifest: Manifest) -> tuple[dict[str, str], list[Finding]]:
    path = folder / SUMS
    if not path.is_file():
        return {}, [Finding(place=SUMS, found="no file", expected="the digests of the run's files")]
    data = path.read_bytes()
    lines = data.decode("utf-8", "replace").splitlines()
    told = {name: f"sha256:{value}" for value, _, name in (line.partition("  ") for line in lines)}
    expected = sums(manifest, digest_file(folder / MANIFEST))
    if data == expected:
        return told, []
    wanted = expected.decode().splitlines()
    at = next((at for at, (one, other) in enumerate(zip(lines, wanted, strict=False)) if one != other), None)
    if at is not None and lines[at].endswith(f"  {MANIFEST}"):
        # Whether the line or the manifest was changed is told by run.json.
        run_digest = _digest_in_run_file(folder)
        if run_digest == told.get(MANIFEST):
            return told, []
    place = f"{SUMS} line {at + 1 if at is not None else min(len(lines), len(wanted)) + 1}"
    return told, [Finding(place=place, found="another line", expected="what the manifest tells")]


def _digest_in_run_file(folder: Path) -> str:
    try:
        return read_run(folder).manifest
    except StoreError:
        return ""
