from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked, verdict_of

from aigc.errors import SettingsError
from aigc.filters import build_filters, files_digest, profanity
from aigc.filters.profanity import LIST, ProfanityFilter


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What a fucking good loaf.", ["fucking"]),
        ("Bullshit, said the SHITTY baker.", ["Bullshit", "SHITTY"]),
        ("You f**king idiot", ["f**king"]),
        ("这面包真他妈的好吃，牛逼！", ["真他妈", "牛逼"]),
        ("他说fuck，然后走了", ["fuck"]),
    ],
)
def test_swear_words_are_flagged_where_they_stand(text: str, found: list[str]) -> None:
    verdict = verdict_of("profanity", text)
    assert (verdict.action, verdict.reason, verdict.measured) == ("flag", "profanity", len(found))
    assert marked(verdict, text) == found


@pytest.mark.parametrize(
    "text",
    [
        GOOD_EN,
        GOOD_ZH,
        "The bakery in Scunthorpe sells shiitake and shitake rolls, near Penistone and Cockermouth.",
        "The assassin assessed the classic bass in Essex and Sussex.",
        "Damn, the hell of a day. What crap weather.",
        "A cock crowed by the dyke; the gardener took his hoe.",
        "我操心孩子的学习，也操作机器。",
        "尼玛县在西藏，交趾支那是旧地名。",
        "妈妈的面包，我妈的手艺。沙雕艺术节开幕。",
    ],
)
def test_words_that_only_look_like_it_pass(text: str) -> None:
    assert verdict_of("profanity", text).action == "pass"


def test_a_job_adds_and_takes_away_words() -> None:
    text = "Badass boots, damn good."
    assert marked(ProfanityFilter()(a_brief(), a_completion(text)), text) == ["Badass"]
    changed = ProfanityFilter(also=("damn",), allowed=("badass",), action="retry")
    verdict = changed(a_brief("zh"), a_completion(text))
    assert (verdict.action, marked(verdict, text)) == ("retry", ["damn"])
    assert verdict.advice == "不要用脏话和侮辱性的词。"


def test_the_list_has_each_word_once_and_every_chinese_word_is_longer_than_a_character() -> None:
    table = tomllib.loads(LIST.read_text("utf-8"))
    words = [*table["en"], *table["zh"]]
    assert len(words) == len(set(words))
    assert all(len(word) > 1 for word in words)


@pytest.fixture
def house_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the list, to edit."""
    path = tmp_path / "profanity.toml"
    path.write_bytes(LIST.read_bytes())
    monkeypatch.setattr(profanity, "LIST", path)
    return path


def test_an_edited_list_is_part_of_what_decides_a_record_and_changes_no_filter_that_is_open(house_list: Path) -> None:
    before = build_filters({}, "aigc.toml")
    digest = files_digest(before)
    house_list.write_text(house_list.read_text("utf-8").replace("en = [", 'en = [\n    "gadzooks",'), "utf-8")
    assert files_digest(before) == digest, "a run under way keeps the list that it began with"
    assert verdict_of("profanity", "Gadzooks, what a loaf.").action == "pass"
    after = build_filters({}, "aigc.toml")
    assert files_digest(after) != digest
    assert verdict_of("profanity", "Gadzooks, what a loaf.").action == "flag"


def test_a_list_that_no_filter_reads_decides_nothing(house_list: Path) -> None:
    off = build_filters({"profanity": {"action": "off"}}, "aigc.toml")
    digest = files_digest(off)
    house_list.write_text(house_list.read_text("utf-8") + "\n# later\n", "utf-8")
    assert files_digest(build_filters({"profanity": {"action": "off"}}, "aigc.toml")) == digest


@pytest.mark.parametrize(("text", "found"), [
    ("en = [", "Invalid"), ('en = ["a"]\nzh = []', "missing required field `innocent`"),
])
def test_a_broken_list_is_told_before_any_text(house_list: Path, text: str, found: str) -> None:
    house_list.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="TOML with the lists en, zh and innocent") as error:
        build_filters({}, "aigc.toml")
    assert str(error.value).startswith(f"{house_list}: found a broken list (")
    assert found in str(error.value)
