"""Approved texts leave in every form with the words that editors want, their labels, and what proves them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml
from editing import decide, redone, today
from small_project import GOOD, Project, small_project

from aigc.errors import RunLocked, StoreError, UsageError
from aigc.forgetting import forget
from aigc.hashing import digest_file, digest_text
from aigc.labels.carriers import read_label
from aigc.labels.office import paragraphs_of_word
from aigc.provenance import RunFile
from aigc.publishing import exporting
from aigc.publishing.exporting import FORMATS, Format, Issued, Order, export_texts
from aigc.publishing.markdown import file_name, slug
from aigc.publishing.values import HUMAN_EDITS, Issue, Kind
from aigc.records import Completion, Fault, Prompt
from aigc.review.ledger import LEDGER, read_ledger
from aigc.verification import verify

EDITED = "A kettle, in an editor's words:\nwith <w:p> & \"quotes\" in it."
CARD = {
    "toml": """
        title = "Card"
        languages = ["en", "zh"]
        [fields.product]
        required = true
        [output]
        format = "json"
        [output.fields.headline]
        type = "text"
        [output.fields.points]
        type = "list"
        max_items = 3
    """,
    "system_j2": "You write cards.\n",
    "user_j2": "A card about {{ product }}.\n",
    "layout_j2": "{{ headline | upper }}\n\n{% for point in points %}* {{ point }}\n{% endfor %}",
}
SOFFICE = shutil.which("soffice")
HAS_WRITER = SOFFICE is not None and any(Path(SOFFICE).resolve().parent.glob("libswlo.*"))
"""Calc alone opens no documents."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Notes in two languages, and a card, whose filters let all pass."""
    project = small_project(tmp_path)
    project.pack("card", **CARD)
    project.set("filters", language={"action": "off"}, length={"action": "off"}, near_duplicate={"action": "off"})
    project.sheet([
        {"id": "kettle", "content_type": "note", "product": "kettle", "language": "en"},
        {"id": "灯/../../x", "content_type": "note", "product": "灯", "language": "zh"},
        {"id": "=cmd", "content_type": "note", "product": "stool", "language": "en"},
        {"id": "card", "content_type": "card", "product": "kettle", "language": "en"},
    ])
    return project


def answer(prompt: Prompt) -> str:
    asked = prompt.messages[-1].content
    if "A card about" in asked:
        return json.dumps({"headline": "Slow water", "points": ["a litre", "a thin stream"]})
    return "这盏灯很亮，照着书桌，也照着窗外的雪。" if "灯" in asked else f"={GOOD}" if "stool" in asked else GOOD


def reviewed(project: Project) -> RunFile:
    """Kettle is edited, the lamp and the card approved, of the stool nobody said anything."""
    file = project.run(answer)
    decide(project, file, "kettle", "edit", text=EDITED)
    decide(project, file, "灯/../../x", "approve")
    decide(project, file, "card", "approve")
    return file


def exported(project: Project, file: RunFile, *formats: Format, kind: Kind = "approved", to: Path | None = None
             ) -> Issued:
    order = Order(folder=project.out / file.run_id, kind=kind, formats=[*formats] or ["jsonl"], to=to)
    return export_texts(order, today(project))


def lines(issued: Issued, name: str = "approved.jsonl") -> dict[str, Any]:
    rows = map(json.loads, (Path(issued.folder) / name).read_text("utf-8").splitlines())
    return {row["id"]: row for row in rows}


def test_what_editors_approve_is_exported_with_their_words_and_nothing_else(project: Project) -> None:
    file = reviewed(project)
    issued = exported(project, file)
    rows = lines(issued)
    assert [*rows] == ["kettle", "灯/../../x", "card"], "in the order of the sheet"
    assert rows["kettle"]["text"] == EDITED
    assert rows["card"]["fields"] == {"headline": "Slow water", "points": ["a litre", "a thin stream"]}
    assert (issued.statement.texts, issued.statement.edited, issued.left_out) == (3, 1, [])
    assert not issued.lacks_approved


