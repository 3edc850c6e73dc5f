"""C2PA sidecars: written and read by c2pa-python, which goes to no network but for a timestamp that was asked for."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from aigc.errors import SettingsError
from aigc.signing.certificates import PURPOSES

SUFFIX = ".c2pa"
"""Comes after the whole name: accepted.csv and accepted.jsonl have sidecars of their own."""
MOST_BYTES = 1 << 20
"""A sidecar has a few thousand; a certificate's chain may add some."""
FORMAT = "application/octet-stream"
"""For every file: the hash is over all bytes, and c2pa has no type for CSV, JSON Lines, Markdown or Parquet."""


class Sealed(NamedTuple):
    """What c2pa's Reader says. `failures` and `passed` are C2PA's status codes, `title` that of the claim."""

    failures: tuple[str, ...]
    passed: tuple[str, ...]
    title: str
    signer: str
    serial: str
    at: str


class FormProblem(NamedTuple):
    """A status, and words that follow the sidecar's name."""

    status: Literal["truncated", "damaged"]
    words: str


def sidecar_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def is_available() -> bool:
    """Whether c2pa-python is installed."""
    return importlib.util.find_spec("c2pa") is not None


def require(place: str) -> None:
    """Raise SettingsError where c2pa-python is not installed."""
    if not is_available():
        raise SettingsError(place, "no c2pa-python, which writes sidecars", "it installed",
                            "Run: pip install 'aigc[signing]'")


def context(anchors: Sequence[x509.Certificate]) -> Any:
    """Settings of c2pa: trust `anchors` and nothing else, and ask nobody."""
    import c2pa

    trust = {"trust_config": "\n".join(purpose.dotted_string for purpose in PURPOSES.values())}
    if anchors:  # c2pa refuses an empty text
        trust["trust_anchors"] = "".join(pem(anchors))
    return c2pa.Context.from_dict({
        "version": 1,
        "trust": trust,
        "verify": {
            "verify_after_sign": False, "verify_trust": True, "ocsp_fetch": False, "remote_manifest_fetch": False,
        },
        "core": {"allowed_network_hosts": []},
        "builder": {"thumbnail": {"enabled": False}},
    })


def signer_of_key(scheme: str, chain: Sequence[x509.Certificate], key: bytes, timestamp_url: str) -> Any:
    """c2pa's own signer, for a key in PEM. Its sidecars are a quarter as large as those of a callback."""
    import c2pa

    certificates = "".join(pem(chain)).encode()
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(scheme.lower(), certificates, key, timestamp_url or None))


def signer_of_callback(
    scheme: str, chain: Sequence[x509.Certificate], sign: Callable[[bytes], bytes], timestamp_url: str
) -> Any:
    """c2pa's signer for a key that it cannot have. `sign` answers with no bytes where it fails."""
    import c2pa

    algorithm = getattr(c2pa.C2paSigningAlg, scheme)
    return c2pa.Signer.from_callback(sign, algorithm, "".join(pem(chain)), timestamp_url or None)


def seal(claim: dict[str, Any], signer: Any, settings: Any) -> bytes:
    """The sidecar of a claim that has the file's hash already.

    Raises:
        c2pa.C2paError: it cannot be signed.
    """
    import c2pa

    with c2pa.Builder(claim, context=settings) as builder:
        builder.set_no_embed()
        # c2pa wants something to sign. It hashes none of it, since the claim has a hash.
        return bytes(builder.sign(signer, FORMAT, io.BytesIO(b"\0"), io.BytesIO()))


def read(sidecar: bytes, asset: Any, settings: Any) -> Sealed:
    """What c2pa's Reader says of a file and its sidecar.

    Raises:
        c2pa.C2paError: this is no sidecar.
    """
    import c2pa

    with c2pa.Reader(FORMAT, asset, sidecar, context=settings) as reader:
        told = json.loads(reader.json())
    results = told.get("validation_results", {}).get("activeManifest", {})
    claim = told.get("manifests", {}).get(told.get("active_manifest"), {})
    signature = claim.get("signature_info") or {}
    return Sealed(
        failures=_codes(results, "failure"),
        passed=_codes(results, "success"),
        title=str(claim.get("title") or ""),
        signer=str(signature.get("common_name") or signature.get("issuer") or ""),
        serial=f"{int(signature.get('cert_serial_number') or 0):x}",
        at=str(signature.get("time") or ""),
    )


def form_problem(sidecar: bytes) -> FormProblem | None:
    """What Readers pass over: that a sidecar is cut off, has more behind it, or something in its padding."""
    if len(sidecar) < 8:
        return FormProblem("truncated", "is cut off")
    if sidecar[4:8] != b"jumb":
        return FormProblem("damaged", "is no C2PA sidecar")
    told = int.from_bytes(sidecar[:4], "big")
    if told > len(sidecar):
        return FormProblem("truncated", f"is cut off: {told - len(sidecar):,} of its {told:,} bytes are missing")
    if told < len(sidecar):
        return FormProblem("damaged", f"has {len(sidecar) - told:,} bytes behind its end")
    return FormProblem("damaged", "has something in its padding, which is zeros") if _is_padding_used(sidecar) else None


def pem(certificates: Sequence[x509.Certificate]) -> list[str]:
    return [certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates]


def _codes(results: dict[str, Any], kind: str) -> tuple[str, ...]:
    return tuple(str(entry.get("code")) for entry in results.get(kind, []))


def _is_padding_used(sidecar: bytes) -> bool:
    """C2PA leaves room in the signature's box, under `pad`, which no hash covers."""
    start = sidecar.rfind(b"cpadY")  # CBOR: a text of three letters, then bytes with a length of 16 bits
    if start < 0:
        return False
    size = int.from_bytes(sidecar[start + 5 : start + 7], "big")
    return any(sidecar[start + 7 : start + 7 + size])
