"""Which column of a sheet holds which field.

A heading holds a field if `input.columns` says so, else if it is the field's name, else if it is the name but for case,
spaces, `_`, `-` and Unicode width, else if it is one of the field's aliases and no other field's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

from aigc.content import ContentType, FieldSpec
from aigc.errors import BriefsError, nearest, shown
from aigc.records import FieldValue
from aigc.settings import InputSettings
from aigc.sheets.cells import Convert, Problem, converter, identifier, phrases, whole_number

MAX_WORDS, MAX_VARIANTS = 100_000, 1000
BUILT_IN = {
    "id": FieldSpec(aliases=["Brief id", "编号"]),
    "content_type": FieldSpec(max_chars=200, aliases=["内容类型", "类型"]),
    "language": FieldSpec(max_chars=200, aliases=["Lang", "语言", "语种"]),
    "variants": FieldSpec(type="integer", aliases=["变体数"]),
    "tone": FieldSpec(aliases=["Tone of voice", "语气"]),
    "audience": FieldSpec(aliases=["Target audience", "受众", "目标受众"]),
    "keywords": FieldSpec(type="list", aliases=["关键词"]),
    "must_not_mention": FieldSpec(type="list", aliases=["Do not mention", "禁用词"]),
    "min_words": FieldSpec(type="integer", aliases=["Minimum words", "最少字数"]),
    "max_words": FieldSpec(type="integer", aliases=["Maximum words", "最多字数"]),
}
"""Columns that every content type has. A bare English `Type` is no content type: shops export one of their own."""


class Column(NamedTuple):
    """Where a field's cells are (`position` -1: nowhere) and what becomes of them; `blank` stands for an empty one."""

    name: str
    position: int
    heading: str
    convert: Convert
    blank: FieldValue
    missing: Problem | None = None
    ambiguous: Problem | None = None


class Columns:
    """Finds the column of each field by the rule in the module's docstring.

    Raises:
        BriefsError: `input.columns` names a field or a heading that does not exist, or a built-in fits two columns.
    """

    def __init__(
        self, path: Path, headings: list[str], types: Mapping[str, ContentType], settings: InputSettings
    ) -> None:
        self._path, self._headings, self._settings = path, headings, settings
        self._by_key: dict[str, list[int]] = {}
        for index, heading in enumerate(headings):
            self._by_key.setdefault(folded_name(heading), []).append(index)
        place = f"{path}, setting input.columns"
        fields = [*BUILT_IN, *(name for kind in types.values() for name in kind.fields)]
        for field in settings.columns:
            if field not in fields:
                raise BriefsError(place, f"the field {shown(field)}", "a field of a content type",
                                  f"Correct its name.{nearest(field, fields)}")
        self._mapped = {name: self.named(heading, "input.columns") for name, heading in settings.columns.items()}

    def named(self, heading: str, setting: str) -> int:
        """Index of the column that a setting names by its heading."""
        name = heading.strip()
        found = [self._headings.index(name)] if name in self._headings else self._by_key.get(folded_name(name), [])
        if not name or len(found) != 1:
            raise BriefsError(f"{self._path}, setting {setting}", f"no column {shown(heading)}",
                              f"one of {listed(self._headings)}",
                              f"Correct the heading there or in the sheet.{nearest(heading, self._headings)}")
        return found[0]

    def fixed(self) -> list[Column]:
        limit = self._settings.max_cell_chars
        words = partial(whole_number, lowest=1, highest=MAX_WORDS, limit=limit)
        own: dict[str, Convert] = {
            "id": identifier, "min_words": words, "max_words": words,
            "variants": partial(whole_number, lowest=1, highest=MAX_VARIANTS, limit=limit),
            "keywords": partial(phrases, limit=limit), "must_not_mention": partial(phrases, limit=limit),
        }
        columns = [self._column(name, spec, BUILT_IN, own.get(name)) for name, spec in BUILT_IN.items()]
        return unambiguous(str(self._path), columns)

    def of_type(self, kind: ContentType) -> list[Column]:
        return [self._column(name, spec, kind.fields) for name, spec in kind.fields.items()]

    def _column(
        self, name: str, spec: FieldSpec, beside: Mapping[str, FieldSpec], convert: Convert | None = None
    ) -> Column:
        found = self._by_name(name) or self._by_alias(spec, beside)
        headings = [self._headings[position] for position in found]
        heading = headings[0] if len(found) > 1 else "<its heading>"
        mapping = f'with --map {name}="{heading}", or in aigc.toml under [input.columns].'
        blank: FieldValue = spec.default if spec.default is not None else [] if spec.type == "list" else None
        ambiguous = missing = None
        if len(found) > 1:
            ambiguous = Problem("ambiguous_column", f"the columns {listed(headings)} for the field {name}",
                                "one of them", f"Choose one {mapping}")
        if spec.required and spec.default is None:
            missing = Problem("missing_required", "nothing" if found else f"no column for the field {name}",
                              f"a value ({spec.help.strip().rstrip('.')})" if spec.help.strip() else "a value",
                              f"{'Fill the cell' if found else 'Add one'}, or name the column that holds it {mapping}")
        return Column(name, found[0] if found else -1, headings[0] if found else name,
                      convert or converter(spec, self._settings), blank, missing, ambiguous)

    def _by_name(self, name: str) -> list[int]:
        if name in self._mapped:
            return [self._mapped[name]]
        return [self._headings.index(name)] if name in self._headings else self._by_key.get(folded_name(name), [])

    def _by_alias(self, spec: FieldSpec, beside: Mapping[str, FieldSpec]) -> list[int]:
        keys = dict.fromkeys(map(folded_name, spec.aliases))
        taken = {index for other in (*BUILT_IN, *beside) for index in self._by_name(other)}
        return [index for key in keys for index in self._by_key.get(key, []) if index not in taken]


def unambiguous(place: str, columns: list[Column]) -> list[Column]:
    """`columns`, none of which fits two headings.

    Raises:
        BriefsError: one of them does.
    """
    if problem := next((column.ambiguous for column in columns if column.ambiguous), None):
        raise BriefsError(place, problem.found, problem.expected, problem.remedy)
    return columns


@lru_cache(maxsize=4096)
def folded_name(text: str) -> str:
    """`text` as names are compared: without case, spaces, `_`, `-` and Unicode width."""
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", text).casefold())


def listed(names: Iterable[str], most: int = 12) -> str:
    """The first of `names`, quoted, and how many more there are."""
    every = [shown(name) for name in names if name]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
