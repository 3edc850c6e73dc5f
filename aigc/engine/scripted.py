"""An engine that needs no model: dry runs, tests and the pipeline benchmark use it.

It answers by rule: text that fits the prompt's JSON schema (or plain sentences), decided by the prompt's seed alone, so
that runs, kills and resumes of it can be compared byte for byte as with a real model. A prompt that is mostly Chinese
is answered in Chinese, any other in English.
"""

from __future__ import annotations

import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice, product
from typing import NamedTuple, TypeAlias

import msgspec

from aigc.hashing import digest
from aigc.records import Completion, EngineInfo, Fault, Prompt

Script: TypeAlias = Callable[[Prompt], "str | Completion"]


class _Tongue(NamedTuple):
    """A language's sentences: one part of each line, what joins and ends them, the longest, how many make a text."""

    parts: tuple[str, ...]
    joint: str
    end: str
    most_chars: int
    enough: int


_ENGLISH = _Tongue(parts=(
    "The morning light/A quiet harbour/Her neighbour/The baker/An old ferry/Every visitor/My sister/This teacher",
    "waits for/looks after/draws/remembers/asks about/walks along/keeps/carries/paints/listens to",
    "the green water/a box of letters/the stone streets/two of the boats/our garden/the slow clock/maps of the hills/"
    "the wet stairs/their new bread/the gulls/three brass keys/this wooden table",
    "before the winter comes/with patience/while the trains arrive/and tells nobody/by the light of the lamps/"
    "when it is time/and has to smile/in the rain/with not a word/in the old way/for a friend/on most days",
), joint=" ", end=".", most_chars=74, enough=8)
"""Function words make them English for any filter."""
_CHINESE = _Tongue(parts=(
    "清晨的阳光/安静的港口/隔壁的邻居/街角的面包师/那艘旧渡船/每一位游客/我的妹妹/这位老师",
    "在冬天来临以前/很有耐心地/趁火车进站时/悄悄地/在灯下/一到时候就/笑着/在雨里/一言不发地/照着老法子/为一位朋友/几乎每天都",
    "等着/照看着/画着/惦记着/打听着/守着/数着/收拾着/端详着/想着",
    "碧绿的河水/一盒旧信/青石板路/两条小船/我们的花园/那座慢钟/山里的地图/湿漉漉的台阶/新出炉的面包/岸边的海鸥/三把铜钥匙/这张木桌",
), joint="", end="。", most_chars=24, enough=12)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LETTERS = re.compile(r"[A-Za-z\u3040-\u30ff]")
"""Latin and kana, which are not Chinese."""
_SENTENCES = 1009


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
    """Sentences, or JSON within the prompt's schema, chosen by the prompt's seed, in the prompt's language."""
    tongue = _CHINESE if _is_chinese(prompt) else _ENGLISH
    sentences = _sentences(prompt.seed, tongue)
    if prompt.json_schema is None:
        return tongue.joint.join(islice(sentences, tongue.enough))
    return msgspec.json.encode(_example(_decode_schema(prompt.json_schema), sentences, tongue)).decode()


def fault(code: str) -> Completion:
    """A completion that failed with `code`, for scripts that play faults."""
    problem = Fault(code=code, found="a scripted fault", expected="a text", remedy="None: this is a rehearsal.")
    return Completion(request_id="", text="", finish_reason="error", fault=problem)


def _is_chinese(prompt: Prompt) -> bool:
    text = "".join(message.content for message in prompt.messages)
    return not text.isascii() and len(_HAN.findall(text)) > len(_LETTERS.findall(text))


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


def _example(schema: _Bounds, sentences: Iterator[str], tongue: _Tongue) -> object:
    if schema.type == "object":
        return {name: _example(part, sentences, tongue) for name, part in schema.properties.items()}
    if schema.items:
        return [_example(schema.items, sentences, tongue) for _ in range(schema.min_items)]
    if schema.enum:
        return schema.enum[0]
    text, enough = next(sentences), schema.min_length + (schema.max_length - schema.min_length) // 4
    while len(text) < enough:
        text += tongue.joint + next(sentences)
    longest = schema.max_length - 2  # a text that fills its limit is one that was cut off there
    return text if len(text) <= longest else text[: max(longest - 1, 1)].rstrip(f" {tongue.end}") + tongue.end


@cache
def _all_sentences(tongue: _Tongue) -> list[str]:
    """As many as a prime number, so that steps of any length reach all of them."""
    every = (tongue.joint.join(parts) + tongue.end for parts in product(*(part.split("/") for part in tongue.parts)))
    short = [text for text in every if len(text) <= tongue.most_chars]
    random.Random(0).shuffle(short)
    return short[:_SENTENCES]


def _sentences(seed: int, tongue: _Tongue) -> Iterator[str]:
    """Sentences in an order that `seed` decides, none twice before all were there."""
    every = _all_sentences(tongue)
    step, at = divmod(seed, _SENTENCES)
    step = 1 + step % (_SENTENCES - 1)
    while True:
        yield every[at]
        at = (at + step) % _SENTENCES
