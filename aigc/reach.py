"""What a run may reach beyond its process: a Prefect server and its plans, a Ray cluster, shared storage."""

from __future__ import annotations

import base64
import importlib.metadata
import re
import tempfile
import tomllib
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from aigc.errors import EngineError, StoreError
from aigc.findings import Finding
from aigc.records import Value
from aigc.settings import EngineSettings, RunSettings

API_WAIT_S = 2.0
PLANLESS = "2.1"
"""SQLAlchemy from which on the scheduler of Prefect 3.8 fails at each turn, so that no planned run is ever made."""


class _Schedule(Value, frozen=True):
    active: bool = False


class _Deployment(Value, frozen=True):
    id: str
    paused: bool = False
    schedules: list[_Schedule] = []


def examine_prefect(environ: Mapping[str, str]) -> Finding:
    """Whether a Prefect API is set and answers. Takes `API_WAIT_S` at most."""
    url = prefect_api_url(environ)
    if not url:
        return Finding(name="prefect", status="ok", found="none set: runs go without Prefect")
    try:
        place = _shown(url)
    except ValueError:
        place = ""
    if not place.startswith(("http://", "https://")):
        return Finding(name="prefect", status="problem", found="PREFECT_API_URL is no http address",
                       remedy="Set it to something like http://127.0.0.1:4200/api.")
    try:
        healthy = _asked(f"{url.rstrip('/')}/health").strip() == b"true"
    except urllib.error.HTTPError as exc:
        exc.close()
        healthy = exc.code in {401, 403}  # a server that asks for a key is there; whether the key fits, a run will tell
    except (OSError, ValueError, HTTPException):
        return Finding(name="prefect", status="problem", found=f"no answer from {place}",
                       remedy="Start it with `aigc ui`, or unset PREFECT_API_URL.")
    if not healthy:
        return Finding(name="prefect", status="problem", found=f"{place} answers, but not as a Prefect API",
                       remedy="The address usually ends in /api: correct PREFECT_API_URL.")
    return Finding(name="prefect", status="ok", found=f"{place} answers")


def examine_plans(environ: Mapping[str, str]) -> Finding:
    """Whether planned runs are made: by the libraries here, and by what the server has planned where one answers."""
    prefect, sqlalchemy = _version("prefect"), _version("sqlalchemy")
    found = f"Prefect {prefect} with SQLAlchemy {sqlalchemy}"
    if prefect.startswith("3.8.") and _numbers(sqlalchemy) >= _numbers(PLANLESS):
        return Finding(name="plans", status="problem", found=f"{found}: a server from here never makes a planned run",
                       remedy=f"pip install 'sqlalchemy<{PLANLESS}', then start the server again.")
    url = prefect_api_url(environ)
    try:
        planned, due = _planned(url.rstrip("/"), _key(environ)) if url else (0, 0)
    except urllib.error.HTTPError as exc:
        exc.close()
        refused = f"{found}; what the server has planned was not seen: HTTP status {exc.code}"
        return Finding(name="plans", status="warn", found=refused,
                       remedy="Set PREFECT_API_KEY or PREFECT_API_AUTH_STRING as its runs have it.")
    except (OSError, ValueError, HTTPException, msgspec.DecodeError):  # of the server itself, `prefect` tells
        return Finding(name="plans", status="ok", found=f"{found}; what the server has planned was not seen")
    if planned and not due:
        return Finding(name="plans", status="warn", found=f"{found}; no run is planned, and {planned} have a schedule",
                       remedy="Look again in a minute; then at the log of the server, whose scheduler makes the runs.")
    return Finding(name="plans", status="ok", found=found + (f"; {due} runs are planned" if due else ""))


