"""An engine that asks a server: any that speaks OpenAI's chat completions, such as vLLM, SGLang or llama.cpp.

caller's thread:  prompts ─▶ generate ─ send ─▶ ┐            ┌ ─▶ take ─▶ completions
courier's thread:                               └▶ one task ─┘   per prompt: try, wait, try again
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from itertools import count
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import TypeAlias

import httpx
import msgspec

from aigc.engine import openai_wire as wire
from aigc.engine.listening import OnText
from aigc.engine.openai_server import LOOK_S, Server, no_answer, open_server
from aigc.engine.openai_stream import ask
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Fault, Prompt
from aigc.settings import EngineSettings

BACK_OFF_S, LONGEST_BACK_OFF_S = 1.0, 60.0
LONGEST_WAIT_S = 600.0
"""A server that asks to be left alone for longer is not waited for."""
CONNECT_S = 15.0
SPENT_IN_A_ROW = 20
"""Rows that fail for the server's reasons, with no answer between them, before the run stops."""
_AGAIN = frozenset({408, 409, 425, 429})


class _Trouble(Exception):
    """A try that failed and may succeed when it is repeated."""

    def __init__(self, code: str, found: str, wait_s: float = 0.0) -> None:
        super().__init__(code)
        self.code, self.found, self.wait_s = code, found, wait_s


class OpenAIEngine:
    """Asks the server of the settings for one model, `concurrency` requests at a time.

    `on_text` hears every text as it comes: for one prompt at a time.
    `back_off_s` is the longest first pause; it doubles with each try of a row. A request that the server keeps twice
    as long is one that it works at.
    """

    def __init__(
        self, settings: EngineSettings, model: ModelRef, *, back_off_s: float = BACK_OFF_S,
        on_text: OnText | None = None,
    ) -> None:
        self._settings, self._ref, self._back_off_s, self._on_text = settings, model, back_off_s, on_text
        self._server: Server = open_server(settings)
        self._courier: _Courier | None = None
        self._answered = 0
        """Requests that the server answered for good, with a text or with a refusal."""
        self._spent_in_a_row = 0
        self._sent_s: dict[str, float] = {}
        """When each request was sent that the server has not answered yet, by the clock of `time.perf_counter`."""
        self._at_work_s = 2.0 * back_off_s

    def info(self) -> EngineInfo:
        return EngineInfo(
            engine="openai",
            model=self._ref.ref,
            model_digest=self._ref.digest,
            device=self._server.host,
            slots=self._settings.concurrency,
            batch_invariant=False,
        )

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        """See `Engine.generate`. An error that no row would escape ends it; requests in flight are dropped then."""
        source, more, in_flight = iter(prompts), True, 0
        with _Courier(self._answer, self._server, self._settings.concurrency) as self._courier:
            while True:
                while more and in_flight < self._settings.concurrency:
                    prompt = next(source, _END)
                    more = not isinstance(prompt, _End)
                    if prompt is None or isinstance(prompt, _End):
                        break
                    self._courier.send(prompt)
                    in_flight += 1
                if not in_flight:
                    return
                completion = self._courier.take()
                in_flight -= 1
                yield completion

    def close(self) -> None:
        if self._courier:
            self._courier.close()

    async def _answer(self, client: httpx.AsyncClient, prompt: Prompt) -> Completion:
        """The completion of one prompt, after as many tries as it takes or the settings allow."""
        try:
            body = wire.body(prompt, self._ref.ref)
        except UnicodeEncodeError:
            return wire.failed(prompt, _NOT_ENCODABLE)
        trouble, tries = _Trouble("", ""), 0
        answered_before = answered = self._answered
        for tries in count(1):
            try:
                completion = await self._try(client, prompt, body)
            except _Trouble as exc:
                trouble = exc
                if tries == 1:  # answers from before the first trouble say nothing of a server that died since
                    answered_before = self._answered
            else:
                self._answered += 1
                self._spent_in_a_row = 0
                return completion
            busy_with_us = trouble.code == "server_busy" and (self._answered > answered or self._is_at_work())
            answered = self._answered
            if trouble.wait_s > LONGEST_WAIT_S or (tries > self._settings.max_retries and not busy_with_us):
                break
            await asyncio.sleep(self._pause_s(tries, trouble.wait_s))
        found = trouble.found if tries == 1 else f"{trouble.found}, at try {tries}"
        if self._answered == answered_before:
            await self._look(client, trouble.code, found)
        return wire.failed(prompt, _spent(trouble.code, found))

    async def _try(self, client: httpx.AsyncClient, prompt: Prompt, body: bytes) -> Completion:
        started, timeout_s = time.perf_counter(), self._settings.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                self._sent_s[prompt.request_id] = started
                answer = await ask(client, f"{self._server.url}/chat/completions", body, self._on_text)
        except (httpx.RequestError, TimeoutError) as exc:
            late = isinstance(exc, TimeoutError | httpx.TimeoutException)
            raise _Trouble("timeout" if late else "no_answer", no_answer(exc, timeout_s)) from exc
        finally:
            self._sent_s.pop(prompt.request_id, None)
        status = answer.status_code
        if status in _AGAIN or status >= 500:
            wait_s = wire.retry_after_s(answer.headers.get("Retry-After"))
            asked = f", to come back in {wait_s:,.0f} s" if wait_s else ""
            raise _Trouble("server_busy" if status == 429 else "server_error", f"HTTP status {status}{asked}", wait_s)
        if status in (401, 402, 403, 404, 405) or status < 200 or 300 <= status < 400:
            raise self._server.refused(status, self._ref.ref)
        if status >= 400:
            return wire.failed(prompt, wire.refusal(prompt, status, answer.content))
        try:
            return wire.completion(prompt, answer.content, time.perf_counter() - started)
        except msgspec.DecodeError as exc:
            raise _Trouble("malformed_answer", "an answer that is no chat completion") from exc

    def _pause_s(self, tries: int, wait_s: float) -> float:
        """Full jitter, so that rows that failed together do not come back together; what the server asks for, first."""
        return wait_s + random.uniform(0.0, min(LONGEST_BACK_OFF_S, self._back_off_s * 2.0 ** min(tries - 1, 30)))

    def _is_at_work(self) -> bool:
        """Whether the server works at another request: it is then too busy for a row because of rows of ours."""
        return any(time.perf_counter() - sent_s > self._at_work_s for sent_s in self._sent_s.values())

    async def _look(self, client: httpx.AsyncClient, code: str, found: str) -> None:
        """Whether a row whose tries are spent, with no answer to any other meanwhile, failed by itself.

        Raises:
            EngineError: the server is gone, has no room for any request, or fails one row after another.
        """
        self._spent_in_a_row += 1
        if code == "server_busy" or self._spent_in_a_row >= SPENT_IN_A_ROW or not await self._is_there(client):
            raise self._server.silent(f"{found}, and no answer to another request meanwhile")

    async def _is_there(self, client: httpx.AsyncClient) -> bool:
        try:
            async with asyncio.timeout(min(LOOK_S, self._settings.timeout_s)):
                answer = await client.get(f"{self._server.url}/models")
        except (httpx.RequestError, TimeoutError):
            return False
        return answer.status_code not in (429, 502, 503, 504)


