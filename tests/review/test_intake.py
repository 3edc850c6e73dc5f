"""What comes back is held against the texts as they are: what is wrong is told row by row, what is right is taken."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from returned_sheets import in_table, setting, with_cells
from runs_to_review import NOW, RUN, SCENE, TEXTS, a_decision, a_text, record_id, reviewed, write_run

from aigc.errors import ReviewError, UsageError
from aigc.review.intake import Offered, Reading, Reviewed, Taken, checked, take
from aigc.review.ledger import Source, read_ledger
from aigc.review.page_file import read_page_file
from aigc.review.status import status_of
from aigc.review_sheet.returned import import_file


@pytest.fixture
def run(folder: Path) -> Reviewed:
    return reviewed(folder)


def edit(**changes: object) -> dict[str, object]:
    return {"verb": "edit", **changes}


@pytest.mark.parametrize(("name", "changes", "code", "message"), [
    ("plain", {"record_id": "018f"}, "unknown_record", "found the record '018f', which the run has no text of"),
    ("plain", {"record_id": record_id("failed")}, "unknown_record", "which the run has no text of"),
    ("plain", {"run_id": "other"}, "wrong_run", f"found a decision on run 'other'; expected one on run {RUN}"),
    ("plain", {"base": "sha256:0"}, "text_changed", "found a decision on another text than the record has now"),
    ("plain", {"reason": "fact_wrong"}, "unknown_reason", "Did you mean 'facts_wrong'?"),
    ("plain", {"reason": "legal"}, "needless_reason", "found an approval with the reason legal"),
    ("plain", {"editor": " \n"}, "no_editor", "Name the editor with --editor."),
    ("plain", {"at": "yesterday"}, "bad_time", "found the time 'yesterday'"),
    ("plain", {"at": "2026-11-28T17:00:00"}, "bad_time", "a time with its zone"),
    ("plain", {"at": "0001-01-01T00:00:00+14:00"}, "bad_time", "found the time '0001-01-01T00:00:00+14:00'"),
    ("plain", {"at": "2026-12-30T17:00:00Z"}, "bad_time", "that is not to come"),
    ("plain", edit(), "empty_text", "found an edit that leaves nothing"),
    ("plain", edit(text=" \u200b\n"), "empty_text", "found an edit that leaves nothing"),
    ("plain", edit(text=TEXTS["plain"].replace("\n", "\r\n") + "\n"), "no_change", "Change the text, or approve it"),
    ("plain", edit(fields={"heading": "x"}), "wrong_fields", "found fields heading; expected no fields"),
    ("scene", edit(fields={"heading": "x"}), "wrong_fields", "expected heading, lines, props, ending, in form"),
    ("scene", edit(fields={**SCENE, "heading": ["x"]}), "wrong_fields", "in their own form"),
    ("scene", edit(fields={**SCENE, "props": "a kettle"}), "wrong_fields", "in their own form"),
    ("scene", edit(fields={**SCENE, "props": [{"a": "b"}]}), "wrong_fields", "in their own form"),
    ("scene", edit(fields={**SCENE, "lines": [{"says": "x"}]}), "wrong_fields", "in their own form"),
    ("scene", edit(fields={**SCENE, "heading": " ", "props": [""]}), "empty_text", "nothing left of heading, props"),
    ("scene", edit(fields=SCENE), "no_change", "found an edit that changes nothing"),
    ("scene", edit(fields={**SCENE, "heading": "x"}, text="y"), "two_edits", "found an edit of the text and of its"),
])
def test_what_cannot_be_taken_is_told_with_its_place_and_remedy(
    run: Reviewed, name: str, changes: dict[str, object], code: str, message: str
) -> None:
    good = a_decision(run, "emoji")
    offers = [Offered(place="f line 2", decision=a_decision(run, name, **changes)),
              Offered(place="f line 3", decision=good)]
    sound, problems = checked(run, offers, datetime.fromisoformat(NOW))
    assert [offer.decision for offer in sound] == [good]
    assert [problem.code for problem in problems] == [code]
    assert problems[0].message.startswith("f line 2: found ")
    assert message in problems[0].message


@pytest.mark.parametrize(("name", "given", "kept"), [
    ("plain", edit(text=" New\r\nwords\u200b.\x07 \n"), {"text": "New\nwords."}),
    ("chinese", edit(text="新的\u200b文字。"), {"text": "新的文字。"}),
    ("plain", edit(text="x", reason="facts_wrong", note=" two\nlines "), {"text": "x", "note": "two\nlines"}),
    ("plain", {"verb": "reject", "reason": "other", "text": "no", "fields": {"a": "b"}}, {"text": "", "fields": {}}),
    ("plain", {"editor": " Ana \u00a0 Li "}, {"editor": "Ana Li"}),
    ("plain", {"at": "2026-11-28T18:00:00.5+01:00"}, {"at": "2026-11-28T17:00:00.500+00:00"}),
    ("plain", {"at": "2026-11-28T17:00:00.123Z"}, {"at": "2026-11-28T17:00:00.123+00:00"}),
    ("scene", edit(text="All new."), {"text": "All new.", "fields": {}}),
    ("scene", edit(fields={**SCENE, "ending": "Dark.\n"}), {"text": "", "fields": {**SCENE, "ending": "Dark."}}),
    ("scene", edit(fields={**SCENE, "props": ["one", "", "two "]}), {"fields": {**SCENE, "props": ["one", "two"]}}),
])
def test_what_is_taken_is_kept_in_one_form(
    run: Reviewed, name: str, given: dict[str, object], kept: dict[str, object]
) -> None:
    offer = Offered(place="f line 2", decision=a_decision(run, name, **given))
    (sound,), problems = checked(run, [offer], datetime.fromisoformat(NOW))
    assert problems == []
    assert {key: getattr(sound.decision, key) for key in kept} == kept


def imported(run: Reviewed, *offers: Offered) -> Taken:
    return take(run, Reading([*offers], [], []), Source(name="f", digest=f"sha256:{len(offers)}", imported_at=NOW))


def test_editors_who_differ_are_both_kept_and_told_until_one_decides_again(run: Reviewed) -> None:
    ana = Offered(place="f line 2", decision=a_decision(run))
    bo = Offered(place="g line 5", decision=a_decision(run, editor="Bo", verb="reject", reason="legal"))
    assert imported(run, ana).problems == []
    taken = imported(run, bo)
    assert (taken.taken, [problem.code for problem in taken.problems]) == (1, ["conflict"])
    assert taken.problems[0].message == (
        "g line 5: found Bo: reject, where Ana: approve; expected one decision. Both are kept, and the text is not "
        "approved until they agree: one of them decides again, or a chief editor's file brings the final word "
        "(--final).")
    assert imported(run, bo).problems == []  # nothing new, nothing to tell
    assert read_ledger(run.folder).standing()[record_id("plain")].decision is None
    again = replace(bo.decision, verb="approve", reason="", at="2026-11-28T18:00:00Z")
    assert imported(run, Offered(place="h line 2", decision=again)).problems == []
    assert read_ledger(run.folder).standing()[record_id("plain")].state == "approved"


def page_file(path: Path, run: Reviewed, *lines: object, editor: str = "Ana", run_id: str = RUN) -> Path:
    heading = {"aigc_review": 1, "run_id": run_id, "editor": editor}
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in (heading, *lines)))
    return path


def a_line(run: Reviewed, name: str = "plain", **changes: object) -> dict[str, object]:
    return {"record_id": record_id(name), "action": "approve", "at": NOW,
            "base": run.originals[record_id(name)].base, **changes}


def test_what_the_page_exports_is_taken_and_taken_once(run: Reviewed, tmp_path: Path) -> None:
    path = page_file(
        tmp_path / "decisions.jsonl", run, a_line(run), "\n",
        a_line(run, "chinese", action="edit", text="新。", note="更短", editor="Ana", run_id=RUN),
        a_line(run, "scene", action="edit", fields={**SCENE, "ending": "Dark."}),
        a_line(run, "emoji", action="reject", reason="tone_wrong"),
    )
    taken = import_file(run.folder, RUN, path)
    assert (taken.found, taken.taken, taken.known, taken.problems, taken.editors) == (4, 4, 0, [], ["Ana"])
    said = {one.record_id: one for one in read_ledger(run.folder).decisions}
    assert said[record_id("chinese")].text == "新。"
    assert said[record_id("scene")].fields == {**SCENE, "ending": "Dark."}
    assert said[record_id("emoji")].reason == "tone_wrong"
    data = (run.folder / "decisions.jsonl").read_bytes()
    again = import_file(run.folder, RUN, path)
    assert (again.taken, again.known) == (0, 4)
    assert (run.folder / "decisions.jsonl").read_bytes() == data


def test_bad_lines_of_a_page_file_are_told_and_the_others_taken(run: Reviewed, tmp_path: Path) -> None:
    path = page_file(
        tmp_path / "decisions.jsonl", run, a_line(run, action="maybe"), '{"record_id": "x"}\n', "no json\n",
        a_line(run, "emoji", record_id="gone"), a_line(run, "chinese", text="\ud800"), a_line(run, "emoji"),
        json.dumps(a_line(run, "date"))[:40],
    )
    taken = import_file(run.folder, RUN, path)
    assert [(one.place, one.code) for one in taken.problems] == [
        ("decisions.jsonl line 2", "broken_line"), ("decisions.jsonl line 3", "broken_line"),
        ("decisions.jsonl line 4", "broken_line"), ("decisions.jsonl line 6", "broken_line"),
        ("decisions.jsonl line 8", "broken_line"), ("decisions.jsonl line 5", "unknown_record")]
    assert (taken.found, taken.taken, taken.known, taken.not_taken) == (7, 1, 0, 6)


def test_page_files_one_behind_the_other_are_one(run: Reviewed, tmp_path: Path) -> None:
    one = page_file(tmp_path / "a.jsonl", run, a_line(run))
    other = page_file(tmp_path / "b.jsonl", run, a_line(run, "emoji"), editor="Bo")
    both = tmp_path / "both.jsonl"
    both.write_bytes(b"\xef\xbb\xbf" + one.read_bytes() + other.read_bytes().replace(b"\n", b"\r\n"))
    assert [offer.decision.editor for offer in read_page_file(both).offered] == ["Ana", "Bo"]


@pytest.mark.parametrize(("content", "editor", "error", "message"), [
    ("", "", ReviewError, "found an empty file"),
    ('{"record_id": "x", "action": "approve"}\n', "", ReviewError, "line 1: found no heading"),
    ('{"aigc_review": 2, "run_id": "x"}\n', "", ReviewError, "found a file of version 2; expected one of version 1"),
    ('{"aigc_review": 1}\n', "", ReviewError, "found a damaged heading"),
    ('{"previous": "sha256:0", "decision": {}}\n', "", ReviewError, "a ledger is never imported"),
    ('{"aigc_review": 1, "run_id": "x", "editor": "Ana"}\n', "Bo", UsageError, "Leave --editor out"),
])
def test_a_file_that_no_page_exported_is_refused_whole(
    tmp_path: Path, content: str, editor: str, error: type[Exception], message: str
) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(content)
    with pytest.raises(error, match=message):
        read_page_file(path, editor)


def test_an_editor_is_named_by_the_file_or_by_the_command(run: Reviewed, tmp_path: Path) -> None:
    path = page_file(tmp_path / "f.jsonl", run, a_line(run), editor="")
    assert [one.code for one in import_file(run.folder, RUN, path).problems] == ["no_editor"]
    assert import_file(run.folder, RUN, path, "Cy").editors == ["Cy"]


def test_a_file_that_is_not_there_is_told(run: Reviewed, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which is no file"):
        import_file(run.folder, RUN, tmp_path / "none.xlsx")


def test_the_status_counts_texts_editors_verbs_and_conflicts(run: Reviewed) -> None:
    imported(
        run, *(Offered(place="f", decision=decision) for decision in (
            a_decision(run), a_decision(run, "emoji", verb="edit", text="Tea."),
            a_decision(run, "date", verb="reject", reason="other"), a_decision(run, "date", editor="Bo"),
            a_decision(run, "quotes", editor="Bo", verb="reject", reason="legal"),
        )))
    status = status_of(RUN, run.originals.values(), read_ledger(run.folder))
    assert (status.records, status.open, status.done, status.decisions, status.gone) == (15, 11, 3, 5, 0)
    assert (status.approved, status.edited, status.rejected, status.in_conflict) == (2, 1, 1, 1)
    assert status.by_editor == {"Ana": {"approve": 1, "edit": 1, "reject": 1}, "Bo": {"approve": 1, "reject": 1}}
    assert status.reasons == {"other": 1, "legal": 1}
    assert status.reasons_rejected == {"legal": 1}, "the other stands in conflict"
    assert [(one.brief_id, [said.editor for said in one.latest]) for one in status.conflicts] == [
        ("date", ["Ana", "Bo"])]
    assert [(one.records, one.agreed) for one in status.agreement] == [(1, 0.0)]


def test_decisions_on_texts_that_are_gone_are_counted_apart(run: Reviewed) -> None:
    imported(run, Offered(place="f", decision=a_decision(run)))
    write_run(run.folder, [a_text("new", "Another text.")])
    status = status_of(RUN, reviewed(run.folder).originals.values(), read_ledger(run.folder))
    assert (status.records, status.open, status.approved, status.gone) == (1, 1, 0, 1)


@pytest.mark.parametrize("form", ["page", "workbook", "table"])
def test_a_rejection_without_a_reason_is_taken_and_told_in_every_form(
    run: Reviewed, tmp_path: Path, form: str
) -> None:
    def file(reason: str) -> Path:
        if form == "page":
            return page_file(tmp_path / "back.jsonl", run, a_line(run, action="reject", reason=reason, note="no"))
        cells = {("plain", "decision"): "reject", ("plain", "reason"): reason, ("plain", "note"): "no"}
        if form == "workbook":
            return with_cells(run.folder, tmp_path, cells)
        return in_table(run.folder, tmp_path, setting(cells))

    taken = import_file(run.folder, RUN, file(""), "Ana")
    assert (taken.taken, [problem.code for problem in taken.problems]) == (1, ["no_reason"])
    assert "found a rejection without a reason; expected why. It is taken." in taken.problems[0].message
    assert read_ledger(run.folder).standing()[record_id("plain")].state == "rejected"
    again = import_file(run.folder, RUN, file("legal"), "Ana")  # completed in the same file
    assert (again.taken, again.problems) == (1, [])
    assert read_ledger(run.folder).standing()[record_id("plain")].latest[0].reason == "legal"


@pytest.mark.parametrize("name", ["José", " Jose\u0301 ", "Jose\u0301"])
def test_a_name_is_the_same_however_its_letters_and_blanks_are_written(
    run: Reviewed, tmp_path: Path, name: str
) -> None:
    path = page_file(tmp_path / "f.jsonl", run, a_line(run, editor="Jose\u0301"), editor="Jose\u0301")
    assert import_file(run.folder, RUN, path, name).editors == ["José"]
