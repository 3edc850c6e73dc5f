"""What becomes of a run, as OpenLineage events: from run.json alone, so that the same run gives the same bytes."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import UNSET

from aigc.arrow import record_schema
from aigc.errors import AigcError
from aigc.lineage import facets
from aigc.lineage.facets import DatasetFacets, Event, EventType, InputDataset, OutputDataset, SchemaField
from aigc.provenance import FileFacts, RunFile, now
from aigc.records import Value

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS = "records.parquet"


class ParentRun(Value, frozen=True):
    """The run that started this one, of whatever scheduler. `run_id` is a UUID."""

    namespace: str
    name: str
    run_id: str


def start_event(run: RunFile, parent: ParentRun | None = None) -> Event:
    """A session of the run begins. Each session is a run of its own to OpenLineage, which lets a run end but once."""
    return _event(run, "START", run.session_at or run.started_at, parent)


def complete_event(run: RunFile, parent: ParentRun | None = None) -> Event:
    """The run is finished, and its files stand in its folder."""
    return _event(run, "COMPLETE", run.finished_at, parent)


def fail_event(run: RunFile, message: str, parent: ParentRun | None = None) -> Event:
    """The session failed. `message` goes to the server: `failure` makes one that tells nothing of a text."""
    return _event(run, "FAIL", now(), parent, message)


def abort_event(run: RunFile, parent: ParentRun | None = None) -> Event:
    """Somebody stopped the session."""
    return _event(run, "ABORT", now(), parent)


def failure(exc: BaseException) -> str:
    """What may be told of an error. The house's own messages hold no prompt; of another's only its name is told."""
    return str(exc) if isinstance(exc, AigcError) else type(exc).__name__


def lineage_id(run: RunFile) -> str:
    """The session's UUID of version 7 (RFC 9562): its time, then a digest of what names it in place of chance."""
    session_at = run.session_at or run.started_at
    milliseconds = int(datetime.fromisoformat(session_at).timestamp() * 1000)
    digest = hashlib.sha256(f"{run.run_id} {session_at}".encode()).digest()
    number = milliseconds << 80 | int.from_bytes(digest[:10], "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=number & ~(0b11 << 62) | 0b10 << 62))


def _event(run: RunFile, kind: EventType, at: str, parent: ParentRun | None, message: str = "") -> Event:
    settings, is_done = run.settings.lineage, kind == "COMPLETE"
    generation = facets.Generation(
        run_id=run.run_id,
        job_digest=run.job,
        seed=str(run.settings.run.seed),
        max_attempts=run.settings.run.max_attempts,
        variants=run.settings.run.variants,
        templates=run.templates,
        rows=run.rows if is_done else UNSET,
        outcomes=run.outcomes if is_done else UNSET,
        taken_over=run.taken_over if is_done else UNSET,
        tokens_in=run.tokens_in if is_done else UNSET,
        tokens_out=run.tokens_out if is_done else UNSET,
    )
    session_at = run.session_at or run.started_at
    of_run = facets.RunFacets(
        nominal_time=facets.NominalTime(nominal_start_time=session_at, nominal_end_time=at if is_done else UNSET),
        aigc_generation=generation,
        parent=_parent(parent) if parent else UNSET,
        error_message=facets.ErrorMessage(message=_shortened(message, run)) if message else UNSET,
    )
    return Event(
        event_type=kind,
        event_time=at,
        run=facets.RunOfJob(run_id=lineage_id(run), facets=of_run),
        job=facets.Job(namespace=settings.namespace, name=f"generate.{Path(run.briefs).name}"),
        inputs=[*(_sheet(run, file) for file in run.inputs), *_models(run)],
        outputs=[_result(run, file) for file in run.outputs] if is_done else [_announced(run)],
    )


def _parent(parent: ParentRun) -> facets.Parent:
    job = facets.JobName(namespace=parent.namespace, name=parent.name)
    return facets.Parent(run=facets.ParentRunId(run_id=parent.run_id), job=job)


def _sheet(run: RunFile, file: FileFacts) -> InputDataset:
    name = str(Path(file.path).resolve()) if run.settings.lineage.full_paths else Path(file.path).name
    described = _file_facets(name, file.digest)
    statistics = facets.InputFacets(input_statistics=facets.InputStatistics(size=file.bytes))
    return InputDataset(namespace="file", name=name, facets=described, input_facets=statistics)


def _models(run: RunFile) -> Iterable[InputDataset]:
    """The model and its adapter: texts come from them as they come from the sheet."""
    parts = [(run.model.ref, run.model.digest)]
    if added := run.model.adapter:
        parts.append((added.path, added.digest))
    for ref, digest in parts:
        name = ref if run.settings.lineage.full_paths or not _is_path(ref) else Path(ref).name
        version = facets.Version(dataset_version=digest)
        of_model = DatasetFacets(dataset_type=facets.DatasetType(dataset_type="MODEL"), version=version)
        yield InputDataset(namespace="model", name=name, facets=of_model)


def _is_path(ref: str) -> bool:
    """Whether a model is named by where it lies; `org/name` is a name."""
    return ref.startswith(("/", ".", "~")) or ref.count("/") > 1 or ref.endswith(".gguf")


def _announced(run: RunFile) -> OutputDataset:
    name = _result_name(run, RECORDS)
    return OutputDataset(namespace="file", name=name, facets=_file_facets(name))


def _result(run: RunFile, file: FileFacts) -> OutputDataset:
    name = _result_name(run, file.path)
    rows = UNSET if file.rows is None else file.rows
    statistics = facets.OutputFacets(output_statistics=facets.OutputStatistics(size=file.bytes, row_count=rows))
    columns = _columns(record_schema()) if file.path == RECORDS else None
    described = _file_facets(name, file.digest, columns)
    return OutputDataset(namespace="file", name=name, facets=described, output_facets=statistics)


def _result_name(run: RunFile, file: str) -> str:
    """A result's path; without folders still under its run, since every run has files of these names."""
    if not run.settings.lineage.full_paths:
        return f"{run.run_id}/{file}"
    return str((Path(run.settings.run.out) / run.run_id / file).resolve())


def _file_facets(name: str, digest: str = "", columns: list[SchemaField] | None = None) -> DatasetFacets:
    uri = f"file://{quote(name)}" if name.startswith("/") else f"file:{quote(name)}"
    return DatasetFacets(
        dataset_type=facets.DatasetType(dataset_type="FILE"),
        data_source=facets.DataSource(name="file", uri=uri),
        version=facets.Version(dataset_version=digest) if digest else UNSET,
        schema=facets.Schema(fields=columns) if columns else UNSET,
    )


def _columns(arrow_fields: Iterable[pa.Field]) -> list[SchemaField]:
    return [_column(field.name, field.type) for field in arrow_fields]


def _column(name: str, kind: Any) -> SchemaField:
    import pyarrow as pa

    if pa.types.is_list(kind):  # the specification's own form of an array
        return SchemaField(name=name, type="array", fields=[_column("_element", kind.value_type)])
    if pa.types.is_struct(kind):
        return SchemaField(name=name, type="struct", fields=_columns(kind))
    return SchemaField(name=name, type=str(kind))


def _shortened(message: str, run: RunFile) -> str:
    """`message` without the folders that this run is known to lie in, where they are not to be told."""
    if run.settings.lineage.full_paths:
        return message
    out = Path(run.settings.run.out)
    folders = {str(Path(run.briefs).parent), str(out), str(out.resolve()), str(Path.cwd()), str(Path.home())}
    for folder in sorted(folders - {".", "/"}, key=len, reverse=True):
        message = message.replace(f"{folder}/", "")
    return message
