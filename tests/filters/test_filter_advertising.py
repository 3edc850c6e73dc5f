"""Claims that advertising law forbids or wants proof of, and the packs of terms that say which."""

from __future__ import annotations

from pathlib import Path

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion, marked
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc.errors import SettingsError
from aigc.filters import Filter, build_filters, files_digest
from aigc.filters.advertising import AdvertisingFilter
from aigc.records import FieldValue, Verdict
from aigc.settings import FilterTables

PIECES = ["最佳", "best in the world", "#1", "\ud800", "İ", "Ｎo.1", "不", "not "]
PACK = """
title = "House words"
[[claims]]
reason = "house_word"
source = "House style, p. 3"
why = "we do not say it"
advice = { en = "Avoid", zh = "避免" }
terms = ["delicious"]
patterns = ["y[ua]m+y"]
unless = ["most delicious"]
"""


def advertised(text: str, language: str = "en", action: str = "flag", **fields: FieldValue) -> Verdict:
    return built({"advertising": {"action": action}})(a_brief(language, fields={**fields}), a_completion(text))


def built(tables: FilterTables, templates: Path | None = None) -> Filter:
    return next(item for item in build_filters(tables, "aigc.toml", templates) if item.name == "advertising")


@pytest.mark.parametrize(
    ("text", "reason", "found"),
    [
        ("国家级工艺，最佳选择。", "absolute_claim", ["国家级", "最佳"]),
        ("全国第一的茶叶品牌，销量第一。", "absolute_claim", ["全国第一", "销量第一"]),
        ("顶级食材，最优质的服务。", "absolute_claim", ["顶级", "最优质"]),
        ("全网最低价！", "absolute_claim", ["全网最低"]),
        ("我们有最好的产品。", "absolute_claim", ["最好的产品"]),
        ("ＮＯ．１ 电饭煲", "absolute_claim", ["ＮＯ．１"]),
        ("百分百有效，史上最强。", "absolute_claim", ["百分百有效", "史上最"]),
        ("根治失眠，无效退款。", "medical_promise", ["根治", "无效退款"]),
        ("三天见效，治愈率高达98%。", "medical_promise", ["治愈率"]),
        ("稳赚不赔，保本高收益。", "financial_promise", ["稳赚", "保本"]),
        ("零基础包过，不过退款。", "outcome_promise", ["包过", "不过退款"]),
        ("学区好房，坐等升值。", "property_promise", ["坐等升值"]),
        ("中国驰名商标，国宴用酒。", "state_endorsement", ["驰名商标", "国宴用酒"]),
        ("We are the #1 choice, the best in the world.", "absolute_claim", ["the #1", "best in the world"]),
        ("America's number one brand of kettles.", "absolute_claim", ["America's number one"]),
        ("The world's most comfortable bag.", "absolute_claim", ["The world's most comfortable"]),
        ("100% effective, every day.", "absolute_claim", ["100% effective"]),
        ("Satisfaction guaranteed.", "guarantee", ["Satisfaction guaranteed"]),
        ("A taste you will love, guaranteed!", "guarantee", ["guaranteed"]),
        ("We guarantee you will sleep.", "guarantee", ["We guarantee"]),
        ("It cures insomnia and prevents hair loss.", "medical_promise", ["cures insomnia", "prevents hair loss"]),
        ("Lose 10 pounds in two weeks with no side effects.", "medical_promise",
         ["Lose 10 pounds in two weeks", "no side effects"]),
        ("Clinically\nproven, award-winning.", "unproven_authority", ["Clinically\nproven", "award-winning"]),
        ("Risk-free returns: make $500 a day.", "financial_promise", ["Risk-free returns", "make $500 a day"]),
        ("An eco-friendly, non-toxic mug.", "green_claim", ["eco-friendly", "non-toxic"]),
    ],
)
def test_a_claim_is_flagged_with_its_kind_and_place(text: str, reason: str, found: list[str]) -> None:
    verdict = advertised(text, "en" if text.isascii() else "zh")
    assert (verdict.action, verdict.reason) == ("flag", reason)
    assert set(found) <= set(marked(verdict, text))


