"""Certificates: read, fit to sign with, and whether they lead to an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from aigc.errors import SettingsError, UsageError, writable
from aigc.signing.schemes import KINDS, Key, key_of

Trust: TypeAlias = Literal["valid", "untrusted", "expired", "not_yet_valid"]
PURPOSES = {
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "documentSigning": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),
    "claimSigning": x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),
}
"""Extended key usages of signers: C2PA's certificate profiles want the last and one of the others."""
_WANTED = "a certificate that C2PA lets sign"
_OTHER = "Take another certificate, or make an identity: aigc keys new."


def read_certificates(path: Path, place: str) -> tuple[x509.Certificate, ...]:
    """All certificates of a PEM file, in its order.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    expected = "a file of certificates in PEM"
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except OSError as exc:
        found = f"no readable file {writable(path)} ({exc.strerror})"
        raise SettingsError(place, found, expected, "Name one, or make an identity: aigc keys new.") from exc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as exc:
        raise SettingsError(place, f"no certificate in {writable(path)}", expected, "Name another file.") from exc


def read_anchors(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    """The root certificates of all files.

    Raises:
        UsageError: a file cannot be read, or holds none.
    """
    try:
        return tuple(anchor for path in paths for anchor in read_certificates(path, writable(path)))
    except SettingsError as exc:
        remedy = "Name the anchor.pem that you had from whoever signed."
        raise UsageError(exc.place, exc.found, "root certificates in PEM", remedy) from exc


def check_signer(chain: Sequence[x509.Certificate], place: str, now: datetime) -> Key:
    """The key that the first of `chain` is about.

    Raises:
        SettingsError: nobody would accept its signatures.
    """
    leaf, key = chain[0], key_of(chain[0])
    if problem := _time_problem(leaf, now):
        remedy = "Make a new identity: aigc keys new --out DIR, and name it in signing.identity."
        raise SettingsError(place, problem, "one that is valid now", remedy)
    if key is None:
        raise SettingsError(place, f"a certificate for another key than {KINDS}", _WANTED, _OTHER)
    if problem := _usage_problem(leaf):
        raise SettingsError(place, problem, _WANTED, _OTHER)
    for one, above in pairwise(chain):
        if not is_issued_by(one, above):
            found = f"{name_of(above)} after {name_of(one)}, which it did not sign"
            expected = "each certificate followed by the one that signed it"
            raise SettingsError(place, found, expected, "Put them in order, the signing certificate first.")
    return key


def trust_of(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime | None = None
) -> Trust:
    """Whether the first of `chain` leads to an anchor at a time, which is now unless told."""
    leaf, at = chain[0], at or datetime.now(UTC)
    if _leads_to(chain, anchors, at):
        return "valid"
    # Halfway through its time nothing is against a certificate but who signed it.
    halfway = leaf.not_valid_before_utc + (leaf.not_valid_after_utc - leaf.not_valid_before_utc) / 2
    if not _leads_to(chain, anchors, halfway):
        return "untrusted"
    return "not_yet_valid" if at < halfway else "expired"


def name_of(certificate: x509.Certificate) -> str:
    """Whom a certificate names."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string()


def fingerprint_of(certificate: x509.Certificate) -> str:
    return "sha256:" + certificate.fingerprint(hashes.SHA256()).hex()


def serial_of(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def day_of(moment: datetime) -> str:
    return moment.date().isoformat()


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _leads_to(chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime) -> bool:
    if not anchors:
        return False
    policy = PolicyBuilder().store(Store([*anchors])).time(at).extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all(),
    )
    try:
        policy.build_client_verifier().verify(chain[0], [*chain[1:]])
    except VerificationError:
        return False
    return True


def _time_problem(leaf: x509.Certificate, now: datetime) -> str:
    if now > leaf.not_valid_after_utc:
        return f"a certificate that expired on {day_of(leaf.not_valid_after_utc)}"
    begins = leaf.not_valid_before_utc
    return f"a certificate that is valid from {day_of(begins)} on" if now < begins else ""


def _usage_problem(leaf: x509.Certificate) -> str:
    """What the profile of C2PA (specification 2.4, 14.5.1) asks for, and how to know what lacks."""
    if is_issued_by(leaf, leaf):
        return "a root certificate"
    found = leaf.extensions
    for extension, name in (
        (x509.KeyUsage, "key usage"), (x509.ExtendedKeyUsage, "extended key usage"),
        (x509.AuthorityKeyIdentifier, "authority key identifier"),
    ):
        if not any(isinstance(entry.value, extension) for entry in found):
            return f"a certificate without {name}"
    if not found.get_extension_for_class(x509.KeyUsage).value.digital_signature:
        return "a certificate whose key usage is not digitalSignature"
    if not {*found.get_extension_for_class(x509.ExtendedKeyUsage).value} & {*PURPOSES.values()}:
        return f"a certificate whose extended key usage has none of {', '.join(PURPOSES)}"
    if any(isinstance(entry.value, x509.BasicConstraints) and entry.value.ca for entry in found):
        return "a certificate of an authority, which signs certificates and not content"
    return ""
