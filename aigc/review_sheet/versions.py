"""Versions of a text: as it was made, and as editors left it. What a row of a sheet shows, and how that is known again.

A row of a text that stands approved with an edit shows the edit. It names the decision that it shows, and those that it
tells of, by a mark each in hidden cells: so that a row that comes back is compared with what it was written with,
whatever was decided since.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from aigc.cells import cell_text
from aigc.errors import StoreError, TemplateError, nearest
from aigc.errors import shown as quoted
from aigc.hashing import digest
from aigc.outputs import edited_text
from aigc.packs import Pack, load_packs
from aigc.provenance import read_run
from aigc.records import OutputValue
from aigc.review.decisions import Decision, says_the_same
from aigc.review.reviewable import Original
from aigc.review.standing import Standing
from aigc.sheets.cells import Problem

_MARK_CHARS = 16


@dataclass(frozen=True)
class Known:
    """What is known of a run beside its texts: decisions on them, oldest first, and the templates that are at hand."""

    folder: Path
    decisions: Sequence[Decision] = ()

    @cached_property
    def packs(self) -> Mapping[str, Pack]:
        """The templates as they are now. A sheet without what they say is better than none."""
        try:
            return load_packs(Path(read_run(self.folder).settings.run.templates))
        except (StoreError, TemplateError):
            return {}

    def title(self, content_type: str) -> str:
        """What its template calls a content type; empty where that is not at hand."""
        pack = self.packs.get(content_type)
        return pack.type.title if pack else ""

    def edited(self, original: Original, edit: Decision | None) -> Original:
        """A text as an edit leaves it: its fields laid out, or without fields where the text itself was changed."""
        if edit is None:
            return original
        if not edit.fields:
            return msgspec.structs.replace(original, text=edit.text, fields={})
        fields = {name: edit.fields[name] for name in original.fields}
        return msgspec.structs.replace(original, text=self._laid_out(fields, original), fields=fields)

    def shown(self, original: Original, mark_of: str) -> Decision | None:
        """The edit that a row shows that has this mark; None where it shows the text as it was made.

        Raises:
            Problem: no decision of the run has that mark.
        """
        edits = (one for one in self._on(original) if one.verb == "edit")
        found = next((one for one in edits if mark(one) == mark_of), None) if mark_of else None
        if mark_of and found is None:
            raise Problem("unknown_version", "a row that shows an edit which the run's decisions do not have",
                          "the row as it was written",
                          "Restore its hidden columns; or write the files again (aigc review files), and decide there.")
        return found

    def decision_as(self, name: str, original: Original, seen: Collection[str]) -> Decision:
        """What a colleague decided on a text, as a row told that has these marks; else the latest.

        Raises:
            Problem: nobody of that name decided on it.
        """
        said = self._on(original)
        by_editor = {one.editor: one for one in sorted(said, key=lambda one: one.at)}
        by_editor.update({one.editor: one for one in said if mark(one) in seen})
        alike = [editor for editor in by_editor if _folded(editor) == _folded(name)]
        if name not in by_editor and len(alike) != 1:
            names = [*by_editor]
            expected = f"one of {', '.join(names)}, who did" if names else "your own decision: nobody did"
            raise Problem("unknown_colleague", f"a decision as {quoted(name)}, who did not decide on this text",
                          expected, f"Correct the cell.{nearest(name, names)}")
        return by_editor[name if name in by_editor else alike[0]]

    def made_at(self, decision: Decision, seen: Collection[str]) -> str:
        """When the decision of a row was made, which tells of decisions that have these marks.

        A file that comes back once more after a final word of which it does not tell, says again what was said before
        it. It is no answer to it.
        """
        said = self._by_record.get(decision.record_id, [])
        final = [mark(one) for one in said if one.final]
        before = [one.at for one in said if says_the_same(one, decision)]
        return before[-1] if final and before and not {*final} & {*seen} else decision.at

    def _on(self, original: Original) -> list[Decision]:
        """The decisions on a text as it was made."""
        return [one for one in self._by_record.get(original.record_id, []) if one.base == original.base]

    def _laid_out(self, fields: dict[str, OutputValue], original: Original) -> str:
        pack = self.packs.get(original.content_type)
        try:
            if pack:
                return edited_text(fields, pack, original.language)
        except TemplateError:
            pass  # other templates than it was made with: its fields are all there is to show
        return "\n\n".join(map(cell_text, fields.values()))

    @cached_property
    def _by_record(self) -> dict[str, list[Decision]]:
        found: dict[str, list[Decision]] = {}
        for decision in self.decisions:
            found.setdefault(decision.record_id, []).append(decision)
        return found


def mark(decision: Decision) -> str:
    """What a decision is known by in a cell; no spreadsheet takes it for a number."""
    return "v" + digest(msgspec.to_builtins(decision)).partition(":")[2][:_MARK_CHARS]


def edit_that_stands(stands: Standing | None, original: Original) -> Decision | None:
    """The edit with which a text is approved."""
    decision = stands.decision if stands else None
    return decision if decision and is_edit_of(decision, original) else None


def is_edit_of(decision: Decision, original: Original) -> bool:
    return decision.verb == "edit" and decision.base == original.base


def marks(decisions: Iterable[Decision]) -> str:
    """Marks of decisions as one cell."""
    return " ".join(map(mark, decisions))


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