def test_an_edited_text_is_said_to_be_and_its_decision_is_named(project: Project) -> None:
    file = reviewed(project)
    rows = lines(exported(project, file))
    by = {entry.decision.record_id: entry.digest for entry in read_ledger(project.out / file.run_id).entries}
    edited, approved = rows["kettle"]["provenance"], rows["card"]["provenance"]
    assert edited["human_oversight"] == "edited"
    assert edited["edit_source_type"] == HUMAN_EDITS
    assert edited["digital_source_type"].endswith("/trainedAlgorithmicMedia"), "a model made it all the same"
    assert edited["decisions"] == [by[rows["kettle"]["record_id"]]]
    assert edited["generated"] == digest_text(GOOD)
    assert edited["output"] == digest_text(EDITED)
    assert (approved["human_oversight"], approved["edit_source_type"]) == ("approved", "")
    assert approved["generated"] == approved["output"]
    assert "Ana" not in json.dumps([*rows.values()]), "who decided is not for readers"


def test_a_visible_label_stands_in_what_readers_are_given_edited_or_not(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "灯/../../x", "edit", text="灯。")
    row = lines(exported(project, file))["灯/../../x"]
    assert row["text"] == "灯。\n\n本内容由人工智能生成"
    assert row["disclosure"] == "本内容由人工智能生成"
    assert row["provenance"]["output"] == digest_text("灯。"), "the digest is of the text without it"


def test_edited_fields_are_laid_out_as_their_type_has_it(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "card", "edit", fields={"headline": "Fast water", "points": ["two litres"]})
    row = lines(exported(project, file))["card"]
    assert row["text"] == "FAST WATER\n\n* two litres"
    assert row["fields"] == {"headline": "Fast water", "points": ["two litres"]}


def test_edited_fields_are_left_out_where_the_templates_are_others_now(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "card", "edit", fields={"headline": "Fast water", "points": ["two litres"]})
    decide(project, file, "kettle", "approve")
    project.pack("card", layout_j2="{{ headline }}!")
    issued = exported(project, file)
    assert [*lines(issued)] == ["kettle"]
    assert [(one.brief_id, one.code) for one in issued.left_out] == [("card", "templates_changed")]
    assert issued.statement.left_out == {"templates_changed": 1}
    assert issued.lacks_approved


def test_conflicts_are_told_and_left_out_and_refusals_are_no_approval(project: Project) -> None:
    file = reviewed(project)
    decide(project, file, "card", "reject", reason="legal", editor="Bo")
    decide(project, file, "=cmd", "reject", reason="legal")
    issued = exported(project, file)
    assert [(one.brief_id, one.code) for one in issued.left_out] == [("card", "in_conflict")]
    assert issued.left_out[0].message.startswith(f"card/0 ({issued.left_out[0].record_id}) is left out: in_conflict.")
    assert issued.left_out[0].message.endswith("editor's file is imported with `aigc review import --final`.")
    assert issued.lacks_approved


def test_a_final_word_settles_what_is_exported(project: Project) -> None:
    file = reviewed(project)
    decide(project, file, "card", "reject", reason="legal", editor="Bo")
    decide(project, file, "card", "edit", fields={"headline": "Last", "points": ["one"]}, editor="Mei", final=True)
    decide(project, file, "kettle", "reject", reason="legal", editor="Mei", final=True)
    issued = exported(project, file)
    rows = lines(issued)
    assert ([*rows], rows["card"]["text"], issued.left_out) == (["灯/../../x", "card"], "LAST\n\n* one", [])
    assert issued.statement.others == {"rejected": 1, "open": 1}
    by = {(entry.decision.record_id, entry.decision.editor): entry.digest
          for entry in read_ledger(project.out / file.run_id).entries}
    assert rows["card"]["provenance"]["decisions"] == [by[rows["card"]["record_id"], "Mei"]]


