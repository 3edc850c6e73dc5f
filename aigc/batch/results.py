"""Result lines as OpenAI's batch API writes them: a chat completion, or the error that stands in its place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from aigc.batch.lines import Line
from aigc.batch.requests import ChatRequest, Refusal
from aigc.disk import json_bytes
from aigc.records import Attempt, FinishReason, Value


class AssistantMessage(Value, frozen=True):
    role: Literal["assistant"]
    content: str
    refusal: None = None


class Choice(Value, frozen=True):
    index: int
    message: AssistantMessage
    logprobs: None
    finish_reason: FinishReason


class Usage(Value, frozen=True):
    """The prompt counts once, however many choices it has; the answers count together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Value, frozen=True):
    """`created` is in seconds since 1970, UTC. `system_fingerprint` stands for the engine that made the texts."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


class Error(Value, frozen=True):
    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Value, frozen=True):
    error: Error


class Response(Value, frozen=True):
    status_code: int
    request_id: str
    body: ChatCompletion | ErrorBody


class LineError(Value, frozen=True):
    """Why a line failed; `line` is its number in the requests file."""

    code: str
    message: str
    param: str | None
    line: int


class ResultLine(Value, frozen=True):
    """`response` is None where the line was no request at all. `error` is None exactly where there is an answer."""

    id: str
    custom_id: str | None
    response: Response | None
    error: LineError | None

    def encoded(self) -> bytes:
        return json_bytes(self) + b"\n"


def answered(request: ChatRequest, attempts: Sequence[Attempt], line: Line) -> ResultLine:
    """The result of a request with an attempt for each choice, none of them a fault."""
    made = [attempt.completion for attempt in attempts]
    tokens_in, tokens_out = made[0].tokens_in, sum(completion.tokens_out for completion in made)
    key = line.key
    body = ChatCompletion(
        id=f"chatcmpl-{key}",
        object="chat.completion",
        created=int(max(datetime.fromisoformat(attempt.created_at) for attempt in attempts).timestamp()),
        model=request.model,
        choices=[
            Choice(index=index, message=AssistantMessage(role="assistant", content=completion.text), logprobs=None,
                   finish_reason=completion.finish_reason)
            for index, completion in enumerate(made)
        ],
        usage=Usage(prompt_tokens=tokens_in, completion_tokens=tokens_out, total_tokens=tokens_in + tokens_out),
        system_fingerprint=f"fp_{attempts[0].engine.partition(':')[2][:12]}",
    )
    response = Response(status_code=200, request_id=f"req_{key}", body=body)
    return ResultLine(id=f"batch_req_{key}", custom_id=request.custom_id, response=response, error=None)


def failed(refusal: Refusal, line: Line) -> ResultLine:
    """The result of a line that has no answer."""
    key, response = line.key, None
    if refusal.status is not None:
        error = Error(message=refusal.message, type="invalid_request_error", param=refusal.param, code=refusal.code)
        response = Response(status_code=refusal.status, request_id=f"req_{key}", body=ErrorBody(error=error))
    error_line = LineError(code=refusal.code, message=refusal.message, param=refusal.param, line=line.number)
    return ResultLine(id=f"batch_req_{key}", custom_id=refusal.custom_id, response=response, error=error_line)
