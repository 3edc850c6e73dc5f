"""With what a run was made: the program's own code, what is installed beside it, and the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from aigc import __version__
from aigc.hashing import digest, digest_file
from aigc.records import Value

_REPOSITORY = Path(__file__).parents[2]
_DRIVER = Path("/proc/driver/nvidia/version")
_GIT_WAIT_S = 10


class CodeFacts(Value, frozen=True):
    """The program. `commit` and `dirty` are of the checkout that it runs from; None where it runs from a package."""

    version: str = __version__
    commit: str | None = None
    dirty: bool | None = None
    """Whether files of the checkout differ from the commit."""
    lock: str | None = None
    """Digest of constraints.txt, where it runs from a checkout."""
    packages: str = ""
    """Digest of names and versions of all that is installed."""


class Environment(Value, frozen=True):
    """The machine and its libraries. What the engines were is told under `engines` of the run."""

    python: str
    platform: str
    machine: str
    processors: int
    gpu_driver: str = ""
    libraries: dict[str, str] = {}


def code_facts() -> CodeFacts:
    lock = _REPOSITORY / "constraints.txt"
    commit = _git("rev-parse", "HEAD")
    return CodeFacts(
        commit=commit or None,
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None,
        lock=digest_file(lock) if commit and lock.is_file() else None,
        packages=digest(_installed()),
    )


def environment(libraries: dict[str, str]) -> Environment:
    """The machine as it is now, with the versions that run.json tells."""
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        machine=platform.machine(),
        processors=os.cpu_count() or 0,
        gpu_driver=_DRIVER.read_text("utf-8", "replace").partition("\n")[0].strip() if _DRIVER.is_file() else "",
        libraries={name: version for name, version in libraries.items() if name not in ("python", "platform")},
    )


def _installed() -> list[str]:
    """Names and versions of what is installed, by their folders: to read them all takes a tenth of a second."""
    folders = [Path(place) for place in sys.path if place and Path(place).is_dir()]
    return sorted({found.stem for folder in folders for found in folder.glob("*.dist-info")})


def _git(*arguments: str) -> str:
    """What git says of the checkout; nothing where there is none, or git is absent or refuses."""
    git = shutil.which("git")
    if git is None or not (_REPOSITORY / ".git").exists():
        return ""
    command = [git, "-C", str(_REPOSITORY), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_WAIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
