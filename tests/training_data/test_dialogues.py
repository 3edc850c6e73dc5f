"""A user's own dialogues: each line is checked, every bad one told, and the others are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aigc.errors import UsageError
from aigc.training_data.dialogues import read_dialogues
from aigc.training_data.making import Order, make
from aigc.training_data.reading import open_training_data
from aigc.training_data.values import SPLITS

NO_JSON = "no JSON that can be read; expected a JSON object on one line, of whole characters. Correct the line."
HELLO = [{"role": "user", "content": "Where is my parcel?"}, {"role": "assistant", "content": "On its way."}]


def line(*turns: tuple[str, str], **more: object) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in turns], **more})


def file_of(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "calls.jsonl"
    path.write_bytes(b"\n".join(each if isinstance(each, bytes) else each.encode() for each in lines) + b"\n")
    return path


@pytest.mark.parametrize(("bad", "message"), [
    ("not json", NO_JSON),
    (b'{"messages": "\xff"}', "bytes that are no UTF-8; expected UTF-8. Save the file as UTF-8."),
    ('{"turns": []}', 'JSON of another form (Object missing required field messages); expected an object with '
                      '"messages", each with "role" and "content". Correct the line.'),
    (line(("user", "Hi"), ("assistent", "Hello")),
     "the role 'assistent' in message 2; expected one of system, user, assistant. Correct it: the model learns to "
     "speak as the assistant. Did you mean 'assistant'?"),
    (line(("user", "Hi"), ("assistant", "  ")), "nothing said in message 2; expected some text. Correct the line."),
    (line(("user", "Hi \ud800"), ("assistant", "Hello")), NO_JSON),
    (line(("system", "Be kind."), ("user", "Hi")),
     "no message of the assistant; expected at least one, to learn from. Correct the line."),
    (line(("system", "Be kind."), ("assistant", "Welcome!")),
     "message 2 from the assistant; expected one from the user. Let user and assistant take turns, the user first; "
     "join messages of one speaker."),
    (line(("user", "Hi"), ("user", "Anyone?"), ("assistant", "Yes.")),
     "message 2 from the user; expected one from the assistant. Let user and assistant take turns, the user first; "
     "join messages of one speaker."),
    (line(("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")),
     "a last message from the user; expected one from the assistant. Remove it: nobody answers it."),
    (line(), "no message of the assistant; expected at least one, to learn from. Correct the line."),
], ids=["no json", "bytes", "other form", "unknown role", "nothing said", "half a character", "no answer",
        "assistant first", "twice in a row", "unanswered", "no turns"])
def test_a_bad_line_is_told_with_its_remedy_and_the_others_are_taken(
    bad: str | bytes, message: str, tmp_path: Path
) -> None:
    good = json.dumps({"messages": HELLO})
    found = read_dialogues(file_of(tmp_path, good, bad, "", good.replace("parcel", "letter")))
    assert [each.message for each in found.bad] == [f"calls.jsonl line 2: found {message}"]
    assert [dialogue.line for dialogue in found.dialogues] == [1, 4]


def test_a_byte_order_mark_and_fields_of_ones_own_do_no_harm(tmp_path: Path) -> None:
    found = read_dialogues(file_of(tmp_path, "\ufeff" + json.dumps({"messages": HELLO, "mood": "calm"})))
    assert (len(found.dialogues), found.bad) == (1, [])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--dialogues: found no file .*none.jsonl; expected a JSON Lines file"):
        read_dialogues(tmp_path / "none.jsonl")


def test_dialogues_become_examples_whole_and_each_once(tmp_path: Path) -> None:
    lines = [line(("system", "You serve customers."), ("user", f"Question {number}?"), ("assistant", "Yes."),
                  ("user", "Sure?"), ("assistant", f"Quite, {number}."), id=f"call-{number}", language="en")
             for number in range(20)]
    made = make(Order(runs=[], dialogues=[file_of(tmp_path, *lines, lines[3], "broken")], out=tmp_path / "data"))
    data = open_training_data(made.folder)
    examples = [example for split in SPLITS for example in data.examples(split)]
    assert len(examples) == 20
    assert made.statement.left_out == {"duplicate": 1}
    assert [bad.line for bad in made.bad] == [22]
    assert examples[0].messages[0].role == "system"
    assert {example.by for example in examples} == {"user"}
    assert sorted(example.source for example in examples)[0] == "calls.jsonl:1"
    [source] = made.statement.dialogues
    assert (source.file, source.dialogues, source.bad_lines) == ("calls.jsonl", 21, 1)
    assert all(made.statement.groups[split] for split in SPLITS)


def test_one_conversation_with_two_endings_stays_in_one_split(tmp_path: Path) -> None:
    lines = [line(("user", f"Question {number}?"), ("assistant", f"Answer {ending} to {number}."))
             for number in range(12) for ending in ("one", "two")]
    made = make(Order(runs=[], dialogues=[file_of(tmp_path, *lines)], out=tmp_path / "data", held_out=0.2))
    data = open_training_data(made.folder)
    asked = {split: {example.messages[0].content for example in data.examples(split)} for split in SPLITS}
    assert sum(map(len, asked.values())) == 12
    assert sum(len(data.examples(split)) for split in SPLITS) == 24