def test_accepted_texts_are_those_that_nobody_refuses_with_edits_where_there_are_some(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "edit", text=EDITED)
    decide(project, file, "card", "reject", reason="legal")
    issued = exported(project, file, kind="accepted")
    rows = lines(issued, "accepted.jsonl")
    oversight = {name: row["provenance"]["human_oversight"] for name, row in rows.items()}
    assert oversight == {"kettle": "edited", "灯/../../x": "none", "=cmd": "none"}
    assert [one.code for one in issued.left_out] == ["rejected"]
    assert not issued.lacks_approved
    assert issued.folder == str(project.out / file.run_id / "accepted")


def test_what_a_filter_held_is_exported_once_an_editor_approves_it(project: Project) -> None:
    project.set("filters", forbidden_terms={"action": "hold", "terms": ["litre"]})
    file = project.run(answer)
    assert file.outcomes["held"] >= 1
    decide(project, file, "kettle", "approve")
    assert [*lines(exported(project, file))] == ["kettle"]


def test_what_was_approved_before_a_later_run_took_it_over_is_approved_there(project: Project) -> None:
    first = project.run(answer)
    decide(project, first, "kettle", "approve")
    decide(project, first, "card", "reject", reason="other")
    second = redone(project, first, lambda _: json.dumps({"headline": "New", "points": ["one"]}))
    decide(project, second, "card", "approve")
    issued = exported(project, second)
    rows = lines(issued)
    assert [*rows] == ["kettle", "card"]
    assert [*issued.statement.ledgers] == [first.run_id, second.run_id]
    assert len(rows["card"]["provenance"]["decisions"]) == 2, "the refusal that led to it, and the approval"


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_carries_the_hidden_label_that_the_standard_asks_for(project: Project, kind: Format) -> None:
    project.set("labels", producer="Harbour-Bakery")
    issued = exported(project, reviewed(project), kind)
    for path in (path for path in Path(issued.folder).rglob("*") if path.is_file() and path.name != "export.json"):
        found = read_label(path)
        assert found.faults == []
        assert found.labelled == (0 if kind == "csv" else found.contents), "CSV has no place for one"
        if found.label:
            assert found.label.producer == "Harbour-Bakery"


def test_a_text_of_markdown_is_a_file_of_its_own_with_front_matter(project: Project) -> None:
    issued = exported(project, reviewed(project), "markdown")
    folder = Path(issued.folder)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.md"))
    assert [path.rpartition("-")[0] for path in paths] == ["markdown/card/card", "markdown/note/kettle",
                                                           "markdown/note/x"]
    _, matter, text = next(folder.glob("markdown/note/x-*.md")).read_text("utf-8").split("---\n")
    found = yaml.safe_load(matter)
    assert (found["id"], found["language"], found["human_oversight"]) == ("灯/../../x", "zh", "approved")
    assert found["AIGC"]["ProduceID"] == found["record_id"]
    assert text.strip().endswith("本内容由人工智能生成")


@pytest.mark.parametrize("visible", ["by_type", "on", "off"])
def test_a_file_of_markdown_tells_readers_once_that_ai_made_its_text_unless_labels_are_off(
    project: Project, visible: str
) -> None:
    project.set("labels", visible=visible)
    paths = sorted(Path(exported(project, reviewed(project), "markdown").folder).rglob("*.md"))
    said = ["This text was generated by AI.", "This text was generated by AI.", "本内容由人工智能生成"]
    assert [path.read_text("utf-8").count(words) for path, words in zip(paths, said, strict=True)] == (
        [0, 0, 0] if visible == "off" else [1, 1, 1])
    assert [read_label(path).visible for path in paths] == ([0, 0, 0] if visible == "off" else [1, 1, 1])


@pytest.mark.parametrize("name", [
    "../../etc/passwd", "CON", "a" * 300, "日本語", "x\ny", "x\u2028y\x85z", "..", ".hidden", "a/b\\c:d*?", "'q\" - #"])
def test_no_id_leads_out_of_the_folder_or_breaks_the_front_matter(project: Project, name: str) -> None:
    from aigc.publishing.markdown import _quoted

    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 0 < len(slug(name)) <= 40
    assert yaml.safe_load(f"id: {_quoted(name)}") == {"id": name}


