"""An engine that needs no model: dry runs, tests and the pipeline benchmark use it.

It answers by rule: text that fits the prompt's JSON schema (or plain sentences), decided by the prompt's seed alone, so
that runs, kills and resumes of it can be compared byte for byte as with a real model.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice, product
from typing import TypeAlias

import msgspec

from aigc.hashing import digest
from aigc.records import Completion, EngineInfo, Fault, Prompt

Script: TypeAlias = Callable[[Prompt], "str | Completion"]

_PARTS = tuple(part.split("/") for part in (
    "The morning light/A quiet harbour/Her neighbour/The baker/An old ferry/Every visitor/My sister/This teacher",
    "waits for/looks after/draws/remembers/asks about/walks along/keeps/carries/paints/listens to",
    "the green water/a box of letters/the stone streets/two of the boats/our garden/the slow clock/maps of the hills/"
    "the wet stairs/their new bread/the gulls/three brass keys/this wooden table",
    "before the winter comes/with patience/while the trains arrive/and tells nobody/by the light of the lamps/"
    "when it is time/and has to smile/in the rain/with not a word/in the old way/for a friend/on most days",
))
"""Sentences are one part of each line. Function words make them English for any filter."""
_SENTENCES, _SENTENCE_CHARS = 1009, 74


class ScriptedEngine:
    """Answers every prompt with `script(prompt)`: a text, or a whole completion (to play faults and cut-offs).

    `slots` prompts are in flight at a time and finish in an order that depends on their seeds, as in a real batch.
    """

    def __init__(self, script: Script | None = None, *, slots: int = 16, step_s: float = 0.0) -> None:
        self._script = script or answer
        self._slots, self._step_s = slots, step_s

    def info(self) -> EngineInfo:
        return EngineInfo(engine="scripted", model="scripted", model_digest=digest("scripted"), slots=self._slots)

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
    sentences = _sentences(prompt.seed)
    if prompt.json_schema is None:
        return " ".join(islice(sentences, 8))
    return msgspec.json.encode(_example(_decode_schema(prompt.json_schema), sentences)).decode()


def fault(code: str) -> Completion:
    """A completion that failed with `code`, for scripts that play faults."""
    problem = Fault(code=code, found="a scripted fault", expected="a text", remedy="None: this is a rehearsal.")
    return Completion(request_id="", text="", finish_reason="error", fault=problem)


class _End:
    pass


_END = _End()


class _Bounds(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a JSON schema that examples are made from."""

    type: str
    properties: dict[str, _Bounds] = {}
    items: _Bounds | None = None
    min_items: int = 1
    min_length: int = 1
    max_length: int = 400
    enum: list[str] = []


@cache
def _decode_schema(text: str) -> _Bounds:
    return msgspec.json.decode(text, type=_Bounds)


def _example(schema: _Bounds, sentences: Iterator[str]) -> object:
    if schema.type == "object":
        return {name: _example(part, sentences) for name, part in schema.properties.items()}
    if schema.items:
        return [_example(schema.items, sentences) for _ in range(schema.min_items)]
    if schema.enum:
        return schema.enum[0]
    text, enough = next(sentences), schema.min_length + (schema.max_length - schema.min_length) // 4
    while len(text) < enough:
        text += " " + next(sentences)
    longest = schema.max_length - 2  # a text that fills its limit is one that was cut off there
    return text if len(text) <= longest else text[: max(longest - 1, 1)].rstrip(" .") + "."


@cache
def _all_sentences() -> list[str]:
    """As many as a prime number, so that steps of any length reach all of them."""
    short = [text for text in (f"{' '.join(parts)}." for parts in product(*_PARTS)) if len(text) <= _SENTENCE_CHARS]
    random.Random(0).shuffle(short)
    return short[:_SENTENCES]


def _sentences(seed: int) -> Iterator[str]:
    """Sentences in an order that `seed` decides, none twice before all were there."""
    every = _all_sentences()
    step, at = divmod(seed, _SENTENCES)
    step = 1 + step % (_SENTENCES - 1)
    while True:
        yield every[at]
        at = (at + step) % _SENTENCES
