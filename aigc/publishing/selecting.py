"""Which records of a run are published, with which words, and why others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import UNSET
from msgspec.structs import replace

from aigc.content import Disclosure
from aigc.decided import Decided
from aigc.errors import AigcError
from aigc.labels.hidden import HiddenLabel
from aigc.labels.visible import Visible, label_for
from aigc.outputs import edited_text
from aigc.packs import Packs
from aigc.past import Past
from aigc.provenance.stamps import output_digest
from aigc.publishing.naming import name_of
from aigc.publishing.values import (
    FORGOTTEN,
    HUMAN_EDITS,
    Kind,
    LeftOut,
    LeftOutCode,
    Origin,
    Other,
    Oversight,
    Published,
    Several,
)
from aigc.records import Attempt, Content
from aigc.review.decisions import Decision
from aigc.review.standing import Standing
from aigc.review.words import language_of, type_words
from aigc.stamped import Stamped

_DIFFER = ("Its editors differ: one of them decides again, or a chief editor's file is imported with "
           "`aigc review import --final`.")


@dataclass
class Choice:
    """The texts of `kind` of a run; what became of all others is known when the last was given.

    `visible` is the setting of visible labels that holds today.
    """

    past: Past
    decided: Decided
    kind: Kind
    label: HiddenLabel | None
    visible: Visible = "by_type"
    total: int = 0
    texts: int = 0
    edited: int = 0
    unseen: int = 0
    """Texts without a visible label that no editor decided on."""
    left_out: list[LeftOut] = field(default_factory=list)
    others: Counter[Other] = field(default_factory=Counter)
    several: list[Several] = field(default_factory=list)
    """Briefs of which more than one text was given; variants of a brief follow one another."""
    _brief: Several = field(default=Several(brief_id="", texts=0), repr=False)

    _languages: dict[str, Counter[str]] = field(default_factory=dict, repr=False)

    def rows(self) -> Iterator[Published]:
        """The texts to publish, in the sheet's order; memory does not grow with their number.

        Raises:
            StoreError: the records cannot be read.
        """
        standing = self.decided.standing()
        for _, row in self.past.rows():
            self.total += 1
            found = self._text(row, standing.get(row.record.record_id))
            if isinstance(found, LeftOut):
                self.left_out.append(found)
            elif isinstance(found, Published):
                self._count(found)
                yield found
            else:
                self.others[found] += 1

    def titles(self) -> dict[str, str]:
        """What people call the content types of the texts that were given, in the language of most of each."""
        given = {name: pack.type.title for name in self._languages if (pack := self._packs.get(name))}
        return {name: type_words(name, given.get(name, ""), language_of(spoken.elements()))
                for name, spoken in self._languages.items()}

    def _count(self, text: Published) -> None:
        self.texts += 1
        self._languages.setdefault(text.content_type, Counter())[text.language] += 1
        self.edited += text.provenance.human_oversight == "edited"
        self.unseen += not text.disclosure and text.provenance.human_oversight == "none"
        is_next = self._brief.brief_id == text.id
        self._brief = Several(brief_id=text.id, texts=self._brief.texts + 1 if is_next else 1)
        if self._brief.texts > 2:
            self.several.pop()
        if self._brief.texts > 1:
            self.several.append(self._brief)

    def _text(self, row: Stamped, stands: Standing | None) -> Published | LeftOut | Other:
        """The text of a record, or why it is not published."""
        record = row.record
        attempt = record.attempt or (record.attempts[-1] if record.attempts else None)
        if attempt is None or attempt.completion.fault:
            return "forgotten" if record.reasons == [FORGOTTEN] else "no_text"
        if self.kind == "accepted" and record.outcome != "accepted":
            return "not_accepted"
        if stands is None:
            return self._published(row, self._content(row, attempt)) if self.kind == "accepted" else "open"
        if stands.state == "rejected":
            return _left_out(row, "rejected", "Its editors refused it.") if self.kind == "accepted" else "rejected"
        if stands.decision is None:
            return _left_out(row, "in_conflict", _DIFFER)
        content = self._decided(row, self._content(row, attempt), stands.decision)
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
            name=name_of(content.text, content.fields, record.brief),
            hidden=self.label.numbered(record.record_id) if self.label else UNSET,
        )

    def _content(self, row: Stamped, attempt: Attempt) -> Content:
        """The text with its label: the one it was made with, unless today's setting wants one, or none, in every text.

        Where nobody has decided on one, it is the house's for its language.
        """
        completion, language = attempt.completion, row.record.language
        content = completion.content or Content(text=completion.text.strip())
        if self.visible == "by_type" and content.place:
            return content
        if self.visible == "on" and content.disclosure and content.place != "off":
            return content
        label = label_for(self._declared(row), language, self.visible)
        return replace(content, disclosure=label.text, place=label.place)

    def _declared(self, row: Stamped) -> Disclosure:
        """What a text's type says of its label, as far as the type is still here and says it."""
        pack = self._packs.get(row.record.content_type)
        return pack.type.disclosure if pack else Disclosure()

    @cached_property
    def _packs(self) -> Packs:
        try:
            return self.past.packs
        except AigcError:  # gone or broken since: then the house's words stand in
            return Packs({})


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
