"""The openai engine against a real server on loopback that fails as it is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest
from chat_server import KEY, Call, ChatServer, Plan, Reply, prompt, said, serving, settings

from aigc.engine import open_engine
from aigc.engine.openai import OpenAIEngine
from aigc.engine.openai_server import open_server, served_model
from aigc.engine.openai_wire import retry_after_s
from aigc.errors import EngineError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt

MODEL = ModelRef(ref="m", digest="sha256:m")
SECRET = "the queen's private recipe"


def answers(server: ChatServer, *names: str, **changes: object) -> dict[str, Completion]:
    """Completions by the prompt's name; each prompt must be answered once."""
    engine = OpenAIEngine(settings(server, **changes), MODEL, back_off_s=0.01)
    found = list(engine.generate([prompt(name) for name in names]))
    assert sorted(completion.request_id for completion in found) == sorted(names)
    return {completion.request_id: completion for completion in found}


def only(text: str, reply: Reply, tries: int = 1000) -> Plan:
    """`reply` to the first `tries` requests with that text; all else is answered."""
    return lambda call: reply if call.text == text and call.number <= tries else Reply()


NAMES = [f"row-{index}" for index in range(40)]


def test_every_prompt_is_answered_once_and_never_more_at_once_than_the_bound() -> None:
    together = threading.Barrier(5)  # on a machine that is busy, five might never meet by chance

    def plan(call: Call) -> Reply:
        if call.text in NAMES[:5]:
            together.wait(30)
        return Reply(wait_s=0.002 * (sum(call.text.encode()) % 7))

    with serving(plan) as server:
        found = answers(server, *NAMES, concurrency=5)
    assert {name: completion.text for name, completion in found.items()} == {name: name[::-1] for name in NAMES}
    assert server.most_at_once == 5
    assert {(c.finish_reason, c.tokens_in, c.tokens_out, c.fault) for c in found.values()} == {("stop", 7, 5, None)}
    assert all(0 < completion.generate_s < 5 for completion in found.values())


