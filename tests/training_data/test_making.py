"""What editors decided becomes examples and pairs; what nobody stands for is left out, counted and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from reviewed_runs import NAMES, answer, decide, made_of, past_of, product_in, project_of, text_of
from small_project import SHORT, Project

from aigc.errors import BriefsError, StoreError, UsageError
from aigc.hashing import digest_file
from aigc.provenance import RunFile
from aigc.provenance.manifest import manifest_digest
from aigc.records import Prompt
from aigc.training_data.making import Order, make
from aigc.training_data.reading import TrainingData, open_training_data
from aigc.training_data.values import SPLITS, Example, Pair

SLOGAN = "Made to last a lifetime."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path)


def examples_of(data: TrainingData) -> dict[str, Example]:
    """All examples by brief."""
    return {example.brief_id: example for split in SPLITS for example in data.examples(split)}


def pairs_of(data: TrainingData) -> list[Pair]:
    return [pair for split in SPLITS for pair in data.pairs(split)]


def said(example: Example) -> str:
    return example.messages[-1].content


def test_an_example_is_the_first_prompt_and_the_text_that_stands(project: Project) -> None:
    file = project.run(answer)
    _, data = made_of(project, file)
    found = examples_of(data)
    assert sorted(found) == sorted(NAMES)
    kettle = found["kettle"]
    assert [message.role for message in kettle.messages] == ["system", "user", "assistant"]
    assert [message.content for message in kettle.messages] == [
        "You write notes.", "Write about kettle.", text_of("kettle"),
    ]
    assert (kettle.by, kettle.edited, kettle.run_id) == ("filters", False, file.run_id)


def test_an_edit_is_the_answer_and_is_preferred_to_the_original(project: Project) -> None:
    file = project.run(answer)
    edited = f"{text_of('lamp')} {SLOGAN}"
    decide(project, file, "lamp", "edit", text=edited, reason="tone_wrong")
    _, data = made_of(project, file)
    lamp = examples_of(data)["lamp"]
    assert (said(lamp), lamp.by, lamp.edited) == (edited, "editor", True)
    [pair] = pairs_of(data)
    assert (pair.kind, pair.by, pair.reasons) == ("edited_over_original", "editor", ["tone_wrong"])
    assert pair.prompt == lamp.messages[:-1]
    assert (pair.chosen[0].content, pair.rejected[0].content) == (edited, text_of("lamp"))
    assert (pair.chosen[0].role, pair.rejected[0].role) == ("assistant", "assistant")
    assert pair.source == pair.rejected_source == lamp.source


def test_a_retry_gives_the_first_prompt_and_a_pair_over_what_the_filters_refused(project: Project) -> None:
    def script(prompt: Prompt) -> str:
        return SHORT if product_in(prompt) == "stool" and prompt.attempt == 0 else answer(prompt)

    _, data = made_of(project, project.run(script))
    stool = examples_of(data)["stool"]
    assert stool.messages[1].content == "Write about stool.", "not the words of the retry"
    [pair] = pairs_of(data)
    assert (pair.kind, pair.by, pair.reasons) == ("accepted_over_rejected", "filters", ["too_short"])
    assert (pair.chosen[0].content, pair.rejected[0].content) == (text_of("stool"), SHORT)


def test_a_rejected_text_is_no_example_and_loses_to_another_of_its_brief(project: Project) -> None:
    project.set("run", variants=2)
    other = "A second note, on something that the first one of this brief has not said with a single word."

    def script(prompt: Prompt) -> str:
        is_second = len([seen for seen in project.prompts if product_in(seen) == product_in(prompt)]) > 1
        return f"{product_in(prompt)} {other}" if is_second else answer(prompt)

    file = project.run(script, slots=1)
    decide(project, file, "basket", "reject", reason="off_brief")
    made, data = made_of(project, file)
    [pair] = [pair for pair in pairs_of(data) if pair.by == "editor"]
    assert (pair.kind, pair.reasons, pair.brief_id) == ("accepted_over_rejected", ["off_brief"], "basket")
    assert pair.rejected_source != pair.source
    assert pair.rejected[0].content not in {said(example) for split in SPLITS for example in data.examples(split)}
    assert made.statement.left_out["rejected"] == 1


def test_editors_who_differ_count_for_nothing(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "mirror", "approve", editor="Ana")
    decide(project, file, "mirror", "reject", editor="Bo", reason="other")
    made, data = made_of(project, file)
    assert "mirror" not in examples_of(data)
    assert made.statement.left_out == {"in_conflict": 1}


def test_reviewed_only_takes_what_editors_decided_and_counts_the_rest(project: Project) -> None:
    file = project.run(lambda prompt: SHORT if product_in(prompt) == "zipper" else answer(prompt))
    for name in ("kettle", "lamp", "stool"):
        decide(project, file, name, "approve")
    decide(project, file, "zipper", "approve")  # what filters refused, an editor may let pass
    made, data = made_of(project, file, reviewed_only=True)
    assert {name: example.by for name, example in examples_of(data).items()} == dict.fromkeys(
        ("kettle", "lamp", "stool", "zipper"), "editor")
    assert said(examples_of(data)["zipper"]) == SHORT
    assert pairs_of(data) == []
    assert made.statement.left_out == {"undecided": 8}


def test_a_decision_on_another_text_does_not_count(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "kettle", "reject", reason="legal")
    before = project.out / file.run_id / "decisions.jsonl"
    other = project.run(lambda prompt: f"{answer(prompt)} And more.", mode="new")
    moved = project.out / other.run_id
    record = json.loads(before.read_text().splitlines()[0])["decision"]["record_id"]
    assert record not in {row.record.record_id for _, row in past_of(project, other).rows()}
    (moved / "decisions.jsonl").write_bytes(before.read_bytes())
    _, data = made_of(project, other)
    assert examples_of(data)["kettle"].by == "filters"


def test_rows_whose_templates_were_changed_are_left_out_and_counted(project: Project) -> None:
    file = project.run(answer)
    project.pack("note", user_j2="Write something else about {{ product }}.\n")
    with pytest.raises(BriefsError) as caught:
        made_of(project, file)
    assert str(caught.value) == (
        f"{file.run_id}: found nothing to learn from: 12 other_prompt (what the model was asked cannot be made again: "
        "the templates are gone or others); expected an accepted or approved text. Name runs with accepted texts, and "
        "bring their templates back."
    )


STRUCTURED = """
    title = "Card"
    languages = ["en"]
    [fields.product]
    required = true
    [output]
    format = "json"
    [output.fields.heading]
    type = "text"
    [output.fields.points]
    type = "list"
    max_items = 3
