"""A dialogue as values: who speaks, what stands, and where each line is in the text that people read.

Its lines are made one after the other, each by the persona whose turn it is: `aigc.talk`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle

from aigc.content import LINE, Output, base_language
from aigc.errors import TemplateError, shown
from aigc.records import Attempt, Brief, FieldValue, OutputValue, Span, Value, Verdict

LONGEST_NAME = 40
TURNS = "turns"
"""The field of a dialogue's content that holds its lines, each with its `speaker` and its `line`."""
_PERSONA = re.compile(rf"([^:：\n]{{1,{LONGEST_NAME}}})[:：](.+)", re.DOTALL)
_COLON = {"zh": "：", "ja": "："}
_DECIDES = ("retry", "reject")


class Persona(Value, frozen=True):
    """Who speaks: a name, and who that is."""

    name: str
    words: str


class Said(Value, frozen=True):
    """A line that stands, and who says it."""

    speaker: str
    line: str


def persona(text: str) -> Persona | None:
    """The persona that `Mara: the baker, who is short of time` describes; None where it does not begin with a name."""
    found = _PERSONA.fullmatch(text.strip())
    if not found or not found[1].strip() or not found[2].strip():
        return None
    return Persona(name=found[1].strip(), words=found[2].strip())


def personas_of(fields: dict[str, FieldValue], output: Output, place: str) -> tuple[Persona, Persona]:
    """The two that speak, the one who begins first. `place` names the brief.

    Raises:
        TemplateError: one is missing, is no persona, or both have one name.
    """
    found = [persona(str(fields.get(name) or "")) for name in output.speakers]
    for name, one in zip(output.speakers, found, strict=True):
        if one is None:
            raise TemplateError(f"{place}, {name}", "no persona", "NAME: who that is", "Fill the cell.")
    first, second = (one for one in found if one)
    if first.name.casefold() == second.name.casefold():
        raise TemplateError(f"{place}, {' and '.join(output.speakers)}", f"{shown(first.name)} twice",
                            "two names", "Give one of them another name.")
    return first, second


def lines_of(brief: Brief, output: Output) -> int:
    """Number of lines that a brief asks for: 1 for all that is no dialogue."""
    return int(str(brief.fields[output.turns])) if output.format == "dialogue" else 1


def said_by(personas: Sequence[Persona], lines: Iterable[str]) -> list[Said]:
    """Lines with their speakers: they take turns."""
    return [Said(speaker=one.name, line=line) for one, line in zip(cycle(personas), lines, strict=False)]


def said_in(fields: dict[str, OutputValue]) -> list[Said]:
    """The lines of a dialogue's content; none of any other content."""
    turns = fields.get(TURNS, ())
    entries = [entry for entry in turns if isinstance(entry, dict) and entry.keys() == {"speaker", LINE}]
    return [Said(speaker=entry["speaker"], line=entry[LINE]) for entry in entries]


def fields_of(said: Sequence[Said]) -> dict[str, OutputValue]:
    return {TURNS: [{"speaker": one.speaker, LINE: one.line} for one in said]}


def laid_out(said: Sequence[Said], language: str) -> str:
    """`Mara: Good morning.`, a line each, where a content type has no layout of its own."""
    colon = _COLON.get(base_language(language), ": ")
    return "\n".join(f"{one.speaker}{colon}{one.line}" for one in said)


def places(text: str, said: Sequence[Said]) -> list[Span]:
    """Where each line is in the whole text; an empty span where a layout leaves it out."""
    found, at = list[Span](), 0
    for one in said:
        start = text.find(one.line, at)
        at = start + len(one.line) if start >= 0 else at
        found.append(Span(start=start, end=at) if start >= 0 else Span(start=at, end=at))
    return found


def decides(verdicts: Iterable[Verdict]) -> bool:
    """Whether a line cannot stand by these."""
    return any(verdict.action in _DECIDES for verdict in verdicts)


def stands(turn: Attempt) -> bool:
    """Whether an attempt at a line gave one that its verdicts let pass."""
    return turn.completion.content is not None and not decides(turn.verdicts)


def standing(turns: Iterable[Attempt]) -> list[Attempt]:
    """Of all attempts at the lines of a dialogue those whose lines stand, in order."""
    return [turn for turn in turns if stands(turn)]


def tried(turns: Iterable[Attempt]) -> Iterator[tuple[int, int, Attempt]]:
    """Attempts at lines with the place of each line and of each attempt at it, counted from 0."""
    at = number = 0
    for turn in turns:
        yield at, number, turn
        at, number = (at + 1, 0) if stands(turn) else (at, number + 1)


def line_tokens(attempt: Attempt) -> int:
    """Tokens of the text itself: of a dialogue those of the lines that stand, without what was tried beside them."""
    turns = attempt.turns or ()
    return sum(turn.completion.tokens_out for turn in standing(turns)) if turns else attempt.completion.tokens_out
