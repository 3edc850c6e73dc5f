"""What the doctor says of servers, clusters and storage: each is asked, and what is missing has a remedy."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from loopback import Handler, serving

from aigc import reach
from aigc.findings import Finding
from aigc.reach import examine_plans, examine_ray, examine_storage
from aigc.settings import EngineSettings, RunSettings

RAY = EngineSettings(on="ray")
HAS_S3FS = importlib.util.find_spec("s3fs") is not None


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions of packages, as if they were installed."""
    found = {"prefect": "3.8.8", "sqlalchemy": "2.0.58", "ray": "2.60.0"}
    monkeypatch.setattr(reach, "_version", lambda package: found.get(package, ""))
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


# Plans ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Prefect API that has these deployments and so many planned runs."""
    deployments, planned = request.param

    class Api(Handler):
        def reply(self) -> None:
            asked = json.loads(self.body())
            on = [each["id"] for each in deployments if each["id"] != "off"]
            if self.path.endswith("/count"):
                assert asked["deployments"]["id"]["any_"] == on
            self.answer(200, json.dumps(planned if self.path == "/api/flow_runs/count" else deployments).encode())

    with serving(Api) as place:
        yield f"http://{place}/api"


ON = {"id": "on", "paused": False, "schedules": [{"active": True, "timezone": "UTC"}]}
OFF = {"id": "off", "paused": True, "schedules": [{"active": True}]}


@pytest.mark.parametrize(
    ("server", "status", "found"),
    [
        (([], 0), "ok", ""),
        (([OFF, {"id": "off", "schedules": []}], 0), "ok", ""),
        (([ON, OFF], 7), "ok", "; 7 runs are planned"),
        (([ON], 0), "warn", "; no run is planned, and 1 have a schedule"),
        (({"detail": "no"}, 0), "ok", "; what the server has planned was not seen"),
    ],
    indirect=["server"],
)
def test_a_server_with_schedules_is_asked_whether_it_has_planned_runs(
    server: str, versions: dict[str, str], status: str, found: str
) -> None:
    finding = examine_plans({"PREFECT_API_URL": server})
    assert (finding.status, finding.found) == (status, f"Prefect 3.8.8 with SQLAlchemy 2.0.58{found}")
    assert bool(finding.remedy) == (status != "ok")


@pytest.mark.parametrize(("set_here", "status"), [
    ({}, "warn"),
    ({"PREFECT_API_AUTH_STRING": "me:wrong"}, "warn"),
    ({"PREFECT_API_AUTH_STRING": "me:secret"}, "ok"),
])
def test_a_server_that_asks_for_a_key_is_not_said_to_plan_runs_that_nobody_saw(
    versions: dict[str, str], set_here: dict[str, str], status: str
) -> None:
    class Api(Handler):
        def reply(self) -> None:
            known = self.headers.get("Authorization") == "Basic bWU6c2VjcmV0"
            self.answer(200 if known else 401, b"[]" if known else b"{}")

    with serving(Api) as place:
        finding = examine_plans({"PREFECT_API_URL": f"http://{place}/api", **set_here})
    assert finding.status == status
    assert ("was not seen: HTTP status 401" in finding.found) == (status == "warn")


@pytest.mark.parametrize(
    ("prefect", "sqlalchemy", "status"),
    [("3.8.8", "2.0.58", "ok"), ("3.8.8", "2.1.0", "problem"), ("3.8.4", "2.10", "problem"), ("3.9.1", "2.1.0", "ok")],
)
def test_libraries_with_which_no_planned_run_is_made_are_told(
    versions: dict[str, str], prefect: str, sqlalchemy: str, status: str
) -> None:
    versions |= {"prefect": prefect, "sqlalchemy": sqlalchemy}
    finding = examine_plans({})
    assert finding.status == status
    if status == "problem":
        assert finding == Finding(
            name="plans", status="problem",
            found=f"Prefect {prefect} with SQLAlchemy {sqlalchemy}: a server from here never makes a planned run",
            remedy="pip install 'sqlalchemy<2.1', then start the server again.",
        )


# Ray -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("engine", "version", "status", "found"),
    [
        (EngineSettings(), "", "ok", "not installed: runs stay on this machine"),
        (EngineSettings(), "2.60.0", "ok", '2.60.0, not used: engine.on is "local"'),
        (RAY, "", "problem", "not installed"),
        (RAY, "2.60.0", "problem", "2.60.0; this machine is in no cluster"),
        (EngineSettings(on="ray", ray_address="local"), "2.60.0", "ok",
         "2.60.0, a cluster of this machine for each run"),
        (EngineSettings(on="ray", ray_address="127.0.0.1:1"), "2.60.0", "problem",
         "2.60.0; Ray at '127.0.0.1:1': no cluster to join ([Errno 111] Connection refused)"),
    ],
)
def test_ray_is_told_as_far_as_a_run_needs_it(
    home: Path, versions: dict[str, str], engine: EngineSettings, version: str, status: str, found: str
) -> None:
    versions["ray"] = version
    finding = examine_ray(engine, {"RAY_TMPDIR": str(home)})
    assert (finding.name, finding.status, finding.found) == ("ray", status, found)
    assert bool(finding.remedy) == (status == "problem")


def test_the_cluster_is_found_where_ray_finds_it(home: Path, versions: dict[str, str], listening: str) -> None:
    told = f"2.60.0, and something answers at {listening}"
    assert examine_ray(RAY, {"RAY_ADDRESS": listening}).found == told
    assert examine_ray(EngineSettings(on="ray", ray_address=listening), {}).found == told
    (home / "ray").mkdir()
    (home / "ray" / "ray_current_cluster").write_text(f"{listening}\n")
    assert examine_ray(RAY, {"RAY_TMPDIR": str(home)}).found == told


# Shared storage ------------------------------------------------------------------------------------------------------


def test_storage_is_written_to_and_left_as_it_was() -> None:
    files = fsspec.filesystem("memory")
    files.pipe_file("/doctor/2026-11-24-0143-briefs-k3f9/run.json", b"{}")
    assert examine_storage(RunSettings(publish_to="memory://doctor")) == Finding(
        name="shared storage", status="ok", found="memory://doctor can be written; 1 run there"
    )
    assert files.find("/doctor") == ["/doctor/2026-11-24-0143-briefs-k3f9/run.json"]
    files.rm("/doctor", recursive=True)


def test_without_shared_storage_all_is_well() -> None:
    assert examine_storage(RunSettings()).found == "none set: runs stay on this machine"


@pytest.mark.skipif(importlib.util.find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_driver_that_is_missing_is_told() -> None:
    finding = examine_storage(RunSettings(publish_to="gs://bucket/nightly"))
    assert finding.status == "problem"
    assert finding.found.startswith("gs://bucket/nightly: no package for it (")
    assert finding.remedy == "Install it: pip install 'aigc[s3]' for s3://, pip install gcsfs for gs://."


@pytest.mark.skipif(not HAS_S3FS, reason="no s3fs here: pip install 'aigc[s3]'")
def test_storage_that_does_not_answer_is_told_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "open", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_MAX_ATTEMPTS": "1",
                        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    finding = examine_storage(RunSettings(publish_to="s3://bucket/nightly"))
    assert finding.status == "problem"
    assert "an error of the storage" in finding.found
    assert "hunter2" not in finding.found + finding.remedy
