"""Briefs to prompts: what the model is told, and what makes a request the same request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from small_project import NOTE, small_project

from aigc.errors import TemplateError
from aigc.packs import Packs, load_packs
from aigc.prompts import make_prompt, render
from aigc.records import Brief, Limits, Message, Prompt, Sampling, Source

OWN_PACKS = Path(__file__).parent / "packs"
PACKS = load_packs(OWN_PACKS)
BRIEF = Brief(
    row=0,
    id="kettle",
    content_type="product_description",
    language="en",
    fields={"product": "Kettle", "brand": None, "facts": ["Holds 1 l", "Steel"], "price": ""},
    limits=Limits(),
    source=Source(file="briefs.csv", line=2),
)
ASKED: dict[str, object] = {
    "variant": 0,
    "attempt": 0,
    "sampling": Sampling(),
    "run_seed": 0,
    "model": "sha256:m bfloat16",
}


def user(brief: Brief, packs: Packs = PACKS, feedback: tuple[str, ...] = ()) -> str:
    return render(brief, packs, feedback)[-1].content


def prompt(brief: Brief = BRIEF, packs: Packs = PACKS, **changes: object) -> Prompt:
    asked = {**ASKED, **changes}
    return make_prompt(render(brief, packs), brief=brief, packs=packs, **asked)  # type: ignore[arg-type]


def test_a_prompt_is_a_system_and_a_user_message() -> None:
    system, asked = render(BRIEF, PACKS)
    assert (system.role, asked.role) == ("system", "user")
    assert asked.content.startswith("Product: Kettle\nFacts:\n- Holds 1 l\n- Steel\n")
    assert asked.content.endswith(
        'Answer with one JSON object: {"headline": "one line that names the product", "body": "three or four '
        'sentences about the product", "bullets": ["short selling points, one fact each", ...]}'
    )


def test_a_blank_system_template_gives_no_system_message(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    project.pack("note", system_j2="{% if false %}x{% endif %}\n")
    note = replace(BRIEF, content_type="note", fields={"product": "Kettle", "facts": []})
    assert render(note, project.packs()) == [Message(role="user", content="Write about Kettle.")]


def test_chinese_briefs_get_the_chinese_template_form_and_reasons() -> None:
    text = user(replace(BRIEF, language="zh"), feedback=("字数太多。", "换个说法。"))
    assert text.startswith("产品：Kettle\n产品资料：\n- Holds 1 l\n- Steel\n")
    assert '只输出一个 JSON 对象：{"headline": "一句话标题，点出产品和最大的好处", ' in text
    assert text.endswith("上一稿没有通过，原因如下：\n- 字数太多。\n- 换个说法。\n请重写，并改正以上问题。")


@pytest.mark.parametrize(("language", "start"), [("zh-Hant", "产品："), ("en-GB", "Product:"), ("fr", "Product:")])
def test_a_variant_of_a_language_takes_its_base_and_all_others_english(language: str, start: str) -> None:
    assert user(replace(BRIEF, language=language)).startswith(start)


def test_the_reasons_of_a_retry_come_last() -> None:
    assert user(BRIEF, feedback=("Write at most 80 words.", "Use {braces}.")).endswith(
        ", ...]}\n\nYour last answer was not accepted:\n- Write at most 80 words.\n- Use {braces}.\n"
        "Write it again and put this right."
    )


def test_plain_text_types_are_told_no_form() -> None:
    summary = replace(BRIEF, content_type="summary", fields={"source_text": "It rained."})
    assert "JSON" not in user(summary)
    assert prompt(summary).json_schema is None


HOSTILE = ["{{ 7 * 7 }}", "{% for x in range(10**9) %}x{% endfor %}", "{# gone #}", "{% include 'x' %}", "{{ self }}"]


@pytest.mark.parametrize("cell", HOSTILE)
def test_cells_that_look_like_templates_are_never_executed(cell: str) -> None:
    fields = {**BRIEF.fields, "product": cell, "facts": [cell]}
    limits = Limits(keywords=[cell], must_not_mention=[cell])
    brief = replace(BRIEF, fields=fields, limits=limits, tone=cell, audience=cell)
    text = user(brief, feedback=(cell,))
    assert text.startswith(f"Product: {cell}\nFacts:\n- {cell}\n")
    assert text.count(cell) >= 6


@given(cell=st.text(st.sampled_from("{}%# -'\"<&>abc\n"), min_size=1, max_size=30).map(lambda cell: f"x{cell}x"))
def test_a_cell_stands_in_the_prompt_as_it_is(cell: str) -> None:
    assert f"- {cell}\n" in user(replace(BRIEF, fields={**BRIEF.fields, "facts": [cell]}))


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{ product }}|{{ facts|join('+') }}|{{ size }}|{{ new }}|{{ kind }}", "x||None|None|"),
        ("{% if facts %}a{% endif %}{% if size is not none %}b{% endif %}{% if kind %}c{% endif %}-", "-"),
        (
            "{{ tone }}|{{ audience }}|{{ keywords }}|{{ min_words }}|{{ max_words }}|{{ language }}",
            "||[]|None|None|en",
        ),
    ],
)
def test_optional_fields_that_are_missing_are_blank(tmp_path: Path, template: str, shown: str) -> None:
    project = small_project(tmp_path)
    more = '[fields.size]\ntype = "number"\n[fields.new]\ntype = "boolean"\n'
    more += '[fields.kind]\ntype = "choice"\nchoices = ["a"]\n'
    project.pack(
        "note",
        toml=NOTE["template.toml"].replace("        ", "").replace("[output]", more + "[output]"),
        user_j2=template,
    )
    note = replace(BRIEF, content_type="note", fields={"product": "x", "size": None})
    assert user(note, project.packs()) == shown


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        ("{{ 1 // facts|length }}", "ZeroDivisionError"),
        ("{{ product.price.net }}", "UndefinedError"),
        ("{{ {}[product] }}", "UndefinedError"),  # its message quotes the cell
        ("{{ product + 1 }}", "TypeError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ '%d' % product }}", "TypeError"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
    ],
)
def test_a_template_that_fails_names_itself_the_brief_and_the_line_but_no_cell(
    tmp_path: Path, template: str, kind: str
) -> None:
    project = small_project(tmp_path)
    project.pack("note", user_j2="Two lines\nabove.\n" + template)
    with pytest.raises(TemplateError) as error:
        render(replace(BRIEF, content_type="note", fields={"product": "secret", "facts": []}), project.packs())
    assert str(error.value) == (
        f"{tmp_path}/templates/note/user.j2, brief kettle: found {kind} in line 3 of note/user.j2; expected a template "
        "that renders these values. Correct note/user.j2, or the brief's cell."
    )
    assert error.value.__suppress_context__


def test_a_part_that_fails_is_named_with_its_own_line(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    project.pack("_shared", part_j2="\n{{ 1 // 0 }}")
    project.pack("note", user_j2="{% include '_shared/part.j2' %}")
    with pytest.raises(TemplateError) as error:
        render(replace(BRIEF, content_type="note", fields={"product": "x"}), project.packs())
    assert error.value.place == f"{tmp_path}/templates/note/user.j2, brief kettle"
    assert error.value.found == "ZeroDivisionError in line 2 of _shared/part.j2"
    assert error.value.remedy == "Correct _shared/part.j2, or the brief's cell."


def with_fields(**changes: object) -> Brief:
    return replace(BRIEF, fields={**BRIEF.fields, **changes})


@pytest.mark.parametrize(
    "other",
    [
        lambda: prompt(with_fields(product="Teapot")),
        lambda: prompt(replace(BRIEF, id="teapot")),
        lambda: prompt(variant=1),
        lambda: prompt(attempt=1),
        lambda: prompt(run_seed=1),
        lambda: prompt(model="sha256:m float16"),
        lambda: prompt(sampling=Sampling(temperature=0.71)),
        lambda: prompt(sampling=Sampling(min_new_tokens=1)),
        lambda: prompt(replace(BRIEF, tone="warm")),
    ],
)
def test_whatever_determines_the_text_changes_the_request(other: Callable[[], Prompt]) -> None:
    assert other().request_id != prompt().request_id


@pytest.mark.parametrize(
    "same",
    [
        prompt,
        lambda: prompt(replace(BRIEF, row=7, source=Source(file="moved.csv", line=9))),
        lambda: prompt(replace(BRIEF, variants=5)),
        lambda: prompt(packs=load_packs(OWN_PACKS)),
    ],
)
def test_what_does_not_determine_the_text_leaves_the_request_the_same(same: Callable[[], Prompt]) -> None:
    assert same() == prompt()


def test_a_request_id_stays_the_same_between_versions_of_this_program() -> None:
    """A changed digest would make a whole archive of texts again: change it only knowingly."""
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="Write of 茶.")]
    asked = {**ASKED, "sampling": Sampling(), "packs": PACKS}
    summary = replace(BRIEF, content_type="summary")
    made = make_prompt(messages, brief=summary, **asked)  # type: ignore[arg-type]
    assert (made.request_id, made.seed) == (
        "sha256:3ce04c8e964e49acf20aedd252c47a03f0895592a73155d1a6528af3cdffd44e",
        4654197107516769679,
    )
