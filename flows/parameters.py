"""What a flow can be asked for. Prefect's pages make a form of these models: each field's words, limits and choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from aigc.runs import Mode
from aigc.settings_reading import Table
from aigc.start import Request

Briefs: TypeAlias = Annotated[
    str,
    Field(min_length=1, title="Briefs", examples=["inputs/briefs.csv"], description=(
        "The sheet: .csv .tsv .xlsx .jsonl .parquet, or a folder of Parquet. "
        "Paths are relative to the flow's working folder."
    )),
]
Sheets: TypeAlias = Annotated[
    str,
    Field(min_length=1, title="Sheets", examples=["inputs", "inputs/spring-*.csv"], description=(
        "A folder, whose sheets are made in the order of their names, or a pattern such as inputs/spring-*.csv."
    )),
]
_TABLES = {
    "run": ("out", "model", "templates", "variants", "seed", "strict"),
    "input": ("content_type", "columns"),
    "engine": ("adapter", "on", "ray_address"),
}
"""The table of settings that each option is a key of."""


class RunOptions(BaseModel):
    """As the options of `aigc run`. What is left empty is decided by the environment and aigc.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Run")

    out: str | None = Field(default=None, title="Results", description="Folder of the runs. Default: outputs.")
    model: str | None = Field(
        default=None, description="Catalogue name, Hugging Face id, local folder, or a server's name."
    )
    adapter: str | None = Field(default=None, description="Folder of a LoRA to merge into the model.")
    on: Literal["local", "ray"] | None = Field(
        default=None, description="Where the model runs: this machine, or the machines of a Ray cluster."
    )
    ray_address: str | None = Field(
        default=None, title="Ray address", description="The Ray cluster: auto, local or HOST:PORT."
    )
    templates: str | None = Field(default=None, description="Folder of template packs. Default: ./templates.")
    content_type: str | None = Field(default=None, title="Content type", description="Type of rows that name none.")
    columns: dict[str, str] | None = Field(
        default=None, examples=[{"product": "Title"}], description="The sheet's column that holds a field, by field."
    )
    variants: int | None = Field(default=None, ge=1, description="Texts for each brief that names no number.")
    limit: int | None = Field(
        default=None, ge=1, description="Only the first rows of the sheet. Such a run is not published."
    )
    seed: int | None = Field(default=None, ge=0, lt=2**53, description="Another seed gives other texts.")
    strict: bool = Field(default=False, description="Run nothing if any row is bad.")
    mode: Mode = Field(default="auto", description=(
        "Go on with an earlier run where there is one (auto), insist on one (resume), or start afresh (new)."
    ))
    override_policy: str | None = Field(
        default=None, title="Set the policy aside", description="Why the policy is set aside for this run."
    )
    config: str | None = Field(default=None, description="Settings file. Default: ./aigc.toml where there is one.")

    def request(self, briefs: str) -> Request:
        """The request for `briefs` that these options make."""
        return Request(briefs=briefs, config=self.config or "", overrides=self._overrides(), limit=self.limit,
                       mode=self.mode, override_policy=self.override_policy)

    def _overrides(self) -> dict[str, Table]:
        tables = {table: {name: value for name in names if (value := getattr(self, name)) not in (None, False)}
                  for table, names in _TABLES.items()}
        return {name: table for name, table in tables.items() if table}


def options_of(request: Request) -> RunOptions:
    """The options that make `request`."""
    own = {"config": request.config or None, "limit": request.limit, "mode": request.mode,
           "override_policy": request.override_policy}
    return RunOptions.model_validate(own | _flat(request.overrides))


def _flat(overrides: Mapping[str, Table]) -> Table:
    """Settings and options share their names; the model refuses one that it lacks."""
    return {name: value for table in overrides.values() for name, value in table.items()}


class Tries(BaseModel):
    """What is done about errors that pass: no memory left, a disk or a server that does not answer.

    Errors of sheets, settings and templates are not tried again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, title="Tries")

    again: int = Field(
        default=0, ge=0, le=10, description="Times that a sheet is tried again. Rows made so far are kept."
    )
    wait_s: float = Field(default=60.0, ge=0.0, le=3600.0, title="Wait", description=(
        "Seconds before the first new try, twice as many before each further one; half of it more or less by chance."
    ))


class Publishing(BaseModel):
    """Where accepted texts go when a run has finished."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Publishing")

    folder: str | None = Field(default=None, description=(
        "Folder that others read: each finished run's accepted files are copied to a folder of its own there, "
        "as a whole, its manifest last. Nothing is published without it, nor of a run with a limit."
    ))


class Alerts(BaseModel):
    """What the server's automations are told of."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Alerts")

    least_accepted: float = Field(default=0.0, ge=0.0, le=1.0, title="Least accepted", description=(
        "Share of a run's texts from 0 to 1. A run with fewer accepted sends the event aigc.run.low_acceptance."
    ))


RUN, PUBLISHING, TRIES, ALERTS = RunOptions(), Publishing(), Tries(), Alerts()
NIGHTLY_TRIES, NIGHTLY_ALERTS = Tries(again=2), Alerts(least_accepted=0.5)