def test_file_names_of_variants_and_of_ids_that_look_alike_differ(project: Project) -> None:
    row = exporting.msgspec.json.decode(
        json.dumps(lines(exported(project, reviewed(project)))["kettle"]).encode(), type=exporting.Published)
    names = {file_name(exporting.msgspec.structs.replace(row, **change)) for change in (
        {}, {"variant": 1}, {"id": "Kettle"}, {"id": "kettle!"}, {"record_id": "other"})}
    assert len(names) == 5


def test_no_cell_is_a_formula(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "=cmd", "approve")
    folder = Path(exported(project, file, "csv", "xlsx").folder)
    with (folder / "approved.csv").open(encoding="utf-8-sig", newline="") as table:
        (row,) = csv.DictReader(table)
    assert (row["id"], row["text"][:3]) == ("'=cmd", "'=T")
    sheet = openpyxl.load_workbook(folder / "approved.xlsx")["Note"]
    cells = {str(sheet.cell(1, at).value): sheet.cell(2, at) for at in range(1, sheet.max_column + 1)}
    assert (cells["id"].value, cells["id"].data_type) == ("=cmd", "s")
    assert (cells["text"].value, cells["text"].data_type) == (f"={GOOD}", "s")


def test_a_workbook_has_a_sheet_for_each_type_with_its_fields(project: Project) -> None:
    folder = Path(exported(project, reviewed(project), "xlsx").folder)
    book = openpyxl.load_workbook(folder / "approved.xlsx")
    assert book.sheetnames == ["Note", "Card"], "as their templates have it"
    headings, values = book["Card"].iter_rows(values_only=True)
    row = dict(zip(headings, values, strict=True))
    assert (row["headline"], row["points"]) == ("Slow water", "a litre\na thin stream")
    assert (row["name"], row["id"]) == ("kettle", "card")
    assert book["Card"].print_title_rows == "$1:$1", "a print has all columns under their headings"
    assert book["Card"].sheet_properties.pageSetUpPr.fitToPage


def test_parquet_holds_all_values_and_where_each_text_came_from(project: Project) -> None:
    folder = Path(exported(project, reviewed(project), "parquet").folder)
    rows = {row["id"]: row for row in pq.read_table(folder / "approved.parquet").to_pylist()}
    assert rows["kettle"]["text"] == EDITED
    assert rows["kettle"]["provenance"]["edit_source_type"] == HUMAN_EDITS
    assert json.loads(rows["card"]["fields"])["headline"] == "Slow water"
    assert [type(row["variant"]) for row in rows.values()] == [int, int, int]


def test_a_word_document_has_each_text_as_readers_see_it_under_its_name(project: Project) -> None:
    file = reviewed(project)
    folder = Path(exported(project, file, "docx", to=project.folder / "site").folder) / "docx"
    assert sorted(path.name for path in folder.iterdir()) == ["card.docx", "note.docx"]
    card = [*paragraphs_of_word((folder / "card.docx").read_bytes(), "card.docx")]
    record = lines(exported(project, file, "jsonl"))["card"]["record_id"]
    assert card == ["Card", "The texts in this document were generated by AI.", "kettle",
                    "card · approved by an editor", "SLOW WATER", "a litre", "a thin stream"]
    found = re.findall(r'<w:bookmarkStart w:id="1" w:name="r_(\w+)"/>.*?kettle<.*?<w:bookmarkEnd w:id="1"/>',
                       word(project, file, "card.docx"))
    assert [mark.replace("_", "-") for mark in found] == [record], "which readers do not see"
    note = [*paragraphs_of_word((folder / "note.docx").read_bytes(), "note.docx")]
    assert "本内容由人工智能生成" in note
    assert any("with <w:p> & \"quotes\" in it." in paragraph for paragraph in note)


