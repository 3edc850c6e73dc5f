"""An export of a finished run: chosen, written in every form asked for, signed where settings ask for it, placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import msgspec

from aigc.cells import cell_text, cut
from aigc.decided import Decided, read_decided
from aigc.errors import StoreError, UsageError
from aigc.export import PARQUET
from aigc.hashing import digest_file
from aigc.labels.hidden import label_of
from aigc.past import Past, open_past
from aigc.proof import open_run_signer
from aigc.provenance import FileFacts, now
from aigc.provenance.manifest import manifest_digest
from aigc.provenance.stamps import GENERATED
from aigc.publishing.markdown import write_markdown
from aigc.publishing.placing import placed
from aigc.publishing.selecting import Choice
from aigc.publishing.tables import write_csv, write_jsonl, write_parquet
from aigc.publishing.values import HUMAN_EDITS, STATEMENT, Issue, Kind, LeftOut, Published, Several, Statement
from aigc.publishing.word import write_word
from aigc.publishing.workbook import write_workbook
from aigc.records import Value
from aigc.settings import LabelSettings, Settings

if TYPE_CHECKING:
    from aigc.signing import AssetFacts

Format: TypeAlias = Literal["csv", "jsonl", "parquet", "markdown", "docx", "xlsx"]
FORMATS: tuple[Format, ...] = get_args(Format)
WRITERS: Mapping[Format, Callable[[Issue], list[Path]]] = {
    "csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet, "markdown": write_markdown, "docx": write_word,
    "xlsx": write_workbook,
}
_BESIDE = ".texts.jsonl"
"""What all formats are written from: the records are read once, and every file has the same texts."""


class Order(Value, frozen=True):
    """What a person asked for. `to` is where the export goes; by default a folder of its kind in the run's own."""

    folder: Path
    kind: Kind
    formats: list[Format]
    to: Path | None = None


class Issued(Value, frozen=True):
    """What came of it. `too_long` counts texts that a cell cannot hold, where only cells hold them."""

    folder: str
    statement: Statement
    left_out: list[LeftOut]
    too_long: int = 0
    several: list[Several] = []
    """Briefs of which more than one approved text is in it."""
    unseen: int = 0
    """Texts that nobody decided on and that have no visible label, unless settings leave labels out."""

    @property
    def lacks_approved(self) -> bool:
        """Whether a text was left out that an editor approved."""
        return any(one.code != "rejected" for one in self.left_out)


def export_texts(order: Order, settings: Settings) -> Issued:
    """Write the texts of a finished run that `order` asks for. `settings` say who signs, and whom labels name.

    Raises:
        UsageError: there is nothing to export, or something else stands where it should go.
        StoreError: the run or its ledgers were changed, or the disk refused.
        SettingsError, SigningError: what should sign does not.
    """
    past = open_past(order.folder)
    _refuse_changed(past, "Restore it from a copy. `aigc verify` tells which rows were changed.")
    decided = read_decided(order.folder)
    labels = _labels(past, settings.labels)
    choice = Choice(past, decided, order.kind, label_of(labels, past.run.run_id), labels.visible)
    signer = open_run_signer(settings)  # now: it may be gone, or have expired
    target = order.to or order.folder / order.kind
    with placed(target) as staging:
        issue, too_long = _gathered(choice, order, staging)
        paths = [path for kind in dict.fromkeys(order.formats) for path in WRITERS[kind](issue)]
        (staging / _BESIDE).unlink()
        at = now()
        asset = _asset(past, order.kind, at if choice.edited else "") if signer else None
        if signer and asset:
            paths += [made for path in [*paths] if (made := signer.sign_file(path, asset))]
        statement = _statement(past, decided, choice, at, [_facts(staging, path) for path in paths])
        (staging / STATEMENT).write_bytes(msgspec.json.format(msgspec.json.encode(statement), indent=2) + b"\n")
        if signer and asset:
            signer.sign_file(staging / STATEMENT, asset)
        _refuse_changed(past, "Rows were forgotten meanwhile: run the same command again.")
    return Issued(folder=str(target), statement=statement, left_out=choice.left_out, too_long=too_long,
                  several=choice.several if order.kind == "approved" else [],
                  unseen=choice.unseen if labels.visible != "off" else 0)


def _gathered(choice: Choice, order: Order, staging: Path) -> tuple[Issue, int]:
    """The chosen texts as what formats are written from, and how many are longer than a cell."""
    gathered, too_long = staging / _BESIDE, 0
    only_cells = not {"jsonl", "parquet", "markdown", "docx"} & {*order.formats}
    with gathered.open("wb") as file:
        for row in choice.rows():
            file.write(msgspec.json.encode(row) + b"\n")
            too_long += only_cells and _is_too_long(row)
    if not choice.texts:
        raise _nothing(choice)
    decoder = msgspec.json.Decoder(Published)

    def rows() -> Iterator[Published]:
        with gathered.open("rb") as file:
            yield from map(decoder.decode, file)

    issue = Issue(order.kind, choice.past.run.run_id, staging, rows, choice.label, choice.visible, choice.titles())
    return issue, too_long


def _is_too_long(row: Published) -> bool:
    return any(cut(text, "") != text for text in (row.text, *map(cell_text, row.fields.values())))


def _nothing(choice: Choice) -> UsageError:
    left = [*Counter(one.code for one in choice.left_out).items(), *choice.others.items()]
    found = ", ".join(f"{code} {count:,}" for code, count in left)
    what = "no text that stands approved" if choice.kind == "approved" else "no accepted text that editors leave"
    remedy = "Look at `aigc review status`; decisions come in with `aigc review import`."
    place = "--approved" if choice.kind == "approved" else "RUN"
    return UsageError(place, what + (f" ({found})" if found else ""), "a text to export", remedy)


def _refuse_changed(past: Past, remedy: str) -> None:
    """Raise StoreError where the records are not those of the run's statement: what is published must be proved."""
    told = {file.path: file.digest for file in past.run.outputs}.get(PARQUET)
    if digest_file(past.folder / PARQUET) != told:
        raise StoreError(str(past.folder / PARQUET), "other bytes than the run's manifest tells", "the records as made",
                         remedy)


def _labels(past: Past, today: LabelSettings) -> LabelSettings:
    """Today's settings of labels, where they say anything; else the run's own."""
    return today if today != LabelSettings() else past.run.settings.labels


def _asset(past: Past, kind: Kind, edited_at: str) -> AssetFacts:
    """What the sidecars of an export say."""
    from aigc.signing import AssetFacts

    return AssetFacts(
        run_id=past.run.run_id, digital_source_type=GENERATED, model=past.run.model.ref,
        model_digest=past.run.model.digest, created_at=past.run.finished_at,
        edit_source_type=HUMAN_EDITS if edited_at else "", edited_at=edited_at,
        oversight="human_validated" if kind == "approved" else "prompt_guided",
    )


def _statement(past: Past, decided: Decided, choice: Choice, at: str, files: Sequence[FileFacts]) -> Statement:
    return Statement(
        run_id=past.run.run_id, selection=choice.kind, manifest=manifest_digest(past.manifest_bytes),
        ledgers=dict(decided.heads), exported_at=at, rows=choice.total, texts=choice.texts, edited=choice.edited,
        left_out=dict(Counter(one.code for one in choice.left_out)),
        others={str(code): count for code, count in choice.others.items()}, files=[*files],
    )


def _facts(folder: Path, path: Path) -> FileFacts:
    return FileFacts(path=path.relative_to(folder).as_posix(), digest=digest_file(path), bytes=path.stat().st_size)
