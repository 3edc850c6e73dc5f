"""decisions.jsonl: a chain that only grows, whole after every death, and never taken for what it is not."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from runs_to_review import NOW, TEXTS, a_decision, reviewed

from aigc.disk import take_lock
from aigc.errors import RunLocked, StoreError
from aigc.hashing import digest
from aigc.review.decisions import Decision
from aigc.review.ledger import (
    LEDGER,
    LOCK,
    Source,
    append,
    breaks,
    first_link,
    forget_decisions,
    forgotten,
    read_ledger,
)
from aigc.review.ledger_head import HEAD, Head, read_head, write_head

LATER = "2026-11-28T18:00:00.000+00:00"
LAST = "2026-11-28T19:00:00.000+00:00"


def a_source(name: str = "review.xlsx", **changes: str) -> Source:
    return replace(Source(name=name, digest=f"sha256:{name}", imported_at=NOW), **changes)


@pytest.fixture
def decisions(folder: Path) -> list[Decision]:
    run = reviewed(folder)
    return [a_decision(run, name, note=f"说 {name}") for name in TEXTS]


def test_what_is_appended_is_read_again_as_a_chain_of_canonical_json(folder: Path, decisions: list[Decision]) -> None:
    assert read_ledger(folder).entries == ()
    append(folder, decisions[:2], a_source())
    _, ledger = append(folder, decisions[2:], a_source("b.csv"))
    assert read_ledger(folder) == ledger
    assert ledger.decisions == decisions
    lines = [json.loads(line) for line in (folder / LEDGER).read_text("utf-8").splitlines()]
    assert list(lines[0]) == ["previous", "digest", "imported_at", "source", "decision", "source_digest"]
    assert lines[0]["decision"]["action"] == "approve"
    previous = first_link(decisions[0].run_id)
    for line in lines:
        assert line["previous"] == previous
        previous = digest([previous, line["decision"]])
        assert line["digest"] == previous
    assert ledger.head == previous
    assert [line["source"] for line in lines[:3]] == ["review.xlsx", "review.xlsx", "b.csv"]


def test_the_same_decision_adds_nothing_and_a_change_of_mind_does(folder: Path, decisions: list[Decision]) -> None:
    yes = decisions[0]
    no = replace(yes, verb="reject", at=LATER)
    for said, source, expected in [
        (yes, "1", 1),
        (yes, "1", 0),
        (replace(yes, at=LATER), "2", 0),  # the editor's latest word, at another time
        (no, "3", 1),
        (yes, "4", 0),  # an old file with the time of the decision, imported late
        (replace(yes, at=LAST), "1", 0),  # an old sheet, whose decisions have the time of the import
        (replace(yes, at=LAST), "5", 1),  # the editor went back to the first view
        (replace(yes, editor="Bo"), "6", 1),
        (replace(yes, at=LAST, note="other words"), "7", 1),
    ]:
        added, _ = append(folder, [said, said], a_source(source))
        assert len(added) == expected, said
    standing = read_ledger(folder).standing()[yes.record_id]
    assert [(one.editor, one.verb) for one in standing.latest] == [("Bo", "approve"), ("Ana", "approve")]


def test_a_torn_last_line_is_dropped_wherever_it_was_cut(folder: Path, decisions: list[Decision]) -> None:
    append(folder, decisions[:3], a_source())
    path = folder / LEDGER
    data = path.read_bytes()
    start = data[:-1].rindex(b"\n") + 1
    written = (folder / HEAD).read_bytes()
    for cut in [*range(start + 1, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:cut])
        write_head(folder, Head(lines=2, digest=read_line(data, 1)["digest"]))  # it is written when the lines are kept
        assert read_ledger(folder).decisions == decisions[:2]
        assert breaks(folder) == []
        _, ledger = append(folder, decisions[2:3], a_source())
        assert ledger.decisions == read_ledger(folder).decisions == decisions[:3]
        assert path.read_bytes() == data
        assert (folder / HEAD).read_bytes() == written


@pytest.mark.parametrize("left", [0, 1, 3, None])
def test_a_ledger_that_was_cut_at_its_end_or_removed_is_found(
    folder: Path, decisions: list[Decision], left: int | None
) -> None:
    append(folder, decisions[:4], a_source())
    path = folder / LEDGER
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:left])) if left is not None else path.unlink()
    found = f"{left or 0} lines where decisions.head.json tells of 4"
    assert [(one.line, one.found) for one in breaks(folder)] == [((left or 0) + 1, found)]
    for work in (lambda: read_ledger(folder), lambda: append(folder, decisions[4:], a_source())):
        with pytest.raises(StoreError, match=rf"{found}.*remove decisions\.head\.json"):
            work()
    (folder / HEAD).unlink()
    append(folder, decisions[4:5], a_source())
    assert breaks(folder) == []


def test_a_ledger_from_before_its_end_was_kept_goes_on_and_has_one_then(
    folder: Path, decisions: list[Decision]
) -> None:
    append(folder, decisions[:2], a_source())
    (folder / HEAD).unlink()
    assert breaks(folder) == []
    append(folder, decisions[:2], a_source())  # it adds nothing
    head = read_head(folder)
    assert head
    assert (head.lines, head.digest) == (2, read_ledger(folder).head)


def test_a_process_that_died_before_it_noted_the_end_leaves_a_ledger_that_holds(
    folder: Path, decisions: list[Decision]
) -> None:
    append(folder, decisions[:1], a_source())
    before = (folder / HEAD).read_bytes()
    append(folder, decisions[:3], a_source())
    (folder / HEAD).write_bytes(before)
    assert breaks(folder) == []
    assert len(read_ledger(folder).entries) == 3
    (folder / HEAD).write_bytes(before.replace(b"sha256:", b"sha256:0"))
    assert [one.found for one in breaks(folder)] == ["another line 1 than decisions.head.json tells of"]
    (folder / HEAD).write_bytes(b"[")
    with pytest.raises(StoreError, match="the end of the ledger"):
        read_ledger(folder)


def read_line(data: bytes, number: int) -> dict[str, str]:
    found: dict[str, str] = json.loads(data.splitlines()[number])
    return found


def _changed(line: bytes) -> bytes:
    return line.replace(b'"approve"', b'"reject"')


def _other_digest(line: bytes) -> bytes:
    found = json.loads(_changed(line))
    found["digest"] = digest([found["previous"], found["decision"]])
    return json.dumps(found).encode()


@pytest.mark.parametrize(("change", "broken", "found"), [
    (lambda lines: [lines[0], _changed(lines[1]), *lines[2:]], [2], "a decision that was changed"),
    (lambda lines: [lines[0], _other_digest(lines[1]), *lines[2:]], [3], "does not follow from the one before"),
    (lambda lines: [lines[0], *lines[2:]], [2], "does not follow from the one before"),
    (lambda lines: lines[1:], [1], "does not follow from the one before"),
    (lambda lines: [lines[1], lines[0], *lines[2:]], [1, 2, 3], "does not follow from the one before"),
    (lambda lines: [lines[0], lines[0], *lines[1:]], [2], "does not follow from the one before"),
    (lambda lines: [lines[0], b"{}", *lines[1:]], [2], "a line that cannot be read"),
    (lambda lines: [lines[0], b"\xff\xfe", *lines[1:]], [2], "a line that cannot be read"),
    (lambda lines: [lines[0], b"", *lines[1:]], [2], "a line that cannot be read"),
    (lambda lines: [lines[0].replace(b'"decision"', b'"dezision"'), *lines[1:]], [1], "a line without a decision"),
], ids=["changed", "changed with its digest", "left out", "first left out", "swapped", "doubled", "empty object",
        "no text", "empty line", "no decision"])
def test_a_line_that_was_changed_is_found_and_nothing_is_appended_to_it(
    folder: Path, decisions: list[Decision], change: Callable[[list[bytes]], list[bytes]], broken: list[int], found: str
) -> None:
    append(folder, decisions[:4], a_source())
    path = folder / LEDGER
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))
    assert [one.line for one in breaks(folder)] == broken
    with pytest.raises(StoreError, match=rf"decisions\.jsonl line {broken[0]}: found .*{found}.*Restore the file"):
        read_ledger(folder)
    data = path.read_bytes()
    with pytest.raises(StoreError):
        append(folder, decisions, a_source())
    assert path.read_bytes() == data


def test_a_ledger_fits_no_other_run(folder: Path, decisions: list[Decision]) -> None:
    append(folder, [decisions[0]], a_source())
    path = folder / LEDGER
    path.write_bytes(path.read_bytes().replace(decisions[0].run_id.encode(), b"another-run"))
    assert [one.line for one in breaks(folder)] == [1]


def test_fields_of_a_later_version_do_not_break_the_chain(folder: Path, decisions: list[Decision]) -> None:
    previous = first_link(decisions[0].run_id)
    append(folder, decisions[:1], a_source())
    line = json.loads((folder / LEDGER).read_text("utf-8"))
    line["decision"]["mood"] = "bright"
    line["digest"] = digest([previous, line["decision"]])
    (folder / LEDGER).write_text(json.dumps(line) + "\n")
    write_head(folder, Head(lines=1, digest=line["digest"]))
    assert read_ledger(folder).decisions == decisions[:1]
    _, ledger = append(folder, decisions[1:2], a_source())
    assert ledger.entries[1].previous == line["digest"]


def test_a_forgotten_record_leaves_its_place_in_the_chain_and_no_words(folder: Path, decisions: list[Decision]) -> None:
    append(folder, decisions[:3], a_source())
    gone = decisions[1].record_id
    assert forget_decisions(folder, [gone], LATER) == 1
    assert forget_decisions(folder, [gone], LATER) == 0
    assert decisions[1].note not in (folder / LEDGER).read_text("utf-8")
    assert read_ledger(folder).decisions == [decisions[0], decisions[2]]
    assert breaks(folder) == []
    assert [(one.record_id, one.at) for one in forgotten(folder)] == [(gone, LATER)]
    append(folder, decisions[3:4], a_source())
    forget_decisions(folder, [decisions[0].record_id, decisions[3].record_id], LAST)
    _, ledger = append(folder, decisions[4:5], a_source())
    assert ledger == read_ledger(folder)
    assert ledger.decisions == [decisions[2], decisions[4]]


def test_one_process_imports_at_a_time(folder: Path, decisions: list[Decision]) -> None:
    lock = take_lock(folder / LOCK)
    try:
        with pytest.raises(RunLocked, match="Wait until it has ended"):
            append(folder, decisions, a_source())
    finally:
        os.close(lock)
    assert len(append(folder, decisions, a_source())[0]) == len(decisions)


def test_a_full_disk_leaves_what_was_there(folder: Path, decisions: list[Decision]) -> None:
    append(folder, decisions[:2], a_source())
    size = (folder / LEDGER).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700, hard))
        with pytest.raises(StoreError, match="the decisions that were kept before are safe"):
            append(folder, decisions[2:], a_source())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert (folder / LEDGER).stat().st_size == size
    assert read_ledger(folder).decisions == decisions[:2]
    assert len(append(folder, decisions[2:], a_source())[0]) == len(decisions) - 2


IMPORTING = """
import sys
from pathlib import Path
from aigc.review_sheet.returned import import_file
folder, files = Path(sys.argv[1]), sys.argv[2:]
for file in files:
    import_file(folder, "2026-11-24-0143-briefs-k3f9", Path(file))
    sys.stdout.write(".")
    sys.stdout.flush()
"""


def test_a_killed_import_loses_nothing_that_was_kept_and_the_same_one_keeps_the_rest(
    folder: Path, tmp_path: Path, decisions: list[Decision]
) -> None:
    files = []
    for number in range(60):
        editor = f"Editor {number}"
        lines = [{"aigc_review": 1, "run_id": decisions[0].run_id, "editor": editor}]
        lines += [{"record_id": one.record_id, "action": "reject", "at": NOW, "base": one.base, "note": "long " * 900}
                  for one in decisions]
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        files.append(str(path))
    command = [sys.executable, "-c", IMPORTING, str(folder), *files]
    kept = 0
    for round_number in range(6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.read(1)  # at least one file is in
        time.sleep(random.Random(round_number).random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        process.stdout.close()
        assert breaks(folder) == []
        found = len(read_ledger(folder).entries)
        assert found >= max(kept, len(decisions))
        kept = found
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    entries = read_ledger(folder).entries
    assert len({(one.decision.editor, one.decision.record_id) for one in entries}) == len(entries) == 60 * len(TEXTS)
