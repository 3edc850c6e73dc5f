"""How far the review of a run has come, who decided what, and where they differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from aigc.records import Value
from aigc.review.agreement import Agreement, agreements
from aigc.review.decisions import Decision
from aigc.review.ledger import Ledger
from aigc.review.reviewable import Original


class Conflict(Value, frozen=True):
    """A record whose editors differ: the latest decision of each, oldest first."""

    record_id: str
    brief_id: str
    variant: int
    latest: list[Decision]
    title: str = ""
    """What its brief is about."""


class Status(Value, frozen=True):
    """Counts of records, but for `decisions`: entries of the ledger.

    A record is open, approved, rejected or in conflict. `approved` has those with an edit too, `edited` those alone;
    `by_editor` counts each editor's latest decisions by verb, those that were overruled too, and `final` the records
    that stand by an editor's final word. `reasons` are of all decisions that count, of approvals and conflicts too;
    `reasons_rejected` of the texts that stand rejected, each text once for each reason. `several_approved` counts
    briefs of which more than one variant is approved. `gone` were decided on, and are no text of the run any more.
    """

    run_id: str
    records: int
    open: int
    approved: int
    edited: int
    rejected: int
    in_conflict: int
    decisions: int
    by_editor: dict[str, dict[str, int]]
    reasons: dict[str, int]
    reasons_rejected: dict[str, int]
    agreement: list[Agreement]
    conflicts: list[Conflict]
    gone: int
    final: dict[str, int]
    several_approved: int

    @property
    def done(self) -> int:
        """Those that stand: approved or rejected."""
        return self.approved + self.rejected


def status_of(run_id: str, originals: Iterable[Original], ledger: Ledger) -> Status:
    """The status of the review of `originals`."""
    standing = ledger.standing()
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    reasons_rejected: Counter[str] = Counter()
    by_editor: defaultdict[str, Counter[str]] = defaultdict(Counter)
    final: Counter[str] = Counter()
    approved: Counter[str] = Counter()
    conflicts = []
    records = seen = 0
    for original in originals:
        records += 1
        stands = standing.get(original.record_id)
        if stands is None:
            continue
        seen += 1
        states[stands.state] += 1
        states["edited"] += bool(stands.decision and stands.decision.verb == "edit")
        approved[original.brief_id] += stands.state == "approved"
        for decision in [*stands.latest, *stands.overruled]:
            by_editor[decision.editor][decision.verb] += 1
        reasons.update(decision.reason for decision in stands.latest if decision.reason)
        if stands.state == "rejected":
            reasons_rejected.update({decision.reason for decision in stands.latest if decision.reason})
        if stands.state == "in_conflict":
            conflicts.append(Conflict(record_id=original.record_id, brief_id=original.brief_id,
                                      variant=original.variant, latest=stands.latest, title=original.title))
        elif stands.final:
            final[stands.final.editor] += 1
    return Status(
        run_id=run_id, records=records, open=records - seen, approved=states["approved"], edited=states["edited"],
        rejected=states["rejected"], in_conflict=states["in_conflict"], decisions=len(ledger.entries),
        by_editor={editor: dict(counts) for editor, counts in sorted(by_editor.items())},
        reasons=dict(reasons.most_common()), reasons_rejected=dict(reasons_rejected.most_common()),
        agreement=agreements(ledger.decisions), conflicts=conflicts,
        gone=len(standing) - seen, final=dict(sorted(final.items())),
        several_approved=sum(count > 1 for count in approved.values()),
    )
