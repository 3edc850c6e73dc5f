"""The hidden label in Markdown: a mapping `AIGC` in the front matter, which is YAML between two lines of dashes.

Only so much of YAML is read as labels are written in: a mapping of texts on lines of their own, or JSON on one line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from aigc.errors import LabelError
from aigc.labels.hidden import KEY, HiddenLabel, label_fields

_OPEN = re.compile("\ufeff?---[ \t]*(?:\r?\n|\\Z)")
_CLOSE = re.compile(r"^(?:---|\.\.\.)[ \t\r]*$", re.MULTILINE)
_KEY = re.compile(rf"""^(?:{KEY}|'{KEY}'|"{KEY}")[ \t]*:(.*)$""", re.MULTILINE)
_PAIR_LIKE = re.compile(r"""['"]?[\w-]+['"]?[ \t]*:""")
_INDENTED = re.compile(r"(?:[ \t]+\S.*|[ \t\r]*)(?:\n|\Z)")
_PAIR = re.compile(r"""[ \t]+(?P<quote>['"]?)(?P<name>\w+)(?P=quote)[ \t]*:(?:[ \t]+(?P<value>.*?))?[ \t]*""")


class _Block(NamedTuple):
    """A label's lines, `start:end` of the front matter, and what they say."""

    start: int
    end: int
    value: object


def labels_in(text: str, place: str) -> tuple[list[object], str]:
    """The labels of a Markdown text as they stand, and the text behind its front matter.

    Raises:
        LabelError: the front matter has no end.
    """
    matter, body, _ = _parts(text, place)
    return [block.value for block in _blocks(matter)], body


def with_label(text: str, label: HiddenLabel, place: str) -> str:
    """`text` with this label in its front matter, and no other: a file has one (GB 45438-2025, 6.1 c).

    Raises:
        LabelError: its front matter has no end.
    """
    newline = "\r\n" if "\r\n" in text[:4096] else "\n"
    written = newline.join([f"{KEY}:", *(f"  {name}: {_quoted(value)}" for name, value in label_fields(label).items())])
    matter, body, closing = _parts(text, place)
    if not closing:
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        return f"{mark}---{newline}{written}{newline}---{newline}{newline}{body.removeprefix(mark)}"
    kept = matter
    for block in reversed(_blocks(matter)):
        kept = kept[: block.start] + kept[block.end :]
    if kept and not kept.endswith("\n"):
        kept += newline
    head = text[: len(text) - len(body) - len(closing) - len(matter)]
    return f"{head}{kept}{written}{newline}{closing}{body}"


def _parts(text: str, place: str) -> tuple[str, str, str]:
    """Front matter, the text behind it, and the line that parts them; all is text where there is no front matter."""
    opening = _OPEN.match(text)
    if not opening:
        return "", text, ""
    closing = _CLOSE.search(text, opening.end())
    if not closing and not _PAIR_LIKE.match(text, opening.end()):
        return "", text, ""  # a rule across the page, as Markdown has it
    if not closing:
        found = "front matter that does not end (no second line of dashes)"
        raise LabelError(place, found, "front matter between two lines ---", "Restore the file, or add the line.")
    end = closing.end() + (1 if text[closing.end() : closing.end() + 1] == "\n" else 0)
    return text[opening.end() : closing.start()], text[end:], text[closing.start() : end]


def _blocks(matter: str) -> list[_Block]:
    blocks = []
    for key in _KEY.finditer(matter):
        end = min(key.end() + 1, len(matter))
        inline = key[1].strip()
        if inline and not inline.startswith("#"):
            blocks.append(_Block(key.start(), end, _scalar(inline)))
            continue
        lines = list[str]()
        while end < len(matter) and (line := _INDENTED.match(matter, end)):
            lines.append(line[0].rstrip())
            end = line.end()
        blocks.append(_Block(key.start(), end, _mapping(lines)))
    return blocks


def _mapping(lines: list[str]) -> object:
    """The pairs of a mapping's lines; a text, which is no label, where they are something else."""
    pairs: dict[str, str] = {}
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pair = _PAIR.fullmatch(line)
        if not pair or pair["name"] in pairs:
            return "\n".join(lines)
        pairs[pair["name"]] = _scalar(pair["value"] or "")
    return pairs


def _scalar(written: str) -> str:
    """The text of a YAML scalar on one line."""
    if written.startswith("'"):
        return re.sub(r"'[ \t]*(?:#.*)?\Z", "", written[1:]).replace("''", "'")
    if written.startswith('"'):
        try:
            return msgspec.json.decode(re.sub(r'"[ \t]+#.*\Z', '"', written), type=str)
        except msgspec.DecodeError:
            return written
    return written if written.startswith(("{", "[")) else re.split(r"[ \t]#", written, maxsplit=1)[0].rstrip()


def _quoted(value: str) -> str:
    """A text in single quotes, where only they have to be doubled. Without, YAML may read a number."""
    return "'" + value.replace("'", "''") + "'"
