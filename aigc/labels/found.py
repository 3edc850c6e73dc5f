"""What a look at a file found, whatever the file is: hidden labels, what is wrong with them, and visible ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Literal, TypeAlias

import msgspec

from aigc.errors import shown
from aigc.labels.hidden import FIELDS, KEY, HiddenLabel, is_allowed
from aigc.labels.provider_code import code_problem, looks_like_a_code
from aigc.labels.visible import is_by_the_standard, is_clear, marks_in
from aigc.records import Value

Kind: TypeAlias = Literal["parquet", "jsonl", "markdown", "xlsx", "docx", "csv"]
FaultCode: TypeAlias = Literal["form", "label", "producer", "code", "number", "propagator", "characters", "several"]
"""form: not the seven texts; label: not 1, 2 or 3; code: a provider's code that is wrong; several: more than one."""
_NAMES = {field.encode_name: field.name for field in FIELDS}
_MARKS_READ = 20
_SHORT_CHARS = 60
LONG_TOKENS = 200
"""From here on the Code of Practice asks for a watermark in free text."""
_BYTES_PER_TOKEN = 4
"""Of English and Chinese in UTF-8, roughly, where nobody has counted."""


class Fault(Value, frozen=True):
    """What is wrong with hidden labels: how often, and where and how first."""

    code: FaultCode
    count: int
    place: str
    found: str


class Found(Value, frozen=True):
    """What a file holds. `contents` are those that want a label each: rows of JSON Lines, else the file alone.

    `by_standard` counts texts whose visible label has the words of GB 45438-2025, `visible` those whose label is clear.
    `source_types` are terms of IPTC's vocabulary, `long_texts` those of more than 200 tokens, counted or guessed.
    """

    kind: Kind
    carrier: str
    contents: int = 1
    labelled: int = 0
    label: HiddenLabel | None = None
    faults: list[Fault] = []
    texts: int = 0
    by_standard: int = 0
    visible: int = 0
    first_unlabelled: str = ""
    first_off_standard: str = ""
    first_unseen: str = ""
    beside: bool = False
    """Whether visible labels stand beside the texts, in a column of their own, rather than in them."""
    source_types: list[str] = []
    long_texts: int = 0
    watermarked: int = 0
    """Of the long texts, those that are said to have a watermark."""


class Tally:
    """Counts of a file while it is read."""

    def __init__(self, kind: Kind, carrier: str, *, beside: bool = False) -> None:
        self._found = Found(kind=kind, carrier=carrier, contents=0, beside=beside)
        self._counts = dict.fromkeys(
            ("contents", "labelled", "texts", "by_standard", "visible", "long_texts", "watermarked"), 0)
        self._firsts = {"first_unlabelled": "", "first_off_standard": "", "first_unseen": ""}
        self._faults: dict[FaultCode, Fault] = {}
        self._source_types: dict[str, None] = {}
        self._label: HiddenLabel | None = None

    def add_content(self, place: str, *given: object) -> None:
        """A file or row at `place` and the hidden labels that it carries, each as an object or as its JSON."""
        self._counts["contents"] += 1
        if not given:
            self._first("first_unlabelled", place)
            return
        self._counts["labelled"] += 1
        if len(given) > 1:
            self._fault("several", place, f"{len(given)} labels")
        fields = _fields(given[0])
        for code, said in _by_code(_problems(fields)).items():
            self._fault(code, place, said)
        self._label = self._label or _label(fields)

    def add_text(self, place: str, text: str, disclosure: str = "", *, tokens: int = 0, watermark: str = "") -> None:
        """A text for readers at `place`, with what is known of its label, and how long it is."""
        self._counts["texts"] += 1
        lines = _label_lines(text, disclosure)
        for says_so, count, first in (
            (is_by_the_standard, "by_standard", "first_off_standard"), (is_clear, "visible", "first_unseen"),
        ):
            if any(map(says_so, lines)):
                self._counts[count] += 1
            else:
                self._first(first, place)
        if (tokens or len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN) > LONG_TOKENS:
            self._counts["long_texts"] += 1
            self._counts["watermarked"] += bool(watermark)

    def add_source_type(self, term: str) -> None:
        self._source_types[term] = None

    def found(self) -> Found:
        return msgspec.structs.replace(
            self._found, **self._counts, **self._firsts, label=self._label, faults=[*self._faults.values()],
            source_types=[*self._source_types],
        )

    def _first(self, what: str, place: str) -> None:
        self._firsts[what] = self._firsts[what] or place

    def _fault(self, code: FaultCode, place: str, found: str) -> None:
        before = self._faults.get(code) or Fault(code=code, count=0, place=place, found=found)
        self._faults[code] = msgspec.structs.replace(before, count=before.count + 1)


