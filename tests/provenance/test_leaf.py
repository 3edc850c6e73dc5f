"""The bytes of which a leaf is the digest. They are held fast: were they others, no earlier run could be proved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from small_project import small_project

from aigc.hashing import canonical_json
from aigc.provenance.stamps import leaf_entry, leaf_of
from aigc.records import Attempt, Completion, Content, Record, Sampling, Source, Verdict
from aigc.stamped import Provenance
from aigc.trace import trace


@pytest.mark.parametrize(("value", "written"), [
    (1.0, "1.0"), (0.1, "0.1"), (-0.0, "-0.0"), (100.0, "100.0"), (1e-6, "1e-6"), (1e-7, "1e-7"), (5e-324, "5e-324"),
    (1e15, "1000000000000000.0"), (1e16, "1e16"), (1e21, "1e21"), (1.2345678901234568e17, "1.2345678901234568e17"),
    (1.7976931348623157e308, "1.7976931348623157e308"), (float("nan"), "null"), (float("-inf"), "null"),
    ((1 << 63) - 1, "9223372036854775807"), (-(1 << 63), "-9223372036854775808"), (True, "true"), (None, "null"),
    ("\0\x1f\x7f\u2028\"\\/\b\f\n\r\t é 说 😀", '"\\u0000\\u001f\x7f\u2028\\"\\\\/\\b\\f\\n\\r\\t é 说 😀"'),
    ({"😀": 1, "\ufffd": 2, "é": 3, "a": 4, "B": 5, "": 6}, '{"":6,"B":5,"a":4,"é":3,"\ufffd":2,"😀":1}'),
    ({"b": {"d": [], "c": {}}, "a": ()}, '{"a":[],"b":{"c":{},"d":[]}}'),
    (Source(line=3, file="x"), '{"file":"x","line":3}'),
])
def test_each_kind_of_value_is_written_in_one_way(value: object, written: str) -> None:
    assert canonical_json(value).decode() == written


def golden() -> tuple[Record, Provenance]:
    """A row with what records can hold, and every value the same on each day."""
    content = Content(text="Warm 说 😀\n", fields={"title": "T", "lines": ["a", "b"], "turns": [{"b": "x", "a": "y"}]},
                      disclosure="Made by AI", place="end")
    completion = Completion(request_id="sha256:aa", text='{"title":"T"}', finish_reason="stop", tokens_in=7,
                            tokens_out=9, logprob=-1.25e-7, generate_s=0.1, content=content, repaired="closed with }",
                            tokens_in_digest="sha256:i", tokens_out_digest="sha256:o", cut_fields={"z": 1, "a": 2})
    verdicts = [Verdict(filter="length", action="flag", reason="too_long", measured=1e16, limit="80", message="m")]
    attempt = Attempt(number=0, request_id="sha256:aa", seed=(1 << 63) - 1, sampling=Sampling(stop=["\n"]),
                      completion=completion, verdicts=verdicts, created_at="2026-11-28T20:00:00.000+00:00",
                      engine="sha256:e", feedback=["shorter"], prompt_commitment="hmac-sha256:run:00")
    record = Record(row=1, brief_id="b1", variant=0, content_type="note", language="zh", outcome="accepted",
                    source=Source(file="briefs.csv", line=2), fingerprint="sha256:f", template_digest="sha256:t",
                    brief={"z": 2.5, "😀": 1, "\ufffd": None, "a": ["s", "l"], "fresh": True}, attempts=[attempt],
                    chosen=0, record_id="0193f000-0000-7000-8000-000000000001", tone="warm")
    provenance = Provenance(record_id=record.record_id, run_id="run", brief_id="b1", source_file="briefs.csv",
                            source_line=2, content_type="note", template="sha256:t", filters="sha256:x", model="m",
                            model_digest="sha256:m", sampling=attempt.sampling, seed=str(attempt.seed),
                            decisions=["sha256:d"])
    return record, provenance


def test_the_leaf_of_a_row_with_all_of_them_is_what_it_ever_was() -> None:
    entry = leaf_entry(*golden())
    assert hashlib.sha256(entry).hexdigest() == "922a381681ed2f636d69e6d7106ef9f74dc79df3426037798fac4f7503f7131e"
    assert leaf_of(*golden()) == "sha256:" + hashlib.sha256(b"\0" + entry).hexdigest()


def test_fields_stand_in_their_declared_order_and_keys_by_their_bytes() -> None:
    record, provenance = json.loads(leaf_entry(*golden()))
    names = [name for name in Record.__struct_fields__ if name != "redone"]
    assert [*record] == names, "a field that has no value, such as `redone`, is left out"
    assert [*provenance] == [*Provenance.__struct_fields__]
    assert [*record["brief"]] == ["a", "fresh", "z", "\ufffd", "😀"]
    assert "turns" not in record["attempts"][0]


def test_whoever_is_given_a_trace_can_prove_its_row_without_this_program(tmp_path: Path) -> None:
    project = small_project(tmp_path)
    project.products("bread", "rolls", "cake", "tart", "roll")
    project.run()
    found = json.loads(msgspec.json.encode(trace(project.out, "cake", secret=tmp_path / "secret")))
    one = found["membership"]
    at, last, made = one["row"] - 1, one["rows"] - 1, hashlib.sha256(b"\0" + one["entry"].encode()).digest()
    assert f"sha256:{made.hex()}" == one["leaf"]
    for beside in map(bytes.fromhex, one["path"]):
        is_right = at % 2 == 1 or at == last
        made = hashlib.sha256(b"\1" + (beside + made if is_right else made + beside)).digest()
        while is_right and at % 2 == 0 and at:
            at, last = at // 2, last // 2
        at, last = at // 2, last // 2
    assert made.hex() == one["root"]
    assert json.loads(one["entry"])[0]["brief_id"] == "cake"
