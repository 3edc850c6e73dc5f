"""Near-duplicates: what is found of edited texts, what is taken for one wrongly, and what an index costs.

    python benchmarks/filters_duplicates.py --data FOLDER             # two minutes, an index of 100,000 texts
    python benchmarks/filters_duplicates.py --texts 1000000

FOLDER holds `refusal.jsonl` and `benign_zh.jsonl` (rows with `text`); without them only the index is measured.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aigc.duplicates import CorpusIndex, CorpusText, CorpusWriter, Neighbours, Text
from aigc.duplicates.texts import alike, jaccard

Figures = dict[str, object]
INDEX_TEXTS = 100_000
WORDS, VOCABULARY = 200, 20_000
QUERIES = 1_000
PAIRS = 300
LIMIT = 0.5
LEAST_CHARS = {"en": 300, "zh": 100}
_WORD = {"en": re.compile(r"\s*\S+"), "zh": re.compile(r"[\u4e00-\u9fff]{1,2}|\s*[^\s\u4e00-\u9fff]{1,8}|\s+")}
_SENTENCE = {"en": re.compile(r"[^.!?\n]+[.!?]+"), "zh": re.compile(r"[^。！？\n]+[。！？]")}
_FACTS = {
    "en": ["Holds 20 litres and weighs 740 g", "Waxed cotton outside, recycled nylon lining",
           "Padded sleeve for a 15-inch laptop", "Roll top closes with one brass hook", "Repaired free for five years",
           "Fennick 20 L Roll-Top Backpack", "Harrow & Tide", "Leaves Alderwick at 23:15 every Friday"],
    "zh": ["容量20升，自重740克", "外层为打蜡棉布，内衬为再生尼龙", "带加厚隔层，可放15英寸笔记本",
           "卷口用一枚黄铜扣固定", "五年内免费维修",
           "芬尼克20升卷口背包", "哈罗与潮汐", "每周五23点15分从奥德威克发车"],
}
_FRAME = {
    "en": ("Dear customer, thank you for your message and for your patience while we looked into it. ",
           " If there is anything else that we can do for you, simply answer this message. Kind regards, the team."),
    "zh": ("尊敬的顾客，您好！感谢您的来信，也感谢您在我们核实期间的耐心等待。",
           "如果还有其他需要，直接回复本邮件即可。此致敬礼，客服团队敬上。"),
}


def measure(data: Path, index_texts: int = INDEX_TEXTS) -> Figures:
    """All figures; those of a file that is not in `data` say why they are absent."""
    figures: Figures = {}
    for language, name in (("en", "refusal.jsonl"), ("zh", "benign_zh.jsonl")):
        path = data / name
        figures[language] = _measure_texts(_read(path), language) if path.exists() else f"skipped: no {path}"
    figures["index"] = measure_index(index_texts)
    return figures


def _measure_texts(texts: list[str], language: str) -> Figures:
    rng = random.Random(1)
    good = [text for text in dict.fromkeys(texts) if len(text) >= LEAST_CHARS[language]]
    words = [word for text in good for word in _WORD[language].findall(text)]
    return {
        "texts": len(good),
        "recall_by_share_of_words_changed": {
            share: _recall(good, [_edited(text, language, share, words, rng) for text in good])
            for share in (0.05, 0.1, 0.15, 0.2)
        },
        **_templates(good, language, words, rng),
    }


def _recall(texts: list[str], edited: list[str]) -> Figures:
    """How many edited texts find the one they were, compared with it and among all."""
    pairs = [alike(Text.of(one), Text.of(other)) for one, other in zip(texts, edited, strict=True)]
    among: Neighbours[int] = Neighbours()
    for number, text in enumerate(texts):
        among.add(number, text)
    found = [among.nearest(text, over=LIMIT) for text in edited]
    return {
        "compared": round(sum(similarity > LIMIT for similarity in pairs) / len(pairs), 4),
        "among_all": round(sum(hit is not None and hit[0] == at for at, hit in enumerate(found)) / len(found), 4),
        "least_similarity": round(min(pairs), 3),
    }


def _templates(good: list[str], language: str, words: list[str], rng: random.Random) -> Figures:
    """Pairs of one brief or one template: the same text with a tenth of the words changed, or other sentences."""
    sentences = [part.strip() for text in good for part in _SENTENCE[language].findall(text) if len(part) > 15]
    kinds: Figures = {}
    counts, total = Counter[str](), 0
    for kind in ("facts", "frame", "facts and frame", "more facts than text"):
        alarms: Counter[str] = Counter()
        for _ in range(PAIRS):
            own = [" ".join(rng.sample(sentences, 1 if kind.startswith("more") else 4)) for _ in range(2)]
            fields, (one, other) = _written(kind, language, own, rng)
            first, second = Text.of(one, fields), Text.of(other, fields)
            alarms["masked"] += alike(first, second) > LIMIT
            alarms["whole"] += jaccard(first.shingles, second.shingles) > LIMIT
            alarms["found"] += alike(first, Text.of(_edited(one, language, 0.1, words, rng), fields)) > LIMIT
        kinds[kind] = {
            "found": alarms["found"], "false_alarms": alarms["masked"], "without_masks": alarms["whole"], "of": PAIRS,
        }
        counts, total = counts + alarms, total + PAIRS
    return {
        "one_template": kinds,
        "one_template_recall": round(counts["found"] / total, 4),
        "one_template_precision": round(counts["found"] / (counts["found"] + counts["masked"]), 4),
        "one_template_precision_without_masks": round(counts["found"] / (counts["found"] + counts["whole"]), 4),
    }


def _written(
    kind: str, language: str, own: list[str], rng: random.Random
) -> tuple[dict[str, list[str]], tuple[str, str]]:
    """Two texts with their own sentences, and all that the brief or the template gives both."""
    facts = rng.sample(_FACTS[language], 5) if "facts" in kind else []
    before, after = _FRAME[language] if "frame" in kind else ("", "")
    mark = "。" if language == "zh" else ". "
    told = [mark.join(rng.sample(facts, len(facts))) + mark if facts else "" for _ in own]
    one, other = (f"{before}{sentences} {fact}{after}" for sentences, fact in zip(own, told, strict=True))
    return {"facts": facts}, (one, other)


def _edited(text: str, language: str, share: float, words: list[str], rng: random.Random) -> str:
    """`text` with that share of its words exchanged (two thirds), left out, or followed by one more."""
    parts = []
    for word in _WORD[language].findall(text):
        kind = rng.randrange(6) if rng.random() < share else 6
        parts += [word] if kind > 4 else []
        parts += [rng.choice(words)] if kind < 4 or kind == 5 else []
    return "".join(parts)


def measure_index(texts: int) -> Figures:
    """Building an index on disk, and asking it, each in a process of its own so that its memory is its own."""
    folder = Path(tempfile.mkdtemp(prefix="aigc-corpus-"))
    context = multiprocessing.get_context("spawn")
    try:
        with context.Pool(1, maxtasksperchild=1) as pool:
            built = pool.apply(_build, (folder, texts))
            asked = pool.apply(_ask, (folder, texts))
        sizes = {path.name.split("-")[0]: path.stat().st_size for path in folder.iterdir() if path.stat().st_size}
    finally:
        shutil.rmtree(folder)
    disk = {name: round(size / 1e6, 1) for name, size in sorted(sizes.items()) if size > 1e5}
    return {"texts": texts, **built, **asked, "disk_mb": round(sum(sizes.values()) / 1e6), "disk_mb_by_file": disk}


def _build(folder: Path, texts: int) -> Figures:
    started, made_s = time.perf_counter(), 0.0

    def timed() -> Iterator[CorpusText]:
        nonlocal made_s
        source = synthetic(texts)
        while True:
            begun = time.perf_counter()
            text = next(source, None)
            made_s += time.perf_counter() - begun
            if text is None:
                return
            yield CorpusText(text=text, line=1)

    with CorpusWriter(folder) as corpus:
        half = texts // 2
        rows = timed()
        corpus.add("first", "file", "1", (row for row, _ in zip(rows, range(half), strict=False)))
        corpus.add("second", "file", "2", rows)
    build_s = time.perf_counter() - started - made_s
    return {"build_s": round(build_s, 1), "texts_per_s": round(texts / build_s), "build_peak_mb": _status_mb("VmHWM")}


def _ask(folder: Path, texts: int) -> Figures:
    rng = random.Random(2)
    _status_mb("VmRSS")
    started = time.perf_counter()
    with CorpusIndex.read(folder) as corpus:
        open_s = time.perf_counter() - started
        wanted = set(rng.sample(range(len(corpus)), QUERIES))
        known = [text for at, text in enumerate(synthetic(texts)) if at in wanted]
        words = [word for text in known for word in _WORD["en"].findall(text)]
        queries = [_edited(text, "en", 0.1, words, rng) for text in known]
        strangers = list(synthetic(QUERIES, seed=9))
        first_ms = _asked(corpus, queries[:100])[1]
        hits, known_ms = _asked(corpus, queries)
        alarms, new_ms = _asked(corpus, strangers)
    return {
        "open_ms": round(open_s * 1e3, 1), "recall_at_10_percent": round(hits / QUERIES, 4), "false_alarms": alarms,
        "query_ms_first": first_ms, "query_ms_known": known_ms, "query_ms_new": new_ms,
        "memory_own_mb": _status_mb("RssAnon"), "memory_mapped_mb": _status_mb("RssFile"),
    }


def _asked(corpus: CorpusIndex, queries: list[str]) -> tuple[int, dict[str, float]]:
    taken, found = [], 0
    for query in queries:
        started = time.perf_counter()
        found += corpus.nearest(query, over=LIMIT) is not None
        taken.append((time.perf_counter() - started) * 1e3)
    taken.sort()
    return found, {"median": round(taken[len(taken) // 2], 3), "p95": round(taken[int(len(taken) * 0.95)], 3)}


def synthetic(texts: int, seed: int = 1) -> Iterator[str]:
    """Texts of 200 words, drawn by Zipf's law."""
    import numpy as np

    rng, names = np.random.default_rng(seed), random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkqjxz"
    vocabulary = ["".join(names.choices(letters, k=names.randint(2, 10))) for _ in range(VOCABULARY)]
    reached = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    for _ in range(0, texts, 1_000):
        drawn = np.searchsorted(reached, rng.random((1_000, WORDS)) * reached[-1])
        for row in drawn.tolist():
            yield " ".join([vocabulary[at] for at in row])


def _status_mb(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return round(int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024)


def _read(path: Path) -> list[str]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row["text"] for row in rows if str(row.get("label", "1")).startswith("1")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("eval"), help="folder of the evaluation data")
    parser.add_argument("--texts", type=int, default=INDEX_TEXTS, help="texts of the index")
    given = parser.parse_args()
    print(json.dumps(measure(given.data, given.texts), indent=2))


if __name__ == "__main__":
    main()
