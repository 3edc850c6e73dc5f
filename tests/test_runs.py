"""Runs: what a second one takes over from the first, what it makes again, and what run.json says of both."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import GOOD, SHORT, Power, Project, interrupted, small_project, stopping_after

from aigc.engine.scripted import fault
from aigc.errors import RunLocked, StoreError, UsageError, shown
from aigc.hashing import digest, digest_file
from aigc.provenance import RunFile, read_run, runs
from aigc.records import Prompt
from aigc.report import report
from aigc.runs import find_run
from aigc.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path)


@pytest.mark.parametrize(
    ("kind", "status"), [(Power, "failed"), (KeyboardInterrupt, "interrupted"), (GeneratorExit, "interrupted")]
)
def test_a_run_that_is_stopped_says_so_and_keeps_what_it_made(
    project: Project, kind: type[BaseException], status: str
) -> None:
    file = interrupted(project, 2, kind)
    assert (file.status, file.outputs) == (status, [])
    with Store.read(project.out / file.run_id) as store:
        assert store.finished == 2


def test_a_stopped_run_is_gone_on_with_in_its_folder_and_makes_only_what_is_missing(project: Project) -> None:
    before = interrupted(project, 2)
    file = project.run(slots=1)
    assert (file.run_id, file.started_at, file.status) == (before.run_id, before.started_at, "finished")
    assert ["stool" in prompt.messages[-1].content for prompt in project.prompts] == [True]
    assert (file.made_before, file.taken_over, file.outcomes) == (2, 0, {"accepted": 3})


def test_attempts_of_an_unsettled_row_are_taken_over_too(project: Project) -> None:
    project.products("kettle")
    with pytest.raises(Power):
        project.run(lambda prompt: SHORT if prompt.attempt == 0 else stopping_after(0)(prompt))
    (record,) = project.records(project.run())
    assert [prompt.attempt for prompt in project.prompts] == [1]
    assert [attempt.completion.text for attempt in record.attempts] == [SHORT, GOOD]


def test_a_stopped_run_ends_as_an_undisturbed_one(project: Project) -> None:
    names = [f"item {number}" for number in range(25)]
    project.products(*names)

    def script(prompt: Prompt) -> str:
        return f"{GOOD} {prompt.seed}" if prompt.seed % 3 else SHORT

    def results(file: RunFile) -> list[object]:
        return [
            (r.row, r.outcome, r.fingerprint, [(a.request_id, a.completion.text, a.verdicts) for a in r.attempts])
            for r in project.records(file)
        ]

    undisturbed = results(project.run(script))
    given: list[Prompt] = []

    def stopping(prompt: Prompt) -> str:
        given.append(prompt)
        if len(given) % 5 == 0:
            raise Power
        return script(prompt)

    mode = "new"
    for _ in range(100):
        try:
            file = project.run(stopping, mode=mode)  # type: ignore[arg-type]
            break
        except Power:
            mode = "auto"
    assert results(file) == undisturbed
    assert len(runs(project.out)) == 2


def test_a_finished_run_is_taken_over_into_a_new_folder(project: Project) -> None:
    first = project.run()
    project.products("kettle", "lamp", "stool", "vase")
    second = project.run()
    assert second.run_id != first.run_id
    assert (second.earlier, second.taken_over, len(project.prompts)) == ({first.run_id: 3}, 3, 1)
    records = project.records(second)
    assert [record.taken_from for record in records] == [first.run_id] * 3 + [""]

    project.products("kettle", "vase", "lamp")
    third = project.run()
    assert project.prompts == []
    assert [record.taken_from for record in project.records(third)] == [first.run_id, second.run_id, first.run_id]
    assert all(record.attempts[0].engine in third.engines for record in project.records(third))


EDITS: list[tuple[str, Callable[[Project], object], list[str]]] = [
    ("nothing", lambda p: None, []),
    (
        "a brief",
        lambda p: p.sheet(
            [
                {"id": "kettle", "content_type": "note", "product": "kettle"},
                {"id": "lamp", "content_type": "note", "product": "oil lamp"},
                {"id": "stool", "content_type": "note", "product": "stool"},
            ]
        ),
        ["lamp"],
    ),
    ("the user template", lambda p: p.pack("note", user_j2="Write of {{ product }}.\n"), ["kettle", "lamp", "stool"]),
    ("the temperature", lambda p: p.set("sampling", temperature=0.1), ["kettle", "lamp", "stool"]),
    ("the seed", lambda p: p.set("run", seed=5), ["kettle", "lamp", "stool"]),
    ("another type's sampling", lambda p: p.overrides.update(types={"other": {"sampling": {"top_k": 5}}}), []),
    ("the number of variants", lambda p: p.set("run", variants=2), ["kettle", "lamp", "stool"]),
    ("a row's place", lambda p: p.products("stool", "lamp", "kettle"), []),
    ("a row less", lambda p: p.products("stool", "kettle"), []),
]


@pytest.mark.parametrize(("edit", "made"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_an_edit_makes_only_its_own_rows_again(
    project: Project, edit: Callable[[Project], object], made: list[str]
) -> None:
    project.pack("other", toml='title = "Other"\n[output]\nformat = "text"\n', system_j2="-", user_j2="-")
    project.run()
    edit(project)
    project.run()
    asked = [
        next(name for name in ("kettle", "lamp", "stool") if name in p.messages[-1].content) for p in project.prompts
    ]
    assert sorted(asked) == made


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda p: p.overrides.update(filters={"length": {"action": "hold"}}), "held"),
        (lambda p: p.overrides.update(filters={"length": {"action": "reject"}}), "rejected"),
        (lambda p: p.overrides.update(filters={"length": {"tolerance": 0.9}}), "accepted"),
        (lambda p: p.set("run", max_attempts=1), "exhausted"),
    ],
)
def test_a_changed_threshold_judges_again_without_generating(
    project: Project, change: Callable[[Project], None], outcome: str
) -> None:
    assert project.run(lambda _: SHORT).outcomes == {"exhausted": 3}
    change(project)
    file = project.run(stopping_after(0))
    assert file.outcomes == {outcome: 3}
    assert project.prompts == []
    assert file.taken_over == 0, "the verdicts are new, so the records are"


def test_more_attempts_go_on_from_those_made(project: Project) -> None:
    project.run(lambda _: SHORT)
    project.set("run", max_attempts=4)
    file = project.run()
    assert file.outcomes == {"accepted": 3}
    assert [prompt.attempt for prompt in project.prompts] == [3, 3, 3]


def test_moved_rows_keep_their_texts_under_their_new_numbers(project: Project) -> None:
    before = {record.brief_id: record for record in project.records(project.run())}
    project.products("", "stool", "kettle", "lamp")
    after = project.records(project.run())
    assert [(r.row, r.source.line, r.brief_id) for r in after[1:]] == [
        (1, 3, "stool"),
        (2, 4, "kettle"),
        (3, 5, "lamp"),
    ]
    for record in after[1:]:
        assert record.attempts == before[record.brief_id].attempts


def test_a_bad_row_that_moved_is_shown_where_it_is_now(project: Project) -> None:
    project.sheet([{"id": "x", "content_type": "note", "product": ""}] * 1)
    project.run()
    project.sheet([{"id": "a", "content_type": "note", "product": "a"}, {"id": "x", "content_type": "note"}])
    project.run()
    (record,) = [r for r in project.records(project.newest()) if r.outcome == "invalid"]
    assert (record.row, record.source.line, record.errors[0].source.line) == (1, 3, 3)


def test_failed_rows_are_made_again_by_the_same_command(project: Project) -> None:
    first = project.run(lambda prompt: fault("out_of_memory") if "lamp" in prompt.messages[-1].content else GOOD)
    assert first.outcomes == {"accepted": 2, "failed": 1}
    assert not project.has_nothing_to_do()
    second = project.run()
    assert (second.outcomes, second.taken_over, len(project.prompts)) == ({"accepted": 3}, 2, 1)


def test_there_is_nothing_to_do_only_while_nothing_has_changed(project: Project) -> None:
    assert not project.has_nothing_to_do()
    interrupted(project, 1)
    assert not project.has_nothing_to_do()
    project.run()
    assert project.has_nothing_to_do()
    project.set("run", seed=3)
    assert not project.has_nothing_to_do()
    project.run()
    assert project.has_nothing_to_do()
    project.products("kettle")
    assert not project.has_nothing_to_do()


def test_the_newest_run_is_taken_though_many_began_in_the_same_minute(project: Project) -> None:
    made = []
    for seed in range(6):
        project.set("run", seed=seed)
        made.append(project.run().run_id)
        assert project.has_nothing_to_do()
    assert [file.run_id for file in runs(project.out)] == made[::-1]
    assert find_run(project.out, None)[1].run_id == made[-1]


def test_new_makes_everything_afresh(project: Project) -> None:
    first = project.run()
    second = project.run(mode="new")
    assert (second.earlier, second.taken_over, len(project.prompts)) == ({}, 0, 3)
    assert second.run_id != first.run_id


def test_a_limit_takes_the_first_rows_and_the_rest_comes_later(project: Project) -> None:
    assert project.run(limit=2).outcomes == {"accepted": 2}
    assert not project.has_nothing_to_do()
    assert (project.run().taken_over, len(project.prompts)) == (2, 1)


def test_resume_without_an_earlier_run_says_where_it_looked(project: Project) -> None:
    project.out.mkdir()
    with pytest.raises(UsageError) as error:
        project.run(mode="resume")
    assert str(error.value) == (
        f"--resume: found no run of {project.folder}/briefs.csv under {project.out}; expected an earlier run. "
        "Leave --resume out."
    )


def test_a_run_of_another_sheet_is_not_gone_on_with(project: Project) -> None:
    interrupted(project, 1)
    project.sheet_name = "others.csv"
    project.products("kettle", "lamp", "stool")
    assert project.run().taken_over == 0
    assert len(runs(project.out)) == 2


def test_a_run_that_another_process_writes_is_locked(project: Project) -> None:
    file = interrupted(project, 1)
    with (
        Store.open(project.out / file.run_id),
        pytest.raises(RunLocked, match=r"Wait until it has ended, or stop it\."),
    ):
        project.run()
    assert project.run().status == "finished"


def test_run_json_holds_all_that_decided_the_results(project: Project) -> None:
    file = project.run()
    path = project.folder / "briefs.csv"
    assert file == read_run(project.out / file.run_id)
    assert [(f.path, f.digest, f.bytes) for f in file.inputs] == [(str(path), digest_file(path), path.stat().st_size)]
    assert file.templates == {"note": project.packs()["note"].type.digest}
    assert (file.model.digest, file.settings.run.max_attempts) == (digest("scripted"), 3)
    assert {name: digest(info) for name, info in file.engines.items()} == {name: name for name in file.engines}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", file.finished_at)
    for output in file.outputs:
        found = project.out / file.run_id / output.path
        assert (output.digest, output.bytes) == (digest_file(found), found.stat().st_size)
    assert file.finished_at >= file.started_at
    assert (project.out / file.run_id / "report.md").read_text("utf-8") == report(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected version 1. Restore it from a copy, or move its folder away."),
        ('{"run_id": 3}', "expected version 1. Restore it from a copy, or move its folder away."),
    ],
)
def test_a_run_whose_run_json_cannot_be_read_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(StoreError) as error:
        find_run(tmp_path, str(tmp_path))
    assert str(error.value).startswith(str(tmp_path / "run.json"))
    assert str(error.value).endswith(message)


def test_a_name_that_is_no_runs_is_told_with_the_nearest_run(project: Project) -> None:
    run_id = project.run().run_id
    for name, hint in ((run_id[:-2], f" Did you mean '{run_id}'?"), (str(project.folder), "")):
        with pytest.raises(UsageError) as error:
            find_run(project.out, name)
        assert str(error.value) == (
            f"RUN: found {shown(name)}, which is no run; expected a run under {project.out}, or a run's folder. "
            f"Correct it, or name the folder of its runs with --out.{hint}"
        )


def test_no_run_at_all_says_how_to_start_or_find_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        find_run(tmp_path / "outputs", None)
    assert str(error.value) == (
        f"{tmp_path}/outputs: found no run; expected a run's folder. "
        "Start one with `aigc run`, or name the folder of your runs with --out."
    )
