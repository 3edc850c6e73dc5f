"""Every error a user can meet, each with a place, what was found, what was expected and the remedy.

AigcError                   exit code 1
├── UsageError              exit code 2: an option or argument of the command line
├── SettingsError           exit code 2: aigc.toml or an AIGC_* variable
├── BriefsError             the sheet as a whole cannot be read (one bad row is a `records.RowError`, not this)
├── BatchError              a batch file as a whole cannot be worked on (one bad line is a result of its own)
├── TemplateError           a template pack is broken, or a brief cannot be rendered through it
├── ModelError              a model is unknown, incomplete, unsafe to load or does not fit
├── LabelError              a file's labels cannot be read or written
├── ReviewError             a file of decisions as a whole cannot be read (one bad row is reported by itself)
├── EngineError             generation as a whole cannot go on (one bad prompt is a `records.Completion.fault`)
├── SigningError            a signature cannot be made
└── StoreError              a run folder cannot be written, read or locked
    ├── RunLocked           another process is writing the same run
    └── DamagedManifest     a run's manifest cannot be read: nothing can be proved by it
"""

from __future__ import annotations

import re

_BYTE = re.compile("[\udc80-\udcff]")


class AigcError(Exception):
    """An error with its remedy. Messages never carry a prompt's text or a secret."""

    exit_code = 1

    def __init__(self, place: str, found: str, expected: str, remedy: str) -> None:
        self.place, self.found, self.expected, self.remedy = place, found, expected, remedy
        super().__init__(problem_text(place, found, expected, remedy))


class UsageError(AigcError):
    exit_code = 2


class SettingsError(AigcError):
    exit_code = 2


class BriefsError(AigcError):
    pass


class BatchError(AigcError):
    pass


class ReviewError(AigcError):
    pass


class TemplateError(AigcError):
    pass


class ModelError(AigcError):
    pass


class LabelError(AigcError):
    pass


class EngineError(AigcError):
    pass


class SigningError(AigcError):
    pass


class StoreError(AigcError):
    pass


class RunLocked(StoreError):
    pass


class DamagedManifest(StoreError):
    pass


def problem_text(place: str, found: str, expected: str, remedy: str) -> str:
    """One sentence a user can act on: `place: found …; expected …. Remedy.`"""
    return writable(f"{place}: found {found}; expected {expected}. {remedy}")


def writable(name: object) -> str:
    """`name` as text that UTF-8 can hold: a byte of a file name in another encoding becomes `\\xe9`.

    For messages and records only; the file itself is opened by its path.
    """
    escaped = _BYTE.sub(lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", str(name))
    return escaped.encode("utf-8", "backslashreplace").decode()


def shown(value: object, limit: int = 60) -> str:
    """`value` quoted for a message: one line, control characters escaped, at most `limit` characters."""
    text = ascii_controls(str(value))
    return repr_plain(text if len(text) <= limit else text[: limit - 1] + "…")


def ascii_controls(text: str) -> str:
    """`text` with control characters and lone surrogates escaped, so that a message stays on its line."""
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in text)


def repr_plain(text: str) -> str:
    return f"'{text}'"


def nearest(word: str, known: list[str]) -> str:
    """` Did you mean 'x'?` for the closest of `known`, else for one that `word` is a part of, or an empty string."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    close = close or [name for name in known if len(word) > 2 and word.casefold() in name.casefold()][:1]
    return f" Did you mean '{close[0]}'?" if close else ""
