"""Ways to sign: what a key's kind decides. The names are those of COSE and JOSE, which C2PA uses."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from aigc.signing.der import FIELD_0, FIELD_1, FIELD_2, SEQUENCE, encode, encode_integer, encode_oid

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
LEAST_RSA_BITS = 2048
KINDS = "a key on P-256, P-384 or P-521, or RSA of 2,048 bits or more"
_SALT_BYTES = 32
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512(),
}


class Scheme(NamedTuple):
    """A way to sign. `digest_id` and `signature_id` are the algorithms as CMS tells them, in DER."""

    name: str
    digest_name: str
    digest_id: bytes
    signature_id: bytes
    curve: str = ""

    def digest(self, data: bytes) -> bytes:
        return hashlib.new(self.digest_name, data).digest()

    @property
    def hash(self) -> hashes.HashAlgorithm:
        return _HASHES[self.digest_name]


class Key(NamedTuple):
    """A public key, and the scheme that its kind decides."""

    public: PublicKey
    scheme: Scheme

    def has_signed(self, signature: bytes, data: bytes) -> bool:
        """Whether the owner of the key signed `data`. Signatures on curves are in DER."""
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(signature, data, _pss(self.scheme), self.scheme.hash)
            else:
                self.public.verify(signature, data, ec.ECDSA(self.scheme.hash))
        except InvalidSignature:
            return False
        return True

    def as_der(self, signature: bytes) -> bytes:
        """A signature of two bare numbers, as PKCS #11 devices give it, in DER; any other as it is."""
        if isinstance(self.public, rsa.RSAPublicKey):
            return signature
        width = (self.public.curve.key_size + 7) // 8
        if len(signature) != 2 * width:
            return signature
        numbers = (int.from_bytes(part, "big") for part in (signature[:width], signature[width:]))
        return utils.encode_dss_signature(*numbers)


def _algorithm(dotted: str, *parameters: bytes) -> bytes:
    return encode(SEQUENCE, encode_oid(dotted), *parameters)


_SHA256, _SHA384, _SHA512 = (_algorithm(f"2.16.840.1.101.3.4.2.{number}") for number in (1, 2, 3))  # RFC 5754
_PSS = _algorithm("1.2.840.113549.1.1.10", encode(  # RFC 4055, section 3.1
    SEQUENCE,
    encode(FIELD_0, _SHA256),
    encode(FIELD_1, _algorithm("1.2.840.113549.1.1.8", _SHA256)),
    encode(FIELD_2, encode_integer(_SALT_BYTES)),
))
SCHEMES = (
    Scheme("ES256", "sha256", _SHA256, _algorithm("1.2.840.10045.4.3.2"), "secp256r1"),
    Scheme("ES384", "sha384", _SHA384, _algorithm("1.2.840.10045.4.3.3"), "secp384r1"),
    Scheme("ES512", "sha512", _SHA512, _algorithm("1.2.840.10045.4.3.4"), "secp521r1"),
    Scheme("PS256", "sha256", _SHA256, _PSS),
)
"""Ed25519 is not among them: the check of certificates' chains that comes with `cryptography` does not know it."""


def key_of(certificate: x509.Certificate) -> Key | None:
    """The key of a certificate; None where there is no scheme for its kind."""
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    scheme = scheme_of(public)
    return Key(public, scheme) if scheme and isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) else None


def scheme_of(key: object) -> Scheme | None:
    """The scheme of a public or private key; None where there is none for its kind."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return next((scheme for scheme in SCHEMES if scheme.curve == key.curve.name), None)
    is_rsa = isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS
    return SCHEMES[-1] if is_rsa else None


def sign(key: PrivateKey, scheme: Scheme, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _pss(scheme), scheme.hash)
    return key.sign(data, ec.ECDSA(scheme.hash))


def _pss(scheme: Scheme) -> padding.PSS:
    return padding.PSS(padding.MGF1(scheme.hash), _SALT_BYTES)
