"""A published text, what is told of where it came from, and the statement on a whole export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from aigc.labels.hidden import KEY as HIDDEN_LABEL
from aigc.labels.hidden import HiddenLabel
from aigc.labels.visible import Visible
from aigc.provenance import FileFacts
from aigc.records import OutputValue, Value

Kind: TypeAlias = Literal["approved", "accepted"]
"""`approved`: what editors approve, with their edits. `accepted`: what filters accept and no editor refuses."""
STATEMENT = "export.json"
SIDECAR = ".c2pa"
FORGOTTEN = "forgotten"
"""The reason of rows whose brief was forgotten."""
SCHEMA = "aigc.export/1"
HUMAN_EDITS = "http://cv.iptc.org/newscodes/digitalsourcetype/humanEdits"
"""IPTC's term for augmentation, correction or enhancement by people, as the vocabulary has it since 2024-09-17.

Its `compositeWithTrainedAlgorithmicMedia` is the other way round: what was there before, changed by a model.
"""
Oversight: TypeAlias = Literal["none", "approved", "edited"]
LeftOutCode: TypeAlias = Literal["in_conflict", "text_changed", "templates_changed", "layout_failed", "rejected"]
"""Why a text is not published, stable for ever: its editors differ; it is another than was decided on; the templates
that would lay out its edited fields are others now, or fail on them; editors refused it."""


Other: TypeAlias = Literal["open", "rejected", "not_accepted", "no_text", "forgotten"]
"""What a row is that has no place in an export: nobody decided on its text; editors refused it; filters did not accept
it; there is none; it was forgotten."""


class Origin(Value, frozen=True):
    """Where a text came from. Names as in `aigc.stamped.Provenance`, but for two: `generated` and `edit_source_type`.

    No editor is named: the digests of `decisions` lead to them in the run's ledger.
    """

    record_id: str
    run_id: str
    """The run that made the record."""
    model: str
    model_digest: str
    template: str
    created_at: str
    digital_source_type: str
    """IPTC's term for how the text came into being. An edit changes nothing of that."""
    edit_source_type: str
    """IPTC's term for what was done to it since; empty where nothing was."""
    human_oversight: Oversight
    decisions: list[str]
    generated: str
    """Digest of the readable text as the model gave it, which is what was decided on."""
    output: str
    """Digest of the readable text as it stands here, without its label."""
    tokens_out: int = 0
    watermark: str = ""
    """Empty too where a person edited: whether enough of the mark is left, nobody knows."""


class Published(Value, frozen=True):
    """A line of the JSON Lines file. `text` is what readers are given, with its visible label, `disclosure`."""

    id: str
    variant: int
    content_type: str
    language: str
    text: str
    fields: dict[str, OutputValue]
    disclosure: str
    record_id: str
    provenance: Origin
    name: str = ""
    """What people call it: its product, its title, else what it is about. Empty where nothing says so."""
    hidden: HiddenLabel | UnsetType = msgspec.field(default=UNSET, name=HIDDEN_LABEL)

    @property
    def label_first(self) -> bool:
        """Whether the visible label stands before the text."""
        return bool(self.disclosure) and self.text.startswith(f"{self.disclosure}\n\n")

    @property
    def unlabelled(self) -> str:
        """The text without its visible label."""
        if not self.disclosure:
            return self.text
        return (self.text.removeprefix(f"{self.disclosure}\n\n") if self.label_first
                else self.text.removesuffix(f"\n\n{self.disclosure}"))


class LeftOut(Value, frozen=True):
    """A record that is not published, and why."""

    record_id: str
    brief_id: str
    variant: int
    code: LeftOutCode
    found: str

    @property
    def message(self) -> str:
        return f"{self.brief_id}/{self.variant} ({self.record_id}) is left out: {self.code}. {self.found}"


class Several(Value, frozen=True):
    """A brief of which more than one text is published."""

    brief_id: str
    texts: int


class Statement(Value, frozen=True):
    """export.json: what an export holds, of what run, by which decisions."""

    run_id: str
    selection: Kind
    manifest: str
    """Digest of the run's manifest.json."""
    ledgers: dict[str, str]
    """By run, the digest that stands for its ledger of decisions, of each that was looked at."""
    exported_at: str
    texts: int
    edited: int
    left_out: dict[str, int]
    """Texts that were left out though an editor decided on them, by code."""
    files: list[FileFacts]
    rows: int = 0
    """All rows of the run: `texts`, those of `left_out`, and those of `others`."""
    others: dict[str, int] = {}
    """Rows that were not asked for, by what they are: `Other`."""
    schema: str = SCHEMA


def files_told(statement: bytes) -> set[str]:
    """All files of an export, by its statement, which is one of them; none where it cannot be read."""
    try:
        files = msgspec.json.decode(statement, type=Statement).files
    except (msgspec.DecodeError, UnicodeDecodeError):
        return set()
    return {STATEMENT, f"{STATEMENT}{SIDECAR}", *(file.path for file in files)}


@dataclass(frozen=True)
class Issue:
    """What the writers of formats are given: texts, the name of their files, and the folder to write them into."""

    kind: Kind
    run_id: str
    folder: Path
    rows: Callable[[], Iterator[Published]]
    label: HiddenLabel | None
    """The hidden label of the run; each text has it under its own number."""
    visible: Visible = "by_type"
    titles: Mapping[str, str] = field(default_factory=dict)
    """What people call each content type, in the language of most of its texts."""
