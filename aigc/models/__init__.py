"""Which model, and where its files lie: the catalogue, the cache folder, local folders and hub ids.

    aigc models pull NAME ─▶ pull ─▶ <cache>/models/NAME/  ┐
    a folder                                               ├─▶ resolve ─▶ ModelRef
    org/name, org/name@revision ─▶ the hub's own cache     ┘
    a GGUF file ─▶ converted ─▶ <cache>/models/gguf-…/     ┘
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from aigc.content import base_language
from aigc.errors import ModelError, ascii_controls, nearest
from aigc.hashing import digest
from aigc.models import wheel
from aigc.models.adapter import AdapterRef, find_adapter
from aigc.models.conversion import converted, gguf_at, locked
from aigc.models.entries import (
    CatalogueModel,
    HubSource,
    WheelSource,
    cache_folder,
    catalogue,
    check_digests,
    check_sizes,
    read_manifest,
)
from aigc.models.hub import HUB_ID, hub_folder
from aigc.models.weights import ModelFolder, decisive_files, file_digests, has_chat_template, model_digest
from aigc.records import Value

__all__ = [
    "AdapterRef", "CatalogueModel", "HubSource", "InstalledModel", "ModelRef", "WheelSource", "cache_folder",
    "catalogue", "check_languages", "check_name", "installed", "pull", "resolve",
]

Report: TypeAlias = Callable[[str], None]


class ModelRef(Value, frozen=True):
    """A model that is here, whole and safe to load. `languages` None and `licence` "" mean unknown.

    `digest` covers weights, config, tokenizer, chat template and generation config, and the adapter's files where there
    is one. `path` is None only for an engine that needs no files; `resolve` always gives a folder.
    """

    ref: str
    path: Path | None = None
    languages: list[str] | None = None
    licence: str = ""
    digest: str = ""
    chat_template: bool = False
    adapter: AdapterRef | None = None
    files: dict[str, str] = {}
    """Digest of each file that decides a text, by its name."""

    def folder(self) -> Path:
        """The folder with the files.

        Raises:
            ModelError: there is none.
        """
        if self.path is None:
            raise ModelError(f"model {self.ref}", "no files", "a folder", "Take a model of `aigc models list`.")
        return self.path


class InstalledModel(Value, frozen=True):
    """A model of the catalogue whose files are on this machine. `problem` is empty where they are whole."""

    name: str
    path: Path
    bytes: int
    problem: str = ""


def _silent(_: str) -> None:
    pass


def resolve(
    model: str, *, trust_remote_code: bool, adapter: str = "", fetch: bool = True, report: Report = _silent
) -> ModelRef:
    """The model that `model` names: of the catalogue, a folder, a GGUF file, or a hub id; with the adapter, if given.

    A hub id is fetched and a GGUF file converted where that was not done yet, unless `fetch` is False.

    Raises:
        ModelError: unknown, not here, half-downloaded, altered, or unsafe to load.
    """
    folder = _locate(model, trust_remote_code=trust_remote_code, fetch=fetch, report=report)
    files = decisive_files(folder, trust_remote_code=trust_remote_code)
    manifest = read_manifest(folder)
    if manifest:
        check_sizes(folder, manifest)
    digests = file_digests(files, cache_folder() / "digests.json")
    if manifest:
        check_digests(folder, manifest, digests)
    known = manifest or (None if Path(model).is_dir() else catalogue().get(model.partition("@")[0]))
    base = model_digest(digests, folder.path)
    added = find_adapter(adapter, model, base) if adapter else None
    return ModelRef(
        ref=model, path=folder.path, digest=digest([base, added.digest]) if added else base, adapter=added,
        chat_template=has_chat_template(folder) or bool(added and added.chat_template),
        languages=known.languages if known else None, licence=known.licence if known else "",
        files={path.relative_to(folder.path).as_posix(): found for path, found in digests.items()},
    )


def pull(name: str, *, report: Report) -> Path:
    """Fetch a model of the catalogue, or a hub id, and return its folder; what is here and whole is not fetched again.

    Two processes that pull the same model wait for each other. What a killed pull left behind goes with the next one.

    Raises:
        ModelError: unknown, not to be had, not the file that the catalogue pins, or no room for it.
    """
    model = catalogue().get(name)
    if model is None or isinstance(model.source, HubSource):
        return _pull_hub(name, report)
    models = cache_folder() / "models"
    try:
        if not _usable(name):  # a whole model in a cache that is only readable needs no lock
            models.mkdir(parents=True, exist_ok=True)
            with locked(models / f".{name}.lock", f"another process is fetching {name}; waiting for it", report):
                if not _usable(name):
                    wheel.make_folder(model, model.source, models, report)
    except OSError as exc:
        raise ModelError(f"model {name}", f"{models} cannot be written ({exc.strerror})", "a folder with room for it",
                         "Make room there, or name another folder in AIGC_CACHE.") from exc
    report(f"{name} is ready in {models / name}")
    return models / name


def installed() -> list[InstalledModel]:
    """The models of the catalogue that are on this machine, whole or not; reads no weights and asks no hub."""
    found = []
    for name in catalogue():
        with contextlib.suppress(ModelError):  # not here
            folder = _locate(name, trust_remote_code=False, fetch=False, report=_silent)
            size = sum(file.stat().st_size for file in folder.path.iterdir() if file.is_file())
            found.append(InstalledModel(name=name, path=folder.path, bytes=size, problem=_not_whole(folder)))
    return found


def check_name(model: str) -> None:
    """Raise ModelError if `model` can name none. No file is read for it, and no hub is asked."""
    path, is_hub_id = Path(model).expanduser(), HUB_ID.fullmatch(model) and not model.startswith((".", "/", "~"))
    is_here = model and (path.is_dir() or (path.is_file() and path.suffix.lower() == ".gguf"))
    if not (is_hub_id or is_here or model in catalogue()):
        expected = "a name of `aigc models list`, a folder, a GGUF file, or org/name of a hub"
        raise ModelError(f"model {ascii_controls(model)[:120]}", "no such model", expected,
                         f"Correct the name.{nearest(model, list(catalogue()))}")


def check_languages(ref: ModelRef, languages: Collection[str]) -> None:
    """Raise ModelError if `ref` is known not to write one of `languages`, naming the smallest model that does."""
    wanted = {base_language(language) for language in languages}
    missing = wanted - set(ref.languages) if ref.languages is not None else set()
    if not missing:
        return
    able = [model for model in catalogue().values() if wanted <= set(model.languages)]
    better = min(able, key=lambda model: model.parameters, default=None)
    remedy = f"Take a model that speaks it: --model {better.name}" if better else "Give each language a run of its own."
    found, expected = f"briefs in {', '.join(sorted(missing))}", ", ".join(ref.languages or [])
    raise ModelError(f"model {ref.ref}", found, expected, remedy)


def _locate(model: str, *, trust_remote_code: bool, fetch: bool, report: Report) -> ModelFolder:
    known, place = catalogue().get(model), f"model {ascii_controls(model)[:120]}"
    if known and isinstance(known.source, WheelSource):
        path = cache_folder() / "models" / model
        if not path.is_dir():
            raise ModelError(place, "no copy on this machine", f"its files in {path}",
                             f"Fetch it: aigc models pull {model}")
        return ModelFolder(place=place, path=path, remedy=f"Fetch it again: aigc models pull {model}")
    path = Path(model).expanduser()
    if model and (gguf := gguf_at(path, place)):
        return converted(gguf, place, fetch=fetch, report=report)
    if model and path.is_dir():
        return ModelFolder(place=place, path=path, remedy="Copy the folder again from where it came from.")
    check_name(model)
    return hub_folder(model, trust_remote_code=trust_remote_code, fetch=fetch, report=report)


def _pull_hub(name: str, report: Report) -> Path:
    folder = _locate(name, trust_remote_code=False, fetch=True, report=report)
    if _not_whole(folder) and not Path(name).expanduser().exists():
        folder = hub_folder(name, trust_remote_code=False, fetch=True, report=report, again=True)
    decisive_files(folder, trust_remote_code=False)
    return folder.path


def _not_whole(folder: ModelFolder) -> str:
    """Why the files of `folder` cannot be used, as far as their sizes tell; empty if they can."""
    try:
        decisive_files(folder, trust_remote_code=False)
        if manifest := read_manifest(folder):
            check_sizes(folder, manifest)
    except ModelError as exc:
        return str(exc)
    return ""


def _usable(name: str) -> bool:
    """Whether the model of that name is here and every file has the digest of its manifest."""
    try:
        resolve(name, trust_remote_code=False, fetch=False)
    except ModelError:
        return False
    return True
