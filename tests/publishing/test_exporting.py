"""Approved texts leave in every form with the words that editors want, their labels, and what proves them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from editing import decide, redone
from exports import EDITED, answer, exported, lines, reviewed
from small_project import GOOD, Project

from aigc.errors import StoreError, UsageError
from aigc.forgetting import forget
from aigc.hashing import digest_file, digest_text
from aigc.publishing import exporting
from aigc.publishing.exporting import FORMATS
from aigc.publishing.values import HUMAN_EDITS
from aigc.records import Completion, Fault, Prompt
from aigc.review.ledger import read_ledger
from aigc.verification import verify


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
