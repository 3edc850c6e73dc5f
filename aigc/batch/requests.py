"""A request line of an OpenAI batch file: to a `ChatRequest`, or to the `Refusal` that answers it.

Nothing that a request asks for is dropped in silence: what cannot be done refuses its line and no other.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from aigc.batch.parameters import EXPECTED, FAULTS, IGNORED, KNOWN, NEUTRAL, Body, ResponseFormat, Turn
from aigc.errors import nearest, problem_text, shown
from aigc.hashing import digest, seed_of
from aigc.records import Fault, Message, Prompt, Sampling, Value

ENDPOINT = "/v1/chat/completions"
LONGEST_LINE = 16 << 20
"""Bytes of a line that are read at most, so that one line without an end cannot fill the memory."""
MODEL_UNKNOWN, BAD_REQUEST = 404, 400
JSON_OBJECT = '{"type":"object"}'
_MISSING = re.compile(r"missing required field `(\w+)`")


class ChatRequest(Value, frozen=True):
    """A request line that can be run. `choices` texts are asked for; each has a prompt of its own."""

    custom_id: str
    model: str
    messages: list[Message]
    sampling: Sampling
    seed: int | None
    choices: int
    json_schema: str | None

    def prompts(self, text_key: str, run_seed: int) -> list[Prompt]:
        """One prompt a choice. `text_key` names what makes the texts, as far as it decides them.

        Without a seed of its own a request has one made from its custom_id, so that going on gives the same texts.
        """
        own = [run_seed, self.custom_id] if self.seed is None else [self.seed]
        messages = [(message.role, message.content) for message in self.messages]
        prompts = []
        for choice in range(self.choices):
            seed = seed_of(*own, choice)
            identity = [self.custom_id, choice, messages, text_key, self.sampling.identity, str(seed), self.json_schema]
            prompts.append(Prompt(request_id=digest(identity), messages=self.messages, sampling=self.sampling,
                                  seed=seed, json_schema=self.json_schema))
        return prompts


class Refusal(Value, frozen=True):
    """Why a line has no answer. `status` is that of HTTP; None where the line is no request at all."""

    custom_id: str | None
    code: str
    message: str
    param: str | None = None
    status: int | None = None


class _Refused(Exception):
    """Raised inside this module for the first thing wrong with a line."""

    def __init__(self, code: str, param: str | None, found: str, expected: str, remedy: str,
                 status: int | None = BAD_REQUEST) -> None:
        super().__init__(code)
        self.code, self.param, self.status = code, param, status
        self.found, self.expected, self.remedy = found, expected, remedy

    def refusal(self, place: str, custom_id: str | None) -> Refusal:
        where = f"{place}, {self.param}" if self.param else place
        return Refusal(custom_id=custom_id, code=self.code, param=self.param, status=self.status,
                       message=problem_text(where, self.found, self.expected, self.remedy))


class _Named(Value, frozen=True):
    custom_id: str = ""


def custom_id_of(line: bytes) -> str:
    """The custom_id of a request line, empty where it has none that can be read."""
    try:
        return msgspec.json.decode(line, type=_Named).custom_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def read_request(
    line: bytes, place: str, *, defaults: Sampling, models: Collection[str], repeated: bool = False
) -> ChatRequest | Refusal:
    """What a line asks for. `models` are the names that the loaded model answers to, `repeated` says that an earlier
    line has its custom_id, `place` stands in messages (`requests.jsonl line 3`)."""
    custom_id: str | None = None
    try:
        envelope = _decoded(line)
        custom_id = _custom_id(envelope)
        if repeated:
            raise _Refused("duplicate_custom_id", "custom_id", "one that an earlier line has", "one of its own",
                           "Give every line another custom_id.", None)
        for key, wanted in (("method", "POST"), ("url", ENDPOINT)):
            if envelope.get(key) != wanted:
                code = f"invalid_{key}" if key in envelope else "missing_required_parameter"
                found = _described(envelope.get(key), quoted=True)
                raise _Refused(code, key, found, f"'{wanted}'", "Correct it.", None)
        return _request(custom_id, _body(envelope), defaults, models)
    except _Refused as exc:
        return exc.refusal(place, custom_id)


def refused(request: ChatRequest, fault: Fault, place: str) -> Refusal:
    """The refusal of a request that the engine could not answer."""
    code, param, remedy = FAULTS.get(fault.code, (fault.code, None, fault.remedy))
    problem = _Refused(code, param, fault.found, fault.expected, remedy)
    return problem.refusal(place, request.custom_id)


def _decoded(line: bytes) -> dict[str, object]:
    if len(line) > LONGEST_LINE:
        raise _Refused("line_too_long", None, "a longer line", f"at most {LONGEST_LINE >> 20} MiB", "Shorten it.", None)
    try:
        line.decode("utf-8")
        value = msgspec.json.decode(line)
    except UnicodeDecodeError as exc:
        raise _Refused("invalid_utf8", None, f"bytes that are not UTF-8 at offset {exc.start}", "UTF-8",
                       "Save the file as UTF-8.", None) from exc
    except (msgspec.DecodeError, RecursionError) as exc:
        raise _Refused("invalid_json_line", None, "what is not JSON", "one JSON object on one line",
                       "Correct the line.", None) from exc
    if not isinstance(value, dict):
        raise _Refused("invalid_json_line", None, _described(value), "a JSON object", "Correct the line.", None)
    return value


def _custom_id(envelope: dict[str, object]) -> str:
    custom_id = envelope.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        code = "missing_required_parameter" if custom_id is None else "invalid_value"
        raise _Refused(code, "custom_id", _described(custom_id), "a text that no other line has", "Add one.", None)
    return custom_id


def _body(envelope: dict[str, object]) -> Body:
    body = envelope.get("body")
    if not isinstance(body, dict):
        code = "missing_required_parameter" if body is None else "invalid_type"
        raise _Refused(code, "body", _described(body), "an object of parameters", "Correct it.")
    for key, value in body.items():
        _check_known(key, value)
    try:
        read = msgspec.convert(body, Body)
    except msgspec.ValidationError as exc:
        raise _misfit(str(exc), body) from exc
    for number, turn in enumerate(body["messages"]):
        for key, value in turn.items():
            if key not in ("role", "content") and value not in (None, []):
                raise _Refused("unsupported_parameter", f"messages[{number}].{key}", "a parameter of messages",
                               "role and content alone", "Leave it out.")
    return read


def _check_known(key: str, value: object) -> None:
    """Raise _Refused for a parameter that asks for what cannot be given."""
    if key in KNOWN or key in IGNORED or value is None:
        return
    if key not in NEUTRAL:
        raise _Refused("unknown_parameter", shown(key)[1:-1], "a parameter without a meaning here",
                       "one of docs/batch.md", f"Leave it out or correct its name.{nearest(key, sorted(KNOWN))}")
    if value not in NEUTRAL[key]:
        remedy = "Use response_format." if key.startswith(("guided_", "structured_")) else "Leave it out."
        raise _Refused("unsupported_parameter", key, "a parameter that is not supported",
                       "a chat completion of text alone", remedy)


def _misfit(reason: str, body: dict[str, object]) -> _Refused:
    """What msgspec says about a body, as a refusal that names the parameter."""
    text, _, place = reason.partition(" - at `$")
    path = place.rstrip("`").lstrip(".")
    if missing := _MISSING.search(text):
        path = f"{path}.{missing[1]}" if path else missing[1]
        key = missing[1]
        return _Refused("missing_required_parameter", path, "nothing", _expected(path, key), "Add it.")
    key = re.sub(r"\[\d+\]", "", path).rpartition(".")[2]
    code = "invalid_type" if ", got " in text else "invalid_value"
    if path.endswith(".type") and path.startswith("messages"):
        code, remedy = "unsupported_value", "Images, sound and files cannot be given."
    else:
        remedy = "Correct it."
    found = _described(_at(body, path), quoted=key in ("role", "type"))
    return _Refused(code, path, found, _expected(path, key), remedy)


def _expected(path: str, key: str) -> str:
    if path == "response_format.type":
        key = "response_format"
    return EXPECTED.get(key, "a value of the type in docs/batch.md")


def _at(value: object, path: str) -> object:
    """The value at msgspec's `path`, such as `messages[0].role`."""
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        if name and isinstance(value, dict):
            value = value.get(name)
        elif index and isinstance(value, list):
            value = value[int(index)]
    return value


