"""What in a text speaks to the model that is to write from it: instructions smuggled into a brief's cells.

`find` only measures. Kinds, stable for ever:

    override     sets aside what the model was told          addressed    speaks to the machine by name
    persona      makes the model someone else                steering     says what its answer is to be
    prompt_leak  asks for what the model was told            encoded      any of these, written in code
    chat_token   marks of a conversation                     hidden       any of these, in markup that nobody sees
    request      a task that the rest has nothing to do with  smuggled     text in characters that nobody sees
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from aigc.injection import chinese, english
from aigc.injection.disguise import View, encoded, hidden, smuggled, unmasked
from aigc.injection.requests import CELL_END, off_topic
from aigc.injection.rule import AS_A_WHOLE, Rule
from aigc.injection.steering import may_steer, steered
from aigc.records import Brief, FieldValue, Span, Value

CERTAIN, WORTH_A_LOOK = 0.8, 0.5
"""Weights of a cell from which it is certain, or likely enough, that it speaks to the model."""
MOST_CHARS = 100_000
_CACHED_CHARS = 4000
_FEWEST_CHARS = 5
"""Chinese says something to a model in no fewer; what is written in letters alone needs three times as many."""
SAYING = {
    "override": "an order to set instructions aside",
    "persona": "an order to be someone else",
    "prompt_leak": "an order to tell the instructions",
    "chat_token": "marks of a chat",
    "addressed": "words addressed to the model",
    "steering": "an order about the answer",
    "request": "a task of its own",
    "encoded": "words in code",
    "hidden": "an order in hidden markup",
    "smuggled": "characters that nobody sees",
}
"""What each kind is, for people."""
_ADDS_UP = 0.4
"""Findings lighter than this say nothing together either."""

_END = re.compile(r"[。！？；\n\x1e]+|[.!?;]+[\"”’)\]]*(?:\s+|$)")
_IN_QUOTES = re.compile("|".join((
    r"\"[^\"\n]{1,300}\"", "“[^”\n]{1,300}”", "‘[^’\n]{1,300}’", r"(?<!\w)'[^'\n]{1,300}'(?!\w)", "「[^」\n]{1,300}」",
    "«[^»\n]{1,300}»")))


_RULES = (*english.RULES, *chinese.RULES)


class Finding(Value, frozen=True):
    """One place that speaks to the model. `weight`: 1 is certain, 0.5 worth a look."""

    kind: str
    span: Span
    weight: float


def find(text: str) -> tuple[Finding, ...]:
    """Every place of `text` that speaks to a model, in order."""
    if len(text) < _FEWEST_CHARS or (text.isascii() and len(text) < 3 * _FEWEST_CHARS):
        return ()
    return _seen(text) if len(text) <= _CACHED_CHARS else _found(text[:MOST_CHARS])


# A row is read, rendered and its text judged, some hundred rows apart: 2,048 texts of at most 4,000 characters.
@lru_cache(maxsize=2048)
def _seen(text: str) -> tuple[Finding, ...]:
    return _found(text)


def _found(text: str) -> tuple[Finding, ...]:
    lower, sentences = _lower(text), _sentences(text)
    found = _spoken(text, lower, sentences)
    found += [_finding("request", *place) for place in off_topic(lower, sentences)]
    found += [_finding("smuggled", view.start, view.end, CERTAIN if view.smuggled else 0.5) for view in smuggled(text)]
    found += [_finding("hidden", view.start, view.end, 0.5) for view in hidden(text) if _says(view)]
    found += [_finding("encoded", view.start, view.end, CERTAIN if _says(view) else 0.6) for view in encoded(text)]
    if not found:
        for view in unmasked(text):
            found += [_finding(inner.kind, view.start, view.end, inner.weight + 0.3) for inner in _says(view)]
    return tuple(sorted(found, key=lambda each: (each.span.start, each.span.end)))


def texts_of(brief: Brief) -> dict[str, str]:
    """The cells of a brief whose text a model is shown."""
    limits = brief.limits
    return texts({**brief.fields, "tone": brief.tone, "audience": brief.audience, "keywords": limits.keywords,
                  "must_not_mention": limits.must_not_mention})


def texts(values: Mapping[str, FieldValue]) -> dict[str, str]:
    """Those of `values` that are texts and not blank; the entries of a list are its lines."""
    cells = {name: "\n".join(value) if isinstance(value, list) else value for name, value in values.items()}
    return {name: text for name, text in cells.items() if isinstance(text, str) and text.strip()}


def find_in(cells: Mapping[str, str]) -> dict[str, tuple[Finding, ...]]:
    """The findings of each cell of a brief that has any; their places are the cell's own.

    Cells are read together: a request is judged by what the whole brief is about, and most briefs have nothing.
    """
    findings = find(CELL_END.join(cells.values()))
    found: dict[str, tuple[Finding, ...]] = {}
    start = 0
    for name, text in cells.items() if findings else ():
        end = start + len(text)
        if own := tuple(_finding(each.kind, each.span.start - start, each.span.end - start, each.weight)
                        for each in findings if start <= each.span.start < end):
            found[name] = own
        start = end + len(CELL_END)
    return found


def heaviest(findings: Iterable[Finding]) -> Finding:
    return max(findings, key=lambda each: each.weight)


def weight(findings: Iterable[Finding]) -> float:
    """What all findings of a cell say together: the heaviest of each kind, added up."""
    kinds: dict[str, float] = {}
    for each in findings:
        kinds[each.kind] = max(kinds.get(each.kind, 0.0), each.weight)
    return sum(each for each in kinds.values() if each >= _ADDS_UP)


def _finding(kind: str, start: int, end: int, weight: float) -> Finding:
    return Finding(kind=kind, span=Span(start=start, end=end), weight=weight)


def _says(view: View) -> list[Finding]:
    lower = _lower(view.text)
    return _spoken(view.text, lower, _sentences(view.text))


def _spoken(text: str, lower: str, sentences: list[tuple[int, int]]) -> list[Finding]:
    """What is said openly."""
    found = []
    for each in _rules(lower):
        for start, end in [(0, len(lower))] if each.kind in AS_A_WHOLE else sentences:
            said = lower[start:end]
            if each.may_match(said):
                found += [_finding(each.kind, start + match.start(), start + match.end(), each.weight)
                          for match in each.pattern.finditer(said)]
    if may_steer(lower):
        found += [_finding("steering", start, end, weight) for start, end in sentences
                  if (weight := steered(lower[start:end]))]
    return _discounted(text, found) if found else found


def _rules(lower: str) -> list[Rule]:
    """The rules that may find something. Most texts hold no trigger, and one pass over a text sees that."""
    there = {number for _, numbers in _triggers().iter(lower) for number in numbers}
    return [_RULES[number] for number in sorted(there) if _RULES[number].may_match(lower)] if there else []


@cache
def _triggers() -> Any:
    """Every trigger, with the numbers of the rules that it starts."""
    import ahocorasick

    numbers: dict[str, list[int]] = {}
    for number, each in enumerate(_RULES):
        for trigger in each.triggers:
            numbers.setdefault(trigger, []).append(number)
    automaton = ahocorasick.Automaton()
    for trigger, starts in numbers.items():
        automaton.add_word(trigger, starts)
    automaton.make_automaton()
    return automaton


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) != len(text):  # a capital that grows, as \u0130 does: places would shift
        lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
    return lower


def _sentences(text: str) -> list[tuple[int, int]]:
    """Where sentences and lines stand."""
    found, start = [], 0
    for match in _END.finditer(text):
        if match[0].rstrip()[-1:] in "\"”’" and text[match.end():match.end() + 1].islower():
            continue  # `"Run!" she said`
        found.append((start, match.end()))
        start = match.end()
    return [*found, (start, len(text))] if start < len(text) else found


def _discounted(text: str, found: list[Finding]) -> list[Finding]:
    """Half for what stands in quotation marks: there people speak to people, or articles tell of such words."""
    quotes = [match.span() for match in _IN_QUOTES.finditer(text)]
    return [_finding(each.kind, each.span.start, each.span.end, each.weight / 2) if _is_quoted(each, quotes) else each
            for each in found]


def _is_quoted(found: Finding, quotes: list[tuple[int, int]]) -> bool:
    is_inside = any(start <= found.span.start and found.span.end <= end for start, end in quotes)
    return is_inside and found.kind != "chat_token"
