"""What came from a cell, a setting or a folder's name, written so that it is only ever read as a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from aigc.errors import ascii_controls, writable


def yaml_text(text: str) -> str:
    """`text` as a double-quoted scalar of YAML, on one line.

    What does not print is escaped as YAML has it: a line break that Unicode knows and JSON does not would be folded.
    """
    quoted = writable(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(ch if ch.isprintable() else f"\\U{ord(ch):08X}" for ch in quoted) + '"'


def code(text: str) -> str:
    """`text` as a code span of Markdown, on one line: no markup, no HTML, no link."""
    plain = ascii_controls(writable(text))
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or not plain.strip() else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown. Cells are Markdown already (`code` of what came from elsewhere) but for bars."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    # A bar parts cells even inside a code span, unless a backslash stands before it.
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
