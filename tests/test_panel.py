"""Who judges beside the filters of a type, as settings name them, through a whole run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from duplicates.duplicate_cases import formulaic
from model_folders import write_model, write_weights
from small_project import GOOD, MODEL, NOTE, SHORT, Project, small_project

from aigc.corpus import add_to_corpus
from aigc.duplicates import CorpusText, CorpusWriter
from aigc.earlier import own_runs
from aigc.errors import ModelError
from aigc.job import Job
from aigc.panel import find_models, open_panel, open_published
from aigc.provenance import RunFile
from aigc.records import Completion, Prompt, Record
from aigc.runs import find_earlier, open_run
from aigc.settings_reading import Table
from aigc.start import Request, start

PACK = {("toml" if name == "template.toml" else name.replace(".", "_")): text for name, text in NOTE.items()}
LONG = (
    "The kettle holds a litre of water and pours it slowly, in a thin and even stream, over the coffee. Its handle "
    "stays cool, its lid sits firmly, and nobody has yet burned a hand on it, not even on the busiest of mornings."
)
OTHER = (
    "Mornings begin with patience. Whoever waits until the water sings will taste the difference, and the cup on the "
    "table tells the rest of the story without a word about how it came to be so good and so quiet."
)


ASKING = NOTE["template.toml"] + """
        [judge]
        questions = [{ id = "plain", text = "Is it plain?" }]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = small_project(tmp_path)
    found.overrides["filters"] = {"length": {"action": "off"}, "near_duplicate": {"action": "retry"}}
    return found


def run(project: Project, script: Callable[[Prompt], str | Completion]) -> tuple[RunFile, list[Record]]:
    """A run with the panel that settings name."""
    job = project.job()
    with (
        open_published(job, own_runs(job), project.said.append) as published,
        open_panel(job, MODEL, find_models(job, job.survey().types), published) as panel,
        open_run(job, MODEL, project.engine(script), find_earlier(job, "new"), panel=panel) as made,
    ):
        made.begin(job.survey())
        made.generate(job.rows())
        file = made.finish()
    return file, project.records(file)


def reasons(project: Project, file: RunFile) -> list[str]:
    """What records.parquet says of each row."""
    import pyarrow.parquet as pq

    rows = pq.read_table(project.out / file.run_id / "records.parquet").to_pylist()
    return [";".join(row["reasons"]) for row in rows]


def test_variants_of_a_brief_that_say_the_same_are_made_again(project: Project) -> None:
    project.products("kettle")
    project.set("run", variants=2)
    _, records = run(project, lambda prompt: OTHER if prompt.attempt else LONG)
    assert [(record.outcome, len(record.attempts)) for record in records] == [("accepted", 1), ("accepted", 2)]
    assert records[1].attempts[0].verdicts[-1].reason == "near_duplicate"
    assert "another version of this brief" in records[1].attempts[0].verdicts[-1].message


def test_texts_of_different_briefs_that_say_the_same_are_flagged_in_the_results(project: Project) -> None:
    file, _ = run(project, lambda _: LONG)
    assert file.outcomes == {"accepted": 3}
    assert reasons(project, file) == ["", "near_duplicate", "near_duplicate"]
    assert file.flagged == 2


def test_a_text_that_was_published_before_is_flagged_and_says_where(project: Project) -> None:
    with CorpusWriter(project.folder / "corpus") as corpus:
        corpus.add("old.csv", "file", "old.csv", [CorpusText(text=LONG, line=7)])
    project.products("kettle", "lamp")
    _, records = run(project, lambda prompt: LONG if "kettle" in prompt.messages[-1].content else OTHER)
    assert [record.reasons for record in records] == [["near_duplicate"], []]
    assert "old.csv" in records[0].verdicts[-2].message


def test_a_corpus_that_grew_has_rows_looked_at_again(project: Project) -> None:
    before = project.job().fingerprints(MODEL).of_type("note")
    with CorpusWriter(project.folder / "corpus") as corpus:
        corpus.add("old.csv", "file", "old.csv", [CorpusText(text=LONG, line=7)])
    assert project.job().fingerprints(MODEL).of_type("note") != before


def test_comparisons_that_are_off_are_not_made(project: Project) -> None:
    project.overrides["filters"]["near_duplicate"] = {"action": "off", "elsewhere": "off"}
    project.set("run", variants=2)
    file, records = run(project, lambda _: LONG)
    assert file.flagged == 0
    assert "near_duplicate" not in {verdict.filter for record in records for verdict in record.verdicts}