def test_documents_and_sheets_of_chinese_texts_have_chinese_titles(project: Project) -> None:
    (project.folder / "templates" / "note").rename(project.folder / "templates" / "ad_copy")
    project.sheet([{"id": name, "content_type": "ad_copy", "product": "灯", "language": language}
                   for name, language in (("one", "zh"), ("two", "zh"), ("three", "en"))])
    file = project.run(answer)
    for name in ("one", "two", "three"):
        decide(project, file, name, "approve")
    folder = Path(exported(project, file, "docx", "xlsx").folder)
    first, *_ = paragraphs_of_word((folder / "docx" / "ad-copy.docx").read_bytes(), "ad-copy.docx")
    assert (first, openpyxl.load_workbook(folder / "approved.xlsx").sheetnames) == ("广告文案", ["广告文案"])


def word(project: Project, file: RunFile, name: str = "note.docx") -> str:
    """The document's own part."""
    issued = exported(project, file, "docx", to=project.folder / "site")
    with zipfile.ZipFile(Path(issued.folder) / "docx" / name) as package:
        return package.read("word/document.xml").decode("utf-8")


def test_markdown_that_an_editor_wrote_is_laid_out_in_word(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "edit", text="# Slow **water**\n\nFirst\nsecond\n\n- one\n\n1. two\n\nÜber *alles*")
    document = word(project, file)
    found = re.findall(r'<w:p>.*?<w:pStyle w:val="(\w+)"/>.*?</w:p>', document)
    assert found == ["Heading1", "Label", "Heading2", "Record", "Heading3", "Normal", "ListBullet", "ListNumber",
                     "Normal"]
    assert re.search(r'<w:b/><w:bCs/><w:lang w:val="en"/></w:rPr><w:t xml:space="preserve">water<', document)
    assert re.search(r'<w:i/><w:iCs/><w:lang w:val="en"/></w:rPr><w:t xml:space="preserve">alles<', document)
    assert "1.<" in document, "the number as it was written"
    assert not re.search(r">[^<]*(?:\*|# )[^<]*<", document)
    assert ElementTree.fromstring(document)  # noqa: S314 - our own


def test_a_document_says_at_its_head_what_its_texts_do_not_say(project: Project) -> None:
    file = reviewed(project)
    issued = exported(project, file, "docx", to=project.folder / "site")
    note, card = (Path(issued.folder) / "docx" / name for name in ("note.docx", "card.docx"))
    said = "The texts in this document were generated by AI."
    for path, times in ((note, 1), (card, 1)):
        assert [*paragraphs_of_word(path.read_bytes(), path.name)].count(said) == times
        assert read_label(path).visible == 1, "and `aigc label check` finds it"
    project.set("labels", visible="on")
    assert "本内容由人工智能生成" in word(project, file)
    assert said not in word(project, file, "card.docx"), "each of its texts says it"
    project.set("labels", visible="off")
    assert said not in word(project, file)


@pytest.mark.parametrize(("visible", "labels"), [
    ("by_type", {"kettle": "", "灯/../../x": "本内容由人工智能生成"}),
    ("on", {"kettle": "This text was generated by AI.", "灯/../../x": "本内容由人工智能生成"}),
    ("off", {"kettle": "", "灯/../../x": ""}),
])
def test_todays_setting_puts_a_label_into_every_text_or_into_none_edited_or_not(
    project: Project, visible: str, labels: dict[str, str]
) -> None:
    file = reviewed(project)
    project.set("labels", visible=visible, producer="Harbour-Bakery")
    rows = lines(exported(project, file))
    assert {name: rows[name]["disclosure"] for name in labels} == labels
    for name, label in labels.items():
        assert rows[name]["text"].endswith(f"\n\n{label}") == bool(label)


def test_a_text_is_labelled_by_todays_setting_though_its_templates_are_gone(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "approve")
    shutil.rmtree(project.folder / "templates")
    project.set("labels", visible="on")
    assert lines(exported(project, file))["kettle"]["disclosure"] == "This text was generated by AI."


def test_unreviewed_texts_without_a_visible_label_are_counted_and_approved_ones_are_not(project: Project) -> None:
    file = reviewed(project)
    assert exported(project, file, kind="accepted").unseen == 1, "nobody decided on the stool"
    assert exported(project, file).unseen == 0
    project.set("labels", visible="off")
    assert exported(project, file, kind="accepted").unseen == 0, "somebody wants none"


