"""scripts/make_venv: what a machine lacks is named, and a half-made environment is made again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOUND = """#!/bin/sh
case "$*" in
    "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo made >> "$4/../log" ;;
    *) exit 0 ;;
esac
"""
OLD, WITHOUT_VENV, WITHOUT_PIP = (
    "#!/bin/sh\nexit 1\n",
    '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n',
    '#!/bin/sh\ncase "$*" in *pip*) exit 1 ;; esac\n',
)


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make_venv(folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(["sh", str(ROOT / "scripts" / "make_venv"), str(folder / "venv")], cwd=ROOT, env=environ,
                          capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("python", "made"), [(None, True), (WITHOUT_PIP, True), (SOUND, False)],
                         ids=["none", "no pip", "whole"])
def test_an_environment_is_made_where_it_has_no_pip_and_kept_where_it_has(
    tmp_path: Path, python: str | None, *, made: bool
) -> None:
    program(tmp_path / "bin" / "python3", SOUND)
    if python:
        program(tmp_path / "venv" / "bin" / "python", python)
    done = make_venv(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").exists() == made


def test_the_package_named_is_that_of_the_interpreter_found(tmp_path: Path) -> None:
    programs = {"python3": OLD, "python3.13": OLD, "python3.12": WITHOUT_VENV, "id": "#!/bin/sh\necho 1000\n"}
    for name, text in programs.items():
        program(tmp_path / "bin" / name, text)
    done = make_venv(tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "aigc: python3.12 has no venv. Install it (Debian: sudo apt-get install python3.12-venv), "
        "then run make again.\n"
    )
