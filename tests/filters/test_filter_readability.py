from __future__ import annotations

from typing import Literal

import pytest
from filter_cases import GOOD_EN, GOOD_ZH, a_brief, a_completion
from msgspec.structs import replace

from aigc.filters import build_filters
from aigc.filters.readability import ReadabilityFilter
from aigc.records import Verdict

HARD_EN = (
    "Notwithstanding considerable methodological heterogeneity, contemporary investigations substantiate that "
    "prolonged fermentation significantly ameliorates the bioavailability of micronutrients. Furthermore, the "
    "microbiological characteristics of traditional sourdough necessitate comprehensive characterisation prior to "
    "commercialisation. Consequently, manufacturers increasingly implement standardised instrumentation throughout "
    "production environments, thereby facilitating reproducible organoleptic evaluation of finished merchandise. "
    "Nevertheless, independent verification remains indispensable."
)
HARD_ZH = (
    "尽管不同研究在方法上存在较大差异但近年来的多项实证研究均表明长时间低温发酵能够显著提升全谷物制品中矿物质元素的生物利用度。"
    "此外传统天然酵种所具有的复杂微生物群落结构特征在其实现规模化工业生产之前仍然需要开展更加系统全面深入的鉴定与评价工作。"
    "因此越来越多的生产企业开始在生产环境的各个环节引入标准化检测仪器以便对成品的感官品质进行可重复的客观评价与持续改进。"
)


def judged(text: str, language: str = "en", audience: str = "", **settings: float) -> Verdict:
    brief = replace(a_brief(language), audience=audience)
    return ReadabilityFilter(action="flag", **settings)(brief, a_completion(text))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "text", "audience", "measure"),
    [
        ("en", HARD_EN, "", "its ARI is"),
        ("en", HARD_EN, "pupils in year 4", "its ARI is"),
        ("de", HARD_EN, "", "its LIX is"),
        ("zh", HARD_ZH, "", "sentences have a mean length in characters of"),
        ("zh", GOOD_ZH, "小学三年级学生", "sentences have a mean length in characters of"),
    ],
)
def test_texts_too_hard_for_their_audience_are_flagged(language: str, text: str, audience: str, measure: str) -> None:
    verdict = judged(text, language, audience)
    assert (verdict.action, verdict.reason) == ("flag", "hard_to_read")
    assert measure in verdict.message
    assert verdict.advice


@pytest.mark.parametrize(
    ("language", "text", "audience"),
    [
        ("en", GOOD_EN, ""),
        ("en", GOOD_EN, "children aged 4 to 8"),
        ("en", HARD_EN, "food engineers"),
        ("en", GOOD_EN, "parents of children aged 4 to 8"),
        ("zh", GOOD_ZH, ""),
        ("zh", GOOD_ZH, "小学生的家长"),
        ("zh", HARD_ZH, "食品工程师"),
        ("en", "Come early. Stay late. Notwithstanding heterogeneity.", ""),
        ("en", "", ""),
    ],
)
def test_texts_that_fit_their_audience_and_short_ones_pass(language: str, text: str, audience: str) -> None:
    assert judged(text, language, audience).action == "pass"


def test_a_limit_that_is_set_stands_above_the_audience() -> None:
    assert judged(GOOD_EN, max_ari=2.0).limit == 2.0
    assert judged(GOOD_EN, max_ari=2.0).action == "flag"
    assert judged(HARD_EN, max_ari=60.0).action == "pass"


@pytest.mark.parametrize("audience", ["auto", "children", "general", "expert"])
def test_a_type_may_name_its_audience(audience: Literal["auto", "children", "general", "expert"]) -> None:
    item = ReadabilityFilter(action="flag", audience=audience)
    assert (item(a_brief(), a_completion(HARD_EN)).action == "flag") is (audience != "expert")


def test_it_is_off_unless_a_type_asks_for_it() -> None:
    assert "readability" not in {item.name for item in build_filters({}, "defaults")}
    assert "readability" in {item.name for item in build_filters({"readability": {"action": "flag"}}, "aigc.toml")}