@pytest.mark.parametrize(
    "text",
    [
        GOOD_EN,
        GOOD_ZH,
        "最近刚出炉，最后一天，第一次来，最大限度，最终，最多三个，最少一个，最初，最高温度，最新款。",
        "最佳食用时间是早上，最佳保质期三天，最好提前预约，最好的朋友，做最好的自己。",
        "荣获最佳女主角奖。国家级自然保护区旁，国家级非物质文化遗产传承人制作。",
        "我们追求最佳品质，力求做到最好的服务。",
        "不是最佳选择，并非全国第一，不承诺保本，不能根治。",
        "世界上最长的河，全国最大的湖，世界最高峰。",
        "本品不能代替药物。保过期换新，确保过程透明，面包过夜也软。",
        "第一步洗米，第一时间发货，第一章，第一代，唯一的孩子。",
        "保本色，完美的周末，绝对不会忘，万能的金钱，保证新鲜，首选地铁。",
        "The best of friends, best wishes, our best-selling author, the best practice.",
        "Tip #1 for beginners: step one, rule number one, the number one reason.",
        "Not the best in the world, and never guaranteed to please. No miracle cure here.",
        "One of the world's most visited towns.",
        "A five-year guarantee covers the hook. Quality is not guaranteed.",
        "Cured ham; the concrete cures in a week; a cure for boredom; treats for dogs.",
        "Free of charge, organic, recycled nylon, made with care.",
        "The clinic proves that awards are nice; the guaranteed minimum wage.",
        "",
    ],
)
def test_ordinary_words_are_no_claims(text: str) -> None:
    assert advertised(text).action == "pass"


def test_each_word_comes_with_its_rule_and_the_model_is_told_in_its_language() -> None:
    verdict = advertised("最佳选择，顶级食材，稳赚。", "zh", action="retry")
    assert verdict.message.startswith("Words that advertising rules forbid or want proof of: 最佳 (广告法第九条第三项")
    assert "稳赚 (广告法第二十五条)" in verdict.message
    assert (verdict.action, verdict.measured, verdict.advice) == ("retry", 3, "不要用绝对化用语：最佳、顶级。")
    verdict = advertised("Best in the world.")
    assert verdict.advice == "Do not use absolute claims: Best in the world."


def test_what_the_brief_says_is_flagged_at_most_and_a_guarantee_of_its_own_is_none() -> None:
    assert advertised("Best in the world.", action="retry", facts="Voted best in the world").action == "flag"
    assert advertised("Satisfaction guaranteed.", action="retry", facts="Satisfaction guaranteed").action == "pass"
    assert advertised("Satisfaction guaranteed.", action="retry", facts="A kettle").action == "retry"


def test_allowed_words_pass() -> None:
    item = built({"advertising": {"action": "flag", "allowed": ["顶级", "Best In The World"]}})
    assert item(a_brief(), a_completion("顶级食材, best in the world")).action == "pass"


def test_it_is_off_unless_a_content_type_asks_for_it() -> None:
    assert "advertising" not in {item.name for item in build_filters({}, "aigc.toml")}


def test_a_pack_of_the_project_takes_the_place_of_the_one_that_comes_along(tmp_path: Path) -> None:
    own = tmp_path / "_shared" / "terms"
    own.mkdir(parents=True)
    (own / "advertising_en.toml").write_text(PACK, "utf-8")
    item = built({"advertising": {"action": "flag"}}, tmp_path)
    verdict = item(a_brief(), a_completion("A delicious, yummy mug, the most delicious; best in the world."))
    assert (verdict.reason, verdict.measured) == ("house_word", 2)
    assert verdict.message.endswith("delicious (House style, p. 3); yummy (House style, p. 3).")
    assert item(a_brief("zh"), a_completion("顶级食材")).reason == "absolute_claim", "the other pack is the shipped one"


def test_the_digest_changes_with_a_pack(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    digests = set()
    for text in (PACK, PACK.replace("delicious", "tasty")):
        path.write_text(text, "utf-8")
        digests.add(files_digest([built({"advertising": {"action": "flag", "packs": [str(path)]}})]))
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "house.toml: found broken TOML: "),
        ("title = 'x'", "house.toml: found Object missing required field `claims`; expected a title and [[claims]] "
                        "with reason, source, why, advice and terms. Correct it; the packs that come with aigc show "
                        "how."),
        (PACK.replace("y[ua]m+y", "y[um"), "house.toml, reason house_word: found the pattern y[um, which is broken ("),
        (PACK.replace("terms", "words"), "house.toml: found Object contains unknown field `words`"),
    ],
)
def test_a_broken_pack_stops_the_run_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "house.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        built({"advertising": {"action": "flag", "packs": [str(path)]}})
    assert message in str(caught.value)


def test_an_unknown_pack_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError) as caught:
        built({"advertising": {"action": "flag", "packs": ["advertising_fr"]}})
    found = "key filters.advertising.packs: found 'advertising_fr'; expected one of advertising_en, advertising_zh. "
    assert found in str(caught.value)


def test_the_filter_works_without_being_opened() -> None:
    assert AdvertisingFilter(action="flag")(a_brief(), a_completion("best in the world")).action == "flag"


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=20).map("".join))
def test_places_lie_in_any_text_and_none_inside_another(text: str) -> None:
    verdict = AdvertisingFilter(action="flag")(a_brief(), a_completion(text))
    spans = [(span.start, span.end) for span in verdict.spans]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert len(set(spans)) == len(spans)
