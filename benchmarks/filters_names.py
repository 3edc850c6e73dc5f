"""Names misspelt: how many are found, and how many good texts are sent back for a word that is no name of theirs.

Predicted before the first run, and what came out: benchmarks/README.md.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filters_claims import docs_per_second

from aigc.filters.names import NamesFilter
from aigc.records import Brief, Completion, Content, FieldValue, Limits, Source

Figures = dict[str, Any]
SHEETS = ("shopify_home-and-garden.csv", "shopify_jewelery.csv")
INPUTS = Path(__file__).parent.parent / "inputs"
NAMES_EACH = 8
"""Names of other people's goods that each good text is held against."""
_OWN = {
    "en": re.compile(r"(?<=[a-z,] )[A-Z][a-z]{4,}\b"),
    "zh": re.compile(r"(?<=[，。、])[\u4e00-\u9fff]{4,8}(?=[，。、])"),
}
"""Words of a text that can be taken for a name of its own: a capital inside a sentence, a clause of Chinese."""
_CAPITAL = re.compile(r"\b[A-Z][a-z]{3,}\b")
_SHAPES, _GOODS = "智能 便携 手工 家用 北欧 复古".split(), (
    "台灯 吊灯 壁灯", "茶杯 水杯 酒杯", "饭锅 炒锅 汤锅", "书桌 餐桌 课桌", "背包 挎包 提包", "雨衣 风衣 大衣",
    "洗手液 洗衣液 洗发液", "书房 茶房 客房", "毛巾 浴巾 头巾", "音箱 冰箱 烤箱",
)
"""Goods of one shop: of each line two are siblings under any of the words before it."""


def measure(data: Path) -> Figures:
    """Every figure of this part; one whose file is not in `data` says so instead."""
    figures: Figures = {}
    shop = [name for sheet in SHEETS for name in _titles(data / sheet)]
    for language, file in (("en", "refusal.jsonl"), ("zh", "benign_zh.jsonl")):
        texts = _good(data / file)
        if not texts:
            figures[f"names_{language}"] = f"skipped: no {file} in this folder"
            continue
        others = [*_example_names(language), *(shop if language == "en" else [])]
        figures |= _false_alarms(language, texts, others) | _found(language, texts) | _speed(language, texts, others)
        siblings = _siblings_en(texts, others) if language == "en" else _siblings_zh()
        figures |= _beside(language, texts, siblings)
    return figures


def _false_alarms(language: str, texts: list[str], others: list[str]) -> Figures:
    """Good texts under a brief with another's name, and under one whose name they have."""
    rng, alarms, own_alarms, examples = random.Random(1), 0, 0, []
    for text in texts:
        for name in rng.sample(others, NAMES_EACH):
            if told := _misspelt(text, name, language):
                alarms += 1
                examples.append(told)
        own = _own_names(text, language, rng)
        if own and (told := _misspelt(text, own, language)):
            own_alarms += 1
            examples.append(told)
    return {
        f"names_pairs_{language}": NAMES_EACH * len(texts),
        f"names_false_alarms_others_{language}": round(alarms / (NAMES_EACH * len(texts)), 5),
        f"names_false_alarms_own_{language}": round(own_alarms / len(texts), 4),
        f"names_false_{language}": examples[:12],
    }


def _found(language: str, texts: list[str]) -> Figures:
    """A name that the text has, misspelt where it stands first: a letter left out, doubled, changed, or swapped."""
    rng, kinds, hits, missed = random.Random(2), Counter[str](), Counter[str](), []
    for text in texts:
        if not (own := _own_names(text, language, rng)):
            continue
        for kind, wrong in _wrongly(own, language, rng):
            kinds[kind] += 1
            changed = text.replace(own, wrong)
            if _misspelt(changed, own, language):
                hits[kind] += 1
            else:
                missed.append(f"{wrong} for {own}")
    return {
        f"names_cases_{language}": kinds.total(),
        f"names_recall_{language}": round(hits.total() / max(1, kinds.total()), 3),
        f"names_recall_{language}_by_kind": {kind: round(hits[kind] / count, 3) for kind, count in kinds.items()},
        f"names_missed_{language}": missed[:12],
    }


