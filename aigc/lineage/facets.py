"""OpenLineage's values as far as a run has something to say: an event, its job, run, data sets, and their facets.

The names of keys and the versions of schemas are the specification's (OpenLineage 2-0-2), one version a facet.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import UNSET, UnsetType, field

from aigc import __version__
from aigc.records import Value

PRODUCER = f"pkg:generic/aigc@{__version__}"
"""Who says it: a package URL, since a producer is told as a URI."""
EVENT_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

EventType: TypeAlias = Literal["START", "COMPLETE", "ABORT", "FAIL"]


def _of(version: str, name: str) -> Any:
    return _at(f"https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}")


def _at(schema: str) -> Any:
    return field(default=schema, name="_schemaURL")


class Facet(Value, frozen=True, kw_only=True, rename="camel"):
    """What every facet has: who says it, and the schema that it keeps to."""

    producer: str = field(default=PRODUCER, name="_producer")
    schema_url: str = _at("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/BaseFacet")


class NominalTime(Facet, frozen=True, kw_only=True, rename="camel"):
    nominal_start_time: str
    nominal_end_time: str | UnsetType = UNSET
    schema_url: str = _of("1-0-1", "NominalTimeRunFacet")


class ParentRunId(Value, frozen=True, rename="camel"):
    run_id: str


class JobName(Value, frozen=True):
    namespace: str
    name: str


class Parent(Facet, frozen=True, kw_only=True, rename="camel"):
    run: ParentRunId
    job: JobName
    schema_url: str = _of("1-2-0", "ParentRunFacet")


class ErrorMessage(Facet, frozen=True, kw_only=True, rename="camel"):
    message: str
    programming_language: str = "Python"
    schema_url: str = _of("1-0-1", "ErrorMessageRunFacet")


class ProcessingEngine(Facet, frozen=True, kw_only=True, rename="camel"):
    version: str = __version__
    name: str = "aigc"
    openlineage_adapter_version: str = field(default=__version__, name="openlineageAdapterVersion")
    schema_url: str = _of("1-1-1", "ProcessingEngineRunFacet")


class Generation(Facet, frozen=True, kw_only=True, rename="camel"):
    """The house's own facet: what a run of generation is and made, for which OpenLineage has no words.

    Counts, digests and names of content types; nothing of a brief, a prompt or a text.
    """

    run_id: str
    job_digest: str
    seed: str
    """As text: a reader of JSON would round it."""
    max_attempts: int
    variants: int
    templates: dict[str, str]
    """Digests of the content types' files."""
    rows: int | UnsetType = UNSET
    outcomes: dict[str, int] | UnsetType = UNSET
    taken_over: int | UnsetType = UNSET
    tokens_in: int | UnsetType = UNSET
    tokens_out: int | UnsetType = UNSET
    schema_url: str = _at("urn:aigc:lineage:GenerationRunFacet:1-0-0")


class RunFacets(Value, frozen=True, kw_only=True, rename="camel"):
    nominal_time: NominalTime
    aigc_generation: Generation = field(name="aigc_generation")
    processing_engine: ProcessingEngine = field(default_factory=ProcessingEngine, name="processing_engine")
    parent: Parent | UnsetType = UNSET
    error_message: ErrorMessage | UnsetType = UNSET


class RunOfJob(Value, frozen=True, kw_only=True, rename="camel"):
    run_id: str
    facets: RunFacets


class JobType(Facet, frozen=True, kw_only=True, rename="camel"):
    processing_type: Literal["BATCH"] = "BATCH"
    integration: str = "AIGC"
    job_type: str = "GENERATION"
    schema_url: str = _of("2-0-4", "JobTypeJobFacet")


class JobFacets(Value, frozen=True, rename="camel"):
    job_type: JobType = JobType()


class Job(Value, frozen=True):
    namespace: str
    name: str
    facets: JobFacets = JobFacets()


class SchemaField(Value, frozen=True):
    name: str
    type: str
    fields: list[SchemaField] | UnsetType = UNSET


class Schema(Facet, frozen=True, kw_only=True, rename="camel"):
    fields: list[SchemaField]
    schema_url: str = _of("1-2-0", "SchemaDatasetFacet")


class DataSource(Facet, frozen=True, kw_only=True, rename="camel"):
    name: str
    uri: str
    schema_url: str = _of("1-0-1", "DatasourceDatasetFacet")


class Version(Facet, frozen=True, kw_only=True, rename="camel"):
    dataset_version: str
    schema_url: str = _of("1-0-1", "DatasetVersionDatasetFacet")


class DatasetType(Facet, frozen=True, kw_only=True, rename="camel"):
    dataset_type: Literal["FILE", "MODEL"]
    schema_url: str = _of("1-0-1", "DatasetTypeDatasetFacet")


class DatasetFacets(Value, frozen=True, kw_only=True, rename="camel"):
    dataset_type: DatasetType
    data_source: DataSource | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    schema: Schema | UnsetType = UNSET


class InputStatistics(Facet, frozen=True, kw_only=True, rename="camel"):
    size: int
    file_count: int = 1
    schema_url: str = _of("1-0-0", "InputStatisticsInputDatasetFacet")


class InputFacets(Value, frozen=True, rename="camel"):
    input_statistics: InputStatistics


class InputDataset(Value, frozen=True, rename="camel"):
    namespace: str
    name: str
    facets: DatasetFacets
    input_facets: InputFacets | UnsetType = UNSET


class OutputStatistics(Facet, frozen=True, kw_only=True, rename="camel"):
    size: int
    row_count: int | UnsetType = UNSET
    file_count: int = 1
    schema_url: str = _of("1-0-2", "OutputStatisticsOutputDatasetFacet")


class OutputFacets(Value, frozen=True, rename="camel"):
    output_statistics: OutputStatistics


class OutputDataset(Value, frozen=True, rename="camel"):
    namespace: str
    name: str
    facets: DatasetFacets
    output_facets: OutputFacets | UnsetType = UNSET


class Event(Value, frozen=True):
    """A RunEvent of OpenLineage: what becomes of one run of a job."""

    event_type: EventType = field(name="eventType")
    event_time: str = field(name="eventTime")
    run: RunOfJob
    job: Job
    inputs: list[InputDataset]
    outputs: list[OutputDataset]
    producer: str = PRODUCER
    schema_url: str = field(default=EVENT_SCHEMA, name="schemaURL")
