"""A sheet of briefs → `Brief`s and `InvalidRow`s: columns matched to fields, cells typed, every error of a row told.

Codes of row errors beside those of `cells` (cells) and `sheets` (rows), stable for ever:

    missing_content_type   missing_required   unknown_content_type   ambiguous_column
    unknown_language       duplicate_id       min_over_max           injection
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from aigc.content import ContentType, base_language
from aigc.errors import BriefsError, nearest, shown
from aigc.hashing import digest, digest_text
from aigc.injection import CERTAIN, SAYING, find_in, heaviest, texts, weight
from aigc.records import Brief, FieldValue, InvalidRow, Limits, RowError, Source
from aigc.settings import InputSettings
from aigc.sheets import Sheet, open_sheet
from aigc.sheets.cells import Problem, RawRow, clean_text, is_blank
from aigc.sheets.columns import BUILT_IN, Column, Columns, folded_name, listed, unambiguous

_LANGUAGES = {
    "english": "en", "英文": "en", "英语": "en", "chinese": "zh", "mandarin": "zh", "simplifiedchinese": "zh",
    "中文": "zh", "汉语": "zh", "简体中文": "zh", "普通话": "zh", "japanese": "ja", "日语": "ja", "日本語": "ja",
    "korean": "ko", "韩语": "ko", "german": "de", "deutsch": "de", "德语": "de", "french": "fr", "français": "fr",
    "法语": "fr", "spanish": "es", "español": "es", "西班牙语": "es", "portuguese": "pt", "português": "pt",
    "italian": "it", "italiano": "it", "russian": "ru", "русский": "ru", "俄语": "ru",
}


def read_briefs(
    path: Path, types: Mapping[str, ContentType], settings: InputSettings, *, variants: int = 1
) -> BriefSheet:
    """The sheet at `path`, opened and its columns matched; its rows are read when it is iterated.

    `types` are the content types by name; `variants` stands for a blank or absent cell.

    Raises:
        BriefsError: the sheet as a whole cannot be used. Iteration raises it too, where a binary file is found damaged.
    """
    return BriefSheet(path, open_sheet(path, settings), types, settings, variants)


class BriefSheet:
    """The briefs of a sheet in order, as often as it is iterated.

    Memory is flat but for the ids: 18 to 36 bytes a row, half as much again for a moment where their table grows.

    Rows count from 0 without those left out: blank rows and those of a skip rule, whose number in the latest iteration
    is `skipped`. A row without an id gets one derived from its content, `r-<12 hex>`, so that it stays with the content
    wherever the row moves; exact doubles get `-2`, `-3`. An `InvalidRow` may carry the id that it doubles.
    """

    def __init__(
        self, path: Path, sheet: Sheet, types: Mapping[str, ContentType], settings: InputSettings, variants: int
    ) -> None:
        columns = Columns(path, sheet.headings, types, settings)
        self.path, self.skipped = path, 0
        self.suspects: frozenset[int] | None = None
        """Rows that speak to the model. Once a reading to the end has found them, later ones look at these alone."""
        self._rows, self._types, self._settings, self._variants = sheet.rows, types, settings, variants
        self._skip = [(columns.named(rule.column, "input.skip"), rule) for rule in settings.skip]
        if idle := [rule.column for rule in settings.skip if not rule.blank and rule.equals is None]:
            raise BriefsError(f"{path}, setting input.skip", f"a rule for {listed(idle)} that says not when to skip",
                              "blank = true, or equals", "Add one of them, or remove the rule.")
        fixed = columns.fixed()
        self._heading = {column.name: column.heading for column in fixed}
        self._fixed = [column for column in fixed if column.position >= 0]
        self._plans = [_Plan(kind, columns.of_type(kind)) for kind in types.values()]
        self._by_key = {folded_name(plan.type.title): plan for plan in self._plans}
        self._by_key |= {folded_name(plan.type.name): plan for plan in self._plans}
        self._default = self._default_plan(settings.content_type)
        self._check_usable(sheet.headings)
        every = [*self._fixed, *(column for plan in self._plans for column in plan.columns)]
        places = {column.position for column in every} | {position for position, _ in self._skip}
        self._used = sorted(places - {-1})
        unused = [name for index, name in enumerate(sheet.headings) if index not in places]
        self.unused_headings = [name for name in unused if name.strip()]

    def __iter__(self) -> Iterator[Brief | InvalidRow]:
        self.skipped, row, seen, suspects = 0, 0, _SeenIds(), list[int]()
        for raw in self._rows(self._used):
            if raw.problem is None and (is_blank(raw.cells) or self._skips(raw.cells)):
                self.skipped += 1
                continue
            read = self._read(row, raw, seen)
            if isinstance(read, InvalidRow) and any(error.code == "injection" for error in read.errors):
                suspects.append(row)
            yield read
            row += 1
        self.suspects = frozenset(suspects)

    def _default_plan(self, name: str) -> _Plan | None:
        if name and folded_name(name) not in self._by_key:
            raise BriefsError(
                f"{self.path}, setting input.content_type", shown(name), f"one of {', '.join(self._types)}",
                f"Correct --content-type or add templates for it.{nearest(name, list(self._types))}")
        return self._by_key.get(folded_name(name)) if name else None

    def _check_usable(self, headings: list[str]) -> None:
        """Raise BriefsError for a sheet none of whose rows could become a brief."""
        typed = any(column.name == "content_type" for column in self._fixed)
        plans = self._plans if typed or self._default is None else [self._default]
        columns = [column for plan in plans for column in plan.columns]
        if not self._fixed and all(column.position < 0 for column in columns):
            wanted = dict.fromkeys([*(column.name for column in columns), *BUILT_IN])
            raise BriefsError(str(self.path), f"no column that can be used among {listed(headings)}",
                              f"headings such as {listed(wanted)}",
                              'Rename them, or map them in aigc.toml: [input.columns] <field> = "<heading>".')
        if not typed and self._default is None:
            raise BriefsError(
                str(self.path), "no column content_type", f"one, with one of {', '.join(self._types)} in each row",
                "Add the column, or give one type for all rows with --content-type.")
        if not typed:
            unambiguous(str(self.path), plans[0].columns)

    def _skips(self, cells: Sequence[object]) -> bool:
        for index, rule in self._skip:
            text = _plain(cells[index])
            if (rule.blank and text == "") or (rule.equals is not None and text == rule.equals.strip()):
                return True
        return False

    def _read(self, row: int, raw: RawRow, seen: _SeenIds) -> Brief | InvalidRow:
        if raw.problem:
            return self._invalid(row, raw, seen, _Fixed(), None, "", [("", raw.problem)])
        findings: list[tuple[str, Problem]] = []
        values = ((column.name, _value(column, raw.cells, findings)) for column in self._fixed)
        fixed = msgspec.convert({name: value for name, value in values if value is not None}, _Fixed)
        plan = self._plan(fixed.content_type, findings)
        language = self._language(fixed.language, plan, findings) if plan else ""
        fields = {column.name: _value(column, raw.cells, findings) for column in plan.columns} if plan else {}
        if fixed.min_words and fixed.max_words and fixed.min_words > fixed.max_words:
            findings.append((self._heading["min_words"], Problem(
                "min_over_max", f"{fixed.min_words} over max_words {fixed.max_words}", "at most max_words",
                "Correct one of the two.")))
        if fixed.id and (earlier := seen.add(fixed.id, raw.line)):
            findings.append((self._heading["id"], Problem(
                "duplicate_id", f"{shown(fixed.id)}, which the row of line {earlier} has already",
                "an id that no other row has", "Change one, or leave both blank to have ids derived.")))
        is_suspect = self.suspects is None or row in self.suspects
        if plan and is_suspect and self._settings.injection == "quarantine":
            findings += self._orders(fixed, plan, fields)
        if findings or plan is None:
            return self._invalid(row, raw, seen, fixed, plan, language, findings)
        return Brief(
            row=row, id=fixed.id or seen.unique(fixed.content_id(plan.type.name, language, fields), raw.line),
            content_type=plan.type.name, language=language, fields=fields, limits=fixed.limits(plan.type, language),
            source=Source(file=raw.file, line=raw.line), tone=fixed.tone, audience=fixed.audience,
            variants=fixed.variants or self._variants)

    def _orders(
        self, fixed: _Fixed, plan: _Plan, fields: Mapping[str, FieldValue]
    ) -> Iterator[tuple[str, Problem]]:
        """What in a row's cells certainly speaks to the model."""
        cells = texts({**fields, "tone": fixed.tone, "audience": fixed.audience, "keywords": fixed.keywords,
                       "must_not_mention": fixed.must_not_mention})
        for name, found in find_in(cells).items():
            if weight(found) >= CERTAIN:
                worst = heaviest(found)
                heading = next((column.heading for column in plan.columns if column.name == name), "")
                yield heading or self._heading[name], Problem(
                    "injection",
                    f"{SAYING[worst.kind]} ({shown(cells[name][worst.span.start:worst.span.end].strip())})",
                    "material to write from",
                    'Remove it. Where it is meant, set input.injection to "fence" or "flag".')

    def _invalid(self, row: int, raw: RawRow, seen: _SeenIds, fixed: _Fixed, plan: _Plan | None, language: str,
                 findings: list[tuple[str, Problem]]) -> InvalidRow:
        cells = raw.cells if raw.problem else [raw.cells[index] for index in self._used]
        name = fixed.id or seen.unique(_derived(digest_text("\x1f".join(map(str, cells)))), raw.line)
        source = Source(file=raw.file, line=raw.line)
        errors = [RowError(row=row, id=name, source=source, column=column, code=problem.code, found=problem.found,
                           expected=problem.expected, remedy=problem.remedy) for column, problem in findings]
        return InvalidRow(row=row, id=name, content_type=plan.type.name if plan else "", language=language,
                          source=source, errors=errors)

    def _plan(self, text: str, findings: list[tuple[str, Problem]]) -> _Plan | None:
        heading = self._heading["content_type"]
        if not text:
            if self._default is None and all(column != heading for column, _ in findings):
                findings.append((heading, Problem("missing_content_type", "nothing", f"one of {', '.join(self._types)}",
                                                  "Fill the cell, or give one for all such rows with --content-type.")))
            return self._default
        plan = self._by_key.get(folded_name(text))
        if plan is None:
            folder = text if re.fullmatch(r"[\w-]{1,40}", text) else "<name>"
            findings.append((heading, Problem(
                "unknown_content_type", shown(text), f"one of {', '.join(self._types)}",
                f"Fix the cell or add templates/{folder}/.{nearest(text, list(self._types))}")))
        return plan

    def _language(self, text: str, plan: _Plan, findings: list[tuple[str, Problem]]) -> str:
        known = plan.type.languages
        text = text or self._settings.language
        language = _language_among(text, tuple(known)) if text else known[0]
        if not language:
            findings.append((self._heading["language"], Problem(
                "unknown_language", shown(text), f"a language of {plan.type.name}: {', '.join(known)}",
                f"Fix the cell, or add the language to the templates of {plan.type.name}.")))
        return language


