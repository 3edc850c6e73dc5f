"""OpenAI batch files: what a line asks for, what refuses it, and results that no stop can lose or double."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aigc.batch import BatchOrder, journal_folder, run_batch
from aigc.batch.lines import RequestFile
from aigc.batch.requests import LONGEST_LINE, ChatRequest, Refusal, read_request
from aigc.batch.run import Batch, Meaning
from aigc.engine.scripted import ScriptedEngine, answer, fault
from aigc.errors import AigcError, BatchError, UsageError
from aigc.records import Completion, Message, Prompt, Sampling
from aigc.store import JOURNAL, Store

HELLO = [{"role": "user", "content": "Secret greeting"}]
MEANING = Meaning(defaults=Sampling(temperature=1.0), models=["m"], text_key="m bfloat16", seed=0)


class Power(Exception):
    """The lights go out."""


def line(custom_id: str | None = "a", **body: Any) -> str:
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions",
                       "body": {"messages": HELLO, **body}})


def read(text: str | bytes, **given: Any) -> ChatRequest | Refusal:
    data = text.encode() if isinstance(text, str) else text
    return read_request(data, "r.jsonl line 1", **{"defaults": MEANING.defaults, "models": ["m"], **given})


def asked(**body: Any) -> ChatRequest:
    request = read(line(**body))
    assert isinstance(request, ChatRequest), request
    return request


@pytest.mark.parametrize(("body", "expected"), [
    ({}, Sampling(temperature=1.0)),
    ({"temperature": 0, "top_p": 0.9, "max_tokens": 7}, Sampling(temperature=0.0, top_p=0.9, max_new_tokens=7)),
    ({"max_tokens": 7, "max_completion_tokens": 9}, Sampling(temperature=1.0, max_new_tokens=9)),
    ({"stop": "x"}, Sampling(temperature=1.0, stop=["x"])),
    ({"stop": ["x", "y"]}, Sampling(temperature=1.0, stop=["x", "y"])),
    ({"top_k": -1, "min_p": 0.1, "repetition_penalty": 1.2},
     Sampling(temperature=1.0, top_k=0, min_p=0.1, repetition_penalty=1.2)),
    ({"min_tokens": 5}, Sampling(temperature=1.0, min_new_tokens=5)),
    ({"temperature": None, "stop": None, "n": None}, Sampling(temperature=1.0)),
])
def test_parameters_become_sampling(body: dict[str, Any], expected: Sampling) -> None:
    assert asked(**body).sampling == expected


def test_roles_and_text_parts_become_messages() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    turns = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts},
             {"role": "assistant", "content": "Yes?", "refusal": None, "tool_calls": []}, *HELLO]
    assert asked(messages=turns).messages == [
        Message(role="system", content="Be brief."), Message(role="user", content="one\ntwo"),
        Message(role="assistant", content="Yes?"), Message(role="user", content="Secret greeting")]


@pytest.mark.parametrize(("form", "schema"), [
    (None, None), ({"type": "text"}, None), ({"type": "json_object"}, '{"type":"object"}'),
    ({"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object", "a": 1}}},
     '{"type":"object","a":1}'),
], ids=["none", "text", "json_object", "json_schema"])
def test_a_response_format_becomes_a_schema_in_its_own_order(form: Any, schema: str | None) -> None:
    assert asked(response_format=form).json_schema == schema


def test_parameters_that_ask_for_nothing_are_taken() -> None:
    assert asked(stream=False, tools=None, logprobs=False, presence_penalty=0, logit_bias={}, user="u",
                 metadata={"a": "b"}, parallel_tool_calls=True, model="") == asked()


BAD_LINES: list[tuple[str | bytes, str, int | None, str]] = [
    ("{nope", "invalid_json_line", None, "found what is not JSON; expected one JSON object on one line."),
    ("[" * 100_000, "invalid_json_line", None, "found what is not JSON"),
    ("[1]", "invalid_json_line", None, "found a list of 1; expected a JSON object."),
    (b'{"custom_id":"\xff"}', "invalid_utf8", None, "found bytes that are not UTF-8 at offset 14"),
    (" " * (LONGEST_LINE + 1), "line_too_long", None, "found a longer line; expected at most 16 MiB."),
    (line(None), "missing_required_parameter", None, "custom_id: found nothing; expected a text that no other line"),
    (line().replace("POST", "GET"), "invalid_method", None, "method: found 'GET'; expected 'POST'."),
    (line().replace("chat/completions", "embeddings"), "invalid_url", None, "expected '/v1/chat/completions'."),
    ('{"custom_id":"a","method":"POST","url":"/v1/chat/completions"}', "missing_required_parameter", 400,
     "body: found nothing; expected an object of parameters."),
    (line(model="gpt"), "model_not_found", 404,
     "model: found 'gpt'; expected 'm'. Correct it, leave it out, or give the name with --served-model-name."),
    (line(messages=[]), "invalid_value", 400, "messages: found a list of 0; expected a list of at least one message."),
    (line(messages="Secret"), "invalid_type", 400, "messages: found a text of 6 characters;"),
    (line(messages=[{"role": "user"}]), "missing_required_parameter", 400,
     "messages[0].content: found nothing; expected a text or a list of text parts. Add it."),
    (line(messages=[*HELLO, {"role": "tool", "content": "x"}]), "invalid_value", 400,
     "messages[1].role: found 'tool'; expected 'system', 'developer', 'user' or 'assistant'."),
    (line(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
     "unsupported_value", 400,
     "messages[0].content[0].type: found 'image_url'; expected 'text'. Images, sound and files cannot be given."),
    (line(messages=[{"role": "assistant", "content": "x", "tool_calls": [1]}]), "unsupported_parameter", 400,
     "messages[0].tool_calls: found a parameter of messages; expected role and content alone. Leave it out."),
    (line(temperature=9), "invalid_value", 400, "temperature: found 9; expected a number from 0 to 5. Correct it."),
    (line(n="2"), "invalid_type", 400, "n: found a text of 1 characters; expected a whole number from 1 to 128."),
    (line(stop=["ok", ""]), "invalid_value", 400, "stop[1]: found a text of 0 characters;"),
    (line(temprature=1), "unknown_parameter", 400, "Did you mean 'temperature'?"),
    (line(guided_json={}), "unsupported_parameter", 400, "Use response_format."),
    (line(response_format={"type": "json_schema"}), "missing_required_parameter", 400,
     "response_format.json_schema.schema: found nothing;"),
    (line(response_format={"type": "grammar"}), "invalid_value", 400, "'text', 'json_object' or 'json_schema'."),
    *[(line(**{key: value}), "unsupported_parameter", 400, f"{key}: found a parameter that is not supported;")
      for key, value in (("tools", [{}]), ("stream", True), ("logprobs", True), ("audio", {}),
                         ("logit_bias", {"1": 2}))],
]


@pytest.mark.parametrize(("text", "code", "status", "message"), BAD_LINES,
                         ids=[f"{code} {number}" for number, (_, code, _, _) in enumerate(BAD_LINES)])
def test_a_bad_line_is_refused_by_name(text: str | bytes, code: str, status: int | None, message: str) -> None:
    refusal = read(text)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.status) == (code, status)
    assert message in refusal.message
    assert refusal.message.startswith("r.jsonl line 1")
    assert "Secret" not in refusal.message


def test_what_decides_a_text_decides_its_request_id() -> None:
    def ids(request: ChatRequest, key: str = "m", seed: int = 0) -> list[str]:
        return [prompt.request_id for prompt in request.prompts(key, seed)]

    plain = ids(asked())
    assert ids(asked(user="someone else", stream=False)) == plain
    others = [asked(temperature=0), asked(seed=1), asked(max_tokens=5), asked(messages=[*HELLO, *HELLO]),
              asked(response_format={"type": "json_object"})]
    assert len({plain[0], *(ids(other)[0] for other in others), ids(asked(), "m2")[0], ids(asked(), "m", 1)[0]}) == 8
    assert len(set(ids(asked(n=3, seed=5)))) == 3
    assert ids(asked(n=3))[0] == plain[0], "one choice more leaves the others as they are"


def run(folder: Path, script: Callable[[Prompt], str | Completion] = answer, *, errors: bool = False,
        **meaning: Any) -> tuple[list[dict[str, Any]], Batch]:
    """One session over folder/r.jsonl: its result lines, errors last where they are apart."""
    requests = RequestFile(folder / "r.jsonl")
    requests.survey()
    there = (folder / "journal" / JOURNAL).exists()
    meant = Meaning(**{name: getattr(MEANING, name) for name in MEANING.__struct_fields__} | meaning)
    with (Store.open if there else Store.create)(folder / "journal") as store:
        batch = Batch(requests, meant, ScriptedEngine(script, slots=4), store)
        batch.generate()
        batch.write(folder / "out.jsonl", folder / "errors.jsonl" if errors else None)
    names = ["out.jsonl", *(["errors.jsonl"] if errors else [])]
    return [json.loads(text) for name in names for text in (folder / name).read_text().splitlines()], batch


def requests(folder: Path, *lines: str) -> None:
    (folder / "r.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def contents(results: list[dict[str, Any]]) -> list[str]:
    return [choice["message"]["content"] for result in results for choice in result["response"]["body"]["choices"]]


def test_an_answer_is_a_chat_completion_as_openai_writes_it(tmp_path: Path) -> None:
    def script(prompt: Prompt) -> Completion:
        return Completion(request_id="", text="Hi.", finish_reason="length", tokens_in=5, tokens_out=3)

    requests(tmp_path, line("a", n=2))
    [result], _ = run(tmp_path, script)
    body = result["response"]["body"]
    assert list(result) == ["id", "custom_id", "response", "error"]
    assert (result["custom_id"], result["error"], result["response"]["status_code"]) == ("a", None, 200)
    assert list(body) == ["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]
    assert (body["object"], body["model"]) == ("chat.completion", "m")
    assert body["choices"][1] == {"index": 1, "message": {"role": "assistant", "content": "Hi.", "refusal": None},
                                  "logprobs": None, "finish_reason": "length"}
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}


def test_results_stand_in_the_order_of_the_requests_and_bad_lines_stop_none(tmp_path: Path) -> None:
    requests(tmp_path, line("a"), "{nope", line("b"), line("a"), "", line("c", tools=[1]), *map(line, "defghijk"))
    results, batch = run(tmp_path)
    assert [result["custom_id"] for result in results] == ["a", None, "b", "a", "c", *"defghijk"]
    errors = {index: result["error"] for index, result in enumerate(results) if result["error"]}
    assert [(index, error["code"], error["line"]) for index, error in errors.items()] == [
        (1, "invalid_json_line", 2), (3, "duplicate_custom_id", 4), (4, "unsupported_parameter", 6)]
    assert results[1]["response"] is None
    assert results[4]["response"]["body"]["error"]["type"] == "invalid_request_error"
    assert len({result["id"] for result in results}) == len(results)
    assert (batch.tally.done, batch.tally.total, batch.tally.accepted) == (13, 13, 10)


def test_errors_can_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    requests(tmp_path, line("a"), "{nope", line("b"))
    results, _ = run(tmp_path, errors=True)
    assert [result["custom_id"] for result in results] == ["a", "b", None]
    assert len((tmp_path / "errors.jsonl").read_text().splitlines()) == 1


def test_an_engine_fault_is_its_lines_error_and_is_tried_again_the_next_time(tmp_path: Path) -> None:
    requests(tmp_path, line("a"), line("b", n=2))
    [first, second], _ = run(tmp_path, lambda prompt: fault("prompt_too_long") if prompt.seed % 2 else answer(prompt))
    failed = [result for result in (first, second) if result["error"]]
    assert failed
    assert failed[0]["response"]["status_code"] == 400
    assert failed[0]["response"]["body"]["error"]["code"] == failed[0]["error"]["code"] == "context_length_exceeded"
    assert "Shorten the messages, lower max_tokens" in failed[0]["error"]["message"]
    results, batch = run(tmp_path)
    assert [result["error"] for result in results] == [None, None]
    assert 0 < batch.tally.attempts < 3, "what was answered is not made again"


def test_a_stopped_batch_goes_on_with_nothing_lost_or_made_twice(tmp_path: Path) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    for folder in (stopped, whole):
        folder.mkdir()
        requests(folder, *(line(f"r{number}", n=1 + number % 2) for number in range(40)))
    left = iter(range(25))

    def dying(prompt: Prompt) -> str:
        if next(left, None) is None:
            raise Power
        return answer(prompt)

    with pytest.raises(Power):
        run(stopped, dying)
    assert not (stopped / "out.jsonl").exists()
    results, batch = run(stopped)
    assert batch.tally.attempts == 60 - 25
    assert batch.tally.made_before > 0
    expected, _ = run(whole)
    assert contents(results) == contents(expected)
    again, batch = run(stopped)
    assert (batch.tally.attempts, again) == (0, results)


@pytest.mark.parametrize("meaning", [
    {"text_key": "other bfloat16"}, {"seed": 1}, {"defaults": Sampling(temperature=0.5)},
], ids=["model", "seed", "sampling"])
def test_answers_to_other_settings_are_not_reused(tmp_path: Path, meaning: dict[str, Any]) -> None:
    requests(tmp_path, line("a"), line("b"))
    run(tmp_path)
    assert run(tmp_path, **meaning)[1].tally.attempts == 2


def test_an_edited_file_has_only_its_changed_lines_made(tmp_path: Path) -> None:
    requests(tmp_path, line("a"), line("b"), line("c"))
    before, _ = run(tmp_path)
    requests(tmp_path, line("new"), line("c"), line("b", temperature=0.1), line("a"))
    after, batch = run(tmp_path)
    assert [result["custom_id"] for result in after] == ["new", "c", "b", "a"]
    assert batch.tally.attempts == 2
    assert contents([after[1], after[3]]) == contents([before[2], before[0]])


@pytest.mark.parametrize("change", [lambda text: text + line("z") + "\n", lambda text: text.replace("Secret", "Public"),
                                    lambda text: text.splitlines()[0] + "\n"], ids=["longer", "edited", "shorter"])
def test_a_file_that_changes_while_it_is_worked_on_gives_no_results(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    requests(tmp_path, *map(line, "abcdefghij"))
    path = tmp_path / "r.jsonl"
    whole = path.read_text()
    left = iter(range(9))

    def script(prompt: Prompt) -> str:
        if next(left, None) is None:
            path.write_text(change(whole))
        return answer(prompt)

    with pytest.raises(BatchError, match="found that the file changed while it was worked on; expected a file that"):
        run(tmp_path, script)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    with (tmp_path / "r.jsonl").open("wb") as file:
        file.write(line("a").encode() + b"\n" + b"x" * (2 * LONGEST_LINE + 5) + b"\n" + line("b").encode())
    file_of = RequestFile(tmp_path / "r.jsonl")
    assert file_of.survey() == 3
    assert [(found.number, len(found.data) <= LONGEST_LINE + 1) for found in file_of.lines()] == [
        (1, True), (2, True), (3, True)]
    assert [result["custom_id"] for result in run(tmp_path)[0]] == ["a", None, "b"]


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([line("a"), "", line("b")]).encode())
    assert [result["error"] for result in run(tmp_path)[0]] == [None, None]


@pytest.mark.parametrize(("order", "kind", "message"), [
    (BatchOrder(requests=Path("none.jsonl"), output=Path("o")), UsageError,
     "none.jsonl: found no file; expected a file of requests (.jsonl). Correct the path."),
    (BatchOrder(requests=Path("folder"), output=Path("o")), UsageError, "found something that is no file;"),
    (BatchOrder(requests=Path("r.jsonl"), output=Path("./r.jsonl")), UsageError,
     "--output: found the same file as REQUESTS; expected a file of its own. Give another name."),
    (BatchOrder(requests=Path("r.jsonl"), output=Path("o"), errors=Path("o")), UsageError,
     "--errors: found the same file as --output;"),
    (BatchOrder(requests=Path("r.jsonl"), output=Path("folder")), UsageError,
     "--output: found something that is no file at folder; expected a file. Give another name."),
    (BatchOrder(requests=Path("empty.jsonl"), output=Path("o")), BatchError,
     "empty.jsonl: found no request; expected one JSON object on each line. Add requests."),
])
def test_an_order_that_cannot_be_carried_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: BatchOrder, kind: type[AigcError], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    requests(tmp_path, line())
    Path("empty.jsonl").write_text("\n \n")
    Path("folder").mkdir()
    with pytest.raises(kind) as told:
        run_batch(order)
    assert message in str(told.value)
    assert not journal_folder(order.output).exists()
