"""What all decisions on a record amount to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from aigc.hashing import canonical_json
from aigc.records import Value
from aigc.review.decisions import Decision

State: TypeAlias = Literal["approved", "rejected", "in_conflict"]
"""Approved: as it is or with an edit. In conflict: the latest decisions of its editors differ."""


class Standing(Value, frozen=True):
    """How a record stands. `latest` has the last decision of each editor that still counts, oldest first.

    `overruled` has those of editors who wanted something else before the final word was said.
    """

    state: State
    latest: list[Decision]
    overruled: list[Decision] = []

    @property
    def decision(self) -> Decision | None:
        """The decision that counts; None while its editors differ."""
        return None if self.state == "in_conflict" else self.final or self.latest[-1]

    @property
    def final(self) -> Decision | None:
        """The final word, where one was said and who said it has not thought again; also one that is disputed since.

        Of several that want the same, the newest.
        """
        return next((decision for decision in reversed(self.latest) if decision.final), None)


def standings(decisions: Iterable[Decision]) -> dict[str, Standing]:
    """How each record stands, by decisions in the order of the ledger.

    An editor's later decision replaces the earlier one; nobody's replaces another's, but for a final word. Later is by
    the time of the decision, and by the order of the ledger where times are equal. Two who differ are in conflict until
    one of them decides again, or somebody brings the final word: which of them is right, nothing here can know.
    """
    said: dict[str, list[Decision]] = {}
    for decision in decisions:
        said.setdefault(decision.record_id, []).append(decision)
    return {record_id: _standing(of_record) for record_id, of_record in said.items()}


def _standing(said: Sequence[Decision]) -> Standing:
    latest, overruled = _counting(said)
    if len({wish_of(decision) for decision in latest}) > 1:
        return Standing(state="in_conflict", latest=latest, overruled=overruled)
    state: State = "rejected" if latest[-1].verb == "reject" else "approved"
    return Standing(state=state, latest=latest, overruled=overruled)


def _counting(said: Sequence[Decision]) -> tuple[list[Decision], list[Decision]]:
    """What counts of all that was said of a record, and what the final word has overruled.

    The newest final word is that which was imported last. Before it is what was imported before, and what was decided
    before, whenever it was imported: of that counts what wants the same.
    """
    place = max((place for place, decision in enumerate(said) if decision.final), default=None)
    if place is None:
        return _latest(said), []
    final = said[place]
    before = [*said[:place], *(decision for decision in said[place + 1 :] if decision.at < final.at)]
    since = [decision for decision in said[place + 1 :] if decision.at >= final.at]
    others = [decision for decision in _latest(before) if decision.editor != final.editor]
    agreed = [decision for decision in others if wish_of(decision) == wish_of(final)]
    spoken = {decision.editor for decision in since}
    overruled = [decision for decision in others if decision not in agreed and decision.editor not in spoken]
    return _latest([*agreed, final, *since]), overruled


def _latest(decisions: Iterable[Decision]) -> list[Decision]:
    """The last decision of each editor, oldest first."""
    latest: dict[str, Decision] = {}
    for decision in sorted(decisions, key=lambda decision: decision.at):
        latest.pop(decision.editor, None)  # so that the order is that of the latest
        latest[decision.editor] = decision
    return [*latest.values()]


def wish_of(decision: Decision) -> bytes:
    """What the editor wants published: those who edit differently differ, those who refuse for other reasons do not."""
    edited = (decision.text, decision.fields) if decision.verb == "edit" else ()
    return canonical_json((decision.verb, edited))
