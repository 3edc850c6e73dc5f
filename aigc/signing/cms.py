"""The detached signature of a manifest: CMS (RFC 5652) in DER, as CAdES-BES has it, with one signer.

It was chosen over JWS for who has to check it: `openssl cms -verify` is on nearly every machine, and looks at the
content, the signature and the chain of certificates in one command.

There is one way to write a signature's facts down. What is read is written again and has to give the same bytes, so
that not one of them can be changed unseen, whether or not the signature itself covers it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from aigc.signing.der import (
    FIELD_0,
    OCTETS,
    SEQUENCE,
    SET,
    UTC_TIME,
    DerError,
    DerTruncated,
    Element,
    elements,
    encode,
    encode_integer,
    encode_oid,
    encode_set,
    missing_or_extra,
)
from aigc.signing.schemes import Key, Scheme, key_of

_SIGNED_DATA, _DATA = "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.1"
_CONTENT_TYPE, _DIGEST, _TIME = (f"1.2.840.113549.1.9.{number}" for number in (3, 4, 5))
_CERTIFICATE = "1.2.840.113549.1.9.16.2.47"
"""RFC 5035: the digest of the signer's certificate, so that no other of the same key can take its place."""
_TIME_FORM = "%y%m%d%H%M%SZ"


class Signed(NamedTuple):
    """What a signature says. `covered` is what the key signed, `digest` that of the content; the signer comes first."""

    chain: tuple[x509.Certificate, ...]
    key: Key
    at: datetime
    digest: bytes
    covered: bytes
    signature: bytes


def write_signed(
    content: bytes,
    chain: Sequence[x509.Certificate],
    scheme: Scheme,
    at: datetime,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """The detached signature of `content`. `sign` is given what the key has to sign."""
    attributes = _attributes(chain[0], scheme, at, scheme.digest(content))
    return _envelope(chain, scheme, attributes, sign(encode(SET, attributes)))


def read_signed(data: bytes) -> Signed:
    """What a signature says, which is not yet whether it is true.

    Raises:
        DerTruncated: it is cut off.
        DerError: it is none, or not as `write_signed` writes it.
    """
    try:
        parts = _signed_data(data)
        info = elements(_the(elements(parts[-1].content), SEQUENCE).content)
        chain = _chain(parts[3], info[1])
        at, digest, signature = _time(info[3]), _attribute(info[3], _DIGEST), info[5].content
    except DerError:
        raise
    except (IndexError, ValueError, StopIteration) as exc:
        raise DerError("parts that cannot be read") from exc
    if (key := key_of(chain[0])) is None:
        raise DerError("a key of another kind")
    attributes = _attributes(chain[0], key.scheme, at, digest)
    if _envelope(chain, key.scheme, attributes, signature) != data:
        raise DerError("bytes that aigc does not write so")
    return Signed(chain, key, at, digest, encode(SET, attributes), signature)


def certificate_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _attributes(signer: x509.Certificate, scheme: Scheme, at: datetime, digest: bytes) -> bytes:
    """What is signed: that this is data, when, its digest, and with which certificate."""
    certificate = encode(SEQUENCE, encode(OCTETS, sha256(certificate_bytes(signer)).digest()))
    found = {
        _CONTENT_TYPE: encode_oid(_DATA),
        _TIME: encode(UTC_TIME, at.strftime(_TIME_FORM).encode()),
        _DIGEST: encode(OCTETS, digest),
        _CERTIFICATE: encode(SEQUENCE, encode(SEQUENCE, certificate)),
    }
    return b"".join(sorted(encode(SEQUENCE, encode_oid(name), encode_set(value)) for name, value in found.items()))


def _envelope(chain: Sequence[x509.Certificate], scheme: Scheme, attributes: bytes, signature: bytes) -> bytes:
    version = encode_integer(1)
    info = encode(
        SEQUENCE, version, _signer_id(chain[0]), scheme.digest_id, encode(FIELD_0, attributes), scheme.signature_id,
        encode(OCTETS, signature),
    )
    signed = encode(
        SEQUENCE, version, encode_set(scheme.digest_id), encode(SEQUENCE, encode_oid(_DATA)),
        encode(FIELD_0, *sorted(map(certificate_bytes, chain))), encode_set(info),
    )
    return encode(SEQUENCE, encode_oid(_SIGNED_DATA), encode(FIELD_0, signed))


def _signer_id(certificate: x509.Certificate) -> bytes:
    return encode(SEQUENCE, certificate.issuer.public_bytes(), encode_integer(certificate.serial_number))


def _signed_data(data: bytes) -> list[Element]:
    """Version, digests, content, certificates and signers."""
    if size := missing_or_extra(data):
        raise DerTruncated(f"{size} bytes are missing") if size > 0 else DerError(f"{-size} bytes behind its end")
    outer = _the(elements(data), SEQUENCE)
    _, wrapped = elements(outer.content)
    return elements(_the(elements(wrapped.content), SEQUENCE).content)


def _the(found: list[Element], tag: int) -> Element:
    """The only element, which has to have `tag`."""
    (element,) = found
    if element.tag != tag:
        raise DerError("another kind of element")
    return element


def _chain(certificates: Element, signer_id: Element) -> tuple[x509.Certificate, ...]:
    """The certificates, the signer's first."""
    found = [_certificate_of(element.whole) for element in elements(certificates.content)]
    signer = next(certificate for certificate in found if _signer_id(certificate) == signer_id.whole)
    return (signer, *(certificate for certificate in found if certificate is not signer))


def _certificate_of(data: bytes) -> x509.Certificate:
    """A certificate; what cryptography is about to refuse is refused now."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        try:
            return x509.load_der_x509_certificate(data)
        except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning) as exc:
            raise DerError("a certificate that cannot be read") from exc


def _attribute(attributes: Element, name: str) -> bytes:
    """The content of an attribute's only value."""
    parts = (elements(element.content) for element in elements(attributes.content))
    values = next(part[1] for part in parts if part[0].whole == encode_oid(name))
    (value,) = elements(values.content)
    return value.content


def _time(attributes: Element) -> datetime:
    return datetime.strptime(_attribute(attributes, _TIME).decode("ascii"), _TIME_FORM).replace(tzinfo=UTC)
