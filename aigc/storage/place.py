"""A folder of runs in shared storage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from aigc.errors import StoreError
from aigc.provenance import RUN_FILE, RunFacts

JOURNAL_PARTS = "journal"
"""Folder in a run's that holds its journal in parts while it is made: 000001.jsonl and so on, each written once."""


class Place:
    """What is at a URL. Names are relative to it, with `/` between their parts.

    Raises:
        StoreError: as all of its methods do, where the package for it is absent or the storage refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        import fsspec

        with self._errors(self.url):
            self._files: Any
            self._files, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True)
        self._root = root.rstrip("/")

    def runs(self) -> list[str]:
        """Names of the folders of runs, in their order; a folder need not hold a run."""
        return sorted({name.partition("/")[0] for name in self._below("", depth=1)}, reverse=True)

    def parts(self, run_id: str) -> dict[str, int]:
        """Parts of a run's journal in their order, with their sizes."""
        return dict(sorted(self._below(f"{run_id}/{JOURNAL_PARTS}").items()))

    def files(self, run_id: str) -> dict[str, int]:
        """All files of a run but the parts of its journal, with their sizes."""
        inside = f"{run_id}/{JOURNAL_PARTS}/"
        return {name: size for name, size in self._below(run_id).items() if not name.startswith(inside)}

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""
        with self._errors(name):
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        with self._errors(name):
            self._files.pipe_file(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that is not there; False where somebody else was first. The storage decides who was."""
        with self._errors(name):
            try:
                self._files.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return self.read(name) == data  # an answer that was lost, and the request sent again
        return True

    def upload(self, path: Path, name: str) -> None:
        with self._errors(name):
            self._files.put_file(str(path), self._path(name))

    def download(self, name: str, path: Path) -> None:
        with self._errors(name):
            self._files.get_file(self._path(name), str(path))

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with self._errors(name), contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._path(name))

    def _below(self, name: str, depth: int | None = None) -> dict[str, int]:
        """Files below a folder, or with a depth of 1 what is in it, with their sizes."""
        path = self._path(name) if name else self._root
        with self._errors(name or self.url):
            self._files.invalidate_cache()
            try:
                if depth == 1:
                    found = {entry["name"]: entry for entry in self._files.ls(path, detail=True)}
                else:
                    found = self._files.find(path, detail=True)
            except FileNotFoundError:
                return {}
        start = len(self._root) + 1
        return {each[start:].rstrip("/"): int(entry["size"] or 0) for each, entry in found.items() if each[start:]}

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Each storage has errors of its own, with no class in common."""
        place = name if name == self.url else f"{self.url}/{name}"
        try:
            yield
        except StoreError:
            raise
        except ImportError as exc:
            raise StoreError(place, f"no package for it ({exc})", "one that knows this storage",
                             "Install it: pip install 'aigc[s3]' for s3://, pip install gcsfs for gs://.") from exc
        except Exception as exc:
            found = f"an error of the storage ({type(exc).__name__}: {str(exc).strip().splitlines()[0][:160]})"
            remedy = "Check the address, the rights and the network; then run again: the working folder has all rows."
            raise StoreError(place, found, "storage that reads and writes", remedy) from exc


def facts_of(place: Place, run_id: str) -> RunFacts | None:
    """What run.json there says; None where it says nothing that this version can read."""
    data = place.read(f"{run_id}/{RUN_FILE}")
    try:
        return msgspec.json.decode(data, type=RunFacts) if data else None
    except msgspec.DecodeError:
        return None
