"""A chief editor's final word: it settles what others differ on, is in the chain, and who differs later reopens it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from runs_to_review import NOW, RUN, a_decision, record_id, reviewed

from aigc.review.agreement import agreements
from aigc.review.decisions import Decision, Verb
from aigc.review.intake import Offered, Reading, Reviewed, Taken, take
from aigc.review.ledger import LEDGER, Source, append, breaks, first_link, read_ledger
from aigc.review.standing import Standing, standings


def said(editor: str, verb: Verb, at: int = 0, **changes: object) -> Decision:
    return Decision(**{"record_id": "r", "run_id": "run", "verb": verb, "editor": editor, "base": "sha256:b",
                       "at": f"2026-11-28T17:{at:02d}:00.000+00:00", **changes})


def final(editor: str, verb: Verb, at: int = 0, **changes: object) -> Decision:
    return said(editor, verb, at, final=True, **changes)


@pytest.fixture
def run(folder: Path) -> Reviewed:
    return reviewed(folder)


DIFFER = [said("Ana", "approve"), said("Bo", "reject", 1)]


@pytest.mark.parametrize(("decisions", "state", "counts", "latest", "overruled"), [
    ([final("Mei", "approve")], "approved", "Mei", "Mei", ""),
    ([*DIFFER, final("Mei", "approve", 2)], "approved", "Mei", "Ana Mei", "Bo"),
    ([*DIFFER, final("Mei", "reject", 2)], "rejected", "Mei", "Bo Mei", "Ana"),
    ([*DIFFER, final("Mei", "edit", 2, text="x")], "approved", "Mei", "Mei", "Ana Bo"),
    ([*DIFFER, final("Bo", "approve", 2)], "approved", "Bo", "Ana Bo", ""),
    ([*DIFFER, final("Mei", "edit", 2, text="x"), said("Cy", "edit", 3, text="y")], "in_conflict", "", "Mei Cy",
     "Ana Bo"),
    ([*DIFFER, final("Mei", "approve", 2), said("Cy", "approve", 3)], "approved", "Mei", "Ana Mei Cy", "Bo"),
    ([*DIFFER, final("Mei", "approve", 2), said("Bo", "reject", 3)], "in_conflict", "", "Ana Mei Bo", ""),
    ([*DIFFER, final("Mei", "approve", 2), said("Bo", "reject", 3), said("Bo", "approve", 4)], "approved", "Mei",
     "Ana Mei Bo", ""),
    ([*DIFFER, final("Mei", "approve", 2), said("Bo", "reject", 3), final("Mei", "approve", 4)], "approved", "Mei",
     "Ana Mei", "Bo"),
    ([*DIFFER, final("Mei", "approve", 2), final("Kim", "reject", 3)], "rejected", "Kim", "Bo Kim", "Ana Mei"),
    ([*DIFFER, final("Mei", "approve", 2), final("Kim", "approve", 3)], "approved", "Kim", "Ana Mei Kim", "Bo"),
    ([*DIFFER, final("Mei", "edit", 2, text="x"), said("Mei", "reject", 3)], "rejected", "Mei", "Mei", "Ana Bo"),
    ([said("Mei", "reject", 9), final("Mei", "approve", 2)], "approved", "Mei", "Mei", ""),
    ([final("Mei", "approve", 2), said("Cy", "reject", 1)], "approved", "Mei", "Mei", "Cy"),
    ([said("Cy", "reject", 3), final("Mei", "approve", 2)], "approved", "Mei", "Mei", "Cy"),
], ids=["alone", "for one", "for the other", "for none", "by one of them", "another differs later", "another agrees",
        "who was overruled says it again", "and gives in", "said again", "another final word", "another that agrees",
        "thought again", "over one's own", "made before, imported later", "made later, imported before"])
def test_a_final_word_stands_over_what_was_said_before_and_not_over_what_is_said_later(
    decisions: list[Decision], state: str, counts: str, latest: str, overruled: str
) -> None:
    stands: Standing = standings(decisions)["r"]
    assert stands.state == state
    assert (stands.decision.editor if stands.decision else "") == counts
    assert " ".join(one.editor for one in stands.latest) == latest
    assert " ".join(one.editor for one in stands.overruled) == overruled


def brought(run: Reviewed, *decisions: Decision, source: str = "f", is_final: bool = False) -> Taken:
    offers = [Offered(place=f"line {number}", decision=one) for number, one in enumerate(decisions, 2)]
    return take(run, Reading(offers, [], []), Source(name=source, digest=source, imported_at=NOW), final=is_final)


def at(minute: int) -> str:
    return f"2026-11-28T17:{minute:02d}:00.000+00:00"


def test_who_imports_says_that_a_word_is_final_and_a_file_cannot(run: Reviewed) -> None:
    brought(run, a_decision(run, final=True))
    assert not read_ledger(run.folder).decisions[0].final
    taken = brought(run, a_decision(run), is_final=True)
    assert (taken.taken, taken.final, read_ledger(run.folder).decisions[-1].final) == (1, True, True)


def test_the_import_counts_whom_it_overrules_and_tells_who_is_overruled(run: Reviewed) -> None:
    brought(run, a_decision(run, at=at(1)), a_decision(run, "emoji", at=at(1)), source="a")
    taken = brought(run, *(a_decision(run, name, editor="Bo", verb="reject", reason="legal", at=at(2))
                           for name in ("plain", "date")), source="b")
    assert [one.code for one in taken.problems] == ["conflict"]
    taken = brought(run, *(a_decision(run, name, editor="Mei", at=at(4)) for name in ("plain", "emoji", "date")),
                    source="c", is_final=True)
    assert (taken.taken, taken.overruling, taken.problems) == (3, 2, [])
    late = brought(run, a_decision(run, "emoji", editor="Cy", verb="reject", reason="other", at=at(3)), source="d")
    assert [(one.code, one.taken) for one in late.notices] == [("overruled", True)]
    assert late.notices[0].message == (
        "line 2: found Cy: reject, made before the final word of Mei: approve; expected a decision made after it. It "
        "is kept, and the final word stands.")
    assert {one.state for one in read_ledger(run.folder).standing().values()} == {"approved"}


def test_the_same_final_word_adds_nothing_until_somebody_differs(run: Reviewed) -> None:
    mei = a_decision(run, editor="Mei", at=at(1))
    assert [brought(run, mei, source="m", is_final=True).taken for _ in range(2)] == [1, 0]
    assert brought(run, mei, source="m").taken == 0, "the same file without --final takes nothing back"
    assert brought(run, replace(mei, at=at(2)), source="n").taken == 0
    assert brought(run, a_decision(run, editor="Bo", verb="reject", reason="other", at=at(3))).problems
    assert brought(run, mei, source="m").taken == 0
    again = brought(run, mei, source="m", is_final=True)
    assert (again.taken, again.overruling) == (1, 1)
    assert brought(run, mei, source="m", is_final=True).taken == 0
    assert read_ledger(run.folder).standing()[record_id("plain")].state == "approved"


def test_a_ledger_without_final_words_is_byte_for_byte_what_it_was(run: Reviewed) -> None:
    append(run.folder, [a_decision(run)], Source(name="a.csv", digest="sha256:a", imported_at=NOW))
    line = json.loads((run.folder / LEDGER).read_text("utf-8"))
    assert list(line["decision"]) == ["record_id", "run_id", "action", "editor", "at", "base", "text", "fields",
                                      "reason", "note"]
    assert line["previous"] == first_link(RUN)
    append(run.folder, [a_decision(run, "emoji", final=True)], Source(name="b", digest="sha256:b", imported_at=NOW))
    assert json.loads((run.folder / LEDGER).read_text("utf-8").splitlines()[1])["decision"]["final"] is True


@pytest.mark.parametrize("change", [
    lambda text: text.replace(',"final":true', ""),
    lambda text: text.replace('"final":true', '"final":false'),
    lambda text: text.replace('"note":""}', '"note":"","final":true}', 1),
], ids=["taken away", "denied", "given"])
def test_a_final_word_is_in_the_chain(run: Reviewed, change: Callable[[str], str]) -> None:
    source = Source(name="a", digest="", imported_at=NOW)
    append(run.folder, [a_decision(run), a_decision(run, "emoji", final=True)], source)
    assert breaks(run.folder) == []
    path = run.folder / LEDGER
    before = path.read_text("utf-8")
    path.write_text(change(before), "utf-8")
    assert path.read_text("utf-8") != before
    assert [one.found for one in breaks(run.folder)] == ["a decision that was changed: its digest is another"]


def test_a_final_word_has_no_part_in_agreement() -> None:
    decisions = [*DIFFER, final("Mei", "approve", 2)]
    assert [(one.editors, one.records) for one in agreements(decisions)] == [(["Ana", "Bo"], 1)]


def test_who_was_overruled_and_says_the_same_after_it_is_heard(run: Reviewed) -> None:
    bo = a_decision(run, editor="Bo", verb="reject", reason="legal", at=at(1))
    brought(run, bo, source="a")
    brought(run, a_decision(run, editor="Mei", at=at(2)), source="b", is_final=True)
    assert brought(run, bo, source="the same exported again").known == 1
    assert brought(run, replace(bo, at=at(3)), source="a").known == 1, "the same file"
    again = brought(run, replace(bo, at=at(3)), source="c")
    assert (again.taken, again.known, [one.code for one in again.problems]) == (1, 0, ["conflict"])
    assert brought(run, replace(bo, at=at(4)), source="d").known == 1
