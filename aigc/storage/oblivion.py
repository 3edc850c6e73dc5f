"""What was forgotten in one copy of a run, forgotten in the other: what is there would bring it back, or be left there.

The lines that were forgotten are known by their digests, here and there: `aigc.forgotten_lines`. A part of a journal
is never changed otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from aigc.forgotten_lines import FORGOTTEN, decode, encode, keep_forgotten, read_forgotten, rewrite, without
from aigc.storage.place import JOURNAL_PARTS, Place
from aigc.store import JOURNAL


def forget_there(place: Place, run_id: str, here: Mapping[str, bytes]) -> dict[str, bytes]:
    """Take lines out of the parts of a run's journal there. Returns all that were ever taken out, here or there.

    Who is writing the run on another machine is stopped: its journal still has them.
    """
    name = f"{run_id}/{FORGOTTEN}"
    there = decode(place.read(name) or b"", f"{place.url}/{name}")
    forgotten = {**there, **here}
    if forgotten.keys() > there.keys():
        place.write(name, encode(forgotten))
    if not forgotten:
        return forgotten
    parts, is_changed = place.parts(run_id), False
    for part in parts:
        data = place.read(part) or b""
        kept = b"".join(without(io.BytesIO(data), forgotten))
        if kept != data:
            place.write(part, kept)
            is_changed = True
    if is_changed:
        place.create(f"{run_id}/{JOURNAL_PARTS}/{len(parts) + 1:06}.jsonl", b"")
    return forgotten


def forget_here(folder: Path, forgotten: Mapping[str, bytes]) -> None:
    """Take lines out of a journal that another machine has forgotten. The caller holds the run's lock."""
    if forgotten.keys() <= read_forgotten(folder).keys():
        return
    keep_forgotten(folder, forgotten)
    if (folder / JOURNAL).is_file():
        rewrite(folder, forgotten)