class _Fixed(msgspec.Struct, frozen=True):
    """The cells of the built-in columns; what is blank or absent keeps its default here."""

    id: str = ""
    content_type: str = ""
    language: str = ""
    variants: int = 0
    tone: str = ""
    audience: str = ""
    keywords: list[str] = []
    must_not_mention: list[str] = []
    min_words: int | None = None
    max_words: int | None = None

    def limits(self, kind: ContentType, language: str) -> Limits:
        """The row's limits over the type's; a default that contradicts a cell gives way to it."""
        low, high = self.min_words, self.max_words
        usual_low, usual_high = kind.min_words(language), kind.max_words(language)
        if low is None and (high is None or usual_low is None or usual_low <= high):
            low = usual_low
        if high is None and (self.min_words is None or usual_high is None or usual_high >= self.min_words):
            high = usual_high
        return Limits(min_words=low, max_words=high, keywords=self.keywords, must_not_mention=self.must_not_mention)

    def content_id(self, kind: str, language: str, fields: dict[str, FieldValue]) -> str:
        """An id of what the row asks for, whatever fields its type gets later, and in however many variants."""
        given = {name: value for name, value in fields.items() if value not in (None, "", [])}
        return _derived(digest([kind, language, given, self.tone, self.audience, self.keywords, self.must_not_mention,
                                self.min_words, self.max_words]))


