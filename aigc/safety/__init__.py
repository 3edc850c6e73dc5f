"""Every text read for harm by a classifier, in batches; or a verdict which says that nobody has.

A classifier that fails holds texts, and never passes one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from aigc.errors import AigcError
from aigc.filters.verdicts import Case, asked, at_most_flag, readable, wording
from aigc.records import Action, Fault, Verdict
from aigc.safety.formats import Pair, Reading
from aigc.safety.kinds import STRICTNESS, action_of
from aigc.safety.readers import Reader
from aigc.safety.taxonomy import HARMS
from aigc.settings import SafetySettings

NAME = "safety"
MOST_FAILURES = 3
"""Batches in succession on which the classifier may fail before it is not tried again."""

_log = logging.getLogger(__name__)


class Unchecked:
    """The verdict on every text where no classifier is set: it shows, and it holds where one is required."""

    def __init__(self, *, required: bool) -> None:
        self.name, self._required = NAME, required

    def check(self, cases: Sequence[Case]) -> list[Verdict]:
        """See `BatchFilter.check`."""
        action: Action = "hold" if self._required else "not_run"
        message = "No classifier is set (safety.model), so nobody has checked this text for harm."
        reason = "safety_not_run" if self._required else ""
        return [Verdict(filter=NAME, action=action, reason=reason, message=message) for _ in cases]

    def close(self) -> None:
        """Nothing to release."""


class Safety:
    """Puts texts before a classifier, which `open_reader` loads at the first of them."""

    def __init__(self, settings: SafetySettings, open_reader: Callable[[], Reader]) -> None:
        self.name = NAME
        self._settings, self._open = settings, open_reader
        self._reader: Reader | None = None
        self._failures = 0

    def check(self, cases: Sequence[Case]) -> list[Verdict]:
        """See `BatchFilter.check`."""
        pairs = [_pair(case) for case in cases]
        written = [pair for pair in pairs if pair.text.strip()]
        readings = iter(self._read(written))
        return [
            self._verdict(case, next(readings)) if pair.text.strip() else _nothing()
            for case, pair in zip(cases, pairs, strict=True)
        ]

    def close(self) -> None:
        if self._reader:
            self._reader.close()
        self._reader = None

    def _read(self, pairs: Sequence[Pair]) -> Sequence[Reading | Fault]:
        if not pairs:
            return []
        if self._failures >= MOST_FAILURES:
            return [_GIVEN_UP] * len(pairs)
        try:
            self._reader = self._reader or self._open()
            readings = self._reader.read(pairs)
        except AigcError as exc:
            self._failures += 1
            self._reader = None
            _log.error("the safety classifier failed, so %d texts are held: %s", len(pairs), exc)
            return [Fault(code="failed", found=exc.found, expected=exc.expected, remedy=exc.remedy)] * len(pairs)
        self._failures = 0
        return readings

    def _verdict(self, case: Case, reading: Reading | Fault) -> Verdict:
        if isinstance(reading, Fault):
            message = f"The classifier could not judge this text ({reading.found}). Read it yourself."
            return Verdict(filter=NAME, action="hold", reason="safety_error", message=message)
        limit = self._settings.threshold
        measured = round(reading.harm, 4)
        if reading.doubt < limit:
            return Verdict(filter=NAME, action="pass", measured=measured, limit=limit)
        category = max(reading.categories, key=lambda name: STRICTNESS.index(action_of(name, self._settings)))
        wanted, harm = action_of(category, self._settings), HARMS[category]
        is_sure = reading.harm >= limit
        action = asked(wanted) if is_sure else at_most_flag(wanted)
        found = f"{harm.en if is_sure else f'what some would call {harm.en}'} ({reading.native})"
        share = reading.harm if is_sure else reading.doubt
        return Verdict(
            filter=NAME, action=action, reason="" if action == "pass" else f"unsafe_{category}",
            measured=measured, limit=limit,
            message=f"The classifier finds {found} with probability {share:.2f}; the limit is {limit:.2f}.",
            advice=wording(case.brief, en=f"Write it without {harm.en}.", zh=f"内容中不要出现{harm.zh}。"),
        )


def _pair(case: Case) -> Pair:
    """The text as readers see it, after what the model was asked last; raw where it could not be read as its type."""
    prompt = next((message.content for message in reversed(case.messages) if message.role == "user"), "")
    return Pair(prompt=prompt, text=readable(case.completion) or case.completion.text)


def _nothing() -> Verdict:
    return Verdict(filter=NAME, action="pass", message="There is no text to check.")


_GIVEN_UP = Fault(
    code="given_up",
    found=f"a classifier that failed {MOST_FAILURES} times in succession",
    expected="one that answers",
    remedy="Read the log, and run again.",
)
