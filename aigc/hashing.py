"""Canonical JSON and digests that carry their algorithm (`sha256:<hex>`)."""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from aigc.errors import writable

_encoder = msgspec.json.Encoder(order="deterministic")
CHUNK_BYTES = 1 << 20


def canonical_json(value: object) -> bytes:
    """`value` as UTF-8 JSON with sorted keys and no spaces: equal values give equal bytes.

    Integers keep all their digits; seeds of 64 bits are stored as strings where RFC 8785 readers meet them.
    """
    return _encoder.encode(value)


def digest(value: object) -> str:
    """`sha256:<hex>` of the canonical JSON of `value`."""
    return digest_bytes(canonical_json(value))


def digest_bytes(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_text(text: str) -> str:
    """Digest of a text as UTF-8; lone surrogates are kept apart rather than refused."""
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def digest_tokens(tokens: Sequence[int]) -> str:
    """Digest of token ids, each as four bytes, the lowest first."""
    numbers = array("I", tokens)
    if sys.byteorder == "big":
        numbers.byteswap()
    return digest_bytes(numbers.tobytes())


def digest_file(path: Path) -> str:
    """Digest of a file's bytes, read in chunks of `CHUNK_BYTES`."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha.update(chunk)
    return "sha256:" + sha.hexdigest()


def digest_files(paths: Iterable[Path], root: Path) -> str:
    """One digest over the names (relative to `root`) and bytes of `paths`, independent of their order."""
    return digest(sorted((writable(path.relative_to(root).as_posix()), digest_file(path)) for path in paths))


def seed_of(*parts: object) -> int:
    """A seed of 63 bits that depends on every one of `parts` and on nothing else (no process, no order)."""
    return int.from_bytes(hashlib.sha256(canonical_json(parts)).digest()[:8], "big") >> 1
