"""Runs whose ids are as bad as ids can be, and their folders described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from small_project import GOOD, SHORT, Project, small_project

from aigc.dataset import write_descriptions
from aigc.provenance import FileFacts, RunFile
from aigc.records import Prompt

HOSTILE = [
    "a|b # x: {y: [z]}", "---", "<script>alert(1)</script>", "007", "`code` ``two``", "- [link](https://example.org)",
    '"quoted" \\ \'single\'', "!!python/object:os.system", "日本語 é \u202etxt \u2028 \x85", "=1+1",
]


@dataclass(frozen=True)
class Described:
    project: Project
    run: RunFile
    folder: Path
    written: list[FileFacts]


def described(project: Project, run: RunFile) -> Described:
    folder = project.out / run.run_id
    return Described(project, run, folder, write_descriptions(run, folder))


def a_project(folder: Path) -> Project:
    """Texts of two content types, one with fields of two kinds; a row that no attempt passes, and an invalid one."""
    project = small_project(folder)
    project.pack("list", toml="""
        title = "List"
        languages = ["zh"]
        [fields.product]
        required = true
        [output]
        format = "json"
        [output.fields.headline]
        help = "a headline"
        [output.fields.points]
        type = "list"
        help = "points"
    """, system_j2="You write lists.\n", user_j2="List {{ product }}.\n")
    rows = [{"id": name, "content_type": "note", "product": "kettle"} for name in HOSTILE]
    rows.append({"id": "list", "content_type": "list", "product": "lamp"})
    rows.append({"id": "short", "content_type": "note", "product": "stool"})
    rows.append({"id": "unknown", "content_type": "<b>no | type</b>", "product": "stool"})
    project.sheet(rows)
    return project


def script(prompt: Prompt) -> str:
    asked = prompt.messages[-1].content
    if "List" in asked:
        return '{"headline": "A lamp", "points": ["light", "warm"]}'
    return GOOD if "kettle" in asked else SHORT


def with_dataset(run: RunFile, **changes: object) -> RunFile:
    settings = run.settings
    return replace(run, settings=replace(settings, dataset=replace(settings.dataset, **changes)))
