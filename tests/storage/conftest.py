"""Storage in memory, and behind a server that speaks S3."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from shared_machines import (
    NEEDS_S3,
    Machine,
)
from small_project import Project, small_project


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with a bucket; keys and address are in the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
             "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_MAX_ATTEMPTS": "2"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        try:
            until_s = time.monotonic() + 60
            while not _listens(port):
                assert time.monotonic() < until_s, "no server"
                time.sleep(0.1)
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
            yield f"s3://bucket/{port}"
        finally:
            server.kill()
            server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["memory", pytest.param("s3", marks=NEEDS_S3)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty folder in each kind of storage."""
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3')}/{tmp_path.name}"
        return
    yield f"memory://bucket/{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def machines(tmp_path: Path, url: str) -> Callable[[str], Project]:
    """`machines("a")` is a machine with the project, its own disk, and the storage."""
    small_project(tmp_path)

    def machine(name: str) -> Project:
        project = Machine(tmp_path)
        project.disk = tmp_path / name
        project.set("run", publish_to=url)
        return project

    return machine
