"""manifest.json: the statement of a finished run that is signed, chained to the run before, and checked.

It is canonical JSON (RFC 8785): the same facts are the same bytes, whoever writes them. It holds no brief, no prompt
and no text: digests of files, and the root of a Merkle tree (RFC 6962) over all rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from aigc.disk import disk_errors
from aigc.errors import DamagedManifest, StoreError, shown
from aigc.hashing import digest_bytes
from aigc.provenance.environment import CodeFacts, Environment
from aigc.provenance.run_file import FileFacts, RunFile
from aigc.provenance.stamps import GENERATED
from aigc.records import Value

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
SUMS = "SHA256SUMS"
"""The digests of the manifest and of all files that it tells, as `sha256sum --check` reads them."""
SCHEMA = "aigc.manifest/1"
_SAFE_INTEGER = (1 << 53) - 1
"""The largest integer that every reader of JSON keeps: RFC 7493, section 2.2."""

Level: TypeAlias = Literal["bytes", "inputs"]
"""`bytes`: the same code, model and engine give the same texts. `inputs`: what went in is known, what comes out not."""


class Rows(Value, frozen=True):
    """All rows of records.parquet, in order. `merkle_root` is hexadecimal, SHA-256 after RFC 6962, section 2.1."""

    count: int
    merkle_root: str


class Decided(Value, frozen=True):
    """How far a ledger of decisions went: the number of its lines, and the digest of the last."""

    lines: int = 0
    digest: str = ""


class Previous(Value, frozen=True):
    """The finished run before this one, under the same output folder, with what editors had decided on it by then."""

    run_id: str
    manifest: str
    decisions: Decided = Decided()


class Forgotten(Value, frozen=True):
    """Places of rows, from 0, whose texts were removed, and when. Their leaves stay, so that the tree still holds."""

    rows: list[int]
    at: str


class Manifest(Value, frozen=True):
    """See docs/provenance.md for what each field is for."""

    run: RunFile
    """run.json, as it is but for its own `manifest`."""
    code: CodeFacts
    environment: Environment
    rows: Rows
    reproducible: Level
    schema: str = SCHEMA
    digital_source_type: str = GENERATED
    filters: dict[str, str] = {}
    """By content type, digest of all that judged its texts."""
    columns: list[str] = []
    """Output fields in the order in which accepted.csv shows them first."""
    files: list[FileFacts] = []
    """Files that stand beside the results: the journal, sidecars."""
    previous: Previous | None = None
    supersedes: list[str] = []
    """Digests of this run's manifests before this one, newest first. They are kept beside it: `kept_name`."""
    forgotten: list[Forgotten] = []
    """What was removed, oldest first: each time it was, a manifest took the place of another."""


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's bytes by RFC 8785. Integers that a reader would round are texts."""
    return encode_plain(msgspec.to_builtins(manifest))


def encode_plain(value: object) -> bytes:
    """As `encode_manifest`, of a manifest as plain values."""
    import rfc8785

    return rfc8785.dumps(_portable(value))


def read_manifest(folder: Path) -> tuple[Manifest, bytes]:
    """The manifest of a run's folder, and its bytes.

    Raises:
        StoreError: there is none, it is damaged, or of another version.
    """
    path = folder / MANIFEST
    with disk_errors(path, "nothing was changed"):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as exc:
            remedy = "Name the folder of a finished run. A run that was stopped has none until it is finished."
            raise StoreError(str(path), "no manifest", "the manifest of a finished run", remedy) from exc
    return decode_manifest(data, str(path)), data


def decode_manifest(data: bytes, place: str) -> Manifest:
    """A manifest from its bytes.

    Raises:
        DamagedManifest: it cannot be read.
        StoreError: it is of another version.
    """
    expected, remedy = f"a manifest of {SCHEMA}", "Restore it from a copy, or from whoever keeps its signature."
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema != SCHEMA:
            older = "Read it with the version of aigc that wrote it."
            raise StoreError(place, f"one of {shown(schema)}", expected, older)
        return msgspec.convert(msgspec.json.decode(data), Manifest, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DamagedManifest(place, f"a damaged manifest ({shown(exc, 160)})", expected, remedy) from exc


def sums(manifest: Manifest, own_digest: str) -> bytes:
    """SHA256SUMS of a run: each file that the manifest tells, and the manifest itself."""
    told = {file.path: file.digest for file in [*manifest.run.outputs, *manifest.files]} | {MANIFEST: own_digest}
    return "".join(f"{found.removeprefix('sha256:')}  {name}\n" for name, found in sorted(told.items())).encode()


def kept_name(number: int) -> str:
    """The file of a manifest that another took the place of, counted from 1; its signature lies beside it."""
    return f"manifest-{number}.json"


def signature_of(name: str) -> str:
    """The file of a manifest's signature: it proves by whose word the next one took its place."""
    return f"{name}.sig"


def manifest_digest(data: bytes) -> str:
    return digest_bytes(data)


class _Schema(Value, frozen=True):
    schema: str = ""


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _portable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(entry) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER:
        return str(value)
    return value
