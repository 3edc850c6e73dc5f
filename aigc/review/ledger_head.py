"""`decisions.head.json`: how far the ledger of decisions went when it was last written, so that its end is not lost.

A chain tells of every line but those after its end. Whoever cuts the ledger has to change this file too; and the next
run's manifest tells what it said by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from aigc.disk import disk_errors, write_atomically
from aigc.errors import StoreError, shown
from aigc.records import Value

HEAD = "decisions.head.json"


class Head(Value, frozen=True):
    """Number of lines of a ledger, and the digest of the last, which stands for all of them."""

    lines: int
    digest: str


def read_head(folder: Path) -> Head | None:
    """What the head's file tells; None where there is none, as with ledgers of versions that did not write it.

    Raises:
        StoreError: it cannot be read.
    """
    path = folder / HEAD
    with disk_errors(path, "nothing was changed"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return msgspec.json.decode(data, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        remedy = "Restore it from a copy, or remove it: the next import writes it anew, by the ledger as it is then."
        found = f"what cannot be read ({shown(exc, 120)})"
        raise StoreError(str(path), found, "the end of the ledger", remedy) from exc


def write_head(folder: Path, head: Head) -> None:
    """Keep where a ledger ends; the caller has it on the disk already. Raises StoreError where the disk refuses."""
    if head.lines:
        write_atomically(folder / HEAD, lambda file: file.write(msgspec.json.encode(head) + b"\n"))


def cut_off(digests: Sequence[str], head: Head | None, expected_by: str = HEAD) -> str:
    """What is wrong with a ledger of lines with these digests that once went as far as `head`, if anything is."""
    if head is None or not head.lines or digests[head.lines - 1 : head.lines] == [head.digest]:
        return ""
    if len(digests) < head.lines:
        return f"{len(digests)} lines where {expected_by} tells of {head.lines}"
    return f"another line {head.lines} than {expected_by} tells of"
