"""What a template pack declares of its content type: the fields of its briefs and the form of its output."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from aigc.records import FieldValue, Sampling, Value

PER_CHARACTER_LANGUAGES = frozenset({"zh", "ja"})
"""Languages written without spaces: their length is counted in characters."""
PLAIN_LINE = r"^[^<>{}\[\]|\\`*#_~^\x00-\x1f]*$"
PLAIN_TEXT = r"^[^<>{}\[\]|\\`*#_~^\x00-\x09\x0b-\x1f]*$"
"""Prose without the characters of markup and code; a text may have line breaks. Held to by the grammar."""
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK_CHAR = re.compile(f"[{_CJK}]")
_WORD = re.compile(r"\w++(?:['’\-.,]\w++)*+")

PerLanguage = dict[str, int] | int | None


class FieldSpec(Value, frozen=True, forbid_unknown_fields=True):
    """A column of a brief sheet. `aliases` are other headings that mean the same."""

    type: Literal["text", "integer", "number", "list", "choice", "boolean", "persona"] = "text"
    required: bool = False
    help: str = ""
    aliases: list[str] = []
    default: FieldValue = None
    choices: list[str] = []
    max_chars: int = 8000


class OutputPart(Value, frozen=True, forbid_unknown_fields=True):
    """A text inside an entry of an `items` field."""

    type: Literal["text"] = "text"
    help: dict[str, str] | str = ""
    min_chars: PerLanguage = None
    max_chars: PerLanguage = None


class OutputField(Value, frozen=True, forbid_unknown_fields=True):
    """A field of a structured output: a text, a list of texts, or a list of objects of texts (`items`)."""

    type: Literal["text", "list", "items"] = "text"
    help: dict[str, str] | str = ""
    min_chars: PerLanguage = None
    max_chars: PerLanguage = None
    min_items: int = 1
    max_items: int = 12
    fields: dict[str, OutputPart] = {}


class Output(Value, frozen=True, forbid_unknown_fields=True):
    """The form of what a model writes: fields, a text, or the next line of a dialogue.

    A `dialogue` has as many lines as the brief's field `turns` says, by the personas in its fields `speakers`, in turn.
    """

    format: Literal["json", "markdown", "text", "dialogue"] = "json"
    fields: dict[str, OutputField] = {}
    markup: bool = False
    """Whether fields may hold the characters of markup and code, `<>{}[]|\\*#_` and the like."""
    speakers: list[str] = []
    turns: str = ""

    @property
    def whole(self) -> dict[str, OutputField]:
        """The fields of what a row ends with: of a dialogue its turns, else those that the model writes."""
        return _DIALOGUE if self.format == "dialogue" else self.fields


_DIALOGUE = {"turns": OutputField(type="items", fields={"speaker": OutputPart(), "line": OutputPart()})}
LINE = "line"
"""The one field that the model writes for a dialogue."""


class Length(Value, frozen=True, forbid_unknown_fields=True):
    """Default limits of a type's readable text, per language or for all; a brief's own cells override them."""

    min_words: PerLanguage = None
    max_words: PerLanguage = None


class JudgeQuestion(Value, frozen=True, forbid_unknown_fields=True):
    """A question on a text that is answered with yes or no, and which of them is the good answer."""

    id: str
    text: dict[str, str] | str
    good: Literal["yes", "no"] = "yes"


class JudgeSpec(Value, frozen=True, forbid_unknown_fields=True):
    """What a judge is asked about a type's texts, and what a bad answer asks for."""

    questions: list[JudgeQuestion] = []
    action: Literal["flag", "hold", "retry"] = "flag"


Place = Literal["start", "end", "off"]


class Disclosure(Value, frozen=True, forbid_unknown_fields=True):
    """The visible label of a type's texts: where it stands, once or per language, and its words per language.

    What a language is not told has the house's words and places: `aigc.labels.visible`.
    """

    place: dict[str, Place] | Place = {}
    text: dict[str, str] = {}


class ContentType(Value, frozen=True):
    """A template pack as values. `digest` covers every file that decides a prompt, an output or a verdict."""

    name: str
    title: str
    summary: str
    languages: list[str]
    fields: dict[str, FieldSpec]
    output: Output
    length: Length
    sampling: Sampling
    filters: dict[str, dict[str, bool | int | float | str | list[str]]]
    digest: str
    judge: JudgeSpec = JudgeSpec()
    disclosure: Disclosure = Disclosure()

    def max_words(self, language: str) -> int | None:
        return for_language(self.length.max_words, language)

    def min_words(self, language: str) -> int | None:
        return for_language(self.length.min_words, language)

    def json_schema(self, language: str) -> str | None:
        """The JSON schema of what the model writes as text, None for plain text and Markdown."""
        is_json = self.output.format in ("json", "dialogue")
        return msgspec.json.encode(_schema(self.output, language)).decode() if is_json else None


def for_language(value: PerLanguage, language: str) -> int | None:
    """The figure for `language` of a value given once or per language: its own, else that of its base language."""
    return value.get(language, value.get(base_language(language))) if isinstance(value, dict) else value


def help_for(value: dict[str, str] | str, language: str) -> str:
    """The help for `language`, else for its base language, else in English."""
    if isinstance(value, str):
        return value
    return value.get(language) or value.get(base_language(language)) or value.get("en", "")


def count_words(text: str, language: str) -> int:
    """Length of `text` as people of `language` count it.

    Chinese and Japanese: each CJK character is one, each run of Latin letters or digits is one (as word processors
    count). Other languages: words, where `don't`, `well-known` and `1,200.50` are one each.
    """
    if base_language(language) not in PER_CHARACTER_LANGUAGES:
        return len(_WORD.findall(text))
    characters = len(_CJK_CHAR.findall(text))
    return characters + len(_WORD.findall(_CJK_CHAR.sub(" ", text)))


def base_language(language: str) -> str:
    """`zh` of `zh-Hant-TW`."""
    return language.replace("_", "-").split("-")[0].lower()


def _schema(output: Output, language: str) -> dict[str, object]:
    return _object({name: _field_schema(field, language, output) for name, field in output.fields.items()})


def _object(properties: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _field_schema(field: OutputField, language: str, output: Output) -> dict[str, object]:
    if field.type == "text":
        plain = PLAIN_LINE if output.format == "dialogue" else PLAIN_TEXT
        return _text_schema(field, language, None if output.markup else plain)
    pattern = None if output.markup else PLAIN_LINE
    if field.type == "list":
        entry = _text_schema(field, language, pattern)
    else:
        entry = _object({name: _text_schema(part, language, pattern) for name, part in field.fields.items()})
    return {"type": "array", "items": entry, "minItems": field.min_items, "maxItems": field.max_items}


def _text_schema(field: OutputField | OutputPart, language: str, pattern: str | None) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string", "minLength": for_language(field.min_chars, language) or 1}
    if longest := for_language(field.max_chars, language):
        schema["maxLength"] = longest
    return schema | {"pattern": pattern} if pattern else schema
