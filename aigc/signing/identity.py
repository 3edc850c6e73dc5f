"""A signing identity of one's own: a folder with a secret key, its certificate, and the anchor that others check by."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aigc.disk import disk_errors, sync
from aigc.errors import SettingsError, UsageError, writable
from aigc.records import Value
from aigc.signing.certificates import fingerprint_of, name_of, read_certificates, serial_of
from aigc.signing.schemes import KINDS, PrivateKey, key_of, scheme_of

KEY, CERTIFICATE, ANCHOR = "key.pem", "certificate.pem", "anchor.pem"
MOST_DAYS = 3_650
LONGEST_NAME = 56
"""X.509 allows a name 64 characters; the anchor's has some more than the signer's."""
_EARLY = timedelta(minutes=5)
"""Others' clocks may be behind."""


class Identity(Value, frozen=True):
    """What may be told of an identity. The fingerprint of its anchor is what two people compare."""

    folder: str
    name: str
    scheme: str
    serial: str
    fingerprint: str
    anchor_fingerprint: str
    valid_from: str
    valid_until: str
    has_passphrase: bool


def new_identity(
    folder: Path, name: str, days: int, passphrase: str = "", now: datetime | None = None
) -> Identity:
    """Make a key, a certificate and their anchor in `folder`. The anchor's own key is forgotten: it signs one thing.

    Raises:
        UsageError: the folder has such files already, or a name or number cannot be.
        StoreError: the disk refuses.
    """
    _check(folder, name, days)
    begin = now or datetime.now(UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    times = begin - _EARLY, begin + timedelta(days=days)
    anchor = _anchor(name, root_key, times)
    certificate = _certificate(name, key, anchor, root_key, times)
    lock = (serialization.BestAvailableEncryption(passphrase.encode()) if passphrase
            else serialization.NoEncryption())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    with disk_errors(folder, "no identity was made"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text(f"{KEY}\n", "ascii")
        _write_all(folder, [
            (KEY, secret, 0o600),
            (CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), 0o644),
            (ANCHOR, anchor.public_bytes(serialization.Encoding.PEM), 0o644),
        ])
    return show_identity(folder)


def show_identity(folder: Path) -> Identity:
    """What there is to tell of an identity; its key is not opened.

    Raises:
        SettingsError: there is none, or a file of it cannot be read.
    """
    certificate = read_certificates(folder / CERTIFICATE, writable(folder))[0]
    anchor = read_certificates(folder / ANCHOR, writable(folder))[0]
    key = key_of(certificate)
    return Identity(
        folder=writable(folder), name=name_of(certificate), scheme=key.scheme.name if key else "",
        serial=serial_of(certificate), fingerprint=fingerprint_of(certificate),
        anchor_fingerprint=fingerprint_of(anchor),
        valid_from=certificate.not_valid_before_utc.isoformat(),
        valid_until=certificate.not_valid_after_utc.isoformat(),
        has_passphrase=b"ENCRYPTED" in _read_secret(folder / KEY, writable(folder)),
    )


def read_key(path: Path, place: str, passphrase_variable: str) -> PrivateKey:
    """The secret key of a PEM file. No message holds a byte of it.

    Raises:
        SettingsError: it cannot be read, others can read it too, its passphrase is not there, or it is of another kind.
    """
    data = _read_secret(path, place)
    passphrase = os.environ.get(passphrase_variable, "") if b"ENCRYPTED" in data else ""
    if b"ENCRYPTED" in data and not passphrase:
        expected = f"its passphrase in the environment variable {passphrase_variable}"
        raise SettingsError(place, "a key with a passphrase, which is not set", expected, "Set it, then run again.")
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() or None)
    except (ValueError, TypeError) as exc:
        found = "a key that the passphrase does not open" if passphrase else f"no secret key in {writable(path)}"
        remedy = f"Correct {passphrase_variable}." if passphrase else "Name the file of the key."
        raise SettingsError(place, found, "a secret key in PEM", remedy) from exc
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) and scheme_of(key):
        return key
    raise SettingsError(place, "a key of another kind", KINDS, "Take another key, or make one: aigc keys new.")


def _read_secret(path: Path, place: str) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as exc:
        found = f"no readable file {writable(path)} ({exc.strerror})"
        raise SettingsError(place, found, "a secret key in PEM", "Name one, or make one: aigc keys new.") from exc
    if mode & 0o007:
        found = f"{writable(path)}, which everybody on this machine can reach (mode {mode:04o})"
        raise SettingsError(place, found, "a secret key that is its owner's", f"Run: chmod 600 {writable(path)}")
    return data


def _check(folder: Path, name: str, days: int) -> None:
    if there := [entry for entry in (KEY, CERTIFICATE, ANCHOR) if (folder / entry).exists()]:
        remedy = "Name another folder with --out. None is written over: a key that is lost cannot be made again."
        raise UsageError(writable(folder), f"{there[0]} there already", "a folder without an identity", remedy)
    if not 1 <= days <= MOST_DAYS:
        raise UsageError("--days", f"{days:,}", f"1 to {MOST_DAYS:,}", "Correct it.")
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError("--name", f"{len(name)} characters", f"1 to {LONGEST_NAME} that can be shown", "Correct it.")


def _write_all(folder: Path, files: Sequence[tuple[str, bytes, int]]) -> None:
    """All files, or none: half an identity would stand in the way of a whole one."""
    written: list[Path] = []
    try:
        for name, data, mode in files:
            written.append(folder / name)
            _write_new(folder / name, data, mode)
        sync(folder)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """A file that was not there before, with its mode from its first byte on."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def _anchor(name: str, key: ec.EllipticCurvePrivateKey, times: tuple[datetime, datetime]) -> x509.Certificate:
    subject = _subject(name, f"{name} (root)")
    return (
        _builder(subject, subject, key.public_key(), times)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, anchor: x509.Certificate, root_key: ec.EllipticCurvePrivateKey,
    times: tuple[datetime, datetime],
) -> x509.Certificate:
    return (
        _builder(_subject(name, name), anchor.subject, key.public_key(), times)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, times: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(issuer).public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(times[0]).not_valid_after(times[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _subject(organisation: str, common: str) -> x509.Name:
    # C2PA's readers show the organisation as who signed.
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )
