"""An engine that needs no model: dry runs, tests and the pipeline benchmark use it.

It answers by rule: text that fits the prompt's JSON schema (or plain sentences), decided by the prompt's seed alone, so
that runs, kills and resumes of it can be compared byte for byte as with a real model.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import msgspec

from aigc.records import Completion, EngineInfo, Fault, Prompt

Script: TypeAlias = Callable[[Prompt], "str | Completion"]

_WORDS = (
    "the morning light falls on a quiet harbour where old boats wait for new paint and the baker opens early "
    "with warm bread for people who walk slowly along stone streets toward work or school while gulls argue "
    "above green water and somebody somewhere practises a song that will be ready before winter comes again "
    "to these hills with snow and stories about travellers lamps letters maps gardens clocks"
).split()


class ScriptedEngine:
    """Answers every prompt with `script(prompt)`: a text, or a whole completion (to play faults and cut-offs).

    `slots` prompts are in flight at a time and finish in an order that depends on their seeds, as in a real batch.
    """

    def __init__(self, script: Script | None = None, *, slots: int = 16, step_s: float = 0.0) -> None:
        self._script = script or answer
        self._slots, self._step_s = slots, step_s

    def info(self) -> EngineInfo:
        return EngineInfo(engine="scripted", model="scripted", model_digest="sha256:scripted", slots=self._slots)

    def generate(self, prompts: Iterable[Prompt | None]) -> Iterator[Completion]:
        source, in_flight = iter(prompts), deque[Prompt]()
        more = True
        while True:
            while more and len(in_flight) < self._slots:
                prompt = next(source, _END)
                more = not isinstance(prompt, _End)
                if prompt is None or isinstance(prompt, _End):
                    break
                in_flight.append(prompt)
            if not in_flight:
                return
            in_flight.rotate(-(in_flight[0].seed % len(in_flight)))
            yield self._complete(in_flight.popleft())

    def close(self) -> None:
        """Nothing to release."""

    def _complete(self, prompt: Prompt) -> Completion:
        if self._step_s:
            time.sleep(self._step_s)
        given = self._script(prompt)
        if isinstance(given, Completion):
            return msgspec.structs.replace(given, request_id=prompt.request_id)
        tokens_in = sum(len(message.content) for message in prompt.messages) // 4
        return Completion(
            request_id=prompt.request_id,
            text=given,
            finish_reason="stop",
            tokens_in=tokens_in,
            tokens_out=max(1, len(given) // 4),
            generate_s=self._step_s,
        )


def answer(prompt: Prompt) -> str:
    """Sentences, or JSON within the prompt's schema, chosen by the prompt's seed."""
    rng = random.Random(prompt.seed)
    if prompt.json_schema is None:
        return " ".join(_sentence(rng) for _ in range(8))
    return msgspec.json.encode(_example(_decode_schema(prompt.json_schema), rng)).decode()


def fault(code: str) -> Completion:
    """A completion that failed with `code`, for scripts that play faults."""
    problem = Fault(code=code, found="a scripted fault", expected="a text", remedy="None: this is a rehearsal.")
    return Completion(request_id="", text="", finish_reason="error", fault=problem)


class _End:
    pass


_END = _End()
_Schema: TypeAlias = "dict[str, object]"
_schemas: dict[str, _Schema] = {}


def _decode_schema(text: str) -> _Schema:
    if text not in _schemas:
        _schemas[text] = msgspec.json.decode(text, type=dict[str, object])
    return _schemas[text]


def _example(schema: _Schema, rng: random.Random) -> object:
    if schema["type"] == "object":
        properties = msgspec.convert(schema["properties"], dict[str, dict[str, object]])
        return {name: _example(part, rng) for name, part in properties.items()}
    if schema["type"] == "array":
        entry = msgspec.convert(schema["items"], dict[str, object])
        return [_example(entry, rng) for _ in range(msgspec.convert(schema.get("minItems", 1), int))]
    shortest = msgspec.convert(schema.get("minLength", 1), int)
    longest = msgspec.convert(schema.get("maxLength", 400), int)
    text = _sentence(rng)
    while len(text) < shortest:
        text += " " + _sentence(rng)
    return text[: max(longest - 1, 1)].rstrip(" .") + "." if len(text) > longest else text


def _sentence(rng: random.Random) -> str:
    start = rng.randrange(len(_WORDS) - 12)
    words = _WORDS[start : start + rng.randrange(7, 12)]
    return f"{words[0].capitalize()} {' '.join(words[1:])} {rng.choice(_WORDS)}."
