"""Decisions of editors beside a run in shared storage: whose they are, and what is forgotten of them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from shared_machines import (
    IN_MEMORY,
    LAMP,
    held,
    names,
    reviewed,
    two_machines,
)
from small_project import Project

from aigc.errors import StoreError
from aigc.forgetting import forget
from aigc.provenance import FileFacts
from aigc.publishing.values import STATEMENT, Statement
from aigc.review.ledger import LEDGER, breaks, read_ledger
from aigc.storage import Place, bring_run, publish


def test_decisions_of_the_editors_machine_stay_when_another_takes_the_run_there_again(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "kettle")
    assert publish(place, b.out / run_id)
    there = place.read(f"{run_id}/{LEDGER}")
    assert there == (b.out / run_id / LEDGER).read_bytes()
    for name, data in (("notes.docx", b"mine"), ("approved/approved.jsonl", b"{}"), ("review.xlsx", b"half done")):
        place.write(f"{run_id}/{name}", data)
    assert publish(place, a.out / run_id), "there are more decisions there than here, which knows of none"
    assert place.read(f"{run_id}/{LEDGER}") == there
    assert {"notes.docx", "approved/approved.jsonl", "review.xlsx"} <= names(place, run_id)
    assert bring_run(place, a.out, run_id)
    assert read_ledger(a.out / run_id) == read_ledger(b.out / run_id)
    reviewed(a, run_id, "lamp")
    assert publish(place, a.out / run_id)
    assert bring_run(place, b.out, run_id)
    assert [one.editor for one in read_ledger(b.out / run_id).decisions] == ["Ana", "Ana"]
    assert not bring_run(place, b.out, run_id), "nothing newer"


@IN_MEMORY
def test_decisions_of_two_machines_that_know_nothing_of_each_other_are_left_where_they_are(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "kettle", editor="Bo")
    reviewed(a, run_id, "kettle")
    assert publish(place, b.out / run_id)
    there = place.read(f"{run_id}/{LEDGER}")
    assert not publish(place, a.out / run_id)
    assert place.read(f"{run_id}/{LEDGER}") == there
    assert not bring_run(place, a.out, run_id)
    assert [one.editor for one in read_ledger(a.out / run_id).decisions] == ["Ana"]


@IN_MEMORY
def test_what_is_made_of_a_run_here_stays_here_and_what_a_run_has_no_more_goes_there(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, _, run_id = two_machines(machines, place)
    (a.out / run_id / "review.xlsx").write_bytes(b"a sheet")
    (a.out / run_id / "approved").mkdir()
    (a.out / run_id / "approved" / STATEMENT).write_bytes(b"{}")
    (a.out / run_id / "approved" / "approved.csv").write_bytes(b"id")
    (a.out / run_id / "croissant.json").unlink()
    publish(place, a.out / run_id)
    assert not {"review.xlsx", "approved/approved.csv", "croissant.json"} & names(place, run_id)


def test_a_forgotten_text_is_gone_from_whatever_another_machine_put_beside_the_run_there(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "lamp", editor="Bo")
    reviewed(b, run_id, "kettle", editor="Bo", text="A kettle.")
    assert publish(place, b.out / run_id)
    statement = msgspec.json.encode(Statement(
        run_id=run_id, selection="approved", manifest="", ledgers={}, exported_at="", texts=1, edited=1, left_out={},
        files=[FileFacts(path="approved.jsonl", digest="", bytes=1)]))
    for name, data in (("review.xlsx", LAMP), ("review-2.html", LAMP), (f"approved/{STATEMENT}", statement),
                       ("approved/approved.jsonl", LAMP), ("notes/minutes.docx", LAMP)):
        place.write(f"{run_id}/{name}", data)
    reviewed(a, run_id, "kettle", text="Mine.")  # its own decision, which the editors' machine has never seen
    [gone] = forget(a.out, "lamp", place=place)
    assert gone.shared
    assert {"review.xlsx", "review-2.html", "approved/approved.jsonl", f"approved/{STATEMENT}"} <= {*gone.removed_there}
    assert gone.unknown_there == ["notes/minutes.docx"], "it is no file of this program: somebody is told of it"
    assert held(a, place, run_id) == [f"{run_id}/notes/minutes.docx"]
    ledger = place.read(f"{run_id}/{LEDGER}") or b""
    assert b"A kettle." in ledger, "what was decided on other texts is there"
    (a.out / "there").mkdir()
    for name in (LEDGER, "decisions.head.json"):
        (a.out / "there" / name).write_bytes(place.read(f"{run_id}/{name}") or b"")
    assert breaks(a.out / "there") == [], "and in one chain"


@IN_MEMORY
def test_a_decision_that_was_torn_while_it_was_written_is_forgotten_too(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, _, run_id = two_machines(machines, place)
    reviewed(a, run_id, "kettle", text="A kettle.")
    with (a.out / run_id / LEDGER).open("ab") as file:
        file.write(b'{"previous":"sha256:0","decision":{"text":"Lampyris, as')
    publish(place, a.out / run_id)
    forget(a.out, "lamp", place=place)
    assert held(a, place, run_id) == []
    assert [one.text for one in read_ledger(a.out / run_id).decisions] == ["A kettle."]


@IN_MEMORY
def test_a_text_is_not_said_to_be_forgotten_where_decisions_there_were_changed(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "lamp")
    publish(place, b.out / run_id)
    ledger = place.read(f"{run_id}/{LEDGER}") or b""
    place.write(f"{run_id}/{LEDGER}", ledger.replace(b'"Ana"', b'"Bea"'))
    with pytest.raises(StoreError, match=f"{url}/{run_id}/{LEDGER} line 1: found a decision that was changed"):
        forget(a.out, "lamp", place=place)
    place.write(f"{run_id}/{LEDGER}", ledger)
    assert forget(a.out, "lamp", place=place)[0].shared, "the same command again"
    assert held(a, place, run_id) == []


@IN_MEMORY
def test_a_decision_that_comes_back_from_storage_is_not_one_on_a_forgotten_text(
    machines: Callable[[str], Project], url: str
) -> None:
    place = Place(url)
    a, b, run_id = two_machines(machines, place)
    reviewed(b, run_id, "lamp")
    reviewed(b, run_id, "kettle", text="A kettle.")
    publish(place, b.out / run_id)
    forget(a.out, "lamp")  # without the storage
    assert bring_run(place, a.out, run_id)
    assert [one.text for one in read_ledger(a.out / run_id).decisions] == ["A kettle."]
    assert LAMP not in (a.out / run_id / LEDGER).read_bytes()