def _beside(language: str, texts: list[str], siblings: list[tuple[str, str]]) -> Figures:
    """A good text that says its name, and once more: a sibling's beside it, a sibling's alone, its own misspelt."""
    rng, figures = random.Random(4), dict[str, Counter[str]]()
    for text in texts:
        own, other = rng.choice(siblings)
        kind, wrong = rng.choice([*_wrongly(own, language, rng)])
        said = {"sibling beside": (own, other), "sibling alone": (other,), f"beside itself, {kind}": (own, wrong)}
        for about, names in said.items():
            sentence = " We also have {} here." if language == "en" else "本店另有{}出售。"
            told = text + "".join(map(sentence.format, names))
            verdict = NamesFilter()(_brief(language, {"product": own}), _completion(told))
            figures.setdefault(about, Counter())[verdict.action] += 1
    return {f"names_siblings_{language}": {about: dict(counts) for about, counts in sorted(figures.items())}}


def _siblings_en(texts: list[str], others: list[str]) -> list[tuple[str, str]]:
    """Pairs of words with a capital that real texts and titles have, which are one another but for a letter or two."""
    words = {word for text in (*texts, *others) for word in _CAPITAL.findall(text)}
    pairs = [(one, other) for one in sorted(words) for other in words
             if one != other and len(one) > 4 and one[0] == other[0] and abs(len(one) - len(other)) <= 2]
    return [pair for pair in pairs if _misspelt(f"We have {pair[1]} here.", pair[0], "en")]


def _siblings_zh() -> list[tuple[str, str]]:
    pairs = [(one, other) for line in _GOODS for one in line.split() for other in line.split() if one != other]
    return [(shape + one, shape + other) for shape in _SHAPES for one, other in pairs]


def _wrongly(name: str, language: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    at = rng.randrange(1, len(name) - 1)
    letters = "abcdefghijklmnopqrstuvwxyz" if language == "en" else "的一是不了人我在有他这中大来上国"
    yield "changed", name[:at] + rng.choice([one for one in letters if one != name[at]]) + name[at + 1:]
    if language == "en" or len(name) > 4:
        yield "left out", name[:at] + name[at + 1:]
    if language == "en":
        yield "doubled", name[:at] + name[at] + name[at:]
        if at > 1 and name[at] != name[at - 1]:
            yield "swapped", name[:at - 1] + name[at] + name[at - 1] + name[at + 1:]


def _own_names(text: str, language: str, rng: random.Random) -> str:
    found = sorted({name for name in _OWN[language].findall(text) if name.lower() not in text or language == "zh"})
    return rng.choice(found) if found else ""


def _misspelt(text: str, name: str, language: str) -> str:
    verdict = NamesFilter()(_brief(language, {"product": name}), _completion(text))
    return f"{name}: {verdict.message}" if verdict.reason == "misspelt_name" else ""


def _speed(language: str, texts: list[str], others: list[str]) -> Figures:
    judge, brief = NamesFilter(), _brief(language, {"product": others[0], "brand": others[1]})
    completions = [_completion(text) for text in texts]
    return {f"names_docs_s_{language}": docs_per_second(
        lambda: [judge(brief, completion) for completion in completions], len(texts))}


def _titles(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row["Title"] for row in csv.DictReader(file) if row["Title"]]


def _example_names(language: str) -> list[str]:
    path = INPUTS / "briefs.csv" if language == "en" else INPUTS / "zh" / "briefs.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(dict.fromkeys(row[key] for row in csv.DictReader(file) for key in ("product", "brand") if row[key]))


def _good(path: Path) -> list[str]:
    """Texts that are good: all of benign_zh, the answers of `refusal` that comply in full."""
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row["text"] for row in rows if str(row.get("label", "1")).startswith("1")]


def _brief(language: str, fields: dict[str, FieldValue]) -> Brief:
    return Brief(row=1, id="b", content_type="ad_copy", language=language, fields=fields, limits=Limits(),
                 source=Source(file="benchmark", line=1))


def _completion(text: str) -> Completion:
    return Completion(request_id="r", text=text, finish_reason="stop", content=Content(text=text))
