"""Published texts as Markdown: a file for each, in a folder for each content type, with front matter."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from aigc.content import Disclosure
from aigc.labels.front_matter import with_label
from aigc.labels.visible import words_for
from aigc.publishing.prose import with_hard_breaks
from aigc.publishing.values import Issue, Published

SLUG_CHARS = 40
_OUTSIDE = re.compile(r"[^a-z0-9]+")
_YAML_BREAKS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
"""What a quoted text of YAML may not hold as it is, beside what JSON escapes (YAML 1.2, 5.1 and 5.4)."""


def write_markdown(issue: Issue) -> list[Path]:
    """A file for each text: `markdown/<content type>/<id>-<hash>.md`. Each has the hidden label of its own number."""
    written: list[Path] = []
    for row in issue.rows():
        folder = issue.folder / "markdown" / slug(row.content_type)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{file_name(row)}.md"
        text = "\n".join(["---", *_front_matter(row, issue.run_id), "---", "", with_hard_breaks(row.text), "",
                          *_label(row, issue)])
        if issue.label:
            text = with_label(text, issue.label.numbered(row.record_id), path.name)
        path.write_bytes(text.encode("utf-8", "backslashreplace"))
        written.append(path)
    return written


def _label(row: Published, issue: Issue) -> list[str]:
    """What is said at the foot of a file whose text does not say it, as Word documents do at their head."""
    is_silent = issue.visible != "off" and not row.disclosure
    return [words_for(Disclosure(), row.language), ""] if is_silent else []


def file_name(row: Published) -> str:
    """A name that every file system takes, whatever an id holds: what is readable of it, and a hash of the record."""
    number = hashlib.sha256(f"{row.record_id}\n{row.id}\n{row.variant}".encode("utf-8", "replace")).hexdigest()[:12]
    return f"{slug(row.id)}-{number}"


def slug(name: str) -> str:
    """Letters and digits of ASCII, parted by hyphens; `text` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _OUTSIDE.sub("-", plain)[:SLUG_CHARS].strip("-") or "text"


def _front_matter(row: Published, run_id: str) -> Iterator[str]:
    made = row.provenance
    for name, text in (
        ("title", row.name), ("id", row.id), ("content_type", row.content_type), ("language", row.language),
        ("record_id", row.record_id), ("run_id", run_id), ("model", made.model),
        ("digital_source_type", made.digital_source_type), ("edit_source_type", made.edit_source_type),
        ("human_oversight", made.human_oversight),
    ):
        if text:
            yield f"{name}: {_quoted(text)}"
    yield f"variant: {row.variant}"
    if made.decisions:
        yield "decisions:"
        yield from (f"- {_quoted(digest)}" for digest in made.decisions)


def _quoted(text: str) -> str:
    """A text in double quotes, whose escapes are those of JSON."""
    return _YAML_BREAKS.sub(lambda char: f"\\u{ord(char[0]):04x}", json.dumps(text, ensure_ascii=False))
