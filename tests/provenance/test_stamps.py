"""A record and what made it: written, read back, and proved by its leaf."""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec
import pytest
from factories import a_record, a_stamper, a_verdict, an_attempt

from aigc.errors import StoreError
from aigc.export import PARQUET, export
from aigc.parquet_rows import read_rows
from aigc.provenance.merkle import root
from aigc.provenance.stamps import leaf_bytes, leaf_of, new_record_id, output_digest
from aigc.records import Content, Fault, Limits, Record, RowError, Sampling, Source, Span


def odd() -> Record:
    """A record that uses what records can hold."""
    verdict = a_verdict(
        action="flag", reason="too_long", measured="80", limit=7.5, spans=[Span(start=0, end=3)], message="m",
        advice="a",
    )
    first = an_attempt(0, "one", {"title": "t", "lines": ["a", "b"], "turns": [{"who": "x", "line": "y"}]}, [verdict])
    second = an_attempt(1, "二", seed=(1 << 63) - 1, feedback=["shorter"], sampling=Sampling(stop=["\n"], top_k=4),
                        prompt_commitment="hmac-sha256:run:00")
    completion = msgspec.structs.replace(
        second.completion, logprob=-1.25, cut_fields={"title": 3}, repaired="ftfy", tokens_in_digest="sha256:i",
        tokens_out_digest="sha256:o",
    )
    return a_record(
        1, attempts=[first, msgspec.structs.replace(second, completion=completion)], chosen=1,
        brief={"product": "bread", "price": 2.5, "sizes": ["s", "l"], "fresh": True, "left": None, "count": 3},
        limits=Limits(max_words=9, keywords=["oven"]), record_id=new_record_id(), taken_from="another-run",
    )


def without_text() -> Record:
    source = Source(file="briefs.csv", line=3)
    fault = Fault(code="prompt_too_long", found="9,000 tokens", expected="at most 2,048", remedy="Shorten it.")
    attempt = an_attempt(verdicts=[a_verdict()])
    completion = msgspec.structs.replace(attempt.completion, text="", content=None, fault=fault, finish_reason="error")
    error = RowError(row=8, id="b8", source=source, column="tone", code="unknown_choice", found="'lout'",
                     expected="loud", remedy="Correct it.")
    attempts = [msgspec.structs.replace(attempt, completion=completion, verdicts=[])]
    return a_record(2, outcome="failed", attempts=attempts, chosen=None, errors=[error])


def test_what_is_read_back_is_what_was_written_and_its_leaf_proves_it(tmp_path: Path) -> None:
    stamper = a_stamper()
    rows = [stamper.stamp(record) for record in (odd(), without_text(), a_record(3, attempts=[], chosen=None))]
    export([odd_one.record for odd_one in rows], tmp_path, stamper.stamp)
    again = list(read_rows(tmp_path / PARQUET))
    assert again == rows
    assert [leaf_of(row.record, row.provenance) for row in again] == [row.leaf for row in again]


def test_a_stamp_tells_of_the_text_that_stands_for_the_row() -> None:
    found = a_stamper().stamp(odd()).provenance
    assert (found.attempt, found.seed, found.request_id, found.slots) == (1, str((1 << 63) - 1), "request-1", 4)
    assert (found.run_id, found.filters, found.prompt) == ("another-run", "sha256:filters", "hmac-sha256:run:00")
    assert (found.output, found.tokens_out_digest) == (output_digest("二"), "sha256:o")
    assert found.digital_source_type.endswith("/trainedAlgorithmicMedia")


def test_a_row_without_a_text_is_not_said_to_be_generated() -> None:
    found = a_stamper().stamp(without_text()).provenance
    assert (found.digital_source_type, found.finish_reason, found.human_oversight) == ("", "error", "none")


def test_an_error_is_told_of_the_line_where_its_row_is_now() -> None:
    record = a_stamper().stamp(without_text()).record
    assert [(error.row, error.id, error.source.line) for error in record.errors] == [(2, "b2", 3)]


def test_a_text_has_one_digest_however_unicode_writes_it() -> None:
    assert output_digest("Café") == output_digest("Cafe\u0301") != output_digest("Cafe")


def test_a_text_with_a_lone_surrogate_is_proved_as_it_is_stored(tmp_path: Path) -> None:
    stamper = a_stamper()
    export([a_record(1, attempts=[an_attempt(text="a \ud83d b")])], tmp_path, stamper.stamp)
    [row] = read_rows(tmp_path / PARQUET)
    assert row.leaf == leaf_of(row.record, row.provenance)
    assert row.record.content == Content(text=r"a \ud83d b")


def test_record_ids_are_uuids_of_version_7_and_sort_by_time() -> None:
    ids = [uuid.UUID(new_record_id()) for _ in range(200)]
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert len({*ids}) == 200
    times = [one.int >> 80 for one in ids]
    assert times == sorted(times)


def test_the_root_of_no_leaf_and_of_one_differ() -> None:
    assert root([]) != root([leaf_bytes(a_stamper().stamp(a_record()).leaf)])


@pytest.mark.parametrize(("content", "found"), [
    (None, "no file"), (b"PAR1", "what cannot be read"), (b"", "what cannot be read"),
])
def test_a_file_that_is_no_records_is_told(tmp_path: Path, content: bytes | None, found: str) -> None:
    if content is not None:
        (tmp_path / PARQUET).write_bytes(content)
    with pytest.raises(StoreError, match=found):
        list(read_rows(tmp_path / PARQUET))
