"""An example to imitate, a pair to prefer by, a brief that is held out, and the statement of what they were made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from aigc.hashing import digest
from aigc.provenance import FileFacts
from aigc.records import Brief, Message, Prompt, Value
from aigc.settings import FilterTables

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
By: TypeAlias = Literal["editor", "filters", "user"]
"""Who let an answer pass: an editor, the filters alone, or the user whose dialogue it is."""
Kind: TypeAlias = Literal["edited_over_original", "accepted_over_rejected"]
SCHEMA = "aigc.training_data/2"
FIRST_SCHEMA = "aigc.training_data/1"
"""In which a run had one `ledger`, its own. It is read, and no longer written."""
STATEMENT, CARD, HELD_OUT = "dataset.json", "README.md", "held_out.jsonl"
EXAMPLES, PAIRS = "sft", "preferences"


class Example(Value, frozen=True):
    """A conversation whose answers are to be imitated. `messages` is the column that TRL reads.

    `source` is a record id, or `file.jsonl:12` of a dialogue. `group` names what is never in two splits.
    """

    messages: list[Message]
    by: By
    source: str
    group: str
    run_id: str = ""
    brief_id: str = ""
    content_type: str = ""
    language: str = ""
    edited: bool = False


class Pair(Value, frozen=True):
    """A better and a worse answer to one prompt. The first three are the columns that TRL reads."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    kind: Kind
    by: By
    reasons: list[str]
    """Why the worse one was refused: codes of filters or of editors; none of what an editor changed without one."""
    source: str
    rejected_source: str
    group: str
    run_id: str
    brief_id: str
    content_type: str
    language: str


class HeldOut(Value, frozen=True):
    """A held-out brief as it is put to a model, to compare what one writes with what another does."""

    source: str
    group: str
    run_id: str
    brief: Brief
    prompt: Prompt


class Judging(Value, frozen=True):
    """How a run judged its texts, as far as filters did: its templates, and each type's tables of thresholds."""

    templates: str
    template_digests: dict[str, str]
    filters: dict[str, FilterTables]
    visible: Literal["by_type", "on", "off"]


class RunSource(Value, frozen=True):
    """A run that rows came from.

    `ledgers` has, by run, the digest that stands for all decisions there: of this one, and of those before it whose
    decisions hold for its texts.
    """

    run_id: str
    manifest: str
    ledgers: dict[str, str]
    decisions: int
    model: str
    model_digest: str
    model_licence: str
    licence: str
    """Of the run's results, as its settings name it."""
    rehearsal: bool
    """Made by the scripted engine, which writes no content."""
    records: int
    """Rows of the run that had a part in the data."""


class DialogueSource(Value, frozen=True):
    """A file of dialogues that rows came from."""

    file: str
    digest: str
    dialogues: int
    bad_lines: int


class RowSource(Value, frozen=True):
    """Where a line of a file came from: its record id or place, and for a pair that of the worse answer too."""

    source: str
    rejected_source: str = ""


class Statement(Value, frozen=True):
    """dataset.json. The same sources under the same options give the same bytes, so it holds no time."""

    digest: str
    """Over the names and digests of all files: by this the data is known."""
    made_with: str
    """The version of aigc."""
    held_out: float
    """Share of briefs for each of validation and test."""
    reviewed_only: bool
    runs: list[RunSource]
    dialogues: list[DialogueSource]
    groups: dict[Split, int]
    """Briefs and dialogues in each split."""
    left_out: dict[str, int]
    """Rows that could have been examples and are none, by why."""
    files: list[FileFacts]
    rows: dict[str, list[RowSource]]
    """By file, the source of each line."""
    judging: dict[str, Judging]
    """By run, of those with a held-out brief."""
    schema: str = SCHEMA


def digest_of(files: Iterable[FileFacts]) -> str:
    """The digest by which data is known."""
    return digest([(file.path, file.digest) for file in files])
