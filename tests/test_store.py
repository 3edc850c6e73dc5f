"""The journal keeps every row and finds it again, whatever lines are torn or damaged. Kills: test_store_disk.py."""

from __future__ import annotations

import os
import re
import tracemalloc
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import pytest
from factories import a_record, an_attempt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigc.errors import RunLocked, StoreError
from aigc.records import Record
from aigc.store import JOURNAL, Store, new_run_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed run with records of b1, b2 and b3."""
    with Store.create(tmp_path / "run") as store:
        for row in (1, 2, 3):
            store.append(a_record(row))
    return tmp_path / "run"


def found(store: Store, rows: int = 3) -> list[Record | None]:
    return [store.find(f"b{row}", 0, f"sha256:f{row}") for row in range(1, rows + 1)]


@pytest.mark.parametrize(("stem", "slug"), [
    ("briefs", "briefs"), ("Q4 Spring_Sale (final)", "q4-spring-sale-final"), ("../été", "ete"), ("春季", "briefs"),
    ("x" * 300, "x" * 40),
])
def test_a_run_id_sorts_by_time_and_is_safe_as_a_file_name(stem: str, slug: str) -> None:
    run_id = new_run_id(Path(f"{stem}.csv"), datetime(2026, 11, 24, 1, 43))
    assert re.fullmatch(rf"2026-11-24-0143-{re.escape(slug)}-[a-z2-9]{{4}}", run_id)


def test_what_was_appended_is_found_after_reopening(folder: Path) -> None:
    records = [a_record(row) for row in (1, 2, 3)]
    with Store.open(folder) as store:
        assert found(store) == records
        assert (store.finished, store.damaged, store.torn_bytes, store.run_id) == (3, [], 0, "run")
    with Store.read(folder) as store:
        assert found(store) == records


def test_a_record_is_found_only_under_its_own_fingerprint_and_the_last_one_wins(folder: Path) -> None:
    with Store.open(folder) as store:
        store.append(a_record(1, fingerprint="sha256:other"))
        store.append(a_record(1, template_digest="sha256:newer"))
        for reader in (store, Store.read(folder)):
            newest = reader.find("b1", 0, "sha256:f1")
            assert newest
            assert newest.template_digest == "sha256:newer"
            assert reader.find("b1", 0, "sha256:unknown") is None
            assert reader.find("b1", 1, "sha256:f1") is None
            assert reader.finished == 3


def test_a_place_names_the_record_that_was_appended(folder: Path) -> None:
    with Store.open(folder) as store:
        first = store.append(a_record(4))
        store.append(a_record(5))
        assert store.record_at(first) == a_record(4)
        assert store.place_of("b4", 0, "sha256:f4") == first
        assert store.place_of("b4", 0, "sha256:f5") is None


def test_a_place_that_names_no_record_is_refused(folder: Path) -> None:
    with Store.open(folder) as store:
        store.append_attempt("b4", 0, an_attempt())
        for place in (-1, 3, 4):
            with pytest.raises(StoreError, match=rf"no settled row at place {place}; expected a place of this journal"):
                store.record_at(place)


def test_attempts_of_all_versions_of_a_row_are_kept(folder: Path) -> None:
    with Store.open(folder) as store:
        store.append_attempt("b1", 0, an_attempt(1, text="pending"))
        store.append_attempt("b1", 1, an_attempt(9))
        store.append(a_record(1, fingerprint="sha256:edited", attempts=[an_attempt(1), an_attempt(2)]))
        assert store.finished == 3
    with Store.read(folder) as store:
        attempts = store.attempts("b1", 0)
        assert list(attempts) == ["request-0", "request-1", "request-2"]
        assert attempts["request-1"].completion.text != "pending"
        assert store.attempts("nobody", 0) == {}


def test_a_torn_last_journal_line_is_dropped_wherever_it_was_torn(folder: Path) -> None:
    path = folder / JOURNAL
    last_record = a_record(4, attempts=[], chosen=None)
    with Store.open(folder) as store:
        store.append(last_record)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for length in range(last + 1, len(whole)):
        path.write_bytes(whole[:length])
        with Store.open(folder, sync_s=60) as store:
            assert (store.finished, store.torn_bytes, store.damaged) == (3, length - last, [])
            store.append(last_record)
        assert path.read_bytes() == whole


def test_a_torn_last_line_is_left_alone_by_a_reader(folder: Path) -> None:
    torn = (folder / JOURNAL).read_bytes()[:-5]
    (folder / JOURNAL).write_bytes(torn)
    with Store.read(folder) as store:
        assert store.finished == 2
        assert store.torn_bytes > 0
    assert (folder / JOURNAL).read_bytes() == torn


def test_a_flipped_bit_anywhere_in_a_line_costs_that_row_alone(folder: Path) -> None:
    path = folder / JOURNAL
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    start = len(lines[0] + lines[1])
    for at in range(start, start + len(lines[2]) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with Store.read(folder) as store:
            assert found(store) == [a_record(1), None, a_record(3)]
            # A bit that turns a byte into a line break makes two damaged lines of one.
            assert store.damaged in ([3], [3, 4])
            assert store.finished == 2


def test_a_damaged_line_is_made_again_and_the_journal_goes_on(folder: Path) -> None:
    path = folder / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"b2"', b'"bX"'))
    with Store.open(folder) as store:
        assert store.damaged == [3]
        assert store.find("b2", 0, "sha256:f2") is None
        store.append(a_record(2))
    with Store.read(folder) as store:
        assert found(store) == [a_record(1), a_record(2), a_record(3)]


def test_a_damaged_header_loses_no_row(folder: Path) -> None:
    path = folder / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'{"journal', b"?????????", 1))
    with Store.open(folder) as store:
        assert store.damaged == [1]
        assert None not in found(store)


@pytest.mark.parametrize(("content", "message"), [
    (b'{"journal":2,"name":"run"}\n', "a journal of version 2; expected version 1. Open it with the version of aigc"),
    (b"id,product\nb1,bread\n", "no line that aigc has written; expected a journal of version 1. Name the folder"),
    (b"", "no line that aigc has written"),
])
def test_what_is_not_a_journal_of_this_version_is_refused_and_left_alone(
    folder: Path, content: bytes, message: str
) -> None:
    (folder / JOURNAL).write_bytes(content)
    with pytest.raises(StoreError, match=message):
        Store.open(folder)
    assert (folder / JOURNAL).read_bytes() == content


def test_a_folder_without_a_journal_is_refused_and_left_empty(tmp_path: Path) -> None:
    for way in (Store.open, Store.read):
        with pytest.raises(StoreError, match=r"no journal; expected the folder of a run\. Name the folder of a run\."):
            way(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_started_over_an_earlier_one(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"an earlier run's journal; expected a new folder\. Resume that run"):
        Store.create(folder)
    with Store.open(folder) as store:  # and the failed try holds no lock
        assert store.finished == 3


def test_a_second_writer_is_told_who_holds_the_run(folder: Path) -> None:
    with Store.open(folder) as store:
        with pytest.raises(RunLocked, match=rf"process {os.getpid()} on \S+ \(since 20.*No file needs to be deleted"):
            Store.open(folder)
        with Store.read(folder) as reader:
            assert reader.finished == store.finished
    Store.open(folder).close()


def test_a_store_for_reading_or_closed_takes_no_rows(folder: Path) -> None:
    closed = Store.open(folder)
    closed.close()
    closed.close()
    for store in (Store.read(folder), closed):
        with pytest.raises(StoreError, match=r"takes no more lines .* 3 finished rows are safe"):
            store.append(a_record(4))
    with pytest.raises(StoreError, match="an error of the disk"):
        closed.find("b1", 0, "sha256:f1")


def test_lone_surrogates_are_kept_as_visible_text(folder: Path) -> None:
    with Store.open(folder) as store:
        store.append(a_record(4, attempts=[an_attempt(text="broken \ud83d emoji")]))
        kept = store.find("b4", 0, "sha256:f4")
    assert kept
    assert kept.attempts[0].completion.text == r"broken \ud83d emoji"


def test_structured_fields_survive_the_journal(folder: Path) -> None:
    fields = {"title": "x", "points": ["y", "z"], "scene": [{"speaker": "甲", "line": "好"}]}
    record = a_record(4, attempts=[an_attempt(fields=fields)])
    with Store.open(folder) as store:
        store.append(record)
        assert store.find("b4", 0, "sha256:f4") == record


def test_the_index_takes_less_than_250_bytes_a_row(tmp_path: Path) -> None:
    rows = 30_000
    with Store.create(tmp_path / "run", sync_s=60) as store:
        for row in range(rows):
            store.append(a_record(row, attempts=[], chosen=None))
    tracemalloc.start()
    try:
        with Store.read(tmp_path / "run") as store:
            assert store.finished == rows
            assert tracemalloc.get_traced_memory()[0] / rows < 250
    finally:
        tracemalloc.stop()


KEYS = st.tuples(st.sampled_from(["a", "b", "a\0001", "甲"]), st.integers(0, 2))
STEPS = st.lists(st.tuples(KEYS, st.sampled_from(["f1", "f2", None]), st.integers(0, 5), st.booleans()), max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_index_answers_as_plain_dictionaries_would(tmp_path: Path, steps: list) -> None:  # type: ignore[type-arg]
    records: dict[tuple[tuple[str, int], str], Record] = {}
    attempts: dict[tuple[str, int], dict[str, object]] = {}
    folder = tmp_path / blake2b(repr(steps).encode()).hexdigest()
    if folder.exists():
        return
    store = Store.create(folder, sync_s=60)
    for number, (key, fingerprint, request, reopen) in enumerate(steps):
        attempt = an_attempt(request, text=f"text {number}")
        attempts.setdefault(key, {})[attempt.request_id] = attempt
        if fingerprint is None:
            store.append_attempt(*key, attempt)
        else:
            record = a_record(number, brief_id=key[0], variant=key[1], fingerprint=fingerprint, attempts=[attempt])
            records[key, fingerprint] = record
            store.append(record)
        if reopen:
            store.close()
            store = Store.open(folder, sync_s=60)
    with store:
        for key in [(name, variant) for name in ("a", "b", "a\0001", "甲") for variant in range(3)]:
            assert store.attempts(*key) == attempts.get(key, {})
            for fingerprint in ("f1", "f2"):
                assert store.find(*key, fingerprint) == records.get((key, fingerprint))
        assert store.finished == len({key for key, _ in records})