def examine_ray(engine: EngineSettings, environ: Mapping[str, str]) -> Finding:
    """Whether Ray is here, and the cluster that settings name can be reached."""
    version, is_used = _version("ray"), engine.on == "ray"
    if not version:
        return Finding(name="ray", status="problem" if is_used else "ok",
                       found="not installed" + ("" if is_used else ": runs stay on this machine"),
                       remedy="Install it on every machine: pip install 'aigc[ray]'." if is_used else "")
    if not is_used:
        return Finding(name="ray", status="ok", found=f'{version}, not used: engine.on is "{engine.on}"')
    from aigc.engine.ray_cluster import ALONE, refuse_silence

    if engine.ray_address == ALONE:
        return Finding(name="ray", status="ok", found=f"{version}, a cluster of this machine for each run")
    address = environ.get("RAY_ADDRESS", "") if engine.ray_address == "auto" else engine.ray_address
    address = address or _own_cluster(environ)
    if not address:
        return Finding(name="ray", status="problem", found=f"{version}; this machine is in no cluster",
                       remedy="Join it: ray start --address HOST:6379. Or name one in engine.ray_address.")
    try:
        refuse_silence(address)
    except EngineError as exc:
        return Finding(name="ray", status="problem", found=f"{version}; {exc.place}: {exc.found}", remedy=exc.remedy)
    return Finding(name="ray", status="ok", found=f"{version}, and something answers at {address}")


def examine_storage(run: RunSettings) -> Finding:
    """Whether shared storage can be written, where runs go there: a small file is put there and taken away again."""
    if not run.publish_to:
        return Finding(name="shared storage", status="ok", found="none set: runs stay on this machine")
    from aigc.storage import Place

    try:
        place, name = Place(run.publish_to), f".aigc-doctor-{uuid.uuid4().hex}"
        place.write(name, b"aigc doctor was here\n")
        place.remove([name])
        count = len([each for each in place.runs() if each[:1].isdigit()])
    except StoreError as exc:
        return Finding(name="shared storage", status="problem", found=f"{exc.place}: {exc.found}", remedy=exc.remedy)
    told = "1 run" if count == 1 else f"{count:,} runs"
    return Finding(name="shared storage", status="ok", found=f"{place.url} can be written; {told} there")


def prefect_api_url(environ: Mapping[str, str], folder: Path = Path()) -> str:
    """The API's address from the environment, prefect.toml in `folder` or the active profile; empty if none is set.

    Prefect's own rule, read here because importing it takes seconds.
    """
    if url := environ.get("PREFECT_API_URL"):
        return url
    project = _table(_toml(folder / "prefect.toml"), "api").get("url")
    home = Path(environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    profiles = _toml(Path(environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser())
    active = environ.get("PREFECT_PROFILE") or profiles.get("active")
    url_of_profile = _table(_table(profiles, "profiles"), str(active)).get("PREFECT_API_URL")
    return str(project or url_of_profile or "")


def _key(environ: Mapping[str, str]) -> str:
    """What a server is told that asks for a key, as Prefect's client tells it; empty where none is set."""
    if account := environ.get("PREFECT_API_AUTH_STRING"):
        return f"Basic {base64.b64encode(account.encode()).decode()}"
    key = environ.get("PREFECT_API_KEY")
    return f"Bearer {key}" if key else ""


def _planned(url: str, key: str) -> tuple[int, int]:
    """How many deployments have a schedule that is on, and how many runs are planned."""
    answer = _asked(f"{url}/deployments/filter", {"limit": 200}, key)
    deployments = msgspec.json.decode(answer, type=list[_Deployment])
    on = [each.id for each in deployments if not each.paused and any(one.active for one in each.schedules)]
    wanted = {"deployments": {"id": {"any_": on}}, "flow_runs": {
        "state": {"type": {"any_": ["SCHEDULED"]}},
        "expected_start_time": {"after_": datetime.now(UTC).isoformat()},  # one that is late was planned long ago
    }}
    return len(on), msgspec.json.decode(_asked(f"{url}/flow_runs/count", wanted, key), type=int) if on else 0


def _asked(url: str, body: object = None, key: str = "") -> bytes:
    """What the API answers; asked by POST where there is a body."""
    data = None if body is None else msgspec.json.encode(body)
    headers = ({"Content-Type": "application/json"} if data else {}) | ({"Authorization": key} if key else {})
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=API_WAIT_S) as answer:  # noqa: S310 # `prefect` has looked at it
        return bytes(answer.read())


def _shown(url: str) -> str:
    """An address without user, password and path, which may hold a key or an account."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{(parts.netloc or '').rpartition('@')[2]}"


def _own_cluster(environ: Mapping[str, str]) -> str:
    """The cluster that this machine is in, by the file in which Ray notes it; empty where there is none."""
    folder = Path(environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray")
    try:
        return (folder / "ray_current_cluster").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _version(package: str) -> str:
    """The version that is installed, empty where none is."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:2]]


def _toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):  # Prefect itself will complain of a broken one
        return {}


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}