def test_a_request_says_what_the_prompt_says() -> None:
    asked = prompt("a", seed=7, stop=["END"], schema='{"type":"object"}', temperature=0.5, top_p=0.9)
    with serving() as server:
        list(OpenAIEngine(settings(server), MODEL).generate([asked]))
    assert server.calls[0].body == {
        "model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 0.5, "top_p": 0.9,
        "max_tokens": 24, "seed": 7, "stop": ["END"], "response_format": {
            "type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {"type": "object"}}},
    }


def test_what_the_protocol_does_not_have_is_sent_only_where_it_says_something() -> None:
    with serving() as server:
        list(OpenAIEngine(settings(server), MODEL).generate([
            prompt("plain"), prompt("rich", top_k=40, min_p=0.1, repetition_penalty=1.1, min_new_tokens=3)]))
    extras = ("top_k", "min_p", "repetition_penalty", "min_tokens", "stop")
    sent = {call.text: {key: value for key, value in call.body.items() if key in extras} for call in server.calls}
    assert sent == {"plain": {}, "rich": {"top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1, "min_tokens": 3}}


@pytest.mark.parametrize("reply", [
    Reply(429), Reply(429, headers={"Retry-After": "0.1"}), Reply(500), Reply(503, b"<html>"), Reply(408), Reply(409),
    Reply(425), Reply(cut=True), Reply(body=b"{not json"), Reply(body=b'{"choices": []}'),
    Reply(body=b'{"choices": 1}'), Reply(wait_s=0.6),
], ids=["429", "429 with a time", "500", "503", "408", "409", "425", "cut", "no JSON", "no choice", "odd", "slow"])
def test_a_passing_fault_is_tried_again_and_touches_no_other_row(reply: Reply) -> None:
    with serving(only("row-3", reply, tries=2)) as server:
        found = answers(server, *NAMES[:8], timeout_s=0.3)
    assert {name: completion.text for name, completion in found.items()} == {name: name[::-1] for name in NAMES[:8]}
    assert {name: server.count(name) for name in NAMES[:8]} == {name: 3 if name == "row-3" else 1 for name in NAMES[:8]}


@pytest.mark.parametrize("header", ["1", lambda: formatdate(time.time() + 2, usegmt=True)], ids=["seconds", "date"])
def test_a_server_that_names_a_time_is_left_alone_until_then(header: str | Callable[[], str]) -> None:
    came: list[float] = []

    def plan(call: Call) -> Reply:
        came.append(time.monotonic())
        value = header if isinstance(header, str) else header()
        return Reply(429, headers={"Retry-After": value}) if call.number == 1 else Reply()

    with serving(plan) as server:
        assert answers(server, "a")["a"].text == "a"
    assert 0.95 <= came[1] - came[0] < 4


@pytest.mark.parametrize(("header", "low", "high"), [
    (None, 0, 0), ("", 0, 0), ("2.5", 2.5, 2.5), ("soon", 0, 0), ("-3", 0, 0),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), (formatdate(time.time() + 3600, usegmt=True), 3000, 3601),
], ids=["none", "empty", "seconds", "words", "negative", "past", "in an hour"])
def test_retry_after_is_read_as_seconds_or_date(header: str | None, low: float, high: float) -> None:
    assert low <= retry_after_s(header) <= high


@pytest.mark.parametrize(("reply", "code", "message"), [
    (Reply(400, b'{"error": {"message": "the queen\'s private recipe", "code": "bad_request"}}'),
     "request_refused", "HTTP status 400 (bad_request); a request that the server takes; The server's log tells why."),
    (Reply(422, b'{"detail": "Unexpected fields in the request: {\'top_k\'}"}'), "request_refused",
     "HTTP status 422, about top_k; a request that the server takes; Unset under [sampling]: top_k = 0."),
    (Reply(400, b'{"error": {"message": "no response_format: the queen\'s private recipe"}}'), "request_refused",
     "HTTP status 400, about response_format; a request that the server takes; "
     "Take a server that takes JSON schemas, or a content type whose output is text."),
    (Reply(400, b'{"message": "This model\'s maximum context length is 512 tokens", "code": 400}'), "prompt_too_long",
     "HTTP status 400: prompt and answer are longer than the model's context; both together within it; "
     "Shorten the brief's cells, lower max_new_tokens, or take a model with a longer context."),
    (Reply(413), "request_refused", "HTTP status 413; a request that the server takes; The server's log tells why."),
    (Reply(body=said("half", finish_reason="content_filter")), "content_filter",
     "an answer that the server's own filter withheld; a text; "
     "Reword the brief, or take a server without that filter."),
    (Reply(body=said("", finish_reason="tool_calls")), "unexpected_finish",
     "finish_reason 'tool_calls'; stop or length; Take a model that answers in text: no tools were offered to it."),
])
def test_a_refused_request_fails_its_row_alone_and_at_once(reply: Reply, code: str, message: str) -> None:
    with serving(only(SECRET, reply)) as server:
        found = answers(server, SECRET, "b", "c")
    bad = found[SECRET]
    assert bad.fault
    assert (bad.text, bad.finish_reason, bad.fault.code) == ("", "error", code)
    assert f"{bad.fault.found}; {bad.fault.expected}; {bad.fault.remedy}" == message
    assert server.count(SECRET) == 1
    assert (found["b"].text, found["c"].text) == ("b", "c")


def test_a_refusal_that_names_no_key_points_at_the_unusual_ones_that_were_sent() -> None:
    with serving(lambda _: Reply(400, b"{}")) as server:
        found = list(OpenAIEngine(settings(server), MODEL).generate([prompt("a", top_k=40, min_new_tokens=3)]))
    assert found[0].fault
    assert found[0].fault.remedy == (
        "Perhaps the server does not know these: unset under [sampling]: top_k = 0, min_new_tokens = 0.")


@pytest.mark.parametrize(("body", "text", "reason"), [
    (said("cut", finish_reason="length"), "cut", "length"),
    (said("whole", finish_reason=None), "whole", "stop"),
    (said("", message={"content": None, "refusal": "I cannot help."}), "I cannot help.", "stop"),
    (b'{"choices": [{"message": {"content": "bare"}, "finish_reason": "stop"}], "usage": null}', "bare", "stop"),
])
def test_an_answer_is_read_as_its_server_means_it(body: bytes, text: str, reason: str) -> None:
    with serving(lambda _: Reply(body=body)) as server:
        found = answers(server, "a")["a"]
    assert (found.text, found.finish_reason, found.fault) == (text, reason, None)


def test_a_lone_surrogate_fails_its_row_and_is_not_sent() -> None:
    with serving() as server:
        found = answers(server, "a", "b\ud800")
    assert found["b\ud800"].fault
    assert found["b\ud800"].fault.code == "not_encodable"
    assert [call.text for call in server.calls] == ["a"]


@pytest.mark.parametrize(("reply", "code", "found_text"), [
    (Reply(500), "server_error", "HTTP status 500, at try 3"),
    (Reply(409), "server_error", "HTTP status 409, at try 3"),
    (Reply(body=b"null"), "malformed_answer", "an answer that is no chat completion, at try 3"),
    (Reply(wait_s=0.4), "timeout", "no answer in 0.15 s, at try 3"),
])
def test_a_row_whose_tries_are_spent_fails_alone_while_others_are_answered(
    reply: Reply, code: str, found_text: str
) -> None:
    with serving(lambda call: reply if call.text == "bad" else Reply(wait_s=0.02)) as server:
        found = answers(server, "bad", *NAMES, max_retries=2, timeout_s=0.15, concurrency=2)
    assert found["bad"].fault
    assert (found["bad"].fault.code, found["bad"].fault.found) == (code, found_text)
    assert all(found[name].text == name[::-1] for name in NAMES)


def test_a_server_with_less_room_than_our_bound_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One slow request at a time is taken, the rest get 429, more often than a row may try."""
    monkeypatch.setattr("random.uniform", lambda _, high: high)  # or all tries may be over too soon

    def plan(call: Call) -> Reply:
        with lock:
            if busy:
                return Reply(429, body=b"{}")
            busy.append(call.text)
        time.sleep(0.15)
        busy.clear()
        return Reply()

    busy: list[str] = []
    lock = threading.Lock()
    with serving(plan) as server:
        found = answers(server, *NAMES[:4], max_retries=2)
    assert {name: completion.text for name, completion in found.items()} == {name: name[::-1] for name in NAMES[:4]}
    assert max(server.count(name) for name in NAMES[:4]) > 3


def test_a_last_row_that_breaks_a_server_that_lives_fails_alone() -> None:
    with serving(lambda _: Reply(500)) as server:
        fault = answers(server, "a", max_retries=1)["a"].fault
    assert fault
    assert (fault.code, server.asked_for_models) == ("server_error", 1)


@pytest.mark.parametrize(("status", "environ", "message"), [
    (401, {"OPENAI_API_KEY": KEY}, "found HTTP status 401 for the key in OPENAI_API_KEY; expected a key that may use "
     "'m'. Put the server's key in OPENAI_API_KEY."),
    (403, {}, "found HTTP status 403 for a request without a key; expected a key that may use 'm'. "
     "Put the server's key in OPENAI_API_KEY."),
    (402, {}, "found HTTP status 402; expected an account in credit. "
     "Pay, or take another server; then run again: the texts made so far are kept."),
    (404, {}, "found HTTP status 404 for model 'm'; expected a model it has. "
     "Take a model that `aigc doctor` names, or correct engine.url, which usually ends in /v1."),
    (405, {}, "found HTTP status 405; expected an OpenAI-compatible API. "
     "Correct engine.url: usually it ends in /v1."),
    (307, {}, "found HTTP status 307; expected an OpenAI-compatible API. "
     "Correct engine.url: usually it ends in /v1."),
])
def test_what_every_row_would_meet_ends_the_run_at_once(
    status: int, environ: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with serving(lambda _: Reply(status, headers={"Location": "/elsewhere"})) as server:
        with pytest.raises(EngineError) as raised:
            answers(server, *NAMES, concurrency=2)
        assert str(raised.value) == f"server {server.url[7:-3]}: {message}"
    assert len(server.calls) <= 2


def test_answers_that_came_before_the_error_are_given_before_it() -> None:
    with serving(lambda call: Reply() if call.text == "a" else Reply(401, wait_s=0.2)) as server:
        given = OpenAIEngine(settings(server), MODEL).generate([prompt("a"), prompt("b")])
        assert next(given).text == "a"
        with pytest.raises(EngineError, match="HTTP status 401"):
            next(given)


@pytest.mark.parametrize(("plan", "models", "found"), [
    (lambda _: Reply(cut=True), Reply(503), "a connection that was cut (RemoteProtocolError), at try 2"),
    (lambda _: Reply(wait_s=0.4), Reply(wait_s=0.4, status=502), "no answer in 0.1 s, at try 2"),
    (lambda _: Reply(429), ["m"], "HTTP status 429, at try 2"),
    (lambda _: Reply(429, headers={"Retry-After": "86400"}), ["m"], "HTTP status 429, to come back in 86,400 s"),
], ids=["cut", "slow", "busy", "busy for a day"])
def test_a_server_that_answers_nobody_ends_the_run(plan: Plan, models: list[str] | Reply, found: str) -> None:
    with serving(plan, models) as server, pytest.raises(EngineError) as raised:
        answers(server, *NAMES, max_retries=1, timeout_s=0.1, concurrency=2)
    assert str(raised.value) == (
        f"server {server.url[7:-3]}: found {found}, and no answer to another request meanwhile; expected a server that "
        "answers. Start it, or correct engine.url; then run again: the texts made so far are kept.")


def test_a_server_that_goes_away_ends_the_run_after_the_rows_it_made() -> None:
    with serving() as server:
        given = OpenAIEngine(settings(server, max_retries=1, concurrency=1), MODEL, back_off_s=0.01).generate(
            prompt(name) for name in NAMES)
        assert next(given).text == "0-wor"
    with pytest.raises(EngineError, match=r"found (no connection|a connection that was cut) \(.*\), at try 2"):
        list(given)


def test_rows_in_flight_when_the_server_dies_do_not_fail_for_answers_from_before() -> None:
    """The slow rows begin before the first answer and are cut after it."""
    with serving(lambda call: Reply() if call.text == "a" else Reply(wait_s=0.2, cut=True), Reply(503)) as server:
        given = OpenAIEngine(settings(server, max_retries=1), MODEL, back_off_s=0.01).generate(
            [prompt("a"), prompt("b"), prompt("c")])
        assert next(given).text == "a"
        with pytest.raises(EngineError, match="no answer to another request meanwhile"):
            next(given)


def test_a_server_that_fails_row_after_row_ends_the_run() -> None:
    with serving(lambda _: Reply(500)) as server, pytest.raises(EngineError, match="HTTP status 500, and no answer"):
        answers(server, *NAMES, max_retries=0)


def test_a_retry_joins_the_batch_that_is_running() -> None:
    """None is nothing now; what comes after a completion is taken while slow rows are still in flight."""
    taken: list[str] = []

    def prompts() -> Iterator[Prompt | None]:
        yield prompt("slow")
        yield prompt("quick")
        while "quick" not in taken:
            yield None
        yield prompt("again")
        while len(taken) < 3:
            yield None

    with serving(lambda call: Reply(wait_s=0.5 if call.text == "slow" else 0.0)) as server:
        for completion in OpenAIEngine(settings(server), MODEL).generate(prompts()):
            taken.append(completion.request_id)
    assert taken == ["quick", "again", "slow"]


def test_nothing_to_do_now_with_nothing_in_flight_ends() -> None:
    with serving() as server:
        assert list(OpenAIEngine(settings(server), MODEL).generate([None, prompt("a")])) == []


@pytest.mark.parametrize("end", ["generator", "engine"])
def test_closing_does_not_wait_for_requests_in_flight(end: str) -> None:
    with serving(lambda call: Reply(wait_s=0.0 if call.text == "a" else 2.0)) as server:
        engine = OpenAIEngine(settings(server), MODEL)
        given = engine.generate([prompt("a"), prompt("b")])
        assert next(given).text == "a"
        started = time.monotonic()
        engine.close() if end == "engine" else given.close()  # type: ignore[attr-defined]
        assert time.monotonic() - started < 1.0


def test_the_key_goes_into_its_header_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    caplog.set_level(logging.DEBUG)
    told = Reply(401, f'{{"error": {{"message": "wrong key {KEY}", "code": "{KEY}"}}}}'.encode())
    with serving(lambda call: told if call.text == "b" else Reply(400, told.body)) as server:
        asked = settings(server, key_variable="MY_KEY", concurrency=1)
        engine = OpenAIEngine(asked, served_model(asked, "m"))
        given = engine.generate([prompt("a"), prompt("b")])
        seen = [repr(next(given))]
        with pytest.raises(EngineError) as raised:
            next(given)
    assert [call.headers["Authorization"] for call in server.calls] == [f"Bearer {KEY}"] * 2
    assert KEY not in str([call.body for call in server.calls])
    causes = [raised.value, raised.value.__cause__, raised.value.__context__]
    seen += [f"{exc!r} {exc}" for exc in causes] + [caplog.text, repr(engine.info()), repr(open_server(asked))]
    assert [text for text in seen if KEY in text] == []


def test_the_engine_says_what_makes_its_texts() -> None:
    with serving() as server:
        info = open_engine(settings(server, concurrency=9), MODEL).info()
    assert (info.engine, info.model, info.model_digest, info.slots, info.batch_invariant, info.device) == (
        "openai", "m", "sha256:m", 9, False, server.url[7:-3])