def _fields(given: object) -> Mapping[str, object] | None:
    """The seven fields of a label, whether it is wrapped in its name or not; None where it is no object."""
    if isinstance(given, str | bytes):
        try:
            given = msgspec.json.decode(given)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None
    if isinstance(given, dict) and isinstance(given.get(KEY), dict):
        given = given[KEY]
    return given if isinstance(given, dict) else None


def _label(fields: Mapping[str, object] | None) -> HiddenLabel | None:
    texts = {name: value for name, value in (fields or {}).items() if name in _NAMES and isinstance(value, str)}
    return HiddenLabel(**{_NAMES[name]: value for name, value in {"Label": "", **texts}.items()}) if texts else None


def _problems(fields: Mapping[str, object] | None) -> list[tuple[FaultCode, str]]:
    """What is wrong with one label. What stands in a code is not told: of a person it is secret."""
    if fields is None:
        return [("form", "no JSON object")]
    found: list[tuple[FaultCode, str]] = []
    if absent := [name for name in _NAMES if name not in fields]:
        found.append(("form", f"no {', '.join(absent)}"))
    if others := [name for name, value in fields.items() if name in _NAMES and not isinstance(value, str)]:
        found.append(("form", f"{', '.join(others)} as {_type_of(fields[others[0]])}, not as text"))
    texts = {name: value for name in _NAMES if isinstance(value := fields.get(name, ""), str)}
    if "Label" in fields and texts.get("Label") not in ("1", "2", "3"):
        found.append(("label", f"Label {shown(fields['Label'], 20)}"))
    found += _provider_problems(texts)
    found += [("characters", name) for name, value in texts.items() if not is_allowed(value.replace('"', ""))]
    return found


def _by_code(problems: list[tuple[FaultCode, str]]) -> dict[FaultCode, str]:
    """Problems of one label, of which each kind is one fault."""
    codes = dict.fromkeys(code for code, _ in problems)
    return {code: "; ".join(said for one, said in problems if one == code) for code in codes}


def _provider_problems(texts: Mapping[str, str]) -> list[tuple[FaultCode, str]]:
    found: list[tuple[FaultCode, str]] = []
    if not texts.get("ContentProducer"):
        found.append(("producer", "no ContentProducer"))
    for name in ("ContentProducer", "ContentPropagator"):
        value = texts.get(name, "")
        if looks_like_a_code(value) and (problem := code_problem(value)):
            found.append(("code", f"{name} with {problem}"))
    if not texts.get("ProduceID"):
        found.append(("number", "no ProduceID"))
    blank = [name for name in ("ContentPropagator", "PropagateID") if not texts.get(name)]
    return [*found, ("propagator", f"no {', '.join(blank)}")] if blank else found


def _type_of(value: object) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "nothing")


def _label_lines(text: str, disclosure: str) -> list[str]:
    """Lines of a text that may be its label: what is known as it, what looks like one, a short first or last line."""
    if disclosure:
        return [disclosure] if disclosure in text else []
    lines = [text[mark.start:mark.end] for mark in islice(marks_in(text), _MARKS_READ)]
    own = [line.strip() for line in (text.strip().split("\n", 1)[0], text.strip().rsplit("\n", 1)[-1])]
    return [*lines, *(line for line in own if len(line) <= _SHORT_CHARS)]
