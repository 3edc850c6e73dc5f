"""A run's folder as a data set that others can open: what is in it, told to programs and to people.

    croissant  croissant.json: files with their digests, and their columns
    card       README.md: a dataset card with front matter
    escaping   data written so that it stays data, in YAML and in Markdown
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aigc.dataset.card import CARD, card
from aigc.dataset.croissant import CROISSANT, RECORDS, croissant
from aigc.disk import write_atomically
from aigc.errors import writable
from aigc.hashing import digest_bytes
from aigc.provenance import FileFacts, RunFile

__all__ = ["CARD", "CROISSANT", "card", "croissant", "languages_of", "write_descriptions"]

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def write_descriptions(run: RunFile, folder: Path) -> list[FileFacts]:
    """Write croissant.json and README.md of `run`, whose `outputs` stand in `folder`, and tell what was written.

    Raises:
        StoreError: the disk refused.
    """
    languages = languages_of(folder)
    written = {CROISSANT: croissant(run, folder, languages), CARD: writable(card(run, languages)).encode()}
    for name, data in written.items():
        write_atomically(folder / name, partial(_write, data))
    return [FileFacts(path=name, digest=digest_bytes(data), bytes=len(data)) for name, data in written.items()]


def _write(data: bytes, file: BinaryIO) -> None:
    file.write(data)


def languages_of(folder: Path) -> list[str]:
    """Languages of the accepted texts in `folder`, as BCP 47 has them."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(folder / RECORDS, columns=["language", "outcome"])
    found = table.filter(pc.equal(table["outcome"], "accepted"))["language"].unique().to_pylist()
    return sorted(name for name in found if name and _LANGUAGE.fullmatch(name))
