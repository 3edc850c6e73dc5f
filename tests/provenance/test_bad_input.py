"""What a user is told of a run that is not as it was, or cannot be made again: one message each, and never a yes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_project import Project, small_project
from typer.testing import CliRunner

from aigc.cli import app
from aigc.errors import AigcError
from aigc.provenance.manifest import MANIFEST, SIGNATURE, SUMS, encode_manifest, read_manifest

pytest.importorskip("c2pa", reason="aigc[signing] is not installed")
PARQUET = "records.parquet"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Signed(NamedTuple):
    """A project whose second run is signed, and the names of both runs."""

    project: Project
    before: str
    run: str


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    from aigc.signing import new_identity

    folder = tmp_path_factory.mktemp("signed")
    new_identity(folder / ".aigc" / "keys" / "default", name="Night desk", days=30)
    project = small_project(folder)
    project.set("signing", enabled=True, identity=str(folder / ".aigc" / "keys" / "default"))
    project.products("bread")
    before = project.run().run_id
    project.products("bread", "rolls")
    return Signed(project, before, project.run().run_id)


@pytest.fixture
def folder(signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The signed run in a copy of its project, which is the working folder; to be spoilt."""
    shutil.copytree(signed.project.folder, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return Path("outputs") / signed.run


def wrong(*arguments: str) -> list[str]:
    """What `aigc` says is wrong: the findings of `verify`, or the one error that ends a command."""
    try:
        found = CliRunner().invoke(app, [*arguments, "--json"] if arguments[0] == "verify" else [*arguments],
                                   catch_exceptions=False)
    except AigcError as exc:
        return [str(exc)]
    told = msgspec.json.decode(found.stdout)
    assert (found.exit_code, told["holds"]) == (1, False), "it said yes"
    findings = [one for check in told["checks"] for one in check["findings"]]
    return [f"{one['place']}: {one['found']}; {one['expected']}" for one in findings]


def signed_by(folder: Path, identity: Path, begin: datetime | None = None) -> None:
    """Sign a run's manifest with another key, one that began to be valid at a time."""
    from aigc.signing.certificates import read_certificates
    from aigc.signing.cms import write_signed
    from aigc.signing.identity import new_identity, read_key
    from aigc.signing.schemes import key_of, sign

    new_identity(identity, name="Mallory", days=30, now=begin)
    chain, key = read_certificates(identity / "certificate.pem", ""), read_key(identity / "key.pem", "", "NONE")
    public = key_of(chain[0])
    assert public
    signature = write_signed((folder / MANIFEST).read_bytes(), chain, public.scheme, begin or datetime.now(UTC),
                             lambda data: sign(key, public.scheme, data))
    (folder / SIGNATURE).write_bytes(signature)


def edited(folder: Path) -> None:
    table = pq.read_table(folder / PARQUET)
    rows = table.to_pylist()
    rows[1]["attempts"][0]["content_text"] = "x"
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / PARQUET)


def older_records(folder: Path) -> None:
    table = pq.read_table(folder / PARQUET)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"aigc.records": b"0"}), folder / PARQUET)


def other_manifest(folder: Path) -> None:
    before = next(path for path in folder.parent.iterdir() if path.name != folder.name)
    for name in (MANIFEST, SIGNATURE, SUMS, "run.json"):
        shutil.copy(before / name, folder / name)


def replaced(folder: Path, name: str, old: str, new: str) -> None:
    data = (folder / name).read_text("utf-8")
    assert old in data
    (folder / name).write_text(data.replace(old, new, 1), "utf-8")


SIGNED_BY = "a signature that does not hold ({0}: the signature {1} signed by Mallory, whose certificate {2}); one by a"


