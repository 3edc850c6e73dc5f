"""Sheets to briefs: columns matched, cells typed, ids given, every error of a row told."""

from __future__ import annotations

import csv
import time
import tracemalloc
from pathlib import Path

import pytest

from aigc.briefs import read_briefs
from aigc.content import ContentType, FieldSpec, Length, Output
from aigc.errors import BriefsError
from aigc.records import Brief, FieldValue, InvalidRow, Limits, Sampling
from aigc.settings import InputSettings, SkipRule


def kind(name: str, title: str, fields: dict[str, FieldSpec], languages: tuple[str, ...] = ("en", "zh")) -> ContentType:
    length = Length(min_words={"en": 45, "zh": 85}, max_words=180)
    return ContentType(name=name, title=title, summary="", languages=list(languages), fields=fields, output=Output(),
                       length=length, sampling=Sampling(), filters={}, digest="sha256:0")


PRODUCT = kind("product_description", "Product page", {
    "product": FieldSpec(required=True, aliases=["Item", "产品名称"], max_chars=40, help="The product's name."),
    "details": FieldSpec(),
    "facts": FieldSpec(type="list", max_chars=100_000, aliases=["Key facts", "Details", "要点"]),
    "stock": FieldSpec(type="integer"),
    "price": FieldSpec(type="number"),
    "season": FieldSpec(type="choice", choices=["Spring", "夏"]),
    "vegan": FieldSpec(type="boolean", default=False),
})
SONG = kind("song_lyrics", "Song lyrics", {"topic": FieldSpec(required=True, aliases=["Theme", "Subject"])}, ("en",))
TYPES = {"product_description": PRODUCT, "song_lyrics": SONG}
AS_PRODUCT = InputSettings(content_type="product_description")
Rows = list[Brief | InvalidRow]


def sheet(folder: Path, *rows: list[str] | tuple[str, ...]) -> Path:
    path = folder / "s.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path, settings: InputSettings = AS_PRODUCT) -> Rows:
    return list(read_briefs(path, TYPES, settings))


def brief(folder: Path, settings: InputSettings = AS_PRODUCT, **cells: str) -> Brief:
    [row] = read(sheet(folder, list(cells), list(cells.values())), settings)
    assert isinstance(row, Brief), [error.message for error in row.errors]
    return row


def errors(folder: Path, settings: InputSettings = AS_PRODUCT, **cells: str) -> list[tuple[str, str]]:
    [row] = read(sheet(folder, list(cells), list(cells.values())), settings)
    assert isinstance(row, InvalidRow)
    return [(error.column, error.code) for error in row.errors]


def test_every_built_in_column_and_field_reaches_the_brief(tmp_path: Path) -> None:
    row = brief(tmp_path, id="a1", content_type="song_lyrics", language="EN", variants="3", tone=" warm ",
                audience="teens", keywords="sea; sky", must_not_mention="rain", min_words="10", max_words="1,000",
                topic="Waves")
    assert (row.row, row.id, row.content_type, row.language, row.variants) == (0, "a1", "song_lyrics", "en", 3)
    assert (row.tone, row.audience, row.fields) == ("warm", "teens", {"topic": "Waves"})
    assert row.limits == Limits(min_words=10, max_words=1000, keywords=["sea", "sky"], must_not_mention=["rain"])
    assert row.source.line == 2


@pytest.mark.parametrize("headings", [
    ("id", "content_type", "product", "max_words"), ("ID", "Content Type", " PRODUCT ", "Max-Words"),
    ("编号", "内容类型", "产品名称", "最多字数"), ("Ｉｄ", "类型", "Item", "maximum words"),
])
def test_headings_match_by_name_spelling_width_or_alias(tmp_path: Path, headings: tuple[str, ...]) -> None:
    [row] = read(sheet(tmp_path, headings, ("7", "Product Description", "Oak chair", "90")), InputSettings())
    assert isinstance(row, Brief)
    assert (row.id, row.fields["product"], row.limits.max_words) == ("7", "Oak chair", 90)


