"""Runs whose texts an editor has decided on, made as a user makes them but for the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from small_project import Project, small_project

from aigc.past import Past, open_past
from aigc.provenance import RunFile
from aigc.records import OutputValue, Prompt
from aigc.review.decisions import Decision, Verb
from aigc.review.intake import Offered, Reading, open_reviewed, take
from aigc.review.ledger import Source
from aigc.training_data.making import Order, make
from aigc.training_data.reading import TrainingData, open_training_data
from aigc.training_data.writing import Made

NAMES = ("kettle", "lamp", "stool", "basket", "ladder", "mirror", "pillow", "teapot", "wallet", "zipper", "anchor",
         "bucket")
WORDS = ("steel holds water well", "light falls on the desk", "wood from old oak trees", "reed woven by the sea",
         "steps for a high shelf", "glass with a dark frame", "down that stays soft", "clay fired twice over",
         "leather that ages well", "brass teeth that close", "iron for the harbour", "zinc that never rusts")
AT = "2026-11-28T17:00:00.000+00:00"


def text_of(name: str) -> str:
    """A note of each product's own that the filters accept."""
    words = WORDS[NAMES.index(name)]
    return f"The {name} is made for use: {words}, and {words[::-1]} is what its maker says of it every single day."


def product_in(prompt: Prompt) -> str:
    return next(name for name in NAMES if f"about {name}." in prompt.messages[-1].content)


def answer(prompt: Prompt) -> str:
    """The note that a prompt asks for."""
    return text_of(product_in(prompt))


def project_of(folder: Path, names: Sequence[str] = NAMES) -> Project:
    project = small_project(folder)
    project.products(*names)
    return project


def past_of(project: Project, file: RunFile) -> Past:
    return open_past(project.out / file.run_id)


def decide(
    project: Project, file: RunFile, name: str, verb: Verb, *, text: str = "", reason: str = "", editor: str = "Ana",
    fields: dict[str, OutputValue] | None = None, base: str = "",
) -> None:
    """An editor's decision on the text of a brief, imported as one from a file is."""
    folder = project.out / file.run_id
    reviewed = open_reviewed(folder, file.run_id)
    original = next(row for row in reviewed.originals.values() if row.brief_id == name)
    decision = Decision(record_id=original.record_id, run_id=file.run_id, verb=verb, editor=editor, at=AT,
                        base=base or original.base, text=text, fields=fields or {}, reason=reason)
    taken = take(reviewed, Reading([Offered(place="line 2", decision=decision)], [], []),
                 Source(name="decisions.jsonl", digest=f"sha256:{name}{verb}{editor}", imported_at=AT))
    assert [problem.code for problem in taken.problems if problem.code != "conflict"] == []


def made_of(project: Project, *files: RunFile, **changes: object) -> tuple[Made, TrainingData]:
    """The data of runs, and the same read back."""
    runs = [project.out / file.run_id for file in files]
    order = Order(**{"runs": runs, "out": project.folder / "data", **changes})  # type: ignore[arg-type]
    made = make(order)
    return made, open_training_data(made.folder)
