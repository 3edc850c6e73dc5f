"""A reviewed run to export, and what came of an export."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from editing import decide, today
from small_project import GOOD, Project

from aigc.provenance import RunFile
from aigc.publishing.exporting import Format, Issued, Order, export_texts
from aigc.publishing.values import Kind
from aigc.records import Prompt

EDITED = "A kettle, in an editor's words:\nwith <w:p> & \"quotes\" in it."
CARD = {
    "toml": """
        title = "Card"
        languages = ["en", "zh"]
        [fields.product]
        required = true
        [output]
        format = "json"
        [output.fields.headline]
        type = "text"
        [output.fields.points]
        type = "list"
        max_items = 3
    """,
    "system_j2": "You write cards.\n",
    "user_j2": "A card about {{ product }}.\n",
    "layout_j2": "{{ headline | upper }}\n\n{% for point in points %}* {{ point }}\n{% endfor %}",
}
SOFFICE = shutil.which("soffice")
HAS_WRITER = SOFFICE is not None and any(Path(SOFFICE).resolve().parent.glob("libswlo.*"))
"""Calc alone opens no documents."""


def answer(prompt: Prompt) -> str:
    asked = prompt.messages[-1].content
    if "A card about" in asked:
        return json.dumps({"headline": "Slow water", "points": ["a litre", "a thin stream"]})
    return "这盏灯很亮，照着书桌，也照着窗外的雪。" if "灯" in asked else f"={GOOD}" if "stool" in asked else GOOD


def reviewed(project: Project) -> RunFile:
    """Kettle is edited, the lamp and the card approved, of the stool nobody said anything."""
    file = project.run(answer)
    decide(project, file, "kettle", "edit", text=EDITED)
    decide(project, file, "灯/../../x", "approve")
    decide(project, file, "card", "approve")
    return file


def exported(project: Project, file: RunFile, *formats: Format, kind: Kind = "approved", to: Path | None = None
             ) -> Issued:
    order = Order(folder=project.out / file.run_id, kind=kind, formats=[*formats] or ["jsonl"], to=to)
    return export_texts(order, today(project))


def lines(issued: Issued, name: str = "approved.jsonl") -> dict[str, Any]:
    rows = map(json.loads, (Path(issued.folder) / name).read_text("utf-8").splitlines())
    return {row["id"]: row for row in rows}


def word(project: Project, file: RunFile, name: str = "note.docx") -> str:
    """The document's own part."""
    issued = exported(project, file, "docx", to=project.folder / "site")
    with zipfile.ZipFile(Path(issued.folder) / "docx" / name) as package:
        return package.read("word/document.xml").decode("utf-8")
