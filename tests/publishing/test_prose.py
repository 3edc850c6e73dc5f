"""Texts as people read them: what is Markdown in them is laid out, and nothing else of them is lost."""

from __future__ import annotations

import time

import pytest

from aigc.publishing.naming import MOST_NAME_CHARS, name_of
from aigc.publishing.prose import Block, Piece, blocks, pieces, with_hard_breaks


def told(text: str) -> list[tuple[str, str]]:
    return [(block.kind + (str(block.level) if block.level else ""), block.plain) for block in blocks(text)]


def test_headings_lists_quotes_and_code_are_blocks_of_their_own() -> None:
    text = ("# Title #\nFirst line\nsecond line\n\n## Part\n- one\n  goes on\n  - deeper\n* two\n1. first\n2) second\n"
            "> said\n***\n```\n# no heading\n```\nlast")
    assert told(text) == [
        ("heading1", "Title"), ("paragraph", "First line\nsecond line"), ("heading2", "Part"),
        ("bullet", "one\ngoes on"), ("bullet1", "deeper"), ("bullet", "two"), ("number", "first"),
        ("number", "second"), ("quote", "said"), ("rule", ""), ("code", "# no heading"), ("paragraph", "last")]
    assert [block.mark for block in blocks(text) if block.kind == "number"] == ["1.", "2)"], "as they were written"


def test_verses_are_lines_and_stanzas_and_hashtags_one_line() -> None:
    song = "# Tide\n\n[Verse 1]\nThe ferry goes\nThe harbour stays\n\n[Chorus]\nCome home"
    assert told(song)[1:] == [("paragraph", "[Verse 1]\nThe ferry goes\nThe harbour stays"),
                              ("paragraph", "[Chorus]\nCome home")]
    assert told("Buns are back.\n\n#Rhubarb #Bakery") == [("paragraph", "Buns are back."),
                                                          ("paragraph", "#Rhubarb #Bakery")]


@pytest.mark.parametrize("text", [
    "5 * 3 * 2 cm", "5*3*2 cm", "snake_case_name", "Free* for 60 days*", "2 ** 3", "#Bakery", "1984 was cold.",
    "-5 °C", "**", "*", "C:\\Users", "<b>&amp;</b>", "[Verse 1]", "a_b_", "__", "[ Book now ]", "~5 km"])
def test_what_is_no_markdown_stays_as_it_was_written(text: str) -> None:
    assert [*blocks(text)] == [Block("paragraph", ((Piece(text),),))]


@pytest.mark.parametrize(("text", "expected"), [
    ("a **bold *and* more** z", (Piece("a "), Piece("bold ", bold=True), Piece("and", bold=True, italic=True),
                                 Piece(" more", bold=True), Piece(" z"))),
    ("**主题**：水壶", (Piece("主题", bold=True), Piece("：水壶"))),
    ("*一* _two_ `x*y*`", (Piece("一", italic=True), Piece(" "), Piece("two", italic=True), Piece(" "), Piece("x*y*"))),
    (r"\*as it is\* \#too", (Piece("*"), Piece("as it is"), Piece("*"), Piece(" "), Piece("#"), Piece("too"))),
    ("see [the map](https://example.org/x)", (Piece("see "), Piece("the map"), Piece(" (https://example.org/x)"))),
])
def test_bold_italic_and_links_are_read(text: str, expected: tuple[Piece, ...]) -> None:
    assert pieces(text) == expected


def test_who_speaks_begins_a_paragraph_in_bold() -> None:
    found = [*blocks("Ines: Can you do it today?\nMarek: *No.*\nNobody: said this", {"Ines", "Marek"})]
    assert [block.lines[0][0] for block in found] == [Piece("Ines: ", bold=True), Piece("Marek: ", bold=True)]
    assert [block.plain for block in found] == ["Ines: Can you do it today?", "Marek: No.\nNobody: said this"]
    assert [block.lines[0][0] for block in blocks("周敏：今天行吗？", {"周敏"})] == [Piece("周敏：", bold=True)]


def test_in_markdown_a_line_break_of_a_paragraph_is_a_hard_one_and_no_other_is() -> None:
    text = "# Tide\nVerse\nnext\n\n- a\n- b\n\n| a | b |\n|---|---|\n```\nx\ny\n```\nend"
    assert with_hard_breaks(text) == text.replace("Verse\n", "Verse  \n")
    assert with_hard_breaks("**INES**\nToday?") == "**INES**  \nToday?"


def test_hostile_texts_are_read_in_little_time() -> None:
    started = time.process_time()
    for text in ("*a" * 20_000, "**a " * 20_000, "_a" * 20_000, "[" * 20_000, "`" * 20_001, "> " * 20_000,
                 "[a](" * 9_000, f"# a{' ' * 50_000}b", f"# a{' #' * 50_000} b", "- a\n" + "  b\n" * 60_000):
        assert [*blocks(text)]
        assert with_hard_breaks(text)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("text", "fields", "brief", "expected"), [
    ("# Slow water\n\nText.", {"headline": "Slow water"}, {"product": "Ovenbird Kettle", "topic": "tea"},
     "Ovenbird Kettle"),
    ("# Salt *years*\n\nText.", {"title": "Salt years"}, {"topic": "a harbour"}, "Salt years"),
    ("**INT. MINE**", {"heading": "Int. mine"}, {"setting": "A mine"}, "Int. mine"),
    ("Text.", {"subject": "May"}, {"topic": "What happens in May"}, "May"),
    ("Ines: Yes.", {}, {"setting": "A workshop.\nNoon."}, "A workshop. Noon."),
    ("Dear Ms Calloway,", {}, {"brand": "Northwell", "customer": "Ms Renée Calloway", "message": "secret",
                               "resolution": "A refund"}, "Ms Renée Calloway"),
    ("Text.", {}, {"product": " ", "facts": ["one"], "message": "secret"}, ""),
    ("文字。", {}, {"产品": "小满电饭煲"}, "小满电饭煲"),
])
def test_a_text_is_called_by_its_product_its_title_or_what_it_is_about(
    text: str, fields: dict[str, str], brief: dict[str, str], expected: str
) -> None:
    assert name_of(text, fields, brief) == expected  # type: ignore[arg-type]


def test_a_long_name_is_cut_between_words() -> None:
    name = name_of("", {}, {"topic": "word, " * 40})
    assert name == "word, " * 15 + "word…"
    assert len(name_of("", {}, {"topic": "字" * 300})) == MOST_NAME_CHARS + 1
