"""A run as it was made holds; whatever is changed in it is found, at its place."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_project import GOOD, small_project

from aigc.disk import take_lock
from aigc.errors import RunLocked, StoreError
from aigc.provenance import encode
from aigc.provenance.manifest import MANIFEST, SUMS, encode_plain, manifest_digest
from aigc.records import Prompt
from aigc.verification import verify
from aigc.verification.files import check_files

BAD = "Too short."


def answered(prompt: Prompt) -> str:
    """A good text, but for the third product's first attempt and the fourth's every."""
    asked = prompt.messages[-1].content
    return BAD if "tart" in asked or ("cake" in asked and prompt.attempt == 0) else GOOD


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with rows of every kind, the second night of its project."""
    project = small_project(tmp_path_factory.mktemp("project"))
    project.products("bread")
    project.run()
    project.sheet([{"id": name, "content_type": "note", "product": name} for name in ("bread", "rolls", "cake", "tart")]
                  + [{"id": "wrong", "content_type": "nothing", "product": "x"}])
    return project.out / project.run(answered).run_id


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the run with the night before it, to be spoilt."""
    shutil.copytree(made.parent, tmp_path / "outputs")
    return tmp_path / "outputs" / made.name


def places(folder: Path) -> list[str]:
    found = verify(folder)
    assert not found.holds
    return [finding.place for finding in found.findings]


def test_a_run_as_it_was_made_holds_and_every_check_says_so(folder: Path) -> None:
    found = verify(folder)
    assert (found.holds, found.findings) == (True, [])
    assert {check.name: check.status for check in found.checks} == dict.fromkeys(
        ["signature", "decisions", "other files"], "not checked") | dict.fromkeys(
        ["manifest", "run.json", SUMS, "rows", "records.parquet", "accepted.csv", "accepted.jsonl", "rejected.csv",
         "journal.jsonl", "report.md", "croissant.json", "README.md", "previous run"], "holds",
    )


def test_a_run_that_was_moved_or_renamed_holds(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(folder, moved)
    found = verify(moved)
    assert found.holds
    assert {check.name: check.status for check in found.checks}["previous run"] == "not checked"


def changed(folder: Path, change: Callable[[dict[str, object]], None], row: int = 0) -> None:
    """Write records.parquet anew with one row changed, as somebody with a data frame would."""
    path = folder / "records.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows[row])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


@pytest.mark.parametrize(("change", "place"), [
    (lambda row: row.update(text="x"), "text"),  # a copy of the attempt's text, in no leaf
    (lambda row: row.update(text=None), "text"),
    (lambda row: row.update(reasons=["x", "y", "z"]), "reasons"),
    (lambda row: row.update(fields='{"a":"x"}'), "fields"),
    (lambda row: row.update(disclosure="x"), "disclosure"),
    (lambda row: row["attempts"][0]["fault"] or row["attempts"][0].update(logprob=float("nan")), "attempts[0].logprob"),
    (lambda row: row["attempts"][0].update(content_text="x"), "attempts[0].completion.content.text"),
    (lambda row: row["attempts"][0].update(text="x"), "attempts[0].completion.text"),
    (lambda row: row.update(outcome="held"), "outcome"),
    (lambda row: row.update(brief_id="other"), "brief_id"),
    (lambda row: row.update(record_id="other"), "record_id"),
    (lambda row: row.update(brief='{"product":"x"}'), "brief.product"),
    (lambda row: row.update(fingerprint="sha256:0"), "fingerprint"),
    (lambda row: row.update(leaf="sha256:00"), "leaf"),
    (lambda row: row.update(chosen=9), "chosen"),
    (lambda row: row["provenance"].update(model="other"), "provenance.model"),
    (lambda row: row["provenance"].update(seed="1"), "provenance.seed"),
    (lambda row: row["provenance"].update(human_oversight="approved"), "provenance.human_oversight"),
    (lambda row: row["attempts"][0]["verdicts"][0].update(action="flag"), "attempts[0].verdicts[0].action"),
    (lambda row: row["attempts"][0]["sampling"].update(top_k=9), "attempts[0].sampling.top_k"),
])
def test_a_changed_field_of_a_row_is_named(
    folder: Path, change: Callable[[dict[str, object]], None], place: str
) -> None:
    changed(folder, change, row=1)
    wanted = f", field {place}"
    assert [one for one in places(folder) if one.startswith("records.parquet row 2 (line 3 ") and one.endswith(wanted)]


@pytest.mark.parametrize(("change", "place"), [
    (lambda table: table.drop(["reasons"]), "records.parquet, column reasons"),
    (lambda table: table.append_column("extra", table["text"]), "records.parquet, column extra"),
    (lambda table: table.append_column("text", table["text"]), "records.parquet, column text"),
])
def test_a_column_that_is_gone_or_was_added_is_named(
    folder: Path, change: Callable[[pa.Table], pa.Table], place: str
) -> None:
    path = folder / "records.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    assert place in places(folder)


def _emptied(row: dict[str, object], name: str) -> None:
    row["attempts"][0][name] = [None]  # type: ignore[index]


@pytest.mark.parametrize("change", [
    lambda row: row.update(outcome=None), lambda row: row.update(attempts=[None]), lambda row: row.update(errors=None),
    lambda row: row.update(brief="[" * 20_000 + "]" * 20_000), lambda row: row.update(limits=None),
    lambda row: row.update(provenance=None), lambda row: _emptied(row, "verdicts"),
    lambda row: row["attempts"][0].update(seed="many"),
])
def test_a_row_that_cannot_be_read_is_named(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    changed(folder, change, row=1)
    assert "records.parquet row 2" in places(folder)


@pytest.mark.parametrize("line", [
    b"no line of a journal at all", b"\xff" * 32 + b"\t" + b"0" * 16 + b"\t{}", b"0" * 32 + b"\t" + b"z" * 16 + b"\t{}",
    b"0" * 32 + b"\t" + b"1" * 16 + b'\t{"brief_id":"\xff"}', b"0" * 32 + b"\t" + b"1" * 16 + b"\t" + b"[" * 20_000,
])
def test_a_forged_line_of_the_journal_with_the_sum_of_its_bytes_is_found_and_no_row_is_lost(
    folder: Path, line: bytes
) -> None:
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b"%08x\t%b\n" % (crc32(line + b"\n"), line))
    changed(folder, lambda row: row.update(record_id="other", fingerprint="other", brief_id="other"), row=1)
    found = places(folder)
    assert [place for place in found if place.startswith("journal.jsonl")]
    assert [place for place in found if place.startswith("records.parquet")]


def test_a_row_that_was_changed_with_its_leaf_is_named_by_the_journal(folder: Path) -> None:
    from aigc.parquet_rows import read_rows
    from aigc.provenance.stamps import leaf_of

    changed(folder, lambda row: row.update(outcome="held"), row=1)
    row = list(read_rows(folder / "records.parquet"))[1]
    changed(folder, lambda one: one.update(leaf=leaf_of(row.record, row.provenance)), row=1)
    assert "records.parquet row 2 (line 3 of the sheet, variant 0), field outcome" in places(folder)


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4], [0, 1, 2, 3], [0, 1, 2, 3, 4, 4]])
def test_rows_that_were_moved_left_out_or_doubled_are_found(folder: Path, order: list[int]) -> None:
    path = folder / "records.parquet"
    pq.write_table(pq.read_table(path).take(order), path)
    assert any(place.startswith("records.parquet") for place in places(folder))


@pytest.mark.parametrize(("name", "old", "new", "place"), [
    ("accepted.csv", b"rolls", b"rills", "accepted.csv line 3"),
    ("accepted.jsonl", b'"id":"rolls"', b'"id":"rills"', "accepted.jsonl line 2"),
    ("rejected.csv", b"tart", b"turt", "rejected.csv line 2"),
    ("report.md", b"## Outcomes", b"## 0utcomes", "report.md line 17"),
    ("run.json", b'"seed": 0', b'"seed": 1', "run.json, field settings.run.seed"),
    ("run.json", b'"status": "finished"', b'"status": "failed"', "run.json, field status"),
    ("run.json", b'"manifest": "sha256:', b'"manifest": "sha256:0', "run.json, field manifest"),
    ("run.json", b"}\n", b"} \n", "run.json"),
    ("run.json", b"{", b"[", "run.json"),
    ("manifest.json", b'"seed":0', b'"seed":1', "manifest.json, field run.settings.run.seed"),
    ("manifest.json", b'"reproducible":"bytes"', b'"reproducible":"inputs"', "manifest.json"),
    ("manifest.json", b'{"code"', b'{"a":1,"code"', "manifest.json"),
    ("manifest.json", b'{"code"', b'["code"', "manifest.json"),
    ("manifest.json", b'"count":5', b'"count":4', "manifest.json"),
    ("SHA256SUMS", b"accepted.csv", b"accepted.cvs", "SHA256SUMS line 2"),
    ("SHA256SUMS", b"manifest.json", b"manifest.jso", "SHA256SUMS line 6"),
])
def test_a_changed_file_is_named_with_the_line_or_field(
    folder: Path, name: str, old: bytes, new: bytes, place: str
) -> None:
    data = (folder / name).read_bytes()
    assert old in data
    (folder / name).write_bytes(data.replace(old, new, 1))
    assert place in places(folder)


@pytest.mark.parametrize("name", ["records.parquet", "accepted.csv", "accepted.jsonl", "rejected.csv", "report.md",
                                  "run.json", "journal.jsonl", "croissant.json", "README.md", SUMS])
def test_a_file_that_is_gone_or_cut_off_is_named(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    assert any(place.startswith(name) for place in places(folder))
    (folder / name).unlink()
    assert any(place.startswith(name) for place in places(folder))


def test_a_damaged_line_of_the_journal_is_named(folder: Path) -> None:
    path = folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert b"note" in lines[2]
    lines[2] = lines[2].replace(b"note", b"nota", 1)
    path.write_bytes(b"".join(lines))
    assert "journal.jsonl line 3" in places(folder)


def test_a_night_whose_manifest_was_changed_breaks_the_chain(folder: Path) -> None:
    before = json.loads((folder / MANIFEST).read_bytes())["previous"]["run_id"]
    path = folder.parent / before / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"count":1', b'"count":2'))
    assert f"{before}/manifest.json" in places(folder)


def test_a_manifest_of_another_run_is_found(folder: Path) -> None:
    before = json.loads((folder / MANIFEST).read_bytes())["previous"]["run_id"]
    for others in ([MANIFEST], [MANIFEST, SUMS], [MANIFEST, SUMS, "run.json"]):
        for name in others:
            shutil.copy(folder.parent / before / name, folder / name)
        found = verify(folder)
        assert [(one.place, one.found) for one in found.findings] == [(MANIFEST, f"that of run {before}")]
        assert {check.status for check in found.checks} == {"wrong", "not checked"}
        assert f"not that of run {found.run_id}" in found.checks[1].detail


def test_files_that_the_manifest_does_not_tell_of_are_named(folder: Path) -> None:
    for name in ("accepted.xlsx", "sure\u202etext.csv"):
        (folder / name).write_text("forged")
    found = verify(folder)
    [check] = [check for check in found.checks if check.name == "other files"]
    assert (found.holds, check.status) == (True, "not checked")
    assert "'accepted.xlsx'" in check.detail
    assert "'sure\\u202etext.csv'" in check.detail


def test_a_run_that_is_written_while_it_is_looked_at_is_neither_right_nor_wrong(folder: Path) -> None:
    (folder / "accepted.csv").write_bytes(b"half")
    lock = take_lock(folder / ".lock")
    with pytest.raises(RunLocked, match=r"found that process \d+ on .* wrote it while it was looked at"):
        verify(folder)
    os.close(lock)
    assert "accepted.csv line 1" in places(folder)


def test_a_run_with_a_new_manifest_when_the_look_ends_is_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(*given: object, **named: object) -> object:
        (folder / "accepted.csv").write_bytes(b"other")
        (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b" ")
        return check_files(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("aigc.verification.check_files", written)
    with pytest.raises(RunLocked, match="another process wrote it while it was looked at"):
        verify(folder)


def test_a_run_without_a_manifest_is_no_run_that_holds(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(StoreError, match="no manifest"):
        verify(folder)


def written_before(folder: Path, *fields: str) -> None:
    """Make a run's statement what a version of aigc wrote that did not know some fields of run.json yet."""
    manifest, run = (json.loads((folder / name).read_bytes()) for name in (MANIFEST, "run.json"))
    for value in (manifest["run"], run):
        for field in fields:
            *way, name = field.split(".")
            owner = value
            for part in way:
                owner = owner[part]
            del owner[name]
    data = encode_plain(manifest)
    told = {file["path"]: file["digest"] for file in [*manifest["run"]["outputs"], *manifest["files"]]}
    lines = [f"{found.removeprefix('sha256:')}  {name}\n" for name, found in
             sorted({**told, MANIFEST: manifest_digest(data)}.items())]
    (folder / MANIFEST).write_bytes(data)
    (folder / SUMS).write_text("".join(lines))
    (folder / "run.json").write_bytes(encode(run | {"manifest": manifest_digest(data)}))


