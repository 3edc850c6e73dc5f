"""The journal as a witness: what it keeps of each row, found even where the row's own names were changed."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from aigc.errors import StoreError
from aigc.records import Record
from aigc.store import Store


class Originals:
    """Records of a run's journal; none where the journal is gone or cannot be read."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._by_name: dict[str, int] | None = None
        self._is_readable = True

    @classmethod
    def read(cls, folder: Path) -> Originals:
        try:
            return cls(Store.read(folder))
        except StoreError:
            return cls(None)

    @property
    def is_whole(self) -> bool:
        """Whether every line can be trusted."""
        return self._store is not None and self._is_readable and not self._store.damaged

    def of(self, record: Record) -> Record | None:
        """What the journal keeps of a row, found by its names, else by its record id."""
        if self._store is None:
            return None
        try:
            return self._found(self._store, record)
        except StoreError:  # a line that was forged, with the sum of its bytes: check_files tells of the journal
            self._is_readable = False
            return None

    def _found(self, store: Store, record: Record) -> Record | None:
        place = store.place_of(record.brief_id, record.variant, record.fingerprint)
        if place is None:
            places = self._places()
            place = next((places[name] for name in _names(record) if name in places), None)
        return None if place is None else store.record_at(place)

    def _places(self) -> dict[str, int]:
        """Where each record stands, by each of its names; the newest where there are several."""
        if self._by_name is None and self._store is not None:
            self._by_name = {name: place for place, record in self._store.records() for name in _names(record)}
        return self._by_name or {}

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        if self._store is not None:
            self._store.close()


def _names(record: Record) -> list[str]:
    """What tells a record from all others of its run: one of these stands where another was changed."""
    names = [f"id {record.record_id}"] if record.record_id else []
    return [*names, f"fingerprint {record.fingerprint}", f"row {record.row} {record.variant}"]
