"""GGUF files, which are converted once to a folder of safetensors in the cache."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from aigc.errors import ModelError, ascii_controls
from aigc.models.entries import cache_folder
from aigc.models.weights import ModelFolder, file_digests

PACKAGE_PARENT = Path(__file__).parents[2]
FORM = 1
"""Counts up when conversion changes, so that what an older version made is made again."""
_ADDRESS = re.compile(r"https?://[^\s'\",)]+|host='[^']*'")
_PART = re.compile(r"-\d{5}-of-\d{5}$")


def gguf_at(path: Path, place: str) -> Path | None:
    """The GGUF file that `path` is, or that the folder `path` holds; None where it is another kind of model.

    Raises:
        ModelError: the folder holds several, or the file is one part of a model.
    """
    if path.is_file() and path.suffix.lower() == ".gguf":
        found = path
    elif path.is_dir() and not (path / "config.json").is_file():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".gguf")
        if not files:
            return None
        if len(files) > 1 and not _PART.search(files[0].stem):
            raise ModelError(place, f"{len(files)} GGUF files and no config.json", "one model",
                             f"Name the file itself, for example --model {files[0]}")
        found = files[0]
    else:
        return None
    if _PART.search(found.stem):
        raise ModelError(f"{place}, {found.name}", "one part of a model in several files", "a model in one file",
                         "Join the parts: llama-gguf-split --merge FIRST_PART OUTPUT")
    return found


def converted(gguf: Path, place: str, *, fetch: bool, report: Callable[[str], None]) -> ModelFolder:
    """The folder in the cache made from `gguf`, made now where it is not there. The file's bytes name it.

    Raises:
        ModelError: it cannot be converted, `fetch` is False and it was not yet, or the cache cannot be written.
    """
    digest = file_digests([gguf], cache_folder() / "digests.json")[gguf].partition(":")[2]
    models = cache_folder() / "models"
    name = f"gguf-{FORM}-{digest[:32]}"
    folder = ModelFolder(place=place, path=models / name,
                         remedy=f"Remove {models / name} and run again: it is made again from the GGUF file.")
    if folder.path.is_dir():
        return folder
    if not fetch:
        raise ModelError(place, "a GGUF file that is not converted yet", f"its safetensors in {models}",
                         f"Convert it: aigc models pull {gguf}")
    try:
        models.mkdir(parents=True, exist_ok=True)
        with locked(models / f".{name}.lock", f"another process is converting {gguf.name}; waiting for it", report):
            if not folder.path.is_dir():
                report(f"converting {gguf.name} to safetensors, once")
                _make(gguf, place, folder.path)
    except OSError as exc:
        raise ModelError(place, f"{models} cannot be written ({exc.strerror})", "a folder with room for it",
                         "Make room there, or name another folder in AIGC_CACHE.") from exc
    return folder


def _make(gguf: Path, place: str, dest: Path) -> None:
    """Convert beside `dest`, and rename into place when all of it is there. The caller holds the lock."""
    for leftover in dest.parent.glob(f".{dest.name}.partial-*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}.partial-", dir=dest.parent) as work:
        convert(f"{place}, {gguf.name}", gguf, Path(work) / "model")
        (Path(work) / "model").rename(dest)


def convert(place: str, gguf: Path, dest: Path) -> None:
    """Write `gguf` as safetensors to `dest`, in a process of its own.

    Raises:
        ModelError: it failed; `place` is how messages name the file.
    """
    # In the folder that holds this package, so that the child runs this very code; on the CPU and without a network.
    quiet = {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "aigc.engine.convert", str(gguf.resolve()), str(dest.resolve())],
        cwd=PACKAGE_PARENT, env={**os.environ, **quiet},
        capture_output=True, text=True, errors="replace", check=False,
    )
    if done.returncode:
        # A child that the kernel killed for memory says nothing at all.
        why = last_line(done.stderr) if done.returncode > 0 else f"killed by signal {-done.returncode}"
        raise ModelError(place, f"a failed conversion: {why}", "safetensors",
                         "Run `aigc doctor`: too little memory or disk is the usual cause.")


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


def last_line(stderr: str) -> str:
    """The last error line of a program, without addresses: they may carry a password."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return _ADDRESS.sub("…", ascii_controls((errors or lines or ["no message"])[-1]))[:300]
