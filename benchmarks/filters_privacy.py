"""How well `personal_data` and `secrets` find, how often they are wrong, and how fast they are.

`measure(folder)` takes the folder of evaluation files and gives one table of figures; what lacks its file is skipped
with a reason. Chinese cases are made here, from a fixed seed: identity numbers, mobiles, cards, and their look-alikes.
"""

from __future__ import annotations

import datetime
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aigc.filters.identifiers import has_luhn
from aigc.filters.personal_data import PersonalDataFilter, found_in
from aigc.filters.secrets import SecretsFilter
from aigc.filters.verdicts import Filter
from aigc.records import Brief, Completion, Content, Limits, Source

Spans = list[tuple[str, int, int]]
KINDS = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip_address", "US_SSN": "us_ssn",
}
"""Kinds of presidio-research's set that the filter looks for."""
TEMPLATES = {
    "resident_id": ("身份证号{}，请核对。", "证件号码：{}", "张伟（{}）已到场", "他报了{}就走了"),
    "phone": ("请拨打{}联系王师傅。", "手机{}，微信同号", "联系人李娜{}", "有事找我：{}！"),
    "card": ("请汇到{}，户名王芳。", "卡号{}。", "工资打到建行{}里", "银行卡：{}（尾号请核对）"),
}
DECOYS = ("订单号：{}", "流水号{}已生成", "条形码{}", "编号为{}的展品", "时间戳{}", "共{}个字节", "书号ISBN {}",
          "型号{}到货")
MOBILES = "130 131 132 135 136 137 138 139 150 151 152 155 158 166 170 176 177 178 180 181 186 188 189 191 198".split()
BANKS = (("622202", 19), ("621700", 19), ("622848", 19), ("621661", 19), ("622588", 16), ("625958", 16), ("955880", 19))


def measure(data: Path) -> dict[str, Any]:
    """All figures. `retry` and `flag` of good texts are shares of texts, each over all of its file."""
    return {
        "english": _with_file(data / "pii_en.jsonl", _english),
        "chinese": _chinese(),
        "good_english": _with_file(data / "refusal.jsonl", lambda rows: _good(
            [row["text"] for row in rows if row["label"].startswith("1")], "en")),
        "good_chinese": _with_file(data / "benign_zh.jsonl", lambda rows: _good([row["text"] for row in rows], "zh")),
    }


