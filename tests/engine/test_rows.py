"""A row by itself: what it is fed, when it may be asked, and when it ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.engine.grammar import Grammars
from aigc.engine.rows import Row
from aigc.records import Completion

from . import tiny

TOKENIZER = tiny.tokenizer()
VOCABULARY = len(TOKENIZER)
END = TOKENIZER.convert_tokens_to_ids("<|im_end|>")
GRAMMARS = Grammars(TOKENIZER, VOCABULARY, [END])
NUMBER = json.dumps({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"],
                     "additionalProperties": False})


def row(prompt_tokens: int = 5, *, read: int = 0, schema: str | None = None, **sampling: object) -> Row:
    prompt = tiny.prompt("r", schema=schema, **sampling)
    matcher = GRAMMARS.matcher(schema) if schema else None
    return Row(prompt, list(range(prompt_tokens)), matcher, 0, read, 0.0)


def ids(text: str) -> list[int]:
    return list(TOKENIZER.encode(text, add_special_tokens=False))


def said(to: Row, tokens: list[int]) -> Completion | None:
    """The completion that one of `tokens` brings; the others are not taken."""
    for token in tokens:
        if completion := to.take(token, TOKENIZER, {END}, finite=True):
            return completion
    return None


@given(length=st.integers(1, 90), read=st.integers(0, 40), most=st.integers(1, 50))
def test_the_pieces_of_a_prompt_are_the_prompt_from_where_it_is_unread(length: int, read: int, most: int) -> None:
    reading, pieces = row(length, read=min(read, length - 1)), []
    while reading.unread:
        before = reading.unread
        pieces += [reading.read_on(most)]
        assert reading.unread == before - len(pieces[-1]) < before
    assert all(0 < len(piece) <= most for piece in pieces)
    assert sum(pieces, []) == list(range(min(read, length - 1), length))  # noqa: RUF017


def test_positions_and_counts_include_the_tokens_that_are_under_way() -> None:
    asking = row(5, read=5)
    asking.asked = 1
    assert (asking.count, asking.length) == (1, 5)
    said(asking, ids("a"))
    assert (asking.count, asking.length) == (2, 6)
    asking.asked = 0
    assert (asking.count, asking.length) == (1, 5)


def test_a_row_is_asked_for_no_more_tokens_than_it_may_have() -> None:
    asking = row(max_new_tokens=2)
    for expected in (True, True, False):
        assert asking.can_be_asked is expected
        asking.asked += 1


def test_a_grammar_waits_for_the_token_that_is_under_way() -> None:
    asking = row(schema=NUMBER)
    assert asking.can_be_asked
    asking.asked = 1
    assert not asking.can_be_asked


@pytest.mark.parametrize(("sampling", "tokens", "text", "reason", "count"), [
    ({}, [*ids("abc"), END], "abc", "stop", 3),
    ({}, [END], "", "stop", 0),
    ({"max_new_tokens": 3}, ids("abcd"), "abc", "length", 3),
    ({"max_new_tokens": 3}, [*ids("ab"), END], "ab", "stop", 2),
    ({"stop": ["cd"]}, ids("abcde"), "ab", "stop", 4),
    ({"stop": ["zz", "d", "cd"]}, ids("abcde"), "ab", "stop", 4),
    ({"stop": ["海"]}, ids("茶海山"), "茶", "stop", 6),
    ({"stop": ["b"], "max_new_tokens": 2}, ids("abc"), "a", "stop", 2),
    ({"stop": ["a"]}, ids("abc"), "", "stop", 1),
    ({"max_new_tokens": 2}, [1, *ids("ab")], "<|im_start|>a", "length", 2),
    ({"max_new_tokens": 2}, ids("茶"), "\ufffd", "length", 2),
], ids=["end token", "nothing but an end", "limit", "end before the limit", "stop text", "several stop texts",
        "a stop text of several tokens", "stop text at the limit", "stop text at once", "a control token stays visible",
        "cut in a character"])
def test_a_row_ends_by_its_end_token_its_stop_texts_or_its_limit(
    sampling: dict[str, object], tokens: list[int], text: str, reason: str, count: int
) -> None:
    made = said(row(7, **sampling), tokens)
    assert made is not None
    assert (made.text, made.finish_reason, made.tokens_out, made.tokens_in) == (text, reason, count, 7)
    assert made.fault is None
    assert made.generate_s > 0


def test_a_complete_form_ends_its_row_also_at_the_limit() -> None:
    form = ids('{"a": true}')
    for limit in (len(form), 200):
        made = said(row(schema=NUMBER, max_new_tokens=limit), form)
        assert made is not None
        assert (made.text, made.finish_reason) == ('{"a": true}', "stop")


def test_a_token_that_the_grammar_refuses_is_a_fault() -> None:
    made = said(row(schema=NUMBER), ids('{"b'))
    assert made is not None
    assert made.fault is not None
    assert (made.fault.code, made.text, made.finish_reason, made.tokens_out) == ("grammar", "", "error", 3)


def test_a_token_that_is_no_choice_is_a_fault_with_what_was_said_counted() -> None:
    failing = row(9)
    assert said(failing, ids("ab")) is None
    made = failing.take(0, TOKENIZER, {END}, finite=False)
    assert made is not None
    assert made.fault is not None
    assert (made.fault.code, made.text, made.tokens_in, made.tokens_out) == ("no_token", "", 9, 2)
    assert made.fault.remedy.startswith("Try another seed")
