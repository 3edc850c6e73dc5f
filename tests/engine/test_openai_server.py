"""Servers as a run meets them: settings, the model at the start, and one that is not ours, `transformers serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from chat_server import KEY, Reply, prompt, serving, settings

from aigc.engine.openai import OpenAIEngine
from aigc.engine.openai_server import open_server, served_model
from aigc.errors import EngineError, SettingsError
from aigc.models import ModelRef
from aigc.settings import EngineSettings
from aigc.settings_loading import load_settings


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    asked = EngineSettings(name="openai", url="http://localhost/v1")
    with pytest.raises(EngineError) as raised:
        open_server(asked, {"OPENAI_API_KEY": "sk-ключ"})
    assert str(raised.value) == (
        "environment variable OPENAI_API_KEY: found characters that no key has; expected a key of printable ASCII. "
        "Set it again.")


def test_an_engine_without_an_address_says_how_to_give_one() -> None:
    with pytest.raises(SettingsError) as raised:
        open_server(EngineSettings(name="openai"))
    assert str(raised.value) == ("settings, key engine.url: found nothing; expected the server's address. "
                                 "Set AIGC_ENGINE_URL, for example http://127.0.0.1:8000/v1.")


@pytest.mark.parametrize(("key", "value", "message"), [
    ("url", f"https://me:{KEY}@host/v1", "found an address with a user or a password in it; expected http://HOST/v1 or "
     "https://HOST/v1. A key goes into the environment."),
    ("url", f"https://host/v1?key={KEY}", "found an address with a query or a fragment; expected http://HOST/v1 or "
     "https://HOST/v1. A key goes into the environment."),
    ("url", "host:8000/v1", "found no http or https address; expected http://HOST/v1 or https://HOST/v1. A key goes "
     "into the environment."),
    ("url", "http://host:port/v1", "found no address; expected http://HOST/v1 or https://HOST/v1. A key goes into the "
     "environment."),
    ("key_variable", KEY, "found no such name; expected an environment variable's. Put the key into a variable, and "
     "that variable's name here."),
    ("timeout_s", 0.0, "found '0.0'; expected seconds above 0, at most a day. Correct it."),
    ("concurrency", 0, "found '0'; expected a whole number from 1. Correct it."),
    ("max_retries", -1, "found '-1'; expected a whole number from 0. Correct it."),
])
def test_settings_that_cannot_be_are_refused_and_hold_no_secret(key: str, value: object, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(None, {"engine": {key: value}}, {})
    assert str(raised.value) == f"settings with the environment and the command line, key engine.{key}: {message}" or (
        str(raised.value) == f"settings, key engine.{key}: {message}")


def test_a_model_is_known_by_the_servers_host_and_the_name_it_reports() -> None:
    listed = Reply(body=b'{"data": [{"id": "m", "root": "org/one"}, {"id": "n", "root": "n"}]}')
    with serving(models=listed) as server:
        asked = settings(server)
        m, n, unlisted = (served_model(asked, name) for name in ("m", "n", "x"))
        server.models = Reply(body=b'{"data": [{"id": "m", "root": "org/two"}]}')
        changed = served_model(asked, "m")
        server.models = Reply(404, b"")
        assert served_model(asked, "n") == n  # what lists nothing names nothing else
    assert len({ref.digest for ref in (m, n, unlisted, changed)}) == 4
    assert (m.ref, m.path, m.languages) == ("m", None, None)


@pytest.mark.parametrize(("key", "value"), [("adapter", "lora"), ("quantize", "int8")])
def test_what_changes_weights_is_refused_with_a_server(key: str, value: str) -> None:
    with serving() as server, pytest.raises(SettingsError) as raised:
        served_model(settings(server, **{key: value}), "m")
    assert str(raised.value) == (
        f"settings, key engine.{key}: found '{value}'; expected nothing, with the openai engine. "
        "Leave it out: a server loads its own weights.")


@pytest.mark.parametrize(("models", "message"), [
    (Reply(401), "found HTTP status 401 for a request without a key; expected a key that may use 'm'. "
     "Put the server's key in OPENAI_API_KEY."),
    (Reply(503), "found HTTP status 503; expected a server that answers. "
     "Start it, or correct engine.url; then run again: the texts made so far are kept."),
])
def test_a_server_that_refuses_at_the_start_is_told_then(
    models: Reply, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(models=models) as server, pytest.raises(EngineError) as raised:
        served_model(settings(server), "m")
    assert str(raised.value) == f"server {server.url[7:-3]}: {message}"


def test_no_server_is_told_at_the_start() -> None:
    with serving() as server:
        pass
    with pytest.raises(EngineError, match=r"server 127.0.0.1:\d+: found no connection \('.*'\); expected a server"):
        served_model(settings(server), "m")


@pytest.fixture(scope="module")
def transformers_serve(llama: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSettings]:
    """`transformers serve` with a tiny random model: a server that is not ours."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    (home / "hub").mkdir()
    code = "from transformers.cli.transformers import main; main()"
    arguments = ["serve", str(llama.folder()), "--port", str(port), "--host", "127.0.0.1", "--device", "cpu"]
    log: Path = home / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=file, stderr=file,
            env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield EngineSettings(name="openai", url=f"http://127.0.0.1:{port}/v1", concurrency=3)
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url, timeout=1).status_code == 200:
                return
        except httpx.RequestError:
            time.sleep(0.2)
    pytest.fail(log.read_text())


ROWS = [f"row-{index}" for index in range(6)]


def test_a_real_server_answers_every_prompt(transformers_serve: EngineSettings, llama: ModelRef) -> None:
    ref = served_model(transformers_serve, str(llama.folder()))
    engine = OpenAIEngine(transformers_serve, ref)
    found = {c.request_id: c for c in engine.generate([prompt(name, temperature=0.0) for name in ROWS])}
    assert sorted(found) == sorted(ROWS)
    assert all(c.fault is None and c.text and c.tokens_in > 5 and 0 < c.tokens_out <= 24 for c in found.values())
    again = list(engine.generate([prompt("row-2", temperature=0.0)]))
    assert (again[0].text, again[0].finish_reason) == (found["row-2"].text, found["row-2"].finish_reason)


def test_a_real_servers_refusal_names_the_key_it_does_not_know(
    transformers_serve: EngineSettings, llama: ModelRef
) -> None:
    engine = OpenAIEngine(transformers_serve, ModelRef(ref=str(llama.folder()), digest="sha256:m"))
    bad, good = sorted(engine.generate([prompt("bad", top_k=40), prompt("good")]), key=lambda c: c.request_id)
    assert bad.fault
    assert (bad.fault.found, bad.fault.remedy) == (
        "HTTP status 422, about top_k", "Unset under [sampling]: top_k = 0.")
    assert good.fault is None
