"""Which records of a run are published, with which words, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import UNSET
from msgspec.structs import replace

from aigc.content import Disclosure
from aigc.decided import Decided
from aigc.errors import AigcError
from aigc.labels.hidden import HiddenLabel
from aigc.labels.visible import label_for
from aigc.outputs import edited_text
from aigc.past import Past
from aigc.provenance.stamps import output_digest
from aigc.publishing.values import HUMAN_EDITS, Kind, LeftOut, LeftOutCode, Origin, Oversight, Published
from aigc.records import Attempt, Content
from aigc.review.decisions import Decision
from aigc.review.standing import Standing
from aigc.stamped import Stamped


@dataclass
class Choice:
    """The texts of `kind` of a run; what became of all others is known when the last was given."""

    past: Past
    decided: Decided
    kind: Kind
    label: HiddenLabel | None
    texts: int = 0
    edited: int = 0
    left_out: list[LeftOut] = field(default_factory=list)

    def rows(self) -> Iterator[Published]:
        """The texts to publish, in the sheet's order; memory does not grow with their number.

        Raises:
            StoreError: the records cannot be read.
        """
        standing = self.decided.standing()
        for _, row in self.past.rows():
            attempt = row.record.attempt or (row.record.attempts[-1] if row.record.attempts else None)
            if attempt is None or attempt.completion.fault:
                continue
            if self.kind == "accepted" and row.record.outcome != "accepted":
                continue
            found = self._text(row, attempt, standing.get(row.record.record_id))
            if isinstance(found, LeftOut):
                self.left_out.append(found)
            elif found:
                self.texts += 1
                self.edited += found.provenance.human_oversight == "edited"
                yield found

    def _text(self, row: Stamped, attempt: Attempt, stands: Standing | None) -> Published | LeftOut | None:
        """The text of a record, or why it is not published; None where there is nothing to say of it."""
        if stands is None:
            return self._published(row, _content(row, attempt)) if self.kind == "accepted" else None
        if stands.state == "rejected":
            return _left_out(row, "rejected", "Its editors refused it.") if self.kind == "accepted" else None
        if stands.decision is None:
            return _left_out(row, "in_conflict", "Its editors differ: one of them decides again.")
        content = self._decided(row, _content(row, attempt), stands.decision)
        if isinstance(content, LeftOut):
            return content
        oversight: Oversight = "edited" if stands.decision.verb == "edit" else "approved"
        return self._published(row, content, oversight, self.decided.digests(row.record.record_id, stands))

    def _decided(self, row: Stamped, content: Content, decision: Decision) -> Content | LeftOut:
        """A text as its editor wants it."""
        if decision.base != row.provenance.output:
            return _left_out(row, "text_changed", "It has another text than was decided on: decide on it again.")
        if decision.verb != "edit":
            return content
        if not decision.fields:
            return replace(content, text=decision.text, fields={})
        try:
            pack = self.past.packs.get(row.record.content_type)
            if pack is None or pack.type.digest != row.record.template_digest:
                found = f"Its edited fields would be laid out by other templates: bring {row.record.content_type} back."
                return _left_out(row, "templates_changed", found)
            text = edited_text(decision.fields, pack, row.record.language)
        except AigcError as exc:
            return _left_out(row, "layout_failed", exc.remedy)
        return replace(content, text=text, fields=decision.fields)

    def _published(
        self, row: Stamped, content: Content, oversight: Oversight = "none", decisions: Sequence[str] = ()
    ) -> Published:
        record = row.record
        return Published(
            id=record.brief_id, variant=record.variant, content_type=record.content_type, language=record.language,
            text=content.published, fields=content.fields, record_id=record.record_id,
            disclosure=content.disclosure if content.published != content.text else "",
            provenance=_origin(row, content.text, oversight, decisions),
            hidden=self.label.numbered(record.record_id) if self.label else UNSET,
        )


def _left_out(row: Stamped, code: LeftOutCode, found: str) -> LeftOut:
    record = row.record
    return LeftOut(record_id=record.record_id, brief_id=record.brief_id, variant=record.variant, code=code, found=found)


def _origin(row: Stamped, text: str, oversight: Oversight, decisions: Sequence[str]) -> Origin:
    made, is_edited = row.provenance, oversight == "edited"
    return Origin(
        record_id=made.record_id, run_id=made.run_id, model=made.model, model_digest=made.model_digest,
        template=made.template, created_at=made.created_at, digital_source_type=made.digital_source_type,
        edit_source_type=HUMAN_EDITS if is_edited else "", human_oversight=oversight,
        decisions=[*made.decisions, *decisions], generated=made.output, output=output_digest(text),
        tokens_out=made.tokens_out, watermark="" if is_edited else made.watermark,
    )


def _content(row: Stamped, attempt: Attempt) -> Content:
    """The text with its label; where nobody has decided on one, the house's for its language."""
    completion = attempt.completion
    content = completion.content or Content(text=completion.text.strip())
    if content.place:
        return content
    label = label_for(Disclosure(), row.record.language, "by_type")
    return replace(content, disclosure=label.text, place=label.place)
