"""Swear words and slurs of the house list."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import msgspec

from aigc.errors import SettingsError
from aigc.filters.files import kept, read
from aigc.filters.verdicts import MAX_SPANS, FilterAction, asked, readable, wording
from aigc.records import Brief, Completion, Span, Verdict

LIST = Path(__file__).with_suffix(".toml")


class _House(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """profanity.toml: words by language, and words that only look like one of them."""

    en: list[str]
    zh: list[str]
    innocent: list[str]


class _Words(NamedTuple):
    stems: tuple[str, ...]
    """One of these stands in every text with a word of the list: a search for strings is the fastest there is."""
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfanityFilter:
    """Flags the words of profanity.toml, as whole words (`Scunthorpe` passes). It is no gate for safety.

    `also` are further words, `allowed` words of the list that are welcome.
    """

    name: ClassVar[str] = "profanity"
    action: FilterAction = "flag"
    also: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()

    def opened(self, place: str, templates: Path | None) -> Self:
        """See `FileFilter.opened`. The list lies beside this file, whatever the folder of templates."""
        _words(self.also, self.allowed, read(LIST, place).text)
        return self

    def files(self) -> tuple[Path, ...]:
        return (LIST,)

    def __call__(self, brief: Brief, completion: Completion) -> Verdict:
        text = readable(completion)
        words, lower = _words(self.also, self.allowed, kept(LIST).text), text.lower()
        if not any(stem in lower for stem in words.stems):
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        found = [match for match in words.pattern.finditer(text) if match.lastgroup == "found"]
        if not found:
            return Verdict(filter=self.name, action="pass", measured=0, limit=0)
        shown = ", ".join(islice(dict.fromkeys(match[0].lower() for match in found), 5))
        return Verdict(
            filter=self.name, action=asked(self.action), reason="profanity", measured=len(found), limit=0,
            spans=[Span(start=match.start(), end=match.end()) for match in found[:MAX_SPANS]],
            message=f"The text has {len(found)} words of the house list: {shown}.",
            advice=wording(brief, en="Write without swear words and slurs.", zh="不要用脏话和侮辱性的词。"),
        )


@lru_cache(maxsize=64)
def _words(also: tuple[str, ...], allowed: tuple[str, ...], house: str) -> _Words:
    table = _house(house)
    welcome = {word.lower().strip() for word in allowed}
    entries = [*table.en, *table.zh, *(word.strip() for word in also)]
    kept = [entry for entry in entries if entry.strip("*") and entry.lower().removesuffix("*") not in welcome]
    innocent = "|".join(map(re.escape, [*table.innocent, *filter(None, map(str.strip, allowed))])) or "(?!)"
    pattern = re.compile(f"(?P<innocent>{innocent})|(?P<found>{_any_of(kept)})", re.IGNORECASE)
    return _Words(tuple(dict.fromkeys(entry.lower().removesuffix("*") for entry in kept)), pattern)


def _house(text: str) -> _House:
    try:
        return msgspec.convert(tomllib.loads(text), _House)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as exc:
        raise SettingsError(str(LIST), f"a broken list ({exc})", "TOML with the lists en, zh and innocent",
                            "Correct it, or install the package again.") from exc


def _any_of(entries: Iterable[str]) -> str:
    return "|".join(map(_one, entries)) or "(?!)"


def _one(entry: str) -> str:
    body = re.escape(entry.removesuffix("*"))
    if not entry.isascii():
        return body
    # Chinese writes no spaces around a Latin word.
    return rf"(?<![A-Za-z0-9_À-ɏ]){body}{'[a-z]*' if entry.endswith('*') else ''}(?![A-Za-z0-9_À-ɏ])"