class _Plan(NamedTuple):
    type: ContentType
    columns: list[Column]


class _SeenIds:
    """The ids of a sheet as 64-bit hashes in an open-addressed table of 12-byte slots, a third to two thirds full.

    Two ids of a million rows share a hash with a probability of 3e-8; the later row would be refused as a double.
    """

    def __init__(self) -> None:
        self._hashes, self._lines, self._count = array("Q", [0]) * 1024, array("I", [0]) * 1024, 0
        self._doubles: dict[str, int] = {}

    def add(self, name: str, line: int) -> int:
        """Line of the earlier row with the same id; 0 if there is none, and then it is remembered."""
        hashed = hash(name) & 0xFFFF_FFFF_FFFF_FFFF or 1
        slot = self._slot(hashed)
        if self._hashes[slot]:
            return self._lines[slot]
        self._hashes[slot], self._lines[slot] = hashed, line
        self._count += 1
        if 3 * self._count > 2 * len(self._hashes):
            self._double_slots()
        return 0

    def unique(self, name: str, line: int) -> str:
        """`name`, or if an earlier row has it, `name-2`, `name-3` and so on."""
        candidate, number = name, self._doubles.get(name, 1)
        while self.add(candidate, line):
            number += 1
            candidate = f"{name}-{number}"
            self._doubles[name] = number
        return candidate

    def _slot(self, hashed: int) -> int:
        hashes, last = self._hashes, len(self._hashes) - 1
        slot = hashed & last
        while (held := hashes[slot]) and held != hashed:
            slot = (slot + 1) & last
        return slot

    def _double_slots(self) -> None:
        old, slots = zip(self._hashes, self._lines, strict=True), 2 * len(self._hashes)
        self._hashes, self._lines = array("Q", [0]) * slots, array("I", [0]) * slots
        for hashed, line in old:
            if hashed:
                slot = self._slot(hashed)
                self._hashes[slot], self._lines[slot] = hashed, line


