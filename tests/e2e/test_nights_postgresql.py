"""The server of nights on PostgreSQL, as several workers need it, where PostgreSQL is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from night_project import open_project
from prefect_api import eventually, free_port, prefect_server

NOBODY = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
"""PostgreSQL does not run as root."""


@contextmanager
def postgresql() -> Iterator[str]:
    """A database server of the test's own; gives the address of its database."""
    as_user = NOBODY if os.geteuid() == 0 else ()
    missing = [name for name in ("initdb", "postgres", *as_user[:1]) if not shutil.which(name)]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        if as_user:
            shutil.chown(folder, "nobody", "nogroup")
        subprocess.run([*as_user, "initdb", "-D", f"{folder}/data", "-U", "aigc", "--auth=trust", "--no-sync"],
                       check=True, capture_output=True, cwd=folder)
        command = [*as_user, "postgres", "-D", f"{folder}/data", "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with Path(folder, "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
            try:
                eventually(lambda: Path(folder, f".s.PGSQL.{port}").exists(), "PostgreSQL", 60)
                yield f"postgresql+asyncpg://aigc@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()
                server.wait(60)


@pytest.mark.slow
def test_a_planned_night_runs_with_a_server_on_postgresql(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with (
        postgresql() as database,
        prefect_server(home, PREFECT_SERVER_DATABASE_CONNECTION_URL=database) as api,
        open_project(api, tmp_path) as project,
    ):
        run = project.first_planned_run()
        assert (run["auto_scheduled"], run["state_name"]) == (True, "Completed"), project.log.read_text()[-3000:]
        assert run["state"]["message"] == "1 sheet made; 6 of 6 texts accepted (100%)."
    assert not [*home.glob("*.db")], "the server kept its data on SQLite"
    assert [path.name for path in (project.folder / "published").glob("*-bread-*")]
