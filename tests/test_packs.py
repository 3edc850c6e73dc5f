"""Template packs: what is wrong with one is told with its file, its key or line, and before anything is generated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from small_project import Project, small_project

from aigc.content import help_for
from aigc.errors import TemplateError
from aigc.job import shipped
from aigc.packs import load_packs

HEAD = 'title = "Note"\n[fields.product]\n[fields.facts]\n[output]\nformat = "text"\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


def refusal(project: Project) -> str:
    """The message about the project's templates, without the folder's path."""
    with pytest.raises(TemplateError) as error:
        project.packs()
    return str(error.value).replace(f"{project.folder}/templates", "T")


def test_every_shipped_pack_loads_in_its_languages() -> None:
    packs = load_packs(shipped("templates"))
    assert len(packs) == 13
    for name, pack in packs.items():
        assert pack.type.name == name
        assert {"en", "zh"} <= set(pack.type.languages)
        for language in pack.type.languages:
            assert pack.template("user", language) is not None
            assert pack.template("system", language) is not None


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "title = \n",
            r"T/note/template\.toml: found broken TOML: .* line 1.*; expected valid TOML\. Correct the line named\.",
        ),
        (
            HEAD.replace("title", "titel"),
            r"T/note/template\.toml, key titel: found an unknown key; expected one of .*"
            r"Did you mean 'title'\?",
        ),
        ("summary = 'x'", r"T/note/template\.toml.*title.*"),
        (HEAD + "[fields.x]\ntype = 'int'", r"T/note/template\.toml, key fields\.x\.type.*"),
        (
            HEAD + "[fields.x]\nrequire = true",
            r"T/note/template\.toml, key fields\.x\.require.*Did you mean 'required'\?",
        ),
        (
            HEAD + "[fields.tone]",
            r"T/note/template\.toml, key fields\.tone: found a name that every brief has already; "
            r"expected another name\. Correct it\.",
        ),
        (HEAD + "[fields.id]", r"T/note/template\.toml, key fields\.id: found a name that every brief has already; .*"),
        (
            HEAD + "[fields.'a b']",
            r"T/note/template\.toml, key fields\.a b: found 'a b'; expected a name of letters, "
            r"digits and _\. Correct it\.",
        ),
        (
            HEAD + "[fields.x]\ntype = 'choice'",
            r"T/note/template\.toml, key fields\.x\.choices: found no choices; "
            r"expected a list of at least one\. Correct it\.",
        ),
        (
            "languages = []\n" + HEAD,
            r"T/note/template\.toml, key languages: found no language; expected at least one, .*",
        ),
        (
            HEAD.replace('"text"', '"json"'),
            r"T/note/template\.toml, key output\.fields: found 0 fields for format json; "
            r"expected fields for json, and none for text and markdown\. Correct it\.",
        ),
        (HEAD + "[output.fields.a]", r"T/note/template\.toml, key output\.fields: found 1 fields for format text; .*"),
        (
            HEAD.replace('"text"', '"json"') + "[output.fields.a]\ntype = 'items'",
            r"T/note/template\.toml, key output\.fields\.a\.fields: found 0 fields for type items; .*",
        ),
        (
            HEAD.replace('"text"', '"json"') + "[output.fields.a]\ntype = 'list'\nmin_items = 5\nmax_items = 2",
            r"T/note/template\.toml, key output\.fields\.a\.min_items: found '5'; "
            r"expected 0 to max_items, 2\. Correct it\.",
        ),
        (HEAD + "[sampling]\ntemperature = 9", r"T/note/template\.toml, table sampling, key temperature: found '9.*"),
        (
            HEAD + "[sampling]\ntemperatur = 9",
            r"T/note/template\.toml, key sampling\.temperatur.*Did you mean 'temperature'\?",
        ),
        (
            HEAD + "[judge]\nquestions = [{ id = 'Is it?', text = 'Is it good?' }]",
            r"T/note/template\.toml, key judge\.questions\[1\]\.id: found 'Is it\?'; "
            r"expected a name of small letters, digits and _, which reports will show\. Correct it\.",
        ),
        (
            HEAD + "[judge]\nquestions = [{ id = 'a', text = 'A?' }, { id = 'a', text = 'B?' }]",
            r"T/note/template\.toml, key judge\.questions\[2\]\.id: found 'a' a second time; expected another .*",
        ),
        (
            HEAD + "[judge]\nquestions = [{ id = 'a', text = { zh = '好吗？' } }]",
            r"T/note/template\.toml, key judge\.questions\[1\]\.text: found no question in en; expected one, or .*",
        ),
        (HEAD + "[judge]\nquestions = [{ id = 'a', text = 'A?', good = 'maybe' }]", r"T/note/.*key judge\.questions.*"),
        (HEAD + "[judge]\naction = 'reject'", r"T/note/.*key judge\.action: found 'reject'; expected one of flag, .*"),
    ],
)
def test_a_broken_manifest_names_its_key(project: Project, toml: str, message: str) -> None:
    project.pack("note", toml=toml)
    found = refusal(project)
    assert re.fullmatch(message, found), found


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "Write about {{ prodct }}.",
            "T/note/user.j2 line 1: found the undeclared variable 'prodct'; expected one of "
            "audience, facts, keywords, language, max_words, min_words, must_not_mention, product, tone. Correct it or "
            "declare it in template.toml. Did you mean 'product'?",
        ),
        ("One\ntwo {% if product %}", "T/note/user.j2 line 2: found broken Jinja: "),
        ("{{ product | shout }}", "T/note/user.j2 line 1: found broken Jinja: No filter named 'shout'; "),
        (
            "{% include '_shared/absent.j2' %}",
            "T/note/user.j2: found an include of '_shared/absent.j2', which is not "
            "there; expected a file under the templates folder. Correct the name.",
        ),
        ("{% include '_shared/part.j2' %}", "T/note/user.j2 line 1: found the undeclared variable 'colour'; expected "),
    ],
)
def test_a_broken_template_names_its_line(project: Project, template: str, message: str) -> None:
    shared = project.folder / "templates" / "_shared"
    shared.mkdir()
    (shared / "part.j2").write_text("{{ colour }}")
    project.pack("note", user_j2=template)
    assert refusal(project).startswith(message)


@pytest.mark.parametrize("name", ["system.j2", "user.j2"])
def test_a_pack_needs_a_system_and_a_user_template(project: Project, name: str) -> None:
    (project.folder / "templates" / "note" / name).unlink()
    assert refusal(project) == f"T/note: found no {name}; expected a {name} beside template.toml. Add T/note/{name}."


def test_a_template_that_is_no_text_is_refused(project: Project) -> None:
    (project.folder / "templates" / "note" / "user.j2").write_bytes(b"caf\xe9 {{ product }}")
    assert refusal(project).startswith("T/note/user.j2: found a file that cannot be read (")


def test_a_layout_may_use_the_outputs_fields_and_nothing_else(project: Project) -> None:
    toml = HEAD.replace('"text"', '"json"') + "[output.fields.title]\n"
    project.pack("note", toml=toml, layout_j2="{{ title }}")
    assert "note" in project.packs()
    project.pack("note", layout_j2="{{ product }}")
    assert refusal(project).startswith(
        "T/note/layout.j2 line 1: found the undeclared variable 'product'; expected one of title."
    )


def test_questions_for_the_judge_are_read_in_each_language(project: Project) -> None:
    toml = (
        'languages = ["en", "zh"]\n' + HEAD + '[judge]\naction = "hold"\nquestions = [\n'
        '  { id = "facts", text = { en = "Does it keep to the facts?", zh = "是否符合事实？" } },\n'
        '  { id = "claims", text = "Does it promise a cure?", good = "no" },\n]\n'
    )
    project.pack("note", toml=toml)
    spec = project.packs()["note"].type.judge
    assert (spec.action, [(one.id, one.good) for one in spec.questions]) == (
        "hold", [("facts", "yes"), ("claims", "no")])
    assert [help_for(one.text, "zh") for one in spec.questions] == ["是否符合事实？", "Does it promise a cure?"]


def test_a_folder_without_a_pack_says_what_one_is(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as error:
        load_packs(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: found no content type; expected folders that hold a template.toml. "
        "Give the right folder with --templates, or make one with `aigc init`."
    )


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("note/user.j2", True),
        ("note/template.toml", True),
        ("note/user.zh.j2", True),
        ("_shared/limits.j2", True),
        ("note/README.md", False),
        ("other/user.j2", False),
    ],
)
def test_the_digest_of_a_pack_covers_every_file_that_decides_a_text(
    project: Project, file: str, *, changes: bool
) -> None:
    shutil.copytree(project.folder / "templates" / "note", project.folder / "templates" / "other")
    before = project.packs()["note"].type.digest
    path = project.folder / "templates" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text("utf-8") if path.exists() else "") + "\n# more\n", "utf-8")
    assert (project.packs()["note"].type.digest != before) == changes


def test_a_part_that_is_edited_while_a_run_works_does_not_change_that_run(project: Project) -> None:
    shared = project.folder / "templates" / "_shared" / "part.j2"
    shared.parent.mkdir()
    shared.write_text("before")
    project.pack("note", user_j2="{% include '_shared/part.j2' %}")
    template = project.packs()["note"].template("user", "en")
    shared.write_text("after")
    assert template
    assert template.render() == "before"