def _with_file(path: Path, figures: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> dict[str, Any]:
    if not path.exists():
        return {"skipped": f"no {path.name} in the data folder"}
    return figures([json.loads(line) for line in path.read_text("utf-8").splitlines()])


def _english(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    texts: list[tuple[str, Spans]] = []
    for row in rows:
        texts.append((row["text"], [(KINDS[span["type"]], span["start"], span["end"])
                                    for span in row["spans"] if span["type"] in KINDS]))
    return _scores(texts, "en", sorted(KINDS.values()))


def _scores(texts: list[tuple[str, Spans]], language: str, kinds: Iterable[str]) -> dict[str, Any]:
    """Precision and recall by kind, where spans count that overlap. `surely` are those that ask for a retry."""
    counts: Counter[tuple[str, str]] = Counter()
    for text, wanted in texts:
        found = [(item.kind, item.start, item.end, item.of) for item in found_in(text, language)]
        for kind, start, end in wanted:
            owners = [of for other, a, b, of in found if other == kind and a < end and start < b]
            counts[kind, "found" if owners else "missed"] += 1
            counts[kind, "surely"] += "person" in owners
        for kind, start, end, _ in found:
            counts[kind, "wrong"] += not any(other == kind and a < end and start < b for other, a, b in wanted)
    return {kind: _ratios(counts, kind) for kind in kinds}


def _ratios(counts: Counter[tuple[str, str]], kind: str) -> dict[str, float | int]:
    found, missed, wrong = (counts[kind, what] for what in ("found", "missed", "wrong"))
    return {"cases": found + missed, "recall": round(found / max(1, found + missed), 4),
            "precision": round(found / max(1, found + wrong), 4), "surely": counts[kind, "surely"]}


def _chinese(cases: int = 600, seed: int = 7) -> dict[str, Any]:
    """Made cases. Of three, one is of the kind; one is one digit wrong; one is a number of another sort."""
    rng, texts = random.Random(seed), []
    makers = {"resident_id": _resident_id, "phone": _mobile, "card": _bank_card}
    for kind, make in makers.items():
        for _ in range(cases):
            template, number = rng.choice(TEMPLATES[kind]), make(rng)
            start = template.index("{}")
            texts.append((template.format(number), [(kind, start, start + len(number))]))
            if kind != "phone":
                texts.append((template.format(_one_digit_wrong(rng, number)), []))
            texts.append((rng.choice(DECOYS).format(_decoy(rng)), []))
    return _scores(texts, "zh", makers)


def _resident_id(rng: random.Random) -> str:
    born = datetime.date(1940, 1, 1) + datetime.timedelta(days=rng.randrange(29_000))
    body = f"{rng.choice(['110105', '310115', '440305', '510107', '620102'])}{born:%Y%m%d}{rng.randrange(1000):03}"
    # ISO 7064 by its definition, not by the filter's table of weights.
    return body + next(last for last in "0123456789X" if sum(
        (10 if digit == "X" else int(digit)) * pow(2, 17 - at, 11) for at, digit in enumerate(body + last)) % 11 == 1)


def _mobile(rng: random.Random) -> str:
    head, middle, tail = rng.choice(MOBILES), f"{rng.randrange(10_000):04}", f"{rng.randrange(10_000):04}"
    form = rng.choice(("{}{}{}", "{}{}{}", "{} {} {}", "{}-{}-{}", "+86{}{}{}", "+86 {} {} {}", "86-{}{}{}"))
    return form.format(head, middle, tail)


def _bank_card(rng: random.Random) -> str:
    prefix, length = rng.choice(BANKS)
    body = prefix + "".join(rng.choices("0123456789", k=length - 7))
    number = next(body + last for last in "0123456789" if has_luhn(body + last))
    if rng.random() < 0.5:
        return number
    return " ".join(number[at:at + 4] for at in range(0, length, 4))


def _one_digit_wrong(rng: random.Random, number: str) -> str:
    at = rng.choice([at for at, char in enumerate(number) if char.isdigit()])
    return number[:at] + str((int(number[at]) + rng.randrange(1, 10)) % 10) + number[at + 1:]


def _decoy(rng: random.Random) -> str:
    """An order's number of 12 to 20 digits, an ISBN, a time to the second or in milliseconds, a plain count."""
    return rng.choice((
        lambda: "".join(rng.choices("0123456789", k=rng.randrange(12, 21))),
        lambda: "978" + "".join(rng.choices("0123456789", k=10)),
        lambda: f"2024{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}{rng.randrange(10**8):08}",
        lambda: str(rng.randrange(1_600_000_000_000, 1_900_000_000_000)),
        lambda: f"{rng.randrange(10**9):,}",
    ))()


def _good(texts: list[str], language: str) -> dict[str, Any]:
    brief = Brief(row=1, id="good", content_type="news_article", language=language, fields={}, limits=Limits(),
                  source=Source(file="good.csv", line=2))
    completions = [Completion(request_id="good", text=text, finish_reason="stop", content=Content(text=text))
                   for text in texts]
    return {item.name: _of_good(item, brief, completions) for item in (PersonalDataFilter(), SecretsFilter())}


def _of_good(item: Filter, brief: Brief, completions: list[Completion]) -> dict[str, float | int]:
    began = time.process_time()
    actions = Counter(item(brief, completion).action for completion in completions)
    spent = time.process_time() - began
    count = len(completions)
    return {"texts": count, "stopped": round((actions["retry"] + actions["hold"]) / count, 4),
            "flagged": round(actions["flag"] / count, 4), "texts_per_s": round(count / max(spent, 1e-9))}


if __name__ == "__main__":
    import sys

    print(json.dumps(measure(Path(sys.argv[1])), indent=1, ensure_ascii=False))
