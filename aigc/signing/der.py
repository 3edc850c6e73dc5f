"""The few lines of DER (X.690) that a signature needs. What is read is never trusted: see `cms.read_signed`."""

from __future__ import annotations

from typing import NamedTuple

INTEGER, BIT_STRING, OCTETS, NULL, OID, UTC_TIME, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x05, 0x06, 0x17, 0x30, 0x31
FIELD_0, FIELD_1, FIELD_2 = 0xA0, 0xA1, 0xA2
"""Fields of a structure that are told by their number."""


class DerError(ValueError):
    """These bytes are no DER."""


class DerTruncated(DerError):
    """These bytes say that more would follow, and none does."""


class Element(NamedTuple):
    """One element: its tag, what it holds, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes


def encode(tag: int, *parts: bytes) -> bytes:
    """An element that holds `parts`, one after the other."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def encode_oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    return encode(OID, b"".join(_base_128(number) for number in (40 * first + second, *rest)))


def encode_integer(number: int) -> bytes:
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def encode_set(*parts: bytes) -> bytes:
    """A set: DER has its elements in the order of their bytes."""
    return encode(SET, *sorted(parts))


def elements(data: bytes) -> list[Element]:
    """What `data` is made of, one element after the other.

    Raises:
        DerTruncated: the last one is not all there.
        DerError: this is no DER.
    """
    found, at = [], 0
    while at < len(data):
        start, size = _header(data, at)
        if start + size > len(data):
            raise DerTruncated(f"{start + size - len(data)} bytes are missing")
        found.append(Element(data[at], data[start : start + size], data[at : start + size]))
        at = start + size
    return found


def missing_or_extra(data: bytes) -> int:
    """Bytes that the first element says it has and that are not there; below 0, how many come after it.

    Raises:
        DerTruncated: not even its length is there.
        DerError: this is no DER.
    """
    start, size = _header(data, 0)
    return start + size - len(data)


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` starts, and its size in bytes."""
    if at + 2 > len(data):
        raise DerTruncated("a length is missing")
    first = data[at + 1]
    if first < 0x80:
        return at + 2, first
    octets = first & 0x7F
    if not 1 <= octets <= 4:
        raise DerError("a length of an unknown form")
    if at + 2 + octets > len(data):
        raise DerTruncated("a length is missing")
    return at + 2 + octets, int.from_bytes(data[at + 2 : at + 2 + octets], "big")


def _base_128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))