@pytest.mark.parametrize(("spoil", "told"), [
    (lambda run: signed_by(run, Path("other")),
     [f"{SIGNATURE}: " + SIGNED_BY.format("untrusted", "is", "leads to none of the anchors")]),
    (lambda run: signed_by(run, Path(".aigc/keys/old"), LONG_AGO),
     [f"{SIGNATURE}: " + SIGNED_BY.format("expired", "was", "expired on 2020-01-31; nothing proves that it was signed "
                                          "before")]),
    (lambda run: (run / SIGNATURE).write_bytes((run / SIGNATURE).read_bytes()[:-9]),
     [f"{SIGNATURE}: a signature that does not hold (truncated"]),
    (lambda run: (run / SIGNATURE).unlink(), [f"{SIGNATURE}: no file; the signature of the manifest"]),
    (edited, [f"{PARQUET} row 2 (line 3 of the sheet, variant 0), field attempts[0].completion.content.text: another",
              f"{PARQUET}: other bytes", f"{PARQUET}.c2pa: a signature that does not hold (tampered"]),
    (lambda run: (run / MANIFEST).unlink(),
     ["outputs/{run}/manifest.json: found no manifest; expected the manifest of a finished run"]),
    (other_manifest, [f"{MANIFEST}: that of run {{before}}; the run's own, as it was written"]),
    (lambda run: os.truncate(run / "accepted.csv.c2pa", 1000),
     ["accepted.csv.c2pa: a signature that does not hold (truncated: accepted.csv.c2pa is cut off"]),
    (lambda run: replaced(run, MANIFEST, "aigc.manifest/1", "aigc.manifest/0"),
     ["outputs/{run}/manifest.json: found one of 'aigc.manifest/0'; expected a manifest of aigc.manifest/1. Read it"]),
    (lambda run: replaced(run, "run.json", '"schema_version": 1', '"schema_version": 0'),
     ["run.json: a run.json of version 0; run.json as it was written"]),
    (older_records, [f"{PARQUET}: version '0'; the records", f"{PARQUET}: other bytes",
                     f"{PARQUET}.c2pa: a signature"]),
], ids=["wrong key", "expired certificate", "truncated signature", "no signature", "edited Parquet", "missing manifest",
        "manifest of another run", "truncated sidecar", "older manifest", "older run.json", "older records"])
def test_verify_never_says_yes_and_says_what_is_wrong(
    signed: Signed, folder: Path, spoil: Callable[[Path], object], told: list[str]
) -> None:
    spoil(folder)
    found = wrong("verify", folder.name)
    expected = [line.format(run=signed.run, before=signed.before) if "{" in line else line for line in told]
    assert [line.startswith(start) for line, start in zip(found, expected, strict=True)] == [True] * len(told), found


def test_an_anchor_of_somebody_else_is_told_once(folder: Path) -> None:
    from aigc.signing import new_identity

    new_identity(Path("other"), name="Mallory", days=30)
    [line] = wrong("verify", folder.name, "--anchor", "other/anchor.pem")
    assert line.startswith(f"{SIGNATURE}: a signature that does not hold (untrusted: the signature is signed by Night")


def test_a_folder_that_was_moved_holds(folder: Path) -> None:
    folder.rename("elsewhere")
    found = CliRunner().invoke(app, ["verify", "elsewhere"], catch_exceptions=False)
    assert (found.exit_code, found.stdout.splitlines()[-1].startswith(f"{folder.name}: as its manifest states")) == (
        0, True)


def test_a_model_that_is_no_longer_there_is_named_with_the_way_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIGC_CACHE", str(folder / "no-models"))
    manifest = read_manifest(folder)[0]
    settings = manifest.run.settings
    engine = msgspec.structs.replace(settings.engine, name="local")
    run = msgspec.structs.replace(manifest.run, settings=msgspec.structs.replace(settings, engine=engine))
    (folder / MANIFEST).write_bytes(encode_manifest(msgspec.structs.replace(manifest, run=run)))
    [line] = wrong("reproduce", folder.name, "--sample", "1")
    assert "found no copy on this machine" in line
    assert line.endswith(f"Fetch it: aigc models pull {settings.run.model}")
