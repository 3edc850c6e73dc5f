"""What a signature proves: one status, and one sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography import x509

from aigc.disk import disk_errors
from aigc.errors import shown
from aigc.records import Value
from aigc.signing import sidecar
from aigc.signing.certificates import (
    Trust,
    day_of,
    fingerprint_of,
    name_of,
    read_anchors,
    serial_of,
    trust_of,
)
from aigc.signing.cms import Signed, read_signed
from aigc.signing.der import DerError, DerTruncated

Status: TypeAlias = Literal[
    "valid", "missing", "empty", "not_checked", "truncated", "damaged", "tampered", "other_file", "wrong_key",
    "untrusted", "expired", "not_yet_valid",
]
"""`empty`: a file without a byte, which C2PA cannot sign. `tampered` is the file, `damaged` the signature."""
_UNTRUSTED = "is signed by {0}, whose certificate leads to none of the anchors."
_TRUST: dict[Trust, str] = {
    "untrusted": _UNTRUSTED,
    "expired": "was signed by {0}, whose certificate expired on {1}; nothing proves that it was signed before.",
    "not_yet_valid": "is signed by {0}, whose certificate is valid from {1} on.",
}
_SIDECAR: tuple[tuple[str, Status, str], ...] = (
    ("claimSignature.mismatch", "wrong_key", "was changed after it was signed, or not signed by the key it names."),
    ("assertion.hashedURI.mismatch", "damaged", "was changed after it was signed."),
    ("assertion.missing", "damaged", "was changed after it was signed."),
)
"""C2PA's codes of a sidecar that is not as it was signed, the worst first."""
_TRUSTED_TIME = "timeStamp.trusted"


class SignatureCheck(Value, frozen=True):
    """What came of a look at a signature. `message` is one sentence about `place`.

    `fingerprint` is empty for sidecars: their Reader tells a certificate's serial number alone. `time_source` says who
    stands behind `signed_at`: the signer's clock, or a timestamp authority that leads to an anchor.
    """

    place: str
    status: Status
    message: str
    subject: str = ""
    serial: str = ""
    fingerprint: str = ""
    signed_at: str = ""
    time_source: Literal["", "signer", "authority"] = ""

    @property
    def holds(self) -> bool:
        return self.status == "valid"


def check_signature(
    data: bytes, signature: bytes, anchors: Sequence[Path], at: datetime | None = None
) -> SignatureCheck:
    """Look at the detached signature of `data`. The certificate has to be valid `at`, which is now unless told.

    Raises:
        UsageError: an anchor's file cannot be used.
    """
    roots = read_anchors(anchors)
    place = "the signature"
    if not signature:
        return _found(place, "missing", "holds no byte.")
    try:
        signed = read_signed(signature)
    except DerTruncated:
        return _found(place, "truncated", "is cut off.")
    except DerError as exc:
        return _found(place, "damaged", f"cannot be read ({exc}).")
    status, words = _judged(data, signed, roots, at)
    leaf = signed.chain[0]
    return SignatureCheck(
        place=place, status=status, message=f"{place} {words}", subject=name_of(leaf), serial=serial_of(leaf),
        fingerprint=fingerprint_of(leaf), signed_at=signed.at.isoformat(), time_source="signer",
    )


def check_sidecar(path: Path, anchors: Sequence[Path]) -> SignatureCheck:
    """Look at a file and the C2PA sidecar beside it.

    Raises:
        UsageError: an anchor's file cannot be used.
        StoreError: a file cannot be read.
    """
    roots = read_anchors(anchors)
    beside = sidecar.sidecar_of(path)
    if absent := _absent(path, beside):
        return absent
    if not sidecar.is_available():
        return _found(beside.name, "not_checked", "needs c2pa-python to be read: pip install 'aigc[signing]'.")
    with disk_errors(beside, "nothing was changed"):
        data = beside.read_bytes()
    if problem := sidecar.form_problem(data):
        return _found(beside.name, problem.status, f"{problem.words}.")
    return _read(path, beside.name, data, roots)


def _read(path: Path, place: str, data: bytes, roots: Sequence[x509.Certificate]) -> SignatureCheck:
    import c2pa

    try:
        with disk_errors(path, "nothing was changed"), path.open("rb") as asset:
            sealed = sidecar.read(data, asset, sidecar.context(roots))
    except c2pa.C2paError as exc:
        return _found(place, "damaged", f"cannot be read ({shown(exc, 100)}).")
    status, words = _of_codes(path, sealed)
    is_timed = _TRUSTED_TIME in sealed.passed and status == "valid"
    return SignatureCheck(
        place=place, status=status, message=f"{place} {words}", subject=sealed.signer, serial=sealed.serial,
        signed_at=sealed.at if is_timed else "", time_source="authority" if is_timed else "",
    )


def _judged(
    data: bytes, signed: Signed, roots: Sequence[x509.Certificate], at: datetime | None
) -> tuple[Status, str]:
    leaf = signed.chain[0]
    if not signed.key.has_signed(signed.signature, signed.covered):
        return "wrong_key", "was changed after it was made, or not made with the key of its certificate."
    if signed.key.scheme.digest(data) != signed.digest:
        return "tampered", "is of other content: this was changed after it was signed, or never signed."
    trust = trust_of(signed.chain, roots, at)
    if trust == "valid":
        return "valid", f"is that of {name_of(leaf)}."
    day = leaf.not_valid_before_utc if trust == "not_yet_valid" else leaf.not_valid_after_utc
    return trust, _TRUST[trust].format(name_of(leaf), day_of(day))


def _of_codes(path: Path, sealed: sidecar.Sealed) -> tuple[Status, str]:
    failures = sealed.failures
    for code, status, words in _SIDECAR:
        if code in failures:
            return status, words
    if "assertion.dataHash.mismatch" in failures:
        if sealed.title != path.name:
            return "other_file", f"is that of another file, {shown(sealed.title)}."
        return "tampered", f"is of other content: {path.name} was changed after it was signed."
    if "signingCredential.expired" in failures:
        return "expired", f"was signed by {sealed.signer}, whose certificate has expired since, without a trusted time."
    if failures == ("signingCredential.untrusted",):
        return "untrusted", _UNTRUSTED.format(sealed.signer)
    if failures or "claimSignature.validated" not in sealed.passed or "assertion.dataHash.match" not in sealed.passed:
        return "damaged", f"does not hold ({', '.join(failures) or 'no signature over the file'})."
    if "signingCredential.trusted" not in sealed.passed:
        return "untrusted", _UNTRUSTED.format(sealed.signer)
    return "valid", f"is signed by {sealed.signer}, and {path.name} is as it was then."


def _absent(path: Path, beside: Path) -> SignatureCheck | None:
    if not path.is_file():
        return _found(path.name, "missing", "is not there.")
    if beside.is_file():
        size = beside.stat().st_size
        too_large = size > sidecar.MOST_BYTES
        return _found(beside.name, "damaged", f"has {size:,} bytes, and is no sidecar.") if too_large else None
    if path.stat().st_size == 0:
        return _found(path.name, "empty", "holds no byte, and C2PA signs no such file.")
    return _found(path.name, "missing", f"has no sidecar {beside.name}.")


def _found(place: str, status: Status, words: str) -> SignatureCheck:
    return SignatureCheck(place=place, status=status, message=f"{place} {words}")
