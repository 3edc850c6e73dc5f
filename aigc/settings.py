"""Settings, read once: command line > environment `AIGC_*` > aigc.toml > template pack > default.

Every stage is given its own part; none is given the whole.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from aigc.records import Sampling, Value

FilterTables: TypeAlias = dict[str, dict[str, bool | int | float | str | list[str]]]
DEFAULT_MODEL = "smollm2-135m-instruct"
NOT_SETTINGS = frozenset({"AIGC_CACHE"})
"""Variables that tell where things lie, not what a run does."""


class RunSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What a run is. Paths are relative to the working folder."""

    out: str = "outputs"
    publish_to: str = ""
    """Shared storage, `s3://bucket/folder`, that runs are copied to while they are made. An `out` of this form sets it,
    and the runs are made in a folder under .aigc/shared."""
    model: str = DEFAULT_MODEL
    templates: str = ""
    corpus: str = ".aigc/corpus"
    """Texts that were published before, with which new ones are compared."""
    variants: int = 1
    seed: int = 0
    max_attempts: int = 3
    feedback: bool = True
    """Whether a retry is told what was wrong with the text before."""
    strict: bool = False
    describe_form: Literal["auto", "yes", "no"] = "auto"
    """Whether prompts say what the answer's fields are; `auto` spares models too small to follow it."""
    best_of: int = 1
    """Texts that pass before a row takes the best of them."""
    score: Literal["", "logprob", "judge"] = ""
    """What the best is told by, beside verdicts."""
    max_tokens_per_text: int = 0
    """Tokens that all attempts of one row may take together; 0 for no limit but that of attempts."""
    shard_rows: int = 0
    """Rows a Prefect task takes; 0 chooses so that a run has at most 500 tasks."""


class SkipRule(Value, frozen=True, forbid_unknown_fields=True):
    """Rows to leave out: where `column` is blank, or equals a value. Skipped rows are counted, never silent."""

    column: str
    blank: bool = False
    equals: str | None = None


class InputSettings(Value, frozen=True, forbid_unknown_fields=True):
    """How a sheet is read. `columns` maps a field to the heading of the column that holds it."""

    content_type: str = ""
    language: str = ""
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    columns: dict[str, str] = {}
    skip: list[SkipRule] = []
    strip_html: bool = True
    max_cell_chars: int = 100_000
    injection: Literal["quarantine", "fence", "flag", "off"] = "quarantine"
    """What becomes of a row whose cells speak to the model: no brief, fenced in as data, only told, not looked for."""


class EngineSettings(Value, frozen=True, forbid_unknown_fields=True):
    """How the model is run. `slots` 0 and `max_context` 0 are chosen from the machine and the model.

    `quantize` is what weights are rounded to as they are loaded; `adapter` the folder of a LoRA merged into them.
    `devices` are GPUs by their numbers, `"0,2"`; `processes` 0 is one on each of them, and one on a CPU.

    `on` ray runs it on the cluster at `ray_address`, as so many workers as `ray_workers` says: docs/clusters.md.

    `url` and what follows it are the openai engine's. The key is no setting: `key_variable` names where it is.
    """

    name: Literal["local", "openai", "scripted"] = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    slots: int = 0
    max_context: int = 0
    devices: str = "all"
    processes: int = 0
    trust_remote_code: bool = False
    quantize: Literal["", "int8", "int4", "fp8"] = ""
    adapter: str = ""
    on: Literal["local", "ray"] = "local"
    ray_address: str = "auto"
    ray_workers: int = 0
    url: str = ""
    concurrency: int = 32
    timeout_s: float = 300.0
    max_retries: int = 6
    key_variable: str = "OPENAI_API_KEY"

    @property
    def precision(self) -> str:
        """What the arithmetic is done in, as far as settings decide it: `bfloat16`, or `bfloat16+int8`."""
        return f"{self.dtype}+{self.quantize}" if self.quantize else self.dtype

    @property
    def here(self) -> EngineSettings:
        """The same engine on this machine, where it would be on a cluster's."""
        return msgspec.structs.replace(self, on="local")


class SafetySettings(Value, frozen=True, forbid_unknown_fields=True):
    """The classifier that reads texts for harm; none without a `model`. `required` holds texts that none has read.

    `actions` is what a category of the house asks for, by its name.
    """

    model: str = ""
    kind: str = "auto"
    required: bool = False
    threshold: float = 0.5
    actions: dict[str, Literal["off", "flag", "hold", "retry", "reject"]] = {}


class JudgeSettings(Value, frozen=True, forbid_unknown_fields=True):
    """The model that answers a content type's questions on its texts; without a name, the run's own."""

    model: str = ""


class LabelSettings(Value, frozen=True, forbid_unknown_fields=True):
    """Labels that say that texts are made by AI: docs/labels.md.

    `visible` sets aside what content types say of their label. `provider_code` is a provider's code of 27 characters,
    `producer` its name where it has none; `propagator` is either, of who passes the texts on, where that is another.
    """

    visible: Literal["by_type", "on", "off"] = "by_type"
    hidden: bool = True
    provider_code: str = ""
    producer: str = ""
    propagator: str = ""


