from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc.engine.ledger import Ledger
from aigc.records import Completion, Fault, Prompt

from . import dying


@given(
    count=st.integers(1, 40),
    poisonous=st.sets(st.integers(0, 39), max_size=3),
    slots=st.integers(1, 12),
    misfortunes=st.sets(st.integers(0, 200), max_size=4),
)
def test_every_row_is_done_once_and_only_those_to_blame_are_blamed(
    count: int, poisonous: set[int], slots: int, misfortunes: set[int]
) -> None:
    """Against a machine that dies in every step with a poisonous row, and now and then for no row's reason."""
    prompts = dying.rows(count, tuple(poisonous))
    ledger, done, blamed, steps, deaths = Ledger(prompts), Counter[str](), Counter[str](), 0, 0

    def run_round() -> bool:
        """Whether the machine lives through a round of the ledger."""
        nonlocal steps
        source, held = ledger.pull(), list[Prompt]()
        while True:
            while len(held) < slots and (prompt := next(source, None)):
                held.append(prompt)
            if not held:
                return True
            steps += 1
            if any(map(dying.is_poisonous, held)) or (steps in misfortunes and len(held) > 1):
                return False
            done[held[0].request_id] += 1
            ledger.take(Completion(request_id=held.pop(0).request_id, text="", finish_reason="stop"))

    while ledger.has_work():
        if run_round():
            ledger.end_round()
            continue
        deaths += 1
        if culprit := ledger.bury():
            blamed[culprit.request_id] += 1
    assert blamed == Counter(f"r{i}" for i in poisonous if i < count)
    assert done == Counter(f"r{i}" for i in range(count) if i not in poisonous)
    assert ledger.in_flight == 0
    assert deaths <= len(misfortunes) + len(blamed) * (3 + slots.bit_length() * 2)


@pytest.mark.parametrize("together", [1, 2, 5])
def test_convictions_are_counted_apart_from_deaths_that_told_nothing(together: int) -> None:
    """`together` rows at a time, each of which ends the machine."""
    ledger, convictions, fruitless = Ledger(dying.rows(20)), list[int](), list[int]()
    while ledger.has_work():
        source = ledger.pull()
        for _ in range(together):
            if next(source, None) is None:
                break
        if ledger.bury():
            convictions.append(ledger.convictions)
        fruitless.append(ledger.fruitless)
    assert convictions == list(range(1, 21))
    assert max(fruitless) == 1
    refused = Fault(code="special_token", found="a control token", expected="plain text", remedy="Remove it.")
    ledger.take(Completion(request_id="r0", text="", finish_reason="error", fault=refused))
    assert ledger.convictions == 20
    ledger.take(Completion(request_id="r0", text="", finish_reason="stop"))
    assert ledger.convictions == 0