def test_a_mapped_column_wins_over_the_name_and_a_name_over_an_alias(tmp_path: Path) -> None:
    path = sheet(tmp_path, ("product", "Title", "details", "facts"), ("old", "New", "prose", "oak"))
    [row] = read(path, InputSettings(content_type="product_description", columns={"product": "title"}))
    assert isinstance(row, Brief)
    assert (row.fields["product"], row.fields["details"], row.fields["facts"]) == ("New", "prose", ["oak"])
    path = sheet(tmp_path, ("product", "details"), ("Chair", "prose"))
    [row] = read(path)
    assert isinstance(row, Brief)
    assert row.fields["facts"] == [], "a heading that is another field's name is nobody's alias"


def test_columns_that_both_fit_a_field_are_refused_with_the_way_to_choose(tmp_path: Path) -> None:
    path = sheet(tmp_path, ("content_type", "Theme", "Subject"), ("song_lyrics", "a", "b"))
    [row] = read(path)
    assert isinstance(row, InvalidRow)
    assert row.errors[0].code == "ambiguous_column"
    assert "found the columns 'Theme', 'Subject' for the field topic" in row.errors[0].message
    assert 'Choose one with --map topic="Theme", or in aigc.toml under [input.columns].' in row.errors[0].message
    with pytest.raises(BriefsError, match="'Item', '产品名称' for the field product"):
        read(sheet(tmp_path, ("Item", "产品名称"), ("a", "b")))


@pytest.mark.parametrize(("cell", "language"), [
    ("", "en"), ("EN", "en"), ("en-US", "en"), ("English", "en"), ("zh_CN", "zh"), ("中文", "zh"), ("Chinese", "zh"),
])
def test_languages_are_taken_as_people_write_them(tmp_path: Path, cell: str, language: str) -> None:
    row = brief(tmp_path, product="Chair", language=cell)
    assert (row.language, row.limits.min_words) == (language, {"en": 45, "zh": 85}[language])


def test_settings_stand_for_blank_cells_and_cells_win(tmp_path: Path) -> None:
    settings = InputSettings(content_type="Product page", language="zh")
    path = sheet(tmp_path, ("content_type", "language", "product", "topic"), ("", "", "椅", ""),
                 ("Song_Lyrics", "en", "", "Sea"))
    first, second = read_briefs(path, TYPES, settings, variants=4)
    assert (first.content_type, first.language) == ("product_description", "zh")
    assert (second.content_type, second.language) == ("song_lyrics", "en")
    assert isinstance(first, Brief)
    assert first.variants == 4


@pytest.mark.parametrize(("field", "cell", "value"), [
    ("stock", "1,200", 1200), ("stock", "１２", 12), ("stock", "12.0", 12), ("stock", "-3", -3), ("stock", " ", None),
    ("price", "1,200.50", 1200.5), ("price", "25", 25), ("price", ".5", 0.5), ("price", "", None),
    ("facts", "oak; 45 cm |oiled\nWales；a、b", ["oak", "45 cm", "oiled", "Wales", "a", "b"]), ("facts", ";", []),
    ("season", "SPRING", "Spring"), ("season", "夏", "夏"),
    ("vegan", "Yes", True), ("vegan", "否", False), ("vegan", "1", True), ("vegan", "", False),
    ("details", "<![CDATA[a]]><br/>b<![x", "a\nb<![x"), ("details", "<p>to <me@x.org>", "to <me@x.org>"),
    ("details", "<!DOCTYPE html><p>a<!-- x > y --><?xml ?> <3", "a <3"),
    ("details", "a\r\nb", "a\nb"), ("details", "  ", None), ("details", "1 < 2 and <me@x.org>", "1 < 2 and <me@x.org>"),
])
def test_cells_become_values_of_their_type(tmp_path: Path, field: str, cell: str, value: FieldValue) -> None:
    got = brief(tmp_path, AS_PRODUCT, **{"product": "Chair", field: cell}).fields[field]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(("field", "cell", "code"), [
    ("stock", "12.5", "not_an_integer"), ("stock", "twelve", "not_an_integer"), ("stock", "9" * 5000, "not_an_integer"),
    ("price", "nan", "not_a_number"), ("price", "inf", "not_a_number"), ("price", "1e999", "not_a_number"),
    ("price", "1,5", "not_a_number"), ("price", ".", "not_a_number"), ("vegan", "maybe", "not_a_boolean"),
    ("season", "sprin", "unknown_choice"), ("product", "x" * 41, "too_long"), ("product", " ", "missing_required"),
    ("details", "a\x00b", "control_characters"), ("details", "#REF!", "error_value"),
    ("id", "a\nb", "control_characters"), ("id", "i" * 201, "too_long"),
    ("language", "Klingon", "unknown_language"), ("variants", "0", "out_of_range"),
    ("variants", "1001", "out_of_range"), ("max_words", "100001", "out_of_range"),
    ("details", "y" * 9001, "cell_too_long"),
    ("content_type", "blgo", "unknown_content_type"), ("tone", "\x07", "control_characters"),
])
def test_each_bad_cell_has_its_code(tmp_path: Path, field: str, cell: str, code: str) -> None:
    settings = InputSettings(content_type="product_description", max_cell_chars=9000)
    assert errors(tmp_path, settings, **{"product": "Chair", "audience": "cooks", field: cell}) == [(field, code)]


