"""Lines that were taken out of a journal, known by their digests, so that no copy of the journal brings them back.

`.forgotten.jsonl` beside a journal says of each line what stands in its place: a row without brief and texts, or
nothing. A digest of a whole line, with its ids and times, gives nothing away that could be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from aigc.disk import disk_errors, json_bytes, write_atomically
from aigc.errors import StoreError, shown
from aigc.hashing import digest_bytes
from aigc.journal import BODY, PENDING, encode_line, fingerprint_hash, is_whole, key_and_fingerprint
from aigc.records import Record, Value
from aigc.store import JOURNAL

FORGOTTEN = ".forgotten.jsonl"


class ForgottenLine(Value, frozen=True):
    """The digest of a line, and the line in its place: empty where there is none."""

    digest: str
    instead: str = ""


class _OfBrief(Value, frozen=True):
    """What tells whose a line is."""

    brief_id: str
    attempts: list[msgspec.Raw] = []


def forget_lines(folder: Path, brief_id: str, blank: Callable[[Record], Record]) -> int:
    """Write a journal anew, with the settled rows of a brief as `blank` leaves them and no other attempt of it.

    Lines that are damaged go too: whose they are cannot be told. The caller holds the run's lock. Returns the number of
    attempts that were taken out.

    Raises:
        StoreError: the journal cannot be read or written; it is as it was then.
    """
    path, gone, found = folder / JOURNAL, 0, dict[str, bytes]()
    try:
        with disk_errors(path, "the journal is as it was"), path.open("rb") as lines:
            for line in filter(is_whole, islice(lines, 1, None)):
                own = msgspec.json.decode(line[BODY], type=_OfBrief)
                if own.brief_id == brief_id:
                    key, fingerprint = key_and_fingerprint(line)
                    gone += len(own.attempts) if fingerprint != PENDING else 1
                    found[digest_bytes(line)] = _instead(line, key, blank) if fingerprint != PENDING else b""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        remedy = "Open it with the version of aigc that wrote it, or start a new run."
        raise StoreError(str(path), f"a line in another form ({shown(exc)})", "lines of this version", remedy) from exc
    keep_forgotten(folder, found)  # before the journal: a kill between the two loses neither
    rewrite(folder, found)
    return gone


def rewrite(folder: Path, forgotten: Mapping[str, bytes]) -> None:
    """Take these lines out of a journal, and those that are damaged. The caller holds the run's lock."""
    path = folder / JOURNAL
    with disk_errors(path, "the journal is as it was"), path.open("rb") as lines:
        head = lines.readline()
        write_atomically(path, lambda file: file.writelines([head, *without(filter(is_whole, lines), forgotten)]))


def without(lines: Iterable[bytes], forgotten: Mapping[str, bytes]) -> Iterator[bytes]:
    """Lines of a journal, with what stands in the place of those that were forgotten."""
    return (forgotten.get(digest_bytes(line), line) for line in lines)


def read_forgotten(folder: Path) -> dict[str, bytes]:
    """What was taken out of a folder's journal, by the digests of the lines; none where nothing was."""
    path = folder / FORGOTTEN
    with disk_errors(path, "nothing was changed"):
        return decode(path.read_bytes(), str(path)) if path.is_file() else {}


def keep_forgotten(folder: Path, forgotten: Mapping[str, bytes]) -> None:
    """Add to what was taken out of a folder's journal."""
    known = read_forgotten(folder)
    if not forgotten.keys() <= known.keys():
        write_atomically(folder / FORGOTTEN, lambda file: file.write(encode({**known, **forgotten})))


def encode(forgotten: Mapping[str, bytes]) -> bytes:
    lines = (ForgottenLine(digest=digest, instead=line.decode()) for digest, line in forgotten.items())
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def decode(data: bytes, place: str) -> dict[str, bytes]:
    """What `encode` wrote.

    Raises:
        StoreError: it is damaged, or holds what may not stand in a journal.
    """
    try:
        found = msgspec.json.Decoder(ForgottenLine).decode_lines(data) if data.strip() else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        remedy = "Restore it from a copy, or run `aigc forget` again: it is written anew then."
        raise StoreError(place, f"a damaged list ({shown(exc, 120)})", "lines that were forgotten", remedy) from exc
    kept = {line.digest: line.instead.encode() for line in found}
    if bad := next((line for line in kept.values() if line and not is_whole(line)), None):
        raise StoreError(place, f"{len(bad)} bytes that are no line", "lines that a journal may hold",
                         "Restore it from a copy.")
    return kept


def _instead(line: bytes, key: bytes, blank: Callable[[Record], Record]) -> bytes:
    record = blank(msgspec.json.decode(line[BODY], type=Record))
    return encode_line(key, fingerprint_hash(record.fingerprint), json_bytes(record))
