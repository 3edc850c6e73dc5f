"""What all decisions on a record amount to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from aigc.hashing import canonical_json
from aigc.records import Value
from aigc.review.decisions import Decision

State: TypeAlias = Literal["approved", "rejected", "in_conflict"]
"""Approved: as it is or with an edit. In conflict: the latest decisions of its editors differ."""


class Standing(Value, frozen=True):
    """How a record stands. `latest` has the last decision of each of its editors, oldest first."""

    state: State
    latest: list[Decision]

    @property
    def decision(self) -> Decision | None:
        """The decision that counts; None while its editors differ."""
        return None if self.state == "in_conflict" else self.latest[-1]


def standings(decisions: Iterable[Decision]) -> dict[str, Standing]:
    """How each record stands. An editor's later decision replaces the earlier one; nobody's replaces another's.

    Later is by the time of the decision, and by the order of the ledger where times are equal. Two who differ are in
    conflict until one of them decides again: which of them is right, nothing here can know.
    """
    latest: dict[str, dict[str, Decision]] = {}
    for decision in sorted(decisions, key=lambda decision: decision.at):
        of_record = latest.setdefault(decision.record_id, {})
        of_record.pop(decision.editor, None)  # so that the order is that of the latest
        of_record[decision.editor] = decision
    return {record_id: _standing([*by_editor.values()]) for record_id, by_editor in latest.items()}


def _standing(latest: list[Decision]) -> Standing:
    if len({_wish(decision) for decision in latest}) > 1:
        return Standing(state="in_conflict", latest=latest)
    return Standing(state="rejected" if latest[-1].verb == "reject" else "approved", latest=latest)


def _wish(decision: Decision) -> bytes:
    """What the editor wants published: those who edit differently differ, those who refuse for other reasons do not."""
    edited = (decision.text, decision.fields) if decision.verb == "edit" else ()
    return canonical_json((decision.verb, edited))
