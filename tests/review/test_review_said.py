"""What `aigc review` says: sorted by what became of rows, in words, and no wider than a terminal."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from msgspec.structs import replace
from returned_sheets import in_table, read, setting
from runs_to_review import RUN, a_decision, a_text, record_id, reviewed, write_run

from aigc.console_review import SHOWN, import_lines, say_lines, status_lines
from aigc.review.agreement import FEWEST_TEXTS, Agreement
from aigc.review.decisions import Decision
from aigc.review.intake import Reported, Taken
from aigc.review.ledger import Source, append, read_ledger
from aigc.review.reviewable import reviewables, title_of
from aigc.review.status import Status, status_of
from aigc.review_page.rows import all_rows, page_row
from aigc.review_sheet.delimited import write_csv


def reported(code: str, line: int, *, taken: bool, remedy: str = "Correct it.") -> Reported:
    return Reported(place=f"a.csv line {line}", code=code, found=f"what is {code}", expected="the other", remedy=remedy,
                    taken=taken)


TAKEN = Taken(run_id=RUN, source="a.csv", editors=["Ana"], found=9, taken=5, known=1, not_taken=3, final=False,
              overruling=0, in_conflict=0, problems=[], notices=[])


def test_rows_are_told_by_what_became_of_them_those_not_taken_first() -> None:
    lines = [*import_lines(replace(
        TAKEN, notices=[reported("mangled", 7, taken=True), reported("rows_missing", 8, taken=False)], problems=[
            reported("no_reason", 2, taken=True), reported("conflict", 3, taken=True),
            reported("twice", 4, taken=False), reported("formula", 5, taken=False, remedy="Paste it."),
            reported("twice", 6, taken=False)]))]
    assert lines == [
        "Not taken (3)",
        "  a.csv line 4: found what is twice; expected the other",
        "  a.csv line 6: found what is twice; expected the other",
        "    Correct it.",
        "  a.csv line 5: found what is formula; expected the other",
        "    Paste it.",
        "",
        "Taken, but in conflict (1)",
        "  a.csv line 3: what is conflict",
        "",
        "Taken, with a remark (2)",
        "  a.csv line 2: what is no_reason",
        "  a.csv line 7: what is mangled",
        "    Correct it.",
        "",
        "To know (1)",
        "  a.csv line 8: what is rows_missing",
        "    Correct it.",
        "",
        "a.csv: 5 decisions of Ana taken, 1 known already, 3 not taken.",
        "Next: correct what was not taken in that file, and import the file again.",
        f"Then: aigc review status {RUN}",
    ]


def test_of_many_rows_a_terminal_shows_some_of_each_kind() -> None:
    many = [reported("twice", line, taken=False) for line in range(SHOWN + 7)]
    lines = [*import_lines(replace(TAKEN, problems=[*many, reported("conflict", 99, taken=True)], in_conflict=1))]
    assert lines[0] == f"Not taken ({SHOWN + 7})"
    assert sum("what is twice" in line for line in lines) == SHOWN
    assert "  … and 7 more: --json has all." in lines
    assert "  a.csv line 99: what is conflict" in lines


def test_in_a_terminal_no_line_is_wider_than_it_and_elsewhere_each_row_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["Short", "  " + "a word of many words, " * 9]
    say_lines(lines)
    assert capsys.readouterr().out.splitlines() == lines
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    say_lines(lines)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Short"
    assert max(map(len, told)) <= 60
    assert [line[:5] for line in told[1:]] == ["  a w", *["    " + line[4] for line in told[2:]]]


def test_words_that_are_no_choice_are_told_once_with_what_they_are_read_as(folder: Path, tmp_path: Path) -> None:
    words = {"plain": "OK", "chinese": "OK", "emoji": "good", "date": "approve", "quotes": "通过", "number": "拒绝",
             "blanks": "Approved"}
    cells = {(name, "decision"): word for name, word in words.items()}
    reading = read(in_table(folder, tmp_path, setting(cells)), folder)
    assert len(reading.offered) == len(words)
    assert [one.message for one in reading.notices if one.code == "read_as"] == [
        f"back.csv: found the decision {said}; expected one of approve, edit, reject. It is read as {verb}."
        for said, verb in (
            ("'OK' in 2 rows", "approve"), ("'good' in 1 row", "approve"), ("'拒绝' in 1 row", "reject"))]


def test_no_name_commands_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say_lines(import_lines(replace(TAKEN, editors=["Ana\x1b[31m\u202e"])))
    assert "5 decisions of Ana\\x1b[31m\\u202e taken" in capsys.readouterr().out


@pytest.mark.parametrize(("kappa", "records", "words"), [
    (None, 50, "all said the same"), (0.9, FEWEST_TEXTS - 1, "too few texts to say"), (-0.2, 50, "worse than chance"),
    (0.001, 50, "no better than chance"), (-0.001, 50, "no better than chance"), (0.2, 50, "slight"),
    (0.204, 50, "slight"), (0.21, 50, "fair"), (0.40, 50, "fair"), (0.41, 50, "moderate"), (0.61, 50, "substantial"),
    (0.81, FEWEST_TEXTS, "almost perfect"), (1.0, 50, "almost perfect"),
])
def test_kappa_is_told_in_the_words_of_landis_and_koch(kappa: float | None, records: int, words: str) -> None:
    agreement = Agreement(method="cohen", editors=["Ana", "Bo"], records=records, agreed=0.5, kappa=kappa)
    assert agreement.strength == words
    assert agreement.is_on_scale == (words in ("slight", "fair", "moderate", "substantial", "almost perfect"))


def a_status(folder: Path, *decisions: Decision) -> Status:
    append(folder, decisions, Source(name="f", digest="sha256:f", imported_at="2026-11-28T17:00:00.000+00:00"))
    return status_of(RUN, reviewed(folder).originals.values(), read_ledger(folder))


def test_briefs_with_several_approved_variants_are_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / RUN, [
        a_text(name, f"Text {name} {variant}.", brief_id=name, variant=variant, record_id=record_id(f"{name}{variant}"))
        for name in ("one", "two", "three") for variant in (0, 1)])
    run = reviewed(folder)
    status = a_status(folder, *(a_decision(run, name) for name in ("one0", "one1", "two0", "three0", "three1")),
                      a_decision(run, "two1", verb="reject", reason="other"))
    assert status.several_approved == 2
    assert "2 briefs have more than one approved variant: export takes all of them." in [*status_lines(status)]


def test_reasons_stand_beside_the_rejected_texts_that_have_them_each_text_once(folder: Path) -> None:
    names = ["both", "two", "edit", "overruled"]
    write_run(folder, [a_text(name, f"Text {name}.", brief_id=name, record_id=record_id(name)) for name in names])
    run = reviewed(folder)
    status = a_status(folder, *(
        a_decision(run, name, editor=editor, verb="reject", reason=reason) for name, editor, reason in (
            ("both", "Ana", "facts_wrong"), ("both", "Bo", "facts_wrong"), ("two", "Ana", "facts_wrong"),
            ("two", "Bo", "legal"), ("overruled", "Ana", "off_brief"))),
        a_decision(run, "edit", verb="edit", text="Better.", reason="language_poor"),
        a_decision(run, "overruled", editor="Mei", final=True))
    assert "  rejected     2: facts wrong 2, legal 1" in [*status_lines(status)]
    assert not any("off brief" in line or "language poor" in line for line in status_lines(status))
    assert status.reasons == {"facts_wrong": 3, "legal": 1, "language_poor": 1}


def test_two_who_edit_differently_agree_on_what_to_do_and_not_on_the_words(folder: Path) -> None:
    names = ["one", "two", "three", "four"]
    write_run(folder, [a_text(name, f"Text {name}.", brief_id=name, record_id=record_id(name)) for name in names])
    run = reviewed(folder)
    edits = [a_decision(run, name, editor=editor, verb="edit", text=f"Better {name} {differs and editor}.")
             for name, differs in (("one", False), ("two", True)) for editor in ("Ana", "Bo")]
    others = [a_decision(run, "three"), a_decision(run, "three", editor="Bo"),
              a_decision(run, "four", editor="Bo"), a_decision(run, "four", verb="reject", reason="other")]
    status = a_status(folder, *edits, *others)
    (line,) = [line for line in status_lines(status) if line.startswith("Ana and Bo")]
    assert line.startswith("Ana and Bo: 4 texts in common, agreed on what to do with 75% (with the same words: 50%), ")
    assert status.in_conflict == 2, "so a quarter of what they agreed on is in conflict"


def test_conflicts_are_told_with_what_their_brief_is_about_and_reasons_in_words(folder: Path) -> None:
    write_run(folder, [a_text("b-01", "A text.", brief={"brand": "Acme", "product": "A desk lamp with an arm " * 5})])
    run = reviewed(folder)
    status = a_status(folder, a_decision(run, "b-01"),
                      a_decision(run, "b-01", editor="Bo", verb="reject", reason="facts_wrong"))
    lines = [*status_lines(status)]
    assert lines[0] == f"{RUN}: 0 of 1 text decided, 0 open, 1 in conflict."
    title = "A desk lamp with an arm A desk lamp with an arm…"
    assert f"  b-01/0 “{title}”: Ana approve, Bo reject (facts wrong)" in lines


@pytest.mark.parametrize(("brief", "title"), [
    ({"brand": "Acme", "product": "Desk\n lamp"}, "Desk lamp"), ({"brand": "Acme"}, "Acme"), ({"facts": ["a"]}, ""),
    ({"n": 3, "product": "x" * 60}, "x" * 47 + "…"),
])
def test_a_brief_is_told_by_its_first_text_that_is_its_own(brief: dict[str, str | int | list[str]], title: str) -> None:
    assert title_of(brief, 48) == title


def test_the_status_the_page_and_the_sheet_count_the_same_texts_whatever_their_outcome(folder: Path) -> None:
    run = reviewed(folder)
    status = a_status(folder, a_decision(run, "rejected"), a_decision(run, "held", verb="reject", reason="legal"))
    assert {one.record.outcome for one in reviewables(folder)} == {"accepted", "held", "exhausted"}
    assert (status.records, status.open, status.approved, status.rejected) == (15, 13, 1, 1)
    table = write_csv(folder, RUN, lambda: reviewables(folder), read_ledger(folder).standing(), "en")
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert sum(bool(row["record_id"]) for row in csv.DictReader(file)) == status.records
    assert sum(bool(page_row(row)[0].base) for row in all_rows(folder)) == status.records