def test_more_than_one_approved_text_of_a_brief_is_told(project: Project) -> None:
    project.sheet([{"id": name, "content_type": "note", "product": name, "variants": count}
                   for name, count in (("kettle", "3"), ("lamp", "2"), ("stool", "2"))])
    file = project.run(lambda prompt: GOOD.replace("litre", f"litre number {len(prompt.messages[-1].content)}"))
    for name, variant in (("kettle", 0), ("kettle", 1), ("kettle", 2), ("lamp", 1), ("stool", 0), ("stool", 1)):
        decide(project, file, name, "approve", variant=variant)
    issued = exported(project, file)
    assert [(one.brief_id, one.texts) for one in issued.several] == [("kettle", 3), ("stool", 2)]
    assert issued.statement.texts == 6, "all of them are in it: nothing here knows the better one"
    assert exported(project, file, kind="accepted").several == [], "who takes what filters accept asked for variants"


def test_every_row_of_a_run_is_accounted_for(project: Project) -> None:
    project.set("filters", forbidden_terms={"action": "retry", "terms": ["litre"]})
    project.sheet([
        *({"id": name, "content_type": "note", "product": name, "language": "en"}
          for name in ("edited", "conflict", "open", "refused", "gone", "exhausted", "fault", "stool")),
        {"id": "broken", "content_type": "note", "product": "", "language": "en"},
    ])

    def script(prompt: Prompt) -> str | Completion:
        asked = prompt.messages[-1].content
        if "fault" in asked:
            return Completion(request_id=prompt.request_id, text="", finish_reason="error",
                              fault=Fault(code="engine_error", found="a", expected="b", remedy="c"))
        return GOOD if "exhausted" in asked else GOOD.replace("litre", asked)

    file = project.run(script)
    for name, verb in (("edited", "edit"), ("conflict", "approve"), ("refused", "reject"), ("exhausted", "approve"),
                       ("gone", "approve")):
        decide(project, file, name, verb, text="Words." if verb == "edit" else "",  # type: ignore[arg-type]
               reason="other" if verb == "reject" else "")
    decide(project, file, "conflict", "reject", reason="other", editor="Bo")
    forget(project.out, "gone")
    told = exported(project, file).statement
    assert (told.rows, told.texts, told.edited) == (9, 2, 1), "an editor approved what filters had refused"
    assert (told.left_out, told.others) == (
        {"in_conflict": 1}, {"open": 2, "rejected": 1, "forgotten": 1, "no_text": 2})
    told = exported(project, file, kind="accepted").statement
    assert told.left_out == {"in_conflict": 1, "rejected": 1}
    assert told.others == {"forgotten": 1, "not_accepted": 1, "no_text": 2}
    assert told.texts + sum(told.left_out.values()) + sum(told.others.values()) == told.rows == 9


@pytest.mark.skipif(not HAS_WRITER, reason="LibreOffice Writer is not installed")
def test_libreoffice_opens_the_documents_and_reads_every_text(project: Project, tmp_path: Path) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "edit", text="One\ttab.\n\nTwo \x07 lines\nof “text” <b>&amp;</b> 🫖.")
    decide(project, file, "灯/../../x", "approve")
    decide(project, file, "card", "approve")
    folder = Path(exported(project, file, "docx").folder)
    for path in (folder / "docx" / "note.docx", folder / "docx" / "card.docx"):
        subprocess.run([str(SOFFICE), f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless",
                        "--convert-to", "txt:Text (encoded):UTF8", "--outdir", str(tmp_path), str(path)],
                       check=True, capture_output=True, timeout=120)
    note = (tmp_path / "note.txt").read_text("utf-8-sig")
    assert "One\ttab." in note
    assert "of “text” <b>&amp;</b> 🫖." in note
    assert "这盏灯很亮，照着书桌，也照着窗外的雪。" in note
    assert "SLOW WATER" in (tmp_path / "card.txt").read_text("utf-8-sig")


