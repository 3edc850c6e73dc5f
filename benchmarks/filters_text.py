"""Figures of the filters on a text's form: what they find, what they send back of what is good, and how fast they are.

Texts are judged by the whole cheap chain with its defaults, under a brief that asks for nothing but the language that
the text is written in. A false alarm is a good text that would be made again, held or rejected; flags are told apart.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from aigc.filters import Filter, build_filters, judge
from aigc.filters.echo import EchoFilter
from aigc.filters.profanity import ProfanityFilter
from aigc.filters.refusal import RefusalFilter
from aigc.records import Brief, Completion, Content, FinishReason, Limits, Message, Source, Verdict

Figures = dict[str, Any]
ALARMS = ("retry", "hold", "reject")
_ASKED_WORDS = 40
WORDS, CHARACTERS = 200, 350
"""Length of the texts that speed is measured on: 200 words, and what says as much in Chinese."""
SPEED_TEXTS = 400
_HAN_SHARE = 0.1
"""Under this share of Chinese characters an answer of the Chinese set is an English one."""
_ENDS = ".!?。！？…"


def measure(data: Path) -> Figures:
    """Every figure whose texts are there; for the others, why not."""
    parts = {
        "refusal.jsonl": _english, "benign_zh.jsonl": _chinese, "hatecheck_en.jsonl": _profanity_en,
        "offensive_zh.jsonl": _profanity_zh,
    }
    figures: Figures = {}
    for file, part in parts.items():
        path = data / file
        figures |= part(_rows(path)) if path.is_file() else {f"skipped_{path.stem}": f"no {path}"}
    return figures


def _english(rows: list[Figures]) -> Figures:
    good = [str(row["text"]) for row in rows if row["label"].startswith("1")]
    return (
        {**_false_alarms("en", [("en", text) for text in good]), **_refusals(rows), **_loops("en", good),
         **_truncations("en", good), **_echoes(rows)}
        | _speed("en", [" ".join(text.split()[:WORDS]) for text in good])
    )


def _chinese(rows: list[Figures]) -> Figures:
    texts = [(_language_of(row["text"]), str(row["text"])) for row in rows]
    good = [text for language, text in texts if language == "zh"]
    return (
        {**_false_alarms("zh", texts), "english_in_zh": len(texts) - len(good),
         "false_alarms_zh_under_zh_briefs": _false_alarms("", [("zh", text) for _, text in texts])["false_alarms_"],
         **_loops("zh", good),
         **_truncations("zh", good)}
        | _speed("zh", [text[:CHARACTERS] for text in good])
    )


def _false_alarms(name: str, texts: Sequence[tuple[str, str]]) -> Figures:
    filters = build_filters({}, "benchmark")
    alarms: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    sent_back = flagged = 0
    for language, text in texts:
        verdicts = _judged(text, language, filters)
        wrong = {f"{v.filter}:{v.reason}" for v in verdicts if v.action in ALARMS}
        hints = {f"{v.filter}:{v.reason}" for v in verdicts if v.action == "flag"}
        sent_back += bool(wrong)
        flagged += bool(hints)
        alarms.update(wrong)
        flags.update(hints)
    return {
        f"false_alarms_{name}": round(sent_back / len(texts), 4), f"false_alarms_{name}_by_reason": dict(alarms),
        f"flagged_{name}": round(flagged / len(texts), 4), f"flags_{name}_by_reason": dict(flags),
    }


def _refusals(rows: list[Figures]) -> Figures:
    """Full refusals against full answers. A text counts as found where it would be made again."""
    item, found = RefusalFilter(), Counter[tuple[str, bool]]()
    for row in rows:
        verdict = item(_brief("en"), _completion(row["text"]))
        found[str(row["label"])[0], verdict.action in ALARMS] += 1
    hits, wrong, missed = found["2", True], found["1", True], found["2", False]
    return {
        "refusal_f1": round(2 * hits / (2 * hits + wrong + missed), 4),
        "refusal_precision": round(hits / (hits + wrong), 4), "refusal_recall": round(hits / (hits + missed), 4),
    }


def _loops(name: str, good: Sequence[str]) -> Figures:
    """Good texts whose end goes on and on: a word, a clause, a sentence or two, up to the model's limit."""
    chain = build_filters({}, "benchmark")
    rng, caught, count = random.Random(1), 0, 0
    for text in good:
        for looped in _looped(text, name, rng):
            verdicts = _judged(looped, name, chain)
            caught += any(v.filter == "repetition" and v.action in ALARMS for v in verdicts)
            count += 1
    return {f"loops_{name}": count, f"loops_recall_{name}": round(caught / count, 4)}


