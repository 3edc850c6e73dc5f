"""A run, its records, and texts with verdicts that point at words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from factories import a_record, a_stamper, an_attempt

from aigc.export import export
from aigc.provenance import FileFacts, ModelFacts, RunFile
from aigc.records import (
    Completion,
    Content,
    OutputValue,
    Record,
    Span,
    Verdict,
)
from aigc.settings import Settings

Open = Callable[..., Any]
"""Opens a page in a browser: see `opened`."""
RUN_ID = "2026-11-24-0143-briefs-k3f9"


def a_run(**changes: object) -> RunFile:
    run = RunFile(
        run_id=RUN_ID,
        status="finished",
        briefs="inputs/briefs.csv",
        job="sha256:job",
        settings=Settings(),
        model=ModelFacts(ref="qwen3-4b", digest="sha256:m", licence="Apache-2.0", languages=["en", "zh"]),
        started_at="2026-11-24T01:43:00Z",
        inputs=[FileFacts(path="inputs/briefs.csv", digest="sha256:i", bytes=1)],
        versions={"aigc": "0.1.0"},
    )
    return msgspec.structs.replace(run, **changes)


def record_id(row: int) -> str:
    return f"0193a5c0-0000-7000-8000-{row:012d}"


def write_records(folder: Path, records: Iterable[Record]) -> None:
    """`records.parquet` of `records`, stamped as a run stamps them."""
    export(records, folder, a_stamper(run_id=RUN_ID).stamp)


def pointing(text: str, words: str, action: str, reason: str, filter_: str, message: str, **more: object) -> Verdict:
    """A verdict that points at `words` in `text`."""
    start = text.index(words)
    return msgspec.convert(
        {
            "filter": filter_,
            "action": action,
            "reason": reason,
            "message": message,
            "spans": [Span(start=start, end=start + len(words))],
            **more,
        },
        Verdict,
        from_attributes=True,
    )


def a_text(
    row: int,
    text: str,
    *,
    fields: dict[str, OutputValue] | None = None,
    verdicts: Sequence[Verdict] = (),
    earlier: Sequence[tuple[str, Sequence[Verdict]]] = (),
    label: str = "",
    **changes: object,
) -> Record:
    """A record whose last attempt has `text`; `earlier` are the attempts before it."""
    attempts = [an_attempt(i, before, verdicts=found) for i, (before, found) in enumerate(earlier)]
    content = Content(text=text, fields=fields or {}, disclosure=label, place="end" if label else "")
    completion = Completion(
        request_id=f"request-{row}", text=text, finish_reason="stop", tokens_out=120, content=content
    )
    attempts.append(an_attempt(len(attempts), text, verdicts=verdicts, completion=completion))
    return a_record(row, record_id=record_id(row), attempts=attempts, chosen=len(attempts) - 1, **changes)