def test_a_word_document_has_the_same_bytes_each_time(project: Project) -> None:
    file = reviewed(project)
    project.set("labels", hidden=False)
    one, two = (Path(exported(project, file, "docx", to=project.folder / name).folder) for name in ("one", "two"))
    assert (one / "docx" / "note.docx").read_bytes() == (two / "docx" / "note.docx").read_bytes()


def test_the_statement_proves_the_files_and_names_run_and_ledger(project: Project) -> None:
    file = reviewed(project)
    issued = exported(project, file, *FORMATS)
    folder = Path(issued.folder)
    told = json.loads((folder / "export.json").read_text("utf-8"))
    assert told["schema"] == "aigc.export/1"
    assert {one["path"]: one["digest"] for one in told["files"]} == {
        path.relative_to(folder).as_posix(): digest_file(path) for path in folder.rglob("*")
        if path.is_file() and path.name != "export.json"}
    assert told["manifest"] == file.manifest == digest_file(project.out / file.run_id / "manifest.json")
    assert told["ledgers"] == {file.run_id: read_ledger(project.out / file.run_id).head}
    assert not list(folder.rglob(".*")), "nothing of the work is left"
    assert verify(project.out / file.run_id).holds, "the run is as it was"


def test_an_export_replaces_the_one_before_as_a_whole(project: Project) -> None:
    file = reviewed(project)
    to = project.folder / "site"
    exported(project, file, "markdown", "csv", to=to)
    exported(project, file, "jsonl", to=to)
    assert sorted(path.name for path in to.rglob("*")) == ["approved.jsonl", "export.json"]
    assert [path.name for path in project.folder.iterdir() if path.name.startswith(".")] == []


def test_a_writer_that_fails_leaves_the_export_before_as_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = reviewed(project)
    to = project.folder / "site"
    exported(project, file, "jsonl", to=to)
    before = (to / "approved.jsonl").read_bytes()

    def fails(issue: object) -> list[Path]:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(exporting.WRITERS, "csv", fails)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="Free space on this disk"):
        exported(project, file, "jsonl", "csv", to=to)
    assert sorted(path.name for path in to.iterdir()) == ["approved.jsonl", "export.json"]
    assert (to / "approved.jsonl").read_bytes() == before


def test_an_export_that_was_killed_between_two_renames_is_put_back(project: Project) -> None:
    file = reviewed(project)
    to = project.folder / "site"
    exported(project, file, "jsonl", to=to)
    work = project.folder / ".site.export"
    work.mkdir()
    to.rename(work / "old")
    (work / "new").mkdir()
    (work / "new" / "half.csv").write_text("half", "utf-8")
    exported(project, file, "csv", to=to)
    assert sorted(path.name for path in to.iterdir()) == ["approved.csv", "export.json"]
    assert not work.exists()


@pytest.mark.parametrize("name", ["notes.txt", "deep/notes.txt"])
def test_a_folder_with_anything_else_in_it_is_never_replaced(project: Project, name: str) -> None:
    file = reviewed(project)
    to = project.folder / "site"
    exported(project, file, to=to)
    (to / name).parent.mkdir(exist_ok=True)
    (to / name).write_text("mine", "utf-8")
    with pytest.raises(UsageError, match="which no export wrote"):
        exported(project, file, to=to)
    assert (to / name).read_text("utf-8") == "mine"
    with pytest.raises(UsageError, match="an earlier export"):
        exported(project, file, to=project.folder / "templates")
    with pytest.raises(UsageError, match="a file at"):
        exported(project, file, to=project.folder / project.sheet_name)


def test_nothing_approved_is_no_export(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "approve")
    decide(project, file, "kettle", "reject", reason="other", editor="Bo")
    with pytest.raises(UsageError, match=r"no text that stands approved \(in_conflict 1, open 3\)"):
        exported(project, file)
    assert not (project.out / file.run_id / "approved").exists()


def test_records_that_were_changed_since_are_not_published(project: Project) -> None:
    file = reviewed(project)
    path = project.out / file.run_id / "records.parquet"
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(StoreError, match="other bytes than the run's manifest tells"):
        exported(project, file)


