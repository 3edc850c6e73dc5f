"""What is told before a text is made again: in what the code and the engine are others than those that made it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from small_project import Project, small_project
from typer.testing import CliRunner

from aigc.cli import app
from aigc.errors import ModelError, SettingsError, UsageError
from aigc.past import Past, open_past
from aigc.provenance.environment import CodeFacts, code_facts
from aigc.provenance.manifest import MANIFEST, encode_manifest
from aigc.records import EngineInfo
from aigc.reproduction import settings_here, stack_differences
from aigc.settings import Settings
from aigc.settings_loading import load_settings
from aigc.stamped import Stamped

OLD = CodeFacts(version="0.0.1", commit="0" * 40, dirty=False, packages="sha256:" + "0" * 64)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = small_project(tmp_path)
    project.products("bread")
    return project


def nights(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Past, list[Stamped]]:
    """A night with old code, and one of today that takes its row over; the second, and its rows."""
    with monkeypatch.context() as patch:
        patch.setattr("aigc.proof.code_facts", lambda: OLD)
        project.run()
    project.products("bread", "rolls")
    past = open_past(project.out / project.run().run_id)
    return past, [row for _, row in past.rows()]


def engine_of(past: Past, row: Stamped) -> EngineInfo:
    return past.run.engines[row.record.attempts[0].engine]


def names(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines]


def test_a_row_that_was_taken_over_is_told_by_the_run_that_made_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, (taken, own) = nights(project, monkeypatch)
    info, today = engine_of(past, own), msgspec.structs.replace(past.manifest.code, dirty=False)
    monkeypatch.setattr("aigc.reproduction.code_facts", lambda: today)
    assert "aigc" in names(stack_differences(past, [taken], [taken.provenance.engine], info))
    assert "installed packages" in names(stack_differences(past, [own, taken], [own.provenance.engine], info))
    assert "aigc" not in names(stack_differences(past, [own], [own.provenance.engine], info))


def test_code_of_a_run_that_is_gone_is_not_taken_for_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, (taken, own) = nights(project, monkeypatch)
    (project.out / taken.provenance.run_id / "manifest.json").unlink()
    lines = stack_differences(past, [taken], [taken.provenance.engine], engine_of(past, own))
    assert f"code: that of run {taken.provenance.run_id}, which is not here, so nobody knows" in lines


def test_the_engine_that_made_the_text_counts_and_not_another_of_the_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, (_, own) = nights(project, monkeypatch)
    info = engine_of(past, own)
    other = msgspec.structs.replace(info, device="cuda", slots=info.slots + 1)
    past.run.engines["sha256:other"] = other
    assert {"device", "slots"} <= {*names(stack_differences(past, [own], ["sha256:other"], info))}
    assert not {"device", "slots"} & {*names(stack_differences(past, [own], [own.provenance.engine], info))}
    assert "engine" in names(stack_differences(past, [own], ["sha256:unknown"], info))


def test_two_checkouts_with_changes_are_never_the_same_code(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    dirty = msgspec.structs.replace(code_facts(), commit="1" * 40, dirty=True)
    monkeypatch.setattr("aigc.proof.code_facts", lambda: dirty)
    monkeypatch.setattr("aigc.reproduction.code_facts", lambda: dirty)
    past = open_past(project.out / project.run().run_id)
    [row] = [row for _, row in past.rows()]
    lines = stack_differences(past, [row], [row.provenance.engine], engine_of(past, row))
    assert lines == ["commit: 111111111111+, now 111111111111+, and changes to it that may be others"]


def asks(past: Past, **changes: object) -> None:
    """Write other engine settings into a run's folder, as whoever made the folder can."""
    settings = past.run.settings
    engine = msgspec.structs.replace(settings.engine, **changes)
    run = msgspec.structs.replace(past.run, settings=msgspec.structs.replace(settings, engine=engine))
    (past.folder / MANIFEST).write_bytes(encode_manifest(msgspec.structs.replace(past.manifest, run=run)))


def test_no_server_is_asked_that_only_the_runs_folder_names(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = open_past(project.out / project.run().run_id)
    asks(past, name="openai", url="http://127.0.0.1:9/v1", key_variable="HOME")
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr("httpx.Client.send", lambda *_, **__: pytest.fail("a server was asked"))
    with pytest.raises(SettingsError, match=r"settings, key engine\.url"):
        CliRunner().invoke(app, ["reproduce", past.run.run_id, "--sample", "1"], catch_exceptions=False)


def test_no_model_is_fetched_that_only_the_runs_folder_names(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = open_past(project.out / project.run().run_id)
    asks(past, name="local", trust_remote_code=True)
    run = msgspec.structs.replace(open_past(past.folder).run.settings.run, model="somebody/else")
    settings = msgspec.structs.replace(open_past(past.folder).run.settings, run=run)
    changed = msgspec.structs.replace(past.run, settings=settings)
    (past.folder / MANIFEST).write_bytes(encode_manifest(msgspec.structs.replace(past.manifest, run=changed)))
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **given: (
        pytest.fail("it was fetched") if not given.get("local_files_only") else (_ for _ in ()).throw(OSError("gone"))))
    with pytest.raises(ModelError, match="somebody/else"):
        CliRunner().invoke(app, ["reproduce", past.run.run_id, "--sample", "1"], catch_exceptions=False)


def test_what_reaches_out_is_the_users_own_and_what_makes_a_text_the_runs() -> None:
    theirs = load_settings(None, {
        "engine": {"url": "http://there/v1", "key_variable": "SECRET", "trust_remote_code": True, "slots": 7},
        "watermark": {"key_file": "their.key"}, "sampling": {"temperature": 0.3}}, {})
    here = settings_here(theirs, Settings())
    assert (here.engine.url, here.engine.key_variable, here.engine.trust_remote_code) == ("", "OPENAI_API_KEY", False)
    assert here.watermark.key_file == ""
    assert (here.engine.slots, here.sampling.temperature) == (7, 0.3)


def test_a_run_without_a_number_of_texts_is_asked_for_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = project.run().run_id
    monkeypatch.chdir(project.folder)
    with pytest.raises(UsageError, match=f"--sample: found nothing, and {run_id} is a run; .* --sample 20"):
        CliRunner().invoke(app, ["reproduce", run_id], catch_exceptions=False)
