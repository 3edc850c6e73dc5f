"""How a file gets labels that it lacks, by who wrote it: a run, an export of one, or anybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_RUN, _EXPORT = "run.json", "export.json"
_OF_RUNS = {"records.parquet", "accepted.csv", "accepted.jsonl", "rejected.csv"}
_DEEPEST_EXPORT = 3
"""Folders from a text of an export up to that of the whole: `accepted/markdown/ad-copy/a.md`."""
_SETTINGS = 'Set labels.visible = "on", and words in the content type\'s [disclosure] that name both.'


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedies:
    """What to do for a hidden label after settings were changed, for a visible one, and for a signature."""

    again: str
    visible: str
    sign: str


_BY_RUN = Remedies(
    again="Then run `aigc judge`, which writes a run's texts anew.",
    visible=f"{_SETTINGS} Then run `aigc judge`, which writes a run's texts anew.",
    sign="Sign the run: docs/signing.md.",
)
_BY_EXPORT = Remedies(
    again="Then run `aigc export` again.",
    visible=f"{_SETTINGS} Then run `aigc export` again; where texts have a label in other words, `aigc judge`, and "
            "export its run.",
    sign="Turn signing on and run `aigc export` again: docs/signing.md.",
)
_BY_OTHERS = Remedies(
    again="Then write the label into the file: docs/labels.md.",
    visible="Put it into each text that lacks it, at the start or the end.",
    sign="Whoever makes the file signs it; of runs and exports docs/signing.md tells how.",
)


def remedies_for(path: Path) -> Remedies:
    """The remedies of the file at `path`: a run's own file, one of an export, or one of unknown making."""
    here = path.absolute()
    if here.name in _OF_RUNS and (here.parent / _RUN).is_file():
        return _BY_RUN
    if any((folder / _EXPORT).is_file() for folder in here.parents[:_DEEPEST_EXPORT]):
        return _BY_EXPORT
    return _BY_OTHERS


def other_forms(path: Path) -> str:
    """Where texts of a CSV file can have a hidden label: files beside it, else another form of an export."""
    beside = [name for name in dict.fromkeys((path.with_suffix(".jsonl").name, "records.parquet"))
              if path.with_name(name).is_file()]
    if beside:
        return f"Hand on {' or '.join(beside)} beside it, which can carry it."
    if remedies_for(path) is _BY_EXPORT:
        return "Export another form of them too: `aigc export --format jsonl`."
    return "Hand the texts on in a form that can carry it, or the label beside them."