_Work: TypeAlias = Callable[[httpx.AsyncClient, Prompt], Coroutine[None, None, Completion]]


class _Courier:
    """Carries prompts to a server and completions back, in a thread with an event loop of its own.

    A caller may thus take its time between two completions, and Ctrl-C ends requests that would wait for minutes.
    """

    def __init__(self, work: _Work, server: Server, connections: int) -> None:
        self._work, self._done = work, SimpleQueue[Future[Completion]]()
        limits = httpx.Limits(max_connections=connections + 1, max_keepalive_connections=connections)
        # Redirects are not followed: they would take the prompts to another host. The whole try has its own limit.
        timeout = httpx.Timeout(None, connect=CONNECT_S)
        self._client = httpx.AsyncClient(headers=server.headers, limits=limits, timeout=timeout)
        self._loop = asyncio.new_event_loop()
        self._ended, self._running = asyncio.Event(), Event()
        self._thread = Thread(target=self._run, name="openai-engine", daemon=True)

    def __enter__(self) -> _Courier:
        self._thread.start()
        self._running.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, prompt: Prompt) -> None:
        asyncio.run_coroutine_threadsafe(self._work(self._client, prompt), self._loop).add_done_callback(self._done.put)

    def take(self) -> Completion:
        """The next completion, when there is one. Raises what its task raised."""
        return self._done.get().result()

    def close(self) -> None:
        """Drop what is in flight and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._wait())

    async def _wait(self) -> None:
        async with self._client:
            self._running.set()
            await self._ended.wait()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _End:
    pass


_END = _End()


def _spent(code: str, found: str) -> Fault:
    """The fault of a row whose tries are spent while the server serves others."""
    remedy = "The server's log tells why. Run again: rows that failed are made again."
    if code == "timeout":
        remedy = "Raise engine.timeout_s, or lower engine.concurrency or max_new_tokens; then run again."
    if code == "server_busy":
        remedy = "Lower engine.concurrency, or raise engine.max_retries; then run again."
    return Fault(code=code, found=found, expected="a completion", remedy=remedy)


_NOT_ENCODABLE = Fault(
    code="not_encodable",
    found="a lone surrogate",
    expected="valid Unicode",
    remedy="Remove it from the brief's cells.",
)