def test_a_text_too_long_for_a_cell_is_told_where_only_cells_hold_it(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "edit", text="word " * 8_000 + "end")
    assert exported(project, file, "csv").too_long == 1
    assert exported(project, file, "csv", "jsonl").too_long == 0


def test_forgetting_takes_decisions_and_exports_with_it(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    exported(project, file, "jsonl")
    assert EDITED.encode()[:20] in (folder / LEDGER).read_bytes()
    (gone,) = forget(project.out, "kettle")
    assert (gone.decisions, [name for name in gone.removed if name == "approved"]) == (1, ["approved"])
    left = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert EDITED.encode()[:20] not in left
    found = verify(folder)
    assert found.findings == []
    (check,) = [check for check in found.checks if check.name == "decisions"]
    assert check.detail.startswith("2 in one chain, 1 more forgotten, up to sha256:")
    assert [*lines(exported(project, file))] == ["灯/../../x", "card"]


def test_forgetting_takes_exports_of_any_name_in_the_runs_folder_and_what_a_killed_one_left(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    exported(project, file, "jsonl", "markdown", to=folder / "for the site" / "may")
    (folder / ".approved.export" / "new").mkdir(parents=True)
    (folder / ".approved.export" / "new" / ".texts.jsonl").write_text(EDITED)
    (gone,) = forget(project.out, "kettle")
    assert "for the site/may" in gone.removed
    assert [path for path in folder.rglob("*") if path.is_file() and EDITED.encode()[:20] in path.read_bytes()] == []


def test_no_text_is_forgotten_while_it_is_exported_and_none_is_exported_that_was_forgotten_meanwhile(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = reviewed(project)
    folder, write = project.out / file.run_id, exporting.WRITERS["jsonl"]

    def while_it_is_written(issue: Issue) -> list[Path]:
        with pytest.raises(RunLocked):
            forget(project.out, "kettle")
        (folder / ".approved.export").rename(folder / "aside")  # as where forgetting began a moment before
        forget(project.out, "kettle")
        (folder / "aside").rename(folder / ".approved.export")
        return write(issue)

    with monkeypatch.context() as patch:
        patch.setitem(exporting.WRITERS, "jsonl", while_it_is_written)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="Rows were forgotten meanwhile: run the same command again"):
            exported(project, file, "jsonl")
    assert not (folder / "approved").exists()
    assert [*lines(exported(project, file))] == ["灯/../../x", "card"]


def test_a_decision_that_was_changed_or_left_out_is_named_by_verify(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    whole = (folder / LEDGER).read_bytes()
    for broken, place in ((whole.replace(b'"action":"approve"', b'"action":"reject"', 1), "line 2"),
                          (b"".join(whole.splitlines(keepends=True)[::2]), "line 2"), (b"{}\n" + whole, "line 1")):
        (folder / LEDGER).write_bytes(broken)
        found = verify(folder)
        assert not found.holds
        assert found.findings[0].place == f"{LEDGER} {place}"


def test_a_decision_that_was_hidden_as_forgotten_is_found(project: Project) -> None:
    file = reviewed(project)
    folder = project.out / file.run_id
    first, *rest = (folder / LEDGER).read_bytes().splitlines(keepends=True)
    line = json.loads(first)
    name = line["decision"]["record_id"]
    hidden = {"previous": line["previous"], "digest": line["digest"], "forgotten": {"record_id": name, "at": "now"}}
    (folder / LEDGER).write_bytes(json.dumps(hidden, separators=(",", ":")).encode() + b"\n" + b"".join(rest))
    assert [(one.place, name in one.found) for one in verify(folder).findings] == [(LEDGER, True)]


def test_a_ledger_of_another_run_is_none_of_this_one(project: Project) -> None:
    first = reviewed(project)
    second = project.run(answer, mode="new")
    shutil.copy(project.out / first.run_id / LEDGER, project.out / second.run_id / LEDGER)
    assert [one.found for one in verify(project.out / second.run_id).findings] == [
        f"decisions on run {first.run_id}"]