@pytest.mark.parametrize("piece", ["<!--", "<a ", "</", "<![x", "<b>"])
def test_html_that_never_closes_is_read_in_linear_time(tmp_path: Path, piece: str) -> None:
    started = time.perf_counter()
    brief(tmp_path, InputSettings(content_type="product_description"), product="C", facts="<p>" + piece * 15_000)
    assert time.perf_counter() - started < 3, "html.parser alone takes minutes"


def test_all_errors_of_a_row_are_told_at_once_with_place_and_remedy(tmp_path: Path) -> None:
    headings = ("id", "Item", "stock", "season", "min_words", "max_words")
    path = sheet(tmp_path, headings, ("a", "", "x", "sprin", "9", "5"))
    [row] = read(path)
    assert isinstance(row, InvalidRow)
    assert (row.id, row.content_type, row.language) == ("a", "product_description", "en")
    codes = ["missing_required", "not_an_integer", "unknown_choice", "min_over_max"]
    assert [error.code for error in row.errors] == codes
    assert row.errors[0].message == (
        f"{path} line 2, Item: found nothing; expected a value (The product's name). Fill the cell, or name "
        'the column that holds it with --map product="<its heading>", or in aigc.toml under [input.columns].')
    assert row.errors[2].message.endswith("expected one of Spring, 夏. Correct the cell. Did you mean 'Spring'?")


def test_unknown_and_missing_content_types_say_what_to_do(tmp_path: Path) -> None:
    path = sheet(tmp_path, ("content_type", "topic"), ("song_lyric", "a"), ("", "b"))
    first, second = read(path, InputSettings())
    assert isinstance(first, InvalidRow)
    assert isinstance(second, InvalidRow)
    assert first.errors[0].message.endswith(
        "found 'song_lyric'; expected one of product_description, song_lyrics. Fix the cell or add "
        "templates/song_lyric/. Did you mean 'song_lyrics'?")
    assert second.errors[0].code == "missing_content_type"
    assert "--content-type" in second.errors[0].message


def test_a_default_limit_gives_way_to_a_cell_that_contradicts_it(tmp_path: Path) -> None:
    limits = brief(tmp_path, product="Chair", max_words="30").limits
    assert (limits.min_words, limits.max_words) == (None, 30)
    limits = brief(tmp_path, product="Chair", min_words="50").limits
    assert (limits.min_words, limits.max_words) == (50, 180)


def test_keywords_may_be_parted_by_commas_when_nothing_else_parts_them(tmp_path: Path) -> None:
    assert brief(tmp_path, product="C", keywords="oak, ash，oak").limits.keywords == ["oak", "ash"]
    assert brief(tmp_path, product="C", keywords="Paris, France; Lyon").limits.keywords == ["Paris, France", "Lyon"]


def test_derived_ids_follow_the_content_and_not_the_position(tmp_path: Path) -> None:
    a, b = ("Chair", "oak"), ("Table", "ash")
    first = [row.id for row in read(sheet(tmp_path, ("product", "facts"), a, b, a, a))]
    second = [row.id for row in read(sheet(tmp_path, ("product", "facts"), b, ("", ""), a))]
    assert first[2:] == [first[0] + "-2", first[0] + "-3"]
    assert second == [first[1], first[0]]
    assert len(first[0]) == 14
    assert first[0].startswith("r-")
    other = brief(tmp_path, product="Chair", facts="oak", variants="9", season="")
    assert other.id == first[0], "neither variants nor blank columns are content"
    assert brief(tmp_path, product="Chair", facts="oak", tone="dry").id != first[0]


