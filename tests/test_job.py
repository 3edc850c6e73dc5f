"""A job: what its settings and templates name is checked when it is opened, and what it is asked of is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import NOTE, Project, small_project

from aigc.errors import SettingsError
from aigc.job import Job
from aigc.settings_loading import load_settings
from aigc.settings_reading import Table


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


@pytest.mark.parametrize(("tables", "message"), [
    ({"filters": {"near_duplicate": {"max_similarity": 1.5}}},
     "settings of content type note, key filters.near_duplicate.max_similarity: found '1.5'; expected a number at most "
     "1.0. Correct the value."),
    ({"types": {"note": {"filters": {"near_duplicate": {"elswhere": "off"}}}}},
     "settings of content type note, key filters.near_duplicate.elswhere: found an unknown key; expected one of "
     "action, elsewhere, max_similarity. Remove it or correct its name. Did you mean 'elsewhere'?"),
    ({"safety": {"model": "guard", "kind": "qwenguard"}},
     "key safety.kind: found 'qwenguard'; expected one of auto, qwen3guard, llama_guard, shieldgemma, "
     "granite_guardian, classifier. Correct it. Did you mean 'qwen3guard'?"),
    ({"safety": {"actions": {"violent": "hold"}}}, "Correct its name. Did you mean 'violence'?"),
], ids=["threshold", "key", "kind", "category"])
def test_settings_of_comparisons_and_safety_are_checked_before_any_model_is_looked_for(
    project: Project, tables: dict[str, Table], message: str
) -> None:
    project.overrides.update(tables)
    with pytest.raises(SettingsError) as error:
        project.job()
    assert str(error.value).endswith(message)


def test_a_packs_own_comparison_is_checked_whatever_the_settings_say_over_it(project: Project) -> None:
    project.pack("note", toml=NOTE["template.toml"] + "\n        [filters.near_duplicate]\n        action = 'maybe'\n")
    project.overrides["filters"] = {"near_duplicate": {"action": "hold"}}
    with pytest.raises(SettingsError, match=r"note/template.toml, key filters.near_duplicate.action: found 'maybe'"):
        project.job()


def test_the_folder_of_templates_is_kept_as_it_is_found_from_anywhere(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    job = Job(Path("briefs.csv"), load_settings(None, {}, {}))
    assert job.settings.run.templates == str(project.folder / "templates")
    before, job = job, Job(Path("briefs.csv"), load_settings(None, {"run": {"templates": "./templates"}}, {}))
    assert job.settings == before.settings
