"""What a text claims: facts that its brief does not hold, words of advertising, terms ruled out, the tone asked for.

Predicted before the first run, and what came out: docs/filters.md and benchmarks/README.md.
"""

from __future__ import annotations

import csv
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from aigc.filters import Filter, build_filters
from aigc.filters.matching import TermList, fold
from aigc.records import Brief, Completion, Content, Limits, Source

Figures = dict[str, Any]
SHEETS = ("shopify_home-and-garden.csv", "shopify_jewelery.csv")
ADVERTISED_ZH = """\
国家级品质，值得信赖
全国销量第一的按摩椅
业内最先进的净水技术
史上最低价，错过再等一年
顶级匠人手工打造
最优质的新西兰奶源
全网最便宜，假一赔十
独一无二的香气
世界领先的护肤科技
行业第一品牌，品质之选
最受欢迎的儿童手表
无与伦比的音质体验
三天祛斑，无效退款
根治脚气，永不复发
本品可降血糖、降血压
百分百有效，无任何副作用
一个疗程治好颈椎病
稳赚不赔，年化收益高达18%
保本保息，零风险理财
月入过万不是梦
考证包过，不过退款
名师押题准，考试必过
地铁旁好房，坐等升值
中国驰名商标，放心选购
国宴用酒，送礼佳品
唯一获得认证的极致好物
绝对正品，万能清洁
首选品牌，领导者地位
""".splitlines()
ADVERTISED_EN = """\
The #1 choice of parents everywhere
Simply the best in the world
America's number one mattress
The most advanced blender on the market
Unbeatable prices, every day
Industry-leading battery life
100% effective against stains
Satisfaction guaranteed or your money back
We guarantee you will love it
Results guaranteed!
Comes with a lifetime warranty
Cures insomnia naturally
A miracle cure for acne
No side effects whatsoever
Lose 20 pounds in two weeks
Clinically proven to reduce wrinkles
Doctor-recommended formula
Award-winning taste
Risk-free returns on every investment
Double your money in a month
Make $500 a day from home
Guaranteed income for life
Eco-friendly and non-toxic
A carbon-neutral, planet-friendly mug
The only cream you will ever need
Heals your skin overnight
Works like magic on any pain
The ultimate, perfect gift
""".splitlines()
"""Lines as advertisements have them, written before they were looked for in the packs; the last are mere praise."""
PREDICTED: Figures = {
    "grounding_precision": 0.97, "grounding_recall": 0.95, "advertising_false_alarms_zh": 0.02,
    "advertising_false_alarms_en": 0.01, "advertising_recall_zh": 0.85, "advertising_recall_en": 0.85,
    "forbidden_5000_terms_docs_s": 4000,
}


class GroundingCase(NamedTuple):
    """A sentence about a product, and the kind of fact in it that was made up ("" where all is true)."""

    brief: Brief
    text: str
    invented: str


def measure(data: Path) -> Figures:
    """Every figure of this part; one whose file is not in `data` says so instead."""
    figures: Figures = {}
    good = {"en": _good(data / "refusal.jsonl"), "zh": _good(data / "benign_zh.jsonl")}
    figures |= _grounding(data)
    for language, texts in good.items():
        if not texts:
            figures[f"claims_{language}"] = "skipped: no good texts in this folder"
            continue
        figures |= _advertising(language, texts)
        figures |= _speed(language, texts)
    return figures | _term_lists(good["en"] + good["zh"])


def _grounding(data: Path) -> Figures:
    rows = [row for name in SHEETS for row in _products(data / name)]
    if not rows:
        return {"grounding": f"skipped: none of {', '.join(SHEETS)} in this folder"}
    judge = _built("grounding", "retry")
    cases = [case for at, row in enumerate(rows) for case in _cases(row, at)]
    found = [(case, judge(case.brief, _completion(case.text)).action == "retry") for case in cases]
    caught = sum(hit for case, hit in found if case.invented)
    alarms = sum(hit for case, hit in found if not case.invented)
    by_kind = {kind: [hit for case, hit in found if case.invented == kind] for kind in
               sorted({case.invented for case in cases if case.invented})}
    return {
        "grounding_cases": f"{sum(bool(case.invented) for case in cases)} invented, "
                           f"{sum(not case.invented for case in cases)} true",
        "grounding_precision": _share(caught, caught + alarms),
        "grounding_recall": _share(caught, sum(bool(case.invented) for case in cases)),
        "grounding_false_alarms": _share(alarms, sum(not case.invented for case in cases)),
        "grounding_recall_by_kind": {kind: _share(sum(hits), len(hits)) for kind, hits in by_kind.items()},
        "grounding_missed": [case.text for case, hit in found if case.invented and not hit][:5],
        "grounding_false": [case.text for case, hit in found if hit and not case.invented][:5],
    }


def _products(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.DictReader(file) if row["Title"] and row["Variant Price"]]


