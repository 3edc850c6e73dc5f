"""Files that filters read: found when a filter is built, kept as they were then, and part of what decides verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable

from aigc.errors import SettingsError, shown
from aigc.filters.verdicts import Filter
from aigc.hashing import digest, digest_bytes

_PACKAGE = Path(__file__).parent.parent
_SHIPPED = next(filter(Path.is_dir, (_PACKAGE / "shipped" / "templates", _PACKAGE.parent / "templates")), _PACKAGE)
"""The template packs that come with the package: inside it in a wheel, beside it in a checkout."""


@runtime_checkable
class FileFilter(Filter, Protocol):
    """A filter whose terms stand in files. It is opened once, when it is built."""

    def opened(self, place: str, templates: Path | None) -> Self:
        """The same filter, its files found and read.

        `place` names where the setting stands, `templates` is the run's folder of template packs.

        Raises:
            SettingsError: a file is not there, or not what it should be.
        """

    def files(self) -> tuple[Path, ...]:
        """The files of an opened filter."""


class Kept(NamedTuple):
    """A file as it was when a filter that reads it was last opened: edits must not change a run that is under way."""

    text: str
    digest: str


_kept: dict[Path, Kept] = {}


def files_digest(filters: Iterable[Filter]) -> str:
    """Digest of all files that `filters` read; it belongs to the fingerprint of every row they judge."""
    paths = sorted({path for item in filters if isinstance(item, FileFilter) for path in item.files()})
    return digest([(path.name, kept(path).digest) for path in paths])


def find_file(name: str, templates: Path | None, place: str) -> Path:
    """The file that a setting names: from the working folder, else from the folder of template packs."""
    given = Path(name)
    for path in (given, *(folder / given for folder in _roots(templates))):
        if path.is_file():
            return path.resolve()
    raise SettingsError(place, shown(name), "a file", "Correct the path, or make the file.")


def find_terms(name: str, templates: Path | None, place: str) -> Path:
    """`_shared/terms/NAME.toml` of the run's template packs, else of those that come with the package."""
    if name.endswith(".toml"):
        return find_file(name, templates, place)
    tried = [folder / "_shared" / "terms" / f"{name}.toml" for folder in (*_roots(templates), _SHIPPED)]
    for path in tried:
        if path.is_file():
            return path.resolve()
    known = sorted({path.stem for one in tried for path in one.parent.glob("*.toml")})
    raise SettingsError(place, shown(name), "one of " + ", ".join(known), f"Correct the name or add {tried[0]}.")


def _roots(templates: Path | None) -> tuple[Path, ...]:
    local = templates or Path("templates")
    return (local,) if local.is_dir() else ()


def read(path: Path, place: str) -> Kept:
    """`path` as it is now, kept for `kept`.

    Raises:
        SettingsError: it cannot be read, or is not UTF-8.
    """
    try:
        raw = path.read_bytes()
        found = Kept(raw.decode("utf-8-sig"), digest_bytes(raw))
    except OSError as exc:
        raise SettingsError(place, f"{path}, which cannot be read ({exc.strerror})", "a readable file",
                            "Correct the path or the file's permissions.") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(place, f"{path} with bytes that are not UTF-8 at offset {exc.start}", "a UTF-8 text file",
                            "Save it as UTF-8.") from exc
    _kept[path] = found
    return found


def kept(path: Path) -> Kept:
    """`path` as it was when it was last opened."""
    return _kept.get(path) or read(path, str(path))