class WatermarkSettings(Value, frozen=True, forbid_unknown_fields=True):
    """The mark that the sampler leaves in texts: docs/watermark.md. The key lies in a file, and is no setting."""

    on: bool = False
    key_file: str = ""
    context_tokens: int = 4


class SigningSettings(Value, frozen=True, forbid_unknown_fields=True):
    """Signatures of a run's manifest and files: docs/signing.md. Keys lie in files or devices, and are no settings.

    `identity` is a folder of `aigc keys new`; `certificate` with `key` or `callback` takes its place. `anchor` is a
    file of root certificates that signatures are checked against, where that is not the identity's.
    """

    enabled: bool = False
    identity: str = ".aigc/keys/default"
    certificate: str = ""
    key: str = ""
    callback: str = ""
    anchor: str = ""
    passphrase_variable: str = "SIGNING_PASSPHRASE"  # noqa: S105 - the name of a variable
    timestamp_url: str = ""


class TypePolicy(Value, frozen=True, forbid_unknown_fields=True):
    """What a run may do with one content type, beside what it may do in all. 0 is no limit."""

    max_rows: int = 0
    max_tokens: int = 0
    forbidden: list[str] = []


class PolicySettings(Value, frozen=True, forbid_unknown_fields=True):
    """What a run may do; it stops before the model is loaded where it would do more. 0 and [] are no limit.

    `max_rows` counts texts that are asked for, `max_tokens` what they could take at most, `budget_tokens` those of
    answers that one session makes.
    """

    max_rows: int = 0
    max_tokens: int = 0
    budget_tokens: int = 0
    content_types: list[str] = []
    forbidden: list[str] = []
    allow_override: bool = False


class LineageSettings(Value, frozen=True, forbid_unknown_fields=True):
    """Where OpenLineage events of a run go: to a server, a file or both; nowhere without either.

    `full_paths` false tells file names without their folders. The server's key is no setting: `key_variable` names
    where it is.
    """

    url: str = ""
    file: str = ""
    namespace: str = "aigc"
    timeout_s: float = 5.0
    full_paths: bool = True
    key_variable: str = "OPENLINEAGE_API_KEY"


class DatasetSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What the descriptions of a run's folder as a data set say that a run cannot know."""

    licence: str = ""
    creator: str = ""


class ReviewSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What a run writes for those who review its texts: docs/review.md. `page` is review.html."""

    page: bool = True


class MonitoringSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What a Prefect server is shown of a run's rows: docs/operations.md. `files_url` is where `run.out` is served.

    `price_per_gpu_hour` is of each GPU, or of a machine without any, in any currency; 0: costs are not told.
    """

    samples: Literal["none", "outcomes", "texts"] = "outcomes"
    files_url: str = ""
    price_per_gpu_hour: float = 0.0


class SamplingPatch(Value, frozen=True, forbid_unknown_fields=True):
    """The sampling values that a layer sets; the others come from the layer below."""

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: int | UnsetType = UNSET
    min_p: float | UnsetType = UNSET
    repetition_penalty: float | UnsetType = UNSET
    max_new_tokens: int | UnsetType = UNSET
    min_new_tokens: int | UnsetType = UNSET
    stop: list[str] | UnsetType = UNSET

    def over(self, sampling: Sampling) -> Sampling:
        """`sampling` with the values that this layer sets."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        return msgspec.structs.replace(sampling, **given)


class TypeSettings(Value, frozen=True, forbid_unknown_fields=True):
    """What aigc.toml changes for one content type."""

    sampling: SamplingPatch = SamplingPatch()
    filters: FilterTables = {}
    policy: TypePolicy = TypePolicy()


class Settings(Value, frozen=True, forbid_unknown_fields=True):
    run: RunSettings = RunSettings()
    input: InputSettings = InputSettings()
    engine: EngineSettings = EngineSettings()
    sampling: SamplingPatch = SamplingPatch()
    filters: FilterTables = {}
    safety: SafetySettings = SafetySettings()
    judge: JudgeSettings = JudgeSettings()
    policy: PolicySettings = PolicySettings()
    lineage: LineageSettings = LineageSettings()
    dataset: DatasetSettings = DatasetSettings()
    labels: LabelSettings = LabelSettings()
    watermark: WatermarkSettings = WatermarkSettings()
    signing: SigningSettings = SigningSettings()
    review: ReviewSettings = ReviewSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    types: dict[str, TypeSettings] = {}

    def sampling_for(self, content_type: str, pack: Sampling) -> Sampling:
        """Sampling of one type: its own table over the common one over the pack's."""
        own = self.types.get(content_type, TypeSettings()).sampling
        return own.over(self.sampling.over(pack))

    def filters_for(self, content_type: str, pack: FilterTables) -> FilterTables:
        """Filter tables of one type, merged key by key in the same order."""
        merged: FilterTables = {}
        for layer in (pack, self.filters, self.types.get(content_type, TypeSettings()).filters):
            for name, table in layer.items():
                merged[name] = {**merged.get(name, {}), **table}
        return merged
