"""Runs as OpenLineage events: held against the specification, the same for the same run, with nothing of a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from msgspec.structs import replace
from openlineage_schema import check, event_schema, facet_schema
from small_project import Project, small_project

from aigc.disk import json_bytes
from aigc.errors import EngineError
from aigc.lineage import Event, ParentRun, abort_event, complete_event, fail_event, failure, lineage_id, start_event
from aigc.provenance import AdapterFacts, ModelFacts, RunFile
from aigc.settings import LineageSettings

OWN = "urn:aigc:lineage:GenerationRunFacet:1-0-0"
PARENT = ParentRun(namespace="prefect", name="aigc-generate", run_id="0193f5a0-5a7c-7c7e-b3a6-5f1f2f0a9b11")
SECRET = "a secret garden"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, RunFile]:
    """A run in a folder whose name is no URI as it stands."""
    project = small(tmp_path_factory.mktemp("lineage") / "café {x} #1")
    return project, project.run()


@pytest.fixture
def run(finished: tuple[Project, RunFile]) -> RunFile:
    return finished[1]


def small(folder: Path) -> Project:
    folder.mkdir()
    return small_project(folder)


def decoded(event: Event) -> dict[str, Any]:
    return json.loads(json_bytes(event))


def lineage(run: RunFile, **changes: object) -> RunFile:
    settings = replace(run.settings.lineage, **changes)
    return replace(run, settings=replace(run.settings, lineage=settings))


def facets(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from event["run"]["facets"].values()
    yield from event["job"]["facets"].values()
    for dataset in [*event["inputs"], *event["outputs"]]:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from dataset.get(kind, {}).values()


def hold_against_the_specification(event: dict[str, Any]) -> None:
    check(event, event_schema())
    for facet in facets(event):
        schema = facet_schema(facet["_schemaURL"])
        assert schema or facet["_schemaURL"] == OWN, f"no facet of the specification: {facet['_schemaURL']}"
        if schema:
            check(facet, schema)


@pytest.mark.parametrize("full_paths", [True, False])
@pytest.mark.parametrize("make", [
    start_event,
    lambda run: start_event(run, PARENT),
    complete_event,
    lambda run: complete_event(run, PARENT),
    lambda run: fail_event(run, "model: found no room; expected 2 GB. Take a smaller one."),
    abort_event,
], ids=["start", "start of a parent's", "complete", "complete of a parent's", "fail", "abort"])
def test_events_keep_to_the_specification(run: RunFile, make: Any, *, full_paths: bool) -> None:
    event = decoded(make(lineage(run, full_paths=full_paths)))
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    hold_against_the_specification(event)


@pytest.mark.parametrize("broken", [
    lambda event: event.pop("schemaURL"),
    lambda event: event.update(eventType="DONE"),
    lambda event: event.update(eventTime="yesterday"),
    lambda event: event.update(producer="no uri"),
    lambda event: event["run"].update(runId="2026-11-24-0143-briefs-k3f9"),
    lambda event: event["job"].pop("name"),
    lambda event: event["outputs"][0].update(digest="sha256:0"),
    lambda event: event["run"]["facets"]["nominalTime"].pop("nominalStartTime"),
    lambda event: event["run"]["facets"]["nominalTime"].update(end="x"),
    lambda event: event["run"]["facets"]["nominalTime"].pop("_producer"),
    lambda event: event["outputs"][0]["outputFacets"]["outputStatistics"].update(rowCount="3"),
    lambda event: event["outputs"][0]["facets"]["schema"]["fields"][0].pop("name"),
    lambda event: event["inputs"][0]["facets"]["dataSource"].update(uri="/a path"),
])
def test_the_judge_refuses_a_broken_event(run: RunFile, broken: Any) -> None:
    event = decoded(complete_event(run))
    broken(event)
    with pytest.raises(jsonschema.ValidationError):
        hold_against_the_specification(event)


def test_the_same_run_gives_the_same_bytes(run: RunFile) -> None:
    assert json_bytes(start_event(run)) == json_bytes(start_event(run))
    assert json_bytes(complete_event(run)) == json_bytes(complete_event(run))


def test_a_session_has_one_id_which_tells_its_time_and_another_session_another(run: RunFile) -> None:
    first = replace(run, session_at="2026-11-24T01:43:00.123+00:00")
    uuid = UUID(lineage_id(first))
    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert uuid.int >> 80 == 1_795_484_580_123
    assert {decoded(make(first))["run"]["runId"] for make in (start_event, complete_event)} == {str(uuid)}
    assert lineage_id(replace(first, session_at="2026-11-24T02:00:00.000+00:00")) != lineage_id(first)
    assert lineage_id(replace(first, run_id="another")) != lineage_id(first)


def test_a_finished_run_tells_its_inputs_and_results(finished: tuple[Project, RunFile]) -> None:
    project, run = finished
    event = decoded(complete_event(run))
    sheet = project.folder / "briefs.csv"
    folder = project.out / run.run_id
    assert event["job"]["name"] == "generate.briefs.csv"
    told, model = event["inputs"]
    assert (told["namespace"], told["name"]) == ("file", str(sheet))
    assert told["facets"]["dataSource"]["uri"] == sheet.as_uri()
    assert told["facets"]["version"]["datasetVersion"] == run.inputs[0].digest
    assert told["inputFacets"]["inputStatistics"]["size"] == sheet.stat().st_size
    assert (model["namespace"], model["name"]) == ("model", "scripted")
    assert model["facets"]["version"]["datasetVersion"] == run.model.digest
    results = {Path(output["name"]).name: output for output in event["outputs"]}
    assert results.keys() == {file.path for file in run.outputs}
    records = results["records.parquet"]
    assert records["name"] == str(folder / "records.parquet")
    statistics = records["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (3, (folder / "records.parquet").stat().st_size)
    assert event["run"]["facets"]["aigc_generation"]["outcomes"] == run.outcomes


def test_the_schema_of_the_records_is_told_with_what_is_nested_in_it(run: RunFile) -> None:
    records = next(output for output in decoded(complete_event(run))["outputs"] if "records" in output["name"])
    columns = {field["name"]: field for field in records["facets"]["schema"]["fields"]}
    assert columns["row"] == {"name": "row", "type": "int64"}
    element, = columns["attempts"]["fields"]
    assert (columns["attempts"]["type"], element["name"], element["type"]) == ("array", "_element", "struct")
    assert {"name": "tokens_out", "type": "int64"} in element["fields"]


def test_a_beginning_tells_what_will_be_and_no_counts(run: RunFile) -> None:
    event = decoded(start_event(run))
    assert [Path(output["name"]).name for output in event["outputs"]] == ["records.parquet"]
    assert "outputFacets" not in event["outputs"][0]
    assert "outcomes" not in event["run"]["facets"]["aigc_generation"]


def test_a_parent_is_told_where_there_is_one(run: RunFile) -> None:
    assert "parent" not in decoded(start_event(run))["run"]["facets"]
    told = decoded(start_event(run, PARENT))["run"]["facets"]["parent"]
    assert (told["run"]["runId"], told["job"]["name"]) == (PARENT.run_id, "aigc-generate")


def test_events_tell_nothing_of_briefs_and_texts(tmp_path: Path) -> None:
    project = small(tmp_path / "secret")
    project.sheet([
        {"id": f"{SECRET} id", "content_type": "note", "product": SECRET},
        {"id": "2", "content_type": f"{SECRET} type", "product": "lamp"},
    ])
    run = project.run(lambda prompt: f"{SECRET} " * 15)
    for event in (start_event(run), complete_event(run), abort_event(run)):
        assert SECRET.encode() not in json_bytes(event)


def test_folders_are_left_out_where_they_are_not_to_be_told(finished: tuple[Project, RunFile]) -> None:
    project, run = finished
    model = ModelFacts(ref=f"{project.folder}/llama", digest="sha256:m", adapter=AdapterFacts(
        path=f"{project.folder}/lora", digest="sha256:a", base_digest="sha256:b"))
    shy = lineage(replace(run, model=model), full_paths=False)
    message = f"{project.folder}/briefs.csv: found no rows; expected one. See {project.out}/{run.run_id}/report.md."
    for event in (start_event(shy), complete_event(shy), fail_event(shy, message)):
        told = json_bytes(event).decode()
        assert [part for part in (str(project.folder), "café", "%C3%A9") if part in told] == []
    told = decoded(complete_event(shy))
    assert [dataset["name"] for dataset in told["inputs"]] == ["briefs.csv", "llama", "lora"]
    assert told["outputs"][0]["name"] == f"{run.run_id}/{run.outputs[0].path}"
    said = decoded(fail_event(shy, message))["run"]["facets"]["errorMessage"]["message"]
    assert said == f"briefs.csv: found no rows; expected one. See {run.run_id}/report.md."


def test_a_models_name_on_a_hub_is_no_folder(run: RunFile) -> None:
    named = lineage(replace(run, model=ModelFacts(ref="Qwen/Qwen3-4B", digest="sha256:m")), full_paths=False)
    assert decoded(start_event(named))["inputs"][-1]["name"] == "Qwen/Qwen3-4B"


def test_of_an_error_that_is_not_the_houses_only_the_name_is_told() -> None:
    own = EngineError("model", "no room", "2 GB", "Take a smaller one.")
    assert failure(own) == "model: found no room; expected 2 GB. Take a smaller one."
    assert failure(ValueError(f"cannot encode {SECRET!r}")) == "ValueError"


def test_the_settings_of_lineage_are_off_by_default() -> None:
    assert (LineageSettings().url, LineageSettings().file) == ("", "")
