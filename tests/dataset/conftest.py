"""Folders of runs, described, and no network to open them with."""

from __future__ import annotations

import socket

import pytest
from described_runs import Described, a_project, described, script
from small_project import SHORT, small_project


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Described:
    project = a_project(tmp_path_factory.mktemp("data_set"))
    return described(project, project.run(script))


@pytest.fixture(scope="session")
def nothing_accepted(tmp_path_factory: pytest.TempPathFactory) -> Described:
    project = small_project(tmp_path_factory.mktemp("nothing"))
    return described(project, project.run(lambda _: SHORT))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that opens the folder may ask a server."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