def test_a_run_of_a_version_that_knew_fewer_fields_holds(folder: Path) -> None:
    written_before(folder, "devices", "settings.engine.processes", "settings.review")
    assert verify(folder).findings == []
    path = folder / "run.json"
    path.write_bytes(path.read_bytes().replace(b'  "redo_of": "",\n', b""))
    assert places(folder) == ["run.json"], "a field that the manifest has was left out"


@pytest.mark.parametrize("name", [MANIFEST, "run.json"])
def test_json_that_is_nested_without_end_is_damaged(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b'{"run":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
    assert name in places(folder)


def test_every_flipped_byte_is_found_in_its_file(folder: Path) -> None:
    chance = random.Random(7)
    names = ["records.parquet", "accepted.csv", "accepted.jsonl", "rejected.csv", "report.md", "run.json",
             "journal.jsonl", "croissant.json", "README.md", MANIFEST, SUMS]
    missed = []
    for name in names:
        path = folder / name
        whole = path.read_bytes()
        for _ in range(12):
            at = chance.randrange(len(whole))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << chance.randrange(8)]) + whole[at + 1 :])
            found = _looked(folder)
            if not any(place.startswith(name) for place in found):
                missed.append((name, at, found))
        path.write_bytes(whole)
    assert missed == []


def _looked(folder: Path) -> list[str]:
    """Places that are told; the manifest's, where it is refused as one of another version."""
    try:
        return [finding.place for finding in verify(folder).findings]
    except StoreError as exc:
        return [Path(exc.place).name]
