"""Completions to content: what has the declared form is read, what has not is left unread, nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_project import small_project

from aigc.engine.scripted import answer, fault
from aigc.errors import TemplateError
from aigc.job import shipped
from aigc.outputs import read_output
from aigc.packs import Pack, load_packs
from aigc.records import Completion, Content, FinishReason, OutputValue, Prompt, Sampling

PACKS = load_packs(shipped("templates"))
PRODUCT, DIALOGUE, SUMMARY = PACKS["product_description"], PACKS["game_dialogue"], PACKS["summary"]
FIELDS: dict[str, OutputValue] = {
    "headline": 'The "quiet" kettle',
    "body": "Pours slowly,\nboils fast. {Really} [so].",
    "bullets": ["One", "Two", "Three"],
}


def read(text: str, pack: Pack = PRODUCT, finish: FinishReason = "stop", language: str = "en") -> Completion:
    return read_output(Completion(request_id="r", text=text, finish_reason=finish), pack, language)


def fields(text: str, pack: Pack = PRODUCT, finish: FinishReason = "stop") -> dict[str, OutputValue] | None:
    content = read(text, pack, finish).content
    return content.fields if content else None


def test_json_of_the_declared_form_is_read_and_laid_out() -> None:
    completion = read(json.dumps(FIELDS))
    assert completion.content == Content(
        text='# The "quiet" kettle\n\nPours slowly,\nboils fast. {Really} [so].\n\n- One\n- Two\n- Three',
        fields=FIELDS,
        place="off",
    )
    assert completion.repaired == ""


def test_fields_are_in_declared_order_without_outer_space() -> None:
    text = '{"bullets": [" a ", "b\\n", "c"], "body": " x ", "headline": "h"}'
    found = fields(text)
    assert found == {"headline": "h", "body": "x", "bullets": ["a", "b", "c"]}
    assert list(found) == ["headline", "body", "bullets"]


@pytest.mark.parametrize("wrapped", ["```json\n{}\n```", "```\n{}```", "  ```JSON\n{}\n```\n"])
def test_a_code_fence_around_json_is_taken_off_and_told(wrapped: str) -> None:
    completion = read(wrapped.replace("{}", json.dumps(FIELDS)))
    assert completion.content
    assert completion.content.fields == FIELDS
    assert completion.repaired == "code fence removed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Here is the page you asked for.",
        "null",
        "[]",
        '"text"',
        "{}",
        "```",
        "```\n```",
        "``````",
        json.dumps({**FIELDS, "extra": "x"}),
        json.dumps({"headline": "h", "body": "b"}),
        json.dumps({**FIELDS, "headline": 3}),
        json.dumps({**FIELDS, "headline": None}),
        json.dumps({**FIELDS, "headline": ["h"]}),
        json.dumps({**FIELDS, "bullets": "One"}),
        json.dumps({**FIELDS, "bullets": ["One", "Two"]}),
        json.dumps({**FIELDS, "bullets": ["One"] * 5}),
        json.dumps({**FIELDS, "bullets": ["One", 2, "Three"]}),
        json.dumps({**FIELDS, "bullets": [{"a": "b"}] * 3}),
        json.dumps(FIELDS) + " Enjoy!",
        "Sure: " + json.dumps(FIELDS),
        json.dumps(FIELDS)[:-1],
        '{"headline": "\ud800", "body": "b", "bullets": ["a", "b", "c"]}',
    ],
)
def test_what_has_not_the_declared_form_is_not_read(text: str) -> None:
    completion = read(text)
    assert (completion.content, completion.repaired, completion.text) == (None, "", text)


def test_objects_in_a_list_must_have_exactly_the_declared_parts() -> None:
    name, field = next((name, field) for name, field in DIALOGUE.type.output.fields.items() if field.type == "items")
    whole = json.loads(answer(a_prompt(DIALOGUE, 5)))
    assert fields(json.dumps(whole), DIALOGUE) == whole
    for change in ({"extra": "x"}, {next(iter(field.fields)): 3}):
        broken = {**whole, name: [{**entry, **change} for entry in whole[name]]}
        assert fields(json.dumps(broken), DIALOGUE) is None


@pytest.mark.parametrize(
    ("cut", "closed_with"),
    [
        ('{"headline":"h","body":"b","bullets":["1","2","3","4"]', "closed with }"),
        ('{"headline":"h","body":"b","bullets":["1","2","3","4"', "closed with ]}"),
        ('{"headline":"h","body":"b","bullets":["1","2","3"]', "closed with }"),
        ('{"bullets":["1","2","3"],"headline":"h","body":"]"', "closed with }"),
    ],
)
def test_missing_brackets_are_closed_where_nothing_else_can_be_missing(cut: str, closed_with: str) -> None:
    completion = read(cut, finish="length")
    assert completion.content is not None
    assert completion.repaired == closed_with
    assert read(cut, finish="stop").content is None, "a model that stopped by itself left out more than brackets"


@pytest.mark.parametrize(
    "cut",
    [
        '{"headline":"h","body":"b","bullets":["1","2","3"',
        '{"headline":"h","body":"b","bullets":["1","2","3",',
        '{"headline":"h","body":"b","bullets":["1","2","3","fo',
        '{"headline":"h","body":"b","bullets":["1","2","3","four\\"',
        '{"headline":"h","body":"b"',
        '{"headline":"h","body":"b","bullets"',
        '{"bullets":["1","2","3","4"],"headline":"h","body":"b',
        "```json\n" + json.dumps(FIELDS)[:-1],
    ],
)
def test_an_output_that_may_lack_words_is_not_read(cut: str) -> None:
    assert read(cut, finish="length").content is None


def a_prompt(pack: Pack, seed: int) -> Prompt:
    return Prompt(request_id="r", messages=[], sampling=Sampling(), seed=seed, json_schema=pack.type.json_schema("en"))


texts = st.text(st.sampled_from('a\\"{}[]:, \n茶é'), min_size=1, max_size=12).filter(lambda text: text.strip() == text)


@given(
    values=st.fixed_dictionaries(
        {"headline": texts, "body": texts, "bullets": st.lists(texts, min_size=3, max_size=4)}
    ),
    order=st.permutations(["headline", "body", "bullets"]),
    indent=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
)
def test_an_output_cut_anywhere_is_read_as_it_was_or_not_at_all(
    values: dict[str, OutputValue], order: list[str], indent: int | None, *, is_ascii: bool
) -> None:
    text = json.dumps({name: values[name] for name in order}, indent=indent, ensure_ascii=is_ascii)
    for end in range(len(text) + 1):
        found = fields(text[:end], finish="length")
        assert found is None or found == values, text[:end]
    assert fields(text, finish="length") == values


@pytest.mark.parametrize("name", [name for name, pack in PACKS.items() if pack.type.output.format == "json"])
def test_answers_of_every_shipped_type_are_read_whole_or_not_at_all_where_they_are_cut(name: str) -> None:
    text = answer(a_prompt(PACKS[name], 31))
    whole = fields(text, PACKS[name])
    assert whole
    for end in range(len(text) + 1):
        assert fields(text[:end], PACKS[name], "length") in (None, whole)


def test_plain_text_is_content_as_it_is() -> None:
    assert read("  A summary.\n", SUMMARY).content == Content(text="A summary.", place="off")
    assert read("", SUMMARY).content == Content(text="", place="off")


def test_a_completion_with_a_fault_is_left_alone() -> None:
    broken = fault("prompt_too_long")
    assert read_output(broken, PRODUCT, "en") is broken


def test_a_text_read_under_an_older_form_is_not_kept_as_content() -> None:
    old = Completion(request_id="r", text="no JSON", finish_reason="stop", content=Content(text="old"), repaired="x")
    assert read_output(old, PRODUCT, "en") == Completion(request_id="r", text="no JSON", finish_reason="stop")


def test_without_a_layout_fields_are_paragraphs_and_lists(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    project.pack(
        "note",
        toml="""
        title = "Note"
        [fields.product]
        [fields.facts]
        [output.fields.title]
        [output.fields.points]
        type = "list"
        [output.fields.lines]
        type = "items"
        [output.fields.lines.fields.speaker]
        [output.fields.lines.fields.text]
    """,
    )
    value = {"title": "T", "points": ["a", "b"], "lines": [{"speaker": "Mia", "text": "Hello"}]}
    content = read(json.dumps(value), project.packs()["note"]).content
    assert content
    assert content.text == "T\n\n- a\n- b\n\n- Mia: Hello"


def test_a_layout_of_another_language_is_used_where_there_is_one(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    toml = 'title = "N"\nlanguages = ["en", "zh"]\n[fields.product]\n[fields.facts]\n[output.fields.title]\n'
    project.pack("note", toml=toml, layout_j2="Title: {{ title }}", layout_zh_j2="标题：{{ title }}")
    pack = project.packs()["note"]
    shown = [read('{"title":"x"}', pack, language=name).content for name in ("en", "zh", "zh-Hant", "fr")]
    assert [content.text for content in shown if content] == ["Title: x", "标题：x", "标题：x", "Title: x"]


def test_a_layout_that_calls_itself_for_ever_is_an_error_of_its_file(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    toml = 'title = "N"\n[fields.product]\n[fields.facts]\n[output.fields.title]\n'
    project.pack("note", toml=toml, layout_j2="{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")
    with pytest.raises(TemplateError, match=r"found RecursionError in line 1 of note/layout\.j2"):
        read('{"title":"x"}', project.packs()["note"])


@pytest.mark.parametrize(("language", "cut"), [("zh-TW", {"title": 4}), ("zh", {"title": 4}), ("fr", {})])
def test_a_regions_fields_are_cut_at_the_limit_of_its_language(
    tmp_path: Path, language: str, cut: dict[str, int]
) -> None:
    project = small_project(tmp_path)
    toml = 'title = "N"\n[fields.product]\n[fields.facts]\n[output.fields.title]\nmax_chars = { zh = 4 }\n'
    project.pack("note", toml=toml)
    assert read('{"title":"四个字啊"}', project.packs()["note"], language=language).cut_fields == cut


def test_a_layout_that_fails_names_its_file(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    toml = 'title = "N"\n[fields.product]\n[fields.facts]\n[output.fields.title]\n'
    project.pack("note", toml=toml, layout_j2="{{ title.nothing.at_all }}")
    with pytest.raises(TemplateError) as error:
        read('{"title":"secret"}', project.packs()["note"])
    assert str(error.value) == (
        f"{tmp_path}/templates/note/layout.j2: found UndefinedError in line 1 of note/layout.j2; "
        "expected a template that renders these values. Correct note/layout.j2; the texts made are kept."
    )


@pytest.mark.parametrize(
    ("text", "language", "expected", "repaired"),
    [
        ("Good\x00 bread\x1b.", "en", "Good bread.", "2 control characters removed"),
        ("\ufeffGood\u200b bread.", "en", "Good bread.", "2 invisible characters removed"),
        ("CafÃ© BrÃ©vaud, itâ€™s good.", "en", "Café Brévaud, it’s good.", "wrongly decoded characters restored"),
        ("海港街".encode().decode("latin-1"), "zh", "海港街", "wrongly decoded characters restored"),
        ("“全麦”面包，￥１２……", "zh", "“全麦”面包，￥１２……", ""),
        ("It’s “good” – très bon, 26 €…\tyes", "en", "It’s “good” – très bon, 26 €…\tyes", ""),
        ("ขนมปัง\u200bสด", "th", "ขนมปัง\u200bสด", ""),
        ("👨\u200d👩\u200d👧 ❤\ufe0f", "en", "👨\u200d👩\u200d👧 ❤\ufe0f", ""),
        ("Caf\ufffd", "en", "Caf\ufffd", ""),
    ],
)
def test_characters_that_no_reader_would_miss_are_left_out_and_told(
    text: str, language: str, expected: str, repaired: str
) -> None:
    completion = read(text, SUMMARY, language=language)
    assert completion.content is not None
    assert (completion.content.text, completion.repaired) == (expected, repaired)
    assert completion.text == text


def test_fields_are_mended_one_by_one_and_named() -> None:
    broken = {**FIELDS, "headline": "The \u200bquiet kettle", "bullets": ["One\x07", "Two", "Three\x07"]}
    completion = read(json.dumps(broken))
    assert completion.content is not None
    assert completion.content.fields["headline"] == "The quiet kettle"
    assert completion.content.fields["bullets"] == ["One", "Two", "Three"]
    assert completion.repaired == "1 invisible characters removed in headline; 1 control characters removed in bullets"
    assert "\u200b" not in completion.content.text
