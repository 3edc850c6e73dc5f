"""An OpenAI-compatible server as a run sees it: its address, the key it wants, and the models that it says it has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import msgspec

from aigc.errors import EngineError, SettingsError, shown
from aigc.hashing import digest
from aigc.models import ModelRef
from aigc.records import Value
from aigc.settings import EngineSettings

LOOK_S = 10.0
"""How long a question for the server's models may take."""
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Server:
    """`url` without a slash at its end; `host` with its port, the part that messages and digests name."""

    url: str
    host: str
    key_variable: str
    headers: dict[str, str] = field(repr=False)
    """Holds the key, so it is shown nowhere."""

    @property
    def place(self) -> str:
        return f"server {self.host}"

    def refused(self, status: int, model: str) -> EngineError:
        """The error of a status that every row would meet: the key, the address or the model is wrong."""
        if status in (401, 403):
            sent = f"the key in {self.key_variable}" if "Authorization" in self.headers else "a request without a key"
            expected, remedy = f"a key that may use {shown(model)}", f"Put the server's key in {self.key_variable}."
            return EngineError(self.place, f"HTTP status {status} for {sent}", expected, remedy)
        if status == 402:
            remedy = "Pay, or take another server; then run again: the texts made so far are kept."
            return EngineError(self.place, "HTTP status 402", "an account in credit", remedy)
        if status == 404:
            remedy = "Take a model that `aigc doctor` names, or correct engine.url, which usually ends in /v1."
            return EngineError(self.place, f"HTTP status 404 for model {shown(model)}", "a model it has", remedy)
        found, remedy = f"HTTP status {status}", "Correct engine.url: usually it ends in /v1."
        return EngineError(self.place, found, "an OpenAI-compatible API", remedy)

    def silent(self, found: str) -> EngineError:
        """The error of a server that is not there, or is too busy for any row."""
        remedy = "Start it, or correct engine.url; then run again: the texts made so far are kept."
        return EngineError(self.place, found, "a server that answers", remedy)


class ListedModel(Value, frozen=True):
    """A model as the server lists it. `root` is what vLLM serves under the name `id`."""

    id: str
    root: str | None = None
    owned_by: str | None = None


class _Listing(Value, frozen=True):
    data: list[ListedModel]


def open_server(settings: EngineSettings, environ: Mapping[str, str] = os.environ) -> Server:
    """The server of the settings, with the key that the environment holds for it. Asks it nothing.

    Raises:
        SettingsError: no address, or one that is none.
        EngineError: a key that no HTTP header can carry.
    """
    url, place = settings.url.rstrip("/"), "settings, key engine.url"
    if not url:
        raise SettingsError(
            place, "nothing", "the server's address", "Set AIGC_ENGINE_URL, for example http://127.0.0.1:8000/v1."
        )
    try:
        httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise SettingsError(place, "an address that is none", "http://HOST/v1", "Correct it.") from exc
    headers = {"Content-Type": "application/json"}
    if key := environ.get(settings.key_variable, "").strip():
        if not (key.isascii() and key.isprintable()):
            raise EngineError(
                f"environment variable {settings.key_variable}",
                "characters that no key has",
                "a key of printable ASCII",
                "Set it again.",
            )
        headers["Authorization"] = f"Bearer {key}"
    return Server(url, urlsplit(url).netloc, settings.key_variable, headers)


def listed_models(server: Server, model: str) -> list[ListedModel] | None:
    """The models that the server says it has; None where it lists none, which some servers do not.

    Raises:
        EngineError: it does not answer, or refuses the key that is sent for `model`.
    """
    try:
        answer = httpx.get(f"{server.url}/models", headers=server.headers, timeout=LOOK_S)
    except httpx.RequestError as exc:
        raise server.silent(no_answer(exc, LOOK_S)) from exc
    if answer.status_code in (401, 402, 403):
        raise server.refused(answer.status_code, model)
    if answer.status_code in (502, 503, 504):
        raise server.silent(f"HTTP status {answer.status_code}")
    try:
        return msgspec.json.decode(answer.content, type=_Listing).data or None if answer.status_code == 200 else None
    except msgspec.DecodeError:
        return None


def served_model(settings: EngineSettings, name: str) -> ModelRef:
    """The model `name` at the server of the settings. What stands for its weights is the server's host and its names.

    A name that the server does not list may still be served: llama.cpp takes any, others load on demand.

    Raises:
        SettingsError, EngineError: as `open_server` and `listed_models`.
    """
    for key, value in (("adapter", settings.adapter), ("quantize", settings.quantize)):
        if value:
            found, remedy = shown(value), "Leave it out: a server loads its own weights."
            raise SettingsError(f"settings, key engine.{key}", found, "nothing, with the openai engine", remedy)
    server = open_server(settings)
    listed = next((model for model in listed_models(server, name) or [] if model.id == name), ListedModel(id=name))
    root = "" if listed.root in (None, name) else listed.root
    return ModelRef(ref=name, digest=digest(["openai", server.host, name, root]))


def no_answer(exc: Exception, timeout_s: float) -> str:
    """What went wrong on the way to the server, for a message."""
    if isinstance(exc, TimeoutError | httpx.TimeoutException):
        return f"no answer in {timeout_s:g} s"
    if isinstance(exc, httpx.ConnectError):
        return f"no connection ({shown(exc, 100)})"
    return f"a connection that was cut ({type(exc).__name__})"