def _cases(row: dict[str, str], at: int) -> Iterator[GroundingCase]:
    """True sentences of a product in other words and units, and the same with one fact made up."""
    price, before = float(row["Variant Price"]), float(row["Variant Compare At Price"] or 0)
    day, grams, link = 1 + at % 27, 100 * (3 + at), f"https://shop.example/products/{row['Handle']}"
    fields = {
        "product": row["Title"], "description": re.sub(r"<[^>]+>", " ", row["Body (HTML)"]),
        "price": row["Variant Price"], "weight": f"{grams} g", "sale": f"Until {day} May 2026", "link": link,
        "phone": f"call 0142 555 {1000 + at}",
        **({"compare_at_price": row["Variant Compare At Price"]} if before else {}),
    }
    english = Brief(row=1, id="b", content_type="product_description", language="en", fields={**fields},
                    limits=Limits(), source=Source(file=SHEETS[0], line=2))
    for brief, lines in ((english, _english), (replace(english, language="zh"), _chinese)):
        for text, invented in lines(row["Title"], price, before, day, grams, at):
            yield GroundingCase(brief, text, invented)


def _english(title: str, price: float, before: float, day: int, grams: int, at: int) -> Iterator[tuple[str, str]]:
    yield f"{title} for {price:.2f} dollars, or US${price:.2f}.", ""
    yield f"It weighs {grams / 1000:g} kg and stays under ${math.ceil(price * 1.05)}.", ""
    yield f"The sale ends on May {day}, 2026; order at shop.example by 5/{day}/2026.", ""
    yield f"Questions? +44 142 555 {1000 + at} knows. One of our two favourites, for 3 reasons.", ""
    if before > price:
        yield f"Was ${before:g}, so you save ${before - price:.2f}.", ""
        yield f"That is {round(100 * (before - price) / before)}% off.", ""
    yield f"{title} for only ${price * 1.37:.2f}.", "price"
    yield f"Now {17 + at % 7 * 11}.5% lighter than before.", "percent"
    yield f"The sale ends on June {day}, 2026.", "date"
    yield f"Order at www.{title.split()[0].lower()}-shop.com.", "url"
    yield f"Write to hello@{title.split()[0].lower()}.com.", "email"
    yield f"Call 1-800-555-{2000 + at}.", "phone"


def _chinese(title: str, price: float, before: float, day: int, grams: int, at: int) -> Iterator[tuple[str, str]]:
    yield f"{title}只要{price:g}美元，净重{grams / 1000:g}公斤。", ""
    yield f"活动到5月{day}日为止，也就是2026年5月{day}号，一共三个理由。", ""
    if before > price:
        yield f"原价{before:g}美元，立省{before - price:.2f}美元。", ""
    yield f"{title}只要{price * 1.37:.2f}元。", "price"
    yield f"比以前轻了百分之{('三十七', '四十二', '八十五')[at % 3]}。", "percent"
    yield f"全场{('七', '八', '六')[at % 3]}折。", "percent"
    yield f"活动到六月{day}日为止。", "date"
    yield f"详情见www.{title.split()[0].lower()}.cn。", "url"
    yield f"客服热线400-{700 + at}-1234。", "phone"


def _advertising(language: str, texts: list[str]) -> Figures:
    judge = _built("advertising", "flag")
    lines = ADVERTISED_ZH if language == "zh" else ADVERTISED_EN
    hits = [line for line in lines if judge(_brief(language), _completion(line)).action != "pass"]
    alarms = [text for text in texts if judge(_brief(language), _completion(text)).action != "pass"]
    return {
        f"advertising_false_alarms_{language}": _share(len(alarms), len(texts)),
        f"advertising_recall_{language}": _share(len(hits), len(lines)),
        f"advertising_missed_{language}": [line for line in lines if line not in hits],
    }


def _speed(language: str, texts: list[str]) -> Figures:
    limits = Limits(keywords=["the"], must_not_mention=["Acme"])
    brief = replace(_brief(language), tone="formal, no emoji", limits=limits)
    completions = [_completion(text) for text in texts]
    names = ("grounding", "advertising", "tone", "required_terms", "forbidden_terms")
    return {
        f"{name}_docs_s_{language}": docs_per_second(partial(_judge_all, name, brief, completions), len(texts))
        for name in names
    }


def _judge_all(name: str, brief: Brief, completions: list[Completion]) -> None:
    judge = _built(name, "flag")
    for completion in completions:
        judge(brief, completion)


def _term_lists(texts: list[str]) -> Figures:
    """Five thousand terms: in one pass, and each on its own as a brief's few are."""
    if not texts:
        return {}
    terms = [f"{kind}{number}" for number in range(2500) for kind in ("brand", "牌子")]
    folded, listed = [fold(text) for text in texts], TermList(terms)
    return {
        "forbidden_5000_terms_docs_s": docs_per_second(lambda: [listed.found_in(text) for text in folded], len(texts)),
        "forbidden_5000_terms_one_by_one_docs_s": docs_per_second(
            lambda: [[term for term in terms if term in text] for text in folded[:40]], 40),
    }


def docs_per_second(work: Callable[[], object], count: int) -> int:
    best = math.inf
    for _ in range(3):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return round(count / best)


def _good(path: Path) -> list[str]:
    """Texts that are good: all of benign_zh, the answers of `refusal` that comply in full."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row["text"] for row in rows if str(row.get("label", "1")).startswith("1")]


def _built(name: str, action: str) -> Filter:
    return next(item for item in build_filters({name: {"action": action}}, "benchmark") if item.name == name)


def _brief(language: str) -> Brief:
    return Brief(row=1, id="b", content_type="ad_copy", language=language, fields={"product": "A kettle for $89"},
                 limits=Limits(), source=Source(file="benchmark", line=1))


def _completion(text: str) -> Completion:
    return Completion(request_id="r", text=text, finish_reason="stop", content=Content(text=text))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else 0.0
