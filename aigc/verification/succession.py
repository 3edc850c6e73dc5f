"""Manifests that took the place of others, and the run before.

Only `aigc forget` writes another manifest for a run, and it keeps the one before beside it. So what a manifest says of
those before it is not taken on trust: each has to be there, to state the same rows and the same origin, and to have
been signed by the same identity where it was signed at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from aigc.disk import disk_errors
from aigc.errors import StoreError
from aigc.provenance.manifest import (
    MANIFEST,
    Manifest,
    decode_manifest,
    kept_name,
    manifest_digest,
    signature_of,
)
from aigc.review.ledger import LEDGER
from aigc.verification.decisions import cut_since
from aigc.verification.findings import Check, Finding, concluded, differing

NAME = "earlier manifests"
_SOUND = ("valid", "expired", "untrusted", "not_yet_valid")
"""What a signature may be that was made by the key it names, over these bytes."""


class _Kept(NamedTuple):
    """A manifest with the name of its file."""

    name: str
    manifest: Manifest
    data: bytes


def check_succession(folder: Path, manifest: Manifest, anchors: Sequence[Path]) -> list[Check]:
    """That the manifests before this one led to it by forgetting alone; nothing where there were none."""
    if not manifest.supersedes and not manifest.forgotten:
        return []
    count = len(manifest.supersedes)
    detail = f"{count}, each followed by one in which rows were forgotten and nothing else was changed"
    return [concluded(NAME, detail, [*_unproved(folder, manifest, anchors)])]


def check_previous(folder: Path, manifest: Manifest, anchors: Sequence[Path]) -> Check:
    """That the run before is the one that this run was chained to, where it is still here."""
    name, previous = "previous run", manifest.previous
    if previous is None:
        return Check(name=name, status="not checked", detail="it is the first of its folder")
    beside = folder.parent / previous.run_id
    if not (beside / MANIFEST).is_file():
        return Check(name=name, status="not checked", detail=f"{previous.run_id} is not beside it")
    with disk_errors(beside / MANIFEST, "nothing was changed"):
        data = (beside / MANIFEST).read_bytes()
    if found := cut_since(beside, previous.decisions, "the manifest here"):
        return concluded(name, "", [Finding(place=f"{previous.run_id}/{LEDGER}", found=found,
                                            expected="every decision that was imported before this run ended")])
    if manifest_digest(data) == previous.manifest:
        return Check(name=name, status="holds", detail=previous.run_id)
    place = f"{previous.run_id}/{MANIFEST}"
    changed = Finding(place=place, found="another manifest", expected="the one it was chained to")
    try:
        now = decode_manifest(data, place)
    except StoreError:
        return concluded(name, "", [changed])
    if previous.manifest not in now.supersedes:
        return concluded(name, "", [changed])
    unproved = [msgspec.structs.replace(one, place=f"{previous.run_id}/{one.place}")
                for one in _unproved(beside, now, anchors)]
    return concluded(name, f"{previous.run_id}, in which rows were forgotten since", unproved)


def _unproved(folder: Path, manifest: Manifest, anchors: Sequence[Path]) -> Iterator[Finding]:
    """What is wrong with the manifests that this one says it takes the place of."""
    count = len(manifest.supersedes)
    if len(manifest.forgotten) != count:
        yield Finding(place=f"{MANIFEST}, field supersedes", found=f"{count} manifests before it",
                      expected=f"one for each time that rows were forgotten, {len(manifest.forgotten)}")
        return
    newer = _Kept(MANIFEST, manifest, (folder / MANIFEST).read_bytes())
    for number, digest in zip(range(count, 0, -1), manifest.supersedes, strict=True):
        older = _kept(folder, kept_name(number), digest)
        if isinstance(older, Finding):
            yield older
            return
        yield from _other_changes(newer, older)
        yield from _other_signers(folder, newer, older, anchors)
        newer = older


def _kept(folder: Path, name: str, digest: str) -> _Kept | Finding:
    expected = f"the manifest that {MANIFEST} says it takes the place of"
    if not (folder / name).is_file():
        return Finding(place=name, found="no file", expected=expected)
    try:
        with disk_errors(folder / name, "nothing was changed"):
            data = (folder / name).read_bytes()
        if manifest_digest(data) != digest:
            return Finding(place=name, found="another manifest", expected=expected)
        return _Kept(name, decode_manifest(data, name), data)
    except StoreError as exc:
        return Finding(place=name, found=exc.found, expected=expected)


def _other_changes(newer: _Kept, older: _Kept) -> Iterator[Finding]:
    """What differs between two manifests of a run beside what forgetting changes: that, and the digests of files."""
    for path in differing(_lasting(newer.manifest), _lasting(older.manifest)):
        yield Finding(place=f"{newer.name}, field {path}", found=f"another value than in {older.name}",
                      expected="what forgetting rows leaves as it is")
    now, before = newer.manifest, older.manifest
    rows = [row for one in now.forgotten[len(before.forgotten) :] for row in one.rows]
    is_told = now.forgotten[:-1] == before.forgotten and rows and all(0 <= row < now.rows.count for row in rows)
    if not is_told or now.supersedes[1:] != before.supersedes:
        yield Finding(place=f"{newer.name}, field forgotten", found=f"what does not follow from {older.name}",
                      expected="that and the rows that were forgotten since")


def _lasting(manifest: Manifest) -> Manifest:
    """What a manifest states that no forgetting changes. Results keep their names, and other bytes are in them."""
    outputs = [msgspec.structs.replace(file, digest="", bytes=0, rows=None) for file in manifest.run.outputs]
    run = msgspec.structs.replace(manifest.run, outputs=outputs)
    return msgspec.structs.replace(manifest, run=run, files=[], supersedes=[], forgotten=[])


def _other_signers(folder: Path, newer: _Kept, older: _Kept, anchors: Sequence[Path]) -> Iterator[Finding]:
    """Whether another has signed the newer one, where the older was signed: the same certificate has to stand behind
    both, or each signer has to lead to an anchor that is trusted here, as after a change of keys."""
    if not older.manifest.run.settings.signing.enabled and not (folder / signature_of(older.name)).is_file():
        return
    from aigc.signing import check_signature

    found = []
    for one in (newer, older):
        path = folder / signature_of(one.name)
        if not path.is_file():
            yield Finding(place=path.name, found="no file", expected=f"the signature of {one.name}")
            return
        check = check_signature(one.data, path.read_bytes(), anchors)
        if check.status not in _SOUND:
            yield Finding(place=path.name, found=f"a signature that does not hold ({check.status}: {check.message})",
                          expected=f"one over {one.name}")
            return
        found.append(check)
    are_trusted = all(check.status in ("valid", "expired") for check in found)
    if found[0].fingerprint != found[1].fingerprint and not are_trusted:
        yield Finding(place=signature_of(newer.name), found=f"the signature of another than of {older.name}",
                      expected="one with the same certificate, or anchors for both: --anchor")
