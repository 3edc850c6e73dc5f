"""Certificates that an authority, a careless one or a stranger makes; and an authority for timestamps."""

from __future__ import annotations

import http.server
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aigc.signing import AssetFacts

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FACTS = AssetFacts(
    run_id="20261128-1700-abcd", digital_source_type=GENERATED, model="smollm2-135m-instruct",
    model_digest="sha256:" + "ab" * 32, created_at="2026-11-28T17:00:00.125+00:00",
)
CSV = b"id,text\nb1,A short text.\n"


@dataclass(frozen=True)
class Flaws:
    """What is wrong with a certificate, or only other; times are days from now."""

    key: str = "p256"
    emailing: bool = True
    usages: bool = True
    signing: bool = True
    issuer_key: bool = True
    own_root: bool = False
    authority: bool = False
    begins: float = -1
    ends: float = 30
    intermediate: bool = False


def private_key(kind: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    match kind:
        case "rsa" | "rsa1024":
            return rsa.generate_private_key(65537, 2048 if kind == "rsa" else 1024)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    curve = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "k1": ec.SECP256K1()}[kind]
    return ec.generate_private_key(curve)


@dataclass(frozen=True)
class Issued:
    """Files of a certificate, and its key."""

    certificate: Path
    key: Path
    anchor: Path
    secret: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def issue(folder: Path, flaws: Flaws = Flaws(), purpose: x509.ObjectIdentifier | None = None) -> Issued:
    """A root, a certificate under it, and both keys, in new files of `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), private_key(flaws.key)
    now = datetime.now(UTC)
    times = now + timedelta(days=flaws.begins), now + timedelta(days=flaws.ends)
    root = _authority("Root", "Root", root_key, root_key, times, 1)
    chain, issuer, issuer_key = [], "Root", root_key
    if flaws.intermediate:
        issuer, issuer_key = "Between", ec.generate_private_key(ec.SECP256R1())
        chain = [_authority("Between", "Root", issuer_key, root_key, times, 0)]
    builder = _builder("Signer", "Signer" if flaws.own_root else issuer, key, times)
    builder = builder.add_extension(x509.BasicConstraints(ca=flaws.authority, path_length=None), critical=True)
    if flaws.usages:
        builder = builder.add_extension(_usage(signs=flaws.signing, certifies=False), critical=True)
    wanted = purpose or (ExtendedKeyUsageOID.EMAIL_PROTECTION if flaws.emailing else ExtendedKeyUsageOID.CLIENT_AUTH)
    builder = builder.add_extension(x509.ExtendedKeyUsage([wanted]), critical=purpose is not None)
    if flaws.issuer_key:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    leaf = builder.sign(key if flaws.own_root else issuer_key, None if flaws.own_root and flaws.key == "ed25519"
                        else hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    issued = Issued(folder / "chain.pem", folder / "secret.pem", folder / "root.pem", key)
    issued.certificate.write_bytes(b"".join(_pem(one) for one in [leaf, *chain]))
    issued.key.write_bytes(secret)
    issued.key.chmod(0o600)
    issued.anchor.write_bytes(_pem(root))
    return issued


@contextmanager
def timestamp_authority(folder: Path) -> Iterator[tuple[str, Path]]:
    """Its address and its anchor. It is openssl behind a server of this machine (RFC 3161)."""
    issued = issue(folder, purpose=ExtendedKeyUsageOID.TIME_STAMPING)
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = here\n[here]\nserial = {folder}/serial\nsigner_cert = {issued.certificate}\n"
        f"signer_key = {issued.key}\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\n"
        f"certs = {issued.anchor}\n", "ascii",
    )

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            subprocess.run(
                ["openssl", "ts", "-reply", "-queryfile", folder / "query", "-config", folder / "tsa.cnf", "-out",
                 folder / "reply"], check=True, capture_output=True, timeout=30,
            )
            reply = (folder / "reply").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", issued.anchor
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _authority(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey,
    times: Sequence[datetime], depth: int,
) -> x509.Certificate:
    return (
        _builder(name, issuer, key, times)
        .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
        .add_extension(_usage(signs=False, certifies=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _builder(
    name: str, issuer: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, times: Sequence[datetime],
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name)).issuer_name(_name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(times[0]).not_valid_after(times[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs, key_cert_sign=certifies, crl_sign=certifies, content_commitment=not signs,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
