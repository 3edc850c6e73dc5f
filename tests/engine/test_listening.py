"""A text heard as it comes: what was told stays as it is, whatever comes after it."""

from __future__ import annotations

import json

import pytest
from chat_server import Call, Reply, prompt, said, serving, settings

from aigc.engine.listening import settled_text
from aigc.engine.local import LocalEngine
from aigc.engine.openai import OpenAIEngine
from aigc.models import ModelRef
from aigc.records import Completion
from aigc.settings import EngineSettings

from . import tiny


@pytest.mark.parametrize(
    ("text", "stops", "settled"),
    [
        ("The sea", [], "The sea"),
        ("The se\ufffd", [], "The se"),
        ("a\ufffdb", [], "a\ufffdb"),
        ("Well.\n\nQues", ["\nQuestion:"], "Well.\n"),
        ("Well.\n\nQueen", ["\nQuestion:"], "Well.\n\nQueen"),
        ("END", ["END of all", "E"], ""),
    ],
)
def test_what_may_still_change_is_not_told(text: str, stops: list[str], settled: str) -> None:
    assert settled_text(text, stops) == settled


@pytest.fixture(scope="module", params=["Llama", "GPTNeo"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    kind: str = request.param
    return tiny.saved(tmp_path_factory.mktemp("listened"), kind, chat=kind == "Llama")


def spoken(model: ModelRef, most: int = 0, **sampling: object) -> tuple[list[str], Completion]:
    """What was heard of an answer, of which no more is wanted after `most` pieces, and what it was."""
    heard = list[str]()

    def hear(text: str) -> bool:
        heard.append(text)
        return not 0 < most <= len(heard)

    engine = LocalEngine(EngineSettings(device="cpu", dtype="float32", slots=4), model, on_text=hear)
    [completion] = engine.generate([tiny.prompt("a", **sampling)])
    return heard, completion


def test_every_piece_goes_on_from_the_one_before_whatever_bytes_make_a_character(model: ModelRef) -> None:
    heard, completion = spoken(model, max_new_tokens=60)
    assert all(after.startswith(before) for before, after in zip(heard, [*heard[1:], completion.text], strict=True))
    assert len({*heard}) > 10


def test_listening_changes_nothing_of_a_text(model: ModelRef) -> None:
    _, heard = spoken(model, max_new_tokens=40)
    [plain] = tiny.engine(model).generate([tiny.prompt("a", max_new_tokens=40)])
    assert (heard.text, heard.tokens_out_digest) == (plain.text, plain.tokens_out_digest)


def test_a_text_of_which_no_more_is_wanted_ends_there_and_the_engine_goes_on(model: ModelRef) -> None:
    heard, completion = spoken(model, most=5, max_new_tokens=60)
    assert (len(heard), completion.finish_reason, completion.tokens_out) == (5, "stop", 5)


# Servers


def events(*pieces: str, reason: str = "stop", end: bool = True) -> bytes:
    said_in_pieces = [{"delta": {"content": piece}} for piece in pieces]
    last = {"delta": {}, "finish_reason": reason}
    parts: list[object] = [{"delta": {"role": "assistant"}}, *said_in_pieces, last]
    lines = [f"data: {json.dumps({'choices': [part]})}\n\n" for part in (parts if end else parts[:-1])]
    return "".join([*lines, ": a comment\n\n", "data: [DONE]\n\n" if end else ""]).encode()


def streamed(*replies: bytes, most: int = 0) -> tuple[list[str], Completion, list[bool]]:
    heard, asked = list[str](), list[bool]()

    def plan(call: Call) -> Reply:
        asked.append(bool(call.body.get("stream")))
        body = replies[min(call.number, len(replies)) - 1]
        kind = "text/event-stream; charset=utf-8" if body.startswith(b"data:") else "application/json"
        return Reply(body=body, headers={"Content-Type": kind})

    def hear(text: str) -> bool:
        heard.append(text)
        return not 0 < most <= len(heard)

    with serving(plan) as server:
        model = ModelRef(ref="m", digest="sha256:m")
        engine = OpenAIEngine(settings(server, max_retries=2), model, back_off_s=0.01, on_text=hear)
        [completion] = engine.generate([prompt("sea")])
    return heard, completion, asked


def test_a_server_is_heard_as_it_answers() -> None:
    heard, completion, asked = streamed(events("The ", "sea ", "is 大", "海."))
    assert [text for text in heard if text][:2] == ["The ", "The sea "]
    assert (completion.text, completion.finish_reason, asked) == ("The sea is 大海.", "stop", [True])


def test_a_server_that_does_not_stream_answers_in_one_piece() -> None:
    heard, completion, _ = streamed(said("The sea."))
    assert (heard, completion.text) == ([], "The sea.")


@pytest.mark.parametrize(
    ("replies", "text", "reason"),
    [
        ([events("The ", "sea", reason="length")], "The sea", "length"),
        ([events("The ", "sea", end=False)], "The sea", "length"),
        ([b"data: {broken\n\n", events("The sea.")], "The sea.", "stop"),
    ],
)
def test_a_stream_that_breaks_off_is_not_whole_and_one_that_is_none_is_asked_for_again(
    replies: list[bytes], text: str, reason: str
) -> None:
    _, completion, _ = streamed(*replies)
    assert (completion.text, completion.finish_reason) == (text, reason)


def test_no_more_is_read_of_a_stream_than_is_wanted() -> None:
    heard, completion, _ = streamed(events("The ", "sea ", "is ", "wide."), most=3)
    assert (heard[-1], completion.text, completion.finish_reason) == ("The sea ", "The sea ", "stop")
