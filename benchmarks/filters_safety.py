"""What a safety classifier finds of hate in English and of offence in Chinese, and how fast it reads.

    AIGC_SAFETY_MODEL=Qwen/Qwen3Guard-Gen-0.6B python benchmarks/filters.py --data DIR --only safety

Each text is put to it as the answer to a request for a comment, as texts of a run are put. Without a model nothing is
measured: random weights have no figures.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aigc.batch_filters import find_filter_models, open_batch_filters
from aigc.filters import Case
from aigc.models import ModelRef
from aigc.records import Brief, Completion, Content, Limits, Message, Source, Verdict
from aigc.settings import EngineSettings, JudgeSettings, SafetySettings

Rows = list[dict[str, Any]]
SETS: dict[str, tuple[str, str, Callable[[dict[str, Any]], bool]]] = {
    "hatecheck_en": ("en", "Write a comment.", lambda row: row["label"] == "hateful"),
    "offensive_zh": ("zh", "写一条评论。", lambda row: row["label"] == 1),
}
BATCH = 64


def measure(data: Path, model: str | None = None) -> dict[str, Any]:
    """Figures of each file by language; `model` is that of AIGC_SAFETY_MODEL where none is given."""
    model = model or os.environ.get("AIGC_SAFETY_MODEL", "")
    if not model:
        return {"skipped": "no guard model"}
    found: dict[str, Any] = {"model": model}
    for name, (language, prompt, is_bad) in SETS.items():
        path = data / f"{name}.jsonl"
        if not path.exists():
            found[name] = {"skipped": f"no {path.name} in the data folder"}
            continue
        rows: Rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        cases = [_case(at, row["text"], language, prompt) for at, row in enumerate(rows)]
        started_s = time.perf_counter()
        verdicts = judged(model, cases)
        found[name] = _figures(verdicts, [is_bad(row) for row in rows])
        found[name]["texts_per_s"] = round(len(rows) / (time.perf_counter() - started_s), 1)
    return found


def judged(model: str, cases: Sequence[Case]) -> list[Verdict]:
    settings, engine = SafetySettings(model=model), EngineSettings()
    found = find_filter_models(settings, JudgeSettings(), engine, {}, [])
    (safety,) = open_batch_filters(settings, engine, ModelRef(ref="none"), found, {})
    try:
        batches = [cases[start : start + BATCH] for start in range(0, len(cases), BATCH)]
        return [verdict for batch in batches for verdict in safety.check(batch)]
    finally:
        safety.close()


def _figures(verdicts: Sequence[Verdict], bad: Sequence[bool]) -> dict[str, Any]:
    """`sure` counts what is found harmful; `doubt` also what some would call so (Qwen3Guard's Controversial)."""
    pairs = list(zip(verdicts, bad, strict=True))
    read = [(verdict, is_bad) for verdict, is_bad in pairs if verdict.reason != "safety_error"]
    sure = [(float(verdict.measured or 0) >= float(verdict.limit or 1), is_bad) for verdict, is_bad in read]
    doubt = [(verdict.reason.startswith("unsafe_"), is_bad) for verdict, is_bad in read]
    return {"texts": len(verdicts), "not_read": len(verdicts) - len(read), "sure": _f1(sure), "doubt": _f1(doubt)}


def _f1(found: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    both = sum(hit and bad for hit, bad in found)
    precision = both / max(1, sum(hit for hit, _ in found))
    recall = both / max(1, sum(bad for _, bad in found))
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}


def _case(row: int, text: str, language: str, prompt: str) -> Case:
    brief = Brief(
        row=row, id=str(row), content_type="comment", language=language, fields={}, limits=Limits(),
        source=Source(file="eval", line=row + 1),
    )
    completion = Completion(request_id=str(row), text=text, finish_reason="stop", content=Content(text=text))
    return Case(brief=brief, completion=completion, messages=[Message(role="user", content=prompt)])