"""


@pytest.fixture
def cards(project: Project) -> tuple[Project, RunFile]:
    """A run of a type with fields."""
    project.pack("card", toml=STRUCTURED, system_j2="You fill cards.\n", user_j2="Write about {{ product }}.\n")
    project.sheet([{"id": name, "content_type": "card", "product": name} for name in NAMES[:4]])
    project.set("filters", near_duplicate={"action": "off"})

    def script(prompt: Prompt) -> str:
        name = product_in(prompt)
        raw = f'{{"heading": "The {name}", "points": ["{text_of(name)}"]}}'
        return f"```json\n{raw}\n```" if name == "stool" else raw

    return project, project.run(script)


def test_the_answer_of_a_type_with_fields_is_json_as_the_model_says_it(cards: tuple[Project, RunFile]) -> None:
    project, file = cards
    decide(project, file, "lamp", "edit", fields={"heading": "Das Licht – hell", "points": ["so", "很亮"]})
    decide(project, file, "basket", "edit", text="The basket\n\n- in other words")
    made, data = made_of(project, file)
    answers = {name: said(example) for name, example in examples_of(data).items()}
    assert answers == {
        "kettle": f'{{"heading": "The kettle", "points": ["{text_of("kettle")}"]}}',
        "lamp": '{"heading": "Das Licht – hell", "points": ["so", "很亮"]}',
        "stool": f'{{"heading": "The stool", "points": ["{text_of("stool")}"]}}',
    }
    assert made.statement.left_out == {"edited_as_text": 1}


def test_no_brief_is_in_two_splits_and_the_same_briefs_are_held_out_every_time(project: Project) -> None:
    project.set("run", variants=2)
    project.set("filters", length={"action": "off"}, near_duplicate={"action": "off"})
    first = project.run(lambda prompt: f"{answer(prompt)} Once, seed {prompt.seed}, and not ever again after that.")
    second = project.run(lambda prompt: f"{answer(prompt)} Twice, seed {prompt.seed}, as all good things do.",
                         mode="new")
    _, data = made_of(project, first, second, held_out=0.2)
    briefs = {split: {example.brief_id for example in data.examples(split)} for split in SPLITS}
    assert set().union(*briefs.values()) == set(NAMES)
    assert sum(map(len, briefs.values())) == len(NAMES), "each in one split alone"
    assert all(briefs.values())
    held = {row.brief.id for row in data.held_out()}
    assert held == briefs["test"]
    _, again = made_of(project, second, held_out=0.2)
    assert {example.brief_id for example in again.examples("test")} == briefs["test"]


def test_texts_that_are_alike_are_kept_once_and_an_editors_before_another(project: Project) -> None:
    project.set("filters", length={"action": "off"}, near_duplicate={"action": "off"})
    same = f"{text_of('kettle')} {text_of('lamp')} {text_of('stool')} "
    file = project.run(lambda prompt: same + product_in(prompt) if product_in(prompt) in NAMES[:3] else answer(prompt))
    decide(project, file, "stool", "approve")
    made, data = made_of(project, file)
    assert sorted(set(NAMES[:3]) & examples_of(data).keys()) == ["stool"]
    assert made.statement.left_out["duplicate"] == 2


def test_the_statement_names_every_source_and_the_files_by_digest(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "lamp", "edit", text=f"{text_of('lamp')} {SLOGAN}")
    made, data = made_of(project, file)
    statement = data.statement
    past = past_of(project, file)
    [run] = statement.runs
    assert (run.run_id, run.manifest) == (file.run_id, manifest_digest(past.manifest_bytes))
    assert run.ledgers[file.run_id].startswith("sha256:")
    assert (run.decisions, run.records, run.rehearsal) == (1, 12, False)
    known = {row.record.record_id for _, row in past.rows()}
    for facts in statement.files:
        assert facts.digest == digest_file(made.folder / facts.path)
        rows = [json.loads(line) for line in (made.folder / facts.path).read_text().splitlines()]
        assert facts.rows == len(rows) == len(statement.rows[facts.path])
        assert [row["source"] for row in rows] == [row.source for row in statement.rows[facts.path]]
        assert {row["source"] for row in rows} <= known
    assert statement.judging[file.run_id].template_digests == file.templates


def test_the_same_runs_give_the_same_bytes_and_are_not_written_again(project: Project) -> None:
    file = project.run(answer)
    first, _ = made_of(project, file)
    written = {path: path.read_bytes() for path in sorted(first.folder.rglob("*")) if path.is_file()}
    again, _ = made_of(project, file)
    assert (first.new, again.new) == (True, False)
    other, _ = made_of(project, file, out=project.folder / "elsewhere")
    assert [path.read_bytes() for path in sorted(other.folder.rglob("*")) if path.is_file()] == [*written.values()]
    decide(project, file, "lamp", "approve")
    replaced, data = made_of(project, file)
    assert replaced.new
    assert examples_of(data)["lamp"].by == "editor"
    assert sorted(path.name for path in project.folder.iterdir() if path.name.startswith(".")) == []


def test_a_folder_without_a_name_is_named_by_the_data(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project.run(answer)
    monkeypatch.chdir(project.folder)
    made = make(Order(runs=[project.out / file.run_id]))
    assert made.folder == Path("datasets") / made.statement.digest.removeprefix("sha256:")[:12]


def test_a_folder_of_something_else_is_not_touched(project: Project) -> None:
    file = project.run(answer)
    with pytest.raises(UsageError, match=r"--out: found .*/templates, which holds something else; expected a new or"):
        made_of(project, file, out=project.folder / "templates")
    assert (project.folder / "templates" / "note" / "user.j2").is_file()


@pytest.mark.parametrize(("changes", "message"), [
    ({"runs": ()}, "RUN: found none; expected the runs, or with --dialogues the files, to make data of. Name one: "
                   "`aigc show` tells the newest run."),
    ({"held_out": 0.7}, "--held-out: found 0.7; expected a share from 0 to 0.4. Correct it."),
    ({"twice": True}, "RUN: found {run} twice; expected each once. Name it once."),
], ids=["nothing", "too much held out", "twice"])
def test_an_order_that_makes_no_sense_is_refused(project: Project, changes: dict[str, object], message: str) -> None:
    file = project.run(answer)
    runs = [project.out / file.run_id] * (1 + bool(changes.pop("twice", False)))
    with pytest.raises(UsageError) as caught:
        make(Order(**{"runs": runs, **changes}))  # type: ignore[arg-type]
    assert str(caught.value) == message.format(run=file.run_id)


def test_data_that_was_changed_is_not_read(project: Project) -> None:
    made, _ = made_of(project, project.run(answer))
    path = made.folder / "sft" / "train.jsonl"
    path.write_bytes(path.read_bytes().replace(b"made for use", b"made for all"))
    with pytest.raises(StoreError, match=r"train.jsonl: found other bytes than dataset.json tells; expected sha256:"):
        open_training_data(made.folder)
    with pytest.raises(UsageError, match=r"DATA: found no dataset.json in .*; expected a folder that `aigc dataset`"):
        open_training_data(project.folder)


def of_first_version(statement: Path) -> None:
    """Have a statement be as the first version wrote it."""
    told = json.loads(statement.read_text())
    for run in told["runs"]:
        run["ledger"] = run.pop("ledgers").get(run["run_id"], "")
    statement.write_text(json.dumps({**told, "schema": "aigc.training_data/1"}))


def test_data_of_the_first_version_is_read_and_made_anew_where_it_stands(project: Project) -> None:
    file = project.run(answer)
    decide(project, file, "lamp", "approve")
    made, data = made_of(project, file)
    [source] = data.statement.runs
    assert source.ledgers.keys() == {file.run_id}
    of_first_version(made.folder / "dataset.json")
    old = open_training_data(made.folder).statement
    assert old == replace(made.statement, schema="aigc.training_data/1")
    again, data = made_of(project, file)
    assert (again.new, data.statement.schema) == (True, "aigc.training_data/2")


@pytest.mark.parametrize(("told", "found"), [
    ({"schema": "aigc.training_data/3"}, r"version 'aigc.training_data/3'; expected aigc.training_data/2 or .*/1"),
    ({"runs": [7]}, r"a damaged statement \(.*\); expected aigc.training_data/2"),
    ({"schema": "aigc.training_data/1", "runs": [7]}, r"a damaged statement \(.*\); expected aigc.training_data/2"),
    ({"schema": "aigc.training_data/1", "runs": [{}]}, r"a damaged statement \(.*\); expected aigc.training_data/2"),
], ids=["a later version", "damaged", "damaged, of the first version", "a run without a name"])
def test_a_statement_that_cannot_be_read_says_what_it_is(project: Project, told: dict[str, object], found: str) -> None:
    made, _ = made_of(project, project.run(answer))
    path = made.folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **told}))
    with pytest.raises(StoreError, match=rf"dataset.json: found {found}. Make it anew: aigc dataset RUN…"):
        open_training_data(made.folder)


def test_a_text_refused_in_one_run_and_let_pass_in_another_loses_to_none(project: Project) -> None:
    strict = project.run(lambda prompt: SHORT + " " + product_in(prompt))
    project.set("filters", length={"action": "off"})
    lenient = project.run(lambda prompt: SHORT + " " + product_in(prompt), mode="new")
    assert (strict.outcomes, lenient.outcomes) == ({"exhausted": 12}, {"accepted": 12})
    _, data = made_of(project, strict, lenient)
    assert pairs_of(data) == []
    assert replace(examples_of(data)["lamp"], group="").run_id == lenient.run_id


def test_records_that_were_changed_since_the_run_are_not_learned_from(project: Project) -> None:
    file = project.run(answer)
    path = project.out / file.run_id / "records.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(StoreError, match=r"records.parquet: found other bytes than the run's manifest states"):
        made_of(project, file)
