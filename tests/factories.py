"""Small valid values for tests; what a test is about is passed by name."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from aigc.provenance.stamps import Stamper
from aigc.records import Attempt, Completion, Content, EngineInfo, OutputValue, Record, Sampling, Source, Verdict


def a_verdict(**changes: object) -> Verdict:
    return replace(Verdict(filter="length", action="pass", measured=120.0, limit="80–150"), **changes)


def an_attempt(
    number: int = 0,
    text: str = "Fresh bread at seven.",
    fields: dict[str, OutputValue] | None = None,
    verdicts: Sequence[Verdict] = (),
    **changes: object,
) -> Attempt:
    """An attempt whose request id is `request-<number>`; without `verdicts` it has one that passes."""
    request_id = f"request-{number}"
    completion = Completion(
        request_id=request_id, text=text, finish_reason="stop", tokens_in=210, tokens_out=64, generate_s=0.5,
        content=Content(text=text, fields=fields or {}),
    )
    attempt = Attempt(
        number=number, request_id=request_id, seed=7, sampling=Sampling(), completion=completion,
        verdicts=list(verdicts) or [a_verdict()], created_at="2026-11-24T01:43:00Z", engine="sha256:e",
    )
    return replace(attempt, **changes)


def a_record(row: int = 1, **changes: object) -> Record:
    """An accepted record of brief `b<row>` with one attempt."""
    record = Record(
        row=row, brief_id=f"b{row}", variant=0, content_type="ad_copy", language="en", outcome="accepted",
        source=Source(file="inputs/briefs.csv", line=row + 1), fingerprint=f"sha256:f{row}",
        template_digest="sha256:t", brief={"product": "bread"}, attempts=[an_attempt()], chosen=0,
    )
    return replace(record, **changes)


def a_stamper(**changes: object) -> Stamper:
    engine = EngineInfo(engine="scripted", model="small", model_digest="sha256:m", slots=4)
    return Stamper(**{"run_id": "2026-11-24-0143-briefs-k3f9", "model": "small", "model_digest": "sha256:m",
                      "filters": {"ad_copy": "sha256:filters"}, "engines": {"sha256:e": engine}, **changes})
