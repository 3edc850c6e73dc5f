"""A Prefect server of a project's own, rightly set, and the project's runs made to show there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aigc.disk import disk_errors
from aigc.errors import AigcError, UsageError

HOME = Path(".aigc") / "prefect"
"""Where the server keeps its database and log, in the project's folder."""
PROJECT_FILE = "prefect.toml"
STARTS_S = 120.0
STOPS_S = 20.0
LOOK_EVERY_S = 0.2
_WRITTEN = "# Written by `aigc ui`, which takes it away when it ends: runs of this folder show at that server.\n"


def server_environment(home: Path, host: str, port: int, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server. What `environ` sets of it already stands, but for where it is.

    The pages ask the server that they came from, whatever port or tunnel that is; nothing is sent to Prefect's makers.
    """
    settings = {
        "PREFECT_HOME": str(home.resolve()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_UI_URL": f"http://{host}:{port}",  # what notifications link to
    }
    fixed = {"PREFECT_SERVER_API_HOST": host, "PREFECT_SERVER_API_PORT": str(port)}
    kept = {name: value for name, value in environ.items() if name not in ("PREFECT_API_URL", "PREFECT_PROFILE")}
    return {**settings, **kept, **fixed}


def api_url(host: str, port: int) -> str:
    """Where a server's API is; one that listens everywhere is asked on this machine."""
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}/api"  # noqa: S104 - only compared


def answers(url: str) -> bool:
    """Whether a Prefect API answers at `url`."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:  # noqa: S310 - http, as `api_url` has it
            return bool(answer.read().strip() == b"true")
    except (OSError, urllib.error.URLError, ValueError):
        return False


def refuse_taken_port(host: str, port: int) -> None:
    """Raise UsageError where something else listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as exc:
            raise UsageError("--port", f"{host}:{port}, which cannot be had ({exc.strerror})", "a free port",
                             "Name another, for example --port 4201.") from exc


def serve(folder: Path, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Run a server for the project in `folder` until it is stopped; `ready` is told the address once it answers.

    Raises:
        UsageError: the port is taken.
        AigcError: the server did not start, or ended by itself.
        KeyboardInterrupt: it was stopped.
    """
    refuse_taken_port(host, port)
    home = folder / HOME
    with disk_errors(home, "nothing was started"):
        home.mkdir(parents=True, exist_ok=True)
    log, url = home / "server.log", api_url(host, port)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    with log.open("ab") as file, _stopped_at_the_end(subprocess.Popen(
        command, env=server_environment(home, host, port, os.environ), stdin=subprocess.DEVNULL, stdout=file,
        stderr=file, cwd=home, start_new_session=True,
    )) as server:
        _wait(server, url, log)
        with shown_there(folder, url):
            ready(url)
            code = server.wait()
    raise AigcError("Prefect server", f"an end with exit code {code}", "a server that runs until it is stopped",
                    f"Its last words are in {log}.")


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while not answers(url):
        if server.poll() is not None or time.monotonic() > until:
            raise AigcError("Prefect server", f"no answer from {url}", "a server that starts",
                            f"Its last words are in {log}.")
        time.sleep(LOOK_EVERY_S)


@contextmanager
def _stopped_at_the_end(server: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End the server with the block. It has a session of its own, so that Ctrl-C reaches it only from here."""
    try:
        yield server
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOPS_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@contextmanager
def shown_there(folder: Path, url: str) -> Iterator[None]:
    """Have runs of the project show at `url` within the block, by a prefect.toml in its folder.

    A file of the project's own is never changed.

    Raises:
        UsageError: the project has one, and it names no API or another.
    """
    path = folder / PROJECT_FILE
    mine = f'{_WRITTEN}[api]\nurl = "{url}"\n'
    with disk_errors(path, "nothing was changed"):
        own = path.read_text("utf-8") if path.exists() else ""
        if own and not own.startswith(_WRITTEN):
            _refuse_other(path, own, url)
            yield
            return
        path.write_text(mine, "utf-8")
    try:
        yield
    finally:
        with disk_errors(path, "only this file is left"):
            if path.exists() and path.read_text("utf-8") == mine:
                path.unlink()


def _refuse_other(path: Path, text: str, url: str) -> None:
    try:
        named = tomllib.loads(text).get("api", {}).get("url")
    except (tomllib.TOMLDecodeError, AttributeError):
        named = None
    if named != url:
        raise UsageError(str(path), f"a file of yours that names {named or 'no API'}", f'url = "{url}" under [api]',
                         "Write that into it, take another --port, or move the file away.")
