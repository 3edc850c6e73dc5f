"""The results' files: every row in records.parquet, and what people open first safe to open."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest
from factories import a_record, a_stamper, a_verdict, an_attempt
from hypothesis import given
from hypothesis import strategies as st

from aigc import export as export_module
from aigc.arrow import record_schema
from aigc.cells import CELL_UNITS, csv_line
from aigc.disk import take_lock
from aigc.errors import RunLocked, StoreError
from aigc.export import ACCEPTED_CSV, ACCEPTED_JSONL, FILES, PARQUET, REJECTED_CSV, STAGING, Exported
from aigc.hashing import digest_file
from aigc.records import Fault, Limits, Record, RowError, Sampling, Source, Span, Verdict


def export(records: Iterable[Record], folder: Path, columns: Sequence[str] = ()) -> Exported:
    return export_module.export(records, folder, a_stamper().stamp, columns)


def too_short(**changes: object) -> Record:
    verdict = a_verdict(
        action="reject", reason="too_short", measured=12.0, limit="80–150", spans=[Span(start=0, end=5)],
        message="12 words; at least 80 are asked for.", advice="Write more.",
    )
    attempts = [an_attempt(0), an_attempt(1, text="last words", verdicts=[a_verdict(), verdict])]
    return a_record(2, **{"outcome": "exhausted", "attempts": attempts, "chosen": None, **changes})


def failed() -> Record:
    fault = Fault(code="prompt_too_long", found="9,000 tokens", expected="at most 2,048", remedy="Shorten the brief.")
    attempt = an_attempt(verdicts=[a_verdict()])
    completion = msgspec.structs.replace(
        attempt.completion, text="", content=None, fault=fault, finish_reason="error"
    )
    attempt = msgspec.structs.replace(attempt, completion=completion, verdicts=[])
    return a_record(3, outcome="failed", attempts=[attempt], chosen=None)


def invalid() -> Record:
    source = Source(file="inputs/briefs.csv", line=5)
    error = RowError(row=4, id="b4", source=source, column="tone", code="unknown_choice", found="'lout'",
                     expected="loud or quiet", remedy="Correct the cell.")
    return a_record(4, outcome="invalid", attempts=[], chosen=None, errors=[error], source=source)


def cells(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def with_text(text: str, **changes: object) -> Record:
    return a_record(1, attempts=[an_attempt(text=text)], **changes)


@pytest.fixture
def records() -> list[Record]:
    return [a_record(1), too_short(), failed(), invalid(), a_record(5, content_type="blog_post")]


def test_every_record_is_a_row_of_the_parquet_file_in_order(tmp_path: Path, records: list[Record]) -> None:
    export(iter(records), tmp_path)
    table = pq.read_table(tmp_path / PARQUET)
    assert table.schema.equals(record_schema())
    assert table["brief_id"].to_pylist() == ["b1", "b2", "b3", "b4", "b5"]
    assert table["outcome"].to_pylist() == ["accepted", "exhausted", "failed", "invalid", "accepted"]
    assert table["chosen"].to_pylist() == [0, None, None, None, 0]
    assert table["reasons"].to_pylist() == [[], ["too_short"], ["prompt_too_long"], ["unknown_choice"], []]
    assert table.schema.metadata[b"aigc.records"] == b"1"


def test_nested_values_are_read_back_as_they_were(tmp_path: Path) -> None:
    sampling = Sampling(temperature=0.25, stop=["###"])
    fields = {"title": "标题", "points": ["a", "b"]}
    first = an_attempt(0, fields=fields, sampling=sampling, seed=2**63 - 1, feedback=["Write more."])
    record = too_short(
        attempts=[first, too_short().attempts[1]], brief={"product": "面包", "price": 2.5},
        limits=Limits(min_words=80, keywords=["面包"]), chosen=0, taken_from="earlier",
    )
    export([record, failed(), invalid()], tmp_path)
    shortened, broken, wrong = pq.read_table(tmp_path / PARQUET).to_pylist()
    made, again = shortened["attempts"]
    assert made["sampling"] == json.loads(msgspec.json.encode(sampling))
    assert (made["seed"], made["feedback"], made["fault"]) == (str(2**63 - 1), ["Write more."], None)
    assert (made["text"], made["content_text"]) == (first.completion.text,) * 2
    assert again["verdicts"][0]["measured"] == "120"
    assert again["verdicts"][1] == {
        "filter": "length", "action": "reject", "reason": "too_short", "measured": "12", "limit": "80–150",
        "spans": [{"start": 0, "end": 5}], "message": "12 words; at least 80 are asked for.", "advice": "Write more.",
        "measured_number": 12.0, "limit_number": None,
    }
    assert json.loads(shortened["brief"]) == {"product": "面包", "price": 2.5}
    assert json.loads(shortened["fields"]) == fields
    assert shortened["limits"] == {"min_words": 80, "max_words": None, "keywords": ["面包"], "must_not_mention": []}
    assert (shortened["tokens_out"], shortened["attempts_made"], shortened["taken_from"]) == (128, 2, "earlier")
    assert broken["attempts"][0]["fault"] == {
        "code": "prompt_too_long", "found": "9,000 tokens", "expected": "at most 2,048", "remedy": "Shorten the brief.",
    }
    assert (broken["text"], broken["attempts"][0]["content_text"]) == (None, None)
    assert wrong["errors"][0]["message"].startswith("inputs/briefs.csv line 5, tone: found 'lout'; expected loud or")


def test_row_groups_are_cut_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def group_sizes() -> list[int]:
        rows = [a_record(row) for row in range(25)]
        export(rows, tmp_path)
        metadata = pq.read_metadata(tmp_path / PARQUET)
        assert pq.read_table(tmp_path / PARQUET)["row"].to_pylist() == list(range(25))
        return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]

    monkeypatch.setattr(export_module, "BATCH_ROWS", 5)
    monkeypatch.setattr(export_module, "GROUP_ROWS", 10)
    assert group_sizes() == [10, 10, 5]
    monkeypatch.setattr(export_module, "GROUP_BYTES", 1)
    assert group_sizes() == [5] * 5
    monkeypatch.setattr(export_module, "BATCH_CHARS", 50)
    assert group_sizes() == [2] * 12 + [1]


def test_counts_and_files_say_what_was_written(tmp_path: Path, records: list[Record]) -> None:
    exported = export(records, tmp_path)
    counts = exported.counts
    assert (counts.rows, counts.attempts, counts.tokens_out) == (5, 5, 320)
    assert counts.outcomes == {"accepted": 2, "exhausted": 1, "failed": 1, "invalid": 1}
    assert counts.content_types["blog_post"] == {"accepted": 1}
    assert counts.reasons == {
        "too_short": {"exhausted": 1}, "prompt_too_long": {"failed": 1}, "unknown_choice": {"invalid": 1},
    }
    assert {file.name: file.rows for file in exported.files} == {
        PARQUET: 5, ACCEPTED_CSV: 2, ACCEPTED_JSONL: 2, REJECTED_CSV: 3,
    }
    for file in exported.files:
        assert (file.digest, file.size) == (digest_file(tmp_path / file.name), (tmp_path / file.name).stat().st_size)


LAST = ["attempt", "flags", "source_file", "source_line", "record_id"]


def test_a_run_of_no_rows_has_all_files_with_their_headings(tmp_path: Path) -> None:
    exported = export([], tmp_path, ["headline"])
    assert exported.counts.rows == 0
    assert pq.read_table(tmp_path / PARQUET).num_rows == 0
    assert list(pd.read_csv(tmp_path / ACCEPTED_CSV).columns) == [
        "id", "variant", "content_type", "language", "text", "headline", "attempt", "flags", "source_file",
        "source_line", "record_id",
    ]
    assert (tmp_path / ACCEPTED_JSONL).read_bytes() == b""


def test_chinese_in_a_csv_file_is_read_back_by_pandas_and_recognised_by_excel(tmp_path: Path) -> None:
    text = '标题：“春天”\n第二行, with "quotes", commas'
    export([with_text(text, brief_id="春-1", language="zh")], tmp_path)
    data = (tmp_path / ACCEPTED_CSV).read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.endswith(b"\r\n")
    frame = pd.read_csv(tmp_path / ACCEPTED_CSV)
    assert (frame["text"][0], frame["id"][0], frame["variant"][0]) == (text, "春-1", 0)


def test_accepted_csv_has_a_column_for_every_output_field_in_order_of_appearance(tmp_path: Path) -> None:
    lines = [{"speaker": "甲", "line": "你好"}, {"speaker": "乙", "line": "再见"}]
    first = a_record(1, attempts=[an_attempt(fields={"title": "T", "points": ["one", "two"]})])
    second = a_record(2, attempts=[an_attempt(3, fields={"scene": lines, "text": "own", "title": "U"})])
    export([first, second], tmp_path, ["title", "never"])
    rows = cells(tmp_path / ACCEPTED_CSV)
    assert [*rows[0]][5:] == ["title", "never", "points", "scene", "output.text", *LAST]
    assert (rows[0]["points"], rows[0]["scene"], rows[0]["never"]) == ("one\ntwo", "", "")
    assert (rows[1]["scene"], rows[1]["output.text"], rows[1]["attempt"]) == ("甲: 你好\n乙: 再见", "own", "3")


def test_accepted_jsonl_has_one_object_a_line_with_its_trace(tmp_path: Path, records: list[Record]) -> None:
    export([*records, with_text("你好", brief_id="春")], tmp_path)
    lines = (tmp_path / ACCEPTED_JSONL).read_text("utf-8").splitlines()
    assert json.loads(lines[0]) == {
        "id": "b1", "variant": 0, "content_type": "ad_copy", "language": "en", "text": "Fresh bread at seven.",
        "fields": {}, "brief": {"product": "bread"}, "attempt": 0, "request_id": "request-0", "engine": "sha256:e",
        "flags": [], "source_file": "inputs/briefs.csv", "source_line": 2, "record_id": "", "disclosure": "",
    }
    assert '"text":"你好"' in lines[2]


def test_rejected_csv_tells_every_other_row_with_its_reasons_and_last_text(
    tmp_path: Path, records: list[Record]
) -> None:
    export(records, tmp_path)
    short, broken, wrong = cells(tmp_path / REJECTED_CSV)
    assert short == {
        "id": "b2", "variant": "0", "content_type": "ad_copy", "language": "en", "outcome": "exhausted",
        "reasons": "too_short", "details": "12 words; at least 80 are asked for.",
        "source_file": "inputs/briefs.csv", "source_line": "3", "attempts": "2", "last_text": "last words",
        "record_id": "",
    }
    assert broken["details"] == "attempt 1: found 9,000 tokens; expected at most 2,048. Shorten the brief."
    assert wrong["details"] == (
        "inputs/briefs.csv line 5, tone: found 'lout'; expected loud or quiet. Correct the cell."
    )
    assert (wrong["source_line"], wrong["last_text"]) == ("5", "")


@pytest.mark.parametrize("text", [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "  =1", '"=1', "' =1", "“=1",
    "\u3000=1", "\ufeff=1", "\tplain",
])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(tmp_path: Path, text: str) -> None:
    attempts = [an_attempt(text=text, fields={"title": text, "=heading": "x"})]
    export([a_record(1, attempts=attempts, brief_id=text), too_short(attempts=attempts, brief_id=text)], tmp_path)
    accepted, rejected = cells(tmp_path / ACCEPTED_CSV)[0], cells(tmp_path / REJECTED_CSV)[0]
    assert {accepted["id"], accepted["text"], accepted["title"], rejected["id"], rejected["last_text"]} == {"'" + text}
    assert accepted["'=heading"] == "x"
    assert json.loads((tmp_path / ACCEPTED_JSONL).read_bytes())["text"] == text


@pytest.mark.parametrize("text", ["plain", "1+1", "a=b", "", "“quoted”", "# Title", "价格 = 5"])
def test_other_cells_stay_as_they_are(tmp_path: Path, text: str) -> None:
    export([with_text(text)], tmp_path)
    assert cells(tmp_path / ACCEPTED_CSV)[0]["text"] == text


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_a_csv_line_is_read_back_as_it_was_by_any_rfc_4180_reader(texts: list[str]) -> None:
    line = csv_line(texts).decode()
    assert list(csv.reader(io.StringIO(line, newline=""))) == [texts]


@pytest.mark.parametrize(("text", "cut"), [
    ("x" * (CELL_UNITS - 1), False), ("x" * (CELL_UNITS + 1), True), ("=" * (CELL_UNITS - 1), False),
    ("字" * 40_000, True), ("😀" * 16_383, False), ("😀" * 16_384, True), ("-" * 40_000, True),
])
def test_a_text_longer_than_an_excel_cell_is_cut_with_a_note(tmp_path: Path, text: str, *, cut: bool) -> None:
    export([with_text(text), too_short(attempts=[an_attempt(text=text)])], tmp_path)
    accepted, rejected = cells(tmp_path / ACCEPTED_CSV)[0], cells(tmp_path / REJECTED_CSV)[0]
    for cell, whole in ((accepted["text"], ACCEPTED_JSONL), (rejected["last_text"], PARQUET)):
        assert cell.endswith(f"… (whole text in {whole})") == cut
        assert len(cell.encode("utf-16-le")) // 2 <= CELL_UNITS
        assert len(cell.encode("utf-16-le")) // 2 > CELL_UNITS - 5 or not cut
    assert json.loads((tmp_path / ACCEPTED_JSONL).read_bytes())["text"] == text


def test_lone_surrogates_are_shown_where_they_stood(tmp_path: Path) -> None:
    export([a_record(1), too_short(attempts=[an_attempt(text="a \ud83d b", fields={"t": "\udc00"})])], tmp_path)
    row = pq.read_table(tmp_path / PARQUET).to_pylist()[1]
    assert row["attempts"][0]["text"] == r"a \ud83d b"
    assert cells(tmp_path / REJECTED_CSV)[0]["last_text"] == r"a \ud83d b"


def stopping(error: BaseException) -> Iterator[Record]:
    yield from (a_record(row) for row in range(1_200))
    raise error


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt("stop")])
def test_an_export_that_ends_early_leaves_no_file_that_looks_finished(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error), match=str(error)):
        export(stopping(error), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_ends_early_leaves_the_files_of_the_one_before(tmp_path: Path, records: list[Record]) -> None:
    export(records, tmp_path)
    before = {name: digest_file(tmp_path / name) for name in FILES}
    with pytest.raises(ValueError, match="broken"):
        export(stopping(ValueError("broken")), tmp_path)
    assert {path.name: digest_file(path) for path in tmp_path.iterdir()} == before


def test_what_a_killed_export_left_behind_is_no_hindrance(tmp_path: Path, records: list[Record]) -> None:
    (tmp_path / STAGING).mkdir()
    (tmp_path / STAGING / PARQUET).write_bytes(b"half")
    export(records, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)


def test_two_exports_at_once_do_not_mix(tmp_path: Path, records: list[Record]) -> None:
    (tmp_path / STAGING).mkdir()
    lock = take_lock(tmp_path / STAGING / ".lock")
    with pytest.raises(RunLocked, match=r"\.export: found a folder that process \d+ on .* is writing"):
        export(records, tmp_path)
    os.close(lock)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, records: list[Record]) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"Not a directory.*run the same command again: all records are safe in"):
        export(records, tmp_path / "file")


def test_an_accepted_text_that_a_filter_flagged_says_so_and_is_counted(tmp_path: Path) -> None:
    flag = Verdict(filter="length", action="flag", reason="too_short", message="8 words; the brief asks for 20.")
    flagged = a_record(1, attempts=[an_attempt(verdicts=[flag])])
    exported = export([flagged, a_record(2)], tmp_path)
    assert exported.counts.flagged == 1
    assert [row["flags"] for row in cells(tmp_path / ACCEPTED_CSV)] == ["too_short", ""]
