"""Figures of what speaks to the model in briefs: how much is noticed, and how many honest briefs are taken for it.

An attack is a payload inside an honest brief, as it stands in a sheet: at the start, in the middle or at the end of the
brief's longest cell. `noticed` is what is fenced in and flagged, `quarantined` what becomes no brief at all.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from injection import attack_cases, honest_cases  # noqa: E402 - tests keep the cases

from aigc.injection import CERTAIN, WORTH_A_LOOK, find_in, texts_of, weight  # noqa: E402
from aigc.job import Job  # noqa: E402
from aigc.records import Brief  # noqa: E402
from aigc.settings import load_settings  # noqa: E402

Figures = dict[str, Any]
Cells = Mapping[str, str]
SHEETS = ("briefs.csv", "zh/briefs.csv", "products.parquet")
HOSTS_EACH = 6
"""Honest briefs that each payload is put into."""


def measure(data: Path) -> Figures:
    """Every figure whose texts are there; for the others, why not."""
    shipped = {name: list(_briefs(ROOT / "inputs" / name)) for name in SHEETS}
    english, chinese = shipped["briefs.csv"], shipped["zh/briefs.csv"]
    natural = [*_flat(shipped.values()), *_public(data)]
    decoys = [{"cell": cell} for cell in (*honest_cases.ENGLISH, *honest_cases.CHINESE)]
    aside = [{"cell": cell} for cell in (*honest_cases.ENGLISH_ASIDE, *honest_cases.CHINESE_ASIDE)]
    attacks = {
        "bipia": list(_inside(_payloads(data), english)),
        "bipia_alone": [{"cell": payload} for payload in _payloads(data)],
        "own_en": list(_inside(attack_cases.ENGLISH, english)),
        "own_zh": list(_inside(attack_cases.CHINESE, chinese)),
        "aside_en": list(_inside(attack_cases.ENGLISH_ASIDE, english)),
        "aside_zh": list(_inside(attack_cases.CHINESE_ASIDE, chinese)),
    }
    figures: Figures = {}
    for name, cells in attacks.items():
        figures |= _shares(f"injection_recall_{name}", cells) if cells else {f"skipped_{name}": f"no texts in {data}"}
    figures |= _shares("injection_false_alarms_natural", natural) | _shares("injection_false_alarms_decoys", decoys)
    figures |= _shares("injection_false_alarms_decoys_aside", aside)
    # A task by itself is what a brief is made of: told, but no part of the whole.
    inside = [*_flat(cells for name, cells in attacks.items() if name != "bipia_alone")]
    return figures | _overall(inside, [*natural, *decoys, *aside]) | _speed(natural)


def _overall(attacks: list[Cells], honest: list[Cells]) -> Figures:
    hits, alarms = sum(map(_noticed, attacks)), sum(map(_noticed, honest))
    lost = sum(_heaviest(cells) >= CERTAIN for cells in honest)
    return {
        "injection_attacks": len(attacks),
        "injection_honest": len(honest),
        "injection_recall": round(hits / len(attacks), 3),
        "injection_false_alarms": round(alarms / len(honest), 4),
        "injection_quarantined_honest": round(lost / len(honest), 4),
        "injection_precision": round(hits / max(hits + alarms, 1), 4),
    }


def _shares(name: str, briefs: list[Cells]) -> Figures:
    count = len(briefs)
    certain = sum(_heaviest(cells) >= CERTAIN for cells in briefs)
    return {f"{name}_briefs": count, name: round(sum(map(_noticed, briefs)) / count, 4),
            f"{name}_quarantined": round(certain / count, 4)}


def _speed(briefs: list[Cells]) -> Figures:
    started = time.process_time()
    for cells in briefs:
        find_in(cells)
    seconds = time.process_time() - started
    characters = sum(len(text) for cells in briefs for text in cells.values())
    return {"injection_ms_per_brief": round(1000 * seconds / len(briefs), 3),
            "injection_chars_per_brief": round(characters / len(briefs))}


def _noticed(cells: Cells) -> bool:
    return _heaviest(cells) >= WORTH_A_LOOK


def _heaviest(cells: Cells) -> float:
    return max(map(weight, find_in(cells).values()), default=0.0)


def _flat(groups: Iterable[list[Cells]]) -> Iterator[Cells]:
    for group in groups:
        yield from group


def _briefs(sheet: Path) -> Iterator[Cells]:
    # As they are before anything is quarantined, or false alarms would not be here.
    job = Job(sheet, load_settings(None, {"input": {"injection": "off"}}, {}))
    yield from (texts_of(row) for row in job.rows() if isinstance(row, Brief))


def _inside(payloads: Iterable[str], hosts: list[Cells]) -> Iterator[Cells]:
    for number, payload in enumerate(payloads):
        for turn in range(HOSTS_EACH):
            host = hosts[(7 * number + 5 * turn) % len(hosts)]
            name = max(host, key=lambda cell: len(host[cell]))
            lines = host[name].split("\n")
            lines.insert((len(lines), 0, len(lines) // 2)[turn % 3], payload)
            yield {**host, name: "\n".join(lines)}


def _payloads(data: Path) -> list[str]:
    return [row["text"] for row in _rows(data / "injection.jsonl")]


def _public(data: Path) -> Iterator[Cells]:
    """Honest texts of all kinds, each as a brief: shop exports as they are, answers, letters, comments."""
    for sheet in sorted(data.glob("shopify_*.csv")):
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            yield from ({key: value for key, value in row.items() if value} for row in csv.DictReader(file))
    yield from ({"text": row["text"]} for row in _rows(data / "refusal.jsonl") if row["label"].startswith("1"))
    yield from ({"text": row["text"]} for row in _rows(data / "hatecheck_en.jsonl") if row["label"] == "non-hateful")
    for name in ("benign_zh.jsonl", "pii_en.jsonl"):
        yield from ({"text": row["text"]} for row in _rows(data / name))


def _rows(path: Path) -> list[Figures]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
