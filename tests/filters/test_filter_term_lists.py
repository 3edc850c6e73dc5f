"""Terms ruled out for a whole run or content type, given in settings or in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from filter_cases import a_brief, a_completion, marked

from aigc.errors import SettingsError
from aigc.filters import Filter, build_filters, files_digest
from aigc.filters.matching import TermList, fold
from aigc.filters.terms import ForbiddenTermsFilter
from aigc.records import Limits
from aigc.settings import FilterTables


def ruling_out(*terms: str) -> Filter:
    return ForbiddenTermsFilter(terms=terms)


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("Acme", "Better than ACME's.", ["ACME"]),
        ("Acme Kettles", "acme-kettles and Acme\nkettle", ["acme-kettles"]),
        ("battery", "New batteries.", ["batteries"]),
        ("Ａｃｍｅ", "acme", ["acme"]),
        ("cheap", "ch\u200beap", ["ch\u200beap"]),
        ("竞品", "比竞品便宜", ["竞品"]),
        ("某宝", "在某宝上", ["某宝"]),
        ("#deal", "a #deal today", ["#deal"]),
        ("y", "x and y", ["y"]),
    ],
)
def test_a_term_of_the_run_is_found_as_one_of_the_brief_is(term: str, text: str, found: list[str]) -> None:
    verdict = ruling_out(term, "something else")(a_brief(), a_completion(text))
    assert (verdict.action, verdict.reason) == ("retry", "forbidden_term")
    assert marked(verdict, text) == found
    by_brief = ForbiddenTermsFilter()(a_brief(limits=Limits(must_not_mention=[term])), a_completion(text))
    assert by_brief.spans == verdict.spans


@pytest.mark.parametrize(
    ("term", "text"), [("ad", "bread"), ("cheap", "cheaper"), ("Acme", "Acmeistic"), ("最佳", "最 好")]
)
def test_a_part_of_another_word_is_not_meant(term: str, text: str) -> None:
    assert ruling_out(term)(a_brief(), a_completion(text)).action == "pass"


def test_what_the_brief_demands_is_not_ruled_out_by_a_list() -> None:
    brief = a_brief(limits=Limits(keywords=["Acme"], must_not_mention=["tin"]))
    verdict = ruling_out("acme", "tin")(brief, a_completion("Acme tin"))
    assert verdict.message == "The text mentions 1 of 3 terms ruled out: tin."


def test_terms_of_a_file_are_read_one_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rivals.txt").write_text("\ufeff# rivals\nAcme\n\n#fail\n  Globex  \n", "utf-8")
    item = built({"forbidden_terms": {"file": "rivals.txt", "terms": ["Initech"]}})
    for text, found in [("Globex", "Globex"), ("acme", "Acme"), ("INITECH", "Initech"), ("a #fail", "#fail")]:
        verdict = item(a_brief(), a_completion(text))
        assert verdict.message == f"The text mentions 1 of 4 terms ruled out: {found}."
    assert item(a_brief(), a_completion("rivals")).action == "pass"


def test_a_run_keeps_the_file_that_it_began_with_and_the_digest_tells_one_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("rivals.txt")
    file.write_text("Acme\n", "utf-8")
    first = built({"forbidden_terms": {"file": "rivals.txt"}})
    before = files_digest([first])
    file.write_text("Globex\n", "utf-8")
    assert first(a_brief(), a_completion("Acme")).action == "retry"
    assert files_digest([first]) == before
    second = built({"forbidden_terms": {"file": "rivals.txt"}})
    assert second(a_brief(), a_completion("Globex")).action == "retry"
    assert files_digest([second]) != before


def test_a_file_is_also_found_among_the_template_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packs = tmp_path / "packs"
    packs.mkdir()
    (packs / "rivals.txt").write_text("Acme", "utf-8")
    assert built({"forbidden_terms": {"file": "rivals.txt"}}, packs)(a_brief(), a_completion("Acme")).action == "retry"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "aigc.toml, key filters.forbidden_terms.file: found 'rivals.txt'; expected a file. Correct the path, or "
               "make the file."),
        (b"\xff\xfe", "found {path} with bytes that are not UTF-8 at offset 0; expected a UTF-8 text file. Save it as "
                      "UTF-8."),
    ],
)
def test_a_file_that_cannot_be_read_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("rivals.txt").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        built({"forbidden_terms": {"file": "rivals.txt"}})
    assert message.format(path=tmp_path / "rivals.txt") in str(caught.value)


def test_thousands_of_terms_are_found_like_few() -> None:
    many = [f"brand{number}" for number in range(5000)] + [f"牌{number}号" for number in range(2000)]
    listed = TermList(many)
    assert listed.found_in(fold("We sell Brand7's, not brand77x, and 牌1999号.")) == ["brand7", "牌1999号"]
    assert listed.found_in(fold("nothing")) == []
    assert TermList([]).found_in("x") == []


def built(tables: FilterTables, templates: Path | None = None) -> Filter:
    return next(item for item in build_filters(tables, "aigc.toml", templates) if item.name == "forbidden_terms")
