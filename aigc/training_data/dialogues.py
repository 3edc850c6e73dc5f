"""A user's own dialogues: of customer service, of a game. A JSON object a line, every line checked, every bad one told.

    {"messages": [{"role": "system", "content": "…"}, {"role": "user", "content": "…"},
                  {"role": "assistant", "content": "…"}], "id": "call-17", "language": "en"}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aigc.disk import disk_errors
from aigc.errors import UsageError, nearest, problem_text, shown, writable
from aigc.hashing import digest, digest_bytes
from aigc.records import Message, Value

ROLES = ("system", "user", "assistant")
_REMEDY = "Correct the line."


class BadLine(Value, frozen=True):
    """Why a line is no dialogue that a model can learn from."""

    file: str
    line: int
    found: str
    expected: str
    remedy: str = _REMEDY

    @property
    def message(self) -> str:
        return problem_text(f"{self.file} line {self.line}", self.found, self.expected, self.remedy)


class Dialogue(Value, frozen=True):
    """A dialogue, and the line that it stands on."""

    line: int
    messages: list[Message]
    language: str
    keys: tuple[str, ...]
    """By which it is known: its id, if it has one, and what the user says in it."""


@dataclass(frozen=True)
class DialogueFile:
    """A file's dialogues, and its bad lines."""

    name: str
    digest: str
    dialogues: list[Dialogue]
    bad: list[BadLine]


class _Turn(msgspec.Struct, forbid_unknown_fields=False):
    role: str
    content: str


class _Line(msgspec.Struct):
    messages: list[_Turn]
    id: str | int | None = None
    language: str = ""


def read_dialogues(path: Path) -> DialogueFile:
    """The dialogues of a file. A bad line is told, and the others are taken.

    Raises:
        UsageError: there is no such file.
        StoreError: it cannot be read.
    """
    if not path.is_file():
        raise UsageError("--dialogues", f"no file {writable(path)}", "a JSON Lines file of dialogues",
                         "Correct the path.")
    with disk_errors(path, "nothing was changed"):
        data = path.read_bytes()
    name = writable(path.name)
    good: list[Dialogue] = []
    bad: list[BadLine] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        found = _dialogue(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, name, number)
        if isinstance(found, BadLine):
            bad.append(found)
        else:
            good.append(found)
    return DialogueFile(name, digest_bytes(data), good, bad)


def _dialogue(line: bytes, file: str, number: int) -> Dialogue | BadLine:
    def bad(found: str, expected: str, remedy: str = _REMEDY) -> BadLine:
        return BadLine(file=file, line=number, found=found, expected=expected, remedy=remedy)

    try:
        given = msgspec.json.decode(line.decode(), type=_Line)
    except UnicodeDecodeError:
        return bad("bytes that are no UTF-8", "UTF-8", "Save the file as UTF-8.")
    except msgspec.ValidationError as exc:
        return bad(f"JSON of another form ({_told(exc)})", 'an object with "messages", each with "role" and "content"')
    except msgspec.DecodeError:
        return bad("no JSON that can be read", "a JSON object on one line, of whole characters")
    if problem := _problem(given.messages):
        return bad(*problem)
    messages = [msgspec.convert({"role": turn.role, "content": turn.content.strip()}, Message)
                for turn in given.messages]
    said = digest([message.content for message in messages if message.role == "user"])
    own = (f"dialogue {given.id}",) if given.id not in (None, "") else ()
    return Dialogue(line=number, messages=messages, language=given.language, keys=(*own, f"said {said}"))


def _problem(turns: Sequence[_Turn]) -> tuple[str, str, str] | tuple[str, str] | None:
    """What is wrong with the turns of a dialogue. What they say is never quoted."""
    for place, turn in enumerate(turns, 1):
        if turn.role not in ROLES:
            return (f"the role {shown(turn.role)} in message {place}", f"one of {', '.join(ROLES)}",
                    f"Correct it: the model learns to speak as the assistant.{nearest(turn.role, [*ROLES])}")
        if not turn.content.strip():
            return f"nothing said in message {place}", "some text"
    if not any(turn.role == "assistant" for turn in turns):
        return "no message of the assistant", "at least one, to learn from"
    offset = int(turns[0].role == "system")
    for place, turn in enumerate(turns[offset:]):
        expected = "assistant" if place % 2 else "user"
        if turn.role != expected:
            return (f"message {place + offset + 1} from the {turn.role}", f"one from the {expected}",
                    "Let user and assistant take turns, the user first; join messages of one speaker.")
    if turns[-1].role != "assistant":
        return "a last message from the user", "one from the assistant", "Remove it: nobody answers it."
    return None


def _told(exc: msgspec.ValidationError) -> str:
    """What msgspec says; it names keys and types, never values."""
    return str(exc).replace("`", "")
