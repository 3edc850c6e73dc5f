"""The page's parts that compute: places, changes, lengths. They run in a browser, from the files of the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aigc.content import count_words
from aigc.review_page.document import ASSETS, SCRIPTS, STYLES

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    page = browser.new_page()
    parts = "".join((ASSETS / name).read_text("utf-8") for name in ("places.js", "diff.js"))
    lengths = (
        (ASSETS / "language.js")
        .read_text("utf-8")
        .partition("/** A short form")[2]
        .partition("*/")[2]
        .partition("function firstLanguage")[0]
    )
    yield lambda call, *given: page.evaluate(
        f"(given) => {{ {parts} {lengths} return {call}(...given); }}", list(given)
    )
    page.close()


@pytest.mark.parametrize(
    ("text", "places", "units"),
    [
        ("plain", [0, 3, 5, 9, -2], [0, 3, 5, 5, 0]),
        ("🎉a🎉", [0, 1, 2, 3, 99], [0, 2, 3, 5, 5]),
        ("𠮷野家", [3, 0, 1], [4, 0, 2]),
    ],
)
def test_places_are_turned_from_characters_to_units(run: Run, text: str, places: list[int], units: list[int]) -> None:
    assert run("toUnits", text, places) == units


def test_ranges_that_overlap_are_cut_where_they_begin_and_end(run: Run) -> None:
    found = run("segments", 10, [{"start": 2, "end": 6}, {"start": 4, "end": 8}, {"start": 4, "end": 5}])
    assert [(each["start"], each["end"], len(each["ranges"])) for each in found] == [
        (0, 2, 0),
        (2, 4, 1),
        (4, 5, 3),
        (5, 6, 2),
        (6, 8, 1),
        (8, 10, 0),
    ]


def told(pieces: list[dict[str, str]]) -> str:
    sign = {"same": "", "del": "-", "ins": "+"}
    return "".join(
        f"[{sign[each['kind']]}{each['text']}]" if each["kind"] != "same" else each["text"] for each in pieces
    )


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("It boils in 3 minutes.", "It boils in 4 minutes.", "It boils in [-3][+4] minutes."),
        ("One. Two. Three.", "One. Three.", "One. [-Two. ]Three."),
        ("a very old house", "a brand new house", "a [-very old][+brand new] house"),
        ("快煮模式22分钟出饭", "快煮模式25分钟就出饭", "快煮模式[-22][+25]分钟[+就]出饭"),
        ("全国销量第一。真好。", "真好。", "[-全国销量第一。]真好。"),
        ("same", "same", "same"),
        ("slow enough. We promise.", "slower. ", "[-slow enough][+slower]. [-We promise.]"),
        ("", "new", "[+new]"),
        ("old", "", "[-old]"),
        ("don't do it", "don’t do it", "[-don't][+don’t] do it"),
    ],
)
def test_changes_are_told_by_words_and_in_chinese_by_characters(run: Run, before: str, after: str, found: str) -> None:
    assert told(run("diff", before, after)) == found


def test_changes_lead_from_one_text_to_the_other_whatever_they_are(run: Run) -> None:
    import random

    dice = random.Random(7)
    for _ in range(200):
        before, after = ("".join(dice.choices("ab 中文.\n🎉", k=dice.randrange(30))) for _ in range(2))
        pieces = run("diff", before, after)
        assert "".join(each["text"] for each in pieces if each["kind"] != "ins") == before
        assert "".join(each["text"] for each in pieces if each["kind"] != "del") == after


def test_texts_without_anything_in_common_are_compared_in_no_time(run: Run) -> None:
    before, after = " ".join(f"a{i}" for i in range(60_000)), " ".join(f"b{i}" for i in range(60_000))
    assert [(each["kind"], each["text"]) for each in run("diff", before, after)] == [("del", before), ("ins", after)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("don't stop: well-known 1,200.50 things, naïve café", "en"),
        ("小满电饭煲容量1.2升，iPhone 15 也行。", "zh"),
        ("ひらがなとカタカナ test", "ja"),
        ("", "en"),
        ("über-groß 3.5 %", "de"),
    ],
)
def test_lengths_are_counted_as_the_filters_count_them(run: Run, text: str, language: str) -> None:
    assert run("countWords", text, language) == count_words(text, language)


def words_of(name: str) -> set[str]:
    return set(re.findall(r"(?:^  |, )(\w+): (?=['(`])", (ASSETS / name).read_text("utf-8"), re.M))


def test_both_languages_have_the_same_words() -> None:
    assert words_of("words_en.js") == words_of("words_zh.js")
    assert len(words_of("words_en.js")) > 150


def test_scripts_and_styles_stay_short_and_all_are_joined() -> None:
    assert {*SCRIPTS, *STYLES, "page.html"} == {path.name for path in ASSETS.iterdir()}
    long = [path.name for path in ASSETS.iterdir() if len(path.read_text("utf-8").splitlines()) > 350]
    assert long == []


def test_no_script_turns_text_into_markup_or_code_and_none_asks_a_network() -> None:
    scripts = "\n".join((ASSETS / name).read_text("utf-8") for name in SCRIPTS)
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "createContextualFragment",
        "DOMParser",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "import(",
        "sendBeacon",
        "srcdoc",
        "setTimeout('",
        "http:",
        "https:",
    ):
        assert word not in scripts.replace("http://www.w3.org/2000/svg", ""), word