def _value(column: Column, cells: Sequence[object], findings: list[tuple[str, Problem]]) -> FieldValue:
    """The value of a row's cell; what is wrong with it is added to `findings`, and then None stands for it."""
    if column.ambiguous:
        findings.append((column.heading, column.ambiguous))
        return None
    try:
        value = column.convert(cells[column.position]) if column.position >= 0 else None
    except Problem as problem:
        findings.append((column.heading, problem))
        return None
    if value is None or value == []:
        if column.missing:
            findings.append((column.heading, column.missing))
        return column.blank
    return value


def _plain(cell: object) -> str | None:
    """`cell` as a skip rule compares it; None, which no rule matches, for one that is no text."""
    try:
        return clean_text(cell, sys.maxsize)
    except Problem:
        return None


def _derived(content: str) -> str:
    return "r-" + content.removeprefix("sha256:")[:12]


@lru_cache(maxsize=1024)
def _language_among(text: str, known: tuple[str, ...]) -> str:
    """The one of `known` that `text` names (`EN`, `en-US`, `English`, `中文`); empty if none."""
    tag = _LANGUAGES.get(folded_name(text), text.strip().replace("_", "-").lower())
    same = [language for language in known if language.lower() == tag]
    return next(iter(same or [language for language in known if base_language(language) == base_language(tag)]), "")
