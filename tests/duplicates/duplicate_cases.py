"""Texts that are versions of each other, texts that only share a brief, and many texts that share nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator

from aigc.duplicates import CorpusText
from aigc.records import Brief, FieldValue, Limits, Source

EN = (
    "Every loaf at Harbour Street starts the evening before. Flour from a mill nine miles away meets water, salt and a "
    "starter that is older than the shop itself. Through the night it rises slowly, which gives the crust its colour."
)
EN_EDITED = (
    "Each loaf at Harbour Street starts the evening before. Flour from a mill ten miles away meets water, salt and a "
    "starter that is older than the shop itself. Through the night it rises gently, which gives the crust its colour."
)
EN_OTHER = (
    "Come early for rye. By seven the first trays leave the oven, and a queue has formed between the door and the tram "
    "stop; by noon only seeded rolls are left, still warm, beside a pot of soup that changes with the market."
)
ZH = (
    "海港街的每一条面包都从前一晚开始。面粉来自九英里外的磨坊，遇上清水、盐和一罐比店铺年纪还大的酵种。"
    "面团整夜慢慢发起，外皮因此烤出深色，内里带一点微酸。"
)
ZH_EDITED = (
    "海港街的每一条面包都从头一晚开始。面粉来自十英里外的磨坊，遇上清水、盐和一罐比店铺年纪还大的酵种。"
    "面团整夜慢慢发起，外皮因此烤成深色，内里带一点微酸。"
)
ZH_OTHER = (
    "想吃黑麦的客人请早来。清晨七点第一批出炉，从门口到电车站已经排起了队；到中午就只剩下杂粮小餐包，"
    "还热着，柜台旁备着一锅汤，随集市换花样。"
)
FACTS: dict[str, FieldValue] = {
    "product": "Fennick 20 L Roll-Top Backpack",
    "facts": ["Holds 20 litres and weighs 740 g", "Waxed cotton outside, recycled nylon lining",
              "Padded sleeve for a 15-inch laptop", "Roll top closes with one brass hook",
              "Repaired free for five years"],
}
FACTS_TOLD = (
    " Holds 20 litres and weighs 740 g. Waxed cotton outside, recycled nylon lining. Padded sleeve for a 15-inch "
    "laptop. Roll top closes with one brass hook. Repaired free for five years. The Fennick 20 L Roll-Top Backpack."
)
FACTS_ZH: dict[str, FieldValue] = {
    "product": "芬尼克20升卷口背包",
    "facts": ["容量20升，自重740克", "外层为打蜡棉布，内衬为再生尼龙", "带加厚隔层，可放15英寸笔记本",
              "卷口用一枚黄铜扣固定"],
}
FACTS_ZH_TOLD = (
    "芬尼克20升卷口背包，容量20升，自重740克。外层为打蜡棉布，内衬为再生尼龙。带加厚隔层，可放15英寸笔记本。"
    "卷口用一枚黄铜扣固定。"
)


def a_brief(
    brief_id: str = "b1", language: str = "en", fields: dict[str, FieldValue] | None = None, **limits: object
) -> Brief:
    return Brief(
        row=1, id=brief_id, content_type="ad_copy", language=language, fields=fields or {},
        limits=Limits(**limits),  # type: ignore[arg-type]
        source=Source(file="inputs/briefs.csv", line=2),
    )


def many(texts: int, seed: int = 1) -> list[str]:
    """Texts of 40 words that share nothing but their vocabulary."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(3, 9))) for _ in range(2_000)]
    return [" ".join(rng.choices(words, k=40)) for _ in range(texts)]


def formulaic(texts: int, seed: int = 1) -> list[str]:
    """Texts that are three fifths one formula: similarities of about 0.43, so that all may be alike, and none is."""
    return [f"{EN} {EN_OTHER} {text}" for text in many(texts, seed)]


def edited(text: str, every: int = 10) -> str:
    """`text` with every tenth word exchanged."""
    return " ".join("changed" if at % every == 5 else word for at, word in enumerate(text.split()))


def corpus_texts(texts: list[str]) -> Iterator[CorpusText]:
    return (CorpusText(text=text, line=line) for line, text in enumerate(texts, 1))