def _described(value: object, *, quoted: bool = False) -> str:
    """`value` for a message: numbers as they are, texts only where `quoted`, so that no prompt is told."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return shown(value, 40)[1:-1]
    if isinstance(value, str):
        return shown(value) if quoted else f"a text of {len(value):,} characters"
    return f"a list of {len(value):,}" if isinstance(value, list) else "an object"


def _request(custom_id: str, body: Body, defaults: Sampling, models: Collection[str]) -> ChatRequest:
    if body.model and body.model not in models:
        raise _Refused("model_not_found", "model", shown(body.model), " or ".join(f"'{name}'" for name in models),
                       "Correct it, leave it out, or give the name with --served-model-name.", MODEL_UNKNOWN)
    return ChatRequest(
        custom_id=custom_id, model=body.model or next(iter(models)),
        messages=[_message(turn) for turn in body.messages], sampling=_sampling(body, defaults), seed=body.seed,
        choices=body.n or 1,
        json_schema=_json_schema(body.response_format),
    )


def _message(turn: Turn) -> Message:
    text = turn.content if isinstance(turn.content, str) else "\n".join(part.text for part in turn.content)
    return Message(role="system" if turn.role == "developer" else turn.role, content=text)


def _sampling(body: Body, defaults: Sampling) -> Sampling:
    given: dict[str, float | list[str] | None] = {
        "temperature": body.temperature, "top_p": body.top_p, "min_p": body.min_p,
        "top_k": None if body.top_k is None else max(body.top_k, 0), "repetition_penalty": body.repetition_penalty,
        "max_new_tokens": body.max_completion_tokens or body.max_tokens,
        "min_new_tokens": body.min_tokens,
        "stop": [body.stop] if isinstance(body.stop, str) else body.stop,
    }
    return msgspec.structs.replace(defaults, **{key: value for key, value in given.items() if value is not None})


def _json_schema(form: ResponseFormat | None) -> str | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return JSON_OBJECT
    if form.json_schema is None or form.json_schema.schema is None:
        raise _Refused("missing_required_parameter", "response_format.json_schema.schema", "nothing",
                       "a JSON schema as an object", "Add it, or ask for type 'json_object'.")
    return msgspec.json.encode(form.json_schema.schema).decode()  # in its own order: the fields are written in it