def test_a_repeated_id_names_the_line_that_has_it(tmp_path: Path) -> None:
    path = sheet(tmp_path, ("id", "product"), ("é", "A"), ("b", "multi\nline"), (" e\u0301", "B"), ("", "C"))
    rows = read(path)
    assert [type(row) for row in rows] == [Brief, Brief, InvalidRow, Brief]
    assert isinstance(rows[2], InvalidRow)
    assert rows[2].errors[0].code == "duplicate_id"
    assert "s.csv line 5, id: found 'é', which the row of line 2 has already" in rows[2].errors[0].message


def test_a_shop_export_is_read_through_a_mapping_and_a_skip_rule(tmp_path: Path) -> None:
    body = ("<p>Oak &amp; ash.</p><ul><li>45&nbsp;cm</li><li>oiled</li></ul><style>p{}</style>"
            "<![foo x]><script>x()</script>")
    path = sheet(tmp_path, ("Handle", "Title", "Body (HTML)", "Type"), ("c", "Chair", body, "Seat"),
                 ("c", "", "", "Red"), ("", "", "", ""), ("t", "Table", "plain", "Desk"))
    columns = {"product": "Title", "details": "Body (HTML)", "facts": "Body (HTML)"}
    skip = [SkipRule(column="Title", blank=True)]
    settings = InputSettings(content_type="product_description", columns=columns, skip=skip)
    briefs = read_briefs(path, TYPES, settings)
    for _ in range(2):
        first, second = briefs
        assert isinstance(first, Brief)
        assert first.fields["details"] == "Oak & ash.\n45 cm\noiled"
        assert first.fields["facts"] == ["Oak & ash.", "45 cm", "oiled"]
        assert (second.row, second.source.line, briefs.skipped) == (1, 5, 2)
    plain = InputSettings(content_type="product_description", columns=columns, strip_html=False)
    assert isinstance(row := read(path, plain)[0], Brief)
    assert row.fields["details"] == body


def test_skip_rules_match_equal_cells(tmp_path: Path) -> None:
    path = sheet(tmp_path, ("product", "Status"), ("A", "draft"), ("B", "ready"))
    settings = InputSettings(content_type="product_description", skip=[SkipRule(column="status", equals="draft")])
    assert [row.source.line for row in read(path, settings)] == [3]


@pytest.mark.parametrize(("settings", "message"), [
    (InputSettings(), "no column content_type; .* --content-type"),
    (InputSettings(content_type="blgo"), "input.content_type: found 'blgo'; expected one of product_desc"),
    (InputSettings(content_type="song_lyrics", columns={"topic": "Titel"}), "no column 'Titel'.*Did you mean 'Title'"),
    (InputSettings(content_type="song_lyrics", columns={"topik": "Title"}), "the field 'topik'.*Did you mean 'topic'"),
    (InputSettings(content_type="song_lyrics", skip=[SkipRule(column="Statsu", blank=True)]), "skip: found no column"),
    (InputSettings(content_type="product_description", skip=[SkipRule(column="product")]), "says not when to skip"),
])
def test_settings_that_do_not_fit_the_sheet_are_refused(tmp_path: Path, settings: InputSettings, message: str) -> None:
    with pytest.raises(BriefsError, match=message):
        read(sheet(tmp_path, ("Title", "product", "Status"), ("a", "b", "c")), settings)


def test_a_sheet_without_any_usable_heading_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BriefsError, match="no column that can be used among 'A', 'B'; expected headings such as 'top"):
        read(sheet(tmp_path, ("A", "B"), ("1", "2")), InputSettings(content_type="song_lyrics"))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = sheet(tmp_path, ("id", "product", "details"), *((str(n), "Chair", "oak " * 50) for n in range(rows)))
        briefs = read_briefs(path, TYPES, AS_PRODUCT)
        tracemalloc.start()
        assert sum(1 for _ in briefs) == rows
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(12_000) - peak(3_000) < 9_000 * 60