def _looped(text: str, language: str, rng: random.Random) -> Iterator[str]:
    """The beginning of `text`, then a stretch of it that repeats until the whole is as long again."""
    units = list(text) if language == "zh" else text.split()
    glue = "" if language == "zh" else " "
    if len(units) < 40:
        return
    for size in (2, 8, 20) if language == "en" else (4, 16, 40):
        at = rng.randrange(len(units) // 4, len(units) // 2)
        stretch = units[at:at + size]
        yield glue.join([*units[:at], *stretch * max(4, len(units) // size)])


def _truncations(name: str, good: Sequence[str]) -> Figures:
    """Whole texts cut in mid-sentence: where the engine says so, and where nobody does (then any verdict counts)."""
    told = build_filters({}, "benchmark")
    rng, count, caught, unmarked = random.Random(1), 0, 0, 0
    for text in good:
        for cut in _cuts(text, name, rng):
            count += 1
            caught += any(v.action in ALARMS for v in _judged(cut, name, told, "length") if v.filter == "cut_off")
            unmarked += any(v.action != "pass" for v in _judged(cut, name, told) if v.filter == "cut_off")
    return {
        f"truncations_{name}": count, f"truncation_recall_{name}": round(caught / count, 4),
        f"truncation_recall_unmarked_{name}": round(unmarked / count, 4),
    }


def _cuts(text: str, language: str, rng: random.Random) -> Iterator[str]:
    text = text.rstrip()
    if len(text) < 100 or text[-1] not in _ENDS:
        return  # not whole itself
    for _ in range(2):
        cut = text[:rng.randrange(len(text) * 2 // 5, len(text) * 19 // 20)]
        cut = cut.rstrip() if language == "zh" else cut[:cut.rfind(" ")].rstrip()
        if cut and cut[-1].isalpha() and text[len(cut):].lstrip(" ")[:1].isalpha():
            yield cut


def _echoes(rows: list[Figures]) -> Figures:
    """Answers against their own questions must pass; a prompt given back, alone or before a text, must not."""
    item, wrong, caught = EchoFilter(), 0, 0
    good = [row for row in rows if row["label"].startswith("1") and len(row["text"].split()) >= _ASKED_WORDS]
    for row in good:
        wrong += item.against(_brief("en"), _completion(row["text"]), [_asked(row["prompt"])]).action != "pass"
    for row, other in pairwise(good):
        # The first words of another text play the instructions.
        ask = " ".join(other["text"].split()[:_ASKED_WORDS])
        echo = f"{ask} {' '.join(row['text'].split()[:160])}"
        caught += item.against(_brief("en"), _completion(echo), [_asked(ask)]).action != "pass"
    return {"echo_false_alarms": round(wrong / len(good), 4), "echo_recall": round(caught / (len(good) - 1), 4)}


def _profanity_en(rows: list[Figures]) -> Figures:
    groups = {"profanity_recall_en": ("profanity_h", "profanity_nh"), "profanity_on_identity": (
        "ident_neutral_nh", "ident_pos_nh"), "profanity_on_homonyms": ("slur_homonym_nh",)}
    return {name: _flagged([r["text"] for r in rows if r["functionality"] in kinds], "en")
            for name, kinds in groups.items()}


def _profanity_zh(rows: list[Figures]) -> Figures:
    return {f"profanity_on_{name}_zh": _flagged([r["text"] for r in rows if r["label"] == label], "zh")
            for name, label in (("offensive", 1), ("benign", 0))}


def _flagged(texts: Sequence[str], language: str) -> float:
    item = ProfanityFilter()
    found = sum(item(_brief(language), _completion(text)).action == "flag" for text in texts)
    return round(found / len(texts), 4)


def _speed(name: str, texts: Sequence[str]) -> Figures:
    """Documents a second of processor time, and milliseconds of each filter. What loads at first need is loaded."""
    filters = build_filters({}, "benchmark")
    cases = [(_brief(name), _completion(text)) for text in texts[:SPEED_TEXTS]]
    messages = [_asked("Write a text about bread. Use only the facts that you are given, in plain words.")]
    for brief, completion in cases:
        judge(brief, completion, filters, messages)
    whole = _seconds(lambda: [judge(brief, completion, filters, messages) for brief, completion in cases])
    each = {item.name: round(_seconds(lambda item=item: [judge(brief, completion, [item], messages)
                                                         for brief, completion in cases]) / len(cases) * 1e3, 3)
            for item in filters}
    return {f"docs_per_s_{name}": round(len(cases) / whole), f"filter_ms_{name}": each}


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _judged(text: str, language: str, filters: Iterable[Filter], finish: FinishReason = "stop") -> list[Verdict]:
    return judge(_brief(language), _completion(text, finish), filters)


def _brief(language: str) -> Brief:
    return Brief(row=1, id="b", content_type="summary", language=language, fields={}, limits=Limits(),
                 source=Source(file="benchmark", line=1))


def _completion(text: str, finish: FinishReason = "stop") -> Completion:
    return Completion(request_id="r", text=text, finish_reason=finish, content=Content(text=text))


def _asked(text: str) -> Message:
    return Message(role="user", content=text)


def _language_of(text: str) -> str:
    han = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return "zh" if han >= _HAN_SHARE * len(text) else "en"


def _rows(path: Path) -> list[Figures]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