def test_without_a_classifier_every_text_says_that_nobody_has_checked_it_and_none_waits(project: Project) -> None:
    file, records = run(project, lambda prompt: GOOD if prompt.attempt else SHORT)
    assert file.outcomes == {"accepted": 3}
    assert {record.verdicts[-1].action for record in records} == {"not_run"}
    assert {record.verdicts[-1].filter for record in records} == {"safety"}


def test_a_classifier_that_is_required_and_not_there_holds_every_text(project: Project) -> None:
    project.overrides["safety"] = {"required": True}
    file, _ = run(project, lambda _: LONG)
    assert file.outcomes == {"held": 3}


def test_a_corpus_that_settings_name_and_that_is_not_there_is_told(project: Project) -> None:
    run(project, lambda _: LONG)
    told = f"run.corpus: no texts in {project.folder}/corpus, so nothing is compared with what was published before."
    assert told in project.said


def test_texts_of_another_customers_sheet_of_the_same_name_are_no_ones_own(project: Project) -> None:
    project.products("kettle")
    first, _ = run(project, lambda _: LONG)
    add_to_corpus([project.out / first.run_id], folder=project.folder / "corpus")
    (project.folder / "b").mkdir()
    project.sheet_name = "b/briefs.csv"
    project.products("lamp")
    _, records = run(project, lambda _: LONG)
    assert records[0].reasons == ["near_duplicate"]
    assert f"run {first.run_id}, brief kettle" in next(
        verdict.message for verdict in records[0].verdicts if verdict.reason == "near_duplicate"
    )


def fingerprint(job: Job, content_type: str = "note") -> str:
    """That of a type, with the models found that read its texts."""
    find_models(job, job.survey().types)
    return job.fingerprints(MODEL).of_type(content_type)


@pytest.mark.parametrize("table", ["safety", "judge"])
def test_a_model_with_other_files_under_the_same_name_has_texts_read_again(
    project: Project, tmp_path: Path, table: str
) -> None:
    project.pack("note", toml=ASKING)
    project.overrides[table] = {"model": str(tmp_path / "reader")}
    write_model(tmp_path / "reader")
    before = fingerprint(project.job())
    assert fingerprint(project.job()) == before
    write_weights(tmp_path / "reader" / "model.safetensors", 0.25)
    assert fingerprint(project.job()) != before


def test_models_that_no_text_comes_to_are_not_looked_for_and_decide_nothing(project: Project, tmp_path: Path) -> None:
    project.pack("asking", **{**PACK, "toml": ASKING})  # of which the sheet has no row
    alone = project.job().fingerprints(MODEL).of_type("note")
    assert fingerprint(project.job()) == alone
    project.overrides["judge"] = {"model": str(tmp_path / "absent")}
    find_models(project.job(), ["note"])
    with pytest.raises(ModelError, match="found no such model"):
        find_models(project.job(), ["note", "asking"])


def test_a_finished_run_is_not_the_same_once_its_classifier_has_other_files(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import guards

    monkeypatch.chdir(project.folder)
    guards.scorer(tmp_path / "guard", ["neutral", "toxic"])
    tables: dict[str, Table] = {
        "engine": {"name": "scripted", "device": "cpu", "dtype": "float32"},
        "safety": {"model": str(tmp_path / "guard")},
    }
    request = Request(briefs="briefs.csv", overrides=tables)
    with start(request) as first:
        assert first.run
        first.run.generate(first.job.rows())
        first.run.finish()
    with start(request) as same:
        assert same.run is None
    guards.scorer(tmp_path / "guard", ["toxic", "neutral"])
    with start(request) as other:
        assert other.run is not None


def test_a_comparison_over_the_whole_run_that_fails_holds_the_text(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Record:
        raise RuntimeError("index lost")

    monkeypatch.setattr("aigc.duplicates.Duplicates.marked", broken)
    project.overrides["filters"] = {"length": {"action": "off"}, "near_duplicate": {"elsewhere": "flag"}}
    project.products("kettle")
    file, _ = run(project, lambda _: LONG)
    assert file.outcomes == {"held": 1}
    assert reasons(project, file) == ["filter_error"]


def test_how_many_texts_were_compared_in_part_is_said_when_a_run_ends(project: Project) -> None:
    project.overrides["filters"] = {"length": {"action": "off"}, "near_duplicate": {"elsewhere": "flag"}}
    project.products(*(f"kettle {number}" for number in range(60)))
    texts = iter(formulaic(60))
    file, _ = run(project, lambda _: next(texts))
    assert file.outcomes == {"accepted": 60}
    [said] = [line for line in project.said if line.startswith("near_duplicate: ")]
    assert 30 < int(said.split()[1]) < 40, "the first twenty are compared with all before them"
    assert said.endswith("compared with the likeliest of these alone, and are like none of them. `aigc trace` tells "
                         "each.")
