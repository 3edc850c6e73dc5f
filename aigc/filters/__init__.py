"""Filters: each measures one thing of a text against its thresholds and says what it asks for.

`build_filters` makes them from settings, `judge` runs them, `settle` decides what becomes of the attempt.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import traceback
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar, cast, get_args, get_type_hints

import msgspec

from aigc.errors import SettingsError, nearest, shown
from aigc.filters.advertising import AdvertisingFilter
from aigc.filters.cut_off import CutOffFilter
from aigc.filters.disclosure import DisclosureFilter
from aigc.filters.echo import EchoFilter
from aigc.filters.empty import EmptyFilter
from aigc.filters.encoding import EncodingFilter
from aigc.filters.files import FileFilter, files_digest
from aigc.filters.grounding import GroundingFilter
from aigc.filters.injection import InjectionFilter
from aigc.filters.language import LanguageFilter
from aigc.filters.leftovers import LeftoversFilter
from aigc.filters.length import LengthFilter
from aigc.filters.markdown import MarkdownFilter
from aigc.filters.meta_talk import MetaTalkFilter
from aigc.filters.names import NamesFilter
from aigc.filters.output_form import FormatFilter
from aigc.filters.personal_data import PersonalDataFilter
from aigc.filters.profanity import ProfanityFilter
from aigc.filters.readability import ReadabilityFilter
from aigc.filters.refusal import RefusalFilter
from aigc.filters.repetition import RepetitionFilter
from aigc.filters.secrets import SecretsFilter
from aigc.filters.terms import ForbiddenTermsFilter, RequiredTermsFilter
from aigc.filters.tone import ToneFilter
from aigc.filters.turns import TurnsFilter
from aigc.filters.verdicts import BatchFilter, Case, Filter, FilterAction, PromptFilter, feedback, settle
from aigc.records import Brief, Completion, Message, Verdict
from aigc.settings import FilterTables

__all__ = [
    "ELSEWHERE", "FILTERS", "BatchFilter", "Case", "Filter", "FilterAction", "broken", "build_filters",
    "build_thresholds", "feedback", "files_digest", "judge", "settle",
]

FILTERS: dict[str, type[Filter]] = {
    "empty": EmptyFilter,
    "format": FormatFilter,
    "encoding": EncodingFilter,
    "cut_off": CutOffFilter,
    "length": LengthFilter,
    "repetition": RepetitionFilter,
    "turns": TurnsFilter,
    "refusal": RefusalFilter,
    "meta_talk": MetaTalkFilter,
    "leftovers": LeftoversFilter,
    "markdown": MarkdownFilter,
    "language": LanguageFilter,
    "required_terms": RequiredTermsFilter,
    "names": NamesFilter,
    "forbidden_terms": ForbiddenTermsFilter,
    "injection": InjectionFilter,
    "profanity": ProfanityFilter,
    "echo": EchoFilter,
    "readability": ReadabilityFilter,
    "tone": ToneFilter,
    "advertising": AdvertisingFilter,
    "grounding": GroundingFilter,
    "secrets": SecretsFilter,
    "personal_data": PersonalDataFilter,
    "disclosure": DisclosureFilter,
}
"""Every filter, in the order in which they run and are shown."""
ELSEWHERE = ("near_duplicate",)
"""Tables of thresholds that other stages read."""

_WORDS = {"`float`": "a number", "`int`": "a whole number", "`str`": "a text", "`array`": "a list",
          "<=": "at most", ">=": "at least"}
log = logging.getLogger(__name__)
Thresholds = TypeVar("Thresholds")


def build_filters(tables: FilterTables, place: str, templates: Path | None = None) -> tuple[Filter, ...]:
    """All filters with their defaults, changed by `tables`; those whose action is `off` are left out.

    `place` names the file the tables come from, `templates` the folder of template packs in which filters look for
    files of terms (without it ./templates).

    Raises:
        SettingsError: an unknown filter or threshold (with the nearest known one), a value that cannot be one, or a
            file that is not there or not what it should be.
    """
    _check_names(tables, [*FILTERS, *ELSEWHERE], f"{place}, key filters.", "filter")
    built = (build_thresholds(name, kind, tables.get(name, {}), place) for name, kind in FILTERS.items())
    return tuple(
        item.opened(f"{place}, key filters.{item.name}", templates) if isinstance(item, FileFilter) else item
        for item in built if item.action != "off"
    )


def judge(
    brief: Brief, completion: Completion, filters: Iterable[Filter], messages: Sequence[Message] = ()
) -> list[Verdict]:
    """The verdict of every filter, in their order: an editor sees every reason, not the first.

    `messages` are what the model was asked.

    A completion with a fault has no text to judge and gets none. A filter that raises holds the text.
    """
    if completion.fault:
        return []
    return [_verdict_of(item, brief, completion, messages) for item in filters]


def _verdict_of(item: Filter, brief: Brief, completion: Completion, messages: Sequence[Message]) -> Verdict:
    try:
        if _reads_prompts(type(item)):
            return cast(PromptFilter, item).against(brief, completion, messages)
        return item(brief, completion)
    except Exception as exc:  # noqa: BLE001 - one broken filter must not sink a night's run, nor pass a text
        return broken(item.name, exc, completion.request_id)


@cache
def _reads_prompts(kind: type[Filter]) -> bool:
    """Whether filters of this class are a `PromptFilter`. `isinstance` of a protocol takes longer than some filters."""
    return hasattr(kind, "against")


def broken(name: str, exc: Exception, request_id: str) -> Verdict:
    """What is said of a text that a filter failed on: it is held. The log says where, and never quotes the text."""
    kind, at = type(exc).__name__, traceback.extract_tb(exc.__traceback__)[-1]
    # Not the exception's own message, which may quote the text.
    log.error("filter %s raised %s at %s:%s (request %s)", name, kind, at.filename, at.lineno, request_id)
    message = f"The filter {name} failed with {kind}, so nobody has checked this. Read the text yourself."
    return Verdict(filter=name, action="hold", reason="filter_error", message=message)


def build_thresholds(
    name: str, kind: type[Thresholds], table: dict[str, bool | int | float | str | list[str]], place: str
) -> Thresholds:
    """The dataclass `kind` from the table `filters.NAME` of settings; `place` names the file.

    Raises:
        SettingsError: a key that it does not have, or a value that cannot be one.
    """
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    prefix = f"{place}, key filters.{name}"
    _check_names(table, known, f"{prefix}.", "key")
    for key, value in table.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{prefix}.{key}", str(value), "a finite number", "Correct the value.")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at ")
        path = where.strip("`").removeprefix("$.")
        key = path.partition("[")[0]
        expected = _choices(kind, key) if what.startswith("Invalid enum") else _in_words(what)
        raise SettingsError(f"{prefix}.{path}", shown(table[key]), expected, "Correct the value.") from exc


def _choices(kind: type[object], key: str) -> str:
    """The values of a `Literal`, or of a list of one."""
    choices = get_args(get_type_hints(kind)[key])
    return "one of " + ", ".join(get_args(choices[0]) or choices)


def _in_words(what: str) -> str:
    """`a number at most 1.0` of msgspec's "Expected `float` <= 1.0, got …"."""
    expected = what.removeprefix("Expected ").partition(", got ")[0]
    for sign, word in _WORDS.items():
        expected = expected.replace(sign, word)
    return expected


def _check_names(given: Iterable[str], known: list[str], prefix: str, noun: str) -> None:
    for name in given:
        if name not in known:
            raise SettingsError(f"{prefix}{name}", f"an unknown {noun}", "one of " + ", ".join(known),
                                f"Remove it or correct its name.{nearest(name, known)}")
