from __future__ import annotations

from collections.abc import Iterator

import pytest

from aigc.engine.shared_ledger import SharedLedger
from aigc.records import Completion, Fault, Prompt

from . import dying

FAULT = Fault(code="special_token", found="a", expected="b", remedy="c")


def made(name: str, fault: Fault | None = None) -> Completion:
    return Completion(request_id=name, text="", finish_reason="error" if fault else "stop", fault=fault)


def ledger_of(count: int, *workers: str) -> SharedLedger:
    ledger = SharedLedger(dying.rows(count))
    for worker in workers:
        ledger.join(worker)
    return ledger


def given(ledger: SharedLedger, worker: str, most: int) -> list[str]:
    """Ids of what a worker is given, up to `most` rows."""
    found = []
    while len(found) < most and (prompt := ledger.next_for(worker)):
        found.append(prompt.request_id)
    return found


def died(ledger: SharedLedger, worker: str) -> str | None:
    """Who is to blame for a death, after which the worker is begun anew."""
    culprit = ledger.bury(worker)
    ledger.join(worker)
    return culprit.request_id if culprit else None


def test_what_a_dead_worker_had_goes_to_another_in_its_order_and_before_new_rows() -> None:
    ledger = ledger_of(6, "a", "b")
    assert given(ledger, "a", 3) == ["r0", "r1", "r2"]
    assert ledger.bury("a") is None
    assert (ledger.in_flight, ledger.waiting) == (0, 3)
    assert given(ledger, "b", 9) == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert ledger.is_dry


def test_rows_of_two_deaths_go_in_halves_to_workers_that_have_nothing_else() -> None:
    ledger = ledger_of(9, "a", "b")
    assert given(ledger, "b", 1) == ["r0"]
    assert given(ledger, "a", 4) == ["r1", "r2", "r3", "r4"]
    assert died(ledger, "a") is None
    assert given(ledger, "a", 4) == ["r1", "r2", "r3", "r4"]
    assert died(ledger, "a") is None
    assert given(ledger, "b", 2) == ["r5", "r6"], "it has other rows"
    assert given(ledger, "a", 9) == ["r1", "r2"], "a half, and nothing beside it"
    ledger.take("a", made("r1"))
    assert given(ledger, "a", 9) == []
    ledger.take("a", made("r2"))
    assert given(ledger, "a", 9) == ["r3", "r4"]


def test_a_row_is_to_blame_once_it_has_died_alone_at_two_workers() -> None:
    ledger = ledger_of(1, "a", "b")
    for _ in range(2):
        assert given(ledger, "a", 9) == ["r0"]
        assert died(ledger, "a") is None
    assert given(ledger, "a", 9) == [], "another is to try it"
    assert (ledger.convictions["a"], ledger.fruitless["a"]) == (1, 0)
    assert given(ledger, "b", 9) == ["r0"]
    assert died(ledger, "b") == "r0"
    assert not ledger.has_work()


def test_a_row_that_one_machine_died_of_and_another_makes_is_not_to_blame() -> None:
    ledger = ledger_of(1, "a", "b")
    for _ in range(2):
        assert given(ledger, "a", 9) == ["r0"]
        assert died(ledger, "a") is None
    assert given(ledger, "b", 9) == ["r0"]
    ledger.take("b", made("r0"))
    assert (ledger.in_flight, ledger.waiting) == (0, 0)


def test_where_there_is_no_other_worker_a_row_that_dies_alone_is_to_blame() -> None:
    ledger = ledger_of(1, "a")
    assert given(ledger, "a", 9) == ["r0"]
    assert died(ledger, "a") is None
    assert given(ledger, "a", 9) == ["r0"]
    assert died(ledger, "a") == "r0"


def test_a_row_that_waits_for_another_worker_goes_to_the_last_one_left() -> None:
    ledger = ledger_of(1, "a", "b")
    for _ in range(2):
        assert given(ledger, "a", 9) == ["r0"]
        assert died(ledger, "a") is None
    ledger.release("b")
    assert given(ledger, "a", 9) == ["r0"]
    assert died(ledger, "a") == "r0"


def test_a_row_a_worker_is_given_up_with_has_no_part_in_it() -> None:
    ledger = ledger_of(2, "a", "b")
    assert given(ledger, "a", 9) == ["r0", "r1"]
    ledger.release("a")
    assert given(ledger, "b", 9) == ["r0", "r1"]
    assert died(ledger, "b") is None, "its first death"
    assert given(ledger, "b", 9) == ["r0", "r1"], "so they go again together"


def test_what_was_not_yet_handed_out_of_a_group_waits_for_another_worker() -> None:
    ledger = ledger_of(8, "a", "b")
    assert given(ledger, "b", 1) == ["r0"]
    for _ in range(2):
        assert given(ledger, "a", 4) == ["r1", "r2", "r3", "r4"]
        assert died(ledger, "a") is None
    assert given(ledger, "a", 1) == ["r1"]
    assert died(ledger, "a") is None, "alone, but another is to try it"
    assert given(ledger, "a", 9) == ["r2"]
    ledger.take("a", made("r2"))
    assert given(ledger, "a", 9) == ["r3", "r4"]
    ledger.take("b", made("r0"))
    assert given(ledger, "b", 9) == ["r1"]


@pytest.mark.parametrize(("fault", "left"), [(None, 0), (FAULT, 2)], ids=["a text", "a refusal"])
def test_only_a_text_shows_that_a_worker_lives(fault: Fault | None, left: int) -> None:
    ledger = ledger_of(3, "a")
    for _ in range(2):
        assert died(ledger, "a") is None
    assert ledger.fruitless["a"] == 2
    given(ledger, "a", 1)
    ledger.take("a", made("r0", fault))
    assert ledger.fruitless["a"] == left


def test_deaths_count_for_the_worker_that_died() -> None:
    ledger = ledger_of(4, "a", "b")
    given(ledger, "b", 1)
    assert died(ledger, "a") is None
    ledger.take("b", made("r0"))
    assert ledger.fruitless == {"a": 1, "b": 0}


def test_after_none_the_owner_is_not_asked_before_a_completion() -> None:
    asked = list[str]()

    def prompts() -> Iterator[Prompt | None]:
        for prompt in [dying.rows(1)[0], None, dying.rows(2)[1], None]:
            asked.append(prompt.request_id if prompt else "none")
            yield prompt

    ledger = SharedLedger(prompts())
    ledger.join("a")
    ledger.join("b")
    assert ledger.has_work()
    assert given(ledger, "a", 9) == ["r0"]
    assert given(ledger, "b", 9) == given(ledger, "a", 9) == []
    assert asked == ["r0", "none"]
    ledger.take("a", made("r0"))
    assert given(ledger, "b", 9) == ["r1"]
    assert asked == ["r0", "none", "r1", "none"]


def test_a_search_among_256_rows_on_two_workers_finds_both_that_are_to_blame_and_fails_no_other() -> None:
    poison, ledger, deaths = {"r40", "r199"}, ledger_of(400, "a", "b"), 0
    done, failed = set[str](), set[str]()
    while ledger.has_work() or ledger.in_flight:
        for worker in ("a", "b"):
            had = given(ledger, worker, 256)
            if poison.intersection(had):
                deaths += 1
                if culprit := died(ledger, worker):
                    failed.add(culprit)
                continue
            for name in had:
                ledger.take(worker, made(name))
                done.add(name)
    assert failed == poison
    assert done == {f"r{i}" for i in range(400)} - poison
    assert deaths < 30
