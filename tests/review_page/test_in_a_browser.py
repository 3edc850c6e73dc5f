"""A whole review as an editor does it, in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from samples import RUN_ID, Open, a_run, a_text, record_id, write_records

from aigc.records import Span, Verdict
from aigc.review.ledger import read_ledger
from aigc.review_page import all_rows, write_page
from aigc.review_sheet.returned import import_file


def titles(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(".row-title").all_inner_texts()]


def said(page: Any) -> str:
    return page.locator("#toast").inner_text()


def wait_for(page: Any, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).first.wait_for()


def choose(page: Any, name: str, value: str) -> None:
    page.locator(f"#filter-{name}").select_option(value)


def export(page: Any, name: str, folder: Path) -> Path:
    """Export by the keyboard; returns the file."""
    page.keyboard.press("x")
    page.locator("dialog input[name=editor]").fill(name)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def taken(folder: Path, file: Path, at: Path) -> Any:
    """What `aigc review import` makes of a file, on a copy of a run."""
    shutil.copytree(folder, at)
    return import_file(at, RUN_ID, file)


def decide_on_four(page: Any) -> None:
    """An edit, a rejection, an approval with a note, one that is taken back, and one of what a filter refused."""
    page.keyboard.press("e")  # the first text is held for a figure that the brief does not hold
    body = page.get_by_label("body", exact=True)
    body.fill(body.input_value().replace("3 minutes", "4 minutes"))
    page.locator(".edit-why select").select_option("facts_wrong")
    page.locator(".edit-why input").fill("It is four minutes.")
    wait_for(page, "del", "3")
    page.keyboard.press("Control+Enter")
    wait_for(page, "#toast", "Edit saved. 5 to go in this list.")

    page.keyboard.press("r")  # the second is too short
    page.keyboard.press("7")
    page.locator("dialog textarea").fill("写长一些")
    page.keyboard.press("Control+Enter")
    wait_for(page, "#toast", "Rejected. 4 to go in this list.")

    page.keyboard.press("n")
    page.locator("dialog textarea").fill("Nice.")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("a")
    wait_for(page, "#toast", "Approved. 3 to go in this list.")
    page.keyboard.press("a")
    page.keyboard.press("u")  # the last one again: it is taken back, and read once more
    wait_for(page, "#toast", "Undone: your decision is taken away.")
    assert page.locator("#head .title").inner_text() == "小满一人食电饭煲"

    choose(page, "outcome", "rejected")  # a person may save what a filter refused
    page.keyboard.press("a")


def test_a_whole_review(opened: Open, profile: Any, sample_folder: Path, tmp_path: Path) -> None:
    page = opened(sample_folder / "review.html", profile)
    assert titles(page) == [
        "Ovenbird No. 3 Gooseneck Kettle",
        "小店的退货规则",
        "Library opens until nine",
        "小满一人食电饭煲",
        "Ovenbird No. 3 Gooseneck Kettle",
        "Leaving a house at dawn",
    ]  # held, flagged, accepted
    assert page.locator("#track-words").inner_text() == "0 of 8 decided · 2 hidden by the filter"
    decide_on_four(page)
    page.reload()
    wait_for(page, "#track-words", "4 of 8 decided")
    assert page.locator("#filter-outcome").input_value() == "rejected"
    page.locator("#clear").click()
    page.locator(".row").first.click()
    assert page.locator(".strip").inner_text().startswith("Edited")
    assert page.locator("del").first.inner_text() == "3"

    file = export(page, "Ana Ruiz", tmp_path)
    assert file.name == f"decisions-{RUN_ID}-Ana-Ruiz.jsonl"
    heading, *decisions = lines(file)
    assert heading == {"aigc_review": 1, "run_id": RUN_ID, "editor": "Ana Ruiz"}
    assert [(each["record_id"], each["action"], each.get("reason"), each.get("note")) for each in decisions] == [
        (record_id(2), "edit", "facts_wrong", "It is four minutes."),
        (record_id(6), "reject", "too_short", "写长一些"),
        (record_id(1), "approve", None, "Nice."),
        (record_id(7), "approve", None, None),
    ]
    assert "4 minutes" in decisions[0]["fields"]["body"]
    assert page.locator("#export .count").count() == 0

    imported = taken(sample_folder, file, tmp_path / "run")
    assert (imported.taken, imported.problems) == (4, [])
    kept = read_ledger(tmp_path / "run").decisions
    assert [(each.record_id, each.verb, each.editor, each.reason, each.note) for each in kept] == [
        (each["record_id"], each["action"], "Ana Ruiz", each.get("reason", ""), each.get("note", ""))
        for each in decisions
    ]
    assert kept[0].fields == decisions[0]["fields"]

    other = opened(sample_folder / "review.html")  # another machine takes them over, and has the same
    other.set_input_files("#import-file", file)
    wait_for(other, "dialog", "4 decisions taken (Ana Ruiz).")
    other.keyboard.press("Enter")
    assert lines(export(other, "Ana Ruiz", tmp_path)) == [heading, *decisions]


def test_rows_are_found_by_type_outcome_reason_language_decision_and_words(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    for name, value, found in (
        ("type", "song_lyrics", ["Leaving a house at dawn"]),
        ("language", "zh", ["小店的退货规则", "小满一人食电饭煲"]),
        ("reason", "absolute_claim", ["小满一人食电饭煲"]),
        ("outcome", "held", ["Ovenbird No. 3 Gooseneck Kettle", "小店的退货规则"]),
        ("outcome", "flagged", ["Library opens until nine", "小满一人食电饭煲"]),
        ("outcome", "exhausted", ["Where is my parcel?"]),
    ):
        choose(page, name, value)
        assert titles(page) == found, (name, value)
        page.locator("#clear").click()
    page.keyboard.press("a")
    choose(page, "state", "open")
    assert len(titles(page)) == 5
    choose(page, "state", "approve")
    assert titles(page) == ["Ovenbird No. 3 Gooseneck Kettle"]
    page.locator("#clear").click()
    page.keyboard.press("/")
    page.keyboard.type("ana RUIZ trial")
    wait_for(page, "#found", "1 text")
    assert titles(page) == ["Library opens until nine"]
    page.keyboard.press("Enter")
    assert page.locator("mark.hit").all_inner_texts() == ["Ana", "Ruiz", "trial"]
    page.locator("#query").fill("90")
    page.locator("#query").fill("no such words")
    wait_for(page, "#list", "No text matches.")


def test_rows_without_a_text_say_why_and_cannot_be_decided_on(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    for outcome, why in (("invalid", "expected the product's name"), ("failed", "found 9,412 tokens")):
        choose(page, "outcome", outcome)
        assert why in page.locator("#body").inner_text()
        for key in "aern":
            page.keyboard.press(key)
        assert page.locator("dialog").count() == 0
        assert page.locator("#track-words").inner_text() == "0 of 8 decided · 8 hidden by the filter"


def test_variants_stand_beside_each_other(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("v")
    columns = page.locator(".column")
    assert columns.count() == 2
    assert "We guarantee" in columns.nth(0).inner_text()
    assert "Pour slower" in columns.nth(1).inner_text()
    page.keyboard.press("l")
    page.keyboard.press("a")  # of two that stand beside each other the other one comes next
    assert page.locator(".column.current").get_attribute("aria-label") == "Variant 0"
    page.keyboard.press("v")
    page.locator(".row").nth(4).click()
    assert page.locator(".strip").inner_text().startswith("Approved")


def test_what_filters_point_at_is_marked_in_the_field_that_holds_it(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    assert page.locator("mark").all_inner_texts() == ["3 minutes", "We guarantee you will never buy another kettle"]
    page.keyboard.press("t")
    assert page.locator("#body h3").count() == 0
    assert page.locator("mark").all_inner_texts() == ["3 minutes", "We guarantee you will never buy another kettle"]
    page.locator(".quote").first.click()
    assert page.locator("mark.lit").all_inner_texts() == ["3 minutes"]


def test_places_count_characters_beyond_the_first_plane(opened: Open, tmp_path: Path) -> None:
    text = "🎉 𠮷野家 says 👩‍👩‍👧: buy NOW or never"
    start = text.index("NOW")
    verdict = Verdict(filter="f", action="flag", reason="r", spans=[Span(start=start, end=start + 3)])
    write_records(tmp_path, [a_text(1, text, verdicts=[verdict])])
    write_page(a_run(), all_rows(tmp_path), tmp_path / "review.html")
    page = opened(tmp_path / "review.html")
    assert page.locator("mark").all_inner_texts() == ["NOW"]


def test_entries_of_a_list_are_changed_added_and_taken_out(opened: Open, sample_folder: Path, tmp_path: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("e")
    page.get_by_role("button", name="Remove bullets 2").click()
    page.get_by_role("button", name="Add an entry").click()
    page.keyboard.type("Made in Porto")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("j")
    choose(page, "type", "teaching_case")
    page.keyboard.press("e")
    page.get_by_label("questions 2, goal").fill("权衡")
    page.keyboard.press("Control+Enter")
    file = export(page, "Bo", tmp_path)
    first, second = lines(file)[1:]
    assert first["fields"]["bullets"] == [
        "0.9 litres of brushed stainless steel",
        "A gooseneck spout for slow, even pouring",
        "The cord winds up under the base",
        "Made in Porto",
    ]
    assert second["fields"]["questions"][1] == {"question": "退货规则要不要改？", "goal": "权衡"}
    assert taken(sample_folder, file, tmp_path / "run").problems == []


def test_a_file_of_decisions_is_held_against_the_page(opened: Open, sample_folder: Path, tmp_path: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.keyboard.press("a")
    good = lines(export(page, "Ana", tmp_path))[1]
    late = {**good, "at": "2099-01-01T00:00:00.000Z"}
    given = [
        {"aigc_review": 1, "run_id": RUN_ID, "editor": "Cy"},
        good,
        {**good, "at": "2001-01-01T00:00:00.000Z"},
        {**late, "record_id": "nobody"},
        {**late, "base": "sha256:other"},
        {**late, "run_id": "another"},
        {**late, "action": "burn"},
        {**late, "action": "edit", "fields": {"headline": 1}},
        {**late, "action": "edit", "fields": {"__proto__": "x"}},
        "no object",
        {
            **good,
            "record_id": record_id(4),
            "base": next(row.base for row in all_rows(sample_folder) if row.record.row == 4),
            "editor": "",
        },
    ]
    path = tmp_path / "given.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in given) + "\n{torn", "utf-8")
    page.set_input_files("#import-file", path)
    box = page.locator("dialog")
    wait_for(page, "dialog", "1 decision taken (Ana, Cy).")
    assert box.locator("li").all_inner_texts() == [
        "1 decision taken (Ana, Cy).",
        "1 decision was here already.",
        "1 is older than the decision here, and left out.",
        "1 is on a text of another run, and left out.",
        "1 is on a text that this page does not hold: nobody.",
        "1 was made on another version of its text: pd-002.",
        "5 lines are no decisions: line 7, 8, 9, 10, 12.",
    ]


def test_dialogues_stand_as_turns_and_a_new_line_is_the_other_ones(
    opened: Open, tmp_path: Path
) -> None:
    turns = [{"speaker": "Ines", "line": "Is it done?"}, {"speaker": "Marek", "line": "At two."}]
    text = "Ines: Is it done?\n\nMarek: At two."
    write_records(tmp_path, [a_text(1, text, fields={"turns": turns}, content_type="dialogue")])
    write_page(a_run(), all_rows(tmp_path), tmp_path / "review.html")
    page = opened(tmp_path / "review.html")
    assert page.locator(".turn dt").all_inner_texts() == ["Ines", "Marek"]
    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.value") == "Is it done?"
    page.get_by_role("button", name="Insert after turns 1").click()
    page.keyboard.type("It is noon.")
    page.get_by_role("button", name="Add an entry").click()
    page.keyboard.type("Good.")
    page.keyboard.press("Control+Enter")
    assert [line["speaker"] for line in lines(export(page, "Bo", tmp_path))[1]["fields"]["turns"]] == [
        "Ines", "Marek", "Marek", "Ines"
    ]


def test_the_end_is_told_until_all_is_exported(opened: Open, sample_folder: Path, tmp_path: Path) -> None:
    page = opened(sample_folder / "review.html")
    for _ in range(6):
        assert page.locator("#finished").is_hidden()
        page.keyboard.press("a")
    wait_for(page, "#finished", "All texts for review are decided; of 2 more no attempt passed.")
    assert page.locator("#track-words").inner_text() == "6 of 8 decided · 2 hidden by the filter"
    wait_for(page, "#toast", "That was the last one in this list. 2 more undecided, hidden by the filter.")
    with page.expect_download():
        page.locator("#finished-export").click()
        page.keyboard.press("Enter")
    assert page.locator("#finished").is_hidden()


def test_the_interface_is_chinese_where_the_browser_is(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html", locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert page.locator("#track-words").inner_text() == "已处理 0 / 8 · 另有 2 篇被筛选隐藏"
    page.keyboard.press("r")
    assert page.locator(".reason span").first.inner_text() == "事实错误"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="English").click()
    assert page.locator("#track-words").inner_text() == "0 of 8 decided · 2 hidden by the filter"


def test_single_keys_can_be_switched_off_and_work_under_an_input_method(opened: Open, sample_folder: Path) -> None:
    page = opened(sample_folder / "review.html")
    page.evaluate(
        "document.getElementById('list').dispatchEvent("
        "new KeyboardEvent('keydown', { key: 'Process', code: 'KeyJ', bubbles: true }))"
    )
    assert page.locator("#head .place").inner_text() == "2 of 6"
    page.keyboard.press("?")
    page.get_by_label("Single keys work").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")  # moves in the list, which is no single key
    assert page.locator("#head .place").inner_text() == "3 of 6"
