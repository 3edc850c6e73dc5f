"""The chat-completions protocol: a prompt as a request's body, an answer as a completion, a refusal as a fault.

Servers quote the request in their errors, so nothing of an error's text goes into a fault: it is searched for the names
of keys that were sent, and those are told.
"""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

import msgspec

from aigc.errors import shown
from aigc.records import Completion, Fault, FinishReason, Prompt, Value

NEUTRAL: dict[str, float] = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "min_tokens": 0}
"""Keys that the protocol does not have and vLLM, SGLang and llama.cpp take: sent only where they say something."""
_SETTINGS = {"min_tokens": "min_new_tokens"}
"""Keys that are called otherwise in the settings."""
FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length"}
_TOO_LONG = re.compile(r"context.{0,20}(length|window|size)|maximum.{0,20}length|too long", re.I)
_CODE = re.compile(r"[A-Za-z_]{1,40}")


def body(prompt: Prompt, model: str) -> bytes:
    """The request for `prompt` as JSON.

    Raises:
        UnicodeEncodeError: a message holds a lone surrogate.
    """
    sampling = prompt.sampling
    request: dict[str, object] = {
        "model": model,
        "messages": prompt.messages,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
        "seed": prompt.seed,
    }
    if sampling.stop:  # an empty list is an error at some servers
        request["stop"] = sampling.stop
    request |= _extras(prompt)
    if prompt.json_schema:
        schema = {"name": "answer", "strict": True, "schema": msgspec.Raw(prompt.json_schema.encode())}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    return msgspec.json.encode(request)


class _Usage(Value, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Message(Value, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(Value, frozen=True):
    message: _Message
    finish_reason: str | None = None


class _Answer(Value, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


def completion(prompt: Prompt, answer: bytes, generate_s: float) -> Completion:
    """The server's answer as a completion. A model's refusal is a text as any other: a filter judges it.

    Raises:
        msgspec.DecodeError: it is not JSON, or not an answer with a choice.
    """
    read = msgspec.json.decode(answer, type=_Answer)
    if not read.choices:
        raise msgspec.DecodeError("no choices")
    choice, usage = read.choices[0], read.usage or _Usage()
    reason = choice.finish_reason or "stop"
    fault = None if reason in FINISHED else _unfinished(reason)
    return Completion(
        request_id=prompt.request_id,
        text="" if fault else choice.message.content or choice.message.refusal or "",
        finish_reason=FINISHED.get(reason, "error"),
        tokens_in=usage.prompt_tokens or 0,
        tokens_out=usage.completion_tokens or 0,
        generate_s=round(generate_s, 4),
        fault=fault,
    )


def failed(prompt: Prompt, fault: Fault) -> Completion:
    return Completion(request_id=prompt.request_id, text="", finish_reason="error", fault=fault)


def refusal(prompt: Prompt, status: int, answer: bytes) -> Fault:
    """Why the server did not take this one request."""
    said = answer[:20_000].decode("utf-8", "replace")
    if _TOO_LONG.search(said):
        return Fault(
            code="prompt_too_long",
            found=f"HTTP status {status}: prompt and answer are longer than the model's context",
            expected="both together within it",
            remedy="Shorten the brief's cells, lower max_new_tokens, or take a model with a longer context.",
        )
    named = [key for key in (*NEUTRAL, "response_format", "max_tokens") if re.search(rf"\b{key}\b", said)]
    code = _code(answer)
    about = f", about {' and '.join(named)}" if named else ""
    return Fault(
        code="request_refused",
        found=f"HTTP status {status}" + (f" ({code})" if code else "") + about,
        expected="a request that the server takes",
        remedy=_remedy(named, list(_extras(prompt))),
    )


def retry_after_s(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, as a number or as a date (RFC 9110, 10.2.3); 0 without one."""
    if not header:
        return 0.0
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _extras(prompt: Prompt) -> dict[str, float]:
    """What this prompt sends beyond the protocol."""
    values = {key: getattr(prompt.sampling, _SETTINGS.get(key, key)) for key in NEUTRAL}
    return {key: value for key, value in values.items() if value != NEUTRAL[key]}


def _remedy(named: list[str], sent: list[str]) -> str:
    if unknown := [key for key in named if key in NEUTRAL] or ([] if named else sent):
        unset = ", ".join(f"{_SETTINGS.get(key, key)} = {NEUTRAL[key]:g}" for key in unknown)
        return f"{'Unset' if named else 'Perhaps the server does not know these: unset'} under [sampling]: {unset}."
    if "response_format" in named:
        return "Take a server that takes JSON schemas, or a content type whose output is text."
    if "max_tokens" in named:
        return "Lower max_new_tokens under [sampling], or take another model."
    return "The server's log tells why."


class _Error(Value, frozen=True):
    code: str | int | None = None
    type: str | None = None


class _Refusal(Value, frozen=True):
    error: _Error | str | None = None


def _code(answer: bytes) -> str:
    """The error's code where it is a word of letters: no text of the request, and no key."""
    try:
        error = msgspec.json.decode(answer, type=_Refusal).error
    except msgspec.DecodeError:
        return ""
    names = (error.code, error.type) if isinstance(error, _Error) else ()
    return next((name for name in names if isinstance(name, str) and _CODE.fullmatch(name)), "")


def _unfinished(reason: str) -> Fault:
    if reason == "content_filter":
        return Fault(
            code="content_filter",
            found="an answer that the server's own filter withheld",
            expected="a text",
            remedy="Reword the brief, or take a server without that filter.",
        )
    return Fault(
        code="unexpected_finish",
        found=f"finish_reason {shown(reason, 40)}",
        expected="stop or length",
        remedy="Take a model that answers in text: no tools were offered to it.",
    )
