"""An answer of an OpenAI-compatible server as it comes: server-sent events, put together to the one that they make."""

from __future__ import annotations

import httpx
import msgspec

from aigc.engine.listening import OnText
from aigc.records import Value

_END = "[DONE]"


class _Delta(Value, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Part(Value, frozen=True):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Event(Value, frozen=True):
    choices: list[_Part] = []


async def ask(client: httpx.AsyncClient, url: str, body: bytes, on_text: OnText | None) -> httpx.Response:
    """The server's answer to `body`. With `on_text` it is asked for as a stream, and ends when nobody wants more.

    A server that does not stream answers in one piece, and one that refuses says why as ever. A stream that holds
    something else than events is an answer of its last bytes, which nobody can read: it is tried again.
    """
    if on_text is None:
        return await client.post(url, content=body)
    streamed = msgspec.json.encode({**msgspec.json.decode(body, type=dict[str, msgspec.Raw]), "stream": True})
    async with client.stream("POST", url, content=streamed) as answer:
        if answer.status_code != 200 or "text/event-stream" not in answer.headers.get("Content-Type", ""):
            await answer.aread()
            return answer
        return httpx.Response(200, content=await _collected(answer, on_text))


async def _collected(answer: httpx.Response, on_text: OnText) -> bytes:
    """The events of a stream as the one answer that they make."""
    text, reason = "", "length"  # a stream that breaks off without a reason is not whole
    async for line in answer.aiter_lines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or not data:
            continue
        if data == _END:
            break
        try:
            parts = msgspec.json.decode(data, type=_Event).choices
        except msgspec.DecodeError:
            return data.encode()
        for part in parts[:1]:
            text += part.delta.content or part.delta.refusal or ""
            reason = part.finish_reason or reason
        if parts and not on_text(text):
            reason = "stop"
            break
    return msgspec.json.encode({"choices": [{"message": {"content": text}, "finish_reason": reason}]})
