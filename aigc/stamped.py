"""A row of the results with what made it: the value that `records.parquet` keeps."""

from __future__ import annotations

from aigc.records import Record, Sampling, Value


class Provenance(Value, frozen=True):
    """What made a row's text, beside the row in `records.parquet`. docs/provenance.md says what each field is for.

    It tells of the text that stands for the row, else of the last attempt; of none where there was no attempt.
    """

    record_id: str
    run_id: str
    """The run that made the record."""
    brief_id: str
    source_file: str
    source_line: int
    content_type: str
    template: str
    filters: str
    """Digest of the filters' settings and word lists, and of the models that judge."""
    model: str
    model_digest: str
    schema_version: int = 1
    request_id: str = ""
    prompt: str = ""
    """Commitment to the messages, which cannot be guessed from it."""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_in_digest: str = ""
    tokens_out_digest: str = ""
    output: str = ""
    """Digest of the readable text, in Unicode's form NFC, as UTF-8."""
    sampling: Sampling | None = None
    seed: str = ""
    """As text: a reader of JSON would round it."""
    attempt: int = 0
    finish_reason: str = ""
    created_at: str = ""
    engine: str = ""
    slots: int = 0
    batch_invariant: bool = False
    digital_source_type: str = ""
    human_oversight: str = "none"
    visible_label: bool = False
    hidden_label: bool = False
    watermark: str = ""
    decisions: list[str] = []
    """Digests of editors' decisions, oldest first."""


class Stamped(Value, frozen=True):
    """A record with what made it. `leaf` is the digest of both, by which the run's manifest proves the row."""

    record: Record
    provenance: Provenance
    leaf: str
