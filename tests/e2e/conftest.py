"""The program as its users run it: in this process for speed, or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from commands import Aigc, Shown
from prefect_api import prefect_server

from aigc import cli


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder, cache and environment that hold nothing of the machine's user."""
    for name in [name for name in os.environ if name.startswith(("AIGC_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIGC_ENGINE_NAME", "scripted")
    monkeypatch.setenv("AIGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def aigc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Aigc:
    """`aigc("run", "briefs.csv")` in this process."""

    def call(*arguments: str, environ: Mapping[str, str] | None = None) -> Shown:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["aigc", *arguments])
            for name, value in (environ or {}).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        out, err = capsys.readouterr()
        return Shown(int(ended.value.code or 0), out, err)

    return call


@pytest.fixture
def aigc_process() -> Aigc:
    """`aigc_process("run", "briefs.csv")` as a process; `most_bytes` limits the size of every file it writes."""

    def call(*arguments: str, environ: Mapping[str, str] | None = None, most_bytes: int = 0) -> Shown:
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({most_bytes}, {most_bytes})); "
        ended = subprocess.run(
            [sys.executable, "-c", f"{limit if most_bytes else ''}from aigc.cli import main; main()", *arguments],
            env={**os.environ, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Shown(ended.returncode, ended.stdout, ended.stderr)

    return call


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API of a Prefect server of the tests' own, on SQLite."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url
