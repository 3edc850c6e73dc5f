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
